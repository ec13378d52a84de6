// SPDX-License-Identifier: Apache-2.0
internal import Model

/// What a member does in doubt: it asks the others and ends the rollout with a majority of them (Recovery).
extension Participant {
  mutating func woke(_ moment: Moment) -> [ParticipantEffect] {
    guard let active = record.active, var recovery else { return [] }
    if recovery.isAsking {
      if let proposal = recovery.unheard() {
        self.recovery = recovery
        return ask(active.rollout, .accept(proposal), moment)
      }
      recovery.giveWay(to: nil)
      self.recovery = recovery
      return [.wake(recovery.afterPause(moment))]
    }
    let ballot = recovery.begin(above: active.promised)
    self.recovery = recovery
    return ask(active.rollout, .promise(ballot), moment)
  }

  mutating func resolve(_ id: String, _ moment: Moment) -> [ParticipantEffect] {
    guard let recovery, record.active?.rollout.id == id, !recovery.isAsking else { return [] }
    return woke(moment)
  }

  /// Asks everybody. The member itself first: what it says must be durable before the others are
  /// asked. The wake stands before what can fail, so that it is not lost.
  private mutating func ask(
    _ rollout: Rollout, _ question: RecoveryQuestion, _ moment: Moment
  ) -> [ParticipantEffect] {
    guard let recovery else { return [] }
    var effects: [ParticipantEffect] = [.wake(recovery.afterQuestion(moment))]
    var own: ParticipantReply?
    for effect in answerOwn(question, rollout.key(for: member), moment) {
      if case .reply(let reply) = effect { own = reply } else { effects.append(effect) }
    }
    effects += recovery.others.map { .ask(member: $0, rollout.key(for: $0), question) }
    if let own { effects += answered(member, question, own, moment) }
    return effects
  }

  /// What the member itself says to its question. A decision that the others have told holds for whatever life of the
  /// member is in the rollout, also for one that answers nobody since its incarnation was lost.
  private mutating func answerOwn(
    _ question: RecoveryQuestion, _ key: RolloutKey, _ moment: Moment
  ) -> [ParticipantEffect] {
    guard case .decide(let decision, let reason) = question else {
      return handle(question.input(key), at: moment)
    }
    return decided(key, decision, nil, "", reason, moment)
  }

  mutating func answered(
    _ name: String, _ question: RecoveryQuestion, _ reply: ParticipantReply, _ moment: Moment
  ) -> [ParticipantEffect] {
    guard let rollout = record.active?.rollout, var recovery else { return [] }
    switch (reply, question) {
    case (.committed, _): return end(rollout, .commit, "", moment)
    case (.ended(let outcome), _):
      let decision: Decision = outcome.kind == .aborted ? .abort : .commit
      return end(rollout, decision, outcome.reason, moment)
    case (.outranked(let ballot), _): return giveWay(to: ballot, moment)
    case (.promised(let accepted), .promise(let ballot)):
      let proposal = recovery.promised(name, ballot, accepted)
      self.recovery = recovery
      return proposal.map { ask(rollout, .accept($0), moment) } ?? []
    case (.neverVoted, .promise(let ballot)):
      let proposal = recovery.neverVoted(name, ballot)
      self.recovery = recovery
      return proposal.map { ask(rollout, .accept($0), moment) } ?? []
    case (.accepted, .accept(let proposal)):
      let decision = recovery.accepted(name, proposal.ballot)
      self.recovery = recovery
      return decision.map { end(rollout, $0, Self.abandoned, moment) } ?? []
    case (.neverVoted, .accept(let proposal)):
      let decision = recovery.neverAccepts(name, proposal.ballot)
      self.recovery = recovery
      return decision.map { end(rollout, $0, Self.abandoned, moment) } ?? []
    case (.replaced, _):
      recovery.isReplaced(name)
      self.recovery = recovery
      return []
    case (.promised, _), (.accepted, _), (.neverVoted, .decide): return []
    }
  }

  private static let abandoned = "the coordinator went away before commit was decided"

  /// The decision is known: acts on it and tells the others.
  private mutating func end(
    _ rollout: Rollout, _ decision: Decision, _ reason: String, _ moment: Moment
  ) -> [ParticipantEffect] {
    ask(rollout, .decide(decision, reason: decision == .abort ? reason : ""), moment)
  }

  /// Another proposer is at it, or the coordinator: leaves it the time to come to an end.
  mutating func giveWay(to ballot: Ballot, _ moment: Moment) -> [ParticipantEffect] {
    guard var recovery, ballot.proposer != member else { return [] }
    recovery.giveWay(to: ballot)
    self.recovery = recovery
    return [
      .wake(ballot == .coordinator ? recovery.afterSilence(moment) : recovery.afterPause(moment))
    ]
  }
}
