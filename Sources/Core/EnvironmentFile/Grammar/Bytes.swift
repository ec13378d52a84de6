// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The bytes of the grammars, and the classes of bytes that both readers share.
enum Byte {
  static let lineFeed = UInt8(ascii: "\n")
  static let carriageReturn = UInt8(ascii: "\r")
  static let tab = UInt8(ascii: "\t")
  static let space = UInt8(ascii: " ")
  static let equals = UInt8(ascii: "=")
  static let hash = UInt8(ascii: "#")
  static let semicolon = UInt8(ascii: ";")
  static let backslash = UInt8(ascii: "\\")
  static let singleQuote = UInt8(ascii: "'")
  static let doubleQuote = UInt8(ascii: "\"")
  static let backtick = UInt8(ascii: "`")
  static let dollar = UInt8(ascii: "$")

  /// What ends a line for systemd.
  static func isNewline(_ byte: UInt8) -> Bool { byte == lineFeed || byte == carriageReturn }

  /// A blank or a tab.
  static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

  /// systemd's WHITESPACE.
  static func isWhitespace(_ byte: UInt8) -> Bool { isBlank(byte) || isNewline(byte) }

  /// A control character of ASCII, the tab included.
  static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }

  static func isNameStart(_ byte: UInt8) -> Bool { byte.isLetter || byte == 0x5F }
  static func isNamePart(_ byte: UInt8) -> Bool { isNameStart(byte) || byte.isDigit }
}

/// Whether `name` is a name that systemd and every shell accept: `[A-Za-z_][A-Za-z0-9_]*`.
func isVariableName(_ name: String) -> Bool { isVariableName(name.utf8) }

func isVariableName(_ name: some Collection<UInt8>) -> Bool {
  guard let first = name.first, Byte.isNameStart(first) else { return false }
  return name.allSatisfy(Byte.isNamePart)
}

/// Byte for byte equal. `==` of String holds composed and decomposed characters for the same text;
/// no reader does.
func isSameText(_ a: String?, _ b: String?) -> Bool {
  switch (a, b) {
  case (nil, nil): true
  case (let a?, let b?): a.utf8.elementsEqual(b.utf8)
  default: false
  }
}

/// UTF-8 as systemd wants it: well formed, no surrogate, no noncharacter.
enum UTF8Text {
  enum Problem { case malformed, noncharacter }

  /// The first byte in `range` that begins no acceptable character, and why; nil if there is none.
  static func problem(in bytes: [UInt8], range: Range<Int>) -> (offset: Int, problem: Problem)? {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let lead = bytes[offset]
      if lead < 0x80 {
        offset += 1
        continue
      }
      guard let (scalar, length) = decode(bytes, at: offset, end: range.upperBound) else {
        return (offset, .malformed)
      }
      if (0xFDD0...0xFDEF).contains(scalar) || scalar & 0xFFFE == 0xFFFE {
        return (offset, .noncharacter)
      }
      offset += length
    }
    return nil
  }

  /// Whether `range` is well formed; noncharacters are.
  static func isWellFormed(_ bytes: [UInt8], range: Range<Int>) -> Bool {
    var offset = range.lowerBound
    while offset < range.upperBound {
      if bytes[offset] < 0x80 {
        offset += 1
      } else if let (_, length) = decode(bytes, at: offset, end: range.upperBound) {
        offset += length
      } else {
        return false
      }
    }
    return true
  }

  /// The scalar value of the sequence at `offset` and its length; nil if it is not well formed.
  static func decode(_ bytes: [UInt8], at offset: Int, end: Int) -> (scalar: UInt32, length: Int)? {
    let lead = bytes[offset]
    let length: Int
    var scalar: UInt32
    switch lead {
    case 0xC2...0xDF: (length, scalar) = (2, UInt32(lead & 0x1F))
    case 0xE0...0xEF: (length, scalar) = (3, UInt32(lead & 0x0F))
    case 0xF0...0xF4: (length, scalar) = (4, UInt32(lead & 0x07))
    default: return nil
    }
    guard offset + length <= end else { return nil }
    for place in (offset + 1)..<(offset + length) {
      let next = bytes[place]
      guard next & 0xC0 == 0x80 else { return nil }
      scalar = scalar << 6 | UInt32(next & 0x3F)
    }
    let smallest: UInt32 = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000
    guard scalar >= smallest, scalar < 0x110000, !(0xD800...0xDFFF).contains(scalar) else {
      return nil
    }
    return (scalar, length)
  }
}
