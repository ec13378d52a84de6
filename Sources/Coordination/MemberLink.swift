// SPDX-License-Identifier: Apache-2.0
internal import API
internal import FaultPoints
internal import Linux
internal import Model
internal import Rollout
internal import Threads

/// Carries the coordinator's effects to one member, and the member's answers back as inputs.
///
/// Two threads, one for each lane: votes, accept requests and commits on the first; on the second
/// long polls, and aborts, which must overtake a vote that is still being made.
final class MemberLink: Sendable {
  private let runner: RolloutRunner
  private let name: String
  private let link: any AgentLink
  private let inputs: Mailbox<CoordinatorInput>
  private let control = Mailbox<CoordinatorEffect>(capacity: 16)
  private let following = Mailbox<CoordinatorEffect>(capacity: 16)
  private let isStopped = Lock(false)
  /// Whether a heartbeat waits to be sent: one is enough, and it must displace nothing else.
  private let isSignPending = Lock(false)

  /// Exchanges for the clock before the vote, and after it.
  private static let samples = (before: 5, after: 3)
  private static let sampleMilliseconds = 2_000
  private static let firstPauseMilliseconds = 50
  private static let longestPauseMilliseconds = 2_000
  private static let callMilliseconds = 5_000
  /// A member that has lost its power is known to be silent after this and the call's own time.
  private static let pollMilliseconds = 5_000

  init(
    _ runner: RolloutRunner, _ name: String, _ link: any AgentLink,
    _ inputs: Mailbox<CoordinatorInput>
  ) {
    self.runner = runner
    self.name = name
    self.link = link
    self.inputs = inputs
  }

  func start() throws(Errno) {
    do throws(Errno) {
      for (mailbox, lane) in [(control, AgentLane.control), (following, .following)] {
        try Thread.start("member") { [self] in
          while let effect = mailbox.take() { carryOut(effect, lane) }
        }
      }
    } catch {
      stop()
      throw error
    }
  }

  /// Lets each thread end after its present call. Does not wait for them.
  func stop() {
    isStopped.update { $0 = true }
    control.close()
    following.close()
  }

  func post(_ effect: CoordinatorEffect) {
    switch effect {
    case .measure:
      let isPending = isSignPending.update { isPending in
        defer { isPending = true }
        return isPending
      }
      if !isPending { control.post(effect) }
    case .prepare, .accept, .decide(_, .commit, _, _, _), .breakOff: control.post(effect)
    case .decide(_, .abort, _, _, _), .follow: following.post(effect)
    case .arm, .committed, .report, .finished: break
    }
  }

  private func carryOut(_ effect: CoordinatorEffect, _ lane: AgentLane) {
    switch effect {
    case .prepare: prepare()
    // A heartbeat; the clock is known well enough without it.
    case .measure:
      isSignPending.update { $0 = false }
      try? measure(1)
    case .accept(_, let proposal): accept(proposal)
    case .decide(_, let decision, let instant, let bootID, let reason):
      decide(
        DecisionRequest(
          epoch: runner.rollout.epoch, incarnation: incarnation, decision: decision,
          instant: instant, bootID: bootID, reason: reason), lane)
    case .follow: follow()
    case .breakOff(_, let reason): breakOff(reason)
    case .arm, .committed, .report, .finished: break
    }
  }

  private func prepare() {
    let milliseconds = runner.rollout.prepareMilliseconds + runner.limits.voteGraceMilliseconds
    let deadline = Instant.inMilliseconds(milliseconds)
    do throws(LinkFailure) { try measure(Self.samples.before) } catch {
      switch error {
      case .unreachable(let reason): inputs.post(.silent(member: name, reason: reason))
      case .answered:
        inputs.post(.vote(member: name, .no(error.refusal), environment: nil))
      }
      return
    }
    // From here on it may have voted yes: only its own no counts as a no.
    do throws(LinkFailure) {
      let request = PrepareRequest(
        rollout: runner.rollout, request: runner.request, seals: runner.seals,
        program: runner.program)
      let answer = try link.call(.vote(request), lane: .control, deadline: deadline)
      Fault.reach("coordinator.answered.prepare")
      if let refusal = answer.refusal {
        inputs.post(.vote(member: name, .no(refusal), environment: nil))
        return
      }
      guard answer.rollout == runner.rollout.digest else {
        let refusal = Refusal(
          .vote, "it voted on another rollout than it was sent; its version may be another")
        inputs.post(.voteUnknown(member: name, refusal))
        return
      }
      // Before the vote: the last vote makes the coordinator choose the instant.
      try measure(Self.samples.after)
      inputs.post(
        .vote(
          member: name, .yes, environment: answer.environmentDigest,
          keyManager: answer.keyManagerDigest))
    } catch {
      inputs.post(.voteUnknown(member: name, error.refusal))
    }
  }

  private func measure(_ count: Int, _ lane: AgentLane = .control) throws(LinkFailure) {
    for _ in 0..<count {
      let sent = Clock.now()
      let reading = try link.call(
        .clock(rollout: runner.rollout.id), lane: lane,
        deadline: sent.advanced(byMilliseconds: Self.sampleMilliseconds))
      let received = Clock.now()
      // It had the request no longer than we waited; clocks run apart by less than a thousandth.
      let (took, waited) = (
        reading.sent.nanoseconds(since: reading.received), received.nanoseconds(since: sent)
      )
      guard (0...waited + waited / 1_000 + 1_000_000).contains(took) else {
        throw .answered(
          Refusal(
            .clock,
            "its clock cannot be right: it says that it took \(took / 1_000) us for an answer that was here after \(waited / 1_000) us"
          ))
      }
      let sample = ClockSample(
        requestSent: sent, requestReceived: reading.received, answerSent: reading.sent,
        answerReceived: received, bootID: reading.bootID)
      inputs.post(.clock(member: name, sample))
    }
  }

  /// The state directory that the rollout lists for the member.
  private var incarnation: Incarnation? { runner.rollout.content(of: name)?.incarnation }
  private static let unknowing =
    "it no longer knows the rollout: since it voted it has lost its state, or was replaced"

  private func accept(_ proposal: BallotValue) {
    let deadline = Instant.inMilliseconds(runner.limits.acceptMilliseconds)
    let request = AgentRequest.accept(
      id: runner.rollout.id,
      AcceptRequest(epoch: runner.rollout.epoch, incarnation: incarnation, proposal: proposal))
    repeatedly(until: deadline) { () throws(LinkFailure) in
      let answer = try link.call(request, lane: .control, deadline: callDeadline(deadline))
      Fault.reach("coordinator.answered.accept")
      switch answer.reply {
      case .accepted: inputs.post(.accepted(member: name))
      case .committed: inputs.post(.committed(member: name))
      case .outranked: inputs.post(.outranked(member: name))
      case .ended: inputs.post(.ended(member: name, outcome(answer)))
      case .neverVoted, .promised, .replaced:
        inputs.post(.silent(member: name, reason: Self.unknowing))
      }
    }
  }

  private func decide(_ decision: DecisionRequest, _ lane: AgentLane) {
    let limit =
      switch decision.decision {
      case .abort: runner.limits.decideMilliseconds
      case .commit: runner.rollout.watchMilliseconds
      }
    let deadline = Instant.inMilliseconds(limit)
    let request = AgentRequest.decide(id: runner.rollout.id, decision)
    let failure = repeatedly(until: deadline) { () throws(LinkFailure) in
      let answer = try link.call(request, lane: lane, deadline: callDeadline(deadline))
      Fault.reach("coordinator.answered.decide")
      switch (answer.reply, decision.decision) {
      case (.committed, _), (.accepted, _), (.outranked, _), (.promised, _),
        (.neverVoted, .abort), (.replaced, .abort):
        inputs.post(.acknowledged(member: name))
      case (.ended, _): inputs.post(.ended(member: name, outcome(answer)))
      case (.neverVoted, .commit), (.replaced, .commit):
        inputs.post(.silent(member: name, reason: Self.unknowing))
      }
    }
    if let failure, decision.decision == .abort {
      inputs.post(.silent(member: name, reason: failure.refusal.message))
    }
  }

  /// An agent that does not know it watches its start to the end.
  private func breakOff(_ reason: String) {
    let deadline = Instant.inMilliseconds(runner.rollout.watchMilliseconds)
    let request = AgentRequest.breakOff(id: runner.rollout.id, BreakOff(reason: reason))
    repeatedly(until: deadline) { () throws(LinkFailure) in
      do throws(LinkFailure) {
        _ = try link.call(request, lane: .control, deadline: callDeadline(deadline))
      } catch {
        if case .unreachable = error { throw error }
      }
    }
  }

  /// Polls until the outcome; a silent member is asked again until the runner stops.
  private func follow() {
    var after = 0
    var reported: RestartReport?
    var pause = Self.firstPauseMilliseconds
    // What it said last, for those who watch: a good state must not stand beside a member that is gone.
    var last = (phase: Word<RolloutPhase>.known(.committed), detail: "")
    var isSilent = false
    while !isStopped.withLock({ $0 }) {
      let soonest = Instant.inMilliseconds(Self.firstPauseMilliseconds)
      let request = AgentRequest.follow(
        id: runner.rollout.id, after: after, waitMilliseconds: Self.pollMilliseconds)
      do throws(LinkFailure) {
        let view = try link.call(
          request, lane: .following,
          deadline: .inMilliseconds(Self.pollMilliseconds + Self.callMilliseconds))
        pause = Self.firstPauseMilliseconds
        let steps = view.events.filter { $0.sequence > after }
        after = steps.last?.sequence ?? after
        // The end comes with the outcome.
        let news = steps.filter { $0.phase.known.map { !$0.isOfVote && !$0.isEnd } ?? true }
        if isSilent, news.isEmpty { tell(last) }
        for step in news {
          last = (step.phase, step.detail)
          tell(last)
        }
        isSilent = false
        if let report = view.report, report != reported {
          // Tells whether the clock of its times has stood still since it was measured.
          if reported == nil { try? measure(1, .following) }
          reported = report
          inputs.post(.restarted(member: name, report))
        }
        if let outcome = view.outcome {
          inputs.post(.ended(member: name, outcome))
          return
        }
        // A member that has no more to tell does not wait with its answer.
        if steps.isEmpty, Clock.now() < soonest { wait(&pause) }
      } catch {
        if !isSilent {
          isSilent = true
          tell((.known(.unreachable), "no answer; the last was: \(last.phase.text)"))
        }
        wait(&pause)
      }
    }
  }

  private func tell(_ step: (phase: Word<RolloutPhase>, detail: String)) {
    inputs.post(.progress(member: name, phase: step.phase, detail: step.detail))
  }

  /// Repeats `body` while the member is unreachable, with growing pauses. Returns the last failure,
  /// if it never succeeded.
  @discardableResult
  private func repeatedly(
    until deadline: Instant, _ body: () throws(LinkFailure) -> Void
  ) -> LinkFailure? {
    var pause = Self.firstPauseMilliseconds
    while true {
      do throws(LinkFailure) {
        try body()
        return nil
      } catch {
        let next = Instant.inMilliseconds(pause)
        if isStopped.withLock({ $0 }) || next >= deadline { return error }
        wait(&pause)
      }
    }
  }

  /// Blocks for the pause, or until the runner stops; the next one is twice as long.
  private func wait(_ pause: inout Int) {
    _ = isStopped.wait(until: .inMilliseconds(pause)) { $0 ? true : nil }
    pause = min(2 * pause, Self.longestPauseMilliseconds)
  }

  private func callDeadline(_ deadline: Instant) -> Instant {
    min(deadline, .inMilliseconds(Self.callMilliseconds))
  }

  private func outcome(_ answer: ReplyAnswer) -> Outcome {
    answer.outcome ?? Outcome(.unknown, "the rollout has ended there, but how is not known")
  }
}
