// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

/// The key that a cluster's data is encrypted with, fixed when the first start with it was
/// confirmed. The same record on every member.
package struct Seal: Sendable, Codable, Hashable {
  package var cluster: String
  /// The value of MINIO_KMS_SSE_KEY.
  package var keyName: String
  /// The value of MINIO_KMS_ENCLAVE: the same name in another enclave is another key.
  package var enclave: String
  /// The rollout whose start was confirmed first.
  package var rollout: String
  /// When that rollout was created, microseconds since 1970-01-01 UTC of whoever created it.
  @Bounded<Bounds.WallMicroseconds> package var sealedAtMicroseconds: Int64
  /// The digest of the seal that was in force before a person lifted it; nil for the first.
  package var previous: Digest?

  package init(
    cluster: String, keyName: String, enclave: String, rollout: String,
    sealedAtMicroseconds: Int64, previous: Digest? = nil
  ) {
    self.cluster = cluster
    self.keyName = keyName
    self.enclave = enclave
    self.rollout = rollout
    self.sealedAtMicroseconds = sealedAtMicroseconds
    self.previous = previous
  }

  /// A digest over all fields, length-prefixed: what members compare, and what the next seal is
  /// chained to.
  package var digest: Digest {
    .ofFields([
      "keyturn seal 1", cluster, keyName, enclave, rollout, String(sealedAtMicroseconds),
      previous?.hex ?? "",
    ])
  }

  /// What stands for the rollout in a seal that no rollout made: the key that a cluster ran with
  /// before Keyturn came.
  package static let adopted = "adopted"

  /// Whether it was made of the running servers, not by a rollout.
  package var isAdopted: Bool { rollout == Self.adopted }

  /// The key that it fixes.
  package var key: KeyIdentity { KeyIdentity(name: keyName, enclave: enclave) }

  /// The seal in one phrase, for people.
  package var text: String { "\(key.text), \(digest.hex.prefix(12))" }
}

/// A key as an environment names it. Compared by bytes: Swift takes canonically equivalent texts for
/// equal, and to a Key Manager they are two keys.
package struct KeyIdentity: Sendable, Codable, Hashable {
  /// The value of MINIO_KMS_SSE_KEY.
  package var name: String
  /// The value of MINIO_KMS_ENCLAVE; empty if there is none.
  package var enclave: String

  package init(name: String, enclave: String) {
    self.name = name
    self.enclave = enclave
  }

  /// The same bytes, both.
  package static func == (a: KeyIdentity, b: KeyIdentity) -> Bool {
    a.name.utf8.elementsEqual(b.name.utf8) && a.enclave.utf8.elementsEqual(b.enclave.utf8)
  }

  /// Over the bytes.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(Array(name.utf8))
    hasher.combine(Array(enclave.utf8))
  }

  /// What stands where a key's name should, as people may see it: somebody may have written an API
  /// key there, or lost a quote, so that the lines that follow became part of it.
  static func shown(_ value: String) -> String {
    if value.contains("k1:") || value.contains("k2:") { return "something like an API key" }
    if value.unicodeScalars.contains(where: { $0 == "=" || $0.value < 0x20 }) {
      return "something that is no name"
    }
    return value.count > 80 ? "\"\(value.prefix(80))...\"" : "\"\(value)\""
  }

  /// `"key-1" in enclave "store"`.
  package var text: String { "\"\(name)\" in enclave \"\(enclave)\"" }
}
