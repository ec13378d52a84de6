// SPDX-License-Identifier: Apache-2.0
// What is asked and answered in a rollout, as JSON. Route has the paths.

package import Crypto
package import Model
package import Rollout

/// What is asked of a node: validated and checked against its file, its unit and its Key Managers.
package struct PlanRequest: Sendable, Codable {
  package var request: RolloutRequest
  /// The members that a rollout would have, as the caller's inventory says; nil if it does not tell.
  package var members: [String]?

  package init(_ request: RolloutRequest, members: [String]? = nil) {
    self.request = request
    self.members = members
  }
}

/// A node's clock at an exchange.
package struct ClockReading: Sendable, Codable, Hashable {
  /// When the request was read, the node's CLOCK_BOOTTIME.
  package var received: Instant
  /// When the answer was written, the node's CLOCK_BOOTTIME.
  package var sent: Instant
  /// The boot that both belong to.
  package var bootID: String
  /// CLOCK_REALTIME at ``sent``, microseconds since 1970-01-01 UTC; only for merging logs.
  @Bounded<Bounds.WallMicroseconds> package var realtimeMicroseconds: Int64

  package init(received: Instant, sent: Instant, bootID: String, realtimeMicroseconds: Int64) {
    self.received = received
    self.sent = sent
    self.bootID = bootID
    self.realtimeMicroseconds = realtimeMicroseconds
  }
}

/// A request for a vote.
package struct PrepareRequest: Sendable, Codable {
  package var rollout: Rollout
  package var request: RolloutRequest
  /// What each member said of its seal when it was asked for its plan. Each judges itself by it, and
  /// its own by its records as they are now.
  package var seals: [SealView]
  /// The digest of the server's program that every node has told in its plan: a node that has another by now says no.
  /// Nil where it was not known of all.
  package var program: Digest?

  package init(
    rollout: Rollout, request: RolloutRequest, seals: [SealView], program: Digest? = nil
  ) {
    self.program = program
    self.rollout = rollout
    self.request = request
    self.seals = seals
  }
}

package struct VoteAnswer: Sendable, Codable, Hashable {
  /// The digest of the rollout that was voted on.
  package var rollout: Digest
  /// The no; nil for yes.
  package var refusal: Refusal?
  /// Digest of the MINIO_* variables that the node will run with; nil for no.
  package var environmentDigest: Digest?
  /// Digest of ``PlanAnswer/keyManager``; nil for no, or if nothing was told.
  package var keyManagerDigest: Digest?
  /// There is no vote yet: ask again. Only for who asked with `wait`.
  package var isPending: Bool?

  package init(
    rollout: Digest, refusal: Refusal?, environmentDigest: Digest?, keyManagerDigest: Digest? = nil,
    isPending: Bool? = nil
  ) {
    self.isPending = isPending
    self.rollout = rollout
    self.refusal = refusal
    self.environmentDigest = environmentDigest
    self.keyManagerDigest = keyManagerDigest
  }
}

/// A request not to accept anything of a lower ballot.
package struct PromiseRequest: Sendable, Codable, Hashable {
  /// The rollout's epoch, or a higher one: a member that has not voted yet never will.
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  package var ballot: Ballot

  /// The incarnation that it is for, as the rollout lists it.
  package var incarnation: Incarnation?

  package init(epoch: UInt64, incarnation: Incarnation?, ballot: Ballot) {
    self.epoch = epoch
    self.incarnation = incarnation
    self.ballot = ballot
  }
}

package struct AcceptRequest: Sendable, Codable, Hashable {
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  package var proposal: BallotValue

  /// The incarnation that it is for, as the rollout lists it.
  package var incarnation: Incarnation?

  package init(epoch: UInt64, incarnation: Incarnation?, proposal: BallotValue) {
    self.epoch = epoch
    self.incarnation = incarnation
    self.proposal = proposal
  }
}

/// A decision told to a member.
package struct DecisionRequest: Sendable, Codable, Hashable {
  /// The rollout's epoch, or a higher one.
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  package var decision: Decision
  /// When to act, the member's CLOCK_BOOTTIME; nil for abort, and for a commit that is to be acted on
  /// at once.
  package var instant: Instant?
  /// The boot of the member that the instant belongs to.
  package var bootID: String
  /// Why it was aborted; empty for commit.
  package var reason: String

  /// The incarnation that it is for, as the rollout lists it.
  package var incarnation: Incarnation?

  package init(
    epoch: UInt64, incarnation: Incarnation?, decision: Decision, instant: Instant?,
    bootID: String, reason: String
  ) {
    self.epoch = epoch
    self.incarnation = incarnation
    self.decision = decision
    self.instant = instant
    self.bootID = bootID
    self.reason = reason
  }
}

/// A start need not be watched any longer: the previous files come back.
package struct BreakOff: Sendable, Codable, Hashable {
  /// Why, for people; redacted.
  package var reason: String

  package init(reason: String) { self.reason = reason }

  /// What a peer tells; the reason is cut at ``Limits/reasonBytes``.
  package init(from decoder: any Decoder) throws {
    reason = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .reason)
      .cut(toBytes: Limits.reasonBytes)
  }
}

package struct BreakOffAnswer: Sendable, Codable, Hashable {
  /// Whether there was a start to break off.
  package var isBrokenOff: Bool

  package init(isBrokenOff: Bool) { self.isBrokenOff = isBrokenOff }
}

/// A member's answer to accept and decision.
package enum ReplyKind: String, Sendable, Codable, Hashable {
  /// Nothing of a lower ballot will be accepted; with what was accepted before.
  case promised
  case accepted
  /// Commit is known here.
  case committed
  /// A higher ballot was promised.
  case outranked
  /// The rollout has ended here.
  case ended
  /// No yes was given here, and none will be.
  case neverVoted
  /// No answer: it was asked in the place of another incarnation.
  case replaced
}

/// A member's answer to accept and decision.
package struct ReplyAnswer: Sendable, Codable, Hashable {
  package var reply: ReplyKind
  /// How the rollout ended here, if it has.
  package var outcome: Outcome?
  /// What was accepted before, to a promise.
  package var proposal: BallotValue?
  /// What was promised before, if it outranks.
  package var ballot: Ballot?

  package init(
    reply: ReplyKind, outcome: Outcome? = nil, proposal: BallotValue? = nil, ballot: Ballot? = nil
  ) {
    self.reply = reply
    self.outcome = outcome
    self.proposal = proposal
    self.ballot = ballot
  }

  /// The protocol's reply on the wire.
  package init(_ reply: ParticipantReply) {
    switch reply {
    case .promised(let proposal): self.init(reply: .promised, proposal: proposal)
    case .accepted: self.init(reply: .accepted)
    case .outranked(let ballot): self.init(reply: .outranked, ballot: ballot)
    case .committed: self.init(reply: .committed)
    case .ended(let outcome): self.init(reply: .ended, outcome: outcome)
    case .neverVoted: self.init(reply: .neverVoted)
    case .replaced: self.init(reply: .replaced)
    }
  }

  /// The protocol's reply; nil if what belongs to it is missing.
  package var participantReply: ParticipantReply? {
    switch reply {
    case .promised: .promised(proposal)
    case .accepted: .accepted
    case .outranked: ballot.map { .outranked($0) }
    case .committed: .committed
    case .ended: outcome.map { .ended($0) }
    case .neverVoted: .neverVoted
    case .replaced: .replaced
    }
  }
}

/// What a node found when it was asked to confirm its running server.
package struct ConfirmAnswer: Sendable, Codable, Hashable {
  package var node: String
  /// The last committed rollout, which the server was started by, or should have been.
  package var rollout: RolloutHead
  /// How it has ended here now.
  package var outcome: Outcome
  /// Whether that was so before.
  package var wasConfirmed: Bool

  package init(node: String, rollout: RolloutHead, outcome: Outcome, wasConfirmed: Bool) {
    self.node = node
    self.rollout = rollout
    self.outcome = outcome
    self.wasConfirmed = wasConfirmed
  }
}
