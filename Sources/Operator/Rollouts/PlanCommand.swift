// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import EnvironmentFile
internal import Model
internal import Rollout
internal import Secrets

/// `keyturn plan`, and the first half of `apply`, `restart` and `rollback`: settings, checks, what would change.
/// Touches nothing.
struct PlanCommand: Sendable {
  let context: CommandContext
  let kind: RolloutKind

  /// How it went.
  enum Outcome: Sendable {
    /// Nothing differs, or something is wrong: this is the command's result.
    case ended(CommandResult)
    /// The nodes are in a rollout that comes to the same.
    case joins(Configuration, ActiveSummary)
    /// All nodes would take part.
    case ready(Configuration, RolloutRequest, ClusterPlan)
  }

  /// `keyturn plan`.
  func run() throws(Refusal) -> CommandResult {
    switch try prepare() {
    case .ended(let result): return result
    case .joins(let configuration, let active):
      context.console.message(.error, "the same is under way already, rollout \(active.text)")
      return CommandResult(
        .busy, nodes: configuration.names.map { NodeResult(name: $0, outcome: "untouched") })
    case .ready(_, _, let plan):
      let nodes = plan.rows.map { row in
        let changes = row.answer.map { $0.before != $0.after || $0.restartNeeded } ?? false
        return NodeResult(name: row.name, outcome: changes ? "changes" : "unchanged")
      }
      context.console.line(
        nodes.count == 1
          ? "the node would take part and restart; nothing was changed"
          : "all \(nodes.count) nodes would take part and restart at one instant; nothing was changed"
      )
      let isDetailed = context.invocation.has("detailed-exitcode")
      return CommandResult(
        isDetailed ? .changesPending : .done, outcome: "changesPending", nodes: nodes)
    }
  }

  /// Everything before the question whether to go on.
  func prepare() throws(Refusal) -> Outcome {
    if let problem = usageProblem() {
      context.console.message(.error, problem)
      return .ended(CommandResult(.usage))
    }
    let configuration = try context.configuration()
    let settings: RequestedSettings
    switch kind {
    case .apply: settings = try readSettings()
    case .restart: settings = RequestedSettings(RolloutRequest(kind: .restart))
    case .rollback:
      switch RollbackCommand(context: context).target(configuration) {
      case .generation(let number):
        settings = RequestedSettings(RolloutRequest(kind: .rollback, generation: number))
      case .refused(let result): return .ended(result)
      }
    }
    for finding in settings.findings {
      context.console.message(finding.severity, finding.statement)
    }
    if settings.hasErrors { return .ended(refuse(settings, configuration)) }
    let plan = configuration.undertaking.ask(settings.request)
    if let active = plan.joinable(kind, cluster: configuration.inventory.cluster) {
      return .joins(configuration, active)
    }
    let verdict = plan.verdict(isRestart: kind == .restart)
    plan.show(context.console, said: verdict)
    switch verdict {
    case .ready: return .ready(configuration, settings.request, plan)
    case .nothingToDo:
      let count = plan.rows.count
      context.console.line(
        "nothing to do: \(count == 1 ? "the node has and runs" : "\(count) nodes have and run") what is wanted"
      )
      let nodes = configuration.names.map { NodeResult(name: $0, outcome: "unchanged") }
      return .ended(CommandResult(.done, outcome: "nothingToDo", nodes: nodes))
    case .refused(let refusal, _):
      context.console.message(.error, "nothing was touched: \(refusal.message)")
      let nodes = plan.refusals.map { name, refusal in
        NodeResult(
          name: name, outcome: refusal.map { Self.outcome($0.code) } ?? "untouched",
          reason: refusal?.message ?? "")
      }
      return .ended(CommandResult(ExitCode(refusal.code), nodes: nodes))
    }
  }

  /// One word for a node that says no, or says nothing.
  static func outcome(_ code: RefusalCode) -> String {
    code == .unreachable ? "unreachable" : "refused"
  }

  private func usageProblem() -> String? {
    let invocation = context.invocation
    switch kind {
    case .restart: return nil
    case .rollback: return RollbackCommand.usageProblem(invocation)
    case .apply: break
    }
    if let policy = invocation.value("rollback"), RollbackPolicy(rawValue: policy) == nil {
      return "--rollback is when-safe or never, not \"\(policy)\""
    }
    let files = [invocation.value("settings"), invocation.value("api-key-file")]
    if files == ["-", "-"] {
      return "standard input can be the settings or the API key, not both; use a file for one"
    }
    if files == [nil, nil], !invocation.has("unset") {
      return
        "there is nothing to \(invocation.command.name): give --settings FILE, --api-key-file FILE or --unset KEY"
    }
    return nil
  }

  /// The settings that the command's options name.
  func readSettings() throws(Refusal) -> RequestedSettings {
    let invocation = context.invocation
    return RequestedSettings(
      settings: try content("settings"), apiKey: try content("api-key-file"),
      removals: invocation.values("unset"), createKey: invocation.has("create-key"))
  }

  /// The file that an option names, and its name for messages; nil if the option is not given.
  private func content(
    _ option: String
  ) throws(Refusal) -> (bytes: [UInt8], file: String)? {
    guard let path = context.invocation.value(option) else { return nil }
    let content = try context.read(path)
    if content.isShared, option == "api-key-file" || Self.holdsSecret(content.bytes) {
      context.console.message(
        .warning, "\(path) holds a secret and can be read by group or others; chmod 600 it")
    }
    return (content.bytes, path == "-" ? "standard input" : path)
  }

  private static func holdsSecret(_ settings: [UInt8]) -> Bool {
    EnvironmentDocument(settings).systemd.definitions.contains {
      SecretVariables.contains($0.name)
    }
  }

  /// The settings are wrong in themselves: 5, unless they also touch a key that is in force
  /// somewhere: then that is the news.
  private func refuse(_ settings: RequestedSettings, _ configuration: Configuration)
    -> CommandResult
  {
    var nodes = configuration.names.map { NodeResult(name: $0, outcome: "untouched") }
    var code = ExitCode.validationRefused
    if settings.concernsKey {
      for (index, row) in context.ask(configuration, .status).enumerated() {
        guard let status = row.answer, let refusal = Self.guardRefusal(status, settings) else {
          continue
        }
        nodes[index].outcome = "refused"
        nodes[index].reason = refusal.message
        if code != .guardRefused {
          context.console.message(.error, "\(row.name): \(refusal.message)")
        }
        code = .guardRefused
      }
    }
    context.console.message(.error, "nothing was touched: the settings are refused")
    return CommandResult(code, nodes: nodes)
  }

  private static func guardRefusal(_ status: NodeStatus, _ settings: RequestedSettings) -> Refusal?
  {
    if let seal = status.seal {
      return settings.refusal(by: .seal(seal), enclaveInForce: seal.enclave)
    }
    guard let key = status.runningKey, !key.isEmpty else { return nil }
    // The enclave of a key that is not sealed yet is not in the status; the node itself guards
    // that.
    return settings.refusal(by: .running(keyName: key, enclave: ""), enclaveInForce: "")
  }
}
