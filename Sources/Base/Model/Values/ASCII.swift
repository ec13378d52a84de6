// SPDX-License-Identifier: Apache-2.0

extension UInt8 {
  @inlinable package var isDigit: Bool { self >= 0x30 && self <= 0x39 }
  /// `A` to `Z`.
  @inlinable package var isCapital: Bool { self >= 0x41 && self <= 0x5A }
  /// `a` to `z`.
  @inlinable package var isSmall: Bool { self >= 0x61 && self <= 0x7A }
  @inlinable package var isLetter: Bool { isCapital || isSmall }
  @inlinable package var isLetterOrDigit: Bool { isLetter || isDigit }
  /// A letter as its capital, anything else as it is.
  @inlinable package var capital: UInt8 { isSmall ? self & 0xDF : self }

  /// The value of a hexadecimal digit; nil for anything else.
  @inlinable package var hexValue: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x41 + 10
    case 0x61...0x66: self - 0x61 + 10
    default: nil
    }
  }
}

extension StringProtocol {
  /// Whether it has at least one character and nothing but `0` to `9`.
  package var isDigits: Bool { !isEmpty && utf8.allSatisfy(\.isDigit) }

  /// Whether it is so many digits of ``Sequence/hex``.
  package func isHex(digits: Int) -> Bool {
    utf8.count == digits && utf8.allSatisfy { $0.hexValue != nil && !$0.isCapital }
  }
}

extension Sequence<UInt8> {
  /// Two hexadecimal digits for each byte, in lower case.
  package var hex: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}

extension Collection<UInt8> {
  /// Each `%` and its two hexadecimal digits made one byte (RFC 3986, 2.1); nil if they are missing
  /// behind one.
  package var percentDecoded: [UInt8]? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(count)
    var rest = self[...]
    while let byte = rest.popFirst() {
      if byte != 0x25 {
        decoded.append(byte)
      } else if let high = rest.popFirst()?.hexValue, let low = rest.popFirst()?.hexValue {
        decoded.append(high << 4 | low)
      } else {
        return nil
      }
    }
    return decoded
  }

  /// The inverse, for all bytes but those that `isKept` names.
  package func percentEncoded(but isKept: (UInt8) -> Bool) -> String {
    let bytes = flatMap { isKept($0) ? [$0] : Array("%\([$0].hex.uppercased())".utf8) }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// A value that is known, shown, sent and recorded as so many lower-case hexadecimal digits.
package protocol HexText: Codable, CustomStringConvertible {
  static var digits: Int { get }
  var hex: String { get }
  /// Nil if `hex` is not ``digits`` lower-case hexadecimal digits.
  init?(hex: String)
}

extension HexText {
  /// The first 12 digits, enough for people.
  package var description: String { String(hex.prefix(12)) }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let value = Self(hex: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "not \(Self.digits) lower-case hexadecimal digits")
    }
    self = value
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(hex)
  }
}
