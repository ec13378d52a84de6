// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The help texts, made from the table of commands: examples first, exit codes last.
struct HelpText {
  /// Of a line, at most.
  let columns: Int

  private static let common = CommonOptions().declared.map(\.rule)
  private static let optionWidth = 32
  /// A longer line is hard to read.
  private static let mostColumns = 100
  private static let leastColumns = 60

  /// `columns`: of the terminal; nil for none.
  init(columns: Int? = nil) {
    self.columns = min(max(columns ?? 80, Self.leastColumns), Self.mostColumns)
  }

  var program: String {
    var lines = wrapped("\(CommandTable.program): \(CommandTable.summary)") + ["", "Commands:"]
    lines += list(CommandTable.commands)
    lines += ["", "Options of every command:"]
    lines += options(Self.common)
    lines += entry("  -V, --version", Self.optionWidth, "the version, in place of a command")
    lines += ["", "Exit codes:"]
    lines += exitCodes(ExitCode.allCases)
    lines += entry("  130", 6, "interrupted; nothing was touched (but see keyturn help apply)")
    return Self.text(lines)
  }

  /// For a line without a command.
  var short: String {
    Self.text(
      wrapped("\(CommandTable.program): \(CommandTable.summary)") + [""]
        + list(CommandTable.commands)
        + ["", "A command is missing. keyturn help COMMAND says more of one, keyturn help all."])
  }

  /// The commands that begin with the same word.
  func group(_ commands: [any Command.Type]) -> String {
    Self.text(list(commands) + ["", "keyturn help COMMAND says more of one."])
  }

  func command(_ command: any Command.Type) -> String {
    let (rule, parameters) = (command.rule, command.parameters)
    let name = "\(CommandTable.program) \(rule.name)"
    var lines = wrapped("\(name): \(rule.summary)") + ["", "Examples:"]
    for example in rule.examples {
      lines += ["  \(example.line)", "      \(example.purpose)"]
    }
    let own = parameters.filter { !$0.isOperand }
    let named = parameters.filter(\.isOperand) + own.filter(\.isRequired)
    let optional = own.contains { !$0.isRequired } ? ["[OPTIONS]"] : []
    lines += ["", "Usage: " + ([name] + named.map(\.usage) + optional).joined(separator: " ")]
    for paragraph in rule.paragraphs { lines += [""] + wrapped(paragraph) }
    lines += ["", "Options:"]
    lines += options(own + Self.common)
    lines += ["", "Exit codes:"]
    lines += exitCodes((rule.exitCodes + [.usage]).sorted { $0.rawValue < $1.rawValue })
    return Self.text(lines)
  }

  private func list(_ commands: [any Command.Type]) -> [String] {
    let width = (CommandTable.commands.map { $0.rule.name.count }.max() ?? 0) + 4
    return commands.flatMap { entry("  \($0.rule.name)", width, $0.rule.summary) }
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

  private func entry(_ name: String, _ width: Int, _ text: String) -> [String] {
    let padding = String(repeating: " ", count: max(1, width - name.count))
    return Wrapping.lines(name + padding + text, columns: columns, indent: width)
  }

  private func wrapped(_ text: String) -> [String] { Wrapping.lines(text, columns: columns) }

  private static func text(_ lines: [String]) -> String { lines.joined(separator: "\n") + "\n" }
}
