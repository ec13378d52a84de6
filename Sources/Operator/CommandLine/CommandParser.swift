// SPDX-License-Identifier: Apache-2.0
internal import Model

/// A command as it was given: checked against its rule.
struct Invocation: Sendable {
  let command: CommandRule
  /// Its operands: as many as the rule names, and perhaps optional ones.
  let operands: [String]
  /// The values of each option that was given; an option without value has an empty list.
  fileprivate let given: [String: [String]]

  func has(_ option: String) -> Bool { given[option] != nil }

  /// The value of an option that may be given once.
  func value(_ option: String) -> String? { given[option]?.first }

  /// The values of an option that may be repeated, in order.
  func values(_ option: String) -> [String] { given[option] ?? [] }
}

/// What a command line asks for.
enum CommandRequest: Sendable {
  case run(Invocation)
  /// Show the help of a command, or the program's (nil).
  case help(CommandRule?)
  /// Show what commands there are that begin with the same word.
  case group([CommandRule])
  case version
}

/// A command line that cannot be understood. The message ends with what to do.
struct UsageProblem: Error, Sendable, Hashable {
  let message: String
}

/// Reads a command line by a table of commands. Words are taken as they are: no abbreviations, no
/// clusters of short options; `--` ends the options, `-` is an operand.
struct CommandParser: Sendable {
  let table: CommandTable

  /// The request in `arguments` (without the program's name).
  func parse(_ arguments: [String]) throws(UsageProblem) -> CommandRequest {
    guard let first = arguments.first else {
      throw UsageProblem(message: "a command is missing; \(table.program) --help lists them")
    }
    switch first {
    case "--help", "-h": return .help(nil)
    case "--version": return .version
    case "help": return try help(Array(arguments.dropFirst()))
    default: break
    }
    if arguments.count == 2, ["--help", "-h"].contains(arguments[1]),
      case let group = group(first), !group.isEmpty
    {
      return .group(group)
    }
    let command = try command(arguments)
    return try parse(command, Array(arguments.dropFirst(command.words.count)))
  }

  private func help(_ words: [String]) throws(UsageProblem) -> CommandRequest {
    if words.isEmpty { return .help(nil) }
    if words.count == 1, case let group = group(words[0]), !group.isEmpty { return .group(group) }
    let command = try command(words)
    guard words.count == command.words.count else {
      throw UsageProblem(
        message: "help takes one command, not also \"\(words[command.words.count])\"")
    }
    return .help(command)
  }

  /// The commands of several words that begin with this one.
  private func group(_ word: String) -> [CommandRule] {
    table.commands.filter { $0.words.count > 1 && $0.words[0] == word }
  }

  /// The command whose words `arguments` begin with.
  private func command(_ arguments: [String]) throws(UsageProblem) -> CommandRule {
    if let command = table.commands.first(where: { arguments.starts(with: $0.words) }) {
      return command
    }
    let given = arguments[0]
    if given.hasPrefix("-") {
      throw UsageProblem(
        message:
          "\(given) stands before the command; options come after it: \(table.program) COMMAND \(given)"
      )
    }
    let group = group(given)
    if !group.isEmpty {
      let names = group.map(\.name).joined(separator: ", ")
      let problem =
        arguments.count > 1
        ? "\(given) has no command \"\(arguments[1])\"" : "\(given) needs a further word"
      throw UsageProblem(message: "\(problem); there are: \(names)")
    }
    var names = table.commands.map { $0.words[0] } + ["help"]
    names = names.enumerated().filter { names.firstIndex(of: $0.element) == $0.offset }.map(
      \.element)
    throw UsageProblem(
      message: "there is no command \"\(given)\"; "
        + advice(given, among: names, otherwise: "\(table.program) --help lists the commands"))
  }

  private func parse(
    _ command: CommandRule, _ arguments: [String]
  ) throws(UsageProblem) -> CommandRequest {
    let rules = command.options + table.commonOptions
    var given: [String: [String]] = [:]
    var operands: [String] = []
    var rest = arguments[...]
    var optionsEnded = false
    while let argument = rest.popFirst() {
      if optionsEnded || !argument.hasPrefix("-") || argument == "-" {
        operands.append(argument)
        continue
      }
      if argument == "--" {
        optionsEnded = true
        continue
      }
      let (rule, attached) = try option(argument, command, rules)
      if rule.name == "help" { return .help(command) }
      try take(rule, argument, attached, &rest, &given)
    }
    let missing = rules.filter { $0.isRequired && given[$0.name] == nil }
    if let rule = missing.first {
      throw UsageProblem(
        message: "\(command.name) needs \(rule.usage); \(table.program) help \(command.name)")
    }
    let most = command.operands.count + command.optionalOperands.count
    if operands.count > most {
      throw UsageProblem(
        message: "\(command.name) does not take \"\(operands[most])\"; "
          + "\(table.program) help \(command.name)")
    }
    if operands.count < command.operands.count {
      throw UsageProblem(
        message: "\(command.name) needs \(command.operands[operands.count]); "
          + "\(table.program) help \(command.name)")
    }
    return .run(Invocation(command: command, operands: operands, given: given))
  }

  /// The rule that `argument` names, and the value after its `=`.
  private func option(
    _ argument: String, _ command: CommandRule, _ rules: [OptionRule]
  ) throws(UsageProblem) -> (OptionRule, String?) {
    if argument.hasPrefix("--") {
      let parts = argument.dropFirst(2).split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      if let rule = rules.first(where: { $0.name == name }) {
        return (rule, parts.count > 1 ? String(parts[1]) : nil)
      }
      throw UsageProblem(
        message: "\(command.name) has no option --\(name); "
          + advice(
            "--\(name)", among: rules.map { "--\($0.name)" },
            otherwise: "\(table.program) help \(command.name) lists them"))
    }
    if argument.count == 2, let rule = rules.first(where: { $0.short == argument.last }) {
      return (rule, nil)
    }
    throw UsageProblem(
      message: "\(command.name) has no option \(argument); "
        + "\(table.program) help \(command.name) lists them")
  }

  private func take(
    _ rule: OptionRule, _ argument: String, _ attached: String?, _ rest: inout ArraySlice<String>,
    _ given: inout [String: [String]]
  ) throws(UsageProblem) {
    switch rule.value {
    case .none:
      if attached != nil { throw UsageProblem(message: "--\(rule.name) takes no value") }
      given[rule.name] = []
    case .one(let placeholder):
      if given[rule.name] != nil { throw UsageProblem(message: "--\(rule.name) is given twice") }
      given[rule.name] = [try value(rule, placeholder, attached, &rest)]
    case .repeated(let placeholder):
      given[rule.name, default: []].append(try value(rule, placeholder, attached, &rest))
    case .list(let placeholder):
      given[rule.name, default: []].append(try value(rule, placeholder, attached, &rest))
      while attached == nil, let next = rest.first, !next.hasPrefix("-") {
        given[rule.name, default: []].append(next)
        rest.removeFirst()
      }
    }
  }

  private func value(
    _ rule: OptionRule, _ placeholder: String, _ attached: String?,
    _ rest: inout ArraySlice<String>
  ) throws(UsageProblem) -> String {
    if let attached { return attached }
    guard let next = rest.first, next == "-" || !next.hasPrefix("-") else {
      throw UsageProblem(message: "--\(rule.name) needs a value: \(rule.usage)")
    }
    rest.removeFirst()
    return next
  }

  private func advice(_ word: String, among words: [String], otherwise: String) -> String {
    WordList.nearest(to: word, among: words).map { "did you mean \($0)?" } ?? otherwise
  }
}
