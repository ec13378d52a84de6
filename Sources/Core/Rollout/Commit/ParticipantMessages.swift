// SPDX-License-Identifier: Apache-2.0
package import Model

/// What a message about a rollout names it by, and whom it is for.
///
/// The id says which rollout it is. The epoch, the rollout's own or a higher one, is the fence of a
/// member that has not voted on it: once it has seen the epoch it never will. The addressee is the
/// incarnation that the rollout lists for the member: no other one answers.
package struct RolloutKey: Sendable, Codable, Hashable {
  package var id: String
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  /// The incarnation that the message is for, as the rollout lists it; nil for a rollout that lists none.
  package var addressee: Incarnation?

  package init(id: String, epoch: UInt64, addressee: Incarnation?) {
    self.id = id
    self.epoch = epoch
    self.addressee = addressee
  }
}

extension Rollout {
  /// What a message about it to one of its members names it by.
  package func key(for member: String) -> RolloutKey {
    RolloutKey(id: id, epoch: epoch, addressee: content(of: member)?.incarnation)
  }
}

/// What the shell knows when something comes to a member.
package struct Moment: Sendable, Hashable {
  /// The member's CLOCK_BOOTTIME.
  package var now: Instant
  /// The boot that it belongs to.
  package var bootID: String
  /// Random, another each time, 0 to ``RecoveryTimes/jitterMilliseconds``: keeps members from trying
  /// at the same time again and again.
  package var jitterMilliseconds: Int

  package init(now: Instant, bootID: String, jitterMilliseconds: Int) {
    self.now = now
    self.bootID = bootID
    self.jitterMilliseconds = jitterMilliseconds
  }
}

/// What comes to a member.
package enum ParticipantInput: Sendable, Hashable {
  /// The agent has started; `record` was what it was made from.
  case started
  /// A coordinator asks for a vote.
  case prepare(Rollout)
  /// The checks and the staging that ``ParticipantEffect/assess(_:)`` asked for have ended.
  case assessed(Rollout, Result<PreparedFacts, Refusal>)
  /// The time for the checks is over. Takes nothing back: a vote that was given stands.
  case overdue(id: String, Refusal)
  /// The coordinator of the rollout has shown that it lives.
  case heard(id: String)
  /// A proposer asks for a promise not to accept a lower ballot.
  case promise(RolloutKey, Ballot)
  /// A proposer asks to accept.
  case accept(RolloutKey, BallotValue)
  /// Somebody tells the decision. A commit without an instant is acted on at once.
  case decided(RolloutKey, Decision, instant: Instant?, bootID: String, reason: String)
  /// The instant comes, nothing is done yet, and the unit is another invocation than at the vote:
  /// what is put in place from now on belongs after this one, and so do the journal's lines.
  case firing(id: String, invocation: String, journalCursor: String?)
  /// The instant has come and the restart was issued.
  case restarted(id: String, RestartReport)
  /// The instant has come and nothing could be done.
  case fireFailed(id: String, Refusal)
  /// The start has come to an end.
  case watched(id: String, Outcome)
  /// Its server, whose start was not confirmed, is found to be good: an operator has asked for the look.
  case confirmed(id: String, Outcome)
  /// The instant of the last ``ParticipantEffect/wake(_:)`` has come.
  case woke
  /// Somebody asks to end the rollout now, if it is in doubt here.
  case resolve(id: String)
  /// Another member's answer to ``ParticipantEffect/ask(member:_:_:)``.
  case answered(member: String, RolloutKey, RecoveryQuestion, ParticipantReply)
}

extension ParticipantInput {
  /// Whether what follows from this input promises something, so that the input must be undone if a
  /// record cannot be made durable. An end that somebody was told of must not become another, and a
  /// start that was confirmed promises a seal; these two are to be tried again. The others tell what
  /// has happened, and it has happened also when the record of it cannot be written.
  package var isPromise: Bool {
    switch self {
    case .prepare, .assessed, .promise, .accept, .decided, .firing, .fireFailed, .watched,
      .confirmed,
      .woke,
      .resolve,
      .answered:
      true
    case .started, .overdue, .heard, .restarted: false
    }
  }
}

/// What a member in doubt asks every member, itself included.
package enum RecoveryQuestion: Sendable, Hashable {
  /// Comes to the other as ``ParticipantInput/promise(_:_:)``.
  case promise(Ballot)
  /// Comes to the other as ``ParticipantInput/accept(_:_:)``.
  case accept(BallotValue)
  /// Comes to the other as ``ParticipantInput/decided(_:_:instant:bootID:reason:)`` without an
  /// instant.
  case decide(Decision, reason: String)

  /// What it is to the member that is asked.
  package func input(_ key: RolloutKey) -> ParticipantInput {
    switch self {
    case .promise(let ballot): .promise(key, ballot)
    case .accept(let proposal): .accept(key, proposal)
    case .decide(let decision, let reason):
      .decided(key, decision, instant: nil, bootID: "", reason: reason)
    }
  }
}

/// The answer to a proposer. Each stays true permanently: a proposer decides by it.
package enum ParticipantReply: Sendable, Hashable {
  /// Nothing of a lower ballot will be accepted; with the proposal accepted before, if any.
  case promised(BallotValue?)
  case accepted
  /// As high a ballot was promised before, this one.
  case outranked(Ballot)
  /// Commit is known here.
  case committed
  /// The rollout has ended here; with anything but `aborted` it was committed.
  case ended(Outcome)
  /// No yes was given here, or it was taken back by an abort, and none will be: commit cannot be the
  /// decision.
  case neverVoted
  /// No answer: the member is another incarnation than the message is for. Its host or its state directory was
  /// replaced, and what the one before has promised it does not know.
  case replaced
}

/// What a member does, in the order given.
package enum ParticipantEffect: Sendable, Hashable {
  /// Make this durable before the next effect is carried out. If it cannot be and the
  /// input is a promise (``ParticipantInput/isPromise``), the machine goes back to what it was before
  /// the input, and the effects that follow are left out.
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
  /// The start has come to an end: make generation and seal of it if it was confirmed.
  case keep(FinishedRollout)
  /// The start of an ended rollout is confirmed after all: make generation and seal of it. Nothing else follows.
  case amend(FinishedRollout)
  /// The rollout has ended here, and the record says so: tell those who follow it.
  case conclude(FinishedRollout)
  /// Send ``ParticipantInput/woke`` at this instant; takes the place of the wake before.
  case wake(Instant)
  /// Ask another member. Its answer, if one comes, is ``ParticipantInput/answered(member:_:_:_:)``;
  /// a decision is told repeatedly, the other questions once.
  case ask(member: String, RolloutKey, RecoveryQuestion)
}
