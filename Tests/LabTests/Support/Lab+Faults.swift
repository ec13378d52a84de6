// SPDX-License-Identifier: Apache-2.0
import Glibc
import Model
import TestSupport
import Testing
import Threads

/// A place in a program, and what must come of it if the program dies there.
struct Place: Sendable, CustomTestStringConvertible {
  enum End: Sendable {
    case abort, commit
    /// Either, but the same everywhere.
    case any
  }

  let name: String
  let end: End
  /// Whether it is among those that every run looks at; the others with `KEYTURN_LAB_ALL=1`.
  let isUsual: Bool

  init(_ name: String, _ end: End, isUsual: Bool = false) {
    (self.name, self.end, self.isUsual) = (name, end, isUsual)
  }

  var testDescription: String { name }

  static func of(_ places: [Place]) -> [Place] {
    getenv("KEYTURN_LAB_ALL") == nil ? places.filter(\.isUsual) : places
  }

  /// In the agent, in the order of a rollout.
  static let ofAgents = of([
    Place("agent.prepare.persist", .abort),
    Place("agent.prepare.assess", .abort),
    Place("agent.check.stage", .abort),
    Place("agent.check.staged", .abort, isUsual: true),
    Place("agent.assessed.persist", .abort),
    Place("agent.assessed.vote", .abort, isUsual: true),
    Place("agent.accept.persist", .commit),
    Place("agent.accept.reply", .commit, isUsual: true),
    Place("agent.decided.persist", .commit),
    Place("agent.decided.arm", .commit),
    Place("agent.decided.reply", .commit),
    Place("agent.fire.install", .commit, isUsual: true),
    Place("agent.fire.restart", .commit, isUsual: true),
    Place("agent.fire.sync", .commit, isUsual: true),
    Place("agent.restarted.persist", .commit),
    Place("agent.restarted.watch", .commit),
    Place("agent.watched.keep", .commit),
    Place("agent.watched.persist", .commit),
    Place("agent.watched.conclude", .commit),
  ])
}

/// A node between two rollouts.
struct NodeFacts: Hashable {
  var file: String
  /// How often its server was started since the host's boot.
  var starts: Int
}

/// Hosts with the debug build, which dies or waits at places by name; and what must come of it.
extension Lab {
  static let fault = "/var/lib/keyturn/fault"

  /// Has the agents look for a place at which to die.
  func prepareFaults() throws {
    try onEachNode(
      """
      mkdir -p /etc/systemd/system/keyturnd.service.d &&
      printf '[Service]\\nEnvironment=KEYTURN_FAULT=\(Self.fault)\\n' \
        >/etc/systemd/system/keyturnd.service.d/fault.conf &&
      systemctl daemon-reload && systemctl restart keyturnd
      """)
  }

  private static let serial = Lock(0)

  /// A file of settings that no rollout had before.
  func newSettings() throws -> String {
    let number = Self.serial.update { number in
      number += 1
      return number
    }
    return try file("site-\(number).env", "MINIO_SITE_NAME=site-\(number)\n")
  }

  func disarm() throws { try onEachNode("rm -f \(Self.fault) \(Self.fault).reached") }

  func arm(_ node: String, _ place: String, _ action: String) throws {
    try exec(node, "echo '\(place) \(action)' >\(Self.fault)")
  }

  func awaitReached(_ node: String) throws {
    try exec(node, Self.loop("[ -e \(Self.fault).reached ]"))
  }

  /// A command for a shell that waits until another succeeds, for 30 s at most.
  static func loop(_ condition: String) -> String {
    "for k in $(seq 1500); do \(condition) && exit 0; sleep 0.02; done; exit 1"
  }

  func facts() throws -> [String: NodeFacts] {
    // SD_MESSAGE_UNIT_STARTING
    let id = "7d4958e842da4a758f6c1cdc7b36dcc5"
    let printed = try onEachNode(
      """
      sha256sum </etc/default/minio
      journalctl -q -o cat UNIT=minio.service MESSAGE_ID=\(id) | wc -l
      """)
    return printed.mapValues { text in
      let lines = text.split(separator: "\n").map(String.init)
      return NodeFacts(file: lines.first ?? "", starts: lines.last.flatMap { Int($0) } ?? -1)
    }
  }

  /// What status says of each node, as soon as none is in a rollout.
  func atRest() throws -> [Event] {
    let deadline = Instant.inMilliseconds(60_000)
    while true {
      let told = try keyturn("status", "--json").events().filter { $0.event == "status" }
      if told.count == nodes.count, told.allSatisfy({ $0.activeRollout == nil }) {
        return told
      }
      try #require(
        Clock.now() < deadline,
        "still in a rollout: \(told.map { "\($0.node ?? "") \($0.activeStage ?? "-")" })")
    }
  }

  /// All nodes have ended the last rollout alike.
  ///
  /// - Parameter rebooted: a node whose journal has begun again; its server must have been started
  ///   once since then.
  func expectOneEnd(
    _ end: Place.End, since before: [String: NodeFacts], rebooted: String? = nil,
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let status = try atRest()
    let after = try facts()
    let files = Set(after.values.map(\.file))
    #expect(files.count == 1, "\(after)", sourceLocation: location)
    let isCommit = files != Set(before.values.map(\.file))
    if end != .any { #expect(isCommit == (end == .commit), sourceLocation: location) }
    for node in nodes {
      let starts = (after[node]?.starts ?? 0) - (before[node]?.starts ?? 0)
      if node == rebooted {
        #expect(after[node]?.starts == 1, "\(node)", sourceLocation: location)
      } else {
        #expect(starts == (isCommit ? 1 : 0), "\(node)", sourceLocation: location)
      }
    }
    #expect(Set(status.map(\.generation)).count == 1, sourceLocation: location)
    let told = status.map { "\($0.node ?? ""): \($0.lastRollout ?? "") \($0.lastOutcome ?? "")" }
    if isCommit {
      #expect(Set(status.map(\.lastRollout)).count == 1, "\(told)", sourceLocation: location)
      #expect(
        status.allSatisfy { $0.lastOutcome == "confirmed" }, "\(told)", sourceLocation: location)
    } else {
      // Those that had not voted were never in it.
      let outcomes = Set(status.compactMap(\.lastOutcome))
      #expect(
        outcomes.isSubset(of: ["aborted", "confirmed"]), "\(told)", sourceLocation: location)
    }
  }
}
