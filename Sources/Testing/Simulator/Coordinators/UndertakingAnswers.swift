// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

// The members' answers to an undertaking, as Sources/Coordination/MemberLink.swift takes them.

extension World {
  mutating func undertakingAnswered(_ u: Int, _ index: Int, _ answer: Answer) {
    let who = name(u)
    let call = calls[index]
    let name = Self.names[call.to]
    switch call.request {
    case .plan:
      calls[index].isDone = true
      planAnswered(u, call.to, answer)
    case .clock(let isAfterVote):
      calls[index].isDone = true
      guard sample(u, call, answer) else {
        drive(u, .silent(member: name, reason: ""))
        return
      }
      if !isAfterVote {
        ask(u, call.to, .prepare, rollout: call.rollout)
      } else {
        drive(u, .vote(member: name, .yes, environment: digest(histories[call.rollout].content)))
      }
    case .measure:
      calls[index].isDone = true
      // A heartbeat after the end of a rollout measures nothing.
      if call.rollout == undertakings[u].rollout { _ = sample(u, call, answer) }
    case .prepare:
      calls[index].isDone = true
      switch answer {
      case .vote(.yes, _): ask(u, call.to, .clock(isAfterVote: true), rollout: call.rollout)
      case .vote(let no, _): drive(u, .vote(member: name, no, environment: nil))
      default: drive(u, .silent(member: name, reason: ""))
      }
    case .accept:
      guard case .reply(let reply) = answer else {
        _ = repeatCall(index)
        return
      }
      calls[index].isDone = true
      switch reply {
      case .accepted: drive(u, .accepted(member: name))
      case .committed: drive(u, .committed(member: name))
      case .outranked: drive(u, .outranked(member: name))
      case .ended(let outcome): drive(u, .ended(member: name, outcome))
      case .neverVoted, .promised, .replaced: drive(u, .silent(member: name, reason: ""))
      }
    case .decide(let decision, _, _, _):
      guard case .reply(let reply) = answer else {
        if !repeatCall(index), decision == .abort {
          drive(u, .silent(member: name, reason: ""))
        }
        return
      }
      calls[index].isDone = true
      switch (reply, decision) {
      case (.committed, _), (.accepted, _), (.outranked, _), (.promised, _), (.neverVoted, .abort),
        (.replaced, .abort):
        drive(u, .acknowledged(member: name))
      case (.ended(let outcome), _): drive(u, .ended(member: name, outcome))
      case (.neverVoted, .commit), (.replaced, .commit):
        drive(u, .silent(member: name, reason: ""))
      }
    case .follow:
      guard case .view(let report, let outcome, _) = answer else {
        if !repeatCall(index) { note("\(who) follows m\(call.to) no more") }
        return
      }
      if let report { drive(u, .restarted(member: name, report)) }
      if let outcome {
        calls[index].isDone = true
        drive(u, .ended(member: name, outcome))
      } else if !undertakings[u].isOver {
        // The next long poll.
        send(index)
      }
    case .settle:
      calls[index].isDone = true
      told(u)
    case .ask, .outcome, .tell: break
    }
  }

  private mutating func sample(_ u: Int, _ call: Call, _ answer: Answer) -> Bool {
    guard case .clock(let instant, let boot) = answer else { return false }
    let host = undertakings[u].host
    let sent =
      host < members.count
      ? members[host].clock(call.sentAt).nanoseconds
      : call.sentAt + operators[host - members.count].clock
    let sample = ClockSample(
      requestSent: Instant(nanoseconds: sent), requestReceived: instant, answerSent: instant,
      answerReceived: hostClock(host), bootID: Self.boots[min(boot, Self.boots.count - 1)])
    drive(u, .clock(member: Self.names[call.to], sample))
    return true
  }

  private mutating func planAnswered(_ u: Int, _ m: Int, _ answer: Answer) {
    let who = name(u)
    switch undertakings[u].goal {
    case .command(let undo):
      guard case .plan(let view) = answer else {
        note("\(who) cannot plan: m\(m) is away")
        leave(u)
        return
      }
      undertakings[u].plans[m] = view
      commandPlanned(u, undo)
    case .proposal, .undo:
      if case .plan(let view) = answer { undertakings[u].plans[m] = view }
      undertakings[u].awaited -= 1
      if undertakings[u].awaited > 0 || isKilled(u) { return }
      if case .proposal(let proposal) = undertakings[u].goal { proposalPlanned(u, proposal) }
      if case .undo(let first, let outcomes) = undertakings[u].goal {
        undoPlanned(u, first, outcomes)
      }
    case .tell: break
    }
  }
}
