internal import Model

/// The help texts, made from the table of commands: examples first, exit codes last.
enum HelpText {
  /// The program's help.
  static func program(_ table: CommandTable) -> String {
    let width = (table.commands.map(\.name.count).max() ?? 0) + 2
    var lines = ["\(table.program): \(table.summary)", "", "Commands:"]
    for command in table.commands {
      lines.append("  " + padded(command.name, width) + command.summary)
    }
    lines.append(
      "  " + padded("help", width) + "the help of a command: \(table.program) help apply")
    lines += ["", "Options of every command:"]
    lines += options(table.commonOptions)
    lines.append("      " + padded("--version", 26) + "the version, before any command")
    lines += ["", "Exit codes:"]
    lines += exitCodes(ExitCode.allCases)
    return lines.joined(separator: "\n") + "\n"
  }

  /// The help of one command.
  static func command(_ command: CommandRule, in table: CommandTable) -> String {
    var lines = ["\(table.program) \(command.name): \(command.summary)", "", "Examples:"]
    for example in command.examples {
      lines += ["  \(example.line)", "      \(example.purpose)"]
    }
    let operands =
      command.operands.map { " \($0)" }.joined()
      + command.optionalOperands.map { " [\($0)]" }.joined()
    let required = command.options.filter(\.isRequired).map { " \($0.usage)" }.joined()
    let optional = command.options.contains { !$0.isRequired } ? " [OPTIONS]" : ""
    lines += ["", "Usage: \(table.program) \(command.name)\(operands)\(required)\(optional)"]
    if !command.details.isEmpty { lines += ["", command.details] }
    lines += ["", "Options:"]
    lines += options(command.options + table.commonOptions)
    lines += ["", "Exit codes:"]
    lines += exitCodes((command.exitCodes + [.usage]).sorted { $0.rawValue < $1.rawValue })
    return lines.joined(separator: "\n") + "\n"
  }

  private static func options(_ rules: [OptionRule]) -> [String] {
    rules.map { rule in
      let short = rule.short.map { "-\($0), " } ?? "    "
      return "  \(short)\(padded(rule.usage, 26))\(rule.help)"
    }
  }

  private static func exitCodes(_ codes: [ExitCode]) -> [String] {
    codes.map { "  \(padded(String($0.rawValue), 4))\($0.meaning)" }
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}
