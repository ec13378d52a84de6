// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL

/// A SHA-256 digest.
package struct Digest: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
  /// 64 lower-case hexadecimal digits.
  package let hex: String

  /// The digest with those 64 lower-case hexadecimal digits; nil if `hex` is not of that form.
  package init?(hex: String) {
    guard hex.utf8.count == 64,
      hex.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else { return nil }
    self.hex = hex
  }

  /// The digest with those bytes; nil if they are not 32.
  package init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.init(known: bytes)
  }

  private init(known bytes: [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    hex = String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// SHA-256 of `bytes`, by OpenSSL. A pure function: this is why Core may call the library here.
  package static func sha256(_ bytes: [UInt8]) -> Digest { Digest(known: sha256Bytes(bytes)) }

  /// The 32 bytes of SHA-256 of `bytes`.
  package static func sha256Bytes(_ bytes: [UInt8]) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 0
    let result = EVP_Digest(bytes, bytes.count, &output, &length, EVP_sha256(), nil)
    precondition(result == 1 && length == 32, "OpenSSL has no SHA-256")
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

  /// ``ofFields(_:)`` of UTF-8 texts.
  package static func ofFields(_ fields: [String]) -> Digest {
    ofFields(fields.map { Array($0.utf8) })
  }

  /// By the hexadecimal digits.
  package static func < (a: Digest, b: Digest) -> Bool { a.hex < b.hex }

  /// The first 12 hexadecimal digits, enough for people.
  package var description: String { String(hex.prefix(12)) }

  /// Encoded as its hexadecimal digits; anything else is refused.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let digest = Digest(hex: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "not 64 lower-case hexadecimal digits")
    }
    self = digest
  }
  /// Encoded as its hexadecimal digits.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(hex)
  }
}
