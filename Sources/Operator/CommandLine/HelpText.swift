// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The help texts, made from the table of commands: examples first, exit codes last.
struct HelpText {
  let table: CommandTable
  /// How wide a line may be.
  let columns: Int

  private static let optionWidth = 32
  /// Beyond that a line is hard to read.
  private static let mostColumns = 100
  private static let leastColumns = 60

  /// The help for a terminal of this width; nil: for none.
  init(_ table: CommandTable, columns: Int? = nil) {
    self.table = table
    self.columns = min(max(columns ?? 80, Self.leastColumns), Self.mostColumns)
  }

  var program: String {
    var lines = wrapped("\(table.program): \(table.summary)") + ["", "Commands:"]
    lines += list(table.commands)
    lines += ["", "Options of every command:"]
    lines += options(table.commonOptions)
    lines += entry("      --version", Self.optionWidth, "the version, before any command")
    lines += ["", "Exit codes:"]
    lines += exitCodes(ExitCode.allCases)
    lines += entry("  130", 6, "interrupted; nothing was touched (but see keyturn help apply)")
    return Self.text(lines)
  }

  /// What there is of a word with which several commands begin.
  func group(_ commands: [CommandRule]) -> String {
    Self.text(list(commands) + ["", "keyturn help COMMAND says more of one."])
  }

  func command(_ command: CommandRule) -> String {
    var lines = wrapped("\(table.program) \(command.name): \(command.summary)") + ["", "Examples:"]
    for example in command.examples {
      lines += ["  \(example.line)", "      \(example.purpose)"]
    }
    let operands =
      command.operands.map { " \($0)" }.joined()
      + command.optionalOperands.map { " [\($0)]" }.joined()
    let required = command.options.filter(\.isRequired).map { " \($0.usage)" }.joined()
    let optional = command.options.contains { !$0.isRequired } ? " [OPTIONS]" : ""
    lines += ["", "Usage: \(table.program) \(command.name)\(operands)\(required)\(optional)"]
    for paragraph in command.paragraphs { lines += [""] + wrapped(paragraph) }
    lines += ["", "Options:"]
    lines += options(command.options + table.commonOptions)
    lines += ["", "Exit codes:"]
    lines += exitCodes((command.exitCodes + [.usage]).sorted { $0.rawValue < $1.rawValue })
    return Self.text(lines)
  }

  private func list(_ commands: [CommandRule]) -> [String] {
    let width = (table.commands.map(\.name.count).max() ?? 0) + 4
    return commands.flatMap { entry("  \($0.name)", width, $0.summary) }
  }

  private func options(_ rules: [OptionRule]) -> [String] {
    rules.flatMap { rule in
      entry(
        "  " + (rule.short.map { "-\($0), " } ?? "    ") + rule.usage, Self.optionWidth, rule.help)
    }
  }

  private func exitCodes(_ codes: [ExitCode]) -> [String] {
    codes.flatMap { entry("  \($0.rawValue)", 6, $0.meaning) }
  }

  /// A name, and beside it what it is.
  private func entry(_ name: String, _ width: Int, _ text: String) -> [String] {
    let padding = String(repeating: " ", count: max(1, width - name.count))
    return Wrapping.lines(name + padding + text, columns: columns, indent: width)
  }

  private func wrapped(_ text: String) -> [String] { Wrapping.lines(text, columns: columns) }

  private static func text(_ lines: [String]) -> String { lines.joined(separator: "\n") + "\n" }
}
