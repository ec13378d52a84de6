public import Digests

/// The key that a cluster's data is encrypted with, fixed when the first start with it was
/// confirmed. The same record on every member.
public struct Seal: Sendable, Codable, Hashable {
  /// The cluster.
  public var cluster: String
  /// The value of MINIO_KMS_SSE_KEY.
  public var keyName: String
  /// The value of MINIO_KMS_ENCLAVE: the same name in another enclave is another key.
  public var enclave: String
  /// The rollout whose start was confirmed first.
  public var rollout: String
  /// When that rollout was created, microseconds since 1970-01-01 UTC of whoever created it.
  public var sealedAtMicroseconds: Int64
  /// The digest of the seal that was in force before a person lifted it; nil for the first.
  public var previous: Digest?

  /// A seal; see the properties.
  public init(
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
  public var digest: Digest {
    .ofFields([
      "keyturn seal 1", cluster, keyName, enclave, rollout, String(sealedAtMicroseconds),
      previous?.hex ?? "",
    ])
  }
}

/// A key as an environment names it.
public struct KeyIdentity: Sendable, Codable, Hashable {
  /// The value of MINIO_KMS_SSE_KEY.
  public var name: String
  /// The value of MINIO_KMS_ENCLAVE; empty if there is none.
  public var enclave: String

  /// A key; see the properties.
  public init(name: String, enclave: String) {
    self.name = name
    self.enclave = enclave
  }
}
