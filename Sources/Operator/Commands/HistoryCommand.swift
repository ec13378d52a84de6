internal import Coordination
internal import Digests
internal import Model
internal import Rollout
internal import Wire

/// `keyturn history`: the generations of all nodes in one table.
struct HistoryCommand: Sendable {
  let context: CommandContext

  /// Blocks until each node has answered or is out of time.
  func run() throws(Refusal) -> CommandResult {
    let configuration = try context.configuration()
    let rows = context.ask(configuration, .generations)
    for row in rows { event(row) }
    let history = ClusterHistory(rows: rows)
    let table = history.table
    if table.isEmpty {
      context.console.progress("no generation yet: the first rollout that is confirmed makes one")
    } else {
      for line in TextTable.lines(ClusterHistory.header, table) { context.console.line(line) }
    }
    for message in history.messages { context.console.message(message.severity, message.text) }
    context.tellFailures(rows)
    let nodes = rows.map { row in
      NodeResult(
        name: row.name, outcome: row.failure == nil ? "reachable" : "unknown",
        reason: row.failure?.refusal.message ?? "")
    }
    let codes = rows.compactMap { $0.failure?.refusal.code }
    if codes.contains(.notPermitted) { return CommandResult(.notPermitted, nodes: nodes) }
    let isSound = !history.messages.contains { $0.severity == .error }
    return CommandResult(codes.isEmpty && isSound ? .done : .unknown, nodes: nodes)
  }

  private func event(_ row: NodeAnswer<HistoryAnswer>) {
    guard let answer = row.answer else {
      let refusal = row.failure?.refusal
      context.console.event(
        "unreachable", node: row.name,
        ["kind": JSONValue(refusal?.code.rawValue), "reason": JSONValue(refusal?.message)])
      return
    }
    context.console.event(
      "history", node: row.name,
      [
        "current": JSONValue(answer.current?.number), "file": JSONValue(answer.file?.hex),
        "fileProblem": JSONValue(answer.fileProblem), "fileChanged": .bool(answer.isDrifted),
        "generations": .array(answer.generations.map(JSONValue.init)),
      ])
  }
}

extension JSONValue {
  /// A generation with all that is known of it.
  init(_ entry: HistoryEntry) {
    let generation = entry.generation
    self = .object([
      "number": .integer(Int64(entry.number)), "path": JSONValue(generation?.path),
      "digest": JSONValue(generation?.digest.hex), "rollout": JSONValue(generation?.rollout),
      "kind": JSONValue(generation?.kind?.rawValue),
      "createdBy": JSONValue(generation?.createdBy),
      "confirmedAt": JSONValue(
        (generation?.confirmedAtMicroseconds).map { CalendarTime.text(microseconds: $0) }),
      "problem": JSONValue(entry.problem),
    ])
  }
}
