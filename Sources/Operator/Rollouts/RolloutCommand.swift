// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// `keyturn apply`, `keyturn restart` and `keyturn rollback`: plan, ask, then the rollout.
struct RolloutCommand: Sendable {
  let context: CommandContext
  let kind: RolloutKind

  /// Runs it to its end. Blocks for as long as the starts take.
  func run() throws(Refusal) -> CommandResult {
    switch try PlanCommand(context: context, kind: kind).prepare() {
    case .ended(let result): return result
    case .joins(let configuration, let active): return try join(active, configuration)
    case .ready(let configuration, let settings, let plan):
      if let result = confirm(configuration, plan) { return result }
      return try roll(configuration, settings, plan)
    }
  }

  /// Asks, unless `--yes` was given. The result if the answer is no, or there is nobody to ask.
  private func confirm(_ configuration: Configuration, _ plan: ClusterPlan) -> CommandResult? {
    if context.invocation.has("yes") { return nil }
    let cluster = configuration.inventory.cluster
    let nodes = configuration.names.map { NodeResult(name: $0, outcome: "untouched") }
    let count = configuration.names.count
    let answers = plan.rows.compactMap(\.answer)
    let isNew = answers.contains { answer in
      answer.seal == nil
        && answer.difference.contains { $0.hasPrefix("+MINIO_KMS_SSE_KEY=") }
    }
    if isNew {
      context.console.message(
        .warning,
        "this enables encryption and cannot be undone: what is written needs this SSE key, in this enclave, for ever; a confirmed start seals its name"
      )
    }
    guard
      let answer = context.host.ask(
        "This restarts \(count == 1 ? "the node" : "all \(count) nodes") of \(cluster) at one instant. Type \(cluster) to go on: "
      )
    else {
      context.console.message(
        .error, "nothing was touched: there is no terminal to ask on; give --yes to go on unasked")
      return CommandResult(.usage, nodes: nodes)
    }
    if answer == cluster { return nil }
    context.console.message(.error, "nothing was touched: the answer was not \"\(cluster)\"")
    return CommandResult(.failed, nodes: nodes)
  }

  private func roll(
    _ configuration: Configuration, _ settings: RequestedSettings, _ plan: ClusterPlan
  ) throws(Refusal) -> CommandResult {
    let inventory = configuration.inventory
    let rollout = try plan.rollout(
      id: Rollout.newID(), kind: kind, inventory: inventory,
      createdBy: configuration.connections.principal.author,
      realtimeMicroseconds: Clock.realtimeMicroseconds(),
      rollback: kind == .apply ? policy(inventory) : nil,
      proposal: kind == .apply ? settings.digest(cluster: inventory.cluster) : nil)
    let links = zip(configuration.names, configuration.connections.links)
      .sorted { $0.0 < $1.0 }.map(\.1)
    let runner = RolloutRunner(
      rollout: rollout, generation: settings.generation,
      changes: settings.changes.map(WireChange.init), createKey: settings.createKey,
      seals: plan.seals,
      links: links,
      limits: CoordinatorLimits(inventory))
    let console = context.console
    console.event(
      "rollout",
      [
        "id": .string(rollout.id), "epoch": .integer(Int64(clamping: rollout.epoch)),
        "generation": JSONValue(rollout.generation),
      ])
    console.progress("rollout \(rollout.id) of \(NodeNames.counted(rollout.members.count))")
    var display = RolloutDisplay(console, rollout.members)
    let signs = CoordinatorHeartbeat(of: rollout.id, to: links)
    defer { signs.end() }
    let result = try runner.run(context.interruption, &display, signs: signs)
    display.end()
    if result.decision == .commit { tellTimeline(configuration, rollout.id) }
    if result.ending.refusal?.code == .busy,
      let active = joinable(configuration, settings)
    {
      return try join(active, configuration)
    }
    return try settle(rollout, result, links, configuration)
  }

  /// What becomes of it if a start is not confirmed.
  private func policy(_ inventory: Inventory) -> RollbackPolicy {
    context.invocation.value("rollback").flatMap(RollbackPolicy.init) ?? inventory.rollback
  }

  /// Another one came first; perhaps it is the same.
  private func joinable(_ configuration: Configuration, _ settings: RequestedSettings)
    -> ActiveSummary?
  {
    PlanCommand(context: context, kind: kind).ask(configuration, settings)
      .joinable(kind, cluster: configuration.inventory.cluster)
  }

  private func join(
    _ active: ActiveSummary, _ configuration: Configuration
  ) throws(Refusal) -> CommandResult {
    context.console.message(
      .note, "the same is under way already: it is watched here, rollout \(active.text)")
    return try WatchCommand(context: context).follow(active.id, configuration)
  }

  /// What follows from the outcomes; after a rollback its result is the command's.
  private func settle(
    _ rollout: Rollout, _ result: CoordinatorResult, _ links: [any AgentLink],
    _ configuration: Configuration
  ) throws(Refusal) -> CommandResult {
    let command = report(result)
    guard result.decision != .abort else { return command }
    let console = context.console
    // Somebody who knows more sums it up: the members, when nothing is heard of this coordinator.
    if result.decision == nil || result.outcomes.contains(where: { $0.outcome.kind == .unknown }) {
      console.message(
        .note, "the agents go on by themselves; keyturn watch \(rollout.id) shows how it ends")
      return command
    }
    let aftermath = Aftermath(
      inventory: configuration.inventory,
      createdBy: configuration.connections.principal.author, links: links)
    let end = try aftermath.carryOut(after: rollout, result.outcomes, context.interruption) {
      back in
      console.event(
        "rollback", ["id": .string(back.id), "undoes": .string(rollout.id)])
      console.message(
        .warning,
        "no server got past the Key Manager with a new key: the files of before are rolled out by rollout \(back.id)"
      )
      return RolloutDisplay(console, back.members)
    }
    switch end {
    case .confirmed: return command
    case .held(let reason):
      if kind == .apply {
        console.message(.error, "everything is held as it is: \(reason)")
      }
      return command
    case .rolledBack(_, let second):
      var rolledBack = report(second)
      rolledBack.exitCode = ExitCode(rollback: second.ending)
      rolledBack.outcome = rolledBack.exitCode.word
      return rolledBack
    case .elsewhere(let reason):
      console.message(.warning, reason)
      return try WatchCommand(context: context).follow(rollout.id, configuration)
    }
  }

  /// The first and last node at each step, on a terminal; `keyturn show` has the rest.
  private func tellTimeline(_ configuration: Configuration, _ id: String) {
    guard context.console.isLive else { return }
    let rows = context.ask(configuration, .follow(id: id, after: 0, waitMilliseconds: 0))
    let axis = TimelineAxis(id: id, rows.map { (node: $0.name, view: $0.result) })
    for line in TimelineText(axis: axis).summary { context.console.line(line) }
  }

  private func report(_ result: CoordinatorResult) -> CommandResult {
    let console = context.console
    let nodes = result.outcomes.map {
      NodeResult(
        name: $0.member, outcome: $0.outcome.kind.rawValue, reason: $0.outcome.reason,
        warning: $0.outcome.warning)
    }
    console.message(result.ending == .confirmed ? .note : .error, result.summary)
    // A no is in the summary; without a terminal a line for each change has told the others.
    let untold = nodes.filter { node in
      node.outcome != OutcomeKind.confirmed.rawValue && !node.reason.isEmpty
        && (console.isQuiet || console.isLive || node.outcome != OutcomeKind.aborted.rawValue)
    }
    for group in NodeNames.grouped(
      untold.map { (name: $0.name, value: "\($0.outcome): \($0.reason)") })
    {
      console.line("\(NodeNames.folded(group.names)): \(group.value)")
    }
    let warnings = nodes.compactMap { node in node.warning.map { (name: node.name, value: $0) } }
    for group in NodeNames.grouped(warnings) {
      console.message(.warning, "\(NodeNames.folded(group.names)): \(group.value)")
    }
    if let skew = Self.skew(result) { console.line(skew) }
    if let outage = result.writeOutageNanoseconds {
      console.line("no writes for \(Self.tenths(outage / 1_000)) s, from the first restart on")
    }
    console.line(Self.recap(result.outcomes.map(\.outcome.kind)))
    return CommandResult(
      ExitCode(result.ending), skewNanoseconds: result.skewNanoseconds,
      issueSkewNanoseconds: result.issueSkewNanoseconds,
      stopSkewNanoseconds: result.stopSkewNanoseconds,
      writeOutageNanoseconds: result.writeOutageNanoseconds, nodes: nodes)
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
