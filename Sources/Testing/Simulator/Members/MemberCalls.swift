// SPDX-License-Identifier: Apache-2.0
internal import Rollout

// What a member is asked and answers, as in Sources/Agent/API and Peers.swift.

extension World {
  mutating func arrive(_ index: Int, _ attempt: Int) {
    let call = calls[index]
    let m = call.to
    mix(call.from &* 64 &+ m &+ attempt &* 4_096)
    guard members[m].isUp else {
      answer(index, attempt, .unreachable)
      return
    }
    let member = members[m]
    let input: ParticipantInput
    switch call.request {
    case .plan(.command):
      answer(index, attempt, .plan(planView(m, .command)))
      return
    case .plan(let kind):
      if isPermitted(m, from: call.from, kind) {
        schedule(
          .planned(call: index, attempt: attempt, run: member.run), after: milliseconds(1...400))
      } else {
        answer(index, attempt, .failed)
      }
      return
    case .outcome:
      answer(index, attempt, outcomeView(m, call.rollout))
      return
    case .settle(let rolloutResult):
      let answer = answerResult(m, rolloutResult, from: call.from)
      if isAlive(m, member.run) { self.answer(index, attempt, answer) }
      return
    case .tell(let statement):
      heard(m, call.from, statement)
      if isAlive(m, member.run) {
        answer(index, attempt, .statement(members[m].proposals.own))
      }
      return
    case .clock, .measure:
      if call.rollout >= 0 {
        _ = perform(m, .heard(id: histories[call.rollout].rollout.id))
        heardOfCoordinator(m, call)
        if !isAlive(m, member.run) { return }
      }
      let clock = Answer.clock(members[m].clock(now), boot: members[m].boot)
      answer(index, attempt, clock)
      return
    case .prepare:
      note("m\(m) is asked for its vote on r\(call.rollout)")
      if !isPermitted(m, from: call.from, histories[call.rollout].rollout) {
        answer(index, attempt, .vote(.no(Self.noVote), environment: -1))
        return
      }
      noteHeld(m, call.rollout)
      vote(m, call.rollout, index, attempt)
      return
    case .follow:
      follow(m, call.rollout, index, attempt)
      return
    case .accept(var proposal):
      let promised = member.participant.record.active?.promised
      if bug == .ballotNotChecked, let promised, proposal.ballot < promised {
        proposal.ballot = promised
      }
      input = .accept(key(of: call), proposal)
    case .decide(let decision, let instant, let bootID, let reason):
      input = .decided(key(of: call), decision, instant: instant, bootID: bootID, reason: reason)
    case .ask(_, let question): input = question.input(key(of: call))
    }
    let caller = nodeName(call.from)
    note("m\(m) is told by \(caller): \(Self.describe(input))")
    switch perform(m, input) {
    case .died: break
    case .failed: answer(index, attempt, .failed)
    case .done(let reply):
      guard var reply else { return }
      if bug == .promiseForgetsAccepted, case .promised = reply { reply = .promised(nil) }
      if bug == .restartOnAccept, reply == .accepted,
        let active = members[m].participant.record.active
      {
        members[m].armed = (active, members[m].clock(now), members[m].bootID, true)
        fire(m)
      }
      note("m\(m) answers \(Self.describe(reply))")
      answer(index, attempt, .reply(reply))
    }
  }

  private func key(of call: Call) -> RolloutKey {
    var key = histories[call.rollout].rollout.key(for: Self.names[call.to])
    if bug == .replacedAnswers { key.addressee = members[call.to].incarnation }
    return key
  }

  mutating func memberAnswered(_ index: Int, _ answer: Answer) {
    let call = calls[index]
    switch call.request {
    case .outcome:
      calls[index].isDone = true
      outcomeAnswered(call.from, call, answer)
    case .tell:
      calls[index].isDone = true
      if case .statement(let statement) = answer { heard(call.from, call.to, statement) }
    case .ask(let key, let question): recoveryAnswered(index, key, question, answer)
    default: break
    }
  }

  private mutating func recoveryAnswered(
    _ index: Int, _ key: RolloutKey, _ question: RecoveryQuestion, _ answer: Answer
  ) {
    let call = calls[index]
    guard case .reply(let reply) = answer else {
      if case .decide = question {
        _ = repeatCall(index)
      } else {
        calls[index].isDone = true
      }
      return
    }
    calls[index].isDone = true
    note("m\(call.from) hears from m\(call.to): \(Self.describe(reply))")
    let name = Self.names[call.to]
    _ = perform(call.from, .answered(member: name, key, question, reply))
  }
}
