internal import Coordination
internal import LinuxIO
internal import Model
internal import Rollout
internal import Wire

/// `keyturn resolve`: ends a rollout whose coordinator is gone, as it must end. Asks every node what
/// it knows; decides as `Resolution` says; tells every node; waits for the outcomes.
struct ResolveCommand: Sendable {
  let context: CommandContext

  private static let attempts = 3
  private static let pollMilliseconds = 500

  /// Blocks until each node has answered and the starts, if there are any, have ended.
  func run() throws(Refusal) -> CommandResult {
    let configuration = try context.configuration()
    let rows = context.ask(configuration, .status)
    if let row = rows.first(where: { $0.failure != nil }), let failure = row.failure {
      throw Refusal(
        failure.refusal.code,
        "\(row.name): \(failure.refusal.message); every node must answer, since each may know the decision"
      )
    }
    let id = context.invocation.operands[0]
    guard rows.contains(where: { $0.answer?.activeRollout == id }) else {
      context.console.progress("no node is in rollout \(id); there is nothing to resolve")
      let others = Set(rows.compactMap { $0.answer?.activeRollout }).sorted()
      if !others.isEmpty {
        context.console.message(
          .warning, "the nodes are in another: keyturn resolve \(others.joined(separator: ", "))")
      }
      return report(rows, id)
    }
    // A node's epoch is at least that of the rollout that it is in.
    let epoch = rows.compactMap { $0.answer?.epoch }.max() ?? 0
    let decision = try decide(id, epoch, configuration)
    context.console.progress("rollout \(id): \(decision.rawValue)")
    tell(id, epoch, decision, configuration)
    return wait(id, configuration)
  }

  private func decide(
    _ id: String, _ epoch: UInt64, _ configuration: Configuration
  ) throws(Refusal) -> Decision {
    var round: UInt32 = 1
    for attempt in 1...Self.attempts {
      let ballot = Ballot(round: round, proposer: configuration.connections.principal.name)
      let request = PromiseRequest(epoch: epoch, ballot: ballot)
      let answers = context.ask(configuration, .promise(id: id, request))
      let highest = answers.compactMap { $0.answer?.ballot?.round }.max()
      if let highest, highest < .max, attempt < Self.attempts {
        // Asked before, perhaps by ourselves: one round above it.
        round = highest + 1
        continue
      }
      return try Resolution.decision(
        answers.map { (member: $0.name, knowledge: Knowledge($0)) }
      ).get()
    }
    throw Refusal(.busy, "rollout \(id) is being resolved by somebody else; try again in a moment")
  }

  private func tell(
    _ id: String, _ epoch: UInt64, _ decision: Decision, _ configuration: Configuration
  ) {
    let request = DecisionRequest(
      epoch: epoch, decision: decision, instant: nil, bootID: "",
      reason: decision == .abort ? "its coordinator went away before it proposed commit" : "")
    for row in context.ask(configuration, .decide(id: id, request)) {
      if let failure = row.failure {
        context.console.message(
          .error, "\(row.name): \(failure.refusal.message); run keyturn resolve again")
      }
    }
  }

  private func wait(_ id: String, _ configuration: Configuration) -> CommandResult {
    let timeouts = configuration.inventory.timeouts
    let deadline = Instant.inMilliseconds(
      (timeouts.stopSeconds + timeouts.startSeconds + timeouts.settleSeconds) * 1000
        + CommandContext.answerMilliseconds)
    while true {
      let rows = context.ask(configuration, .status)
      let isPending = rows.contains { $0.failure != nil || $0.answer?.activeRollout == id }
      if !isPending || Clock.now() >= deadline {
        return report(rows, id)
      }
      Clock.sleep(until: .inMilliseconds(Self.pollMilliseconds))
    }
  }

  private func report(_ rows: [NodeAnswer<NodeStatus>], _ id: String) -> CommandResult {
    let nodes = rows.map { row in
      guard let status = row.answer else {
        return NodeResult(
          name: row.name, outcome: "unknown", reason: row.failure?.refusal.message ?? "")
      }
      if status.activeRollout == id {
        return NodeResult(name: row.name, outcome: "unknown", reason: "no outcome by the deadline")
      }
      guard status.lastRollout == id, let outcome = status.lastOutcome else {
        return NodeResult(name: row.name, outcome: "untouched")
      }
      return NodeResult(name: row.name, outcome: outcome.kind.rawValue, reason: outcome.reason)
    }
    for node in nodes {
      context.console.line(
        "\(node.name): \(node.outcome)" + (node.reason.isEmpty ? "" : ": \(node.reason)"))
    }
    let outcomes = Set(nodes.map(\.outcome))
    let exitCode: ExitCode =
      outcomes.contains("unknown")
      ? .unknown
      : outcomes.isSubset(of: ["confirmed", "aborted", "untouched"]) ? .done : .notConfirmed
    return CommandResult(exitCode, nodes: nodes)
  }
}

extension Knowledge {
  /// What a node answered to a promise.
  fileprivate init(_ row: NodeAnswer<ReplyAnswer>) {
    guard let answer = row.answer else {
      self = .unreachable(row.failure?.refusal.message ?? "no answer")
      return
    }
    switch answer.reply {
    case .promised: self = .promised(answer.proposal)
    case .ended: self = answer.outcome.map { .ended($0) } ?? .unknown
    case .outranked: self = .outranked(answer.ballot ?? .coordinator)
    case .committed: self = .committed
    case .neverVoted, .accepted: self = .unknown
    }
  }
}
