// SPDX-License-Identifier: Apache-2.0

/// What a POSIX shell makes of the file when it is sourced: people do `. /etc/default/minio`.
///
/// It knows what of the shell's grammar an environment file can contain: assignments, `export`,
/// quotes, comments, expansions, and whatever is not an assignment. It runs nothing, and gives no
/// value for what depends on where it runs.
struct ShellScan {
  /// What the shell does other than assigning what is written.
  enum Problem {
    /// A word that it would run as a command.
    case command
    /// An operator: the rest of the line is another command, or a file is opened.
    case `operator`
    /// `$`, a backquote or `~`: the value is not what is written.
    case expansion
    /// A quote or an expansion that is never closed; the shell stops here.
    case unterminated
  }

  /// An assignment in the shell's own environment, the last of its name.
  struct Value {
    /// Its place in ``text``; nil if it depends on more than the file.
    var slice: DocumentText.Slice?
  }

  /// The variables that are set, by the numbers of their names.
  private var values: [Value?] = []
  /// In the order of the file, with the offset of the byte that is to blame.
  private(set) var problems: [(offset: UInt32, problem: Problem)] = []

  /// The document's, and the values that do not stand in it.
  private(set) var text: DocumentText
  private let bytes: [UInt8]
  private var offset = 0
  private var numbers: NameNumbers
  /// The assignments of the current command.
  private var assigned: [(name: Int, value: Value)] = []

  /// Reads the document's bytes, in time linear in their number.
  init(_ document: EnvironmentDocument) {
    (bytes, text) = (document.bytes, document.text)
    numbers = NameNumbers(beside: document.current.definitions.all)
    values = Array(repeating: nil, count: text.nameCount)
    while let byte { if byte == Byte.lineFeed { offset += 1 } else { takeCommand() } }
  }

  /// What the variable is set to, if it is; `name` is its number in the document.
  func value(of name: Int) -> Value? { name < values.count ? values[name] : nil }

  private var byte: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  private static func isOperator(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "&"), UInt8(ascii: "|"), Byte.semicolon, UInt8(ascii: "<"),
      UInt8(ascii: ">"), UInt8(ascii: "("), UInt8(ascii: ")"):
      true
    default: false
    }
  }

  private mutating func skipLine() {
    while let byte, byte != Byte.lineFeed { offset += 1 }
  }

  /// One command: a line, or several that a quote or a backslash joins.
  private mutating func takeCommand() {
    if !assigned.isEmpty { assigned.removeAll(keepingCapacity: true) }
    var hasCommand = false
    // Where `export` begins that has no operand yet.
    var export: Int?
    var isExport = false
    while let byte {
      if byte == Byte.lineFeed {
        offset += 1
        break
      } else if Byte.isBlank(byte) {
        offset += 1
      } else if byte == Byte.backslash, offset + 1 < bytes.count, bytes[offset + 1] == Byte.lineFeed
      {
        offset += 2
      } else if byte == Byte.hash {
        skipLine()
      } else if Self.isOperator(byte) {
        // The rest of the line is not read: one finding is enough.
        problems.append((UInt32(offset), .operator))
        if byte != Byte.semicolon { assigned.removeAll(keepingCapacity: true) }
        skipLine()
      } else {
        let start = offset
        let name = hasCommand && !isExport ? nil : takeName()
        let count = problems.count
        guard let value = takeWord(isValue: name != nil) else { return }
        if let name {
          assigned.append((name, value))
          export = nil
        } else if isExport, let word = value.slice, isVariableName(text[word]) {
          export = nil
        } else if !hasCommand, assigned.isEmpty, let word = value.slice,
          word.range.count == Lint.export.count, text[word].elementsEqual(Lint.export)
        {
          (hasCommand, isExport, export) = (true, true, start)
        } else if !hasCommand || isExport {
          // Assignments before a command are for that command only.
          (hasCommand, isExport, export) = (true, false, nil)
          assigned.removeAll(keepingCapacity: true)
          problems.insert((UInt32(start), .command), at: count)
        }
      }
    }
    if let export { problems.append((UInt32(export), .command)) }
    for (name, value) in assigned {
      while values.count <= name { values.append(nil) }
      values[name] = value
    }
  }

  /// Takes `NAME=` at the offset; nil, and takes nothing, if there is none.
  private mutating func takeName() -> Int? {
    guard let first = byte, Byte.isNameStart(first) else { return nil }
    var end = offset + 1
    while end < bytes.count, Byte.isNamePart(bytes[end]) { end += 1 }
    guard end < bytes.count, bytes[end] == Byte.equals else { return nil }
    defer { offset = end + 1 }
    return numbers.number(ofNameAt: offset..<end, in: &text)
  }

  /// The word at the offset; nil if it is never closed.
  private mutating func takeWord(isValue: Bool) -> Value? {
    var word = 0..<0
    var isKnown = true
    // Where `~` would be a home directory.
    var isTildePlace = true
    while let byte {
      let start = offset
      switch byte {
      case _ where Byte.isBlank(byte) || byte == Byte.lineFeed || Self.isOperator(byte):
        return Value(slice: isKnown ? DocumentText.Slice(word) : nil)
      case Byte.backslash:
        offset += 1
        guard let next = self.byte else {
          text.append(start..<offset, to: &word)
          break
        }
        offset += 1
        if next != Byte.lineFeed { text.append((offset - 1)..<offset, to: &word) }
      case Byte.singleQuote:
        guard let end = bytes[(start + 1)...].firstIndex(of: byte) else {
          return unterminated(start)
        }
        text.append((start + 1)..<end, to: &word)
        offset = end + 1
      case Byte.doubleQuote:
        guard takeDoubleQuoted(into: &word, &isKnown) else { return unterminated(start) }
      case Byte.dollar, Byte.backtick:
        guard let isExpansion = takeExpansion(isQuoted: false) else { return unterminated(start) }
        if isExpansion { isKnown = false } else { text.append(start..<(start + 1), to: &word) }
      default:
        if byte == UInt8(ascii: "~"), isTildePlace {
          problems.append((UInt32(start), .expansion))
          isKnown = false
        }
        offset += 1
        // Most bytes are like the one before.
        while offset < bytes.count, Byte.isNamePart(bytes[offset]) { offset += 1 }
        text.append(start..<offset, to: &word)
      }
      isTildePlace = isValue && bytes[offset - 1] == UInt8(ascii: ":") && byte != Byte.backslash
    }
    return Value(slice: isKnown ? DocumentText.Slice(word) : nil)
  }

  private mutating func unterminated(_ start: Int) -> Value? {
    problems.append((UInt32(start), .unterminated))
    offset = bytes.count
    return nil
  }

  /// From the opening quote to behind the closing one; false if there is none.
  private mutating func takeDoubleQuoted(into word: inout Range<Int>, _ isKnown: inout Bool) -> Bool
  {
    offset += 1
    while let byte {
      let start = offset
      offset += 1
      switch byte {
      case Byte.doubleQuote:
        return true
      case Byte.backslash:
        guard let next = self.byte else { return false }
        offset += 1
        switch next {
        case Byte.lineFeed: break
        case Byte.doubleQuote, Byte.backslash, Byte.backtick, Byte.dollar:
          text.append((start + 1)..<offset, to: &word)
        default: text.append(start..<offset, to: &word)
        }
      case Byte.dollar, Byte.backtick:
        offset = start
        guard let isExpansion = takeExpansion(isQuoted: true) else { return false }
        if isExpansion { isKnown = false } else { text.append(start..<offset, to: &word) }
      default:
        while let byte = self.byte, Byte.isNamePart(byte) { offset += 1 }
        text.append(start..<offset, to: &word)
      }
    }
    return false
  }

  /// Takes the expansion at `$` or a backquote: true. Takes only the `$` if it begins none: false.
  /// Nil if the expansion is never closed.
  private mutating func takeExpansion(isQuoted: Bool) -> Bool? {
    let start = offset
    offset += 1
    let closing: UInt8?
    if bytes[start] == Byte.backtick {
      closing = Byte.backtick
    } else if let next = byte {
      switch next {
      case UInt8(ascii: "{"): closing = UInt8(ascii: "}")
      case UInt8(ascii: "("): closing = UInt8(ascii: ")")
      case _ where Byte.isNamePart(next): closing = nil
      case _ where "@*#?-$!".utf8.contains(next): closing = nil
      // `$'...'` and `$"..."` are not the same for every shell.
      case Byte.singleQuote where !isQuoted, Byte.doubleQuote where !isQuoted:
        problems.append((UInt32(start), .expansion))
        return true
      default: return false
      }
    } else {
      return false
    }
    guard let closing else {
      problems.append((UInt32(start), .expansion))
      offset += 1
      return true
    }
    // Nested expansions are not followed: the value is unknown in any case.
    guard let end = bytes[offset...].firstIndex(of: closing) else { return nil }
    problems.append((UInt32(start), .expansion))
    offset = end + 1
    return true
  }
}
