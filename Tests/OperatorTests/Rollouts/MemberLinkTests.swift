// SPDX-License-Identifier: Apache-2.0
import API
@testable import Coordination
import HTTP
import Model
import Rollout
import Testing
import Threads

@Suite(.timeLimit(.minutes(1))) struct MemberLinkTests {
  /// A member that answers nothing about its clock until it is let.
  private final class BlackHole: AgentLink {
    let isOpen = Lock(false)
    let asked = Lock([String]())

    func call<Answer>(
      _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
    ) throws(LinkFailure) -> Answer {
      asked.update { $0.append(request.message.path) }
      if request.route == .clock {
        _ = isOpen.wait(until: .inMilliseconds(20_000)) { $0 ? true : nil }
      }
      throw .unreachable("no answer in time")
    }
  }

  @Test("what must reach a member is not lost behind heartbeat that it does not answer")
  func signs() throws {
    let hole = BlackHole()
    let rollout = Rollout(
      id: "00112233445566ff", epoch: 4, kind: .restart, cluster: "prod", generation: 1, seal: nil,
      contents: [
        MemberContent(
          member: "minio-1", incarnation: .sample, path: "/etc/default/minio", before: nil,
          after: nil)
      ],
      createdBy: "alice", prepareMilliseconds: 2_000, stopMilliseconds: 100,
      startMilliseconds: 300)
    let runner = RolloutRunner(
      rollout: rollout, request: RolloutRequest(kind: rollout.kind, undoes: rollout.undoes),
      seals: [], links: [hole], limits: CoordinatorLimits())
    let member = MemberLink(runner, "minio-1", hole, Mailbox(capacity: 1_024))
    try member.start()
    defer { member.stop() }
    for _ in 0..<40 { member.post(.measure(member: "minio-1")) }
    member.post(
      .accept(
        member: "minio-1",
        BallotValue(ballot: .coordinator, decision: .commit, instant: nil, bootID: "")))
    hole.isOpen.update { $0 = true }
    let isAsked: Bool? = hole.asked.wait(until: .inMilliseconds(20_000)) { paths in
      paths.contains { $0.hasSuffix("/accept") } ? true : nil
    }
    #expect(isAsked == true)
    #expect(hole.asked.withLock { $0.count { $0 == "/v1/clock" } } <= 2)
  }
}
