// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

// Takes an input through the machine and carries out its effects in their order, as Sources/Agent/Member/Member.swift
// does; and looks at each of them.

extension Node {
  enum Performed {
    case died
    /// A promise could not be written: the machine is what it was before.
    case failed
    case done(ParticipantReply?)
  }

  mutating func perform(
    _ input: ParticipantInput, _ mishap: inout Mishap, _ moment: Moment, _ out: inout Outbox
  ) -> Performed {
    // A copy is dear, and a record that cannot be written rare.
    let before = mishap.write == .good ? nil : participant
    let effects = participant.handle(input, at: moment)
    var reply: ParticipantReply?
    for effect in effects {
      if mishap.strikes() {
        die(moment, &out)
        return .died
      }
      if carryOut(effect, &reply, &mishap, moment, &out) || !input.isPromise { continue }
      if let before { participant = before }
      if case .assessed(let rollout, .success) = input {
        let no = ParticipantInput.assessed(rollout, .failure(Self.no))
        for effect in participant.handle(no, at: moment) {
          var good = Mishap.none
          _ = carryOut(effect, &reply, &good, moment, &out)
        }
      }
      return .failed
    }
    if !effects.isEmpty, isWritten, participant.record != durable {
      out.violate(.durableFirst, "m\(index) keeps what is not in its record")
    }
    if mishap.strikes() {
      die(moment, &out)
      return .died
    }
    return .done(reply)
  }

  static let no = Refusal(.vote, "no")

  /// Whether it could be done.
  private mutating func carryOut(
    _ effect: ParticipantEffect, _ reply: inout ParticipantReply?, _ mishap: inout Mishap,
    _ moment: Moment, _ out: inout Outbox
  ) -> Bool {
    switch effect {
    case .persist(let record): return persist(record, &mishap, &out)
    case .assess(let rollout):
      agent.checks.append(Check(rollout: Names.place(rollout.id), due: moment.now))
    case .vote: break
    case .reply(let answer):
      reply = answer
      check(answer, &out)
    case .discard: keepStaged()
    case .arm(let active, let instant, _):
      let rollout = Names.place(active.rollout.id)
      if !isCommitted(rollout) {
        out.violate(.durableFirst, "m\(index) arms r\(rollout), and its record does not say commit")
      }
      if agent.fires.contains(where: { $0.rollout == rollout }) {
        out.violate(.once, "m\(index) arms r\(rollout) twice")
      }
      agent.fires.append(
        Firing(rollout: rollout, instant: instant, invocation: active.facts.invocation))
    case .watch(let active, _):
      let rollout = Names.place(active.rollout.id)
      if isWritten, report(rollout) == nil || self.active(rollout)?.stage != active.stage {
        out.violate(.durableFirst, "m\(index) watches r\(rollout), and its record does not say so")
      }
      agent.watches.insert(rollout)
    case .keep(let finished):
      if finished.outcome.kind == .confirmed { host.kept.insert(Names.place(finished.rollout.id)) }
    case .amend: break
    case .conclude(let finished): concluded(finished, &out)
    case .wake(let instant): agent.wake = instant
    case .ask(let name, let key, let question):
      let rollout = Names.place(key.id)
      checkQuestion(question, rollout, &out)
      if case .accept(let value) = question {
        out.proposals.append(
          .init(rollout: rollout, ballot: value.ballot, decision: value.decision))
      }
      out.messages.append(
        Message(
          rollout: rollout, from: index, to: Names.place(name), run: run, content: .ask(question)))
    }
    return true
  }

  private mutating func persist(
    _ record: ParticipantRecord, _ mishap: inout Mishap, _ out: inout Outbox
  ) -> Bool {
    checkGrowth(to: record, &out)
    let write = mishap.write
    mishap.write = .good
    isWritten = write == .good
    if write == .fails { return false }
    note(record, &out)
    keep(record, isDurable: true, isKnown: write == .good)
    if write == .failsLate { return false }
    if let active = record.active { host.voted.insert(Names.place(active.rollout.id)) }
    return true
  }

  /// What all others may know once a record is durable.
  private func note(_ record: ParticipantRecord, _ out: inout Outbox) {
    if let active = record.active {
      let rollout = Names.place(active.rollout.id)
      switch active.stage {
      case .prepared:
        if durable.active?.rollout != active.rollout {
          out.yeses.append(.init(rollout: rollout, member: index))
          if host.neverVoted.contains(rollout) {
            out.violate(.neverIsNever, "m\(index) votes yes on r\(rollout)")
          }
          if host.voted.contains(rollout), known.active == nil {
            out.violate(.once, "m\(index) votes yes on r\(rollout) once more")
          }
        }
      case .accepted: break
      case .committed, .watching:
        out.learned.append(.init(rollout: rollout, decision: .commit, who: index))
      }
    }
    if let last = record.last, durable.last != last {
      out.learned.append(
        .init(
          rollout: Names.place(last.rollout.id),
          decision: last.outcome.kind == .aborted ? .abort : .commit, who: index))
    }
  }

  private func isCommitted(_ rollout: Int) -> Bool {
    if case .committed? = active(rollout)?.stage { true } else { false }
  }

  private func concluded(_ finished: FinishedRollout, _ out: inout Outbox) {
    let rollout = Names.place(finished.rollout.id)
    if durable.active?.rollout == finished.rollout || durable.last != finished {
      out.violate(
        .durableFirst, "m\(index) tells the end of r\(rollout), which is not in its record")
    }
    if finished.outcome.kind == .confirmed, !host.kept.contains(rollout) {
      out.violate(
        .durableFirst, "m\(index) tells the end of r\(rollout), and has no generation of it")
    }
  }
}
