// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout

/// What is durable of the own proposal. Holds secrets; 0600 like every record.
struct ProposalRecord: Sendable, Codable {
  var statement = MemberProposal(serial: 0, digest: nil)
  /// The settings; nil without a proposal.
  var settings: RolloutRequest?
  /// The last proposal whose rollout was committed and not confirmed on every node: it is proposed no more, nor
  /// taken again from configuration management.
  var failed: ProposalFailure?
  /// The rollout of ``failed`` where this node's root has given those settings up: nothing is proposed, and they are
  /// refused all the same when they are proposed again.
  var givenUp: String?
  /// The last rollout of a proposal that was committed here.
  var rolledOut: RolledOut?
  /// Those before ``failed``, the last first: settings that take turns must not be tried again at each turn. Nil in a
  /// record that was written before they were kept.
  var earlierFailures: [ProposalFailure]?

  /// What an operator has approved and was not rolled out since; nil in a record from before there were approvals.
  var approval: ProposalApproval?
  /// When the last rollout of a proposal was, microseconds since 1970-01-01 UTC; nil if it is not known.
  @BoundedIfPresent<Bounds.WallMicroseconds> var lastRolloutMicroseconds: Int64?
  /// From when that is counted where the clock was set back before it; nil in a record from before it was kept.
  @BoundedIfPresent<Bounds.WallMicroseconds> var countedFromMicroseconds: Int64?

  /// In place of a record that cannot be read: the others are told that nothing is held here any more.
  static let forgotten = ProposalRecord(statement: MemberProposal(serial: 1, digest: nil))

  struct RolledOut: Sendable, Codable, Hashable {
    var digest: Digest
    var rollout: String
    /// Whether a member has begun it; nil in a record that was written before that was kept.
    var isByMember: Bool?
  }

  /// Whether nothing of it is another but the statement and the settings.
  func isLike(_ other: ProposalRecord) -> Bool {
    failed == other.failed && rolledOut == other.rolledOut && givenUp == other.givenUp
      && earlierFailures == other.earlierFailures && approval == other.approval
      && lastRolloutMicroseconds == other.lastRolloutMicroseconds
      && countedFromMicroseconds == other.countedFromMicroseconds
  }

  /// How many settings that failed are remembered.
  static let failuresKept = 8

  private var failures: [ProposalFailure] { [failed].compactMap(\.self) + (earlierFailures ?? []) }

  /// How a rollout of these settings has failed; nil if it is not known to have.
  func failure(of digest: Digest) -> ProposalFailure? { failures.first { $0.digest == digest } }

  /// How a rollout has failed; nil if it is not known to have.
  func failure(ofRollout id: String) -> ProposalFailure? { failures.first { $0.rollout == id } }

  /// The failure of settings that the rollout was to take back; nil if there is none.
  func failure(takenBackBy id: String) -> ProposalFailure? { failures.first { $0.rollback == id } }

  /// What has become known of a failure that is remembered, the last one or not.
  mutating func amend(_ rollout: String, _ change: (inout ProposalFailure) -> Void) {
    if failed?.rollout == rollout, var last = failed {
      change(&last)
      failed = last
    }
    earlierFailures = earlierFailures?.map { failure in
      var failure = failure
      if failure.rollout == rollout { change(&failure) }
      return failure
    }
  }

  /// The failure that ``failed`` is from now on; of the same settings none other is remembered.
  mutating func remember(_ failure: ProposalFailure) {
    let others = failures.filter { $0.digest != failure.digest }
    failed = failure
    earlierFailures = others.isEmpty ? nil : Array(others.prefix(Self.failuresKept - 1))
  }

  /// The settings may be proposed again. Of those that are still refused nothing is said until they are proposed.
  mutating func forget(where isForgotten: (ProposalFailure) -> Bool) {
    guard failures.contains(where: isForgotten) else { return }
    let left = failures.filter { !isForgotten($0) }
    if failed != left.first { givenUp = left.first?.rollout }
    failed = left.first
    earlierFailures = left.count < 2 ? nil : Array(left.dropFirst())
  }
}
