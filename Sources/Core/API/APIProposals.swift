// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model
package import Rollout

/// What one member is known to propose.
package struct ProposalRow: Sendable, Codable, Hashable {
  package var member: String
  /// What it said last; nil if nothing was heard of it.
  package var statement: MemberProposal?

  package init(member: String, statement: MemberProposal?) {
    self.member = member
    self.statement = statement
  }
}

/// Where the proposal of a member stands.
package enum ProposalPhase: String, Sendable, Codable, Hashable, CaseIterable {
  case none
  /// Others are missing, or want something else.
  case waiting
  /// A rollout of it is under way.
  case rollingOut
  /// It is in the file and in the running server.
  case inForce
  /// The last rollout of it came to nothing; it is tried again.
  case refused
  /// The rollout of it was committed, and not every start was confirmed.
  case notConfirmed
  /// No operator has approved it.
  case unapproved
  /// It waits for its time: the last rollout of a proposal is too recent.
  case deferred
}

/// Settings whose rollout was committed and not confirmed on every node: what configuration management
/// proposes again is refused with this, until a person says otherwise.
package struct ProposalFailure: Sendable, Codable, Hashable {
  package enum Ending: String, Sendable, Codable, Hashable, CaseIterable {
    case notConfirmed
    /// Rolled back, and every start of the rollback was confirmed.
    case rolledBack
    case rolledBackUnhealthy
  }

  package var digest: Digest
  package var rollout: String
  package var ending: Ending
  /// Why, as far as this member was told; no secret in it.
  package var reason: String
  /// The rollout that took it back; nil if none did.
  package var rollback: String?

  package init(
    digest: Digest, rollout: String, ending: Ending, reason: String, rollback: String? = nil
  ) {
    self.digest = digest
    self.rollout = rollout
    self.ending = ending
    self.reason = reason
    self.rollback = rollback
  }

  /// A record from before there was a reason has the settings and the rollout only.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    digest = try container.decode(Digest.self, forKey: .digest)
    rollout = try container.decode(String.self, forKey: .rollout)
    ending = try container.decodeIfPresent(Ending.self, forKey: .ending) ?? .notConfirmed
    reason = try container.decodeIfPresent(String.self, forKey: .reason) ?? ""
    rollback = try container.decodeIfPresent(String.self, forKey: .rollback)
  }
}

/// What an operator has approved: one rollout of these settings.
package struct ProposalApproval: Sendable, Codable, Hashable {
  package var digest: Digest
  /// Whose certificate it was approved with.
  package var by: String
  @Bounded<Bounds.WallMicroseconds> package var atMicroseconds: Int64

  package init(digest: Digest, by: String, atMicroseconds: Int64) {
    self.digest = digest
    self.by = by
    self.atMicroseconds = atMicroseconds
  }
}

/// Asks a node to take part in a rollout of these settings when all nodes propose them.
package struct ApprovalRequest: Sendable, Codable, Hashable {
  package var digest: Digest

  package init(digest: Digest) { self.digest = digest }
}

/// Asks a node to take part again in a rollout of settings that were not confirmed.
package struct ProposalRetry: Sendable, Codable, Hashable {
  /// How many hexadecimal digits name the settings.
  package static let digits = 8...64

  /// The first digits of the settings' digest.
  package var digest: String

  package init(digest: String) { self.digest = digest }

  /// Whether the digits are ones.
  package var isWellFormed: Bool {
    Self.digits.contains(digest.utf8.count) && digest.isHex(digits: digest.utf8.count)
  }
}

/// The proposals as one member knows them; whole only on the first of the members.
package struct ProposalsView: Sendable, Codable, Hashable {
  package var node: String
  package var own: MemberProposal
  package var phase: ProposalPhase
  package var rows: [ProposalRow]
  /// The rollout that ``phase`` is of, if there is one.
  package var rollout: String?
  /// Why the last rollout of the proposal came to nothing.
  package var refusal: Refusal?
  /// The last settings whose rollout was not confirmed, which are not begun again by themselves; nil if
  /// there are none, and from an agent of a version before there were any.
  package var failure: ProposalFailure?
  /// What an operator has approved and was not rolled out yet; nil from an older agent too.
  package var approval: ProposalApproval?
  /// When a ``ProposalPhase/deferred`` proposal may be rolled out, microseconds since 1970-01-01 UTC.
  @BoundedIfPresent<Bounds.WallMicroseconds> package var notBeforeMicroseconds: Int64?
  /// The results of the last rollouts, as far as this member was told.
  package var results: [RolloutResult]
  /// Whether the request that this answers changed anything; false for one that only asks.
  package var isChanged: Bool

  package init(
    node: String, own: MemberProposal, phase: ProposalPhase, rows: [ProposalRow], rollout: String?,
    refusal: Refusal?, failure: ProposalFailure? = nil, results: [RolloutResult] = [],
    isChanged: Bool = false, approval: ProposalApproval? = nil, notBeforeMicroseconds: Int64? = nil
  ) {
    self.approval = approval
    _notBeforeMicroseconds = BoundedIfPresent(wrappedValue: notBeforeMicroseconds)
    self.failure = failure
    self.results = results
    self.node = node
    self.own = own
    self.phase = phase
    self.rows = rows
    self.rollout = rollout
    self.refusal = refusal
    self.isChanged = isChanged
  }

  /// Who holds nothing, as far as this member knows.
  package var missing: [String] {
    rows.filter { $0.statement?.digest == nil }.map(\.member)
  }

  /// Who holds something else than this member.
  package var differing: [String] {
    rows.filter { $0.statement?.digest != nil && $0.statement?.digest != own.digest }.map(\.member)
  }
}

/// What it would come to if settings were proposed on a node now.
package struct ProposalCheck: Sendable, Codable, Hashable {
  package var node: String
  /// The digest of the settings.
  package var digest: Digest
  /// Whether the node proposes them already.
  package var isHeld: Bool
  /// Whether they are in its file and in its running server.
  package var isInForce: Bool
  /// Why they would be refused; nil if they would not.
  package var refusal: Refusal?
  /// How a rollout of them has failed, for which they would be refused; nil if none has.
  package var failure: ProposalFailure?
  /// The file that would be changed.
  package var path: String
  /// What would change in it, line by line, `-` or `+` and the text. Values of secrets are replaced.
  package var difference: [String]
  /// Why its server would be restarted; empty if it would not.
  package var restartReason: String
  /// What would keep a rollout of them from its vote now, and does not keep them from being proposed.
  package var obstacle: Refusal?

  package init(
    node: String, digest: Digest, isHeld: Bool, isInForce: Bool, refusal: Refusal?,
    failure: ProposalFailure?, path: String, difference: [String], restartReason: String,
    obstacle: Refusal?
  ) {
    self.node = node
    self.digest = digest
    self.isHeld = isHeld
    self.isInForce = isInForce
    self.refusal = refusal
    self.failure = failure
    self.path = path
    self.difference = difference
    self.restartReason = restartReason
    self.obstacle = obstacle
  }
}
