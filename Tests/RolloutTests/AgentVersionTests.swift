// SPDX-License-Identifier: Apache-2.0
import Crypto
import JSONCoding
import Model
import Rollout
import Testing

@Suite("Versions that share a rollout")
struct AgentVersionTests {
  @Test(
    "the newest protocol that all speak",
    arguments: [
      ([(1, 1)], 1), ([(1, 1), (1, 2)], 1), ([(1, 2), (2, 3)], 2), ([(2, 3), (2, 3)], 3),
      ([(1, 1), (2, 3)], nil), ([(1, 2), (2, 3), (3, 4)], nil), ([], nil),
    ] as [([(Int, Int)], Int?)])
  func common(_ ranges: [(Int, Int)], _ expected: Int?) {
    #expect(ProtocolRange.common(ranges.map { ProtocolRange($0.0, $0.1) }) == expected)
  }

  private static func row(
    _ node: String, _ version: AgentVersion?
  ) -> NodeAnswer<PlanAnswer> {
    var answer = PlanAnswer(
      node: node, path: "/etc/default/minio", before: .sha256([1]), after: .sha256([2]),
      difference: [], restartNeeded: true, restartReason: "", findings: [], refusal: nil,
      environment: [], environmentDigest: .sha256([]), epoch: 3, activeRollout: nil, generation: 4,
      seal: nil, key: nil, incarnation: Incarnation(random: 1, 2))
    answer.version = version
    return NodeAnswer(name: node, result: .success(answer))
  }

  private static let inventory = Inventory(
    cluster: "prod",
    nodes: ["minio-1", "minio-2", "minio-3"].map { .init(name: $0, address: $0) },
    keyManagers: [])

  @Test("agents of neighbouring versions take part, by the protocol that all speak")
  func neighbours() throws {
    let rows = [
      Self.row("minio-1", AgentVersion("0.2.0", ProtocolRange(1, 2))), Self.row("minio-2", nil),
      Self.row("minio-3", AgentVersion("0.1.0", ProtocolRange(1, 1))),
    ]
    let plan = ClusterPlan(rows: rows, protocols: ProtocolRange(1, 2))
    #expect(plan.verdict(isRestart: true) == .ready)
    let rollout = try plan.rollout(
      id: "00000000000000aa", RolloutRequest(kind: .restart), inventory: Self.inventory,
      createdBy: "alice", realtimeMicroseconds: 2_000_000_000_000_000)
    #expect(rollout.protocol == nil)
    // What the first version says is what it said before there were versions.
    #expect(!String(decoding: JSON.encode(rollout), as: UTF8.self).contains("protocol"))
    let newer = ["minio-1", "minio-2", "minio-3"].map {
      Self.row($0, AgentVersion("0.3.0", ProtocolRange(2, 3)))
    }
    let second = try ClusterPlan(rows: newer, protocols: ProtocolRange(1, 2)).rollout(
      id: "00000000000000aa", RolloutRequest(kind: .restart), inventory: Self.inventory,
      createdBy: "alice", realtimeMicroseconds: 2_000_000_000_000_000)
    #expect(second.protocol?.number == 2 && second.digest != rollout.digest)
  }

  @Test("versions beyond that are refused in the plan, each by name, the command line's own too")
  func beyond() {
    let rows = [
      Self.row("minio-1", AgentVersion("0.3.0+abc", ProtocolRange(2, 3))),
      Self.row("minio-2", nil),
      Self.row("minio-3", AgentVersion("0.3.0+abc", ProtocolRange(2, 3))),
    ]
    guard
      case .refused(let refusal, _) = ClusterPlan(rows: rows, protocols: ProtocolRange(1, 2))
        .verdict(isRestart: true)
    else {
      Issue.record("not refused")
      return
    }
    #expect(refusal.code == .vote)
    #expect(refusal.message.contains("minio-2: keyturnd of an older version, rollout protocol 1"))
    #expect(refusal.message.contains("keyturnd 0.3.0+abc, rollout protocols 2 to 3"))
    guard
      case .refused(let own, _) = ClusterPlan(rows: [rows[0], rows[2]], protocols: .own)
        .verdict(isRestart: true)
    else {
      Issue.record("not refused")
      return
    }
    #expect(own.message.contains("this program: rollout protocol 1"), "\(own.message)")
  }

  @Test(
    "a protocol that is not spoken is refused by name, the first one too; what has ended is read")
  func unknown() throws {
    var rollout = exampleRollout(id: "00000000000000cc", epoch: 3)
    for (number, range, isSpoken) in [
      (1, ProtocolRange(1, 1), true), (1, ProtocolRange(1, 2), true),
      (2, ProtocolRange(1, 2), true),
      (2, ProtocolRange(1, 1), false), (1, ProtocolRange(2, 3), false),
      (4, ProtocolRange(2, 3), false),
    ] {
      rollout.protocol = RolloutProtocol(number)
      let told = try JSON.decode(Rollout.self, from: JSON.encode(rollout))
      #expect(told == rollout)
      let problem = told.problem(speaking: range)
      #expect((problem == nil) == isSpoken, "\(number) \(range.text)")
      #expect(
        problem?.contains("protocol \(number), and this program speaks \(range.text)") != false)
    }
    for number in ["-1", "1.5", "\"1\"", "9000000000000000000"] {
      #expect(throws: (any Error).self) {
        try JSON.decode(RolloutProtocol.self, from: Array(number.utf8))
      }
    }
  }

  @Test("a member gives no vote by a protocol that it does not speak")
  func vote() {
    var participant = Participant(
      member: "a", incarnation: Incarnation(random: 1, 2), record: ParticipantRecord())
    var rollout = exampleRollout(id: "00000000000000cc", epoch: 3)
    rollout.protocol = RolloutProtocol(ProtocolRange.own.newest + 1)
    let effects = participant.handle(
      .prepare(rollout),
      at: Moment(now: Instant(nanoseconds: 1), bootID: "boot", jitterMilliseconds: 0))
    guard case .vote(_, let vote) = effects.first else {
      Issue.record("\(effects)")
      return
    }
    #expect("\(vote)".contains("install the Keyturn that began it"), "\(vote)")
  }

  /// What a peer says of itself.
  private static func told(_ protocols: String) throws -> AgentVersion {
    try JSON.decode(
      AgentVersion.self, from: Array(#"{"text":"0.1.0+abc","protocols":\#(protocols)}"#.utf8))
  }

  @Test(
    "who tells protocols that no program speaks is refused by its name, and counts for nothing else",
    arguments: [
      #"{"oldest":5,"newest":4}"#, #"{"oldest":0,"newest":1}"#, #"{"oldest":-3,"newest":1}"#,
      #"{"oldest":1,"newest":10001}"#, #"{"oldest":1,"newest":9223372036854775807}"#,
      #"{"oldest":1,"newest":1e300}"#, #"{"oldest":"1","newest":1}"#, #"{"oldest":1}"#, "[]",
      "null",
    ])
  func impossible(_ protocols: String) throws {
    let told = try Self.told(protocols)
    #expect(told.text == "0.1.0+abc" && told.protocols == nil)
    // It stays so where it is handed on.
    #expect(try JSON.decode(AgentVersion.self, from: JSON.encode(told)) == told)
    let rows = [
      Self.row("minio-1", AgentVersion("0.1.0")), Self.row("minio-2", told),
      Self.row("minio-3", AgentVersion("0.1.0")),
    ]
    let plan = ClusterPlan(rows: rows)
    guard case .refused(let refusal, let tells) = plan.verdict(isRestart: true) else {
      Issue.record("not refused")
      return
    }
    #expect(refusal.code == .vote && tells == ["minio-2"])
    #expect(refusal.message.contains("minio-2: its agent (keyturnd 0.1.0+abc) tells"))
    #expect(refusal.message.contains("install Keyturn there again"), "\(refusal.message)")
    #expect(plan.refusals.map { $0.refusal == nil } == [true, false, true])
    #expect(throws: Refusal.self) {
      try plan.rollout(
        id: "00000000000000aa", RolloutRequest(kind: .restart), inventory: Self.inventory,
        createdBy: "alice", realtimeMicroseconds: 2_000_000_000_000_000)
    }
    // The others are not said to differ because of it.
    let all = rows.compactMap(\.answer).map { (name: $0.node, version: $0.version) }
    #expect(all.protocolDifference(with: .own) == nil)
  }

  @Test("the last protocol that can be, and the one past it")
  func highest() throws {
    let last = try Self.told(#"{"oldest":10000,"newest":10000}"#)
    #expect(last.protocols == ProtocolRange(10_000, 10_000))
    #expect(try Self.told(#"{"oldest":10000,"newest":10001}"#).protocols == nil)
  }

  @Test("a version's text is bounded where a peer tells it")
  func bounded() throws {
    let long = AgentVersion(String(repeating: "9", count: 100_000))
    let told = try JSON.decode(AgentVersion.self, from: JSON.encode(long))
    #expect(told.text.utf8.count <= 64 && told.protocols == .own)
  }

  @Test(
    "a build is told by its commit",
    arguments: [("", "0"), ("0123abc", "0+0123abc"), ("0123abc+", "0+0123abc.changed")])
  func build(_ commit: String, _ expected: String) {
    #expect(Version.build(of: commit) == Version.text + expected.dropFirst())
  }
}
