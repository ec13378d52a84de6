// SPDX-License-Identifier: Apache-2.0
internal import Model

/// What a command came to on one node.
struct NodeResult: Sendable, Hashable, Encodable {
  var name: String
  /// One word: `confirmed`, `failed`, `unreachable`, `untouched` and the like.
  var outcome: String
  /// Why; may be empty.
  var reason = ""
  /// What someone should look at although it went well; nil if nothing.
  var warning: String?
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

/// What a command came to: its exit code and one entry for each node of the inventory.
struct CommandResult: Sendable, Hashable {
  var exitCode: ExitCode
  /// One word; the exit code's unless there is a better one.
  var outcome: String
  var times = RolloutTimes()
  var nodes: [NodeResult]
  /// The command has said it all already: there is no `result` line.
  var isTold = false
  /// What to exit with instead, where another program says what its numbers mean.
  var foreignStatus: Int32?
  /// Whether anything is another than before, for configuration management; nil where nobody asks.
  var isChanged: Bool?

  init(
    _ exitCode: ExitCode, outcome: String? = nil, nodes: [NodeResult] = [], isTold: Bool = false,
    isChanged: Bool? = nil
  ) {
    self.exitCode = exitCode
    self.outcome = outcome ?? exitCode.word
    self.nodes = nodes
    self.isTold = isTold
    self.isChanged = isChanged
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
    ]
    if let isChanged { fields["changed"] = isChanged }
    return fields
  }

  /// Milliseconds to three decimals.
  static func milliseconds(_ nanoseconds: Int64?) -> Double? {
    nanoseconds.map { Double(($0 + 500) / 1000) / 1000 }
  }
}
