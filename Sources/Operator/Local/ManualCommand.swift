// SPDX-License-Identifier: Apache-2.0
internal import Model

/// `keyturn manual`: the manual pages, for packages.
struct ManualCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "PAGE", as: .text) var page: String?
    @Option("date", takes: "DATE", help: "what stands at the page's foot", as: .text)
    var date: String?
  }

  static let rule = CommandRule(
    name: "manual",
    summary: "print a manual page, or the names of all; needs no agent",
    details: """
      Packages bring the pages with them, where man(1) finds them. This prints their source, man(7); without PAGE the
      names of all.
      """,
    examples: [
      ("keyturn manual", "the names"),
      ("keyturn manual keyturn-apply.1 | man -l -", "read one that is not installed"),
    ],
    exitCodes: [.done])

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    guard let name = options.page else {
      context.host.write(
        ManualPage.all.map { "\($0.file)\n" }.joined(), to: .standardOutput)
      return CommandResult(.done, isTold: true)
    }
    guard let page = ManualPage.all.first(where: { $0.file == name }) else {
      context.console.message(
        .error, "there is no manual page \(name); keyturn manual prints the names")
      return CommandResult(.usage)
    }
    context.host.write(page.text(date: options.date ?? ""), to: .standardOutput)
    return CommandResult(.done, isTold: true)
  }
}
