// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout
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

  /// The rollout that ended here last, or the last one that was committed, if it is this one.
  func finished(_ id: String) -> FinishedRollout? {
    [record.last, record.lastCommitted].lazy.compactMap(\.self).first { $0.rollout.id == id }
  }
}

/// What the other rooms may ask of the member.
protocol RolloutState: Sendable {
  var now: RolloutStanding { get }

  /// Runs `body` while the Participant takes no input, effects included: what `body` finds stays true while it acts.
  /// Not from within a turn of the Participant's: it would wait for itself.
  func betweenTurns<Value, Failure: Error>(
    _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value
}

/// What is known here of the vote on the rollout that was asked for last.
struct PendingVote: Sendable {
  let rollout: Rollout
  /// What was asked with it, until the checks have ended. Holds the settings' values.
  var request: PrepareRequest?
  /// Whether a member asked for it because of what is proposed on this node, and not an operator.
  let isOfProposal: Bool
  /// When the vote must be there.
  let due: Instant
  /// The vote; nil while the checks run.
  var vote: Vote?
  /// The yes that the checks prepared: what this node has seen of what all must have alike.
  var seen: VoteAnswer?

  init(_ request: PrepareRequest, isOfProposal: Bool) {
    rollout = request.rollout
    self.request = request
    self.isOfProposal = isOfProposal
    due = .inMilliseconds(request.rollout.prepareMilliseconds)
  }
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
    /// What the other members are asked to end a rollout that this one is in doubt of.
    var question: RecoveryQuestion?
    /// The committed rollout whose outcomes are being collected, and by whom it was created.
    var collecting: (id: String, createdBy: String, inputs: Mailbox<CollectorInput>)?
    /// How the last rollouts ended here, and what became of them.
    var settled: [KeptResult] = []
    /// Whether the record of it could not be written last.
    var isResultUnwritten = false
    var proposals = Proposals(member: "", members: [], own: nil)
    /// What was handed to this node, and what came of it.
    var proposal = ProposalRecord()
    /// How often the start that ends a hold was tried in vain, and why it was last; nil if there is nothing to try.
    var releaseFailure: (attempts: Int, refusal: Refusal)?
    /// Why the last rollout of a proposal came to nothing.
    var proposalRefusal: (digest: Digest, refusal: Refusal)?
    /// What the first of the members knows, as it was heard last; nil on itself.
    var firstView: ProposalsView?

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
