// SPDX-License-Identifier: Apache-2.0
internal import Model

/// `keyturn restart`: one restart of all nodes, the files as they are.
struct RestartCommand: Command {
  struct Options: OptionGroup {
    var pools = PoolOptions()
    var rollout = RolloutOptions()
  }

  static let rule = CommandRule(
    name: "restart",
    summary: "restart all nodes at one instant, the file as it is",
    details: "The same rollout as apply, votes and checks included, without a change of the file.",
    examples: [
      ("keyturn restart", "asks first"),
      ("keyturn restart --yes --json", "from a pipeline"),
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.untouched + [.notConfirmed, .busy]
      + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    try RolloutProcedure(
      context: context, options: options.rollout, goal: .restart,
      changesPools: options.pools.areChanged
    ).run()
  }
}
