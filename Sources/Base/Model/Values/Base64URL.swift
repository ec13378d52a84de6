// SPDX-License-Identifier: Apache-2.0

/// Base64 with the URL alphabet and without padding (RFC 4648, section 5), as the Key Manager
/// writes keys and identities.
///
/// Stricter than Go's RawURLEncoding: no line breaks inside, and the bits after the last byte must
/// be zero, so that every byte string has exactly one text.
package enum Base64URL {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  package static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    var bits = 0
    var count = 0
    for byte in bytes {
      bits = (bits << 8 | Int(byte)) & 0xFFFF
      count += 8
      while count >= 6 {
        count -= 6
        text.append(alphabet[bits >> count & 63])
      }
    }
    if count > 0 { text.append(alphabet[bits << (6 - count) & 63]) }
    return String(decoding: text, as: UTF8.self)
  }

  /// The same with the ordinary alphabet and padding (RFC 4648, section 4).
  package static func standard(_ bytes: [UInt8]) -> String {
    let text = encode(bytes).map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
    return String(text) + String(repeating: "=", count: (4 - text.count % 4) % 4)
  }

  /// Why a text is not base64.
  package enum Problem: Error, Equatable {
    /// The 0-based byte is not in the alphabet.
    case character(at: Int)
    /// No byte string has a text of this length, or the bits after its last byte are not zero.
    case end
  }

  package static func decode(_ text: Substring.UTF8View) throws(Problem) -> [UInt8] {
    var bytes: [UInt8] = []
    var bits = 0
    var count = 0
    for (index, character) in text.enumerated() {
      guard let value = value(of: character) else { throw .character(at: index) }
      bits = (bits << 6 | value) & 0xFFFF
      count += 6
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(bits >> count & 255))
      }
    }
    guard count < 6, bits & (1 << count - 1) == 0 else { throw .end }
    return bytes
  }

  private static func value(of character: UInt8) -> Int? {
    switch character {
    case 0x41...0x5A: Int(character) - 0x41
    case 0x61...0x7A: Int(character) - 0x61 + 26
    case 0x30...0x39: Int(character) - 0x30 + 52
    case 0x2D: 62
    case 0x5F: 63
    default: nil
    }
  }
}
