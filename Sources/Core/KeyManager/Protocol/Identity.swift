// SPDX-License-Identifier: Apache-2.0
internal import Crypto

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
