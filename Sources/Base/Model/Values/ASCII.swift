// SPDX-License-Identifier: Apache-2.0

extension UInt8 {
  package var isDigit: Bool { self >= 0x30 && self <= 0x39 }
  package var isCapital: Bool { self >= 0x41 && self <= 0x5A }
  package var isSmall: Bool { self >= 0x61 && self <= 0x7A }
  package var isLetter: Bool { isCapital || isSmall }
  package var isLetterOrDigit: Bool { isLetter || isDigit }
  /// A letter as its capital, anything else as it is.
  package var capital: UInt8 { isSmall ? self & 0xDF : self }

  /// The value of a hexadecimal digit; nil for anything else.
  package var hexValue: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x41 + 10
    case 0x61...0x66: self - 0x61 + 10
    default: nil
    }
  }
}

extension StringProtocol {
  /// Whether it is not empty and has only `0` to `9`.
  package var isDigits: Bool { !isEmpty && utf8.allSatisfy(\.isDigit) }

  /// Whether it is so many digits as ``Sequence/hex`` has.
  package func isHex(digits: Int) -> Bool {
    utf8.count == digits && utf8.allSatisfy { $0.hexValue != nil && !$0.isCapital }
  }
}

extension Sequence<UInt8> {
  /// Two hexadecimal digits for each byte, in lower case.
  package var hex: String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    // An array first: what is generic here is not specialised for other modules.
    for byte in Array(self) {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}

extension Collection<UInt8> {
  /// Each `%` with its two hexadecimal digits becomes one byte (RFC 3986, 2.1); nil if they are
  /// missing.
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

  /// The inverse; bytes that `isKept` names stay as they are.
  package func percentEncoded(but isKept: (UInt8) -> Bool) -> String {
    let bytes = flatMap { isKept($0) ? [$0] : Array("%\([$0].hex.uppercased())".utf8) }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// A value that is shown, sent and recorded as a fixed number of lower-case hexadecimal digits.
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
