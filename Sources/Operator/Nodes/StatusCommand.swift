// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// `keyturn status`: one row for each node of the inventory, always.
struct StatusCommand: Command {
  struct Options: OptionGroup {
    var watch = WatchOptions()
    var cluster = ClusterOptions()

    var problem: String? { watch.problem }
  }

  static let rule = CommandRule(
    name: "status",
    summary: "one row for each node of the inventory, reachable or not",
    examples: [
      ("keyturn status", "unit, sealed key, generation, rollout, drift"),
      ("keyturn status --watch", "while nodes are being worked on"),
    ],
    exitCodes: [.done, .failed, .unknown] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    if options.watch.watches { return watch(cluster) }
    let (rows, health) = look(cluster)
    tell(rows, health)
    return health.result()
  }

  private func look(_ cluster: Cluster) -> (rows: [NodeAnswer<NodeStatus>], health: ClusterHealth) {
    let rows = context.ask(cluster, .status)
    return (rows, ClusterHealth(rows.map { $0.map(\.sight) }, inventory: cluster.inventory))
  }

  private func tell(_ rows: [NodeAnswer<NodeStatus>], _ health: ClusterHealth) {
    context.console.events("status", rows, fields: Self.fields)
    for line in lines(rows) { context.console.line(line) }
    context.tellFailures(rows)
    for problem in health.fields { context.console.event("problem", problem) }
    if context.console.format == .text {
      for statement in Self.told(health) {
        context.console.message(statement.finding.severity, statement.text)
      }
    }
  }

  private static func told(_ health: ClusterHealth) -> [ClusterHealth.Statement] {
    health.statements.filter { $0.finding.severity > .note }
  }

  // MARK: watching

  /// On a terminal it is drawn again; elsewhere the whole is printed when something has changed, and with `--json` in
  /// every round.
  private func watch(_ cluster: Cluster) -> CommandResult {
    var screen = Redrawing(context.console)
    var before: [String] = []
    return context.rounds(options.watch) {
      let (rows, health) = look(cluster)
      let time = CalendarTime.text(microseconds: Clock.realtimeMicroseconds())
      if context.console.isLive {
        let heading = "\(cluster.inventory.cluster) at \(time)"
        screen.draw([StyledLine(heading)] + lines(rows).map { StyledLine($0) } + remarks(health))
      } else if context.console.format == .json {
        tell(rows, health)
      } else {
        // The age of a look is no change.
        let now =
          rows.map { Self.cells($0, withAges: false).joined(separator: " ") }
          + remarks(health).map(\.plain)
        if now != before {
          context.console.line("at \(time):")
          tell(rows, health)
        }
        before = now
      }
      return health.result()
    }
  }

  private func remarks(_ health: ClusterHealth) -> [StyledLine] {
    let said = Self.told(health).map { statement in
      let isError = statement.finding.severity == .error
      return StyledLine([
        StyledText(
          "\(statement.finding.severity.rawValue): \(statement.text)", isError ? .bad : .doubtful)
      ])
    }
    let silent = NodeNames.lines(
      health.unanswered.map { (name: $0.name, value: $0.refusal.message) })
    return silent.map { StyledLine([StyledText("error: \($0)", .bad)]) } + said
  }

  private static let header = [
    "NODE", "AGENT", "UNIT", "RELEASE", "SSE KEY", "GENERATION", "ROLLOUT", "KEY MANAGERS", "DRIFT",
  ]

  /// On a terminal that is too narrow for the table, what all nodes have in common is above it, once.
  private func lines(_ rows: [NodeAnswer<NodeStatus>]) -> [String] {
    var (header, cells) = (Self.header, rows.map { Self.cells($0) })
    func leaveOut(_ name: String, where isPlain: ([String]) -> Bool) {
      guard let column = header.firstIndex(of: name),
        isPlain(cells.map { $0[column] }.filter { !$0.isEmpty })
      else { return }
      header.remove(at: column)
      for index in cells.indices { cells[index].remove(at: column) }
    }
    // Of agents of one version, and of servers that name no release, there is nothing to see.
    leaveOut("AGENT") { Set($0).count < 2 }
    leaveOut("RELEASE") { $0.allSatisfy { $0 == "-" } }
    let table = TextTable.lines(header, cells)
    guard context.console.isLive, let size = context.host.terminal(.standardOutput),
      table.contains(where: { $0.count > size.columns })
    else { return table }
    let answers = zip(rows, cells).filter { $0.0.answer != nil }.map(\.1)
    let shared = ["RELEASE", "SSE KEY", "GENERATION", "ROLLOUT"]
      .compactMap { header.firstIndex(of: $0) }
      .filter { column in Set(answers.map { $0[column] }).count == 1 }
    if shared.isEmpty || answers.count < 2 { return table }
    let width = (shared.map { header[$0].count }.max() ?? 0) + 2
    let above = shared.map { column in
      let name = header[column]
      return name + String(repeating: " ", count: width - name.count) + answers[0][column]
    }
    func rest(_ row: [String]) -> [String] {
      row.indices.filter { !shared.contains($0) }.map { row[$0] }
    }
    return above + [""] + TextTable.lines(rest(header), cells.map(rest))
  }

  private static func cells(_ row: NodeAnswer<NodeStatus>, withAges: Bool = true) -> [String] {
    guard let status = row.answer else {
      return [row.name, "", row.failure?.code.rawValue ?? "", "", "", "", "", "", ""]
    }
    return [
      row.name, status.version, "\(status.activeState) (\(status.subState))", release(status),
      key(status),
      status.generation.map { "\($0.number)" } ?? "-", rollout(status),
      links(status.links, withAges),
      status.activeState == "unknown" ? "unknown" : drift(status.drift),
    ]
  }

  /// The running server's, without the word that all have.
  private static func release(_ status: NodeStatus) -> String {
    guard let release = status.report?.programs?.running?.release else { return "-" }
    return release.hasPrefix("RELEASE.") ? String(release.dropFirst("RELEASE.".count)) : release
  }

  /// The node's own last look at its Key Managers, with its age.
  private static func links(_ links: LinkSummary?, _ hasAge: Bool) -> String {
    guard let links else { return "-" }
    let known = links.fine + links.degraded + links.failed
    let bad = [(links.failed, "failed"), (links.degraded, "degraded")].filter { $0.0 > 0 }
      .map { "\($0.0) \($0.1)" }
    let words = bad.isEmpty ? "fine" : "\(bad.joined(separator: ", ")) of \(known)"
    // A node at rest looks about once a minute: what is older is not the state now.
    let tense = links.ageSeconds > oldLookSeconds ? "was " : ""
    let age = hasAge ? " (\(links.ageSeconds) s ago)" : ""
    return known == 0 ? "-" : "\(tense)\(words)\(age)"
  }

  /// A look that is older should have been repeated.
  static let oldLookSeconds = 90

  private static let sealRule = "seal-"

  private static func key(_ status: NodeStatus) -> String {
    let running = status.runningKey
    // In capitals: the node takes part in nothing.
    let problem = status.findings.first {
      $0.severity == .error && $0.rule.hasPrefix(sealRule)
    }
    if let problem {
      let word = problem.rule.dropFirst(sealRule.utf8.count).uppercased()
      return [status.seal?.keyName ?? running, "(SEAL: \(word))"].compactMap(\.self)
        .joined(separator: " ")
    }
    guard let seal = status.seal else { return running.map { "\($0) (not sealed)" } ?? "-" }
    if let running, running != seal.keyName { return "\(seal.keyName) (RUNS WITH \(running))" }
    return "\(seal.keyName) (sealed)"
  }

  private static func rollout(_ status: NodeStatus) -> String {
    if let active = status.activeRollout {
      return "\(active) \(status.activeStage?.text ?? "active")"
        + (status.doubt == nil ? "" : " (IN DOUBT)")
    }
    guard let last = status.lastRollout else { return "-" }
    return "\(last) \(status.lastOutcome?.word ?? "ended")"
      + (status.lastWithoutRestart == true ? ", no restart" : "")
  }

  static func drift(_ drift: Drift) -> String {
    if let items = drift.items {
      return items.isEmpty ? "-" : items.map(\.summary).joined(separator: "; ")
    }
    var parts: [String] = []
    if drift.fileChanged { parts.append("file changed") }
    if !drift.processDiffers.isEmpty {
      parts.append("process differs: \(drift.processDiffers.joined(separator: ", "))")
    }
    return parts.isEmpty ? "-" : parts.joined(separator: "; ")
  }

  private static func fields(_ status: NodeStatus) -> JSONObject {
    [
      "version": status.version, "activeState": status.activeState, "subState": status.subState,
      "mainPID": status.mainPID, "invocation": status.invocation, "runningKey": status.runningKey,
      "sealedKey": status.seal?.keyName, "generation": status.generation?.number,
      "activeRollout": status.activeRollout, "activeStage": status.activeStage?.text,
      "doubt": status.doubt.map { doubt in
        ["attempts": doubt.attempts, "missing": doubt.missing] as JSONObject
      },
      "lastRollout": status.lastRollout, "lastOutcome": status.lastOutcome?.word,
      "lastRestarted": status.lastRollout.map { _ in status.lastWithoutRestart != true },
      "links": status.links, "epoch": status.epoch, "drift": JSONObject(status.drift),
      "findings": status.findings.map(JSONObject.init), "report": status.report?.forOutput,
    ]
  }
}

extension JSONObject {
  init(_ drift: Drift) {
    self = [
      "fileChanged": drift.fileChanged, "processDiffers": drift.processDiffers,
      "items": drift.items ?? [],
    ]
  }
}

extension DriftItem {
  fileprivate var summary: String {
    switch kind {
    case .edited: "file changed"
    case .replaced: "replaced: \(place)"
    case .attributes: "mode or owner: \(place)"
    case .otherFile: "changed: \(place)"
    case .process: "process differs: \(variables.joined(separator: ", "))"
    case .binary: "another program"
    case .unit: "unit changed"
    case .key: "START WOULD BE REFUSED"
    case .runningKey: severity == .error ? "OTHER KEY IN USE" : "key in use not known"
    case .keyProof: severity == .error ? "ANOTHER KEY AT \(place)" : "key proof"
    case .startGuard: severity == .error ? "START GUARD" : "start guard"
    }
  }
}
