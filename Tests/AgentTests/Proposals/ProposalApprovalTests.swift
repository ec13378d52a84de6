// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import Model
import Rollout
import Secrets
import Testing
import Threads

/// What the inventory's "proposals" asks for.
@Suite("Proposals that wait for an approval or for their time", .serialized)
struct ProposalApprovalTests {
  private static let next = RolloutRequest(
    kind: .apply, changes: [SettingChange(name: "MINIO_SITE_NAME", value: Secret("y"))])

  private func comes(_ condition: () -> Bool) -> Bool {
    let deadline = Instant.inMilliseconds(30_000)
    while Clock.now() < deadline {
      if condition() { return true }
      Clock.sleep(until: .inMilliseconds(20))
    }
    return condition()
  }

  private func restarts(_ cluster: Cluster) -> [Int] {
    cluster.nodes.map { $0.host.state.withLock { $0.restarts } }
  }

  private func approve(
    _ node: Node, _ request: RolloutRequest, as principal: Principal = alice
  ) throws -> HTTPResponse {
    let body = JSON.encode(ApprovalRequest(digest: request.proposal(cluster: "prod")))
    return node.send("POST", "/v1/proposals/approve", body, as: principal)
  }

  private func inForce(_ cluster: Cluster) -> Bool {
    comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().phase == .inForce } }
  }

  @Test(
    "nothing begins before an operator has approved it on every node, and once is for one rollout")
  func approval() throws {
    let cluster = Cluster(
      [plainFile, plainFile], proposals: ProposalRules(approval: .operator))
    for node in cluster.nodes { _ = try propose(node.agent, Proposed.other) }
    Clock.sleep(until: .inMilliseconds(Proposals.quietMilliseconds + 500))
    for node in cluster.nodes {
      #expect(node.agent.proposals.view().phase == .unapproved)
      #expect(node.agent.status().findings.contains { $0.rule == "proposal-unapproved" })
      let metrics = String(decoding: node.send("GET", "/metrics").body, as: UTF8.self)
      #expect(metrics.contains("keyturn_proposal_phase{phase=\"unapproved\"} 1\n"))
      let observer = Principal(cluster: "prod", role: .observer, name: "eve")
      #expect(try approve(node, Proposed.other, as: observer).status == 403)
      let member = Principal(cluster: "prod", role: .node, name: "minio-1")
      #expect(try approve(node, Proposed.other, as: member).status == 403)
      // Other settings.
      #expect(try approve(node, Self.next).status == 200)
      #expect(node.agent.proposals.view().phase == .unapproved)
    }
    // The first begins, and the other one, which nobody has asked, votes no.
    #expect(try approve(cluster[0], Proposed.other).status == 200)
    #expect(comes { cluster[0].agent.proposals.view().refusal != nil })
    #expect(
      cluster[0].agent.proposals.view().refusal?.message.contains("keyturn proposals approve")
        == true)
    #expect(restarts(cluster) == [0, 0])
    let view = try JSON.decode(
      ProposalsView.self, from: try approve(cluster[1], Proposed.other).body)
    #expect(view.isChanged && view.approval?.by == alice.author, "\(view)")
    // What was refused is tried again after a minute; a proposal that has changed at once.
    for node in cluster.nodes {
      _ = try local(node.agent, "POST", "/v1/proposal/withdraw")
      #expect(node.agent.proposals.view().approval == nil)
      _ = try propose(node.agent, Proposed.other)
      #expect(try approve(node, Proposed.other).status == 200)
    }
    #expect(inForce(cluster))
    #expect(restarts(cluster) == [1, 1])
    #expect(cluster.nodes.allSatisfy { $0.agent.proposals.view().approval == nil })
    for node in cluster.nodes {
      #expect(try propose(node.agent, Self.next).phase == .unapproved)
    }
  }

  @Test("an operator's rollout in between ends an approval, and starts no interval")
  func overtaken() throws {
    let cluster = Cluster(
      [plainFile, plainFile],
      proposals: ProposalRules(approval: .operator, minimumIntervalSeconds: 600))
    _ = try propose(cluster[1].agent, Proposed.other)
    for node in cluster.nodes { #expect(try approve(node, Proposed.other).status == 200) }
    let outcomes = try cluster.coordinate(Self.next.changes).result.outcomes
    #expect(outcomes.allSatisfy { $0.outcome.kind == .confirmed })
    for node in cluster.nodes {
      #expect(node.agent.proposals.view().approval == nil)
      #expect(node.agent.proposals.state.withLock { $0.lastRollout } == nil)
    }
    #expect(cluster[1].agent.proposals.view().phase == .unapproved)
  }

  @Test("an approval counts for a week")
  func age() throws {
    let cluster = Cluster([plainFile], proposals: ProposalRules(approval: .operator))
    func gate(_ age: Int64) -> ProposalGate {
      var state = cluster[0].agent.proposals.state.withLock { $0 }
      state.record.approval = ProposalApproval(
        digest: Self.next.proposal(cluster: "prod"), by: "alice",
        atMicroseconds: Clock.realtimeMicroseconds() - age * 1_000_000)
      return cluster[0].agent.proposals.gate(state)
    }
    let digest = Self.next.proposal(cluster: "prod")
    #expect(gate(604_000).obstacle(to: digest, at: Clock.now()) == nil)
    #expect(gate(605_000).obstacle(to: digest, at: Clock.now()) == .approval)
  }

  @Test("an approval is refused where the inventory asks for none")
  func needless() throws {
    #expect(try approve(Node(), Proposed.other).status == 400)
  }

  @Test("the next rollout of a proposal begins after the interval, and an operator's at once")
  func interval() throws {
    let cluster = Cluster(
      [plainFile, plainFile], proposals: ProposalRules(minimumIntervalSeconds: 8))
    for node in cluster.nodes { _ = try propose(node.agent, Proposed.other) }
    #expect(inForce(cluster))
    let confirmed = Clock.now()
    #expect(restarts(cluster) == [1, 1])
    for node in cluster.nodes { _ = try propose(node.agent, Self.next) }
    let view = cluster[1].agent.proposals.view()
    #expect(view.phase == .deferred, "\(view)")
    let left = try #require(view.notBeforeMicroseconds) - Clock.realtimeMicroseconds()
    #expect((1...8_000_000).contains(left), "\(left)")
    #expect(cluster[1].agent.proposals.obstacle(to: Self.next)?.code == .vote)
    #expect(comes { restarts(cluster) == [2, 2] })
    // The first was restarted some time before it was confirmed.
    #expect(Clock.now().milliseconds(since: confirmed) > 4_000)
    #expect(inForce(cluster))
  }

  @Test(
    "an agent that was restarted waits on, and one interval at the most after the clock was set back"
  )
  func clocks() {
    let now = Clock.realtimeMicroseconds()
    var record = ProposalRecord()
    #expect(ProposalKeeper.lastRollout(record) == nil)
    for (at, seconds) in [(now - 60_000_000, 60), (now + 86_400_000_000, 0), (0, 2_592_000)] {
      record.lastRolloutMicroseconds = at
      let ago = ProposalKeeper.lastRollout(record).map {
        Clock.now().milliseconds(since: $0) / 1_000
      }
      #expect(ago == seconds, "\(at)")
    }
  }

  @Test("a clock that was set back starts one interval, and not one with each start of the agent")
  func clockSetBack() throws {
    let host = FakeNodeHost(file: plainFile)
    let ahead = Clock.realtimeMicroseconds() + 3_600_000_000
    func start() -> Node { Node(host, proposals: ProposalRules(minimumIntervalSeconds: 600)) }
    func last(_ node: Node) throws -> Instant {
      try #require(node.agent.proposals.state.withLock { $0.lastRollout })
    }
    try start().agent.proposals.keep { $0.lastRolloutMicroseconds = ahead }
    let first = try last(start())
    Clock.sleep(until: .inMilliseconds(300))
    let second = try last(start())
    #expect(abs(second.milliseconds(since: first)) < 100, "counted from the first start")
    // The clock is put right: what was known of the rollout counts again.
    let record = start().agent.proposals.state.withLock { $0.record }
    #expect(record.lastRolloutMicroseconds == ahead)
    var past = record
    past.lastRolloutMicroseconds = Clock.realtimeMicroseconds() - 60_000_000
    let right = try #require(ProposalKeeper.lastRollout(past))
    #expect((59...61).contains(Clock.now().milliseconds(since: right) / 1_000))
    // The clock is set back once more, to before it was counted from.
    past.lastRolloutMicroseconds = ahead
    past.countedFromMicroseconds = ahead - 1
    let again = try #require(ProposalKeeper.lastRollout(past))
    #expect(abs(Clock.now().milliseconds(since: again)) < 1_000)
  }
}
