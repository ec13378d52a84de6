// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

/// What the coordinator learns.
package enum CoordinatorInput: Sendable, Hashable {
  /// Begin.
  case start
  /// A member voted. `environment` is the digest of the MINIO_* variables that it will run with.
  case vote(member: String, Vote, environment: Digest?, keyManager: Digest? = nil)
  /// A member was asked for its vote, and what it voted is not known: its yes may have been given and the answer lost, or
  /// what must follow on a yes has failed. The refusal says what happened.
  case voteUnknown(member: String, Refusal)
  /// Four timestamps of an exchange with a member.
  case clock(member: String, ClockSample)
  /// A member accepted the proposal.
  case accepted(member: String)
  /// A member promised to a higher ballot: a recovery is under way.
  case outranked(member: String)
  /// A member reports that the decision is commit.
  case committed(member: String)
  /// A member has been told the decision, and has nothing to do with the rollout otherwise.
  case acknowledged(member: String)
  /// A member could not be reached, or did not answer in time; the text says what was tried.
  case silent(member: String, reason: String)
  /// A member's rollout moved on.
  case progress(member: String, phase: Word<RolloutPhase>, detail: String)
  /// A member restarted its unit.
  case restarted(member: String, RestartReport)
  /// A member's rollout ended.
  case ended(member: String, Outcome)
  /// A timer that was armed came.
  case fired(CoordinatorTimer)
  /// The operator wants out. After the proposal it only ends the watching.
  case cancel
}

package enum CoordinatorTimer: Sendable, Hashable {
  /// Votes must be in.
  case prepare
  /// Those who have voted must hear that the coordinator lives.
  case beat
  /// Acceptances must be in.
  case accept
  /// The members must have ended by themselves what the coordinator could not.
  case recover
  /// Members must have been told.
  case decide
  /// Outcomes must be in.
  case follow
}

/// What the coordinator does, in the order given.
package enum CoordinatorEffect: Sendable, Hashable {
  /// Ask a member for its vote.
  case prepare(member: String)
  /// Exchange clocks with a member that has voted, naming the rollout: so it hears that the
  /// coordinator lives (``ParticipantInput/heard(id:)``).
  case measure(member: String)
  /// Ask a member to accept commit at an instant of its own clock.
  case accept(member: String, BallotValue)
  /// Tell a member the decision, again and again until it acknowledges or the timer comes.
  case decide(member: String, Decision, instant: Instant?, bootID: String, reason: String)
  /// Follow a member's progress to its outcome.
  case follow(member: String)
  /// Tell a member to watch its start no longer: its outcome changes nothing any more.
  case breakOff(member: String, reason: String)
  /// Wake up at this instant.
  case arm(CoordinatorTimer, Instant)
  /// The decision is commit; the instant in the coordinator's clock.
  case committed(instant: Instant)
  /// A member's outcome or vote is known, for those who watch.
  case report(member: String, phase: Word<RolloutPhase>, detail: String)
  /// The end.
  case finished(CoordinatorResult)
}

/// How a rollout ended on one member.
package struct MemberOutcome: Sendable, Codable, Hashable {
  package var member: String
  package var outcome: Outcome

  package init(member: String, outcome: Outcome) {
    self.member = member
    self.outcome = outcome
  }
}

/// What a rollout came to, for the operator.
package struct CoordinatorResult: Sendable, Hashable {
  package var ending: RolloutEnding
  /// One sentence.
  package var summary: String
  /// One entry for every member, sorted by name.
  package var outcomes: [MemberOutcome]
  /// First to last start of a new main process, coordinator's clock, nanoseconds; nil if fewer than
  /// all are known.
  package var skewNanoseconds: Int64?
  /// First to last call of RestartUnit, likewise.
  package var issueSkewNanoseconds: Int64?
  /// First to last moment at which systemd began to stop a server, likewise.
  package var stopSkewNanoseconds: Int64?
  /// First call of RestartUnit to the moment since which every server takes writes, likewise.
  package var writeOutageNanoseconds: Int64?

  /// Nil when it is not known.
  package var decision: Decision? { ending.decision }

  /// The reason of a member that did not vote no.
  package static let notTouched = "not touched"
}

/// How long the coordinator waits, and how exact a clock must be.
package struct CoordinatorLimits: Sendable, Hashable {
  /// Votes, beyond the members' own prepare deadline, milliseconds.
  package var voteGraceMilliseconds = 3_000
  /// Acceptances, milliseconds.
  package var acceptMilliseconds = 5_000
  /// From one heartbeat to the next while votes are awaited, milliseconds; well below the
  /// members' own patience (``RecoveryTimes/silenceMilliseconds``).
  package var beatMilliseconds = 1_000
  /// For the members to end the rollout by themselves, milliseconds.
  package var recoverMilliseconds = 30_000
  /// Telling an abort, milliseconds.
  package var decideMilliseconds = 5_000
  /// Outcomes, beyond the members' own stop and start deadlines, milliseconds.
  package var outcomeGraceMilliseconds = 5_000
  /// From the proposal to the instant at the least, milliseconds.
  package var leastLeadMilliseconds = 250
  /// The widest clock bound, nanoseconds.
  package var clockBoundNanoseconds: Int64 = 50_000_000

  /// The defaults.
  package init() {}
}
