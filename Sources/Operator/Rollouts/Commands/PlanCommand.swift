// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout

/// `keyturn plan`: the settings, all checks, and what would change. Touches nothing.
struct PlanCommand: Command {
  struct Options: OptionGroup {
    var settings = SettingsOptions()
    @Option("restart", help: "as apply --restart would")
    var forcesRestart: Bool
    @Option("detailed-exitcode", help: "exit 2 when something would change")
    var hasDetailedExitCode: Bool
    @Option(
      "out", takes: "FILE",
      help: "save the plan in a new file (0600), for an apply --plan that does exactly that",
      as: .text)
    var file: String?
    @Option("keep-settings", help: "keep the settings in that file too, secrets included")
    var keepsSettings: Bool
    var pools = PoolOptions()
    var cluster = ClusterOptions()

    var problem: String? {
      if file == "-" {
        return "a plan is saved in a file that only you can read: name one with --out"
      }
      if keepsSettings, file == nil {
        return "--keep-settings is for --out FILE, which is not given"
      }
      return settings.problem("plan")
    }
  }

  static let rule = CommandRule(
    name: "plan",
    summary: "show what would change on each node, after every check; change nothing",
    details: """
      Every node parses its own file, applies the settings, validates the result as systemd and MinIO would
      read it, asks the key guard and probes every Key Manager endpoint. An API key is shown as its identity.

      A saved plan holds what each node's answer rests on, and no setting unless --keep-settings is given:
      keyturn apply --plan FILE refuses where anything of that is different.
      """,
    examples: [
      ("keyturn plan --settings kms.env", "what would these settings change?"),
      (
        "keyturn plan --settings kms.env --api-key-file key --detailed-exitcode",
        "exit 0: nothing to do; 2: something would change"
      ),
      ("keyturn plan --settings kms.env --out change.plan", "for an approval and a later apply"),
    ],
    exitCodes: [.done, .failed, .changesPending] + ExitCode.untouched + [.busy] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    switch try RolloutPreparation(
      context: context, options: options.cluster, goal: .settings(options.settings),
      savedPlan: options.file.map { .save($0, keepsSettings: options.keepsSettings) },
      forcesRestart: options.forcesRestart, changesPools: options.pools.areChanged
    ).run() {
    case .ended(let result): return result
    case .joins(let cluster, let active):
      return context.refused(
        "the same is under way already, rollout \(active.text)", .busy, cluster,
        nodes: cluster.untouched)
    case .ready(_, let request, let plan):
      let restarts = plan.restartsServers(request, isForced: options.forcesRestart)
      let nodes = plan.rows.map { row in
        let changes = row.answer.map { $0.before != $0.after || $0.restartNeeded } ?? false
        return NodeResult(name: row.name, outcome: changes ? .changes : .unchanged)
      }
      let whole =
        nodes.count == 1 ? "the node would take part" : "all \(nodes.count) nodes would take part"
      let what =
        !restarts
        ? "; no server would be restarted, as every one runs with what its file then says"
        : nodes.count == 1 ? " and restart" : " and restart at one instant"
      let message = "\(whole)\(what); nothing was changed"
      context.console.line(message)
      var result = CommandResult(
        options.hasDetailedExitCode ? .changesPending : .done, outcome: "changesPending",
        nodes: nodes, message: message)
      result.wouldRestart = restarts
      return result
    }
  }
}
