// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import EnvironmentFile
internal import Model

/// What may stand where a command line ends, for the shells.
struct Completion {
  /// Names of the cluster's, where an inventory is at hand.
  let names: [String]
  let nodes: [String]

  /// In place of words: what the shell completes by itself.
  enum Place: String {
    case files = ":files"
    case directories = ":directories"
  }

  init(_ inventory: Inventory?) {
    nodes = inventory?.nodes.map(\.name) ?? []
    names = nodes + (inventory?.keyManagers.map(\.name) ?? [])
  }

  /// The last of `words` is what was written so far of the one that is wanted; the program's name is
  /// not among them.
  func candidates(_ words: [String]) -> [String] {
    guard let begun = words.last else { return [] }
    return raw(Array(words.dropLast()), begun).filter {
      $0.hasPrefix(":") || $0.hasPrefix(begun)
    }
  }

  private func raw(_ before: [String], _ begun: String) -> [String] {
    var before = before
    // What may stand before a command.
    let leading = CommonOptions().declared + ClusterOptions().declared
    while let first = before.first, first.hasPrefix("-") {
      guard let option = Self.option(first, leading)?.rule else { return [] }
      before.removeFirst()
      if option.isFlag || first.contains("=") { continue }
      if before.isEmpty { return values(option.placeholder) }
      before.removeFirst()
    }
    if before.first == "help" { return next(after: Array(before.dropFirst())) }
    guard
      let command = CommandTable.commands.first(where: { before.starts(with: $0.rule.words) })
    else {
      if begun.hasPrefix("-") { return before.isEmpty ? Self.names(leading) + ["--version"] : [] }
      return next(after: before) + (before.isEmpty ? ["help", "version"] : [])
    }
    // Another command may begin with the words of this one.
    return next(after: before)
      + arguments(command, Array(before.dropFirst(command.rule.words.count)), begun)
  }

  /// The next words of the commands that begin with these.
  private func next(after words: [String]) -> [String] {
    var found: [String] = []
    for command in CommandTable.commands
    where command.rule.words.count > words.count && command.rule.words.starts(with: words) {
      let word = command.rule.words[words.count]
      if !found.contains(word) { found.append(word) }
    }
    return found
  }

  private func arguments(
    _ command: any Command.Type, _ given: [String], _ begun: String
  ) -> [String] {
    let declared = command.options + CommonOptions().declared
    let operands = declared.map(\.rule).filter(\.isOperand)
    let options = declared.filter { !$0.rule.isOperand }
    var operandCount = 0
    var used: Set<String> = []
    var open: OptionRule?
    for word in given {
      if word == "--" {
        return operands.indices.contains(operandCount)
          ? values(operands[operandCount].placeholder) : []
      }
      if word.hasPrefix("-"), word != "-" {
        guard let option = Self.option(word, options)?.rule else { return [] }
        if !option.isRepeated { used.insert(option.name) }
        open = option.isFlag || word.contains("=") ? nil : option
      } else if let option = open {
        if !option.isList { open = nil }
      } else if operands.indices.contains(operandCount), !operands[operandCount].isList {
        operandCount += 1
      }
    }
    if begun.hasPrefix("-") { return Self.names(options.filter { !used.contains($0.rule.name) }) }
    if let open { return values(open.placeholder) }
    if operands.indices.contains(operandCount) { return values(operands[operandCount].placeholder) }
    return Self.names(options.filter { !used.contains($0.rule.name) })
  }

  private static func option(_ word: String, _ options: [any AnyOption]) -> (any AnyOption)? {
    if word.hasPrefix("--") {
      let name = word.dropFirst(2).prefix { $0 != "=" }
      return options.first { $0.rule.name == name }
    }
    return options.first { $0.rule.short != nil && $0.rule.short == word.dropFirst().first }
  }

  private static func names(_ options: [any AnyOption]) -> [String] {
    options.map { "--\($0.rule.name)" }
  }

  /// What stands for a value in the help says what may stand there.
  private func values(_ placeholder: String) -> [String] {
    switch placeholder {
    case "FILE", "PATH": [Place.files.rawValue]
    case "DIR": [Place.directories.rawValue]
    case "NODE": nodes
    case "NAME": names
    case "KEY": KnownVariables.names
    case "ROLE": Role.allCases.map(\.rawValue)
    case "SHELL": CompletionScript.allCases.map(\.rawValue)
    case "PAGE": ManualPage.all.map(\.file)
    default: []
    }
  }
}

extension Command {
  fileprivate static var options: [any AnyOption] { Options().declared }
}
