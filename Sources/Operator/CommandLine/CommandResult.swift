// SPDX-License-Identifier: Apache-2.0
internal import Model

/// What a command came to on one node.
struct NodeResult: Sendable, Hashable {
  var name: String
  /// One word: `confirmed`, `failed`, `unreachable`, `untouched` and the like.
  var outcome: String
  /// Why; may be empty.
  var reason = ""
  /// What someone should look at although it went well; nil if nothing.
  var warning: String?

  /// For `--json`.
  fileprivate var fields: [String: JSONValue] {
    var fields: [String: JSONValue] = [
      "name": .string(name), "outcome": .string(outcome), "reason": .string(reason),
    ]
    if let warning { fields["warning"] = .string(warning) }
    return fields
  }
}

/// What a command came to: its exit code and one entry for each node of the inventory.
struct CommandResult: Sendable, Hashable {
  var exitCode: ExitCode
  /// One word; the exit code's unless there is a better one.
  var outcome: String
  /// Between the first and the last start of a server.
  var skewNanoseconds: Int64?
  /// Between the first and the last request for a restart.
  var issueSkewNanoseconds: Int64?
  /// Between the first and the last stop of a server.
  var stopSkewNanoseconds: Int64?
  /// From the first request for a restart until every server took writes.
  var writeOutageNanoseconds: Int64?
  var nodes: [NodeResult]
  /// The command has said it all already: there is no `result` line.
  var isTold = false
  /// What to exit with instead, where another program says what its numbers mean.
  var foreignStatus: Int32?
  /// Whether anything is another than before, for configuration management; nil where nobody asks.
  var isChanged: Bool?

  init(
    _ exitCode: ExitCode, outcome: String? = nil, skewNanoseconds: Int64? = nil,
    issueSkewNanoseconds: Int64? = nil, stopSkewNanoseconds: Int64? = nil,
    writeOutageNanoseconds: Int64? = nil, nodes: [NodeResult] = [], isTold: Bool = false,
    isChanged: Bool? = nil
  ) {
    self.writeOutageNanoseconds = writeOutageNanoseconds
    self.isChanged = isChanged
    self.exitCode = exitCode
    self.outcome = outcome ?? exitCode.word
    self.skewNanoseconds = skewNanoseconds
    self.issueSkewNanoseconds = issueSkewNanoseconds
    self.stopSkewNanoseconds = stopSkewNanoseconds
    self.nodes = nodes
    self.isTold = isTold
  }

  var exitStatus: Int32 { foreignStatus ?? exitCode.rawValue }

  /// The last event of `--json`.
  var fields: [String: JSONValue] {
    var fields: [String: JSONValue] = [
      "outcome": .string(outcome),
      "exitCode": .integer(Int64(exitCode.rawValue)),
      "skewMilliseconds": Self.milliseconds(skewNanoseconds),
      "issueSkewMilliseconds": Self.milliseconds(issueSkewNanoseconds),
      "stopSkewMilliseconds": Self.milliseconds(stopSkewNanoseconds),
      "writeOutageMilliseconds": Self.milliseconds(writeOutageNanoseconds),
      "nodes": .array(nodes.map { .object($0.fields) }),
    ]
    if let isChanged { fields["changed"] = .bool(isChanged) }
    return fields
  }

  private static func milliseconds(_ nanoseconds: Int64?) -> JSONValue {
    nanoseconds.map { .number(milliseconds($0)) } ?? .null
  }

  /// Milliseconds to three decimals.
  static func milliseconds(_ nanoseconds: Int64) -> Double {
    Double((nanoseconds + 500) / 1000) / 1000
  }
}
