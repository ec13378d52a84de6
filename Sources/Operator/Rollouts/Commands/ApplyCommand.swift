// SPDX-License-Identifier: Apache-2.0
internal import Model

/// `keyturn apply`: the settings on all nodes, with one restart.
struct ApplyCommand: Command {
  struct Options: OptionGroup {
    var settings = SettingsOptions()
    @Option(
      "plan", takes: "FILE",
      help: "do exactly what this plan says, or nothing; keyturn plan --out saves one", as: .text)
    var plan: String?
    @Option(
      "rollback", takes: "POLICY",
      help: "when-safe or never, if a start is not confirmed; else the inventory's", as: .word)
    var rollback: RollbackPolicy?
    @Option("restart", help: "restart also where no server needs it")
    var forcesRestart: Bool
    var pools = PoolOptions()
    var rollout = RolloutOptions()

    var problem: String? {
      if plan == "-" { return "a saved plan is a file, and not standard input" }
      return plan == nil || settings.isGiven ? settings.problem("apply") : nil
    }
  }

  static let rule = CommandRule(
    name: "apply",
    summary: "plan, ask, then install the settings on all nodes and restart them at one instant",
    details: """
      Every node must vote yes before anything is touched. Each start is followed until it is confirmed, and a
      fatal line is shown at once. Ctrl-C before commit is proposed ends in nothing touched; after that it ends
      the watching only, as soon as every node knows the decision: the agents go on, and keyturn
      watch shows them.

      Where every server runs with what is wanted, and only files differ (one was edited by hand, or lost), the
      files are put right by the same votes and no server is restarted; --restart restarts them all the same.

      If a start is not confirmed and no server got past the Key Manager with a key that it did not have before,
      the previous files are rolled out again. If the nodes are in the same rollout already it is watched.
      """,
    examples: [
      ("keyturn apply --settings kms.env", "shows the plan and asks first"),
      (
        "keyturn apply --settings kms.env --api-key-file - --yes <key",
        "from a pipeline, the API key from standard input"
      ),
      (
        "keyturn apply --plan change.plan --settings kms.env --yes",
        "the same settings again; exit 8 if anything is not as it was at the plan"
      ),
      ("keyturn apply --unset MINIO_KMS_REPLICATE_KEYID", "removes one setting"),
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.untouched + [
      .notConfirmed, .rolledBack, .rolledBackUnhealthy, .busy,
    ] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let saved = try options.plan.map { path throws(Refusal) in
      (plan: try SavedPlan(path, context), path: path)
    }
    return try RolloutProcedure(
      context: context, options: options.rollout, goal: .settings(options.settings),
      rollback: options.rollback,
      forcesRestart: options.forcesRestart,
      savedPlan: saved.map { .follow($0.plan, $0.path) }, changesPools: options.pools.areChanged
    ).run()
  }
}
