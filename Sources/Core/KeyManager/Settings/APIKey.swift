// SPDX-License-Identifier: Apache-2.0
internal import Crypto
package import Model
internal import OpenSSL
package import Secrets

/// A Key Manager API key: the private key with which the server authenticates itself
/// (docs/facts.md, "Reading of values").
///
/// `k1:` holds an Ed25519 seed, `k2:` an ECDSA scalar on P-256, P-384 or P-521. What identifies the
/// holder is ``identity``; it may be shown, the key may not. Lengths and alphabet are checked
/// exactly, more strictly than the server does, and the scalar must be a private key of its curve.
package struct APIKey: Sendable, Hashable {
  package enum Kind: String, Sendable, Hashable, CaseIterable {
    /// `k1:`, 32 bytes.
    case ed25519
    /// `k2:`, 32 bytes.
    case p256
    /// `k2:`, 48 bytes.
    case p384
    /// `k2:`, 66 bytes.
    case p521

    package var byteCount: Int {
      switch self {
      case .ed25519, .p256: 32
      case .p384: 48
      case .p521: 66
      }
    }
  }

  package let kind: Kind
  /// The identity that the Key Manager knows the holder by.
  package let identity: Identity
  private let text: Secret

  /// The key in `text`. The refusal says what is wrong with it and never shows it.
  package init(_ text: Secret) throws(Refusal) {
    do throws(Problem) {
      self = try APIKey(checking: text)
    } catch {
      throw Refusal(.validation, "The API key cannot be used: \(error.message). \(error.remedy).")
    }
  }

  /// Calls `body` with the private key, an Ed25519 seed or a big-endian scalar of
  /// ``Kind/byteCount`` bytes, and wipes it afterwards. The key leaves its type here: `body` must
  /// keep no copy.
  package func withPrivateKey<Result, Failure: Error>(
    _ body: ([UInt8]) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // The init has decoded the same text.
    var bytes = (try? Base64URL.decode(text.reveal().dropFirst(3).utf8)) ?? []
    precondition(bytes.count == kind.byteCount, "an API key has changed")
    defer { bytes.wipe() }
    return try body(bytes)
  }

  /// ``withPrivateKey(_:)`` with the key as DER PKCS#8.
  package func withPrivateKeyInfo<Result, Failure: Error>(
    _ body: ([UInt8]) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withPrivateKey { bytes throws(Failure) in
      var info = Self.privateKeyInfo(kind, bytes)
      defer { info.wipe() }
      return try body(info)
    }
  }

  /// What is wrong with a text as an API key; never holds any of it.
  struct Problem: Error {
    var rule = "kms-api-key"
    var message: String
    var remedy: String
  }

  /// Whether a part of `text` looks like a key, which then must not be shown: `k1:`, `k2:` or `kes:v1:` and 20
  /// characters, which no port has.
  static func isSeen(in text: String) -> Bool {
    ["k1:", "k2:", "kes:v1:"].contains { prefix in
      text.ranges(of: prefix).contains { found in
        text[found.upperBound...].prefix(while: isDigit).count >= 20
      }
    }
  }

  private static func isDigit(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character.isNumber || "-_".contains(character))
  }

  private static let copyIt =
    "copy the key again as `minkms add-identity` or `minkms identity` printed it"

  init(checking secret: Secret) throws(Problem) {
    let text = secret.reveal()
    if text.hasPrefix("kes:") {
      throw Problem(
        rule: "kms-api-key-kes",
        message: "it is a KES key (kes:v1:...), which the Key Manager does not know",
        remedy: "create an identity in the enclave with `minkms add-identity` and use its k1: key")
    }
    if text.hasPrefix("h1:") {
      throw Problem(
        message: "it is an identity (h1:...), the public half of a key",
        remedy: "use the k1: or k2: key that was printed together with this identity")
    }
    if !text.isEmpty, text.allSatisfy({ $0 == "*" }) {
      throw Problem(
        message: "it has only asterisks: something that hides secrets has replaced it",
        remedy: "take it from where it is not hidden (Salt 3008 hides what pillar.get gives)")
    }
    let isSeed = text.hasPrefix("k1:")
    guard isSeed || text.hasPrefix("k2:") else {
      throw Problem(message: "it begins with neither k1: nor k2:", remedy: Self.copyIt)
    }
    var bytes: [UInt8]
    do throws(Base64URL.Problem) {
      bytes = try Base64URL.decode(text.dropFirst(3).utf8)
    } catch {
      let message =
        switch error {
        case .character(let index): "its character \(index + 4) is none of A-Z a-z 0-9 - _"
        case .end: "no key has a text of \(text.utf8.count) characters that ends like this"
        }
      throw Problem(message: message, remedy: Self.copyIt)
    }
    defer { bytes.wipe() }
    let kinds: [Kind] = isSeed ? [.ed25519] : [.p256, .p384, .p521]
    guard let kind = kinds.first(where: { $0.byteCount == bytes.count }) else {
      throw Problem(
        message: isSeed
          ? "a k1: key holds 32 bytes (46 characters in all), this one \(bytes.count)"
          : "a k2: key holds 32, 48 or 66 bytes (46, 67 or 91 characters in all), this one "
            + "\(bytes.count)",
        remedy: Self.copyIt)
    }
    var info = Self.privateKeyInfo(kind, bytes)
    defer { info.wipe() }
    guard let publicKey = PublicKey.subjectPublicKeyInfo(ofPrivateKey: info) else {
      throw Problem(
        message: "its \(bytes.count) bytes are no private key of the curve \(kind.rawValue)",
        remedy: Self.copyIt)
    }
    self.kind = kind
    self.text = secret
    identity = Identity(subjectPublicKeyInfo: publicKey)
  }

  /// PKCS#8 (RFC 5958) around an Ed25519 seed (RFC 8410) or an ECPrivateKey without its public half
  /// (RFC 5915).
  private static func privateKeyInfo(_ kind: Kind, _ key: [UInt8]) -> [UInt8] {
    let prefix: [UInt8] =
      switch kind {
      case .ed25519:
        [0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22]
          + [0x04, 0x20]
      case .p256:
        [0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13] + Self.ecPublicKey
          + [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
          + [0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20]
      case .p384:
        [0x30, 0x4E, 0x02, 0x01, 0x00, 0x30, 0x10] + Self.ecPublicKey
          + [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22]
          + [0x04, 0x37, 0x30, 0x35, 0x02, 0x01, 0x01, 0x04, 0x30]
      case .p521:
        [0x30, 0x60, 0x02, 0x01, 0x00, 0x30, 0x10] + Self.ecPublicKey
          + [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23]
          + [0x04, 0x49, 0x30, 0x47, 0x02, 0x01, 0x01, 0x04, 0x42]
      }
    return prefix + key
  }

  /// The object identifier 1.2.840.10045.2.1, id-ecPublicKey.
  private static let ecPublicKey: [UInt8] = [
    0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01,
  ]
}

/// Who a client is to the Key Manager: `h1:` and the SHA-256 of the public key (docs/facts.md,
/// "Identity and TLS").
package struct Identity: Sendable, Hashable, CustomStringConvertible {
  /// `h1:` and 43 characters.
  package let text: String

  /// The identity in `text`; nil unless it is `h1:` and the base64 of exactly 32 bytes.
  package init?(_ text: String) {
    guard text.hasPrefix("h1:"),
      let bytes = try? Base64URL.decode(text.dropFirst(3).utf8), bytes.count == 32
    else { return nil }
    self.text = text
  }

  /// The identity of the holder of a public key, given as DER SubjectPublicKeyInfo.
  package init(subjectPublicKeyInfo: [UInt8]) {
    text = "h1:" + Base64URL.encode(Digest.sha256Bytes(subjectPublicKeyInfo))
  }

  package var description: String { text }
}
