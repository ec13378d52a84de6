internal import Model

// A member's side of the rollout protocol (docs/protocol.md).
//
//   idle --prepare--> assessing --yes--> prepared --accept--> accepted --commit--> committed --restarted--> watching
//    ^                    | no               | abort             | abort                                       |
//    +--------------------+------------------+-------------------+------------------------ outcome -----------+
//
// It refuses to: vote on a stale epoch or while another rollout is active, act on a decision of a
// rollout that it has not voted yes on, install or restart before it knows commit, restart twice
// for one rollout.
//
// What it promised is in its record, and the record is persisted before the answer that promises
// it.

/// A member's side of the protocol: pure, never throws, waits or reads a clock.
public struct Participant: Sendable {
  /// The member's own name.
  public let member: String
  /// What is durable.
  public private(set) var record: ParticipantRecord
  /// The rollout whose checks are running; not durable, a crash forgets it and nothing was
  /// promised.
  public private(set) var assessing: Rollout?
  /// Ids of rollouts whose abort overtook the request for the vote, the latest last; not durable.
  private var abortedUnseen: [String] = []

  /// How many of them are kept: more coordinators than ever propose at once.
  private static let abortedUnseenCount = 16

  /// A member with what was durable when it stopped.
  public init(member: String, record: ParticipantRecord) {
    self.member = member
    self.record = record
  }

  /// Takes one input; returns what to do, in order.
  public mutating func handle(_ input: ParticipantInput) -> [ParticipantEffect] {
    switch input {
    case .started: return started()
    case .prepare(let rollout): return prepare(rollout)
    case .assessed(let rollout, let result): return assessed(rollout, result)
    case .overdue(let id, let refusal): return overdue(id, refusal)
    case .promise(let id, let ballot): return promise(id, ballot)
    case .accept(let id, let proposal): return accept(id, proposal)
    case .decided(let id, let decision, let instant, let bootID, let reason):
      return decided(id, decision, instant, bootID, reason)
    case .restarted(let id, let report): return restarted(id, report)
    case .fireFailed(let id, let refusal):
      guard let active = record.active, active.rollout.id == id else { return [] }
      // What could not be put in place must not lie beside the file; gone before the end is told.
      return [.discard(active.rollout)]
        + conclude(id, Outcome(.failed, refusal.message), report: nil)
    case .watched(let id, let outcome): return watched(id, outcome)
    }
  }

  private mutating func started() -> [ParticipantEffect] {
    guard let active = record.active else { return [] }
    switch active.stage {
    case .prepared, .accepted: return []  // in doubt: changes nothing until the decision is known
    case .committed(let instant, let bootID): return [.arm(active, instant, bootID: bootID)]
    case .watching(let report): return [.watch(active, report)]
    }
  }

  private mutating func prepare(_ rollout: Rollout) -> [ParticipantEffect] {
    if let active = record.active {
      if active.rollout == rollout { return [.vote(id: rollout.id, .yes)] }
      return [
        .vote(
          id: rollout.id,
          .no(
            Refusal(
              .busy,
              "\(member) is in rollout \(active.rollout.id) by \(active.rollout.createdBy); wait for it to end (keyturn status shows it), or, if its coordinator is gone: keyturn resolve \(active.rollout.id)"
            )))
      ]
    }
    if let assessing {
      if assessing == rollout { return [] }
      return [
        .vote(
          id: rollout.id,
          .no(
            Refusal(
              .busy,
              "\(member) is voting on rollout \(assessing.id) by \(assessing.createdBy); try again in a moment"
            )))
      ]
    }
    if abortedUnseen.contains(rollout.id) {
      // A yes now would never be answered: the coordinator has told its decision and is gone.
      return [
        .vote(
          id: rollout.id,
          .no(Refusal(.vote, "\(member) was told to abort the rollout before it was asked to vote"))
        )
      ]
    }
    if rollout.epoch <= record.highestEpoch {
      return [
        .vote(
          id: rollout.id,
          .no(
            Refusal(
              .vote,
              "\(member) has seen epoch \(record.highestEpoch), the rollout has \(rollout.epoch): another rollout came in between; plan again"
            )))
      ]
    }
    if rollout.content(of: member) == nil {
      return [
        .vote(
          id: rollout.id,
          .no(
            Refusal(
              .vote,
              "\(member) is not in the rollout's list of members; the inventories differ, make them the same"
            )))
      ]
    }
    record.highestEpoch = rollout.epoch
    assessing = rollout
    return [.persist(record), .assess(rollout)]
  }

  private mutating func assessed(
    _ rollout: Rollout, _ result: Result<PreparedFacts, Refusal>
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
      return [.persist(record), .vote(id: id, .yes)]
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

  private mutating func promise(_ id: String, _ ballot: Ballot) -> [ParticipantEffect] {
    guard var active = record.active, active.rollout.id == id else {
      // Whoever asks will decide by this answer, so it must stay true: no yes to it any more.
      let (wasAssessing, answer) = (assessing?.id == id, answer(id))
      if wasAssessing { assessing = nil }
      if answer == .unknownRollout { rememberAborted(id) }
      let no = Refusal(.vote, "\(member) was asked to resolve the rollout before it had voted")
      return (wasAssessing ? [.vote(id: id, .no(no))] : []) + [.reply(answer)]
    }
    switch active.stage {
    case .committed, .watching:
      return [.reply(.promised(decidedProposal(active)))]
    case .prepared, .accepted:
      if ballot <= active.promised { return [.reply(.outranked(active.promised))] }
      active.promised = ballot
      record.active = active
      var proposal: Proposal?
      if case .accepted(let accepted) = active.stage { proposal = accepted }
      return [.persist(record), .reply(.promised(proposal))]
    }
  }

  /// A member that knows the decision answers as one that accepted it at a ballot above all others.
  private func decidedProposal(_ active: ActiveRollout) -> Proposal? {
    let ballot = Ballot(round: .max, proposer: member)
    switch active.stage {
    case .committed(let instant, let bootID):
      return Proposal(ballot: ballot, decision: .commit, instant: instant, bootID: bootID)
    case .watching(let report):
      return Proposal(ballot: ballot, decision: .commit, instant: report.planned, bootID: "")
    case .prepared: return nil
    case .accepted(let proposal): return proposal
    }
  }

  private mutating func accept(_ id: String, _ proposal: Proposal) -> [ParticipantEffect] {
    guard var active = record.active, active.rollout.id == id else { return [.reply(answer(id))] }
    switch active.stage {
    case .committed, .watching: return [.reply(.acknowledged)]
    case .prepared, .accepted:
      if proposal.ballot < active.promised { return [.reply(.outranked(active.promised))] }
      active.promised = proposal.ballot
      active.stage = .accepted(proposal)
      record.active = active
      return [.persist(record), .reply(.accepted)]
    }
  }

  private mutating func decided(
    _ id: String, _ decision: Decision, _ instant: Instant?, _ bootID: String, _ reason: String
  ) -> [ParticipantEffect] {
    if let rollout = assessing, rollout.id == id, decision == .abort {
      // The checks are still running; what they stage is discarded when they end.
      assessing = nil
      return [.vote(id: id, .no(Refusal(.vote, reason))), .reply(.acknowledged)]
    }
    guard var active = record.active, active.rollout.id == id else {
      let answer = answer(id)
      if decision == .abort, answer == .unknownRollout { rememberAborted(id) }
      return [.reply(answer)]
    }
    switch active.stage {
    case .committed, .watching: return [.reply(.acknowledged)]
    case .prepared, .accepted:
      switch decision {
      case .commit:
        let instant = instant ?? Instant(nanoseconds: 0)
        active.stage = .committed(instant: instant, bootID: bootID)
        record.active = active
        return [.persist(record), .arm(active, instant, bootID: bootID), .reply(.acknowledged)]
      case .abort:
        let finished = FinishedRollout(
          rollout: active.rollout, outcome: Outcome(.aborted, reason), report: nil)
        record.active = nil
        record.last = finished
        return [
          .discard(active.rollout), .persist(record), .conclude(finished), .reply(.acknowledged),
        ]
      }
    }
  }

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

  private mutating func conclude(
    _ id: String, _ outcome: Outcome, report: RestartReport?
  ) -> [ParticipantEffect] {
    guard let active = record.active, active.rollout.id == id else { return [] }
    let finished = FinishedRollout(rollout: active.rollout, outcome: outcome, report: report)
    record.active = nil
    record.last = finished
    record.lastCommitted = finished
    // The seal and the generation come first: a crash between the two repeats the watch, not the
    // loss of a seal.
    return [.conclude(finished), .persist(record)]
  }

  private mutating func rememberAborted(_ id: String) {
    abortedUnseen = abortedUnseen.suffix(Self.abortedUnseenCount - 1) + [id]
  }

  private func answer(_ id: String) -> ParticipantReply {
    for finished in [record.last, record.lastCommitted] {
      if let finished, finished.rollout.id == id { return .ended(finished.outcome) }
    }
    return .unknownRollout
  }
}
