// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout
internal import StartWatch
internal import Threads

/// Where the member stands in rollouts, at one moment.
struct RolloutStanding: Sendable {
  var record: ParticipantRecord
  /// The rollout that it is to vote on.
  var assessing: Rollout?
  /// The rollout whose checks run, also those of a vote that ended before them.
  var checking: String?

  var isInRollout: Bool { record.active != nil }
  var isAtRest: Bool { record.active == nil && assessing == nil }

  /// What is remembered of a rollout that has ended here; nil if nothing.
  func finished(_ id: String) -> FinishedRollout? { record.finished(id) }
}

/// What the other rooms may ask of the member.
protocol RolloutState: Sendable {
  var now: RolloutStanding { get }

  /// Blocks until the member is in no rollout that it has voted yes on, at most until the deadline.
  func waitForEnd(until deadline: Instant)

  /// Blocks until the rollout that was committed last, and has ended here, is another one than this, at most until the
  /// deadline.
  func waitForCommit(otherThan id: String?, until deadline: Instant)

  /// Runs `body` while the Participant takes no input, effects included: what `body` finds stays true while it acts.
  /// Not from within a turn of the Participant's: it would wait for itself.
  func betweenTurns<Value, Failure: Error>(
    _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value
}

/// Shows that the Participant takes an input on this thread, its effects included. Who needs that takes the token.
struct MemberTurn: ~Copyable {
  fileprivate init() {}
}

/// The Participant of this node and the vote under way, behind one lock, and the turn that lets one input at a time
/// through the Participant.
final class MemberState: RolloutState {
  struct State {
    var participant: Participant
    /// Nil until a vote is asked for.
    var vote: PendingVote?
    /// The rollout whose checks run: also those of a vote that ended before them (``VoteUnderWay``).
    var checking: String?
    /// The files that something may be staged beside.
    var targets: Set<String> = []
    /// The committed rollout that an operator has had fired, because its instant is out of reach.
    var hurried: String?
    /// The rollout whose start here need not be watched to its end, and why.
    var brokenOff: (rollout: String, reason: String)?
    /// Where the watch of a start hears of that; nil while none is watched.
    var watching: (rollout: String, inputs: Mailbox<StartInput>)?
    /// What the other members are asked to end a rollout that this one is in doubt of.
    var question: RecoveryQuestion?

    init(_ participant: Participant) { self.participant = participant }
  }

  let state: Lock<State>
  private let turn = Lock(Turn())

  init(_ participant: Participant) { state = Lock(State(participant)) }

  var now: RolloutStanding {
    state.withLock { state in
      RolloutStanding(
        record: state.participant.record, assessing: state.participant.assessing,
        checking: state.checking)
    }
  }

  func waitForEnd(until deadline: Instant) {
    _ = state.wait(until: deadline) { $0.participant.record.active == nil ? true : nil }
  }

  func waitForCommit(otherThan id: String?, until deadline: Instant) {
    _ = state.wait(until: deadline) { state in
      state.participant.record.lastCommitted?.rollout.id == id ? nil : true
    }
  }

  func inTurn<Value>(_ body: (borrowing MemberTurn) -> Value) -> Value {
    turn.withLock { _ in
      let turn = MemberTurn()
      return body(turn)
    }
  }

  func betweenTurns<Value, Failure: Error>(
    _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    try turn.withLock { _ throws(Failure) in try body() }
  }
}
