// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout

/// Shows the course and result of a rollout that this command coordinates.
struct RolloutReport: UndertakingObserver {
  let context: CommandContext
  let cluster: Cluster

  private var console: Console { context.console }

  func begins(_ rollout: Rollout) -> RolloutDisplay {
    if let undone = rollout.undoes {
      console.event("rollback", ["id": rollout.id, "undoes": undone])
      console.message(
        .warning,
        "no server got past the Key Manager with a new key: rollout \(rollout.id) restores the previous files"
      )
    } else {
      console.event(
        "rollout",
        [
          "id": rollout.id, "epoch": rollout.epoch, "generation": rollout.generation,
        ])
      console.progress("rollout \(rollout.id) of \(NodeNames.counted(rollout.members.count))")
    }
    return RolloutDisplay(console, rollout.members)
  }

  func ended(_ rollout: Rollout, _ result: CoordinatorResult) {
    if rollout.undoes != nil {
      // Why a rollback did not begin is shown with the result.
      if result.decision == .commit { tell(result) }
      return
    }
    if result.decision == .commit { tellTimeline(rollout.id) }
    // The caller first checks whether the other rollout is the same.
    if result.ending.refusal?.code != .busy { tell(result) }
  }

  /// The first and last node at each step, on a terminal; `keyturn show` has the rest.
  private func tellTimeline(_ id: String) {
    guard console.isLive else { return }
    let rows = context.ask(cluster, .follow(id: id, after: 0, waitMilliseconds: 0))
    let axis = TimelineAxis(id: id, rows.map { (node: $0.name, view: $0.result) })
    for line in TimelineText(axis: axis).summary { console.line(line) }
  }

  func tell(_ result: CoordinatorResult) {
    let nodes = result.outcomes.map { NodeResult($0) }
    console.message(result.ending == .confirmed ? .note : .error, result.summary)
    // A refusal is in the summary; without a terminal each change had a line already.
    let untold = nodes.filter { node in
      node.outcome != .confirmed && !node.reason.isEmpty
        && (console.isQuiet || console.isLive || node.outcome != .aborted)
    }
    let reasons = untold.map { (name: $0.name, value: "\($0.outcome.rawValue): \($0.reason)") }
    for line in NodeNames.lines(reasons) { console.line(line) }
    let warnings = nodes.compactMap { node in node.warning.map { (name: node.name, value: $0) } }
    for line in NodeNames.lines(warnings) { console.message(.warning, line) }
    if let skew = Self.skew(result) { console.line(skew) }
    if let outage = result.writeOutageNanoseconds {
      console.line("no writes for \(Self.tenths(outage / 1_000)) s, from the first restart on")
    }
    console.line(Self.recap(result.outcomes.map(\.outcome.kind)))
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

  /// `4 expected, 3 confirmed, 1 failed, 0 unknown`.
  static func recap(_ kinds: [OutcomeKind]) -> String {
    func count(_ wanted: OutcomeKind...) -> Int { kinds.count { wanted.contains($0) } }
    let untouched = count(.aborted)
    return "\(kinds.count) expected, \(count(.confirmed)) confirmed, "
      + "\(count(.failed, .timedOut)) failed, \(count(.unknown)) unknown"
      + (untouched > 0 ? ", \(untouched) not touched" : "")
  }

  /// Milliseconds with one decimal.
  static func tenths(_ nanoseconds: Int64) -> String {
    let tenths = (nanoseconds + 50_000) / 100_000
    return "\(tenths / 10).\(tenths % 10)"
  }
}

extension CommandResult {
  init(_ result: CoordinatorResult) {
    self.init(ExitCode(result.ending), nodes: result.outcomes.map { NodeResult($0) })
    times = RolloutTimes(
      skew: result.skewNanoseconds, issueSkew: result.issueSkewNanoseconds,
      stopSkew: result.stopSkewNanoseconds, writeOutage: result.writeOutageNanoseconds)
  }
}
