// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import Model
import Rollout
import Testing
import Threads

/// Nobody tries until it is asked to; then again and again.
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
  /// The host of a node is replaced: the same name and file, and an empty state directory.
  fileprivate mutating func replace(_ index: Int) {
    let file = nodes[index].host.state.withLock { String(decoding: $0.file ?? [], as: UTF8.self) }
    nodes[index].host.state.update { state in
      state.records = [:]
      state.staged = [:]
    }
    nodes[index].host.state.update { $0.file = Array(file.utf8) }
    restart(index)
  }

  fileprivate func resolve(_ index: Int, _ rollout: Rollout) {
    _ = nodes[index].send("POST", "/v1/rollouts/\(rollout.id)/resolve")
  }

  fileprivate func waitForDoubt(_ index: Int, attempts: Int) -> Bool {
    let isVain: Bool? = nodes[index].agent.rollouts.state.wait(until: .inMilliseconds(20_000)) {
      state in
      (state.participant.doubt?.attempts ?? 0) >= attempts ? true : nil
    }
    return isVain ?? false
  }
}

@Suite("A node that was replaced", .timeLimit(.minutes(2)))
struct ReplacedNodeTests {
  private func voted(accepted: [Int]) throws -> (Cluster, Rollout) {
    let cluster = Cluster([plainFile, plainFile, plainFile], times: patience)
    let rollout = try cluster.rollout(enabling)
    for node in cluster.nodes { #expect(try node.prepare(rollout, enabling).refusal == nil) }
    for index in accepted { #expect(try cluster[index].accept(rollout).reply == .accepted) }
    return (cluster, rollout)
  }

  @Test(
    "it does not end a rollout that a majority has committed, whoever of the others is away",
    arguments: [true, false])
  func agreement(isAway: Bool) throws {
    var (cluster, rollout) = try voted(accepted: [0, 1])
    // The coordinator had a majority, told minio-2, and was gone; so was minio-1's agent.
    _ = try cluster[1].decide(rollout, .commit)
    #expect(try cluster[1].outcome(rollout)?.kind == .confirmed)
    cluster.replace(2)
    if isAway { cluster.network.down.update { $0 = ["minio-2"] } }
    cluster.restart(0)
    cluster.resolve(0, rollout)
    if isAway {
      #expect(cluster.waitForDoubt(0, attempts: 3))
      #expect(cluster[0].agent.status().activeRollout == rollout.id)
      cluster.network.down.update { $0 = [] }
    }
    #expect(try cluster[0].outcome(rollout)?.kind == .confirmed)
  }

  @Test("one that has not even accepted learns the commit too")
  func notAccepted() throws {
    var (cluster, rollout) = try voted(accepted: [1, 2])
    _ = try cluster[1].decide(rollout, .commit)
    #expect(try cluster[1].outcome(rollout)?.kind == .confirmed)
    cluster.replace(2)
    cluster.network.down.update { $0 = ["minio-2"] }
    cluster.resolve(0, rollout)
    #expect(cluster.waitForDoubt(0, attempts: 3))
    cluster.network.down.update { $0 = [] }
    #expect(try cluster[0].outcome(rollout)?.kind == .confirmed)
  }

  @Test(
    "a node whose record of its promises was taken away is another incarnation, and says nothing")
  func recordTakenAway() throws {
    var (cluster, rollout) = try voted(accepted: [0, 1])
    let before = cluster[2].agent.incarnation
    cluster[2].host.state.update { $0.records["rollout"] = nil }
    cluster.restart(2)
    #expect(cluster[2].agent.incarnation != before)
    let answer = try cluster[2].decide(rollout, .abort, as: before)
    #expect(answer.reply == .replaced)
    let second = cluster[2].agent.incarnation
    cluster.restart(2)
    #expect(cluster[2].agent.incarnation == second)
    #expect(try cluster[2].prepare(rollout, enabling).refusal?.message.contains("replaced") == true)
  }

  @Test("records of two state directories count as damaged: it answers nobody")
  func mixedRecords() throws {
    var (cluster, rollout) = try voted(accepted: [])
    let other = Incarnation(random: 5, 6)
    cluster[0].host.state.update { $0.records["incarnation"] = JSON.encode(other) }
    cluster.restart(0)
    let findings = cluster[0].agent.status().findings
    #expect(findings.contains { $0.rule == "damaged-record" && $0.message.contains("two state") })
    #expect(cluster[0].send("POST", "/v1/rollouts/\(rollout.id)/decision").status != 200)
    #expect(try cluster[0].prepare(rollout, enabling).refusal != nil)
  }

  @Test("when a majority of those who voted was replaced, status says that nobody can know")
  func majorityReplaced() throws {
    var (cluster, rollout) = try voted(accepted: [0])
    cluster.replace(1)
    cluster.replace(2)
    cluster.resolve(0, rollout)
    #expect(cluster.waitForDoubt(0, attempts: 2))
    let status = cluster[0].agent.status()
    #expect(status.activeRollout == rollout.id)
    let finding = try #require(status.findings.first { $0.rule == "rollout-in-doubt" })
    #expect(finding.severity == .error && finding.message.contains("minio-2, minio-3 lost"))
  }

  @Test("a single member that says that it never voted does not end a rollout; a majority does")
  func neverVotedAlone() throws {
    let names = (1...5).map { "minio-\($0)" }
    let cluster = Cluster(names.map { _ in plainFile }, times: patience)
    let rollout = try cluster.rollout(enabling)
    // The coordinator died when one member had been asked.
    #expect(try cluster[0].prepare(rollout, enabling).refusal == nil)
    cluster.network.down.update { $0 = ["minio-3", "minio-4", "minio-5"] }
    cluster.resolve(0, rollout)
    #expect(cluster.waitForDoubt(0, attempts: 3))
    #expect(cluster[0].agent.status().activeRollout == rollout.id)
    cluster.network.down.update { $0 = ["minio-4", "minio-5"] }
    #expect(try cluster[0].outcome(rollout)?.kind == .aborted)
  }
}

extension Node {
  fileprivate func accept(_ rollout: Rollout) throws -> ReplyAnswer {
    let proposal = BallotValue(
      ballot: .coordinator, decision: .commit, instant: Clock.now(), bootID: "boot-1")
    let request = AcceptRequest(
      epoch: rollout.epoch, incarnation: rollout.content(of: agent.node)?.incarnation,
      proposal: proposal)
    let response = send("POST", "/v1/rollouts/\(rollout.id)/accept", JSON.encode(request))
    return try JSON.decode(ReplyAnswer.self, from: response.body)
  }
}
