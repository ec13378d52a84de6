// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
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

  /// In place of a record that cannot be read: the others are told that nothing is held here any more.
  static let forgotten = ProposalRecord(statement: MemberProposal(serial: 1, digest: nil))

  struct RolledOut: Sendable, Codable, Hashable {
    var digest: Digest
    var rollout: String
  }
}
