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

  /// Settles, is gone for some calls, answers again without news, then has ended.
  private final class Flickering: AgentLink {
    private let calls = Lock(0)

    func call<Answer>(
      _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
    ) throws(LinkFailure) -> Answer {
      guard case .follow = request.route else { throw .unreachable("not asked for") }
      let call = calls.update { calls in
        calls += 1
        return calls
      }
      if (2...3).contains(call) { throw .unreachable("connect: timed out") }
      let step = RolloutEvent(
        sequence: 1, realtimeMicroseconds: 0, phase: .known(.settling), detail: "healthy")
      let view = RolloutView(
        id: "00112233445566ff", events: call == 1 ? [step] : [], report: nil,
        outcome: call > 4 ? Outcome(.confirmed, "") : nil)
      guard let answer = view as? Answer else { throw .unreachable("another answer is wanted") }
      return answer
    }
  }

  @Test(
    "a member that does not answer is told as such, and what it said last when it answers again")
  func silence() throws {
    let link = Flickering()
    let rollout = Rollout(
      id: "00112233445566ff", epoch: 4, kind: .restart, cluster: "prod", generation: 1, seal: nil,
      contents: [
        MemberContent(member: "minio-1", incarnation: .sample, path: "/f", before: nil, after: nil)
      ],
      createdBy: "alice", prepareMilliseconds: 2_000, stopMilliseconds: 100,
      startMilliseconds: 300)
    let runner = RolloutRunner(
      rollout: rollout, request: RolloutRequest(kind: .restart), seals: [], links: [link],
      limits: CoordinatorLimits())
    let inputs = Mailbox<CoordinatorInput>(capacity: 64)
    let member = MemberLink(runner, "minio-1", link, inputs)
    try member.start()
    defer { member.stop() }
    member.post(.follow(member: "minio-1"))
    var told: [String] = []
    while told.last != "ended", let input = inputs.take(until: .inMilliseconds(20_000)) {
      switch input {
      case .progress(_, let phase, let detail): told.append("\(phase.text): \(detail)")
      case .ended: told.append("ended")
      default: break
      }
    }
    #expect(
      told == [
        "settling: healthy", "unreachable: no answer; the last was: settling", "settling: healthy",
        "ended",
      ])
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
