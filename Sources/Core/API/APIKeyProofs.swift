// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import KeyManager
package import Model

/// The key proofs of a node, to the other nodes and to who looks for evidence. No secret is in it.
package struct KeyProofsAnswer: Sendable, Codable, Hashable {
  package var node: String
  /// The digest of its seal; nil if it has none that may be relied on.
  package var seal: Digest?
  /// Whether its server runs, is READY, and uses the sealed key.
  package var isServing: Bool
  /// Those of the seal.
  package var proofs: KeyProofs
  /// Nil where no key is sealed.
  package var status: KeyProofStatus?

  package init(
    node: String, seal: Digest?, isServing: Bool, proofs: KeyProofs, status: KeyProofStatus? = nil
  ) {
    self.node = node
    self.seal = seal
    self.isServing = isServing
    self.proofs = proofs
    self.status = status
  }
}

/// The key proofs of a node at a glance.
package struct KeyProofStatus: Sendable, Codable, Hashable {
  /// How many there are.
  @Bounded<Bounds.Count> package var count: Int
  /// When the newest was made, microseconds since 1970-01-01 UTC; nil without any.
  package var newestAtMicroseconds: Int64?
  /// How long ago all of them opened, seconds; nil if they have not since the agent's start.
  package var openedSecondsAgo: Int?
  /// Through which endpoints, in the settings' words; nil if they have not, and from an older agent.
  package var openedThrough: [String]?
  /// Why one is missing; nil if none is.
  package var missing: String?
  /// What is wrong with the key as it was seen last; nil if nothing is.
  package var problem: String?
  /// Why they were not opened at the last look; nil if they were, and from an older agent.
  package var unopened: Refusal?

  package init(
    count: Int, newestAtMicroseconds: Int64?, openedSecondsAgo: Int?,
    openedThrough: [String]? = nil, missing: String?, problem: String? = nil,
    unopened: Refusal? = nil
  ) {
    self.unopened = unopened

    self.problem = problem
    self.count = count
    self.newestAtMicroseconds = newestAtMicroseconds
    self.openedSecondsAgo = openedSecondsAgo
    self.openedThrough = openedThrough
    self.missing = missing
  }
}
