// SPDX-License-Identifier: Apache-2.0
internal import Model

/// What follows a backslash in a JSON string (RFC 8259, section 7).
package struct BackslashEscape {
  package let decoded: [UInt8]
  /// How many bytes it has, without the backslash.
  package let length: Int

  /// Nil if there is none at `position`.
  package init?(_ bytes: [UInt8], at position: Int) {
    guard position < bytes.count else { return nil }
    switch bytes[position] {
    case UInt8(ascii: "n"): (decoded, length) = ([0x0A], 1)
    case UInt8(ascii: "t"): (decoded, length) = ([0x09], 1)
    case UInt8(ascii: "r"): (decoded, length) = ([0x0D], 1)
    case UInt8(ascii: "b"): (decoded, length) = ([0x08], 1)
    case UInt8(ascii: "f"): (decoded, length) = ([0x0C], 1)
    case UInt8(ascii: "u"):
      guard let high = Self.unit(bytes, at: position + 1) else { return nil }
      if UTF16.isLeadSurrogate(high), position + 6 < bytes.count,
        bytes[position + 5] == UInt8(ascii: "\\"), bytes[position + 6] == UInt8(ascii: "u"),
        let low = Self.unit(bytes, at: position + 7)
      {
        (decoded, length) = (Array(String(decoding: [high, low], as: UTF16.self).utf8), 11)
      } else {
        (decoded, length) = (Array(String(decoding: [high], as: UTF16.self).utf8), 5)
      }
    case let other: (decoded, length) = ([other], 1)
    }
  }

  private static func unit(_ bytes: [UInt8], at position: Int) -> UInt16? {
    guard position + 4 <= bytes.count else { return nil }
    var unit: UInt16 = 0
    for byte in bytes[position..<position + 4] {
      guard let digit = byte.hexValue else { return nil }
      unit = unit << 4 | UInt16(digit)
    }
    return unit
  }
}
