// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout

/// Shows the course and result of a rollout that this command coordinates.
struct RolloutReport: UndertakingObserver {
  let context: CommandContext
  let cluster: Cluster
  /// The identity that no node uses any more once every start is confirmed; nil if there is none.
  var retiredIdentity: RetiredIdentity?

  private var console: Console { context.console }

  func begins(_ rollout: Rollout) -> RolloutDisplay {
    if let undone = rollout.undoes {
      console.event("rollback", ["id": rollout.id, "undoes": undone])
      console.message(
        .warning,
        "not every start was confirmed, and no data can have been encrypted with a new key: rollout \(rollout.id) brings the previous files back"
      )
    } else {
      console.event(
        "rollout",
        [
          "id": rollout.id, "epoch": rollout.epoch, "generation": rollout.generation,
        ])
      console.progress("rollout \(rollout.id) of \(NodeNames.counted(rollout.members.count))")
    }
    return RolloutDisplay(
      console, rollout.change == nil ? cluster.names : rollout.members,
      settleSeconds: rollout.settleMilliseconds / 1_000, restarts: rollout.restartsServers,
      isChange: rollout.change != nil)
  }

  func ended(_ rollout: Rollout, _ result: CoordinatorResult) {
    if rollout.undoes == nil, result.decision == .commit { tellTimeline(rollout.id) }
  }

  /// The first and last node at each step, on a terminal; `keyturn show` has the rest.
  private func tellTimeline(_ id: String) {
    guard console.isLive else { return }
    let rows = context.ask(cluster, .follow(id: id, after: 0, waitMilliseconds: 0))
    let axis = TimelineAxis(id: id, rows.map { (node: $0.name, view: $0.result) })
    for line in TimelineText(axis: axis).summary { console.line(line) }
  }

  // MARK: the end

  /// Tells how a rollout ended that nothing took back, and gives the command's result.
  func end(_ rollout: Rollout, _ result: CoordinatorResult, held: String?) -> CommandResult {
    let outcomes = inOrder(result.outcomes)
    let nodes = outcomes.map { NodeResult($0) }
    let ending: Ending =
      switch result.ending {
      case .aborted(let refusal):
        .untouched(
          result.summary, refusal.code, members: cluster.names,
          reasons: nodes.map {
            ($0.name, $0.reason == CoordinatorResult.notTouched ? "" : $0.reason)
          },
          rollout: rollout.id)
      case .undecided:
        .undecided(
          result.summary, members: cluster.names, rollout: rollout.id,
          restarts: rollout.restartsServers)
      case .confirmed, .notConfirmed, .outcomesUnknown:
        .committed(Ending.Committed(rollout, outcomes), held: held, retires: retiredIdentity)
      }
    var told = CommandResult(
      ExitCode(result.ending), ending, nodes: nodes, isChanged: result.decision != .abort)
    if result.ending == .confirmed { told.retiredIdentity = retiredIdentity }
    return tell(told, result)
  }

  /// The same where the rollout `back` took it back.
  func end(
    _ rollout: Rollout, _ result: CoordinatorResult, takenBackBy back: Rollout,
    _ backResult: CoordinatorResult
  ) -> CommandResult {
    let ends = inOrder(backResult.outcomes)
    let ending = Ending.rolledBack(
      Ending.Committed(rollout, inOrder(result.outcomes)), by: Ending.Committed(back, ends))
    return tell(
      CommandResult(
        ExitCode(rollback: backResult.ending), ending,
        nodes: ends.map { NodeResult($0) }, isChanged: true),
      backResult)
  }

  /// In the order of the inventory, as every command tells them.
  private func inOrder(_ outcomes: [MemberOutcome]) -> [MemberOutcome] {
    cluster.names.compactMap { name in outcomes.first { $0.member == name } }
  }

  private func tell(_ told: CommandResult, _ times: CoordinatorResult) -> CommandResult {
    var told = told
    told.times = RolloutTimes(
      skew: times.skewNanoseconds, issueSkew: times.issueSkewNanoseconds,
      stopSkew: times.stopSkewNanoseconds, writeOutage: times.writeOutageNanoseconds)
    if let skew = Self.skew(times) { console.line(skew) }
    if let outage = times.writeOutageNanoseconds {
      console.line("no writes for \(Self.tenths(outage / 1_000)) s, from the first restart on")
    }
    let warnings = told.nodes.compactMap { node in node.warning.map { (name: node.name, value: $0) }
    }
    for line in NodeNames.lines(warnings) { console.message(.warning, line) }
    if let ending = told.ending { console.end(ending) }
    return told
  }

  /// `skew 23.3 ms (restarts issued within 0.8 ms, stops within 1.2 ms)`; nil if nothing is known.
  private static func skew(_ result: CoordinatorResult) -> String? {
    let others = [
      result.issueSkewNanoseconds.map { "restarts issued within \(tenths($0)) ms" },
      result.stopSkewNanoseconds.map { "stops within \(tenths($0)) ms" },
    ].compactMap(\.self).joined(separator: ", ")
    guard let skew = result.skewNanoseconds else { return others.isEmpty ? nil : others }
    return "skew \(tenths(skew)) ms" + (others.isEmpty ? "" : " (\(others))")
  }

  /// Milliseconds with one decimal.
  static func tenths(_ nanoseconds: Int64) -> String {
    let tenths = (nanoseconds + 50_000) / 100_000
    return "\(tenths / 10).\(tenths % 10)"
  }
}

extension Ending.Committed {
  init(_ rollout: Rollout, _ outcomes: [MemberOutcome]) {
    self.init(
      id: rollout.id, kind: rollout.kind, generation: rollout.generation, outcomes: outcomes,
      restarts: rollout.restartsServers,
      mayGoBack: rollout.seal == nil && rollout.rollback ?? .never == .never,
      enables: rollout.seal != nil)
  }
}
