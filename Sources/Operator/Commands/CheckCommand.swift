internal import Coordination
internal import Model
internal import Wire

/// `keyturn check`: every Key Manager from every node, and drift.
struct CheckCommand: Sendable {
  let context: CommandContext

  /// Blocks until each node has probed its Key Managers or is out of time.
  func run() throws(Refusal) -> CommandResult {
    let configuration = try context.configuration()
    let timeouts = configuration.inventory.timeouts
    let rows = context.ask(
      configuration, .check,
      milliseconds: timeouts.prepareSeconds * 1000 + CommandContext.answerMilliseconds)
    for row in rows { event(row) }
    for group in NodeNames.grouped(rows.map { (name: $0.name, value: Self.lines($0)) }) {
      context.console.progress(NodeNames.folded(group.names))
      for line in group.value { context.console.progress("  " + line) }
    }
    let isStrict = context.invocation.has("strict")
    let codes = rows.flatMap { Self.codes($0) }
    let nodes = rows.map { row in
      let reason = Self.problems(row, isStrict: isStrict).first ?? ""
      let outcome = row.failure != nil ? "unreachable" : reason.isEmpty ? "fine" : "failed"
      return NodeResult(name: row.name, outcome: outcome, reason: reason)
    }
    context.console.errors(
      rows.flatMap { row in
        Self.problems(row, isStrict: isStrict).map { (name: row.name, message: $0) }
      })
    let bad = nodes.filter { $0.outcome != "fine" }
    let remarked = rows.filter { !Self.problems($0, isStrict: true).isEmpty }.map(\.name)
    let count = "\(nodes.count) nodes"
    context.console.line(
      !bad.isEmpty
        ? "\(count): \(nodes.count - bad.count) fine, \(bad.count) not"
        : remarked.isEmpty
          ? "\(count): everything is fine"
          : "\(count): no errors, but drift or degraded links on \(NodeNames.folded(remarked))")
    if let code = codes.deciding { return CommandResult(code.exitCode, nodes: nodes) }
    return CommandResult(bad.isEmpty ? .done : .failed, nodes: nodes)
  }

  private static let failed = "failed"
  private static let degraded = "degraded"

  private static func codes(_ row: NodeAnswer<CheckAnswer>) -> [RefusalCode] {
    guard let answer = row.answer else { return row.failure.map { [$0.refusal.code] } ?? [] }
    let links = answer.endpoints.flatMap(\.stages).contains { $0.verdict == failed }
    return answer.findings.filter { $0.severity == .error }.map(\.refusal)
      + (links ? [.keyManager] : [])
  }

  /// Everything that makes the node not fine, the worst first.
  private static func problems(_ row: NodeAnswer<CheckAnswer>, isStrict: Bool) -> [String] {
    guard let answer = row.answer else { return row.failure.map { [$0.refusal.message] } ?? [] }
    // The guard's before the Key Manager's, as the exit code has it.
    var problems = answer.findings.filter { $0.severity == .error }.map(\.statement)
    for verdict in isStrict ? [failed, degraded] : [failed] {
      for endpoint in answer.endpoints {
        for stage in endpoint.stages where stage.verdict == verdict {
          problems.append("\(endpoint.endpoint): \(stage.stage) \(verdict): \(stage.detail)")
        }
      }
    }
    if isStrict, !answer.drift.isEmpty {
      problems.append("drift: \(StatusCommand.drift(answer.drift))")
    }
    return problems
  }

  private static func lines(_ row: NodeAnswer<CheckAnswer>) -> [String] {
    guard let answer = row.answer else {
      return [row.failure?.refusal.code.rawValue ?? ""]
    }
    var lines = answer.endpoints.map { endpoint in
      // How long it took is left out: nodes that are alike shall be one group. So is what was not
      // checked: a failed stage before it says why, or there was no reason to.
      let stages = endpoint.stages.filter { $0.verdict != "notChecked" }.map { stage in
        stage.verdict == "fine" ? stage.stage : "\(stage.stage) \(stage.verdict): \(stage.detail)"
      }
      return "\(endpoint.endpoint): " + stages.joined(separator: ", ")
    }
    if lines.isEmpty { lines.append("no Key Manager endpoint is configured") }
    // Errors are said once, with the names of their nodes, below.
    lines += answer.findings.filter { $0.severity < .error }.map(\.text)
    if let items = answer.drift.items {
      // What is an error is among the findings.
      for item in items where item.severity < .error {
        lines.append("\(item.severity.rawValue): drift: \(item.message)")
      }
    } else if !answer.drift.isEmpty {
      lines.append("warning: \(StatusCommand.drift(answer.drift))")
    }
    return lines
  }

  private func event(_ row: NodeAnswer<CheckAnswer>) {
    guard let answer = row.answer else {
      let refusal = row.failure?.refusal
      context.console.event(
        "unreachable", node: row.name,
        ["kind": JSONValue(refusal?.code.rawValue), "reason": JSONValue(refusal?.message)])
      return
    }
    context.console.event(
      "check", node: row.name,
      [
        "endpoints": .array(answer.endpoints.map(JSONValue.init)),
        "drift": JSONValue(answer.drift),
        "findings": .array(answer.findings.map(JSONValue.init)),
      ])
  }
}

extension JSONValue {
  /// A probe with all its stages.
  init(_ probe: ProbeAnswer) {
    self = .object([
      "endpoint": .string(probe.endpoint),
      "stages": .array(
        probe.stages.map {
          .object([
            "stage": .string($0.stage), "verdict": .string($0.verdict),
            "milliseconds": JSONValue($0.milliseconds), "detail": .string($0.detail),
          ])
        }),
    ])
  }
}
