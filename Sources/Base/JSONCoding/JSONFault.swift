// SPDX-License-Identifier: Apache-2.0

/// Where a text stops being JSON (RFC 8259), for people who wrote it.
struct JSONFault: CustomStringConvertible {
  /// From 1 on; columns are characters.
  let line: Int
  let column: Int
  /// The character there; nil at the end of the text.
  let found: Character?

  var description: String {
    let what = found.map { $0 == "\"" ? "quote" : "\"\($0)\"" } ?? "end"
    return "line \(line), column \(column): unexpected \(what)"
  }

  /// Nil if it is JSON.
  init?(in bytes: [UInt8]) {
    var scan = Scan(bytes: bytes)
    scan.skipBlanks()
    if scan.value(depthLimit: Scan.depthLimit) {
      scan.skipBlanks()
      if scan.position == bytes.count { return nil }
    }
    let before = bytes[..<scan.position]
    line = before.count { $0 == 0x0A } + 1
    let start = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    column = String(decoding: bytes[start..<scan.position], as: UTF8.self).count + 1
    found = String(decoding: bytes[scan.position...].prefix(16), as: UTF8.self).first
  }

  /// Stops at the first byte that no JSON can have there.
  private struct Scan {
    static let depthLimit = 512

    let bytes: [UInt8]
    var position = 0

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipBlanks() {
      while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
      guard next == UInt8(ascii: character) else { return false }
      position += 1
      return true
    }

    mutating func value(depthLimit: Int) -> Bool {
      guard depthLimit > 0, let byte = next else { return false }
      switch byte {
      case UInt8(ascii: "{"):
        return list(end: "}") { scan in
          guard scan.string() else { return false }
          scan.skipBlanks()
          guard scan.take(":") else { return false }
          scan.skipBlanks()
          return scan.value(depthLimit: depthLimit - 1)
        }
      case UInt8(ascii: "["): return list(end: "]") { $0.value(depthLimit: depthLimit - 1) }
      case UInt8(ascii: "\""): return string()
      case UInt8(ascii: "t"): return word("true")
      case UInt8(ascii: "f"): return word("false")
      case UInt8(ascii: "n"): return word("null")
      default: return number()
      }
    }

    private mutating func list(
      end: Unicode.Scalar, _ element: (inout Scan) -> Bool
    ) -> Bool {
      position += 1
      skipBlanks()
      if take(end) { return true }
      while true {
        guard element(&self) else { return false }
        skipBlanks()
        if take(end) { return true }
        guard take(",") else { return false }
        skipBlanks()
      }
    }

    private mutating func word(_ word: String) -> Bool {
      for byte in word.utf8 {
        guard next == byte else { return false }
        position += 1
      }
      return true
    }

    private mutating func number() -> Bool {
      let start = position
      while let byte = next, (0x30...0x39).contains(byte) || "+-.eE".utf8.contains(byte) {
        position += 1
      }
      return position > start
    }

    /// Escapes are not looked into.
    private mutating func string() -> Bool {
      guard take("\"") else { return false }
      while let byte = next, byte >= 0x20 {
        position += 1
        if byte == UInt8(ascii: "\"") { return true }
        if byte == UInt8(ascii: "\\") { position = min(position + 1, bytes.count) }
      }
      return false
    }
  }
}
