// SPDX-License-Identifier: Apache-2.0
internal import Model

// What a shell that sources the file makes of it, where nothing else is wrong.
extension Lint {
  mutating func checkShell() {
    // A line with another finding must be corrected in any case, and so must a file with so many
    // that not all are shown.
    if hasMore { return }
    let scan = ShellScan(document)
    var isFound = [Bool](repeating: false, count: text.lineStarts.count + 1)
    var isExpanded = isFound
    for finding in findings { if let line = finding.line { isFound[line] = true } }
    var line = 1
    for (place, problem) in scan.problems {
      let offset = Int(place)
      line = text.line(of: offset, near: line)
      if problem == .expansion {
        if !isExpanded[line] { addExpansion(at: offset) }
        isExpanded[line] = true
      } else if !isFound[line] {
        isFound[line] = true
        if bytes[offset] != Byte.carriageReturn { addProblem(problem, at: offset) }
      }
    }
    let (systemd, minio) = (document.current.definitions, document.own.definitions)
    for number in systemd.names {
      guard let definition = systemd[number], !isFound[Int(definition.line)],
        let shell = scan.value(of: Int(number))?.slice, let other = minio[number],
        text.isSame(definition.value, other.value), shell != definition.value
      else { continue }
      let (theirs, value) = (scan.text[shell], text[definition.value])
      // In a file with CR LF the shell's has a carriage return more; another finding says so.
      if theirs.elementsEqual(value)
        || theirs.dropLast().elementsEqual(value) && theirs.last == Byte.carriageReturn
      {
        continue
      }
      if isOnlyCounted(.note, .shellDiffers) { continue }
      add(
        .note, .shellDiffers, at: Int(definition.start), variable: variable(definition),
        "systemd and MinIO's own reader read \(shown(definition)), a shell that sources the file does not",
        remedy: safeForm(definition))
    }
  }

  private mutating func addExpansion(at offset: Int) {
    if isOnlyCounted(.note, .noExpansion) { return }
    add(
      .note, .noExpansion, at: offset, variable: definition(at: offset).map(variable),
      "neither systemd nor MinIO's own reader expands '\(Character(Unicode.Scalar(bytes[offset])))'; a shell "
        + "that sources the file does",
      remedy: "write the value itself, in single quotes if it is meant so")
  }

  private mutating func addProblem(_ problem: ShellScan.Problem, at offset: Int) {
    if isOnlyCounted(.warning, .shellDiffers) { return }
    let definition = definition(at: offset)
    let character = Character(Unicode.Scalar(bytes[offset]))
    let message =
      switch problem {
      case .command:
        "a shell that sources the file runs this as a command"
          + (definition == nil ? "" : ", and does not keep the variable")
      case .operator: "a shell that sources the file takes '\(character)' for an operator"
      case .unterminated, .expansion:
        "what '\(character)' opens is never closed for a shell that sources the file: it stops here"
      }
    add(
      .warning, .shellDiffers, at: offset, variable: definition.map(variable), message,
      remedy: definition.map(safeForm) ?? "write NAME=\"value\"")
  }

  /// systemd's definition that the byte at `offset` is a part of.
  private func definition(at offset: Int) -> Definition? {
    let definitions = document.current.definitions.all
    var (low, high) = (0, definitions.count)
    while low < high {
      let middle = (low + high) / 2
      if definitions[middle].range.range.upperBound <= offset {
        low = middle + 1
      } else {
        high = middle
      }
    }
    guard low < definitions.count else { return nil }
    return definitions[low].range.range.contains(offset) ? definitions[low] : nil
  }
}
