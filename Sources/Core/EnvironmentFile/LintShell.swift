internal import Model

// What a shell that sources the file makes of it, where nothing else is wrong.
extension Lint {
  mutating func checkShell() {
    // A line with another finding has to be corrected in any case, and so has a file with so many that not all
    // are shown.
    if hasMore { return }
    let scan = ShellScan(bytes)
    var lines = Set(findings.compactMap(\.line))
    var expanded: Set<Int> = []
    for (offset, problem) in scan.problems {
      let line = place(of: offset).line
      if problem == .expansion {
        if expanded.insert(line).inserted { addExpansion(at: offset) }
      } else if lines.insert(line).inserted, bytes[offset] != Byte.carriageReturn {
        addProblem(problem, at: offset)
      }
    }
    let (systemd, minio) = (document.current.reading, document.own.reading)
    for (index, variable) in systemd.effective.enumerated() where !lines.contains(variable.line) {
      guard let shell = scan.values[variable.name]?.bytes,
        isSameText(variable.value, minio.wouldBe(variable.name, at: index)?.value)
      else { continue }
      let value = variable.value.utf8
      // In a file with CR LF it has a carriage return more; that is said once.
      if shell.elementsEqual(value)
        || shell.dropLast().elementsEqual(value) && shell.last == Byte.carriageReturn
      {
        continue
      }
      if isOnlyCounted(.note, .shellDiffers) { continue }
      add(
        .note, .shellDiffers, at: offset(of: variable), variable: variable.name,
        "systemd and MinIO's own reader read \(shown(variable)), a shell that sources the file does not",
        remedy: safeForm(variable))
    }
  }

  private mutating func addExpansion(at offset: Int) {
    if isOnlyCounted(.note, .noExpansion) { return }
    add(
      .note, .noExpansion, at: offset, variable: definition(at: offset)?.name,
      "neither systemd nor MinIO's own reader expands '\(Character(Unicode.Scalar(bytes[offset])))'; a shell "
        + "that sources the file does",
      remedy: "write the value itself, in single quotes if it is meant so")
  }

  private mutating func addProblem(_ problem: ShellScan.Problem, at offset: Int) {
    if isOnlyCounted(.warning, .shellDiffers) { return }
    let variable = definition(at: offset)
    let character = Character(Unicode.Scalar(bytes[offset]))
    let message =
      switch problem {
      case .command:
        "a shell that sources the file runs this as a command"
          + (variable == nil ? "" : ", and does not keep the variable")
      case .operator: "a shell that sources the file takes '\(character)' for an operator"
      case .unterminated, .expansion:
        "what '\(character)' opens is never closed for a shell that sources the file: it stops here"
      }
    add(
      .warning, .shellDiffers, at: offset, variable: variable?.name, message,
      remedy: variable.map(safeForm) ?? "write NAME=\"value\"")
  }

  /// systemd's definition that the byte at `offset` is a part of.
  private func definition(at offset: Int) -> Variable? {
    let definitions = document.current.reading.definitions
    var (low, high) = (0, definitions.count)
    while low < high {
      let middle = (low + high) / 2
      if definitions[middle].range.upperBound <= offset { low = middle + 1 } else { high = middle }
    }
    guard low < definitions.count, definitions[low].range.contains(offset) else { return nil }
    return definitions[low]
  }
}
