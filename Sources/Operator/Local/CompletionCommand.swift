// SPDX-License-Identifier: Apache-2.0
internal import Model

/// `keyturn completion`: for shells, what makes them complete its command lines, and what it is.
struct CompletionCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "SHELL", as: .text) var shell: String
    @Option(operands: "WORD", as: .text) var words: [String]
  }

  static let rule = CommandRule(
    name: "completion",
    summary: "print what makes bash, zsh or fish complete command lines",
    details: """
      SHELL is bash, zsh or fish. Packages bring it with them, where the shells find it. What is printed asks
      keyturn completion words -- WORD..., which prints what may stand in the place of the last WORD: commands, options,
      nodes of the inventory, names of variables; :files or :directories where the shell knows better.
      """,
    examples: [
      (". <(keyturn completion bash)", "in ~/.bashrc, without a package"),
      ("keyturn completion words -- apply --se", "--settings"),
    ],
    exitCodes: [.done])

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    if options.shell == "words" {
      let inventory = try? Cluster.readInventory(nil, context.host).0
      let candidates = Completion(inventory).candidates(options.words)
      context.host.write(candidates.map { "\($0)\n" }.joined(), to: .standardOutput)
      return CommandResult(.done, isTold: true)
    }
    guard let script = CompletionScript(rawValue: options.shell) else {
      context.console.message(
        .error, "there is no completion for \(options.shell): bash, zsh or fish")
      return CommandResult(.usage)
    }
    context.host.write(script.text, to: .standardOutput)
    return CommandResult(.done, isTold: true)
  }
}
