// SPDX-License-Identifier: Apache-2.0

/// The alphabets of HTTP/1.1 (RFC 9110, 5.6) and percent-encoding (RFC 3986, 2.1).
enum HTTPSyntax {
  /// tchar of RFC 9110, 5.6.2.
  static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E:
      true
    default: false
    }
  }

  /// A byte of a field value: visible, blank, tab or above ASCII (RFC 9110, 5.5).
  static func isFieldValue(_ byte: UInt8) -> Bool {
    byte == 0x09 || (byte >= 0x20 && byte != 0x7F)
  }

  /// Without the blanks and tabs at both ends.
  static func trimmed<Text: BidirectionalCollection<UInt8>>(_ bytes: Text) -> Text.SubSequence {
    guard let first = bytes.firstIndex(where: { $0 != 0x20 && $0 != 0x09 }),
      let last = bytes.lastIndex(where: { $0 != 0x20 && $0 != 0x09 })
    else { return bytes[bytes.endIndex...] }
    return bytes[first...last]
  }

  /// Without the blanks and tabs at both ends.
  static func trimmed(_ text: Substring) -> String {
    String(decoding: trimmed(text.utf8), as: UTF8.self)
  }

  /// A run of at most 15 digits as a number; nil for anything else (no sign, no blanks).
  static func number(_ text: String) -> Int? {
    guard (1...15).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    return Int(text)
  }

  /// The value of a hexadecimal digit.
  static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }

  /// Undoes percent-encoding; nil if a `%` has no two digits after it, or what comes out is not
  /// UTF-8 or holds control characters.
  static func percentDecoded(_ bytes: some Collection<UInt8>) -> String? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var rest = bytes[...]
    while let byte = rest.popFirst() {
      guard byte == 0x25 else {
        decoded.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(hexValue),
        let low = rest.popFirst().flatMap(hexValue)
      else { return nil }
      decoded.append(high << 4 | low)
    }
    guard decoded.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
    return String(validating: decoded, as: UTF8.self)
  }

  /// Percent-encodes everything but the unreserved characters and the bytes of `also`.
  static func percentEncoded(_ text: String, also: StaticString = "") -> String {
    let kept = also.withUTF8Buffer { Array($0) }
    var encoded: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: encoded.append(byte)
      case _ where kept.contains(byte): encoded.append(byte)
      default:
        let digits = Array("0123456789ABCDEF".utf8)
        encoded += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: encoded, as: UTF8.self)
  }
}
