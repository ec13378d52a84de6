// SPDX-License-Identifier: Apache-2.0
internal import Model

/// A command line that was parsed.
struct Invocation {
  let command: any Command.Type
  let common: CommonOptions
  /// The command's own, with their values.
  let options: any OptionGroup
  /// What is wrong with a value, or with the options together.
  let problem: String?
  let run: (CommandContext) throws(Refusal) -> CommandResult
}

enum CommandRequest {
  case run(Invocation)
  /// Nil: the program's.
  case help((any Command.Type)?)
  /// The commands that begin with the same word.
  case group([any Command.Type])
  case version
}

/// A wrong command line. The message ends with what to do.
struct UsageProblem: Error, Sendable, Hashable {
  let message: String
}

/// Reads a command line by the table of commands. Words are taken as they are: no abbreviations, no
/// clusters of short options; `--` ends the options, `-` is an operand. Options that every command
/// has, or every command that asks agents, may stand before the command.
enum CommandParser {
  private static let program = CommandTable.program

  static func parse(_ arguments: [String]) throws(UsageProblem) -> CommandRequest {
    guard let first = arguments.first else {
      throw UsageProblem(message: "a command is missing; \(program) --help lists them")
    }
    switch first {
    case "--help", "-h": return .help(nil)
    case "--version", "-V": return .version
    case "version" where arguments.count == 1: return .version
    case "version": throw UsageProblem(message: "version takes nothing more")
    case "help": return try help(Array(arguments.dropFirst()))
    default: break
    }
    let (leading, arguments) = try leadingOptions(of: arguments)
    guard let first = arguments.first else {
      throw UsageProblem(message: "a command is missing; \(program) --help lists them")
    }
    if arguments.count == 2, ["--help", "-h"].contains(arguments[1]),
      case let group = group(first), !group.isEmpty
    {
      return .group(group)
    }
    let command = try command(arguments)
    return try parse(command, leading + arguments.dropFirst(command.rule.words.count))
  }

  /// The options before the command, with their values, and the rest.
  private static func leadingOptions(
    of arguments: [String]
  ) throws(UsageProblem) -> (leading: [String], rest: [String]) {
    let options = CommonOptions().declared + ClusterOptions().declared
    var rest = arguments[...]
    while let argument = rest.first, argument.hasPrefix("-"), argument != "-" {
      let found: (any AnyOption, String?)
      do throws(UsageProblem) { found = try option(argument, program, options) } catch {
        throw UsageProblem(
          message:
            "\(argument) stands before the command; only options of every command may: \(program) COMMAND \(argument)"
        )
      }
      rest = rest.dropFirst(found.0.rule.isFlag || found.1 != nil ? 1 : 2)
    }
    return (Array(arguments[..<rest.startIndex]), Array(rest))
  }

  private static func help(_ words: [String]) throws(UsageProblem) -> CommandRequest {
    if words.isEmpty || words == ["help"] { return .help(nil) }
    if words == ["version"] { return .version }
    if words.count == 1, case let group = group(words[0]), !group.isEmpty { return .group(group) }
    let command = try command(words)
    guard words.count == command.rule.words.count else {
      throw UsageProblem(
        message: "help takes one command, not also \"\(words[command.rule.words.count])\"")
    }
    return .help(command)
  }

  /// Empty for a word that is a command of its own, although others begin with it.
  private static func group(_ word: String) -> [any Command.Type] {
    let commands = CommandTable.commands
    if commands.contains(where: { $0.rule.words == [word] }) { return [] }
    return commands.filter { $0.rule.words.count > 1 && $0.rule.words[0] == word }
  }

  private static func command(_ arguments: [String]) throws(UsageProblem) -> any Command.Type {
    let commands = CommandTable.commands
    if let command = commands.first(where: { arguments.starts(with: $0.rule.words) }) {
      return command
    }
    let given = arguments[0]
    let group = group(given)
    if !group.isEmpty {
      let names = group.map { $0.rule.name }.joined(separator: ", ")
      let problem =
        arguments.count > 1
        ? "\(given) has no command \"\(arguments[1])\"" : "\(given) needs a further word"
      throw UsageProblem(message: "\(problem); there are: \(names)")
    }
    let names = commands.map { $0.rule.words[0] } + ["help", "version"]
    throw UsageProblem(
      message: "there is no command \"\(given)\"; "
        + advice(given, among: names, otherwise: "\(program) --help lists the commands"))
  }

  private static func parse<C: Command>(
    _ command: C.Type, _ arguments: [String]
  ) throws(UsageProblem) -> CommandRequest {
    let (own, common) = (C.Options(), CommonOptions())
    let declared = own.declared + common.declared
    let operands = declared.filter { $0.rule.isOperand }
    let options = declared.filter { !$0.rule.isOperand }
    let name = command.rule.name
    var given: [Given] = []
    var operandCount = 0
    var rest = arguments[...]
    var optionsEnded = false
    while let argument = rest.popFirst() {
      if optionsEnded || !argument.hasPrefix("-") || argument == "-" {
        guard operandCount < operands.count else {
          throw UsageProblem(
            message: "\(name) does not take \"\(argument)\"; \(program) help \(name)")
        }
        given.append((operands[operandCount], argument))
        if !operands[operandCount].rule.isList { operandCount += 1 }
        continue
      }
      if argument == "--" {
        optionsEnded = true
        continue
      }
      let (option, attached) = try option(argument, name, options)
      if option.rule.name == "help" { return .help(command) }
      try take(option, attached, &rest, &given)
    }
    for option in declared where option.rule.isRequired {
      if given.contains(where: { $0.option === option }) { continue }
      throw UsageProblem(message: "\(name) needs \(option.rule.usage); \(program) help \(name)")
    }
    var problem: String?
    for (option, value) in given {
      do throws(UsageProblem) { try option.take(value) } catch {
        problem = problem ?? error.message
      }
    }
    return .run(
      Invocation(
        command: command, common: common, options: own, problem: problem ?? own.problem
      ) { (context) throws(Refusal) in try C(context: context, options: own).run() })
  }

  private typealias Given = (option: any AnyOption, value: String)

  /// The option that `argument` names, and the value after its `=`.
  private static func option(
    _ argument: String, _ command: String, _ options: [any AnyOption]
  ) throws(UsageProblem) -> (any AnyOption, String?) {
    let help = "\(program) help \(command) lists them"
    if argument.hasPrefix("--") {
      let parts = argument.dropFirst(2).split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      if let option = options.first(where: { $0.rule.name == name }) {
        return (option, parts.count > 1 ? String(parts[1]) : nil)
      }
      let names = options.map { "--\($0.rule.name)" }
      throw UsageProblem(
        message: "\(command) has no option --\(name); "
          + (Self.elsewhere[name] ?? advice("--\(name)", among: names, otherwise: help)))
    }
    let letter = argument.dropFirst().first
    if let option = options.first(where: { $0.rule.short != nil && $0.rule.short == letter }) {
      let attached = argument.dropFirst(2)
      if attached.isEmpty { return (option, nil) }
      if !option.rule.isFlag { return (option, String(attached)) }
    }
    throw UsageProblem(message: "\(command) has no option \(argument); \(help)")
  }

  /// Options of other programs, and what is here in their place.
  private static let elsewhere = [
    "dry-run": "keyturn plan shows what apply would do", "check": "keyturn plan shows it",
    "output": "--json prints JSON lines", "format": "--json prints JSON lines",
    "verbose": "--json prints every step; keyturn show has them afterwards",
    "force": "there is nothing that overrides a refusal; its message says what to do",
  ]

  private static func take(
    _ option: any AnyOption, _ attached: String?, _ rest: inout ArraySlice<String>,
    _ given: inout [Given]
  ) throws(UsageProblem) {
    let rule = option.rule
    if rule.isFlag {
      if attached != nil { throw UsageProblem(message: "--\(rule.name) takes no value") }
      given.append((option, ""))
      return
    }
    if !rule.isRepeated, given.contains(where: { $0.option === option }) {
      throw UsageProblem(message: "--\(rule.name) is given twice")
    }
    if let attached {
      given.append((option, attached))
      return
    }
    guard let next = rest.first, next == "-" || !next.hasPrefix("-") else {
      throw UsageProblem(message: "--\(rule.name) needs a value: \(rule.usage)")
    }
    rest.removeFirst()
    given.append((option, next))
    while rule.isList, let next = rest.first, !next.hasPrefix("-") {
      given.append((option, next))
      rest.removeFirst()
    }
  }

  private static func advice(_ word: String, among words: [String], otherwise: String) -> String {
    WordList.nearest(to: word, among: words).map { "did you mean \($0)?" } ?? otherwise
  }
}
