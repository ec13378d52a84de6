// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The alphabets of HTTP/1.1 (RFC 9110, 5.6) and percent-encoding (RFC 3986, 2.1).
enum HTTPSyntax {
  /// tchar of RFC 9110, 5.6.2.
  static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E:
      true
    default: byte.isLetterOrDigit
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

  static func trimmed(_ text: Substring) -> String {
    String(decoding: trimmed(text.utf8), as: UTF8.self)
  }

  /// A run of at most 15 digits as a number; nil for anything else (no sign, no blanks).
  static func number(_ text: String) -> Int? {
    text.isDigits && text.utf8.count <= 15 ? Int(text) : nil
  }

  /// Undoes percent-encoding; nil if a `%` has no two digits after it, or what comes out is not
  /// UTF-8 or holds control characters.
  static func percentDecoded(_ bytes: some Collection<UInt8>) -> String? {
    guard let decoded = bytes.percentDecoded, decoded.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
    else { return nil }
    return String(validating: decoded, as: UTF8.self)
  }

  /// Percent-encodes everything but the unreserved characters and the bytes of `also`.
  static func percentEncoded(_ text: String, also: StaticString = "") -> String {
    let kept = also.withUTF8Buffer { Array($0) }
    return text.utf8.percentEncoded {
      $0.isLetterOrDigit || "-._~".utf8.contains($0) || kept.contains($0)
    }
  }
}

/// What is wrong with an HTTP message. After one the bytes that follow mean nothing: the connection
/// is over.
package struct HTTPViolation: Error, Sendable, Hashable, CustomStringConvertible {
  /// The status with which a server answers: 400, 413, 414, 417, 431, 501 or 505; 502 for a bad
  /// response.
  package var status: Int
  /// What is wrong, without any of the message's own text.
  package var reason: String
  /// Whether nothing is wrong but that the body has more bytes than were to be taken.
  package var isTooLong: Bool

  package init(_ status: Int, _ reason: String, isTooLong: Bool = false) {
    self.status = status
    self.reason = reason
    self.isTooLong = isTooLong
  }

  package var description: String { reason }
}
