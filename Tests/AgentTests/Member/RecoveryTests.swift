// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import Model
import Rollout
import Testing
import Threads

private let id = "00000000000000aa"
/// Nobody tries until it is asked to; then again and again, so that a test sees many rounds.
private let patience = {
  var times = RecoveryTimes()
  times.silenceMilliseconds = 3_600_000
  times.rankMilliseconds = 10
  times.jitterMilliseconds = 5
  times.firstPauseMilliseconds = 20
  times.longestPauseMilliseconds = 100
  return times
}()

extension Cluster {
  /// Some nodes whose coordinator got so far before it was gone.
  ///
  /// - Parameters:
  ///   - isolated: those that are cut off from the others.
  ///   - asked: whose patience is over.
  fileprivate static func left(
    _ count: Int, accepted: Int = 0, committed: Int = 0, isolated: Set<String> = [],
    asked: [Int] = [0]
  ) throws -> (cluster: Cluster, rollout: Rollout) {
    let cluster = Cluster((0..<count).map { _ in plainFile }, times: patience)
    let rollout = try cluster.rollout(enabling)
    cluster.network.down.update { $0 = isolated }
    for node in cluster.nodes {
      #expect(try node.prepare(rollout, enabling).refusal == nil)
    }
    for node in cluster.nodes.prefix(accepted) { try node.accept(rollout) }
    for node in cluster.nodes.prefix(committed) { _ = try node.decide(rollout, .commit) }
    for index in asked { #expect(cluster.resolve(index).status == 200) }
    return (cluster, rollout)
  }

  @discardableResult
  fileprivate func resolve(_ index: Int) -> HTTPResponse {
    nodes[index].send("POST", "/v1/rollouts/\(id)/resolve")
  }

  /// How the rollout ended on each, when it has.
  fileprivate func outcomes(_ rollout: Rollout) throws -> [OutcomeKind?] {
    try nodes.map { try $0.outcome(rollout)?.kind }
  }

  fileprivate var restarts: [Int] { nodes.map { $0.host.state.withLock { $0.restarts } } }

  fileprivate func count(_ path: String, to node: String? = nil) -> Int {
    network.questions.withLock { questions in
      questions.count { $0.path.hasSuffix(path) && (node == nil || $0.node == node) }
    }
  }

  /// Blocks until a node has tried so often in vain.
  fileprivate func waitForDoubt(_ index: Int, attempts: Int) -> Bool {
    let agent = nodes[index].agent
    return agent.rollouts.state.wait(until: .inMilliseconds(20_000)) { state in
      (state.participant.doubt?.attempts ?? 0) >= attempts ? true : nil
    } ?? false
  }
}

extension Node {
  fileprivate func accept(_ rollout: Rollout) throws {
    let request = AcceptRequest(
      epoch: rollout.epoch, incarnation: agent.incarnation,
      proposal: BallotValue(
        ballot: .coordinator, decision: .commit, instant: Clock.now(), bootID: "boot-1"))
    let response = send("POST", "/v1/rollouts/\(rollout.id)/accept", JSON.encode(request))
    #expect(try JSON.decode(ReplyAnswer.self, from: response.body).reply == .accepted)
  }
}

@Suite("Agent: recovery with the other members", .timeLimit(.minutes(2)))
struct AgentRecoveryTests {
  @Test("the coordinator is gone before it proposed: the members abort it, and nothing is left")
  func abort() throws {
    let (cluster, rollout) = try Cluster.left(3)
    #expect(try cluster.outcomes(rollout) == [.aborted, .aborted, .aborted])
    #expect(cluster.restarts == [0, 0, 0])
    for node in cluster.nodes {
      #expect(node.host.state.withLock { $0.staged.isEmpty && $0.file == Array(plainFile.utf8) })
    }
  }

  @Test(
    "a majority has accepted, or one knows commit: all restart, once",
    arguments: [(3, 0), (2, 1), (3, 3)])
  func commit(accepted: Int, committed: Int) throws {
    let (cluster, rollout) = try Cluster.left(
      3, accepted: accepted, committed: committed, asked: [2])
    #expect(try cluster.outcomes(rollout) == [.confirmed, .confirmed, .confirmed])
    #expect(cluster.restarts == [1, 1, 1])
  }

  @Test("a member that never voted settles it, and votes on that rollout no more")
  func neverVoted() throws {
    let cluster = Cluster([plainFile, plainFile, plainFile], times: patience)
    let rollout = try cluster.rollout(enabling)
    for node in cluster.nodes.prefix(2) { _ = try node.prepare(rollout, enabling) }
    cluster.resolve(0)
    #expect(try cluster[0].outcome(rollout)?.kind == .aborted)
    #expect(try cluster[2].prepare(rollout, enabling).refusal?.code == .vote)
  }

  @Test("what was to wake a member for one rollout does not end the next one")
  func lateWake() throws {
    let (cluster, rollout) = try Cluster.left(3, isolated: ["minio-1"], asked: [])
    let asked = Clock.now()
    cluster.resolve(0)
    for node in cluster.nodes { _ = try node.decide(rollout, .abort) }
    // The time for the answers is over just while the next yes is written.
    let over = asked.advanced(byMilliseconds: patience.answerMilliseconds + 200)
    #expect(Clock.now() < over)
    let saves = Lock(0)
    cluster[0].host.state.update { state in
      // First that the vote has begun, then the yes.
      state.onSave = { name in
        if name == "rollout",
          saves.update({
            $0 += 1; return $0 == 2
          })
        {
          Clock.sleep(until: over)
        }
      }
    }
    let next = try cluster.rollout(enabling, id: "00000000000000bb")
    #expect(try cluster[0].prepare(next, enabling).refusal == nil)
    cluster[0].host.state.update { $0.onSave = { _ in } }
    for node in cluster.nodes.dropFirst() {
      #expect(try node.prepare(next, enabling).refusal == nil)
    }
    for node in cluster.nodes { _ = try node.decide(next, .commit) }
    #expect(try cluster.outcomes(next) == [.confirmed, .confirmed, .confirmed])
    let questions = cluster.network.questions.withLock { $0.map(\.path) }
    #expect(!questions.contains { $0.contains("\(next.id)/promise") }, "\(questions)")
  }

  @Test("a majority suffices; the ones that were away learn it as soon as they are connected")
  func majority() throws {
    let away: Set = ["minio-4", "minio-5"]
    let (cluster, rollout) = try Cluster.left(5, accepted: 3, isolated: away, asked: [0, 3, 4])
    for node in cluster.nodes.prefix(3) { #expect(try node.outcome(rollout)?.kind == .confirmed) }
    #expect(cluster.waitForDoubt(3, attempts: 2))
    #expect(cluster.restarts == [1, 1, 1, 0, 0])
    cluster.network.down.update { $0 = [] }
    #expect(try cluster.outcomes(rollout).allSatisfy { $0 == .confirmed })
    #expect(cluster.restarts == [1, 1, 1, 1, 1])
  }

  @Test("without a majority it stays in doubt, changes nothing, tries on, and status says so")
  func minority() throws {
    let (cluster, rollout) = try Cluster.left(3, isolated: ["minio-1", "minio-2", "minio-3"])
    #expect(cluster.waitForDoubt(0, attempts: 3))
    let status = cluster[0].agent.status()
    #expect(status.activeRollout == id && status.activeStage == .known(.prepared))
    #expect(status.doubt?.missing == ["minio-2", "minio-3"], "\(String(describing: status.doubt))")
    let finding = status.findings.first { $0.rule == "rollout-in-doubt" }
    #expect(finding?.message.contains("rollout \(id) by alice") == true)
    #expect(finding?.message.contains("no answer from minio-2, minio-3") == true)
    let metrics = String(decoding: cluster[0].agent.metrics().body, as: UTF8.self)
    #expect(metrics.contains("keyturn_rollout_in_doubt 1\n"))
    #expect(cluster.restarts == [0, 0, 0])
    cluster.network.down.update { $0 = [] }
    #expect(try cluster.outcomes(rollout) == [.aborted, .aborted, .aborted])
    #expect(
      String(decoding: cluster[0].agent.metrics().body, as: UTF8.self)
        .contains("keyturn_rollout_in_doubt 0\n"))
  }

  @Test("a member that is asked to resolve tells where it is; one that is not in it tells so")
  func resolve() throws {
    let (cluster, rollout) = try Cluster.left(3, isolated: ["minio-1", "minio-2", "minio-3"])
    let answer = try JSON.decode(DoubtAnswer.self, from: cluster.resolve(1).body)
    #expect(answer.node == "minio-2" && answer.stage == .known(.prepared))
    cluster.network.down.update { $0 = [] }
    #expect(try cluster.outcomes(rollout) == [.aborted, .aborted, .aborted])
    #expect(try JSON.decode(DoubtAnswer.self, from: cluster.resolve(1).body).stage == nil)
  }

  @Test("an agent that starts in doubt has ended it before it has settled; so have all at once")
  func restarted() throws {
    var hasty = patience
    hasty.silenceMilliseconds = 100
    var (cluster, rollout) = try Cluster.left(3, accepted: 2, isolated: ["minio-3"])
    #expect(try cluster[0].outcome(rollout)?.kind == .confirmed)
    cluster.network.down.update { $0 = [] }
    cluster.times = hasty
    cluster.restart(2)
    #expect(try cluster[2].outcome(rollout)?.kind == .confirmed)
    #expect(cluster.restarts == [1, 1, 1])
    (cluster, rollout) = try Cluster.left(3, asked: [])
    cluster.times = hasty
    cluster.restartAll()
    #expect(try cluster.outcomes(rollout) == [.aborted, .aborted, .aborted])
    #expect(cluster.restarts == [0, 0, 0])
  }

  @Test("without the others it waits until the deadline and no longer, and is in doubt still")
  func deadline() throws {
    var (cluster, _) = try Cluster.left(
      3, isolated: ["minio-1", "minio-2", "minio-3"], asked: [])
    cluster.restartAll(settling: 300)
    let status = cluster[0].agent.status()
    #expect(status.activeRollout == id && status.activeStage == .known(.prepared))
    #expect(cluster.restarts == [0, 0, 0])
  }

  @Test("a decision is told again and again to a member that does not hear it")
  func told() throws {
    let (cluster, rollout) = try Cluster.left(3, accepted: 3, isolated: ["minio-3"])
    #expect(try cluster[0].outcome(rollout)?.kind == .confirmed)
    let isTold: Bool? = cluster.network.questions.wait(until: .inMilliseconds(20_000)) {
      questions in
      questions.count { $0.node == "minio-3" && $0.path.hasSuffix("decision") } > 2 ? true : nil
    }
    #expect(isTold == true)
    cluster.network.down.update { $0 = [] }
    #expect(try cluster[2].outcome(rollout)?.kind == .confirmed)
  }

  @Test("no member asks more than 8 others at once, and hosts that are gone do not keep it waiting")
  func bounded() throws {
    let gone = Set((2...7).map { "minio-\($0)" })
    let names = (1...13).map { "minio-\($0)" }
    let cluster = Cluster(names.map { _ in plainFile }, times: patience)
    let rollout = try cluster.rollout(enabling)
    for node in cluster.nodes { _ = try node.prepare(rollout, enabling) }
    // As a host that is gone: nothing comes back.
    cluster.network.holes.update { $0 = gone }
    cluster.resolve(0)
    for (name, node) in zip(names, cluster.nodes) where !gone.contains(name) {
      #expect(try node.outcome(rollout)?.kind == .aborted, "\(name)")
    }
    #expect(cluster.network.mostAtOnce <= Limits.peersAtOnce)
    #expect(cluster.network.mostAtOnce > 1)
  }

  @Test("a promise or a proposal in another member's name, and round 0 of another's, is refused")
  func names() throws {
    let (cluster, rollout) = try Cluster.left(3, asked: [])
    let member = Principal(cluster: "prod", role: .node, name: "minio-2")
    func status(
      _ step: String, _ body: some Encodable, as principal: Principal
    ) -> Int {
      cluster[0].send("POST", "/v1/rollouts/\(id)/\(step)", JSON.encode(body), as: principal).status
    }
    let other = Ballot(round: 9, proposer: "minio-3")
    let proposal = BallotValue(ballot: other, decision: .abort, instant: nil, bootID: "")
    let first = BallotValue(ballot: .coordinator, decision: .commit, instant: nil, bootID: "")
    let life = cluster[0].agent.incarnation
    let (epoch, bob) = (rollout.epoch, Principal(cluster: "prod", role: .operator, name: "bob"))
    #expect(
      status("promise", PromiseRequest(epoch: epoch, incarnation: life, ballot: other), as: member)
        == 403)
    #expect(
      status(
        "promise", PromiseRequest(epoch: epoch, incarnation: life, ballot: .coordinator), as: member
      ) == 403)
    #expect(
      status(
        "accept", AcceptRequest(epoch: epoch, incarnation: life, proposal: proposal), as: member)
        == 403)
    #expect(
      status("accept", AcceptRequest(epoch: epoch, incarnation: life, proposal: first), as: member)
        == 403)
    #expect(
      status("accept", AcceptRequest(epoch: epoch, incarnation: life, proposal: first), as: bob)
        == 403)
    #expect(
      status(
        "accept", AcceptRequest(epoch: epoch, incarnation: life, proposal: proposal), as: alice)
        == 403)
    let abort = DecisionRequest(
      epoch: epoch, incarnation: life, decision: .abort, instant: nil, bootID: "", reason: "")
    #expect(status("decision", abort, as: bob) == 403)
    let stranger = Principal(cluster: "prod", role: .node, name: "minio-9")
    #expect(status("decision", abort, as: stranger) == 403)
    #expect(cluster[0].agent.status().activeRollout == id)
    #expect(status("decision", abort, as: member) == 200)
    #expect(cluster[0].agent.status().activeRollout == nil)
  }
}
