// SPDX-License-Identifier: Apache-2.0
internal import API
internal import FaultPoints
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

/// The member: the shell around the Participant machine of this node. It carries out the machine's effects in their
/// order, and feeds it with what the host does. All decisions are the machine's.
///
/// Threads: requests come on the connections' threads; the checks of a vote run on the thread that asked for it; the
/// instant and the watch of a start have a thread each, and so has the timer of a member in doubt; the other members
/// are asked on the threads of ``Peers``.
final class Member: Sendable {
  let site: Site
  let times: RecoveryTimes
  let rollouts: MemberState
  let timelines: Timelines
  let generations: Generations
  let seals: SealKeeper
  let key: KeyDrift
  let drift: DriftWatch
  let holds: StartHolds
  let summary: RolloutSummary
  let proposals: ProposalKeeper
  let assessor: Assessor
  /// Because of which no rollout may be voted on.
  let damage: RecordDamage
  /// Wakes the Participant.
  let alarm = Alarm()

  var state: Lock<MemberState.State> { rollouts.state }

  init(
    _ site: Site, times: RecoveryTimes, damage: RecordDamage, rollouts: MemberState,
    timelines: Timelines, generations: Generations, seals: SealKeeper, key: KeyDrift,
    drift: DriftWatch, holds: StartHolds, summary: RolloutSummary, proposals: ProposalKeeper,
    assessor: Assessor
  ) {
    self.site = site
    self.times = times
    self.damage = damage
    self.rollouts = rollouts
    self.timelines = timelines
    self.generations = generations
    self.seals = seals
    self.key = key
    self.drift = drift
    self.holds = holds
    self.summary = summary
    self.proposals = proposals
    self.assessor = assessor
  }

  /// Takes one input through the machine and carries out its effects. What may take long is done
  /// after the turn.
  ///
  /// - Parameter isWanted: asked within the turn; if it says no, nothing is done.
  /// - Returns: the answer to the proposer, if the machine gave one; a refusal if a promise could
  /// not be made durable, or if the vote that was asked for is a no before any check.
  @discardableResult
  func perform(
    _ given: ParticipantInput, ifWanted isWanted: () -> Bool = { true }
  ) -> Result<ParticipantReply, Refusal>? {
    var later: [@Sendable () -> Void] = []
    let result: Result<ParticipantReply, Refusal>? = rollouts.inTurn { turn in
      guard isWanted() else { return nil }
      let input = stillProposed(given, turn)
      let before = state.withLock { $0.participant }
      let effects = state.update { $0.participant.handle(input, at: moment()) }
      var reply: ParticipantReply?
      for effect in effects {
        Fault.reach("agent.\(Fault.name(input)).\(Fault.name(effect))")
        do throws(Refusal) {
          try carryOut(effect, turn, reply: &reply, later: &later)
        } catch {
          // What has happened has happened, also when the record of it cannot be written.
          if input.isPromise { state.update { $0.participant = before } }
          // Last: who reads of it finds the state that it left.
          site.log(.error, error.message)
          if !input.isPromise { continue }
          if case .assessed(let rollout, _) = input { refuse(rollout, error, turn) }
          return .failure(error)
        }
        // Another vote than the pending one is kept nowhere.
        if case .prepare = input, case .vote(_, .no(let refusal)) = effect {
          return .failure(refusal)
        }
      }
      return reply.map { .success($0) }
    }
    for work in later { work() }
    return result
  }

  /// A yes that could not be kept is a no: takes it through the machine, so that the member is free
  /// again.
  private func refuse(_ rollout: Rollout, _ refusal: Refusal, _ turn: borrowing MemberTurn) {
    var reply: ParticipantReply?
    var later: [@Sendable () -> Void] = []
    for effect in state.update({
      $0.participant.handle(.assessed(rollout, .failure(refusal)), at: moment())
    }) {
      do throws(Refusal) { try carryOut(effect, turn, reply: &reply, later: &later) } catch {
        site.log(.error, error.message)
      }
    }
    precondition(later.isEmpty && reply == nil, "a no asks for nothing more")
  }

  private func moment() -> Moment {
    Moment(
      now: Clock.now(), bootID: site.ports.process.bootID(),
      jitterMilliseconds: RandomNumbers.integer(in: 0...times.jitterMilliseconds))
  }

  private func carryOut(
    _ effect: ParticipantEffect, _ turn: borrowing MemberTurn, reply: inout ParticipantReply?,
    later: inout [@Sendable () -> Void]
  ) throws(Refusal) {
    switch effect {
    case .persist(let record): try site.records.participant.save(record)
    case .assess(let rollout):
      timelines.begin(rollout)
      later.append { self.assess(rollout) }
    case .vote(let id, let vote):
      state.update { if $0.vote?.rollout.id == id { $0.vote?.vote = vote } }
      switch vote {
      case .yes:
        if let change = rollouts.now.record.active?.rollout.change {
          site.inventories.expect(change)
        }
        timelines.note(id, .prepared, "")
      case .no(let refusal):
        site.refusals.note(.vote, refusal.code)
        timelines.note(id, .refused, refusal.message)
      }
      timelines.keep()
    case .reply(let answer):
      reply = answer
    case .discard:
      discardStaged()
      holds.releaseIfAborted()
    case .arm(let active, let instant, let bootID):
      timelines.change(active.rollout.id) { timeline, now in
        timeline.arm(instant, bootID: bootID, at: now)
        timeline.append(.armed, "", at: now)
      }
      let restarts = active.rollout.restartsServers
      site.carryOn("instant") {
        if let change = active.rollout.change {
          self.adopt(change, active, instant)
        } else if restarts {
          self.fire(active, instant, bootID: bootID)
        } else {
          self.replaceFile(active, instant, bootID: bootID)
        }
      }
    case .watch(let active, let report):
      timelines.change(active.rollout.id) { timeline, now in
        timeline.note(report)
        timeline.append(
          active.rollout.restartsServers ? .restarting : .installed, "", at: now)
      }
      site.carryOn("watch", isLong: true) { self.watch(active, report) }
    case .keep(let finished):
      if finished.rollout.change != nil { return try keepChange(finished, turn) }
      if finished.outcome.kind == .confirmed {
        try sealAndKeep(finished, turn)
        // Before the record that ends the rollout: nobody would look for it afterwards.
        try holds.end(of: finished.rollout.id)
      }
      try summary.prepare(finished.rollout)
      try proposals.ended(finished)
    case .amend(let finished):
      try sealAndKeep(finished, turn)
      try holds.end(of: finished.rollout.id)
    case .conclude(let finished):
      conclude(finished)
      timelines.keep()
    case .wake(let instant): wake(at: instant)
    case .ask(let member, let key, let question): ask(member, key, question)
    }
  }

  /// The input, or a no in place of a yes for what is not proposed on this node any more: until the turn ends, and so to
  /// the vote's record, nothing is withdrawn.
  private func stillProposed(
    _ input: ParticipantInput, _ turn: borrowing MemberTurn
  ) -> ParticipantInput {
    guard case .assessed(let rollout, .success) = input,
      let vote = state.withLock({ $0.vote }), vote.isOfProposal, vote.rollout.id == rollout.id,
      let settings = rollout.proposal
    else { return input }
    if proposals.own.digest == settings {
      // An approval may have gone with a withdrawal, and the same be proposed again since.
      guard let obstacle = proposals.obstacle(toSettings: settings) else { return input }
      return .assessed(rollout, .failure(obstacle))
    }
    return .assessed(
      rollout,
      .failure(
        Refusal(
          .vote,
          "what was proposed on \(site.node) was withdrawn or replaced while rollout \(rollout.id) was being prepared"
        )))
  }
}
