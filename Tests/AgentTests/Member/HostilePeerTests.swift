// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import Crypto
import Glibc
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import TestSupport
import Testing
import Threads

// An agent and a witness against a peer that means harm. A trap ends the process of the tests, which
// is the failure then; `KEYTURN_HOSTILE_SEED` repeats a run.

/// Who asks, and what.
private struct HostileRequest {
  var method: String
  var path: String
  var query: [(name: String, value: String)] = []
  var body: [UInt8] = []
  var principal: Principal
}

/// Makes requests of a hostile peer about what a cluster is in.
private struct HostileCaller {
  var generator: HostileGenerator
  /// The rollout that the members have voted on, and the one before.
  var rollout: Rollout
  var before: Rollout
  let seals: [SealView]
  let changes: [SettingChange]

  private static func node(_ name: String) -> Principal {
    Principal(cluster: "prod", role: .node, name: name)
  }
  private static func principal(_ role: Role, _ name: String, of cluster: String = "prod")
    -> Principal
  { Principal(cluster: cluster, role: role, name: name) }

  /// A member most often: it may ask the most.
  private mutating func principal() -> Principal {
    generator.pick([
      Self.node("minio-2"), Self.node("minio-2"), Self.node("minio-2"), Self.node("minio-3"),
      Self.principal(.operator, "mallory"), Self.principal(.operator, "mallory"),
      Self.principal(.operator, "minio-2"), Self.node("minio-9"), Self.node("alice"),
      Self.principal(.observer, "eve"), Self.principal(.witness, "kms-1"),
      Self.principal(.operator, "alice", of: "other"),
    ])
  }

  private mutating func id() -> String {
    generator.pick([rollout.id, rollout.id, before.id, "ffffffffffffffff", generator.query("7")])
  }

  mutating func next() -> HostileRequest {
    let principal = principal()
    if generator.once(in: 4) { return look(principal) }
    var request = HostileRequest(method: "POST", path: "", principal: principal)
    (request.path, request.body) = question(principal)
    request.body = generator.message(request.body)
    if request.path == "/v1/rollouts", generator.once(in: 2) {
      request.query = [("wait", generator.query("200"))]
    }
    return request
  }

  /// The life of the agent that is asked, which everybody may know.
  private var addressee: Incarnation? { rollout.content(of: "minio-1")?.incarnation }

  private mutating func question(_ principal: Principal) -> (path: String, body: [UInt8]) {
    let path = "/v1/rollouts/\(id())"
    let now = Clock.now()
    switch generator.below(9) {
    case 0:
      let ballot = Ballot(round: UInt32(generator.below(9)), proposer: principal.name)
      let request = PromiseRequest(epoch: rollout.epoch, incarnation: addressee, ballot: ballot)
      return (path + "/promise", JSON.encode(request))
    case 1:
      let proposal = BallotValue(
        ballot: generator.pick([.coordinator, Ballot(round: 3, proposer: principal.name)]),
        decision: .commit, instant: now, bootID: "boot-1")
      let request = AcceptRequest(
        epoch: rollout.epoch, incarnation: addressee, proposal: proposal)
      return (path + "/accept", JSON.encode(request))
    case 2:
      let request = DecisionRequest(
        epoch: rollout.epoch, incarnation: addressee,
        decision: generator.pick([.commit, .abort]), instant: now, bootID: "boot-1", reason: "so")
      return (path + "/decision", JSON.encode(request))
    case 3:
      return (path + "/resolve", [])
    case 4:
      let rolloutResult = RolloutResult(
        rollout: before.id, kind: generator.pick([.confirmed, .held, .rollingBack]), reason: "so",
        rollback: rollout.id, by: principal.author)
      return ("/v1/rollouts/\(before.id)/result", JSON.encode(rolloutResult))
    case 5:
      let request = PlanRequest(
        RolloutRequest(
          kind: generator.pick([.apply, .restart, .rollback]), changes: changes, undoes: before.id),
        members: rollout.members)
      return ("/v1/plan", JSON.encode(request))
    case 6:
      let statement = MemberProposal(serial: 3, digest: rollout.digest, isInForce: false)
      return ("/v1/proposals", JSON.encode(statement))
    default:
      var other = generator.pick([rollout, before])
      other.createdBy = principal.author
      other.id = generator.pick([other.id, Rollout.newID()])
      other.epoch += UInt64(generator.below(3))
      let request = PrepareRequest(
        rollout: other,
        request: RolloutRequest(kind: other.kind, changes: changes, undoes: other.undoes),
        seals: seals)
      return ("/v1/rollouts", JSON.encode(request))
    }
  }

  private mutating func look(_ principal: Principal) -> HostileRequest {
    func query(_ name: String, _ value: String) -> [(name: String, value: String)] {
      [(name, generator.query(value))]
    }
    var request = HostileRequest(method: "GET", path: "", principal: principal)
    switch generator.below(9) {
    case 0: (request.path, request.query) = ("/v1/clock", [("rollout", id())])
    case 1: request.path = "/v1/seal"
    // Not of the one that is under way: that would rightly wait.
    case 2: (request.path, request.query) = ("/v1/rollouts/\(before.id)", query("wait", "0"))
    case 3: (request.path, request.query) = ("/v1/rollouts/\(rollout.id)", query("after", "0"))
    case 4:
      (request.path, request.query) = (
        "/v1/generations/\(generator.query("1"))/diff", query("to", "2")
      )
    case 5:
      (request.path, request.query) = (
        "/v1/logs", query(generator.pick(["limit", "since", "last", "after", "wait"]), "9")
      )
    case 6: (request.path, request.query) = ("/v1/explain", query("name", "MINIO_BROWSER"))
    case 7: (request.path, request.query) = ("/v1/reached", query("nonce", "0"))
    default:
      request.path = generator.pick(["/v1/proposals", "/v1/rollouts", "/metrics", "/v1/status"])
    }
    return request
  }
}

@Suite("A hostile peer", .timeLimit(.minutes(4)))
struct HostilePeerTests {
  private static let seed =
    getenv("KEYTURN_HOSTILE_SEED").flatMap { UInt64(String(cString: $0)) } ?? 11

  /// Members begin when they are told to, and then wait for nobody.
  private static let times: RecoveryTimes = {
    var times = RecoveryTimes()
    times.silenceMilliseconds = 60_000
    times.rankMilliseconds = 10
    times.jitterMilliseconds = 5
    times.answerMilliseconds = 300
    times.firstPauseMilliseconds = 10
    times.longestPauseMilliseconds = 50
    return times
  }()
  private static let collectorTimes: CollectorTimes = {
    var times = CollectorTimes()
    times.silenceMilliseconds = 50
    times.againMilliseconds = 20
    return times
  }()
  private static func browser(_ value: String) -> [SettingChange] {
    [SettingChange(name: "MINIO_BROWSER", value: Secret(value))]
  }

  private func cluster() throws -> Cluster {
    let cluster = Cluster(
      [plainFile, plainFile, plainFile], times: Self.times, collectorTimes: Self.collectorTimes)
    #expect(try cluster.apply(enabling).outcomes == [.confirmed, .confirmed, .confirmed])
    return cluster
  }

  /// Every member ends what it is in, and the next rollout goes through as if nothing had been.
  private func goesOn(_ cluster: Cluster, round: Int) throws -> Rollout? {
    let deadline = Instant.inMilliseconds(20_000)
    for (index, node) in cluster.nodes.enumerated() {
      var isAtRest: Bool?
      while isAtRest == nil, Clock.now() < deadline {
        if let id = node.agent.status().activeRollout {
          _ = node.send("POST", "/v1/rollouts/\(id)/resolve")
        }
        isAtRest = node.agent.rollouts.state.wait(until: .inMilliseconds(200)) { state in
          state.participant.record.active == nil && state.participant.assessing == nil ? true : nil
        }
      }
      #expect(isAtRest == true, "round \(round): minio-\(index + 1) is still in a rollout")
    }
    let changes = Self.browser("normal-\(round)")
    let rollout = try cluster.rollout(changes, id: Rollout.newID())
    let (votes, outcomes) = try cluster.run(rollout, changes)
    #expect(
      votes == [nil, nil, nil],
      "round \(round): \(cluster.lastRefusals.withLock { $0.map(\.message) })")
    #expect(outcomes == [.confirmed, .confirmed, .confirmed], "round \(round)")
    return outcomes == [.confirmed, .confirmed, .confirmed] ? rollout : nil
  }

  @Test("60,000 requests: each is answered in time, and after every 400 a rollout goes through")
  func requests() throws {
    let cluster = try cluster()
    var before = try #require(try goesOn(cluster, round: 0))
    var generator = HostileGenerator(seed: Self.seed)
    var statuses: [Int: Int] = [:]
    var slowest = 0
    for round in 1...150 {
      let changes = Self.browser("hostile-\(round)")
      let rollout = try cluster.rollout(changes, id: Rollout.newID())
      for node in cluster.nodes { #expect(try node.prepare(rollout, changes).refusal == nil) }
      var caller = HostileCaller(
        generator: generator, rollout: rollout, before: before,
        seals: cluster.nodes.compactMap { try? $0.plan(changes).sealView },
        changes: changes)
      for _ in 0..<400 {
        let request = caller.next()
        let asked = Clock.now()
        let response = cluster[0].send(
          request.method, request.path, request.body, as: request.principal, query: request.query)
        slowest = max(slowest, Clock.now().milliseconds(since: asked))
        statuses[response.status, default: 0] += 1
      }
      generator = caller.generator
      before = try #require(try goesOn(cluster, round: round))
    }
    // It got past the decoders often enough to have met what is behind them.
    #expect(statuses[200, default: 0] > 5_000, "\(statuses)")
    #expect(slowest < 10_000, "a request took \(slowest) ms")
  }

  @Test("a member's answers, whatever this one asks it: it goes on, and so do the rollouts")
  func answers() throws {
    let cluster = try cluster()
    let generator = Lock(HostileGenerator(seed: Self.seed))
    let count = Lock(0)
    for round in 1...40 {
      cluster.network.hooks.update {
        $0.rewrite = { node, bytes in
          guard node == "minio-2" else { return bytes }
          count.update { $0 += 1 }
          return generator.withLock { $0.message(bytes) }
        }
      }
      let agent = cluster[0].agent
      for _ in 0..<20 {
        _ = agent.seals.look()
        _ = agent.proposals.wholeView()
        _ = agent.coordination.undertaking.ask(RolloutRequest(kind: .restart))
      }
      // In doubt, it asks the others.
      let changes = Self.browser("hostile-\(round)")
      let rollout = try cluster.rollout(changes, id: Rollout.newID())
      for node in cluster.nodes { #expect(try node.prepare(rollout, changes).refusal == nil) }
      _ = cluster[0].send("POST", "/v1/rollouts/\(rollout.id)/resolve")
      _ = agent.rollouts.state.wait(until: .inMilliseconds(200)) {
        $0.participant.record.active == nil ? true : nil
      }
      cluster.network.hooks.update { $0.rewrite = nil }
      _ = try #require(try goesOn(cluster, round: round))
    }
    #expect(count.withLock { $0 } > 1_000)
  }

  /// Reaches nothing.
  private struct Nothing: ReachPort {
    func reach(_ node: Inventory.Node, nonce: Digest, deadline: Instant) -> [ReverseAttempt] { [] }
  }

  @Test("8,500 questions to a witness: it lives, and then serves a node as before")
  func witness() {
    let inventory = Inventory(
      cluster: "prod", nodes: [.init(name: "minio-1", address: "minio-1")],
      keyManagers: [.init(name: "kms-1", address: "kms-1", witness: "kms-1")])
    let witness = Witness(
      name: "kms-1", inventory: inventory, records: FakeNodeHost(file: "").ports().records,
      version: "test", reach: Nothing(), peers: FakeNodeHost.NoPeers(), log: { _, _ in })
    var generator = HostileGenerator(seed: Self.seed)
    let question = JSON.encode(WitnessRequest(nonce: .sha256([7])))
    for _ in 0..<8_500 {
      let request = HTTPRequest(
        generator.pick(["POST", "POST", "POST", "GET"]),
        generator.pick(["/v1/witness", "/v1/witness", "/v1/status", "/metrics"]),
        query: generator.once(in: 9) ? [(name: "x", value: generator.query("1"))] : [],
        body: generator.message(question))
      // Its own share of questions stays the node's.
      _ = witness.answer(
        request,
        from: Principal(cluster: "prod", role: .node, name: generator.pick(["minio-2", "x"])))
    }
    let response = witness.answer(
      HTTPRequest("POST", "/v1/witness", body: question),
      from: Principal(cluster: "prod", role: .node, name: "minio-1"))
    #expect(response.status == 200)
  }
}
