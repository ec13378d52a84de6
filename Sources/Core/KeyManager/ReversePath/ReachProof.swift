// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

/// How a node proves to a witness that it is the very one that asked: it alone knows the nonce that
/// its question carried. A host with a copy of its certificate does not.
///
/// Nonces and challenges are 32 random bytes, in the form of a digest.
package enum ReachProof {
  /// By what a witness names a nonce without telling it.
  package static func name(of nonce: Digest) -> Digest {
    Digest.ofFields(["keyturn-nonce", nonce.hex])
  }

  /// The proof that `node` holds `nonce`, handed out to `witness`, given after `challenge` was made.
  package static func proof(
    nonce: Digest, challenge: Digest, node: String, witness: String
  ) -> Digest {
    Digest.ofFields(["keyturn-reached", nonce.hex, challenge.hex, node, witness])
  }
}

/// The nonces that a node has handed out and still answers for, ``Limits/nonceMilliseconds`` each.
package struct HandedOut: Sendable {
  private struct Entry: Sendable {
    var name: Digest
    var nonce: Digest
    var witness: String
    var until: Instant
  }
  private var entries: [Entry] = []

  package init() {}

  /// Remembers a nonce that goes to `witness`. The oldest is forgotten when there are too many.
  package mutating func handOut(_ nonce: Digest, to witness: String, at now: Instant) {
    entries.removeAll { $0.until <= now }
    if entries.count >= Limits.nonces { entries.removeFirst() }
    entries.append(
      Entry(
        name: ReachProof.name(of: nonce), nonce: nonce, witness: witness,
        until: now.advanced(byMilliseconds: Limits.nonceMilliseconds)))
  }

  /// The proof for the nonce of that name; nil if none was handed out to that witness just now.
  package mutating func proof(
    of name: Digest, challenge: Digest, node: String, to witness: String, at now: Instant
  ) -> Digest? {
    entries.removeAll { $0.until <= now }
    guard let entry = entries.first(where: { $0.name == name && $0.witness == witness }) else {
      return nil
    }
    return ReachProof.proof(
      nonce: entry.nonce, challenge: challenge, node: node, witness: witness)
  }
}
