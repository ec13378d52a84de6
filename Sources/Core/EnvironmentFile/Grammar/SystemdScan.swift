// SPDX-License-Identifier: Apache-2.0

/// systemd's grammar of `EnvironmentFile=` (docs/facts.md, "EnvironmentFile= of systemd"), a
/// machine with one state per byte.
///
/// * a name begins at the first byte that is neither blank nor `#` or `;` (a comment), and ends at
///   `=`; a line without `=` is dropped;
/// * a value is bare, where `\` takes the next byte as it is, or in quotes, after which more may
///   follow;
/// * both CR and LF end a line.
struct SystemdScan: Sendable {
  typealias Form = EnvironmentDocument.Form

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
  struct Oddity: Sendable {
    let definition: UInt32
    let form: Form
  }

  /// systemd refuses to read files of this size or larger, bytes.
  static let fileBytes = 64 << 20

  let definitions: Definitions
  /// Why it refuses the whole file; nil if it takes it.
  let failure: String?
  /// The definitions that are not in the simple form, in the order of the file.
  let oddities: [Oddity]
  let endState: State
  /// The offsets of the backslashes that are the last byte of a comment's line.
  let escapedComments: [Int]

  init(_ bytes: [UInt8], _ text: inout DocumentText, _ comments: CommentGrammar) {
    var machine = Machine(bytes: bytes, text: consume text, comments: comments)
    machine.run()
    text = machine.text
    definitions = Definitions(machine.definitions, nameCount: text.nameCount)
    failure = Self.wholeFileFailure(bytes) ?? machine.failure
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
    var text: DocumentText
    var state = State.beforeName
    var definitions: [Definition] = []
    var failure: String?
    var oddities: [Oddity] = []
    var escapedComments: [Int] = []

    /// The line of the byte at hand; lines are counted by line feeds.
    private var line = 1
    /// Where the line begins as systemd counts them.
    private var recordStart = 0

    /// The name without blanks at its end, its line, and where that begins as systemd counts them.
    private var name = 0..<0
    private var nameLine = 0
    private var nameStart = 0
    private var value = 0..<0
    /// How much of the value is left when trailing blanks are taken away; nil if there are none.
    private var valueEnd: Int?
    /// The last opening quote of the value at hand.
    private var quote: Int?
    private var form = Form()
    private let plain = PlainBytes.table

    init(bytes: [UInt8], text: consuming DocumentText, comments: CommentGrammar) {
      self.bytes = bytes
      self.text = text
      self.comments = comments
      definitions.reserveCapacity(min(text.lineStarts.count, bytes.count / 2))
    }

    mutating func run() {
      var offset = 0
      while offset < bytes.count {
        let byte = bytes[offset]
        step(byte, at: offset)
        offset += 1
        if byte == Byte.lineFeed {
          line += 1
        } else {
          offset = takePlain(from: offset)
        }
      }
      switch state {
      case .beforeValue, .bare, .bareEscape:
        finish(at: bytes.count)
      case .singleQuoted, .doubleQuoted, .doubleQuotedEscape:
        form.unterminated = quote.map(Form.Offset.init)
        finish(at: bytes.count)
      case .beforeName, .name, .comment, .commentEscape:
        break
      }
    }

    /// Takes the bytes from `offset` that mean only themselves in this state, all at once: nearly
    /// all bytes of a file are such. Returns the offset of the first that does not.
    private mutating func takePlain(from offset: Int) -> Int {
      guard let mask = PlainBytes.mask(state) else { return offset }
      var end = offset
      while end < bytes.count, plain[Int(bytes[end])] & mask != 0 { end += 1 }
      if end == offset || state == .comment { return end }
      if state == .name {
        name = name.lowerBound..<end
      } else {
        text.append(offset..<end, to: &value)
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
          if form.continuation == nil { form.continuation = Form.Offset(offset - 1) }
        } else {
          take(offset)
          if form.escape == nil { form.escape = Form.Offset(offset - 1) }
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
        name = offset..<(offset + 1)
        (nameLine, nameStart) = (line, recordStart)
      }
    }

    private mutating func inName(_ byte: UInt8, at offset: Int) {
      if Byte.isNewline(byte) {
        endLine(at: offset)
      } else if byte == Byte.equals {
        state = .beforeValue
        value = 0..<0
        valueEnd = nil
        form = Form()
        quote = nil
      } else if !Byte.isBlank(byte) {
        name = name.lowerBound..<(offset + 1)
      }
    }

    private mutating func beforeValue(_ byte: UInt8, at offset: Int) {
      if Byte.isNewline(byte) {
        finish(at: offset)
        endLine(at: offset)
        return
      }
      if Byte.isBlank(byte) { return }
      if quote != nil, form.afterQuote == nil { form.afterQuote = Form.Offset(offset) }
      switch byte {
      case Byte.singleQuote, Byte.doubleQuote:
        state = byte == Byte.singleQuote ? .singleQuoted : .doubleQuoted
        quote = offset
      case Byte.backslash:
        state = .bareEscape
      default:
        state = .bare
        noteBare(byte, at: offset)
        take(offset)
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
        take(offset)
      }
    }

    private mutating func inDoubleQuotedEscape(_ byte: UInt8, at offset: Int) {
      state = .doubleQuoted
      switch byte {
      case Byte.doubleQuote, Byte.backslash, Byte.backtick, Byte.dollar:
        take(offset)
        if form.escape == nil { form.escape = Form.Offset(offset - 1) }
      case Byte.lineFeed:
        if form.continuation == nil { form.continuation = Form.Offset(offset - 1) }
      default:
        take(offset - 1)
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
      if Byte.isNewline(byte), form.lineBreak == nil { form.lineBreak = Form.Offset(offset) }
      take(offset)
    }

    /// The byte at `offset` is the next of the value.
    private mutating func take(_ offset: Int) { text.append(offset..<(offset + 1), to: &value) }

    private mutating func noteBare(_ byte: UInt8, at offset: Int) {
      switch byte {
      case Byte.hash:
        if form.hash == nil, Byte.isBlank(bytes[offset - 1]) { form.hash = Form.Offset(offset) }
      case Byte.singleQuote, Byte.doubleQuote:
        if form.strayQuote == nil { form.strayQuote = Form.Offset(offset) }
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
      if state == .bare, let valueEnd { value = value.prefix(valueEnd) }
      if failure == nil, !text.isASCII { failure = textFailure() }
      var end = min(offset + 1, bytes.count)
      if offset + 1 < bytes.count, bytes[offset] == Byte.carriageReturn,
        bytes[offset + 1] == Byte.lineFeed
      {
        end += 1
      }
      let definition = Definition(
        name: text.number(ofNameAt: name), start: name.lowerBound, line: nameLine, value: value,
        range: nameStart..<end, isDropped: !isVariableName(bytes[name]), isOneLine: form.isOneLine)
      if form != .simple {
        oddities.append(Oddity(definition: UInt32(definitions.count), form: form))
      }
      definitions.append(definition)
    }

    private func textFailure() -> String? {
      for (part, range) in [("name", name), ("value", value)] {
        guard let found = UTF8Text.problem(in: text.bytes, range: range) else { continue }
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
