public import Model

/// What comes to a member.
public enum ParticipantInput: Sendable, Hashable {
  /// The agent has started; `record` was what it was made from.
  case started
  /// A coordinator asks for a vote.
  case prepare(Rollout)
  /// The checks and the staging that ``ParticipantEffect/assess(_:)`` asked for have ended.
  case assessed(Rollout, Result<PreparedFacts, Refusal>)
  /// The time for the checks is over. Takes nothing back: a vote that was given stands.
  case overdue(id: String, Refusal)
  /// A proposer asks for a promise not to accept a lower ballot.
  case promise(id: String, Ballot)
  /// A proposer asks to accept.
  case accept(id: String, Proposal)
  /// Somebody tells the decision.
  case decided(id: String, Decision, instant: Instant?, bootID: String, reason: String)
  /// The instant has come and the restart was issued.
  case restarted(id: String, RestartReport)
  /// The instant has come and nothing could be done.
  case fireFailed(id: String, Refusal)
  /// The start has come to an end.
  case watched(id: String, Outcome)
}

/// The answer to a proposer.
public enum ParticipantReply: Sendable, Hashable {
  /// Promised; with the proposal accepted before, if any.
  case promised(Proposal?)
  /// Accepted.
  case accepted
  /// The decision is known here now.
  case acknowledged
  /// A higher ballot was promised.
  case outranked(Ballot)
  /// The rollout has ended here.
  case ended(Outcome)
  /// No such rollout was voted on here.
  case unknownRollout
}

/// What a member does, in the order given.
public enum ParticipantEffect: Sendable, Hashable {
  /// Make this durable before the next effect is carried out.
  case persist(ParticipantRecord)
  /// Run all checks and stage the file; ends in ``ParticipantInput/assessed(_:_:)``.
  case assess(Rollout)
  /// Answer the one who asked for the vote.
  case vote(id: String, Vote)
  /// Answer the proposer whose message this was.
  case reply(ParticipantReply)
  /// Remove the staged file.
  case discard(Rollout)
  /// Act at this instant: put the staged file in place and restart the unit, each unless already
  /// done.
  case arm(ActiveRollout, Instant, bootID: String)
  /// Watch the start; ends in ``ParticipantInput/watched(id:_:)``.
  case watch(ActiveRollout, RestartReport)
  /// The rollout has ended here: make generation and seal of it if the start was confirmed.
  case conclude(FinishedRollout)
}
