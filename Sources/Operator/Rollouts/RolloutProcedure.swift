// SPDX-License-Identifier: Apache-2.0
internal import API
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
  /// Restart also where no server needs it.
  var forcesRestart = false
  /// The saved plan that it has to be the same as.
  var savedPlan: SavedPlanUse?
  /// Whether MINIO_VOLUMES may change pools that the servers have.
  var changesPools = false

  func run() throws(Refusal) -> CommandResult {
    switch try RolloutPreparation(
      context: context, options: options.cluster, goal: goal, savedPlan: savedPlan,
      forcesRestart: forcesRestart, changesPools: changesPools
    ).run() {
    case .ended(let result): return result
    case .joins(let cluster, let active): return try join(active, cluster)
    case .ready(let cluster, let request, let plan):
      if let result = confirm(cluster, request, plan) { return result }
      return try roll(cluster, request, plan)
    }
  }

  /// Asks, unless `--yes` was given. Returns the result if the rollout must not go on.
  private func confirm(
    _ cluster: Cluster, _ request: RolloutRequest, _ plan: ClusterPlan
  ) -> CommandResult? {
    let answers = plan.rows.compactMap(\.answer)
    if answers.contains(where: \.enablesEncryption) {
      context.console.message(
        .warning,
        "this enables encryption and cannot be undone: what is written needs this SSE key, in this enclave, permanently; a confirmed start seals its name"
      )
    }
    if options.isUnasked { return nil }
    let name = cluster.inventory.cluster
    let count = cluster.names.count
    let what =
      plan.restartsServers(request, isForced: forcesRestart)
      ? "This restarts \(count == 1 ? "the node" : "all \(count) nodes") of \(name) at one instant."
      : "This replaces files of \(name) and restarts no server."
    return context.confirm(
      what, typing: name, nothing: "nothing was touched", nodes: cluster.untouched)
  }

  private func roll(
    _ cluster: Cluster, _ request: RolloutRequest, _ plan: ClusterPlan
  ) throws(Refusal) -> CommandResult {
    var report = RolloutReport(
      context: context, cluster: cluster, retiredIdentity: RetiredIdentity(plan))
    let end = try cluster.undertaking.run(
      request, on: plan, rollback: rollback, forcesRestart: forcesRestart,
      occasion: RolloutOccasion(note: options.note, isRotation: goal.isRotation).ifAny,
      context.interruption, report)
    if end.result.ending.refusal?.code == .busy {
      // Another rollout came first, perhaps the same.
      let now = cluster.undertaking.ask(request)
      if let active = now.joinable(
        goal.kind, cluster: cluster.inventory.cluster, forcesRestart: forcesRestart)
      {
        return try join(active, cluster)
      }
    }
    if end.result.ending == .confirmed {
      report.retiredIdentity?.learn(from: planOfRollback(cluster))
    }
    switch end.aftermath {
    case .confirmed, nil: return report.end(end.rollout, end.result, held: nil)
    case .held(let reason): return report.end(end.rollout, end.result, held: reason)
    case .rolledBack(let back, let result):
      return report.end(end.rollout, end.result, takenBackBy: back, result)
    case .elsewhere(let reason):
      context.console.message(.warning, reason)
      return try RolloutFollower(context: context, cluster: cluster).follow(end.rollout.id)
    }
  }

  /// What every node makes of a rollback to the files from before, which would find the key by the old identity. Reads
  /// only. Nil where there is no generation to go back to.
  private func planOfRollback(_ cluster: Cluster) -> ClusterPlan? {
    let history = ClusterGenerations(rows: context.ask(cluster, .generations))
    return history.previous.map {
      cluster.undertaking.ask(RolloutRequest(kind: .rollback, generation: $0))
    }
  }

  private func join(_ active: ActiveSummary, _ cluster: Cluster) throws(Refusal) -> CommandResult {
    context.console.message(
      .note, "the same is under way already: it is watched here, rollout \(active.text)")
    return try RolloutFollower(context: context, cluster: cluster).follow(active.id)
  }
}
