// SPDX-License-Identifier: Apache-2.0
package import Crypto
internal import Model
internal import OpenSSL

/// Shows that a Key Manager has the key that this cluster's data is encrypted with, and not only one of its name: a
/// data key as the Key Manager has encrypted it, and a commitment to what it is in the clear.
///
/// Nothing in it is secret. The data key in the clear is 32 random bytes that nobody keeps, so the commitment says
/// nothing about it (docs/decisions/0058-key-proofs.md).
package struct KeyProof: Sendable, Hashable {
  /// What a proof belongs to: the cluster, and its seal by digest. The associated data of the data key names both, so
  /// that no other program's ciphertext passes for one.
  package struct Binding: Sendable, Codable, Hashable {
    package var cluster: String
    package var seal: Digest

    package init(cluster: String, seal: Digest) {
      self.cluster = cluster
      self.seal = seal
    }

    /// What the data key is bound to at the Key Manager.
    package var associatedData: [UInt8] {
      Array("keyturn proof v1 cluster=\(cluster) seal=\(seal.hex)".utf8)
    }
  }

  package var binding: Binding
  /// The version of the SSE key that encrypted it, as the Key Manager told it.
  package var version: UInt32
  /// What led to the key when it was made: ``KeySource/digest``.
  package var source: Digest
  /// The data key, encrypted.
  package var ciphertext: [UInt8]
  /// ``commitment(_:ciphertext:plaintext:)``.
  package var commitment: Digest
  /// The node that made it.
  package var madeBy: String
  /// Microseconds since 1970-01-01 UTC.
  package var madeAt: Int64

  package init(
    binding: Binding, version: UInt32, source: Digest, ciphertext: [UInt8], commitment: Digest,
    madeBy: String, madeAt: Int64
  ) {
    self.binding = binding
    self.version = version
    self.source = source
    self.ciphertext = ciphertext
    self.commitment = commitment
    self.madeBy = madeBy
    self.madeAt = madeAt
  }

  /// The bytes of a data key in the clear.
  package static let plaintextBytes = 32

  /// SHA-256 over length-prefixed fields, as ``Digest/ofFields(_:)``, without another copy of the data key.
  package static func commitment(
    _ binding: Binding, ciphertext: [UInt8], plaintext: [UInt8]
  ) -> Digest {
    var stream = DigestStream()
    for field in [Array("keyturn proof commitment v1".utf8), Array(binding.seal.hex.utf8)] {
      stream.addField(field)
    }
    stream.addField(ciphertext)
    stream.addField(plaintext)
    return stream.digest()
  }

  /// Whether this is the data key that it commits to. What is compared are digests, of which nothing can be learned by
  /// how long it takes.
  package func isOpened(by plaintext: [UInt8]) -> Bool {
    plaintext.count == Self.plaintextBytes
      && Self.commitment(binding, ciphertext: ciphertext, plaintext: plaintext) == commitment
  }

  /// The request that opens it, of the key of this name.
  package func question(keyName: String) -> DecryptRequest {
    DecryptRequest(
      name: keyName, version: version, ciphertext: ciphertext,
      associatedData: binding.associatedData)
  }

  /// Of all that it says: what members compare.
  package var digest: Digest {
    .ofFields([
      "keyturn proof 1", binding.cluster, binding.seal.hex, "\(version)", source.hex,
      Digest.sha256(ciphertext).hex, commitment.hex, madeBy, "\(madeAt)",
    ])
  }
}

/// What leads from a server to its key: where it asks, and as whom. The same key by another way is worth a proof of its
/// own, made when it was known to be right.
package struct KeySource: Sendable, Hashable {
  package let digest: Digest

  package init(_ settings: KeyManagerSettings) {
    digest = .ofFields(
      ["keyturn key source 1", settings.apiKey.identity.text]
        + settings.endpoints.map(\.text).sorted())
  }
}

extension KeyProof: Codable {
  private enum CodingKeys: String, CodingKey {
    case binding, version, source, ciphertext, commitment, madeBy, madeAt
  }

  /// Refuses what no proof of ours has: it may come from another node.
  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    func invalid(_ key: CodingKeys, _ text: String) -> DecodingError {
      .dataCorruptedError(forKey: key, in: fields, debugDescription: text)
    }
    binding = try fields.decode(Binding.self, forKey: .binding)
    version = try fields.decode(UInt32.self, forKey: .version)
    source = try fields.decode(Digest.self, forKey: .source)
    commitment = try fields.decode(Digest.self, forKey: .commitment)
    madeBy = try fields.decode(String.self, forKey: .madeBy)
    madeAt = try fields.decode(Bounded<Bounds.WallMicroseconds>.self, forKey: .madeAt).wrappedValue
    let text = try fields.decode(String.self, forKey: .ciphertext)
    guard text.utf8.count <= Limits.proofCiphertextBytes * 2,
      let bytes = try? Base64URL.decode(text[...].utf8),
      (1...Limits.proofCiphertextBytes).contains(bytes.count)
    else { throw invalid(.ciphertext, "a ciphertext is 1 to \(Limits.proofCiphertextBytes) bytes") }
    ciphertext = bytes
    guard Name.problem(in: madeBy) == nil else { throw invalid(.madeBy, "it names no node") }
  }

  package func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(binding, forKey: .binding)
    try fields.encode(version, forKey: .version)
    try fields.encode(source, forKey: .source)
    try fields.encode(Base64URL.encode(ciphertext), forKey: .ciphertext)
    try fields.encode(commitment, forKey: .commitment)
    try fields.encode(madeBy, forKey: .madeBy)
    try fields.encode(madeAt, forKey: .madeAt)
  }
}

extension DigestStream {
  /// Its length in 8 bytes, big-endian, and itself.
  fileprivate mutating func addField(_ field: [UInt8]) {
    withUnsafeBytes(of: UInt64(field.count).bigEndian) { add($0) }
    field.withUnsafeBytes { add($0) }
  }
}
