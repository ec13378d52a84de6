// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model

// What the commands have in common that ask every node for something and show it.

extension Console {
  /// One event for each node: `name` with what it said, or `unreachable` with why it said nothing.
  func events<Answer>(
    _ name: String, _ rows: [NodeAnswer<Answer>], fields: (Answer) -> JSONObject
  ) {
    for row in rows {
      switch row.result {
      case .success(let answer): event(name, node: row.name, fields(answer))
      case .failure(let failure):
        event(
          "unreachable", node: row.name,
          [
            "kind": failure.code.rawValue, "reason": failure.message,
          ])
      }
    }
  }
}

extension NodeResult {
  /// What a node said: one word for it, and why if there is a reason. `unknown` where it said nothing.
  static func answers<Answer>(
    _ rows: [NodeAnswer<Answer>], reason: (Answer) -> String? = { _ in nil },
    outcome: (Answer) -> String
  ) -> [NodeResult] {
    rows.map { row in
      switch row.result {
      case .success(let answer):
        NodeResult(name: row.name, outcome: outcome(answer), reason: reason(answer) ?? "")
      case .failure(let failure):
        NodeResult(name: row.name, outcome: "unknown", reason: failure.message)
      }
    }
  }

  /// Nodes on which nothing was touched; why, where a node says no or says nothing.
  static func untouched(_ refusals: [(name: String, refusal: Refusal?)]) -> [NodeResult] {
    refusals.map { name, refusal in
      guard let refusal else { return NodeResult(name: name, outcome: "untouched") }
      let outcome = refusal.code == .unreachable ? "unreachable" : "refused"
      return NodeResult(name: name, outcome: outcome, reason: refusal.message)
    }
  }
}

extension CommandResult {
  /// What asking came to: done if every node has answered and knows its own state.
  ///
  /// - Parameter failures: why nodes did not answer, or said no.
  static func asked(
    _ nodes: [NodeResult], failures: [RefusalCode], isSound: Bool = true
  ) -> CommandResult {
    if failures.contains(.notPermitted) { return CommandResult(.notPermitted, nodes: nodes) }
    return CommandResult(failures.isEmpty && isSound ? .done : .unknown, nodes: nodes)
  }

  static func asked<Answer>(
    _ rows: [NodeAnswer<Answer>], isSound: Bool = true,
    reason: (Answer) -> String? = { _ in nil }, outcome: (Answer) -> String
  ) -> CommandResult {
    asked(
      NodeResult.answers(rows, reason: reason, outcome: outcome),
      failures: rows.compactMap { $0.failure?.code }, isSound: isSound)
  }
}
