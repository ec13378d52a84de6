// SPDX-License-Identifier: Apache-2.0
internal import Model

// The rules on definitions, names, and what each reader makes of them.
extension Lint {
  mutating func checkDefinitions() {
    let definitions = document.current.definitions.all
    for oddity in document.current.oddities {
      checkForm(of: definitions[Int(oddity.definition)], oddity.form)
    }
    for definition in definitions where definition.isDropped { checkDropped(definition) }
  }

  private mutating func checkForm(of definition: Definition, _ form: EnvironmentDocument.Form) {
    if let offset = form.unterminated {
      addForm(
        .error, .unterminatedQuote, at: offset, definition,
        "the quote is never closed: systemd takes the rest of the file for the value",
        remedy: "close the quote on the same line")
    } else if let offset = form.lineBreak {
      addForm(
        .error, .multiLineValue, at: offset, definition,
        "the value goes on in the next line, which MinIO's own reader takes for a line of its own",
        remedy: "write the value on one line, or close the quote")
    }
    if let offset = form.continuation {
      addForm(
        .error, .continuation, at: offset, definition,
        "systemd joins the next line to this one, MinIO's own reader keeps the backslash",
        remedy: "write the value on one line, without the backslash")
    }
    if let offset = form.escape {
      addForm(
        .error, .escape, at: offset, definition,
        "systemd takes the backslash away, MinIO's own reader keeps it")
    }
    if let offset = form.afterQuote, form.unterminated == nil {
      if bytes[Int(offset)] == Byte.hash {
        addInlineComment(definition, at: offset)
      } else {
        addForm(
          .error, .textAfterQuote, at: offset, definition,
          "text behind the closing quote: systemd joins the parts, MinIO's own reader does not")
      }
    } else if let offset = form.hash {
      addInlineComment(definition, at: offset)
    }
    if let offset = form.strayQuote, form.afterQuote == nil, !isOnlyCounted(.warning, .strayQuote) {
      addForm(
        .warning, .strayQuote, at: offset, definition,
        "a quote that does not begin the value is part of it for systemd and MinIO; a shell takes it away",
        remedy: "if its counterpart was lost, put that back; else " + safeForm(definition))
    }
  }

  /// The remedy is the safe form unless another one is given.
  private mutating func addForm(
    _ severity: Severity, _ rule: LintRule, at offset: EnvironmentDocument.Form.Offset,
    _ definition: Definition, _ message: String, remedy: String? = nil
  ) {
    if isOnlyCounted(severity, rule) { return }
    add(
      severity, rule, at: Int(offset), variable: variable(definition), message,
      remedy: remedy ?? safeForm(definition))
  }

  private mutating func addInlineComment(
    _ definition: Definition, at offset: EnvironmentDocument.Form.Offset
  ) {
    addForm(
      .warning, .inlineComment, at: offset, definition,
      "there are no comments behind a value: what follows '#' becomes part of it",
      remedy: "move the comment to a line of its own; if it is part of the value, quote the value")
  }

  private mutating func checkDropped(_ definition: Definition) {
    let hasByteOrderMark = definition.line == 1 && bytes.starts(with: [0xEF, 0xBB, 0xBF])
    let rest = name(definition)
    let isExport =
      rest.starts(with: Self.export) && rest.dropFirst(6).first.map(Byte.isBlank) ?? false
    if hasByteOrderMark || isExport { return }
    add(
      .error, .invalidName, at: Int(definition.start),
      "the name is not made of letters, digits and '_': systemd ignores the entry and prints all of it, "
        + "the value too, in the journal", remedy: "correct the name or remove the line")
  }

  static let export = Array("export".utf8)

  mutating func checkDuplicates() {
    let definitions = document.current.definitions.all
    // For each name the index of its first definition.
    var first = [Int32](repeating: -1, count: text.nameCount)
    for (index, definition) in definitions.enumerated() where !definition.isDropped {
      if first[Int(definition.name)] < 0 {
        first[Int(definition.name)] = Int32(index)
        continue
      }
      let earlier = definitions[Int(first[Int(definition.name)])]
      let isSame = text.isSame(earlier.value, definition.value)
      let isGrave = !isSame || name(definition).starts(with: KnownVariables.keyManagerPrefix)
      if isOnlyCounted(isGrave ? .error : .warning, .duplicateKey) { continue }
      add(
        isGrave ? .error : .warning, .duplicateKey, at: Int(definition.start),
        variable: variable(definition),
        "it is already defined on line \(earlier.line)\(isSame ? "" : " with another value"); the last "
          + "definition wins", remedy: "keep one definition and remove the others")
    }
  }

  mutating func checkNames() {
    let systemd = document.current.definitions
    for number in systemd.names {
      let name = text[text.name(Int(number))]
      let isMinIO = zip(name, "MINIO".utf8).allSatisfy { $0 & 0xDF == $1 }
      guard name.count > 5, isMinIO, !KnownVariables.isKnown(name), let definition = systemd[number]
      else { continue }
      if isDecided(.unknownVariable), isOnlyCounted(.error, .unknownVariable) { continue }
      guard
        let (severity, message, remedy) = KnownVariables.complaint(KnownVariables.verdict(name)),
        !isOnlyCounted(severity, .unknownVariable)
      else { continue }
      add(
        severity, .unknownVariable, at: Int(definition.start), variable: variable(definition),
        message, remedy: remedy)
    }
  }

  // MARK: - Where the readers differ

  mutating func checkReaders() {
    let (systemd, minio) = (document.current.definitions, document.own.definitions)
    for number in systemd.names {
      guard let definition = systemd[number] else { continue }
      let other = minio[number]
      if let other, text.isSame(definition.value, other.value) { continue }
      let onlyBlanks = other.map { isSameTrimmed($0.value, definition.value) } ?? false
      let severity: Severity = onlyBlanks ? .warning : .error
      if isOnlyCounted(severity, .readersDiffer) { continue }
      let theirs = other.map { isShowable(definition) ? shown($0) : "another value" } ?? "none"
      add(
        severity, .readersDiffer, at: Int(definition.start), variable: variable(definition),
        "systemd reads \(shown(definition)), MinIO's own reader \(theirs)",
        remedy: safeForm(definition))
    }
    for number in minio.names where systemd[number] == nil {
      guard let definition = minio[number], isVariableName(name(definition)),
        !isStray(definition), !isOnlyCounted(.error, .readersDiffer)
      else { continue }
      add(
        .error, .readersDiffer, at: Int(definition.start), variable: variable(definition),
        "systemd has no such variable, MinIO's own reader \(shown(definition))",
        remedy: safeForm(definition))
    }
  }

  private func isSameTrimmed(_ a: DocumentText.Slice, _ b: DocumentText.Slice) -> Bool {
    func trimmed(_ slice: DocumentText.Slice) -> DocumentText.Slice {
      .init(MinIOScan.trimmed(text.bytes, slice.range))
    }
    return text.isSame(trimmed(a), trimmed(b))
  }
}
