// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model
internal import Rollout

/// What `apply`, `restart` and `rollback` do: plan, ask, then the rollout.
struct RolloutProcedure {
  let context: CommandContext
  let options: RolloutOptions
  let goal: RolloutPreparation.Goal
  /// Nil: as the inventory says.
  var rollback: RollbackPolicy?

  func run() throws(Refusal) -> CommandResult {
    switch try RolloutPreparation(context: context, options: options.cluster, goal: goal).run() {
    case .ended(let result): return result
    case .joins(let cluster, let active): return try join(active, cluster)
    case .ready(let cluster, let request, let plan):
      if let result = confirm(cluster, plan) { return result }
      return try roll(cluster, request, plan)
    }
  }

  /// Asks, unless `--yes` was given. Returns the result if the rollout must not go on.
  private func confirm(_ cluster: Cluster, _ plan: ClusterPlan) -> CommandResult? {
    if options.isUnasked { return nil }
    let name = cluster.inventory.cluster
    let nodes = cluster.untouched
    let count = cluster.names.count
    let answers = plan.rows.compactMap(\.answer)
    if answers.contains(where: \.enablesEncryption) {
      context.console.message(
        .warning,
        "this enables encryption and cannot be undone: what is written needs this SSE key, in this enclave, permanently; a confirmed start seals its name"
      )
    }
    guard
      let answer = context.host.ask(
        "This restarts \(count == 1 ? "the node" : "all \(count) nodes") of \(name) at one instant. Type \(name) to go on: "
      )
    else {
      context.console.message(
        .error, "nothing was touched: there is no terminal to ask on; give --yes to go on unasked")
      return CommandResult(.usage, nodes: nodes)
    }
    if answer == name { return nil }
    context.console.message(.error, "nothing was touched: the answer was not \"\(name)\"")
    return CommandResult(.failed, nodes: nodes)
  }

  private func roll(
    _ cluster: Cluster, _ request: RolloutRequest, _ plan: ClusterPlan
  ) throws(Refusal) -> CommandResult {
    let console = context.console
    let report = RolloutReport(context: context, cluster: cluster)
    let end = try cluster.undertaking.run(
      request, on: plan, rollback: rollback, context.interruption, report)
    if end.result.ending.refusal?.code == .busy {
      // Another rollout came first, perhaps the same.
      let now = cluster.undertaking.ask(request)
      if let active = now.joinable(goal.kind, cluster: cluster.inventory.cluster) {
        return try join(active, cluster)
      }
      report.tell(end.result)
    }
    let result = CommandResult(end.result)
    switch end.aftermath {
    case nil where end.result.decision != .abort:
      console.message(
        .note,
        "the agents go on; keyturn watch \(end.rollout.id) shows how it ends")
      return result
    case .confirmed, nil: return result
    case .held(let reason):
      if goal.kind == .apply {
        console.message(.error, "everything is held as it is: \(reason)")
      }
      return result
    case .rolledBack(_, let rollback):
      var result = CommandResult(rollback)
      result.exitCode = ExitCode(rollback: rollback.ending)
      result.outcome = result.exitCode.word
      return result
    case .elsewhere(let reason):
      console.message(.warning, reason)
      return try RolloutFollower(context: context, cluster: cluster).follow(end.rollout.id)
    }
  }

  private func join(_ active: ActiveSummary, _ cluster: Cluster) throws(Refusal) -> CommandResult {
    context.console.message(
      .note, "the same is under way already: it is watched here, rollout \(active.text)")
    return try RolloutFollower(context: context, cluster: cluster).follow(active.id)
  }
}
