// SPDX-License-Identifier: Apache-2.0
package import Model

// A member's side of the rollout protocol (docs/development/protocol.md).
//
//   idle --prepare--> assessing --yes--> prepared --accept--> accepted --commit--> committed --restarted--> watching
//    ^                    | no               | abort             | abort                                       |
//    +--------------------+------------------+-------------------+------------------------ outcome -----------+
//
// In doubt, that is prepared or accepted, it hears of the decision from whoever coordinates, or ends
// the rollout itself with a majority of the members (Recovery).
//
// It refuses to: vote on a stale epoch or while another rollout is active, act on a decision of a
// rollout that it has not voted yes on, install or restart before it knows commit, restart twice
// for one rollout, answer in the place of another incarnation.
//
// What it promised is in its record, and the record is persisted before the answer that promises
// it.

/// A member's side of the protocol: pure, never throws, waits or reads a clock.
package struct Participant: Sendable, Hashable {
  package let member: String
  /// The life of its state directory; nil if that is not known, and then it votes on nothing and answers nothing.
  package let incarnation: Incarnation?
  package internal(set) var record: ParticipantRecord
  /// The rollout whose checks are running; not durable, a crash forgets it and nothing was
  /// promised.
  package private(set) var assessing: Rollout?
  /// There exactly while the member is in doubt.
  var recovery: Recovery?
  private let times: RecoveryTimes

  /// A member with what was durable when it stopped.
  package init(
    member: String, incarnation: Incarnation?, record: ParticipantRecord,
    times: RecoveryTimes = RecoveryTimes()
  ) {
    self.member = member
    self.incarnation = incarnation
    self.record = record
    self.times = times
  }

  /// How often the member has tried in vain to end the rollout that it is in doubt of, who did not
  /// answer the last time, and who of them was replaced since its vote; nil if it is in none, or has
  /// not tried.
  package var doubt: (attempts: Int, missing: [String], replaced: [String])? {
    guard let recovery, recovery.failures > 0 else { return nil }
    return (recovery.failures, recovery.missing, recovery.replaced)
  }

  /// Takes one input; returns what to do, in order.
  package mutating func handle(
    _ input: ParticipantInput, at moment: Moment
  ) -> [ParticipantEffect] {
    switch input {
    case .started: return started(moment)
    case .prepare(let rollout): return prepare(rollout)
    case .assessed(let rollout, let result): return assessed(rollout, result, moment)
    case .overdue(let id, let refusal): return overdue(id, refusal)
    case .heard(let id): return heard(id, moment)
    case .promise(let key, _) where !isAddressed(by: key),
      .accept(let key, _) where !isAddressed(by: key),
      .decided(let key, _, _, _, _) where !isAddressed(by: key):
      return [.reply(.replaced)]
    case .promise(let key, let ballot): return promise(key, ballot, moment)
    case .accept(let key, let proposal): return accept(key, proposal, moment)
    case .decided(let key, let decision, let instant, let bootID, let reason):
      return decided(key, decision, instant, bootID, reason, moment)
    case .firing(let id, let invocation, let cursor):
      guard var active = record.active, active.rollout.id == id,
        case .committed = active.stage
      else { return [] }
      active.facts.invocation = invocation
      active.facts.journalCursor = cursor
      record.active = active
      return [.persist(record)]
    case .restarted(let id, let report): return restarted(id, report)
    case .fireFailed(let id, let refusal):
      guard let active = record.active, active.rollout.id == id,
        case .committed = active.stage
      else { return [] }
      // What could not be put in place must not lie beside the file; gone before the end is told.
      return [.discard(active.rollout)]
        + conclude(id, Outcome(.failed, refusal.message), report: nil)
    case .watched(let id, let outcome): return watched(id, outcome)
    case .confirmed(let id, let outcome): return confirmed(id, outcome)
    case .woke: return woke(moment)
    case .resolve(let id): return resolve(id, moment)
    case .answered(let name, let key, let question, let reply):
      guard record.active?.rollout.id == key.id else { return [] }
      return answered(name, question, reply, moment)
    }
  }

  private mutating func started(_ moment: Moment) -> [ParticipantEffect] {
    guard let active = record.active else { return [] }
    switch active.stage {
    case .prepared, .accepted: return [doubt(active.rollout, moment)]
    case .committed(let instant, let bootID): return [.arm(active, instant, bootID: bootID)]
    case .watching(let report): return [.watch(active, report)]
    }
  }

  // MARK: the vote

  private mutating func prepare(_ rollout: Rollout) -> [ParticipantEffect] {
    if record.active?.rollout == rollout { return [.vote(id: rollout.id, .yes)] }
    if record.active == nil, assessing == rollout { return [] }
    if let refusal = refusal(to: rollout) { return [.vote(id: rollout.id, .no(refusal))] }
    record.highestEpoch = rollout.epoch
    assessing = rollout
    return [.persist(record), .assess(rollout)]
  }

  private mutating func assessed(
    _ rollout: Rollout, _ result: Result<PreparedFacts, Refusal>, _ moment: Moment
  ) -> [ParticipantEffect] {
    let id = rollout.id
    guard assessing == rollout else {
      // Aborted while the checks ran, or repeated: what they staged belongs to nobody, unless it
      // was voted on.
      return record.active?.rollout == rollout ? [] : [.discard(rollout)]
    }
    assessing = nil
    switch result {
    case .success(let facts):
      record.active = ActiveRollout(
        rollout: rollout, facts: facts, promised: .coordinator, stage: .prepared)
      return [.persist(record), doubt(rollout, moment), .vote(id: id, .yes)]
    case .failure(let refusal):
      return [.discard(rollout), .vote(id: id, .no(refusal))]
    }
  }

  private mutating func overdue(_ id: String, _ refusal: Refusal) -> [ParticipantEffect] {
    guard let rollout = assessing, rollout.id == id else { return [] }
    // The checks are still running; what they stage is discarded when they end.
    assessing = nil
    return [.vote(id: id, .no(refusal))]
  }

  // MARK: the decision

  /// The member is in doubt of a rollout from now on.
  private mutating func doubt(_ rollout: Rollout, _ moment: Moment) -> ParticipantEffect {
    let recovery = Recovery(member: member, rollout: rollout, times: times)
    self.recovery = recovery
    return .wake(recovery.afterSilence(moment))
  }

  private func heard(_ id: String, _ moment: Moment) -> [ParticipantEffect] {
    // To a life that the rollout does not name the coordinator can tell nothing.
    guard let rollout = record.active?.rollout, rollout.id == id,
      isAddressed(by: rollout.key(for: member)), let recovery, !recovery.isAsking
    else { return [] }
    return [.wake(recovery.afterSilence(moment))]
  }

  /// Whether a message is for this incarnation. The one before may have promised something about the
  /// rollout, and this one would deny it. Of a rollout that lists no incarnations only that member
  /// speaks that has it in its record.
  private func isAddressed(by key: RolloutKey) -> Bool {
    if let addressee = key.addressee { return addressee == incarnation }
    return record.active?.rollout.id == key.id || record.finished(key.id) != nil
  }

  /// The active rollout, if it is that one.
  private func active(_ key: RolloutKey) -> ActiveRollout? {
    record.active?.rollout.id == key.id ? record.active : nil
  }

  private mutating func promise(
    _ key: RolloutKey, _ ballot: Ballot, _ moment: Moment
  ) -> [ParticipantEffect] {
    guard var active = active(key) else { return fence(key) }
    switch active.stage {
    case .committed, .watching: return [.reply(.committed)]
    case .prepared, .accepted:
      if ballot <= active.promised { return [.reply(.outranked(active.promised))] }
      active.promised = ballot
      record.active = active
      var proposal: BallotValue?
      if case .accepted(let accepted) = active.stage { proposal = accepted }
      return [.persist(record)] + giveWay(to: ballot, moment) + [.reply(.promised(proposal))]
    }
  }

  private mutating func accept(
    _ key: RolloutKey, _ proposal: BallotValue, _ moment: Moment
  ) -> [ParticipantEffect] {
    guard var active = active(key) else { return fence(key) }
    switch active.stage {
    case .committed, .watching: return [.reply(.committed)]
    case .prepared, .accepted:
      if proposal.ballot < active.promised { return [.reply(.outranked(active.promised))] }
      active.promised = proposal.ballot
      active.stage = .accepted(proposal)
      record.active = active
      return [.persist(record)] + giveWay(to: proposal.ballot, moment) + [.reply(.accepted)]
    }
  }

  mutating func decided(
    _ key: RolloutKey, _ decision: Decision, _ instant: Instant?, _ bootID: String,
    _ reason: String, _ moment: Moment
  ) -> [ParticipantEffect] {
    guard var active = active(key) else { return fence(key) }
    switch (active.stage, decision) {
    case (.committed, _), (.watching, _): return [.reply(.committed)]
    case (.prepared, .commit), (.accepted, .commit):
      recovery = nil
      let bootID = instant == nil ? moment.bootID : bootID
      let instant = instant ?? moment.now
      active.stage = .committed(instant: instant, bootID: bootID)
      record.active = active
      return [.persist(record), .arm(active, instant, bootID: bootID), .reply(.committed)]
    case (.prepared, .abort), (.accepted, .abort):
      recovery = nil
      let finished = FinishedRollout(
        rollout: active.rollout, outcome: Outcome(.aborted, reason), report: nil)
      record.end(finished)
      return [
        .discard(active.rollout), .persist(record), .conclude(finished),
        .reply(.ended(finished.outcome)),
      ]
    }
  }

  /// A message about a rollout that the member is not in: how it ended here, or that it never gave a
  /// yes. That must stay true, so it cannot vote on it any more.
  private mutating func fence(_ key: RolloutKey) -> [ParticipantEffect] {
    if let finished = record.finished(key.id) { return [.reply(.ended(finished.outcome))] }
    if record.aborted?.contains(key.id) ?? false {
      return [.reply(.ended(Outcome(.aborted, "it was aborted, and later ones came since")))]
    }
    if record.committed?.contains(key.id) ?? false {
      return [.reply(.ended(Outcome(.unknown, "it was committed, and later ones came since")))]
    }
    var effects: [ParticipantEffect] = []
    if record.highestEpoch < key.epoch {
      record.highestEpoch = key.epoch
      effects.append(.persist(record))
    }
    if assessing?.id == key.id {
      // The checks are still running; what they stage is discarded when they end.
      assessing = nil
      let no = Refusal(.vote, "the rollout was ended before \(member) had voted")
      effects.append(.vote(id: key.id, .no(no)))
    }
    return effects + [.reply(.neverVoted)]
  }

  // MARK: after the commit

  private mutating func restarted(_ id: String, _ report: RestartReport) -> [ParticipantEffect] {
    guard var active = record.active, active.rollout.id == id else { return [] }
    switch active.stage {
    case .prepared, .accepted, .watching: return []
    case .committed:
      active.stage = .watching(report)
      record.active = active
      return [.persist(record), .watch(active, report)]
    }
  }

  private mutating func watched(_ id: String, _ outcome: Outcome) -> [ParticipantEffect] {
    guard let active = record.active, active.rollout.id == id else { return [] }
    switch active.stage {
    case .prepared, .accepted, .committed: return []
    case .watching(let report): return conclude(id, outcome, report: report)
    }
  }

  /// Also an outcome that was told to others: what they have made of it stays as it is. Commit is commit.
  private mutating func confirmed(_ id: String, _ outcome: Outcome) -> [ParticipantEffect] {
    guard record.active == nil, assessing == nil, var finished = record.lastCommitted,
      finished.rollout.id == id, finished.outcome.kind != .confirmed, outcome.kind == .confirmed
    else { return [] }
    finished.outcome = outcome
    record.lastCommitted = finished
    if record.last?.rollout.id == id { record.last = finished }
    return [.amend(finished), .persist(record)]
  }

  private mutating func conclude(
    _ id: String, _ outcome: Outcome, report: RestartReport?
  ) -> [ParticipantEffect] {
    guard let active = record.active, active.rollout.id == id else { return [] }
    var report = report
    // From where the journal tells of every start since: a rollback's vote looks at them all.
    if report?.journalCursor == nil { report?.journalCursor = active.facts.journalCursor }
    let finished = FinishedRollout(
      rollout: active.rollout, outcome: outcome, report: report,
      environment: active.facts.environment)
    record.end(finished)
    // The seal and the generation come first: a crash between the two repeats the watch, not the
    // loss of a seal.
    return [.keep(finished), .persist(record), .conclude(finished)]
  }
}
