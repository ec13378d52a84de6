// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import HTTP
import JSONCoding
import Model
import Rollout
import Testing
import Threads

private let id = "00000000000000aa"

@Suite(
  "Agent: a principal is role and name, and moves only what is its own", .timeLimit(.minutes(2)))
struct PrincipalTests {
  private static func node(_ name: String) -> Principal {
    Principal(cluster: "prod", role: .node, name: name)
  }
  /// Tries as soon as the coordinator is silent.
  private static let times: RecoveryTimes = {
    var times = RecoveryTimes()
    times.silenceMilliseconds = 600
    times.rankMilliseconds = 10
    times.jitterMilliseconds = 5
    times.firstPauseMilliseconds = 20
    return times
  }()

  @Test("a node outside of the inventory reads nothing of servers, seals and rollouts")
  func stranger() {
    let cluster = Cluster([plainFile, plainFile])
    for path in ["/v1/status", "/v1/seal", "/v1/seal/proofs", "/v1/rollouts", "/v1/proposals"] {
      #expect(cluster[0].send("GET", path, as: Self.node("minio-9")).status == 403, "\(path)")
      #expect(cluster[0].send("GET", path, as: Self.node("minio-2")).status == 200, "\(path)")
    }
  }

  @Test(
    "whoever has not created a rollout cannot keep its members waiting",
    arguments: [
      node("minio-9"), node("minio-2"), Principal(cluster: "prod", role: .operator, name: "bob"),
      Principal(cluster: "prod", role: .node, name: "alice"),
    ])
  func heard(other: Principal) throws {
    let cluster = Cluster([plainFile, plainFile, plainFile], times: Self.times)
    let rollout = try cluster.rollout(enabling)
    for node in cluster.nodes { #expect(try node.prepare(rollout, enabling).refusal == nil) }
    // Far more often than the members' patience, and for longer than it.
    let end = Instant.inMilliseconds(6_000)
    var isOver = false
    while !isOver, Clock.now() < end {
      for node in cluster.nodes {
        _ = node.send("GET", "/v1/clock", as: other, query: [(name: "rollout", value: id)])
      }
      isOver = cluster.nodes.allSatisfy { $0.agent.isAtRest }
    }
    #expect(isOver)
  }

  @Test("an operator is not the node of the same name: it proposes nothing for its rollout")
  func sameName() throws {
    let cluster = Cluster([plainFile, plainFile])
    let wire = enabling
    _ = try cluster[0].agent.proposals.propose(RolloutRequest(kind: .apply, changes: wire))
    var rollout = try cluster.rollout(enabling)
    rollout.createdBy = cluster[1].agent.site.principal.author
    rollout.proposal = RolloutRequest(kind: .apply, changes: enabling).proposal(cluster: "prod")
    let request = PrepareRequest(
      rollout: rollout,
      request: RolloutRequest(kind: rollout.kind, changes: wire, undoes: rollout.undoes),
      seals: try cluster.nodes.compactMap { try $0.plan(enabling).sealView })
    let response = cluster[0].send(
      "POST", "/v1/rollouts", JSON.encode(request), as: Self.node("minio-2"))
    #expect(try JSON.decode(VoteAnswer.self, from: response.body).refusal == nil)
    let proposal = AcceptRequest(
      epoch: rollout.epoch, incarnation: cluster[0].agent.incarnation,
      proposal: BallotValue(
        ballot: .coordinator, decision: .commit, instant: Clock.now(), bootID: "boot-1"))
    let same = Principal(cluster: "prod", role: .operator, name: "minio-2")
    for step in ["accept", "decision"] {
      let path = "/v1/rollouts/\(id)/\(step)"
      let body =
        step == "accept"
        ? JSON.encode(proposal)
        : JSON.encode(
          DecisionRequest(
            epoch: rollout.epoch, incarnation: cluster[0].agent.incarnation, decision: .abort,
            instant: nil, bootID: "", reason: ""))
      #expect(cluster[0].send("POST", path, body, as: same).status == 403, "\(step)")
    }
    #expect(
      cluster[0].send(
        "POST", "/v1/rollouts/\(id)/accept", JSON.encode(proposal), as: Self.node("minio-2")
      ).status == 200)
  }

  @Test("what was confirmed on all nodes is taken back by no node, at the plan and at the vote")
  func confirmed() throws {
    let cluster = Cluster([plainFile, plainFile, plainFile])
    let (rollout, result) = try cluster.coordinate(enabling)
    #expect(result.ending == .confirmed)
    let undo = PlanRequest(RolloutRequest(kind: .rollback, undoes: rollout.id))
    func ask() -> HTTPResponse {
      cluster[0].send("POST", "/v1/plan", JSON.encode(undo), as: Self.node("minio-2"))
    }
    guard case .confirmed = cluster.after(rollout, result) else {
      Issue.record("it was not confirmed")
      return
    }
    #expect(ask().status == 403)
    var back = try cluster.rollout([], id: "00000000000000bb")
    back.kind = .rollback
    back.undoes = rollout.id
    back.createdBy = cluster[1].agent.site.principal.author
    let request = PrepareRequest(
      rollout: back, request: RolloutRequest(kind: back.kind, undoes: back.undoes), seals: [])
    #expect(
      cluster[0].send("POST", "/v1/rollouts", JSON.encode(request), as: Self.node("minio-2"))
        .status == 403)
  }
}
