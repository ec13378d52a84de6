// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

// What comes to a member: messages, and what its own agent and host do.

extension Node {
  mutating func receive(
    _ message: Message, _ course: Course, _ mishap: inout Mishap, _ moment: Moment,
    _ out: inout Outbox
  ) {
    let key = course.keys[index]
    switch message.content {
    case .prepare:
      agent.voters.insert(message.rollout)
      agent.voteDue = moment.now.advanced(byMilliseconds: course.rollout.prepareMilliseconds)
      _ = perform(.prepare(course.rollout), &mishap, moment, &out)
    case .heartbeat: _ = perform(.heard(id: course.rollout.id), &mishap, moment, &out)
    case .accept(let value):
      if let reply = reply(.accept(key, value), message, course, &mishap, moment, &out) {
        answer(message, .acceptAnswer(reply), &out)
      }
    case .decide(let decision, let instant, let bootID):
      let input = ParticipantInput.decided(
        key, decision, instant: instant, bootID: bootID, reason: "")
      if let reply = reply(input, message, course, &mishap, moment, &out) {
        answer(message, .decideAnswer(decision, reply), &out)
      }
    case .ask(let question):
      if let reply = reply(question.input(key), message, course, &mishap, moment, &out) {
        answer(message, .answer(question, reply), &out)
      }
    case .answer(let question, let reply):
      if message.run != run { return }
      let input = ParticipantInput.answered(
        member: Names.members[message.from], course.keys[message.from], question, reply)
      _ = perform(input, &mishap, moment, &out)
    case .vote, .acceptAnswer, .decideAnswer, .view, .lost: break
    }
  }

  private mutating func reply(
    _ input: ParticipantInput, _ message: Message, _ course: Course, _ mishap: inout Mishap,
    _ moment: Moment, _ out: inout Outbox
  ) -> ParticipantReply? {
    guard case .done(let reply?) = perform(input, &mishap, moment, &out) else { return nil }
    check(reply, to: message.content, course, message.rollout, &out)
    return reply
  }

  private func answer(_ message: Message, _ content: Message.Content, _ out: inout Outbox) {
    out.messages.append(
      Message(
        rollout: message.rollout, from: index, to: message.from, run: message.run, content: content)
    )
  }

  /// Answers the coordinators whose vote is there, as Sources/Agent/Member/Voting.swift does.
  mutating func settleVotes(_ courses: [Course], _ out: inout Outbox) {
    if agent.voters.isEmpty { return }
    for (rollout, course) in courses.enumerated() where agent.voters.contains(rollout) {
      if participant.assessing == course.rollout { continue }
      agent.voters.remove(rollout)
      let isYes = participant.record.active?.rollout == course.rollout
      if isYes, active(rollout) == nil, durable.last?.rollout != course.rollout {
        out.violate(.durableFirst, "m\(index) votes yes on r\(rollout), and its record does not")
      }
      vote(isYes, rollout, &out)
    }
  }

  private func vote(_ isYes: Bool, _ rollout: Int, _ out: inout Outbox) {
    out.messages.append(
      Message(
        rollout: rollout, from: index, to: Names.firstCoordinator + rollout,
        content: .vote(isYes ? .yes : .no(Self.no))))
  }

  // MARK: its own agent

  mutating func wake(_ mishap: inout Mishap, _ moment: Moment, _ out: inout Outbox) {
    agent.wake = nil
    if case .failed = perform(.woke, &mishap, moment, &out), agent.wake == nil {
      agent.wake = moment.now
    }
  }

  /// The time for the checks of a vote is over.
  mutating func endPatience(
    _ rollout: Int, _ mishap: inout Mishap, _ moment: Moment, _ out: inout Outbox
  ) {
    _ = perform(.overdue(id: "r\(rollout)", Self.no), &mishap, moment, &out)
    // Who asked is answered now, whatever the machine makes of it.
    if overdue == rollout {
      agent.voters.remove(rollout)
      vote(false, rollout, &out)
    }
  }

  /// The rollout whose checks run, and whose vote is waited for.
  var overdue: Int? {
    guard let assessing = participant.assessing else { return nil }
    let rollout = Names.place(assessing.id)
    return agent.voters.contains(rollout) ? rollout : nil
  }

  /// The checks of a vote end.
  mutating func endChecks(
    _ check: Int, _ course: Course, isGood: Bool, _ mishap: inout Mishap, _ moment: Moment,
    _ out: inout Outbox
  ) {
    let rollout = agent.checks.remove(at: check).rollout
    var result = Result<PreparedFacts, Refusal>.failure(Self.no)
    if isGood {
      host.staged.insert(rollout)
      let facts = PreparedFacts(
        invocation: String(host.invocation), journalCursor: nil, staged: true)
      result = .success(facts)
    }
    _ = perform(.assessed(course.rollout, result), &mishap, moment, &out)
  }

  /// The instant has come, as in Sources/Agent/Member/FireAtInstant.swift. Each step is left out if it was done before.
  mutating func fire(
    _ index: Int, fails: Bool, _ mishap: inout Mishap, _ moment: Moment, _ out: inout Outbox
  ) {
    var firing = agent.fires.remove(at: index)
    let id = "r\(firing.rollout)"
    if fails || firing.hasFailed || host.failed.contains(firing.rollout) {
      host.failed.insert(firing.rollout)
      if case .failed = perform(.fireFailed(id: id, Self.no), &mishap, moment, &out) {
        firing.hasFailed = true
        agent.fires.append(firing)
      }
      return
    }
    let isDone = host.restarted.contains(firing.rollout)
    if !isDone, String(host.invocation) != firing.invocation {
      let input = ParticipantInput.firing(
        id: id, invocation: String(host.invocation), journalCursor: nil)
      switch perform(input, &mishap, moment, &out) {
      case .died: return
      case .failed:
        agent.fires.append(firing)
        return
      case .done: firing.invocation = String(host.invocation)
      }
    }
    guard case .committed? = active(firing.rollout)?.stage else {
      out.violate(.durableFirst, "m\(self.index) acts on \(id), and its record does not say commit")
      return
    }
    if !host.installed.contains(firing.rollout) {
      if !host.staged.contains(firing.rollout) {
        out.violate(.once, "m\(self.index) has nothing to install for \(id)")
      }
      host.staged.remove(firing.rollout)
      host.installed.insert(firing.rollout)
    }
    if mishap.strikes() { return die(moment, &out) }
    if !isDone {
      host.restarted.insert(firing.rollout)
      host.invocation += 1
    }
    if mishap.strikes() { return die(moment, &out) }
    let report = RestartReport(
      planned: firing.instant, issued: moment.now, previousInvocation: firing.invocation)
    _ = perform(.restarted(id: id, report), &mishap, moment, &out)
  }

  /// The start for a rollout comes to an end.
  mutating func endStart(
    _ rollout: Int, _ kind: OutcomeKind, _ mishap: inout Mishap, _ moment: Moment,
    _ out: inout Outbox
  ) {
    agent.watches.remove(rollout)
    let input = ParticipantInput.watched(id: "r\(rollout)", Outcome(kind, ""))
    if case .failed = perform(input, &mishap, moment, &out) { agent.watches.insert(rollout) }
  }
}
