// SPDX-License-Identifier: Apache-2.0
internal import Model

/// `keyturn rollback`: the files of an earlier generation.
struct RollbackCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "GENERATION", as: .generation) var generation: Int?
    @Option("restart", help: "restart also where no server needs it")
    var forcesRestart: Bool
    var pools = PoolOptions()
    var rollout = RolloutOptions()
  }

  static let rule = CommandRule(
    name: "rollback",
    summary: "install the files of an earlier generation on all nodes and restart them",
    details: """
      The same rollout as apply: plan, question, votes, key guard and Key Manager checks, one instant. Every node
      must have the generation, from the same rollout. Without one: the newest that every node has and that is
      not what the files are now. Once confirmed, the old files are a new generation.
      """,
    examples: [
      ("keyturn rollback", "to the last good one; shows the plan and asks first"),
      ("keyturn rollback 12 --yes", "to this one; from a pipeline"),
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.untouched + [.notConfirmed, .busy]
      + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    try RolloutProcedure(
      context: context, options: options.rollout, goal: .generation(options.generation),
      forcesRestart: options.forcesRestart,
      changesPools: options.pools.areChanged
    ).run()
  }
}
