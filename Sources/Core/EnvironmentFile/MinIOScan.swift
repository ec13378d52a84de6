/// The grammar of MinIO's own reader (facts, E.2): line by line, no continuation, no escapes.
struct MinIOScan: Sendable, Hashable {
  typealias Variable = EnvironmentDocument.Variable

  /// A line of this many bytes or more is refused, its line ending not counted (Go's
  /// bufio.Scanner).
  static let lineBytes = 64 << 10

  /// What MinIO makes of the file.
  let reading: EnvironmentDocument.Reading
  /// The lines that are refused because they have no `=`: number and bytes, without the line feed.
  let malformed: [Line]
  /// The lines that are too long.
  let tooLong: [Line]

  /// A line as MinIO sees it.
  struct Line: Sendable, Hashable {
    var number: Int
    var range: Range<Int>
  }

  /// Reads `bytes`.
  init(_ bytes: [UInt8]) {
    var definitions: [Variable] = []
    var malformed: [Line] = []
    var tooLong: [Line] = []
    Self.forEachLine(of: bytes) { line in
      if line.range.count >= Self.lineBytes { tooLong.append(line) }
      let text = Self.trimmed(bytes, line.range)
      guard let first = text.first.map({ bytes[$0] }), first != Byte.hash else { return }
      guard let definition = Self.definition(in: bytes, text: text, line: line) else {
        malformed.append(line)
        return
      }
      definitions.append(definition)
    }
    self.malformed = malformed
    self.tooLong = tooLong
    reading = EnvironmentDocument.Reading(
      definitions: definitions, failure: Self.failure(malformed: malformed, tooLong: tooLong))
  }

  /// Calls `body` with each line; what follows the last line feed is one if it is not empty.
  static func forEachLine(of bytes: [UInt8], _ body: (Line) -> Void) {
    var number = 1
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: Byte.lineFeed) ?? bytes.count
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

  private static func definition(
    in bytes: [UInt8], text: Range<Int>, line: Line
  ) -> Variable? {
    var text = text
    if bytes[text].starts(with: "export".utf8) {
      // The letters go, whatever follows them: `exportFOO=1` defines FOO.
      text = trimmed(bytes, (text.lowerBound + 6)..<text.upperBound)
    }
    guard let equals = bytes[text].firstIndex(of: Byte.equals) else { return nil }
    let name = text.lowerBound..<equals
    var value = (equals + 1)..<text.upperBound
    if value.count >= 2, bytes[value.lowerBound] == bytes[value.upperBound - 1],
      bytes[value.lowerBound] == Byte.singleQuote || bytes[value.lowerBound] == Byte.doubleQuote
    {
      value = (value.lowerBound + 1)..<(value.upperBound - 1)
    }
    return Variable(
      name: String(decoding: bytes[name], as: UTF8.self),
      value: String(decoding: bytes[value], as: UTF8.self), line: line.number,
      column: text.lowerBound - line.range.lowerBound + 1,
      isDropped: name.isEmpty || bytes[name].contains(0) || bytes[value].contains(0),
      range: line.range.lowerBound..<min(line.range.upperBound + 1, bytes.count), isOneLine: true)
  }

  /// `range` without the white space at its ends, as Go's strings.TrimSpace has it (Unicode's
  /// White_Space).
  static func trimmed(_ bytes: [UInt8], _ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end {
      let length = spaceLength(bytes[start..<end])
      if length == 0 { break }
      start += length
    }
    while start < end {
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
