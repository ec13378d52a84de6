// SPDX-License-Identifier: Apache-2.0
internal import Model

// The rules on bytes, lines and comments.
extension Lint {
  mutating func checkSize() {
    if bytes.count > Limits.environmentFileBytes {
      add(
        .error, .fileTooLarge, at: 0,
        "the file has \(bytes.count) bytes, \(Limits.environmentFileBytes) are allowed",
        remedy: "keep only variables in it")
    }
  }

  mutating func checkBytes() {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
      add(
        .error, .byteOrderMark, at: 0,
        "a byte order mark stands at the beginning: both readers take it for part of the first name",
        remedy: "save the file as UTF-8 without a byte order mark")
    }
    checkCarriageReturns()
    if !isPlain(bytes[...]) { MinIOScan.forEachLine(of: bytes) { checkText($0) } }
    for line in document.own.tooLong {
      add(
        .error, .lineTooLong, at: line.range.lowerBound,
        "the line has \(line.range.count) bytes, MinIO's own reader refuses a file with a line of more than "
          + "\(MinIOScan.lineBytes - 1)", remedy: "shorten the line")
    }
  }

  private mutating func checkCarriageReturns() {
    var firstPair: Int?
    for offset in bytes.indices where bytes[offset] == Byte.carriageReturn {
      if offset + 1 < bytes.count, bytes[offset + 1] == Byte.lineFeed {
        firstPair = firstPair ?? offset
      } else {
        add(
          .error, .loneCarriageReturn, at: offset,
          "a carriage return without a line feed ends a line for systemd, not for MinIO's own reader",
          remedy: "end every line with a line feed")
      }
    }
    if let firstPair {
      add(
        .warning, .carriageReturns, at: firstPair,
        "lines end in CR LF: systemd and MinIO take it, a shell makes CR part of the value",
        remedy: "end every line with a line feed only")
    }
  }

  /// One finding of each kind for a line. In comments nothing is refused.
  private mutating func checkText(_ whole: MinIOScan.Line) {
    let line = whole.range
    if isPlain(bytes[line]) { return }
    let first = bytes[line].first { !Byte.isWhitespace($0) }
    let isComment =
      (first == Byte.hash || first == Byte.semicolon) && !isWithinValue(line: whole.number)
    let severity: Severity = isComment ? .warning : .error
    if let nul = bytes[line].firstIndex(of: 0) {
      add(
        .error, .nulByte, at: nul, "a NUL byte: systemd refuses the whole file",
        remedy: "remove it; the file may be damaged or in UTF-16")
    }
    if let control = firstControl(line), !isOnlyCounted(severity, .controlCharacter) {
      add(
        severity, .controlCharacter, at: control,
        "the control character \(CanonicalForm.hexadecimal(bytes[control]))"
          + (isComment ? " in a comment" : ": both readers make it part of the name or value"),
        remedy: "remove it")
    }
    let found = UTF8Text.problem(in: bytes, range: line)
    if !isComment, found == nil { checkLookAlikes(line) }
    if let found,
      !isOnlyCounted(severity, found.problem == .malformed ? .invalidUTF8 : .noncharacter)
    {
      let effect = isComment ? "here in a comment" : "systemd refuses the whole file"
      switch found.problem {
      case .malformed:
        add(
          severity, .invalidUTF8, at: found.offset, "bytes that are no UTF-8: \(effect)",
          remedy: "save the file as UTF-8")
      case .noncharacter:
        add(
          severity, .noncharacter, at: found.offset, "a Unicode noncharacter: \(effect)",
          remedy: "remove it")
      }
    }
  }

  /// A character that people take for another, outside comments.
  private mutating func checkLookAlikes(_ line: Range<Int>) {
    var next = line.lowerBound
    while next < line.upperBound {
      let offset = next
      if bytes[offset] < 0x80 {
        next += 1
        continue
      }
      guard let (scalar, length) = UTF8Text.decode(bytes, at: offset, end: line.upperBound) else {
        return
      }
      next += length
      let looks: String? =
        switch scalar {
        case 0xA0, 0x2000...0x200A, 0x202F, 0x205F, 0x3000: "looks like a blank"
        case 0x2010...0x2015, 0x2212: "looks like '-'"
        case 0x2018...0x201F, 0x2032, 0x2033: "looks like a quote"
        case 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F: "cannot be seen"
        case 0xFEFF: offset == 0 ? nil : "cannot be seen"
        default: nil
        }
      guard let looks else { continue }
      if isOnlyCounted(.warning, .lookAlike) { return }
      let code = String(scalar, radix: 16, uppercase: true)
      add(
        .warning, .lookAlike, at: offset,
        "the character U+\(code.count < 4 ? "00" + code : code) \(looks): both readers make it part of the "
          + "name or value, but MinIO's own takes blanks of all kinds from the ends of a line",
        remedy: "type the ASCII character instead, or remove it")
      return
    }
  }

  /// Whether there are only printable ASCII, tabs and line endings, as in nearly all files.
  private func isPlain(_ part: ArraySlice<UInt8>) -> Bool {
    part.allSatisfy { (0x20...0x7E).contains($0) || $0 == Byte.tab || Byte.isNewline($0) }
  }

  private func firstControl(_ line: Range<Int>) -> Int? {
    line.first { offset in
      let byte = bytes[offset]
      if byte == 0 || byte == Byte.tab || byte == Byte.carriageReturn { return false }
      if Byte.isControl(byte) { return true }
      return (0x80...0x9F).contains(byte) && offset > line.lowerBound && bytes[offset - 1] == 0xC2
    }
  }

  mutating func checkLines() {
    for line in document.own.malformed where !isWithinValue(line: line.number) {
      let text = MinIOScan.trimmed(bytes, line.range)
      if bytes[text.lowerBound] == Byte.semicolon {
        add(
          .error, .semicolonComment, at: text.lowerBound,
          "only systemd takes ';' for a comment, MinIO's own reader refuses the whole file",
          remedy: "begin the comment with '#'")
      } else if !bytes.starts(with: [0xEF, 0xBB, 0xBF]) || line.number > 1 {
        add(
          .error, .noEquals, at: text.lowerBound,
          "a line without '=': systemd ignores it, MinIO's own reader refuses the whole file",
          remedy: "write NAME=\"value\", or begin the line with '#' if it is a comment")
      }
    }
    for index in document.own.oddities {
      let definition = document.own.definitions.all[Int(index)]
      if !isWithinValue(line: Int(definition.line)) { checkLine(of: definition) }
    }
  }

  private mutating func checkLine(of definition: Definition) {
    let text = MinIOScan.trimmed(bytes, definition.range.range)
    if bytes[text.lowerBound] == Byte.semicolon {
      add(
        .error, .semicolonComment, at: text.lowerBound,
        "only systemd takes ';' for a comment, MinIO's own reader defines a variable here",
        remedy: "begin the comment with '#'")
      return
    }
    if bytes[text].starts(with: Self.export), !isOnlyCounted(.error, .export) {
      let isWord = bytes[text].dropFirst(6).first.map(Byte.isBlank) ?? false
      add(
        .error, .export, at: text.lowerBound, variable: variable(definition),
        isWord
          ? "'export' is only for shells: systemd ignores the line"
          : "MinIO's own reader takes 'export' away from the beginning of the name, systemd does not",
        remedy: isWord ? "write the line without 'export'" : "give the variable another name")
    }
    guard let equals = bytes[text].firstIndex(of: Byte.equals) else { return }
    let hasBefore = equals > text.lowerBound && Byte.isBlank(bytes[equals - 1])
    let hasAfter = equals + 1 < text.upperBound && Byte.isBlank(bytes[equals + 1])
    let name = bytes[text.lowerBound..<equals].prefix { !Byte.isBlank($0) }
    if !hasBefore && !hasAfter || isOnlyCounted(hasBefore ? .error : .warning, .blanksAroundEquals)
    {
      return
    }
    if hasBefore {
      add(
        .error, .blanksAroundEquals, at: equals - 1,
        variable: String(decoding: name, as: UTF8.self),
        "a blank before '=': MinIO's own reader makes it part of the name",
        remedy: "write NAME=\"value\" without blanks around '='")
    } else {
      add(
        .warning, .blanksAroundEquals, at: equals + 1, variable: variable(definition),
        "a blank after '=': MinIO's own reader makes it part of the value",
        remedy: "write NAME=\"value\" without blanks around '='")
    }
  }

  mutating func checkComments() {
    for offset in document.current.escapedComments {
      let line = place(of: offset).line
      let next = line < text.lineStarts.count ? Int(text.lineStarts[line]) : bytes.count
      let end = bytes[next...].firstIndex(of: Byte.lineFeed) ?? bytes.count
      let first = bytes[next..<end].first { !Byte.isWhitespace($0) }
      let swallows = first != nil && first != Byte.hash && first != Byte.semicolon
      if isOnlyCounted(swallows ? .error : .warning, .commentBackslash) { continue }
      add(
        swallows ? .error : .warning, .commentBackslash, at: offset,
        "a comment ends in a backslash: before v254 systemd takes the next line for a part of it"
          + (swallows ? ", and that line is no comment" : ""), remedy: "remove the backslash")
    }
  }
}
