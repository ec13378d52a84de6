// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout
internal import Threads

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

/// A vote whose checks run, on the thread that has it.
///
/// A vote can end before its checks: with an abort, or because they take too long. They cannot be broken off, so each
/// act of theirs on the host or on the member's state asks here first whether the vote is still wanted. And the checks
/// of one vote begin when those of the one before have come to their end: what an ended vote was just about to do, a
/// stop of the server above all, never comes between what the next one does.
struct VoteUnderWay: Sendable {
  let rollout: Rollout
  private let node: String
  private let state: Lock<MemberState.State>

  fileprivate init(_ rollout: Rollout, _ member: Member) {
    self.rollout = rollout
    node = member.site.node
    state = member.state
  }

  /// Throws if the vote has ended.
  func require() throws(Refusal) { try change { _ in } }

  /// Does `body` if the vote has not ended.
  func act<Value>(_ body: () throws(Refusal) -> Value) throws(Refusal) -> Value {
    try require()
    return try body()
  }

  /// Changes the member's state if the vote has not ended; it does not end meanwhile.
  func change(_ body: (inout MemberState.State) -> Void) throws(Refusal) {
    let isWanted = state.update { state in
      guard state.participant.assessing == rollout else { return false }
      body(&state)
      return true
    }
    if !isWanted { throw ended }
  }

  /// Blocks until the checks of the vote before have come to their end.
  fileprivate func begin() throws(Refusal) {
    let isWanted = state.wait(until: nil) { state -> Bool? in
      guard state.participant.assessing == rollout else { return false }
      guard state.checking == nil else { return nil }
      state.checking = rollout.id
      return true
    }
    if isWanted != true { throw ended }
  }

  fileprivate func end() { state.update { $0.checking = nil } }

  private var ended: Refusal {
    Refusal(.vote, "rollout \(rollout.id) was ended before the checks of \(node) were")
  }
}

extension Member {
  /// Runs the checks of a vote, alone. Blocks as long as they and those of a vote that has ended before take.
  func voting<Value>(
    on rollout: Rollout, _ checks: (VoteUnderWay) throws(Refusal) -> Value
  ) throws(Refusal) -> Value {
    let vote = VoteUnderWay(rollout, self)
    try vote.begin()
    defer { vote.end() }
    return try checks(vote)
  }
}
