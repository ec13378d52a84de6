// SPDX-License-Identifier: Apache-2.0

/// The bytes of the file, followed by text that a reader has but the file lacks, such as a value
/// without its backslashes.
///
/// What the readers have is a ``Slice`` of it, and a name is a number: nothing is copied, and two
/// names are compared only once.
struct DocumentText: Sendable {
  /// A part of the text; half of a range's size, since a file can have a definition for every two
  /// bytes.
  struct Slice: Sendable, Hashable {
    private let start: UInt32
    private let end: UInt32

    /// `range` must end within 4 GiB; what reads files allows no more than 1 MiB.
    init(_ range: Range<Int>) {
      (start, end) = (UInt32(range.lowerBound), UInt32(range.upperBound))
    }

    var range: Range<Int> { Int(start)..<Int(end) }
  }

  /// The file, and what was appended.
  private(set) var bytes: [UInt8]
  /// How many bytes are the file's.
  let fileCount: Int
  /// The offsets at which lines begin; lines end in line feeds.
  let lineStarts: [UInt32]
  /// Whether the file has nothing but ASCII, as nearly all have: then there is no UTF-8 to check.
  let isASCII: Bool

  /// In the order of their numbers.
  private var names: [Slice] = []
  /// A hash table with open addressing; its size is a power of two. A place has the name's number
  /// plus one, and its hash in the upper half; 0 if it is free.
  private var table = [UInt64](repeating: 0, count: 64)

  init(_ file: [UInt8]) {
    bytes = file
    fileCount = file.count
    var starts: [UInt32] = [0]
    starts.reserveCapacity(file.count { $0 == Byte.lineFeed } + 1)
    var bits: UInt8 = 0
    for offset in file.indices {
      bits |= file[offset]
      if file[offset] == Byte.lineFeed { starts.append(UInt32(offset + 1)) }
    }
    lineStarts = starts
    names.reserveCapacity(starts.count)
    isASCII = bits < 0x80
  }

  // MARK: - Lines

  /// The 1-based line of the byte at `offset`. Fast if it is close behind the line `near`.
  func line(of offset: Int, near: Int = 1) -> Int {
    var (low, high) = (0, lineStarts.count)
    if lineStarts[near - 1] <= offset {
      low = near - 1
      for next in near..<min(near + 4, lineStarts.count) {
        if lineStarts[next] > offset { return next }
        low = next
      }
    }
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    return low + 1
  }

  // MARK: - Slices

  subscript(slice: Slice) -> ArraySlice<UInt8> { bytes[slice.range] }

  /// Bytes that are no UTF-8 become U+FFFD.
  func string(_ slice: Slice) -> String { String(decoding: self[slice], as: UTF8.self) }

  func isSame(_ a: Slice, _ b: Slice) -> Bool {
    if a == b { return true }
    let (a, b) = (a.range, b.range)
    return a.count == b.count && zip(a, b).allSatisfy { bytes[$0] == bytes[$1] }
  }

  /// Appends a piece of the file to `part`, which stays a range of the file as long as the pieces
  /// adjoin. Only one part is made at a time.
  mutating func append(_ piece: Range<Int>, to part: inout Range<Int>) {
    if part.isEmpty {
      part = piece
    } else if part.upperBound == piece.lowerBound {
      part = part.lowerBound..<piece.upperBound
    } else {
      if part.lowerBound < fileCount { part = copy(part) }
      part = part.lowerBound..<copy(piece).upperBound
    }
  }

  /// Byte for byte: a slice of the array would hold it, and appending to it would then copy all of
  /// it.
  private mutating func copy(_ range: Range<Int>) -> Range<Int> {
    let start = bytes.count
    for offset in range { bytes.append(bytes[offset]) }
    return start..<bytes.count
  }

  // MARK: - Names

  /// How many names there are; each has a number below it.
  var nameCount: Int { names.count }

  func name(_ number: Int) -> Slice { names[number] }

  /// The number of the name at `range`; a name that is met for the first time gets a new one.
  mutating func number(ofNameAt range: Range<Int>) -> Int {
    let range = repaired(range)
    let (hash, place, found) = find(range, of: bytes)
    if let found { return found }
    names.append(Slice(range))
    table[place] = UInt64(hash) << 32 | UInt64(names.count)
    if names.count * 2 > table.count { grow() }
    return names.count - 1
  }

  /// The number of the name; nil if it is nowhere in the file.
  func number(of name: String) -> Int? {
    let name = Array(name.utf8)
    return find(name.indices, of: name).number
  }

  /// A name that is not UTF-8 counts as the text that is shown for it.
  private mutating func repaired(_ range: Range<Int>) -> Range<Int> {
    if isASCII || UTF8Text.isWellFormed(bytes, range: range) { return range }
    let text = String(decoding: bytes[range], as: UTF8.self)
    let start = bytes.count
    bytes += text.utf8
    return start..<bytes.count
  }

  /// Swift's own hash, seeded at the start of the process: no file can be made whose names all fall
  /// into one place.
  private static func hash(of range: Range<Int>, in text: [UInt8]) -> UInt32 {
    var hasher = Hasher()
    text.withUnsafeBytes { hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: $0[range])) }
    return UInt32(truncatingIfNeeded: hasher.finalize())
  }

  /// The hash of the name at `range` of `text`, its place in the table or the free one for it, and
  /// its number or nil.
  private func find(
    _ range: Range<Int>, of text: [UInt8]
  ) -> (hash: UInt32, place: Int, number: Int?) {
    let hash = Self.hash(of: range, in: text)
    var place = Int(hash) & (table.count - 1)
    while table[place] != 0 {
      if UInt32(table[place] >> 32) == hash {
        let number = Int(UInt32(truncatingIfNeeded: table[place])) - 1
        let other = names[number].range
        if other.count == range.count, zip(other, range).allSatisfy({ bytes[$0] == text[$1] }) {
          return (hash, place, number)
        }
      }
      place = (place + 1) & (table.count - 1)
    }
    return (hash, place, nil)
  }

  private mutating func grow() {
    var larger = [UInt64](repeating: 0, count: table.count * 2)
    for name in table where name != 0 {
      var place = Int(name >> 32) & (larger.count - 1)
      while larger[place] != 0 { place = (place + 1) & (larger.count - 1) }
      larger[place] = name
    }
    table = larger
  }
}

/// One definition as a reader has it.
struct Definition: Sendable {
  /// The number of its name in the ``DocumentText``.
  let name: UInt32
  /// The offset of the name's first byte, and its 1-based line.
  let start: UInt32
  let line: UInt32
  let value: DocumentText.Slice
  /// The bytes of its line or lines, line ending included.
  let range: DocumentText.Slice
  /// Whether the reader ignores it.
  let isDropped: Bool
  /// Whether systemd reads no other line into it.
  let isOneLine: Bool

  init(
    name: Int, start: Int, line: Int, value: Range<Int>, range: Range<Int>, isDropped: Bool,
    isOneLine: Bool = true
  ) {
    (self.name, self.start, self.line) = (UInt32(name), UInt32(start), UInt32(line))
    (self.value, self.range) = (.init(value), .init(range))
    (self.isDropped, self.isOneLine) = (isDropped, isOneLine)
  }
}

/// Assigns name numbers for a second reader of the same file: most names stand where systemd has
/// them.
struct NameNumbers {
  private let definitions: [Definition]
  private var next = 0

  init(beside definitions: [Definition]) { self.definitions = definitions }

  /// The number of the name at `range`; the ranges ascend.
  mutating func number(ofNameAt range: Range<Int>, in text: inout DocumentText) -> Int {
    while next < definitions.count, definitions[next].start < range.lowerBound { next += 1 }
    if next < definitions.count, definitions[next].start == range.lowerBound {
      let number = Int(definitions[next].name)
      if text.isSame(text.name(number), DocumentText.Slice(range)) { return number }
    }
    return text.number(ofNameAt: range)
  }
}

/// What one reader has: all definitions, and which of them count.
struct Definitions: Sendable {
  /// In the order of the file.
  let all: [Definition]
  /// The numbers of the names that are defined, in the order of their first definitions.
  let names: [UInt32]
  /// For each number of a name, the index of its last definition that is not dropped, or -1.
  private let last: [Int32]

  init(_ all: [Definition], nameCount: Int) {
    var names: [UInt32] = []
    names.reserveCapacity(min(all.count, nameCount))
    var last = [Int32](repeating: -1, count: nameCount)
    for (index, definition) in all.enumerated() where !definition.isDropped {
      if last[Int(definition.name)] < 0 { names.append(definition.name) }
      last[Int(definition.name)] = Int32(index)
    }
    (self.all, self.names, self.last) = (all, names, last)
  }

  /// The definition of the name that counts: the last one.
  subscript(name: UInt32) -> Definition? {
    guard name < last.count, last[Int(name)] >= 0 else { return nil }
    return all[Int(last[Int(name)])]
  }
}
