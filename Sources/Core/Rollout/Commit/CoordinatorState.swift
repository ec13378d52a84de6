// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Model

// Where a coordinator stands, and what it knows of each member.

extension Coordinator {
  enum State: Sendable, Hashable {
    case idle
    case preparing
    /// Commit was proposed: the instant, and when that was.
    case accepting(Instant, since: Instant)
    /// Commit was proposed, and the members decide without the coordinator.
    case superseded(Instant)
    case aborting(Refusal)
    case following(Instant)
    case finished
  }

  struct Member: Sendable, Hashable {
    var vote: Vote?
    var environment: Digest?
    /// What its Key Managers told it.
    var keyManager: Digest?
    var clock: ClockEstimate?
    /// One of the two machines was paused after the commit: what the member's clock showed before it is not known.
    var isClockBroken = false
    var accepted = false
    /// It accepts the proposal no more, if it has not before.
    var isOutranked = false
    var isFollowed = false
    /// It was told not to watch its start any longer.
    var isBrokenOff = false
    var told = false
    /// What it voted, if it did, is not known, or it could not be told of the end.
    var isLost = false
    var report: RestartReport?
    var outcome: Outcome?
  }
}
