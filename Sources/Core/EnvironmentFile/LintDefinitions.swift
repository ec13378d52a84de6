internal import Model

// The rules on definitions, names, and what each reader makes of them.
extension Lint {
  mutating func checkDefinitions() {
    for oddity in document.current.oddities { checkForm(of: oddity.variable, oddity.form) }
    for variable in document.systemd.definitions where variable.isDropped {
      checkDropped(variable)
    }
  }

  private mutating func checkForm(of variable: Variable, _ form: EnvironmentDocument.Form) {
    let name = variable.name
    if let offset = form.unterminated {
      add(
        .error, .unterminatedQuote, at: offset, variable: name,
        "the quote is never closed: systemd takes the rest of the file for the value",
        remedy: "close the quote on the same line")
    } else if let offset = form.lineBreak {
      add(
        .error, .multiLineValue, at: offset, variable: name,
        "the value goes on in the next line, which MinIO's own reader takes for a line of its own",
        remedy: "write the value on one line, or close the quote")
    }
    if let offset = form.continuation {
      add(
        .error, .continuation, at: offset, variable: name,
        "systemd joins the next line to this one, MinIO's own reader keeps the backslash",
        remedy: "write the value on one line, without the backslash")
    }
    if let offset = form.escape, !isOnlyCounted(.error, .escape) {
      add(
        .error, .escape, at: offset, variable: name,
        "systemd takes the backslash away, MinIO's own reader keeps it", remedy: safeForm(variable))
    }
    if let offset = form.afterQuote, form.unterminated == nil {
      if bytes[offset] == Byte.hash {
        addInlineComment(variable, at: offset)
      } else if !isOnlyCounted(.error, .textAfterQuote) {
        add(
          .error, .textAfterQuote, at: offset, variable: name,
          "text behind the closing quote: systemd joins the parts, MinIO's own reader does not",
          remedy: safeForm(variable))
      }
    } else if let offset = form.hash {
      addInlineComment(variable, at: offset)
    }
    if let offset = form.strayQuote, form.afterQuote == nil, !isOnlyCounted(.warning, .strayQuote) {
      add(
        .warning, .strayQuote, at: offset, variable: name,
        "a quote that does not begin the value is part of it for systemd and MinIO; a shell takes it away",
        remedy: "if its counterpart was lost, put that back; else " + safeForm(variable))
    }
  }

  private mutating func addInlineComment(_ variable: Variable, at offset: Int) {
    add(
      .warning, .inlineComment, at: offset, variable: variable.name,
      "there are no comments behind a value: what follows '#' becomes part of it",
      remedy: "move the comment to a line of its own; if it is part of the value, quote the value")
  }

  private mutating func checkDropped(_ variable: Variable) {
    let line = lineStarts[variable.line - 1]
    let isKnownCause =
      (line == 0 && bytes.starts(with: [0xEF, 0xBB, 0xBF]))
      || variable.name.utf8.starts(with: "export ".utf8)
      || variable.name.utf8.starts(with: "export\t".utf8)
    if isKnownCause { return }
    add(
      .error, .invalidName, at: offset(of: variable),
      "the name is not made of letters, digits and '_': systemd ignores the entry and prints all of it, "
        + "the value too, in the journal", remedy: "correct the name or remove the line")
  }

  mutating func checkDuplicates() {
    var first: [String: Variable] = [:]
    for variable in document.systemd.definitions where !variable.isDropped {
      guard let earlier = first[variable.name] else {
        first[variable.name] = variable
        continue
      }
      let isSame = isSameText(earlier.value, variable.value)
      let isGrave = !isSame || variable.name.hasPrefix("MINIO_KMS_")
      if isOnlyCounted(isGrave ? .error : .warning, .duplicateKey) { continue }
      add(
        isGrave ? .error : .warning, .duplicateKey, at: offset(of: variable),
        variable: variable.name,
        "it is already defined on line \(earlier.line)\(isSame ? "" : " with another value"); the last "
          + "definition wins", remedy: "keep one definition and remove the others")
    }
  }

  mutating func checkNames() {
    for variable in document.current.reading.effective {
      let name = variable.name
      let isMinIO = zip(name.utf8, "MINIO".utf8).allSatisfy { $0 & 0xDF == $1 }
      guard name.utf8.count > 5, isMinIO else { continue }
      guard let (severity, message, remedy) = KnownVariables.complaint(about: name) else {
        continue
      }
      add(
        severity, .unknownVariable, at: offset(of: variable), variable: name, message,
        remedy: remedy)
    }
  }

  // MARK: - Where the readers differ

  mutating func checkReaders() {
    let (systemd, minio) = (document.current.reading, document.own.reading)
    for (index, variable) in systemd.effective.enumerated() {
      let other = minio.wouldBe(variable.name, at: index)
      if isSameText(variable.value, other?.value) { continue }
      let onlyBlanks = other.map { isSameText(trimmed($0.value), trimmed(variable.value)) } ?? false
      if isOnlyCounted(onlyBlanks ? .warning : .error, .readersDiffer) { continue }
      let theirs = other.map { isShowable(variable) ? shown($0) : "another value" } ?? "none"
      add(
        onlyBlanks ? .warning : .error, .readersDiffer, at: offset(of: variable),
        variable: variable.name,
        "systemd reads \(shown(variable)), MinIO's own reader \(theirs)", remedy: safeForm(variable)
      )
    }
    for (index, variable) in minio.effective.enumerated()
    where systemd.wouldBe(variable.name, at: index) == nil {
      if !isVariableName(variable.name) || isStray(variable)
        || isOnlyCounted(.error, .readersDiffer)
      {
        continue
      }
      add(
        .error, .readersDiffer, at: offset(of: variable), variable: variable.name,
        "systemd has no such variable, MinIO's own reader \(shown(variable))",
        remedy: safeForm(variable))
    }
  }

  private func trimmed(_ text: String) -> String {
    let bytes = Array(text.utf8)
    return String(decoding: bytes[MinIOScan.trimmed(bytes, bytes.indices)], as: UTF8.self)
  }
}
