/// systemd's grammar of `EnvironmentFile=` (facts, E.1), a machine with one state per byte.
///
/// * a name begins at the first byte that is neither blank nor `#` or `;` (a comment), and ends at
/// `=`; a line
///   without `=` is dropped;
/// * a value is bare, where `\` takes the next byte as it is, or in quotes, after which more may
/// follow;
/// * both CR and LF end a line.
struct SystemdScan: Sendable, Hashable {
  typealias Variable = EnvironmentDocument.Variable
  typealias Form = EnvironmentDocument.Form

  /// Where in the grammar a byte stands.
  enum State: Sendable, Hashable {
    /// At the beginning of a line, or in blanks there.
    case beforeName
    /// In a name, until `=`.
    case name
    /// After `=` or a closing quote, in blanks.
    case beforeValue
    /// In a value without quotes.
    case bare
    /// After a backslash in a value without quotes.
    case bareEscape
    case singleQuoted
    case doubleQuoted
    /// After a backslash within double quotes.
    case doubleQuotedEscape
    case comment
    /// After a backslash in a comment.
    case commentEscape
  }

  /// A definition and what is odd about the way it is written.
  struct Oddity: Sendable, Hashable {
    var variable: Variable
    var form: Form
  }

  /// systemd refuses to read files of this size or larger, bytes.
  static let fileBytes = 64 << 20

  /// What systemd makes of the file.
  let reading: EnvironmentDocument.Reading
  /// The definitions that are not in the simple form, in the order of the file.
  let oddities: [Oddity]
  /// The state after the last byte.
  let endState: State
  /// The offsets of the backslashes that are the last byte of a comment's line.
  let escapedComments: [Int]

  /// Reads `bytes`.
  init(_ bytes: [UInt8], _ comments: CommentGrammar) {
    var machine = Machine(bytes: bytes, comments: comments)
    machine.run()
    reading = EnvironmentDocument.Reading(
      definitions: machine.definitions,
      failure: Self.wholeFileFailure(bytes) ?? machine.failure)
    oddities = machine.oddities
    endState = machine.state
    escapedComments = machine.escapedComments
  }

  /// What systemd refuses before it parses.
  private static func wholeFileFailure(_ bytes: [UInt8]) -> String? {
    if bytes.count >= fileBytes {
      return "the file has \(bytes.count) bytes, systemd reads less than \(fileBytes)"
    }
    guard let nul = bytes.firstIndex(of: 0) else { return nil }
    let line = bytes[..<nul].count { $0 == Byte.lineFeed } + 1
    return "line \(line): a NUL byte, systemd refuses the whole file"
  }

  private struct Machine {
    let bytes: [UInt8]
    let comments: CommentGrammar
    var state = State.beforeName
    var definitions: [Variable] = []
    var failure: String?
    var oddities: [Oddity] = []
    var escapedComments: [Int] = []

    /// The line of the byte at hand and where it begins; lines are counted by line feeds.
    private var line = 1
    private var lineStart = 0
    /// Where the line begins as systemd counts them.
    private var recordStart = 0

    private var name: [UInt8] = []
    private var value: [UInt8] = []
    /// How much of the name or value is left when trailing blanks are taken away; nil if there are
    /// none.
    private var nameEnd: Int?
    private var valueEnd: Int?
    private var nameLine = 0
    private var nameColumn = 0
    private var nameStart = 0
    /// The last opening quote of the value at hand.
    private var quote: Int?
    private var form = Form()
    private let plain = Plain.table

    init(bytes: [UInt8], comments: CommentGrammar) {
      self.bytes = bytes
      self.comments = comments
    }

    mutating func run() {
      var offset = 0
      while offset < bytes.count {
        let byte = bytes[offset]
        step(byte, at: offset)
        offset += 1
        if byte == Byte.lineFeed {
          line += 1
          lineStart = offset
        } else {
          offset = takePlain(from: offset)
        }
      }
      switch state {
      case .beforeValue, .bare, .bareEscape:
        finish(at: bytes.count)
      case .singleQuoted, .doubleQuoted, .doubleQuotedEscape:
        form.unterminated = quote
        finish(at: bytes.count)
      case .beforeName, .name, .comment, .commentEscape:
        break
      }
    }

    /// Takes the bytes from `offset` that mean nothing but themselves in the state at hand, all at once: nearly
    /// all bytes of a file are such. Returns the offset of the first that does not.
    private mutating func takePlain(from offset: Int) -> Int {
      guard let mask = Plain.mask(state) else { return offset }
      var end = offset
      while end < bytes.count, plain[Int(bytes[end])] & mask != 0 { end += 1 }
      if end == offset || state == .comment { return end }
      if state == .name {
        name += bytes[offset..<end]
        nameEnd = nil
      } else {
        value += bytes[offset..<end]
        valueEnd = nil
      }
      return end
    }

    private mutating func step(_ byte: UInt8, at offset: Int) {
      switch state {
      case .beforeName: beforeName(byte, at: offset)
      case .name: inName(byte, at: offset)
      case .beforeValue: beforeValue(byte, at: offset)
      case .bare: inBare(byte, at: offset)
      case .bareEscape:
        if Byte.isNewline(byte) {
          if form.continuation == nil { form.continuation = offset - 1 }
        } else {
          value.append(byte)
          if form.escape == nil { form.escape = offset - 1 }
        }
        state = .bare
      case .singleQuoted:
        if byte == Byte.singleQuote { state = .beforeValue } else { quoted(byte, at: offset) }
      case .doubleQuoted:
        if byte == Byte.doubleQuote {
          state = .beforeValue
        } else if byte == Byte.backslash {
          state = .doubleQuotedEscape
        } else {
          quoted(byte, at: offset)
        }
      case .doubleQuotedEscape: inDoubleQuotedEscape(byte, at: offset)
      case .comment: inComment(byte, at: offset)
      case .commentEscape: afterCommentBackslash(byte, at: offset)
      }
    }

    private mutating func beforeName(_ byte: UInt8, at offset: Int) {
      if byte == Byte.hash || byte == Byte.semicolon {
        state = .comment
      } else if Byte.isNewline(byte) {
        recordStart = offset + 1
      } else if !Byte.isBlank(byte) {
        state = .name
        name.removeAll(keepingCapacity: true)
        name.append(byte)
        nameEnd = nil
        (nameLine, nameColumn, nameStart) = (line, offset - lineStart + 1, recordStart)
      }
    }

    private mutating func inName(_ byte: UInt8, at offset: Int) {
      if Byte.isNewline(byte) {
        endLine(at: offset)
      } else if byte == Byte.equals {
        state = .beforeValue
        value.removeAll(keepingCapacity: true)
        valueEnd = nil
        form = Form()
        quote = nil
      } else {
        if !Byte.isBlank(byte) { nameEnd = nil } else if nameEnd == nil { nameEnd = name.count }
        name.append(byte)
      }
    }

    private mutating func beforeValue(_ byte: UInt8, at offset: Int) {
      if Byte.isNewline(byte) {
        finish(at: offset)
        endLine(at: offset)
        return
      }
      if Byte.isBlank(byte) { return }
      if quote != nil, form.afterQuote == nil { form.afterQuote = offset }
      switch byte {
      case Byte.singleQuote, Byte.doubleQuote:
        state = byte == Byte.singleQuote ? .singleQuoted : .doubleQuoted
        quote = offset
      case Byte.backslash:
        state = .bareEscape
      default:
        state = .bare
        noteBare(byte, at: offset)
        value.append(byte)
      }
    }

    private mutating func inBare(_ byte: UInt8, at offset: Int) {
      if Byte.isNewline(byte) {
        finish(at: offset)
        endLine(at: offset)
      } else if byte == Byte.backslash {
        state = .bareEscape
        valueEnd = nil
      } else {
        if !Byte.isBlank(byte) { valueEnd = nil } else if valueEnd == nil { valueEnd = value.count }
        noteBare(byte, at: offset)
        value.append(byte)
      }
    }

    private mutating func inDoubleQuotedEscape(_ byte: UInt8, at offset: Int) {
      state = .doubleQuoted
      switch byte {
      case Byte.doubleQuote, Byte.backslash, Byte.backtick, Byte.dollar:
        value.append(byte)
        if form.escape == nil { form.escape = offset - 1 }
      case Byte.lineFeed:
        if form.continuation == nil { form.continuation = offset - 1 }
      default:
        value.append(Byte.backslash)
        quoted(byte, at: offset)
      }
    }

    private mutating func inComment(_ byte: UInt8, at offset: Int) {
      if byte == Byte.backslash {
        state = .commentEscape
      } else if Byte.isNewline(byte) {
        endLine(at: offset)
      }
    }

    private mutating func afterCommentBackslash(_ byte: UInt8, at offset: Int) {
      guard Byte.isNewline(byte) else {
        state = .comment
        return
      }
      escapedComments.append(offset - 1)
      switch comments {
      case .sinceVersion254: endLine(at: offset)
      case .beforeVersion254: state = .comment
      }
    }

    private mutating func quoted(_ byte: UInt8, at offset: Int) {
      if Byte.isNewline(byte), form.lineBreak == nil { form.lineBreak = offset }
      value.append(byte)
    }

    private mutating func noteBare(_ byte: UInt8, at offset: Int) {
      switch byte {
      case Byte.hash:
        if form.hash == nil, Byte.isBlank(bytes[offset - 1]) { form.hash = offset }
      case Byte.singleQuote, Byte.doubleQuote:
        if form.strayQuote == nil { form.strayQuote = offset }
      default: break
      }
    }

    private mutating func endLine(at offset: Int) {
      state = .beforeName
      recordStart = offset + 1
    }

    /// Takes the definition that ends before the line ending at `offset`, or at the end of the
    /// file.
    private mutating func finish(at offset: Int) {
      if let nameEnd { name.removeSubrange(nameEnd...) }
      if state == .bare, let valueEnd { value.removeSubrange(valueEnd...) }
      if failure == nil { failure = textFailure() }
      var end = min(offset + 1, bytes.count)
      if offset + 1 < bytes.count, bytes[offset] == Byte.carriageReturn,
        bytes[offset + 1] == Byte.lineFeed
      {
        end += 1
      }
      let text = String(decoding: name, as: UTF8.self)
      let variable = Variable(
        name: text, value: String(decoding: value, as: UTF8.self), line: nameLine,
        column: nameColumn, isDropped: !isVariableName(text), range: nameStart..<end,
        isOneLine: form.isOneLine)
      definitions.append(variable)
      if form != .simple { oddities.append(Oddity(variable: variable, form: form)) }
    }

    private func textFailure() -> String? {
      for (part, bytes) in [("name", name), ("value", value)] {
        guard let found = UTF8Text.problem(in: bytes, range: bytes.indices) else { continue }
        let what =
          switch found.problem {
          case .malformed: "is not valid UTF-8"
          case .noncharacter: "holds a Unicode noncharacter"
          }
        return "line \(nameLine): the \(part) \(what), systemd refuses the whole file"
      }
      return nil
    }
  }
}

/// For each byte, the states in which it means nothing but itself.
private enum Plain {
  static func mask(_ state: SystemdScan.State) -> UInt8? {
    switch state {
    case .name: 1
    case .bare: 2
    case .singleQuoted: 4
    case .doubleQuoted: 8
    case .comment: 16
    case .beforeName, .beforeValue, .bareEscape, .doubleQuotedEscape, .commentEscape: nil
    }
  }

  static let table: [UInt8] = (0...UInt8.max).map { byte in
    if Byte.isNewline(byte) { return 0 }
    var states: UInt8 = 0
    let isBlank = Byte.isBlank(byte)
    if !isBlank && byte != Byte.equals { states |= 1 }
    let isQuote = byte == Byte.singleQuote || byte == Byte.doubleQuote
    let isBareSpecial = byte == Byte.backslash || byte == Byte.hash || isQuote
    if !isBlank && !isBareSpecial { states |= 2 }
    if byte != Byte.singleQuote { states |= 4 }
    if byte != Byte.doubleQuote && byte != Byte.backslash { states |= 8 }
    if byte != Byte.backslash { states |= 16 }
    return states
  }
}
