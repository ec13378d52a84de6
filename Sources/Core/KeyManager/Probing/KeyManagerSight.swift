// SPDX-License-Identifier: Apache-2.0
package import Crypto

/// What a Key Manager told of itself and of the SSE key. All Key Managers, and all nodes, must have
/// been told the same: they serve one state.
package struct KeyManagerSight: Sendable, Codable, Hashable {
  /// The state of the SSE key.
  package enum Key: Sendable, Codable, Hashable {
    /// It exists, and this is what tells it from another of the same name.
    case exists(KeyFingerprint)
    /// A data key can be had of it; the identity may not ask for more.
    case usable
    /// It does not exist.
    case missing
  }

  /// The release that runs there, such as `2025-08-18T19-50-54Z`; nil if it did not say.
  package var release: String?
  /// The host's own name for itself; nil if it did not say.
  package var host: String?
  /// The SSE key; nil if nothing was told of it.
  package var key: Key?

  package init(release: String? = nil, host: String? = nil, key: Key? = nil) {
    self.release = release
    self.host = host
    self.key = key
  }

  /// What must be alike everywhere, for people; nil if nothing was told of the key.
  package var text: String? {
    guard let key else { return nil }
    let release = release.map { "release \($0)" } ?? "release not told"
    return switch key {
    case .exists(let fingerprint): "\(release), key \(fingerprint.text)"
    case .usable: "\(release), key usable, its status not permitted"
    case .missing: "\(release), no such key"
    }
  }
}

/// What tells a key from another one of the same name, as KEY:STATUS tells it (docs/facts.md,
/// "Key Manager messages").
package struct KeyFingerprint: Sendable, Codable, Hashable {
  package var version: UInt32
  /// `AES256` or `ChaCha20`.
  package var type: String
  /// When it was created; nil if the Key Manager does not say.
  package var createdAt: Timestamp?
  /// The identity that created it; nil if the Key Manager does not say.
  package var createdBy: String?

  package init(version: UInt32, type: String, createdAt: Timestamp?, createdBy: String?) {
    self.version = version
    self.type = type
    self.createdAt = createdAt
    self.createdBy = createdBy
  }

  /// What an answer to KEY:STATUS says; nil if its type is none that the server's client takes.
  /// Texts that are not what they must be are left out.
  package init?(_ status: KeyStatusResponse) {
    guard status.type == "AES256" || status.type == "ChaCha20" else { return nil }
    self.init(
      version: status.version, type: status.type, createdAt: status.createdAt,
      createdBy: Identity(status.createdBy)?.text)
  }

  /// `version 1, AES256, created 2024-01-15T08:12:48Z by h1:...`.
  package var text: String {
    var text = "version \(version), \(type)"
    if let createdAt { text += ", created \(createdAt.text)" }
    if let createdBy { text += " by \(createdBy)" }
    return text
  }
}

extension KeyManagerSight {
  /// What one node was told, all its Key Managers together; nil if none told of the key.
  package init?(agreed sights: [KeyManagerSight]) {
    let keys = sights.compactMap(\.key)
    // What says more says it for all; where two say different things nothing goes on anyway.
    guard
      let key = keys.first(where: { if case .exists = $0 { true } else { false } }) ?? keys.first
    else { return nil }
    self.init(release: sights.lazy.compactMap(\.release).first, key: key)
  }

  /// Digest of ``text``: what the votes compare.
  package var digest: Digest? { text.map { Digest.ofFields([$0]) } }
}
