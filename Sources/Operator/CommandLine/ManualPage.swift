// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The manual pages, made of what `--help` is made of, in man(7).
struct ManualPage {
  let name: String
  let section: Int
  /// Below the heading `NAME`.
  private let summary: String
  private let body: [String]

  /// `keyturn-apply.1`.
  var file: String { "\(name).\(section)" }

  /// All of them: the program's, one for each command, and the exit codes'.
  static let all = [program] + CommandTable.commands.map { page(of: $0) } + [exitCodes]

  /// - Parameter date: as it stands at the foot of the page.
  func text(date: String) -> String {
    let head = [
      #".\" Made by keyturn manual."#,
      ".TH \(name.uppercased()) \(section) \"\(date)\" \"Keyturn \(Version.text)\" \"Keyturn\"",
      ".SH NAME",
    ]
    return (head + Self.text("\(name) - \(summary)") + body).joined(separator: "\n") + "\n"
  }

  private static var program: ManualPage {
    let common = CommonOptions().declared.map(\.rule)
    var lines = [".SH SYNOPSIS", ".B keyturn", ".I COMMAND", "[\\fIOPTIONS\\fR]", ".SH COMMANDS"]
    for command in CommandTable.commands {
      lines += [".TP", reference(pageName(command), 1)] + text(command.rule.summary)
    }
    lines += [".SH OPTIONS", "Of every command:"] + options(common)
    lines += [".TP", "\\fB\\-V\\fR, \\fB\\-\\-version\\fR", "the version, in place of a command"]
    lines += [".SH EXIT STATUS", "See", reference("keyturn-exit", 7, "."), ".SH FILES"]
    for (file, what) in files { lines += [".TP", ".I \(escaped(file))"] + text(what) }
    lines += [
      ".SH SEE ALSO", reference("keyturn-exit", 7, ","), reference("keyturnd", 8, ","),
      reference("keyturn-guard", 8),
    ]
    return ManualPage(
      name: CommandTable.program, section: 1, summary: CommandTable.summary, body: lines)
  }

  private static let files = [
    ("/etc/keyturn/inventory.json", "the cluster: its nodes and Key Managers"),
    ("/etc/keyturn/credentials", "ca.pem, cert.pem and key.pem of who runs the command"),
  ]

  private static func pageName(_ command: any Command.Type) -> String {
    ([CommandTable.program] + command.rule.words).joined(separator: "-")
  }

  private static func page(of command: any Command.Type) -> ManualPage {
    let (rule, own) = (command.rule, command.parameters.filter { !$0.isOperand })
    let named = command.parameters.filter(\.isOperand) + own.filter(\.isRequired)
    var lines = [".SH SYNOPSIS", ".B keyturn \(escaped(rule.name))"]
    lines += named.flatMap { text($0.usage) }
    if own.contains(where: { !$0.isRequired }) { lines.append("[\\fIOPTIONS\\fR]") }
    if !rule.paragraphs.isEmpty {
      lines.append(".SH DESCRIPTION")
      lines += rule.paragraphs.map { text($0) }.joined(separator: [".PP"])
    }
    lines += [".SH OPTIONS"] + options(own + CommonOptions().declared.map(\.rule))
    lines.append(".SH EXIT STATUS")
    lines += statuses((rule.exitCodes + [.usage]).sorted { $0.rawValue < $1.rawValue })
    lines.append(".SH EXAMPLES")
    for (index, example) in rule.examples.enumerated() {
      if index > 0 { lines.append(".PP") }
      lines += text(example.purpose) + [".PP", ".nf", ".RS 4"]
      lines += text(example.line, end: "\\") + [".RE", ".fi"]
    }
    lines += [".SH SEE ALSO", reference("keyturn", 1, ","), reference("keyturn-exit", 7)]
    return ManualPage(name: pageName(command), section: 1, summary: rule.summary, body: lines)
  }

  private static var exitCodes: ManualPage {
    ManualPage(
      name: "keyturn-exit", section: 7, summary: "what keyturn exits with",
      body: [
        ".SH DESCRIPTION", "Each command has some of these.",
      ] + statuses(ExitCode.allCases) + [
        ".TP", ".B 130", "interrupted", ".SH SEE ALSO", reference("keyturn", 1),
      ])
  }

  private static func statuses(_ codes: [ExitCode]) -> [String] {
    codes.flatMap { [".TP", ".B \($0.rawValue)"] + text($0.meaning) }
  }

  private static func options(_ rules: [OptionRule]) -> [String] {
    rules.flatMap { rule in
      let short = rule.short.map { "\\fB\\-\($0)\\fR, " } ?? ""
      let value =
        rule.isFlag ? "" : " \\fI\(escaped(rule.placeholder))\\fR\(rule.isList ? "..." : "")"
      return [".TP", "\(short)\\fB\\-\\-\(escaped(rule.name))\\fR\(value)"] + text(rule.help)
    }
  }

  private static func reference(_ name: String, _ section: Int, _ mark: String = "") -> String {
    ".BR \(escaped(name)) (\(section))\(mark)"
  }

  /// Text in lines of the source, none of which may be taken for a request.
  ///
  /// - Parameter end: stands at each of their ends but the last; a backslash joins them again.
  private static func text(_ text: String, end: String = "") -> [String] {
    var lines: [String] = []
    var line = ""
    for word in escaped(text).split(separator: " ", omittingEmptySubsequences: false) {
      if !line.isEmpty, line.count + word.count + 1 > lineBytes {
        lines.append(line + end)
        // Of what is joined again the blank must stand somewhere.
        line = end.isEmpty ? "" : " "
      } else if !line.isEmpty {
        line += " "
      }
      line += word
    }
    return (lines + [line]).map { $0.hasPrefix(".") || $0.hasPrefix("'") ? "\\&\($0)" : $0 }
  }

  /// What mandoc's lint finds long enough, without what may come to it.
  private static let lineBytes = 74

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for character in text {
      switch character {
      case "\\": escaped += "\\e"
      case "-": escaped += "\\-"
      case "\"": escaped += "\\(dq"
      case "'": escaped += "\\(aq"
      case "`": escaped += "\\(ga"
      case "^": escaped += "\\(ha"
      case "~": escaped += "\\(ti"
      default: escaped.append(character)
      }
    }
    return escaped
  }
}
