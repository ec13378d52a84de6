// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

// Between nodes and witnesses (docs/development/api.md, "Witnesses").

/// The question of a node to a witness: connect back to me. It names no address and no node; both
/// are the witness's to know.
package struct WitnessRequest: Sendable, Codable, Hashable {
  /// 32 random bytes.
  package var nonce: Digest

  package init(nonce: Digest) { self.nonce = nonce }
}

/// A node's proof that it holds the nonce.
package struct ReachedAnswer: Sendable, Codable, Hashable {
  /// See `ReachProof`.
  package var proof: Digest

  package init(proof: Digest) { self.proof = proof }
}

/// A witness at a glance.
package struct WitnessStatus: Sendable, Codable, Hashable {
  package var witness: String
  package var version: String
  /// The number of the agreed inventory that it goes by; nil while that is its file's.
  @BoundedIfPresent<Bounds.Count> package var inventoryNumber: Int?
  /// The questions that were answered since its start.
  @Bounded<Bounds.Count> package var served: Int
  /// Those that were refused, by reason.
  package var refused: [String: Int]

  package init(
    witness: String, version: String, inventoryNumber: Int?, served: Int, refused: [String: Int]
  ) {
    _inventoryNumber = BoundedIfPresent(wrappedValue: inventoryNumber)
    self.witness = witness
    self.version = version
    self.served = served
    self.refused = refused
  }
}

/// One link of the reverse path: an address and a port of the node.
package struct ReverseLinkAnswer: Sendable, Codable, Hashable {
  package var port: Word<ReversePort>
  package var address: String
  package var verdict: Word<ProbeVerdict>
  package var outcome: Word<ReverseOutcome>
  @Bounded<Bounds.Milliseconds> package var milliseconds: Int
  /// What that means, for people; empty if it is fine.
  package var detail: String
  /// Until when the server's certificate is valid, seconds since 1970-01-01 UTC; nil without one.
  @BoundedIfPresent<Bounds.WallSeconds> package var validUntil: Int64?

  package init(
    port: Word<ReversePort>, address: String, verdict: Word<ProbeVerdict>,
    outcome: Word<ReverseOutcome>, milliseconds: Int, detail: String, validUntil: Int64? = nil
  ) {
    self.port = port
    self.address = address
    self.verdict = verdict
    self.outcome = outcome
    self.milliseconds = milliseconds
    self.detail = detail
    self.validUntil = validUntil
  }
}

/// The reverse path from one Key Manager to a node.
package struct ReverseAnswer: Sendable, Codable, Hashable {
  /// The Key Manager's name in the inventory; an endpoint that is not in it as the settings have it.
  package var keyManager: String
  /// The endpoint of ``CheckAnswer/endpoints`` that it is; nil if it is none of them.
  package var endpoint: String?
  package var verdict: Word<ProbeVerdict>
  /// Why it was not checked.
  package var unverified: Word<ReverseUnverified>?
  /// What is wrong, or why it is not known, for people; empty if it is fine.
  package var detail: String
  package var links: [ReverseLinkAnswer]

  package init(
    keyManager: String, endpoint: String?, verdict: Word<ProbeVerdict>,
    unverified: Word<ReverseUnverified>? = nil,
    detail: String = "", links: [ReverseLinkAnswer] = []
  ) {
    self.keyManager = keyManager
    self.endpoint = endpoint
    self.verdict = verdict
    self.unverified = unverified
    self.detail = detail
    self.links = links
  }
}

/// What a node's own look at its Key Managers, which it takes by itself again and again, came to.
package struct LinkSummary: Sendable, Codable, Hashable {
  @Bounded<Bounds.Count> package var ageSeconds: Int
  /// Links to the Key Managers and back that are fine.
  @Bounded<Bounds.Count> package var fine: Int
  /// Links that work, but not as they should.
  @Bounded<Bounds.Count> package var degraded: Int
  /// Links that do not work.
  @Bounded<Bounds.Count> package var failed: Int
  /// Links of which nothing is known.
  @Bounded<Bounds.Count> package var notChecked: Int
  /// What is wrong with the worst of them, for people; empty if nothing is.
  package var worst: String

  package init(
    ageSeconds: Int, fine: Int, degraded: Int, failed: Int, notChecked: Int, worst: String
  ) {
    self.ageSeconds = ageSeconds
    self.fine = fine
    self.degraded = degraded
    self.failed = failed
    self.notChecked = notChecked
    self.worst = worst
  }
}
