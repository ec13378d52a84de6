// SPDX-License-Identifier: Apache-2.0
internal import CDigest
internal import Model

package struct Digest: Sendable, Hashable, Comparable, HexText {
  package static let digits = 64
  package let hex: String

  package init?(hex: String) {
    guard hex.isHex(digits: Self.digits) else { return nil }
    self.hex = hex
  }

  package init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.init(known: bytes)
  }

  private init(known bytes: [UInt8]) { hex = bytes.hex }

  /// SHA-256 of `bytes`. By a few lines of C: the start guard computes it before each start of the
  /// server, and loading OpenSSL takes longer than all the rest of it
  /// (docs/decisions/0064-small-start-guard.md).
  package static func sha256(_ bytes: [UInt8]) -> Digest { Digest(known: sha256Bytes(bytes)) }

  package static func sha256Bytes(_ bytes: [UInt8]) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: 32)
    kt_sha256(bytes, bytes.count, &output)
    return output
  }

  /// SHA-256 over the fields, each preceded by its length in 8 bytes big-endian, so that no two
  /// lists of fields have the same input. What is compared or voted on is such a digest, never JSON
  /// text.
  package static func ofFields(_ fields: [[UInt8]]) -> Digest {
    var bytes: [UInt8] = []
    for field in fields {
      let count = UInt64(field.count)
      for shift in stride(from: 56, through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: count >> UInt64(shift)))
      }
      bytes += field
    }
    return sha256(bytes)
  }

  package static func ofFields(_ fields: [String]) -> Digest {
    ofFields(fields.map { Array($0.utf8) })
  }

  package static func < (a: Digest, b: Digest) -> Bool { a.hex < b.hex }
}

/// The name of something, and the digest of what it holds.
package struct NamedDigest: Sendable, Hashable, Codable {
  package var name: String
  /// Of name and value.
  package var digest: Digest

  package init(name: String, digest: Digest) {
    self.name = name
    self.digest = digest
  }
}
