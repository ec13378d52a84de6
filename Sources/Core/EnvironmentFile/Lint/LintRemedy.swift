// SPDX-License-Identifier: Apache-2.0
internal import Model

/// A definition's line as its author meant it, read as a shell would: several words, of which a
/// later one may be another assignment, and perhaps a comment. Neither systemd nor MinIO reads it
/// so.
struct WrittenLine: Sendable {
  /// One `NAME=value` without the quotes.
  struct Assignment: Sendable, Hashable {
    var name: String
    var value: String
  }

  /// The first is the definition itself.
  private(set) var assignments: [Assignment] = []
  private(set) var hasComment = false
  /// Whether nothing stands behind the first closing quote, and the value does not go on without
  /// one.
  private(set) var isWhole = true
  /// Whether every quote is closed and there is no backslash; otherwise nothing here is certain.
  private(set) var isClear = true

  private let bytes: ArraySlice<UInt8>
  private var offset: Int
  /// The current assignment: its name, its value, and how much of that is quoted at its two ends.
  private var name: String
  private var value: [UInt8] = []
  private var keptStart = false
  private var keptEnd = 0

  /// Reads `bytes`, the line from the byte behind `=` of the definition of `name`, without its
  /// ending.
  init(name: String, _ bytes: ArraySlice<UInt8>) {
    self.name = name
    self.bytes = bytes
    offset = bytes.startIndex
    readWords()
    endAssignment()
  }

  private mutating func readWords() {
    var isFirst = true
    while offset < bytes.endIndex {
      let start = offset
      while offset < bytes.endIndex, Byte.isBlank(bytes[offset]) { offset += 1 }
      guard offset < bytes.endIndex else { return }
      if offset > start {
        if bytes[offset] == Byte.hash {
          hasComment = true
          return
        }
        if !isFirst, beginAssignment() { continue }
        if !isFirst { value += Array(repeating: Byte.space, count: offset - start) }
      }
      readWord(isFirst: isFirst)
      isFirst = false
    }
  }

  /// Begins another assignment if the word begins with `NAME=`, in capitals as all such variables
  /// are.
  private mutating func beginAssignment() -> Bool {
    let next = bytes[offset...].prefix { $0.isCapital || $0.isDigit || $0 == 0x5F }
    guard let first = next.first, Byte.isNameStart(first), next.endIndex < bytes.endIndex,
      bytes[next.endIndex] == Byte.equals
    else { return false }
    // What separates two commands in a shell.
    if value.count > keptEnd, value.last == Byte.semicolon { value.removeLast() }
    endAssignment()
    name = String(decoding: next, as: UTF8.self)
    offset = next.endIndex + 1
    if offset < bytes.endIndex, !Byte.isBlank(bytes[offset]) { readWord(isFirst: true) }
    return true
  }

  private mutating func readWord(isFirst: Bool) {
    var isBare = false
    while offset < bytes.endIndex, !Byte.isBlank(bytes[offset]) {
      let byte = bytes[offset]
      // Within a bare word a quote is one for a shell only.
      if !isBare, byte == Byte.singleQuote || byte == Byte.doubleQuote {
        if isFirst, value.isEmpty, keptEnd == 0 { keptStart = true } else { isWhole = false }
        readQuoted(until: byte)
        continue
      }
      let next = offset + 1
      let isEnd = next == bytes.endIndex || Byte.isBlank(bytes[next])
      if byte == Byte.semicolon, isEnd, !isBare, keptEnd == value.count, keptStart {
        isWhole = false
        offset += 1
        continue
      }
      if byte == Byte.backslash { isClear = false }
      if keptStart || !isFirst { isWhole = false }
      isBare = true
      value.append(byte)
      offset += 1
    }
  }

  private mutating func readQuoted(until quote: UInt8) {
    offset += 1
    while offset < bytes.endIndex, bytes[offset] != quote {
      if quote == Byte.doubleQuote, bytes[offset] == Byte.backslash { isClear = false }
      value.append(bytes[offset])
      offset += 1
    }
    if offset == bytes.endIndex { isClear = false } else { offset += 1 }
    keptEnd = value.count
  }

  /// Invisible white space at an end outside quotes is not meant.
  private mutating func endAssignment() {
    let trimmed = MinIOScan.trimmed(value, value.indices)
    let start = keptStart ? 0 : trimmed.lowerBound
    let end = max(start, max(trimmed.upperBound, keptEnd))
    assignments.append(
      Assignment(name: name, value: String(decoding: value[start..<end], as: UTF8.self)))
    value = []
    (keptStart, keptEnd) = (false, 0)
  }
}

extension Lint {
  /// What to write instead: the line itself where it may be shown, and what was meant is plain.
  func safeForm(_ definition: Definition) -> String {
    let variable = text.variable(definition)
    let name = Self.plainName(variable.name)
    if name.hasPrefix("export") {
      return "give the variable a name that does not begin with 'export'"
    }
    guard variable.isOneLine, let written = written(definition, name), written.isClear else {
      return form(of: name, value: isShowable(variable) ? variable.value : nil)
    }
    let values = written.assignments
    if values.count > 1 {
      let lines = values.compactMap { line(of: $0.name, value: $0.value) }
      let advice = "write one assignment a line"
      if lines.count < values.count { return advice }
      return "\(advice): \(lines.map { "`\($0)`" }.joined(separator: ", "))"
    }
    let isAsRead = written.isWhole && !written.hasComment && !hasBlankEnd(variable.value)
    let value = isAsRead ? variable.value : values[0].value
    let comment = written.hasComment ? "move the comment to a line of its own and " : ""
    // A part of a hidden value is hidden too.
    let isShown = isShowable(variable) && (showsSecrets || isShowable(name, value))
    return comment + form(of: name, value: isShown ? value : nil)
  }

  /// The name that was meant: what follows the `export` of a shell.
  private static func plainName(_ name: String) -> String {
    if isVariableName(name) { return name }
    let words = name.utf8.split(whereSeparator: Byte.isBlank).map {
      String(decoding: $0, as: UTF8.self)
    }
    return words.count == 2 && words[0] == "export" && isVariableName(words[1]) ? words[1] : "NAME"
  }

  private func form(of name: String, value: String?) -> String {
    if let value, let line = try? CanonicalForm.line(name: name, value: value) {
      return "write it as \(line)"
    }
    return
      "write it as \(name)=\"...\", the whole value in one pair of quotes, without \\, \", `, $ and control characters"
  }

  private func line(of name: String, value: String) -> String? {
    guard showsSecrets || isShowable(name, value) && value.utf8.count <= 200 else { return nil }
    return try? CanonicalForm.line(name: name, value: value)
  }

  private func hasBlankEnd(_ value: String) -> Bool {
    let bytes = Array(value.utf8)
    return MinIOScan.trimmed(bytes, bytes.indices) != bytes.indices
  }

  /// The definition's line as it is written; nil if there is no `=` in that line.
  private func written(_ definition: Definition, _ name: String) -> WrittenLine? {
    let line = bytes[Int(definition.start)...].prefix { !Byte.isNewline($0) }
    guard let equals = line.firstIndex(of: Byte.equals) else { return nil }
    return WrittenLine(name: name, line[(equals + 1)...])
  }
}
