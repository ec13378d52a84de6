// SPDX-License-Identifier: Apache-2.0

/// The grammar of MinIO's own reader (docs/facts.md, "MinIO's environment file"): line by line, no
/// continuation, no escapes.
struct MinIOScan: Sendable {
  /// A line of this many bytes or more is refused, its line ending not counted (Go's
  /// bufio.Scanner).
  static let lineBytes = 64 << 10

  let definitions: Definitions
  /// Why it refuses the whole file; nil if it takes it.
  let failure: String?
  /// The indexes of the definitions that begin with `;` or `export`, or have blanks around `=`.
  let oddities: [UInt32]
  /// The lines that are refused because they have no `=`: number and bytes, without the line feed.
  let malformed: [Line]
  let tooLong: [Line]

  struct Line: Sendable, Hashable {
    var number: Int
    var range: Range<Int>
  }

  /// Reads `bytes`, the file of `text`. `others` are systemd's definitions.
  init(_ bytes: [UInt8], _ text: inout DocumentText, beside others: [Definition]) {
    var definitions: [Definition] = []
    definitions.reserveCapacity(min(text.lineStarts.count, bytes.count))
    var oddities: [UInt32] = []
    var malformed: [Line] = []
    var tooLong: [Line] = []
    var numbers = NameNumbers(beside: others)
    Self.forEachLine(of: bytes) { line in
      if line.range.isEmpty { return }
      if line.range.count >= Self.lineBytes { tooLong.append(line) }
      let all = Self.trimmed(bytes, line.range)
      guard !all.isEmpty, bytes[all.lowerBound] != Byte.hash else { return }
      guard let parts = Self.parts(of: all, in: bytes) else {
        malformed.append(line)
        return
      }
      let name = numbers.number(ofNameAt: parts.name, in: &text)
      let definition = Definition(
        name: name, start: parts.name.lowerBound, line: line.number, value: parts.value,
        range: line.range.lowerBound..<min(line.range.upperBound + 1, bytes.count),
        isDropped: parts.name.isEmpty || bytes[parts.name].contains(0)
          || bytes[parts.value].contains(0))
      if parts.isOdd { oddities.append(UInt32(definitions.count)) }
      definitions.append(definition)
    }
    self.malformed = malformed
    self.tooLong = tooLong
    self.oddities = oddities
    self.definitions = Definitions(definitions, nameCount: text.nameCount)
    failure = Self.failure(malformed: malformed, tooLong: tooLong)
  }

  /// Calls `body` with each line; what follows the last line feed is one if it is not empty.
  static func forEachLine(of bytes: [UInt8], _ body: (Line) -> Void) {
    var number = 1
    var start = 0
    while start < bytes.count {
      var end = start
      while end < bytes.count, bytes[end] != Byte.lineFeed { end += 1 }
      body(Line(number: number, range: start..<end))
      start = end + 1
      number += 1
    }
  }

  /// What stops MinIO first.
  private static func failure(malformed: [Line], tooLong: [Line]) -> String? {
    let noEquals = malformed.first?.number ?? Int.max
    if let long = tooLong.first?.number, long <= noEquals {
      return "line \(long): longer than \(lineBytes - 1) bytes, MinIO refuses the whole file"
    }
    if malformed.isEmpty { return nil }
    return "line \(noEquals): no '=', MinIO refuses the whole file"
  }

  /// The parts of `all`, a line without white space around it; nil if it has no `=`.
  private static func parts(
    of all: Range<Int>, in bytes: [UInt8]
  ) -> (name: Range<Int>, value: Range<Int>, isOdd: Bool)? {
    var rest = all
    var isOdd = bytes[all.lowerBound] == Byte.semicolon
    if bytes[all.lowerBound] == export[0], bytes[all].starts(with: export) {
      // The letters go, whatever follows them: `exportFOO=1` defines FOO.
      rest = trimmed(bytes, (all.lowerBound + export.count)..<all.upperBound)
      isOdd = true
    }
    var equals = rest.lowerBound
    while equals < rest.upperBound, bytes[equals] != Byte.equals { equals += 1 }
    if equals == rest.upperBound { return nil }
    let name = rest.lowerBound..<equals
    var value = (equals + 1)..<rest.upperBound
    if let last = name.last, Byte.isBlank(bytes[last]) { isOdd = true }
    if let first = value.first, Byte.isBlank(bytes[first]) { isOdd = true }
    if value.count >= 2, bytes[value.lowerBound] == bytes[value.upperBound - 1],
      bytes[value.lowerBound] == Byte.singleQuote || bytes[value.lowerBound] == Byte.doubleQuote
    {
      value = (value.lowerBound + 1)..<(value.upperBound - 1)
    }
    return (name, value, isOdd)
  }

  private static let export = Array("export".utf8)

  /// `range` without the white space at its ends, as Go's strings.TrimSpace has it (Unicode's
  /// White_Space).
  static func trimmed(_ bytes: [UInt8], _ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, !isVisible(bytes[start]) {
      let length = spaceLength(bytes[start..<end])
      if length == 0 { break }
      start += length
    }
    while start < end, !isVisible(bytes[end - 1]) {
      let last = bytes[end - 1]
      if last < 0x80 {
        if !isSpace(last) { break }
        end -= 1
      } else if end - start >= 2, spaceLength(bytes[(end - 2)..<end]) == 2 {
        end -= 2
      } else if end - start >= 3, spaceLength(bytes[(end - 3)..<end]) == 3 {
        end -= 3
      } else {
        break
      }
    }
    return start..<end
  }

  /// Plainly no white space, as nearly all bytes at the ends of lines.
  private static func isVisible(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x80 }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == Byte.space || (0x09...0x0D).contains(byte)
  }

  /// How many bytes the white space character at the beginning of `bytes` has; 0 if there is none.
  private static func spaceLength(_ bytes: ArraySlice<UInt8>) -> Int {
    guard let first = bytes.first else { return 0 }
    if first < 0x80 { return isSpace(first) ? 1 : 0 }
    let second = bytes.dropFirst().first
    if first == 0xC2 { return second == 0x85 || second == 0xA0 ? 2 : 0 }
    guard bytes.count >= 3, let second, let third = bytes.dropFirst(2).first else { return 0 }
    switch (first, second, third) {
    case (0xE1, 0x9A, 0x80),
      (0xE2, 0x80, 0x80...0x8A), (0xE2, 0x80, 0xA8), (0xE2, 0x80, 0xA9), (0xE2, 0x80, 0xAF),
      (0xE2, 0x81, 0x9F), (0xE3, 0x80, 0x80):
      return 3
    default: return 0
    }
  }
}
