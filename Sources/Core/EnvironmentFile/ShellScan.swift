/// What a POSIX shell that sources the file makes of it: people do `. /etc/default/minio`.
///
/// Of the shell's grammar it knows what an environment file can meet: assignments, `export`, quotes, comments,
/// expansions, and everything that makes the shell do something else than assign. It runs nothing, and of
/// what depends on where it is run it gives no value.
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
    /// The bytes; nil if they depend on more than the file.
    var bytes: [UInt8]?
  }

  /// The variables that are set, by name.
  private(set) var values: [String: Value] = [:]
  /// In the order of the file, with the offset of the byte that is to blame.
  private(set) var problems: [(offset: Int, problem: Problem)] = []

  private let bytes: [UInt8]
  private var offset = 0

  /// Reads `bytes`, in time linear in their number.
  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    while offset < bytes.count { takeCommand() }
  }

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

  /// One line, or what a quote or a backslash makes one.
  private mutating func takeCommand() {
    var assigned: [(name: String, value: Value)] = []
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
        // What follows is not followed: one word about the line is enough.
        problems.append((offset, .operator))
        if byte != Byte.semicolon { assigned = [] }
        skipLine()
      } else {
        let start = offset
        let name = hasCommand && !isExport ? nil : takeName()
        let count = problems.count
        guard let value = takeWord(isValue: name != nil) else { return }
        let word = value.bytes.map { String(decoding: $0, as: UTF8.self) } ?? ""
        if let name {
          assigned.append((name, value))
          export = nil
        } else if isExport, isVariableName(word) {
          export = nil
        } else if !hasCommand, assigned.isEmpty, word == "export" {
          (hasCommand, isExport, export) = (true, true, start)
        } else if !hasCommand || isExport {
          // Assignments before a command are for that command only.
          (hasCommand, isExport, export) = (true, false, nil)
          assigned = []
          problems.insert((start, .command), at: count)
        }
      }
    }
    if let export { problems.append((export, .command)) }
    for (name, value) in assigned { values[name] = value }
  }

  /// `NAME=` at the offset, which then is behind it; nil, and the offset as it was, if there is none.
  private mutating func takeName() -> String? {
    guard let first = byte, Byte.isNameStart(first) else { return nil }
    var end = offset + 1
    while end < bytes.count, Byte.isNamePart(bytes[end]) { end += 1 }
    guard end < bytes.count, bytes[end] == Byte.equals else { return nil }
    defer { offset = end + 1 }
    return String(decoding: bytes[offset..<end], as: UTF8.self)
  }

  /// The word at the offset; nil if it is never closed.
  private mutating func takeWord(isValue: Bool) -> Value? {
    var word: [UInt8] = []
    var isKnown = true
    // Where `~` would be a home directory.
    var isTildePlace = true
    while let byte {
      let start = offset
      switch byte {
      case Byte.lineFeed, Byte.space, Byte.tab:
        return Value(bytes: isKnown ? word : nil)
      case _ where Self.isOperator(byte):
        return Value(bytes: isKnown ? word : nil)
      case Byte.backslash:
        offset += 1
        guard let next = self.byte else {
          word.append(byte)
          break
        }
        offset += 1
        if next != Byte.lineFeed { word.append(next) }
      case Byte.singleQuote:
        guard let end = bytes[(start + 1)...].firstIndex(of: byte) else {
          return unterminated(start)
        }
        word += bytes[(start + 1)..<end]
        offset = end + 1
      case Byte.doubleQuote:
        guard takeDoubleQuoted(into: &word, &isKnown) else { return unterminated(start) }
      case Byte.dollar, Byte.backtick:
        guard let isExpansion = takeExpansion(isQuoted: false) else { return unterminated(start) }
        if isExpansion { isKnown = false } else { word.append(byte) }
      default:
        if byte == UInt8(ascii: "~"), isTildePlace {
          problems.append((start, .expansion))
          isKnown = false
        }
        word.append(byte)
        offset += 1
        // Most bytes are like the one before.
        while offset < bytes.count, Byte.isNamePart(bytes[offset]) {
          word.append(bytes[offset])
          offset += 1
        }
      }
      isTildePlace = isValue && bytes[offset - 1] == UInt8(ascii: ":") && byte != Byte.backslash
    }
    return Value(bytes: isKnown ? word : nil)
  }

  private mutating func unterminated(_ start: Int) -> Value? {
    problems.append((start, .unterminated))
    offset = bytes.count
    return nil
  }

  /// From the opening quote to behind the closing one; false if there is none.
  private mutating func takeDoubleQuoted(into word: inout [UInt8], _ isKnown: inout Bool) -> Bool {
    offset += 1
    while let byte {
      switch byte {
      case Byte.doubleQuote:
        offset += 1
        return true
      case Byte.backslash:
        offset += 1
        guard let next = self.byte else { return false }
        offset += 1
        switch next {
        case Byte.lineFeed: break
        case Byte.doubleQuote, Byte.backslash, Byte.backtick, Byte.dollar: word.append(next)
        default: word += [byte, next]
        }
      case Byte.dollar, Byte.backtick:
        guard let isExpansion = takeExpansion(isQuoted: true) else { return false }
        if isExpansion { isKnown = false } else { word.append(byte) }
      default:
        word.append(byte)
        offset += 1
      }
    }
    return false
  }

  /// From `$` or a backquote to behind the expansion, true; false, behind the `$`, if it is none; nil if it
  /// is never closed.
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
        problems.append((start, .expansion))
        return true
      default: return false
      }
    } else {
      return false
    }
    guard let closing else {
      problems.append((start, .expansion))
      offset += 1
      return true
    }
    // What is nested in it is not followed: it has no value here in any case.
    guard let end = bytes[offset...].firstIndex(of: closing) else { return nil }
    problems.append((start, .expansion))
    offset = end + 1
    return true
  }
}
