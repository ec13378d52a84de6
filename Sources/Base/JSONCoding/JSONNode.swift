// SPDX-License-Identifier: Apache-2.0

/// A JSON text (RFC 8259), read.
indirect enum JSONNode {
  case null
  case bool(Bool)
  /// As it is written.
  case number(String)
  case text(String)
  case list([JSONNode])
  /// Of a name that stands twice the first counts.
  case object([String: JSONNode])

  /// Throws where the text stops being JSON.
  init(_ bytes: [UInt8]) throws(JSONFault) {
    var scan = Scan(bytes: bytes[...])
    do throws(Scan.Stop) {
      scan.skipMark()
      scan.skipBlanks()
      self = try scan.value(depthLeft: Scan.depthLimit)
      scan.skipBlanks()
      if !scan.rest.isEmpty { throw Scan.Stop() }
    } catch {
      throw JSONFault(in: bytes, at: scan.rest.startIndex)
    }
  }

  /// Stops at the first byte that no JSON can have there.
  private struct Scan {
    struct Stop: Error {}

    static let depthLimit = 512

    var rest: ArraySlice<UInt8>

    init(bytes: ArraySlice<UInt8>) { rest = bytes }

    /// Some editors put a byte order mark before the text.
    mutating func skipMark() {
      if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
    }

    mutating func skipBlanks() {
      while let byte = rest.first, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
        rest.removeFirst()
      }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
      guard rest.first == UInt8(ascii: character) else { return false }
      rest.removeFirst()
      return true
    }

    private mutating func need(_ character: Unicode.Scalar) throws(Stop) {
      if !take(character) { throw Stop() }
    }

    mutating func value(depthLeft: Int) throws(Stop) -> JSONNode {
      guard depthLeft > 0, let byte = rest.first else { throw Stop() }
      switch byte {
      case UInt8(ascii: "{"): return try object(depthLeft)
      case UInt8(ascii: "["): return try list(depthLeft)
      case UInt8(ascii: "\""): return .text(try text())
      case UInt8(ascii: "t"): return try word("true", .bool(true))
      case UInt8(ascii: "f"): return try word("false", .bool(false))
      case UInt8(ascii: "n"): return try word("null", .null)
      default: return .number(try number())
      }
    }

    private mutating func object(_ depthLeft: Int) throws(Stop) -> JSONNode {
      rest.removeFirst()
      var fields: [String: JSONNode] = [:]
      skipBlanks()
      if take("}") { return .object(fields) }
      while true {
        let name = try text()
        skipBlanks()
        try need(":")
        skipBlanks()
        let node = try value(depthLeft: depthLeft - 1)
        if fields[name] == nil { fields[name] = node }
        skipBlanks()
        if take("}") { return .object(fields) }
        try need(",")
        skipBlanks()
        // People leave a comma after the last one; that was always taken.
        if take("}") { return .object(fields) }
      }
    }

    private mutating func list(_ depthLeft: Int) throws(Stop) -> JSONNode {
      rest.removeFirst()
      var elements: [JSONNode] = []
      skipBlanks()
      if take("]") { return .list(elements) }
      while true {
        elements.append(try value(depthLeft: depthLeft - 1))
        skipBlanks()
        if take("]") { return .list(elements) }
        try need(",")
        skipBlanks()
        if take("]") { return .list(elements) }
      }
    }

    private mutating func word(_ word: String, _ node: JSONNode) throws(Stop) -> JSONNode {
      for byte in word.utf8 {
        guard rest.first == byte else { throw Stop() }
        rest.removeFirst()
      }
      return node
    }

    private mutating func number() throws(Stop) -> String {
      let start = rest
      _ = take("-")
      if !take("0") { try digits() }
      if take(".") { try digits() }
      if take("e") || take("E") {
        if !take("+") { _ = take("-") }
        try digits()
      }
      return String(decoding: start[..<rest.startIndex], as: UTF8.self)
    }

    private mutating func digits() throws(Stop) {
      guard let first = rest.first, Self.isDigit(first) else { throw Stop() }
      while let byte = rest.first, Self.isDigit(byte) { rest.removeFirst() }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private mutating func text() throws(Stop) -> String {
      try need("\"")
      // Most texts have no escape: those are taken as they stand.
      var decoded: [UInt8] = []
      while true {
        let plain = rest.prefix { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5C }
        // Bytes that are no UTF-8 are no JSON either: the fault is in this text.
        guard let part = String(validating: plain, as: UTF8.self) else { throw Stop() }
        rest = rest[plain.endIndex...]
        if take("\"") {
          return decoded.isEmpty
            ? part : String(decoding: decoded + part.utf8, as: UTF8.self)
        }
        decoded += part.utf8
        try need("\\")
        guard let escape = rest.popFirst() else { throw Stop() }
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(escape)
        case UInt8(ascii: "b"): decoded.append(0x08)
        case UInt8(ascii: "f"): decoded.append(0x0C)
        case UInt8(ascii: "n"): decoded.append(0x0A)
        case UInt8(ascii: "r"): decoded.append(0x0D)
        case UInt8(ascii: "t"): decoded.append(0x09)
        case UInt8(ascii: "u"): decoded += String(try scalar()).utf8
        default: throw Stop()
        }
      }
    }

    /// What follows `\u`: four digits, or two surrogates.
    private mutating func scalar() throws(Stop) -> Unicode.Scalar {
      let first = try unit()
      if let scalar = Unicode.Scalar(first) { return scalar }
      guard first < 0xDC00, take("\\"), take("u") else { throw Stop() }
      let second = try unit()
      guard (0xDC00...0xDFFF).contains(second),
        let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
      else { throw Stop() }
      return scalar
    }

    private mutating func unit() throws(Stop) -> UInt32 {
      var unit: UInt32 = 0
      for _ in 0..<4 {
        guard let digit = rest.first.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
          throw Stop()
        }
        rest.removeFirst()
        unit = unit << 4 | UInt32(digit)
      }
      return unit
    }
  }
}

/// Where a text stops being JSON, for people who wrote it.
struct JSONFault: Error, CustomStringConvertible {
  /// From 1 on; columns are characters.
  let line: Int
  let column: Int
  /// The character there; nil at the end of the text.
  let found: Character?

  init(in bytes: [UInt8], at position: Int) {
    let before = bytes[..<position]
    line = before.count { $0 == 0x0A } + 1
    let start = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    column = String(decoding: bytes[start..<position], as: UTF8.self).count + 1
    found = String(decoding: bytes[position...].prefix(16), as: UTF8.self).first
  }

  var description: String {
    let what = found.map { $0 == "\"" ? "quote" : "\"\($0)\"" } ?? "end"
    return "line \(line), column \(column): unexpected \(what)"
  }
}
