// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout

/// Which generation `keyturn rollback` goes back to, and whether every node has it.
struct RollbackTarget: Sendable {
  let context: CommandContext

  enum Outcome: Sendable {
    /// Every node has this one, from the same rollout.
    case generation(Int)
    /// Nothing to go back to: the command's result.
    case refused(CommandResult)
  }

  /// Blocks until each node has answered or is out of time.
  func find(_ wanted: Int?, _ cluster: Cluster) -> Outcome {
    let console = context.console
    let history = ClusterGenerations(rows: context.ask(cluster, .generations))
    if let code = history.rows.compactMap({ $0.failure?.code }).deciding {
      return refuse(history.rows.map { ($0.name, $0.failure) }, code, cluster)
    }
    guard let number = wanted ?? history.previous else {
      return .refused(
        context.refused(
          "no generation that every node has differs from the current files; `keyturn history` shows the generations",
          .vote, cluster, nodes: cluster.untouched))
    }
    let refusals = history.refusals(of: number)
    if let code = refusals.compactMap({ $0.refusal?.code }).deciding {
      return refuse(refusals, code, cluster)
    }
    console.event("rollback", ["generation": number])
    if let generation = history.generation(number) {
      let time = ClusterGenerations.time(generation.confirmedAtMicroseconds)
      console.progress(
        generation.kind == nil
          ? "back to generation \(number): the files as found \(time), before the first change"
          : "back to generation \(number): confirmed \(time), rollout \(generation.rollout) by \(generation.createdBy)"
      )
    }
    return .generation(number)
  }

  private func refuse(
    _ refusals: [(name: String, refusal: Refusal?)], _ code: RefusalCode, _ cluster: Cluster
  ) -> Outcome {
    let deciding = refusals.compactMap { name, refusal in
      refusal?.code == code ? refusal.map { (name: name, value: $0.message) } : nil
    }
    return .refused(
      context.refused(
        NodeNames.lines(deciding).joined(separator: "; "), code, cluster,
        nodes: NodeResult.untouched(refusals)))
  }
}
