// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model

extension ClusterHealth {
  /// The exit code of `status` and `check`: 1 for what is wrong now (with `isStrict` also for what should be looked
  /// at), 3 for a node that gave no answer.
  func exitCode(isStrict: Bool = false) -> ExitCode {
    switch level {
    // Whoever may not ask one node still sees what is wrong with another.
    case .wrong: .failed
    case _ where isForbidden: .notPermitted
    case .well: .done
    case .remarked: isStrict ? .failed : .done
    case .unknown: .unknown
    }
  }

  func result(isStrict: Bool = false) -> CommandResult {
    CommandResult(
      exitCode(isStrict: isStrict), nodes: nodes.map { node(of: $0, isStrict: isStrict) },
      message: conclusion(isComplete: true))
  }

  private func node(of name: String, isStrict: Bool) -> NodeResult {
    if let (_, refusal) = unanswered.first(where: { $0.name == name }) {
      return NodeResult(name: name, outcome: .unreachable, reason: refusal.message)
    }
    let level = level(of: name)
    let counts: Level = isStrict ? .remarked : .unknown
    let reason = statements(of: name, from: counts).first?.finding.statement ?? ""
    let outcome: NodeOutcome =
      level < counts ? .fine : level == .unknown ? .unknown : .failed
    return NodeResult(name: name, outcome: outcome, reason: reason)
  }

  /// For `--json`: every statement, the notes too.
  var fields: [JSONObject] {
    statements.map { statement in
      var object = JSONObject(statement.finding)
      object["nodeNames"] = statement.nodes
      object["level"] = "\(statement.level)"
      return object
    }
  }
}
