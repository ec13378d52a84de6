// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets

/// What `plan`, `apply`, `restart` and `rollback` begin with: settings, checks, what would change.
/// Touches nothing.
struct RolloutPreparation {
  /// What is wanted of the nodes.
  enum Goal {
    case settings(SettingsOptions)
    /// Another API key, of this file, and nothing else.
    case apiKey(file: String)
    case restart
    /// An earlier generation; nil: the last good one.
    case generation(Int?)

    var isRotation: Bool { if case .apiKey = self { true } else { false } }

    var kind: RolloutKind {
      switch self {
      case .settings, .apiKey: .apply
      case .restart: .restart
      case .generation: .rollback
      }
    }
  }

  enum Conclusion: Sendable {
    /// Nothing to do, or refused: the command's result.
    case ended(CommandResult)
    /// The nodes are in the same rollout already.
    case joins(Cluster, ActiveSummary)
    /// All nodes would take part.
    case ready(Cluster, RolloutRequest, ClusterPlan)
  }

  let context: CommandContext
  let options: ClusterOptions
  let goal: Goal
  /// A file that the plan is saved in, or that it has to be the same as.
  var savedPlan: SavedPlanUse?
  /// Restart also where no server needs it.
  var forcesRestart = false
  /// Whether MINIO_VOLUMES may change pools that the servers have.
  var changesPools = false

  func run() throws(Refusal) -> Conclusion {
    let cluster = try context.clusterRefusingRevoked(options)
    try checkCertificate(cluster)
    var settings: RequestedSettings
    switch goal {
    case .settings(let wanted):
      settings =
        if case .follow(let saved, let path) = savedPlan {
          try saved.requested(wanted, path, context)
        } else {
          try RequestedSettings(wanted, context)
        }
    case .apiKey(let file):
      settings = try RequestedSettings(apiKeyFile: file, context)
    case .restart: settings = RequestedSettings(RolloutRequest(kind: .restart))
    case .generation(let wanted):
      switch RollbackTarget(context: context).find(wanted, cluster) {
      case .generation(let number):
        settings = RequestedSettings(RolloutRequest(kind: .rollback, generation: number))
      case .refused(let result): return .ended(result)
      }
    }
    if changesPools { settings.request.changesPools = true }
    for finding in settings.findings {
      context.console.message(finding.severity, finding.statement)
    }
    if settings.hasErrors { return .ended(refuse(settings, cluster)) }
    let plan = cluster.undertaking.ask(settings.request)
    if let active = plan.joinable(
      goal.kind, cluster: cluster.inventory.cluster, forcesRestart: forcesRestart)
    {
      return .joins(cluster, active)
    }
    let verdict = plan.verdict(isRestart: goal.kind == .restart || forcesRestart)
    plan.show(
      context.console, said: verdict,
      restarts: plan.restartsServers(settings.request, isForced: forcesRestart))
    if let result = try use(savedPlan, settings.request, plan, verdict, cluster) {
      return .ended(result)
    }
    switch verdict {
    case .ready:
      if case .apiKey = goal, let refusal = Self.obstacle(toRotation: plan) {
        return .ended(
          context.refused(refusal.message, refusal.code, cluster, nodes: cluster.untouched))
      }
      return .ready(cluster, settings.request, plan)
    case .nothingToDo:
      let count = plan.rows.count
      var message =
        "nothing to do: \(count == 1 ? "the node has and runs" : "\(count) nodes have and run") what is wanted"
      if case .apiKey = goal { message += ": the file holds the API key that is in use" }
      context.console.line(message)
      let nodes = cluster.names.map { NodeResult(name: $0, outcome: .unchanged) }
      var result = CommandResult(.done, outcome: "nothingToDo", nodes: nodes, message: message)
      result.restarted = false
      return .ended(result)
    case .refused(let refusal, _):
      return .ended(
        context.refused(
          refusal.message, refusal.code, cluster, nodes: NodeResult.untouched(plan.refusals),
          other: plan.activeRollout))
    }
  }

  /// Saves the plan, or compares it with the one that was saved. Returns the result where it is another one.
  private func use(
    _ savedPlan: SavedPlanUse?, _ request: RolloutRequest, _ plan: ClusterPlan,
    _ verdict: ClusterPlan.Verdict, _ cluster: Cluster
  ) throws(Refusal) -> CommandResult? {
    if case .refused = verdict { return nil }
    switch savedPlan {
    case nil: return nil
    case .save(let path, let keepsSettings):
      try SavedPlan(
        of: request, plan, for: cluster, forcesRestart: forcesRestart, keepsSettings: keepsSettings
      ).write(to: path, context)
      return nil
    case .follow(let saved, let path):
      // Whoever comes a second time finds it done, if it is the same that is wanted.
      return refusal(saved, path, request, verdict == .nothingToDo ? nil : plan, cluster)
    }
  }

  /// What is not as it was when the plan was saved, told; nil where all is.
  ///
  /// - Parameter plan: what the nodes say; nil where that does not count.
  private func refusal(
    _ saved: SavedPlan, _ path: String, _ request: RolloutRequest, _ plan: ClusterPlan?,
    _ cluster: Cluster
  ) -> CommandResult? {
    let rows = plan.map(saved.differences(of:)) ?? []
    let restarts = plan?.restartsServers(request, isForced: forcesRestart)
    let found =
      saved.differences(of: cluster)
      + saved.differences(of: request, forcesRestart: forcesRestart)
      + (restarts.map(saved.differences(restartsServers:)) ?? []) + NodeNames.lines(rows)
    if found.isEmpty { return nil }
    for text in found { context.console.message(.error, text) }
    let reasons = Dictionary(grouping: rows, by: \.name)
    let nodes = cluster.names.map { name in
      let why = reasons[name].map { $0.map(\.value).joined(separator: "; ") }
      var node = NodeResult(name: name, outcome: why == nil ? .untouched : .refused)
      if let why { node.reason = why }
      return node
    }
    return context.refused(
      "the plan of \(path) (\(saved.text)) does not hold any more, \(found.count == 1 ? "1 thing is" : "\(found.count) things are") different; plan again (keyturn plan --out FILE)",
      .vote, cluster, nodes: nodes)
  }

  /// Why the API key may not be changed alone; nil if it may.
  private static func obstacle(toRotation plan: ClusterPlan) -> Refusal? {
    let answers = plan.rows.compactMap(\.answer)
    if answers.contains(where: { $0.seal == nil }) {
      return Refusal(
        .validation,
        "no key is sealed yet, and the API key is what leads to it: keyturn apply sets it with the rest"
      )
    }
    guard plan.retiredIdentity != nil else {
      return Refusal(
        .validation,
        "the nodes do not all change from one identity to one other: keyturn plan --api-key-file FILE shows what each has"
      )
    }
    let unproven = [KeySourceChange.lesserRule, KeyProofs.missingRule]
    let finding = answers.lazy.flatMap(\.findings).first { unproven.contains($0.rule) }
    return finding.map { Refusal(.keyManager, $0.statement) }
  }

  /// An agent's credentials and an operator's have the same place where none is named.
  private func checkCertificate(_ cluster: Cluster) throws(Refusal) {
    let holder = cluster.connections.principal
    guard holder.role == .node || holder.role == .witness else { return }
    throw Refusal(
      .notPermitted,
      "nothing was touched: these credentials are the \(holder.role.rawValue) \(holder.name)'s own, which may not roll out; name an operator's with --credentials DIR or $KEYTURN_CREDENTIALS (keyturn pki issue --role operator makes them)"
    )
  }

  /// For settings with errors: 5, unless they also touch a key that is in force on a node.
  private func refuse(_ settings: RequestedSettings, _ cluster: Cluster)
    -> CommandResult
  {
    var nodes = cluster.untouched
    var code = ExitCode.validationRefused
    if settings.concernsKey {
      for (index, row) in context.ask(cluster, .status).enumerated() {
        guard let status = row.answer, let refusal = Self.guardRefusal(status, settings) else {
          continue
        }
        nodes[index].outcome = .refused
        nodes[index].reason = refusal.message
        if code != .guardRefused {
          context.console.message(.error, "\(row.name): \(refusal.message)")
        }
        code = .guardRefused
      }
    }
    let why: RefusalCode = code == .guardRefused ? .guarded : .validation
    return context.refused("the settings are refused", why, cluster, nodes: nodes)
  }

  private static func guardRefusal(_ status: NodeStatus, _ settings: RequestedSettings) -> Refusal?
  {
    if let seal = status.seal {
      return settings.refusal(by: .seal(seal), enclaveInForce: seal.enclave)
    }
    guard let key = status.runningKey, !key.isEmpty else { return nil }
    // The status has no enclave of a key that is not sealed yet; the node itself guards that.
    return settings.refusal(by: .running(keyName: key, enclave: ""), enclaveInForce: "")
  }
}

extension ClusterPlan {
  /// The rollout that a node is in.
  var activeRollout: String? { rows.lazy.compactMap { $0.answer?.activeRollout }.first }
}

extension CommandContext {
  /// The end of a command that touched nothing, printed.
  func refused(
    _ reason: String, _ code: RefusalCode, _ cluster: Cluster, nodes: [NodeResult],
    other: String? = nil
  ) -> CommandResult {
    let ending = Ending.untouched(
      "nothing was touched: \(reason)", code, members: cluster.names, other: other)
    console.end(ending)
    return CommandResult(ExitCode(code), ending, nodes: nodes)
  }
}
