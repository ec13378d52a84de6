// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import Rollout

/// A command's result on one node.
struct NodeResult: Sendable, Hashable, Encodable {
  var name: String
  var outcome: NodeOutcome
  var reason = ""
  /// What to look at although it went well.
  var warning: String?
  /// What is known of a start that was not confirmed.
  var failure: StartFailure?
}

/// What a rollout took, nanoseconds; nil unless it is known of all nodes.
struct RolloutTimes: Sendable, Hashable {
  /// Between the first and the last start of a server.
  var skew: Int64?
  /// Between the first and the last request for a restart.
  var issueSkew: Int64?
  /// Between the first and the last stop of a server.
  var stopSkew: Int64?
  /// From the first request for a restart until every server took writes.
  var writeOutage: Int64?
}

/// A command's result: its exit code and one entry for each node of the inventory.
struct CommandResult: Sendable, Hashable {
  var exitCode: ExitCode
  /// One word; the exit code's by default.
  var outcome: String
  var times = RolloutTimes()
  var nodes: [NodeResult]
  /// Whether the command has printed its own result: there is no `result` event then.
  var isTold = false
  /// Exit status by the rules of another program (Nagios); nil: the exit code.
  var foreignStatus: Int32?
  /// Whether anything was changed, or may have been, for configuration management.
  var isChanged: Bool
  /// What it came to, in one sentence; nil: the exit code's meaning.
  var message: String?
  /// What is in force now and what to do; nil for a command that rolls nothing out.
  var ending: Ending?
  /// The identity at the Key Manager that goes out of use; nil if none does.
  var retiredIdentity: RetiredIdentity?
  /// Whether a rollout has restarted servers; nil if that is not known, and for a command that rolls nothing out.
  var restarted: Bool?
  /// Whether what is planned would; nil for a command that plans nothing.
  var wouldRestart: Bool?

  init(
    _ exitCode: ExitCode, outcome: String? = nil, nodes: [NodeResult] = [], isTold: Bool = false,
    isChanged: Bool = false, message: String? = nil
  ) {
    self.exitCode = exitCode
    self.outcome = outcome ?? exitCode.word
    self.nodes = nodes
    self.isTold = isTold
    self.isChanged = isChanged
    self.message = message
  }

  /// With the last words, which the caller prints.
  init(
    _ exitCode: ExitCode, _ ending: Ending, nodes: [NodeResult], isChanged: Bool = false
  ) {
    self.init(exitCode, nodes: nodes, isChanged: isChanged, message: ending.headline)
    self.ending = ending
    restarted = ending.restarted
  }

  var exitStatus: Int32 { foreignStatus ?? exitCode.rawValue }

  /// The last event of `--json`.
  var fields: JSONObject {
    var fields: JSONObject = [
      "outcome": outcome, "exitCode": exitCode.rawValue,
      "skewMilliseconds": Self.milliseconds(times.skew),
      "issueSkewMilliseconds": Self.milliseconds(times.issueSkew),
      "stopSkewMilliseconds": Self.milliseconds(times.stopSkew),
      "writeOutageMilliseconds": Self.milliseconds(times.writeOutage), "nodes": nodes,
      "changed": isChanged, "message": message ?? exitCode.meaning,
    ]
    if let ending { fields["ending"] = ending.fields }
    if let retiredIdentity { fields["identities"] = retiredIdentity.fields }
    if let restarted { fields["restarted"] = restarted }
    if let wouldRestart { fields["restarts"] = wouldRestart }
    return fields
  }

  /// Milliseconds to three decimals.
  static func milliseconds(_ nanoseconds: Int64?) -> Double? {
    nanoseconds.map { Double(($0 + 500) / 1000) / 1000 }
  }
}

extension NodeResult {
  /// The outcome and a reason for each answer; unknown for a node that gave none.
  static func answers<Answer>(
    _ rows: [NodeAnswer<Answer>], reason: (Answer) -> String? = { _ in nil },
    outcome: (Answer) -> NodeOutcome
  ) -> [NodeResult] {
    rows.map { row in
      switch row.result {
      case .success(let answer):
        NodeResult(name: row.name, outcome: outcome(answer), reason: reason(answer) ?? "")
      case .failure(let failure):
        NodeResult(name: row.name, outcome: .unknown, reason: failure.message)
      }
    }
  }

  /// How a start ended on a node.
  init(_ member: MemberOutcome) {
    let outcome = member.outcome
    self.init(
      name: member.member, outcome: NodeOutcome(outcome), reason: outcome.reason,
      warning: outcome.warning, failure: outcome.failure)
  }

  /// Nodes on which nothing was touched, with the reasons of those that refuse or do not answer.
  static func untouched(_ refusals: [(name: String, refusal: Refusal?)]) -> [NodeResult] {
    refusals.map { name, refusal in
      NodeResult(
        name: name, outcome: refusal.map { NodeOutcome($0.code) } ?? .untouched,
        reason: refusal?.message ?? "")
    }
  }
}

extension CommandResult {
  /// Done if every node has answered and knows its own state.
  static func asked(
    _ nodes: [NodeResult], failures: [RefusalCode], isSound: Bool = true
  ) -> CommandResult {
    if failures.contains(.notPermitted) { return CommandResult(.notPermitted, nodes: nodes) }
    return CommandResult(failures.isEmpty && isSound ? .done : .unknown, nodes: nodes)
  }

  static func asked<Answer>(
    _ rows: [NodeAnswer<Answer>], isSound: Bool = true,
    reason: (Answer) -> String? = { _ in nil }, outcome: (Answer) -> NodeOutcome
  ) -> CommandResult {
    asked(
      NodeResult.answers(rows, reason: reason, outcome: outcome),
      failures: rows.compactMap { $0.failure?.code }, isSound: isSound)
  }
}
