// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model

/// The result of a round of `keyturn check`: every node and every Key Manager, both directions.
struct CheckReport: Sendable {
  /// How a cell or a node is, from best to worst.
  enum Level: Int, Sendable, Hashable, Comparable {
    case fine
    /// Not known, and no sign of a fault.
    case unverified
    case degraded
    case failed

    static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
  }

  /// One node and one Key Manager.
  struct Cell: Sendable, Hashable {
    /// `fine`, `failed` and so on: the node's own way there; nil where it is not probed.
    var forward: String?
    /// The stage that is worst, if one is not fine.
    var stage: String?
    /// What was seen at it.
    var detail = ""
    /// The reverse path; nil from an agent that does not know of it.
    var back: ReverseAnswer?

    var level: Level { max(forwardLevel, backLevel) }

    var forwardLevel: Level {
      switch forward {
      case "failed": .failed
      case "degraded": .degraded
      case "fine", nil: .fine
      default: .unverified
      }
    }

    var backLevel: Level {
      switch back?.verdict {
      case "failed": .failed
      case "degraded": .degraded
      case "fine", nil: .fine
      // A witness that should answer and does not is a fault.
      default: back?.unverified == "silent" ? .degraded : .unverified
      }
    }

    /// A few words: the worst stage of the way there, and the reverse path unless it is fine too.
    var words: String {
      let there =
        forward == nil
        ? nil
        : stage.map { "\($0) \(forward == "failed" ? "failed" : "degraded")" }
          ?? (forward == "fine" ? "fine" : "not checked")
      return [there, backWords.map { "back \($0)" }].compactMap(\.self).joined(separator: ", ")
    }

    /// Nil if the reverse path is fine, or not known of.
    private var backWords: String? {
      guard let back, back.verdict != "fine" else { return nil }
      if back.verdict == "notChecked" { return "unverified" }
      var words: [String] = []
      for link in back.links where link.verdict == "failed" {
        let port = link.address.split(separator: ":").last.map(String.init) ?? link.port
        let word = "\(port) \(CheckReport.title(ofOutcome: link.outcome))"
        if !words.contains(word) { words.append(word) }
      }
      return words.isEmpty ? back.verdict : words.joined(separator: ", ")
    }

    /// What is wrong in whole words, an entry for each direction that is not fine.
    func problems(of column: String) -> [String] {
      var problems: [String] = []
      if let stage, forwardLevel >= .degraded {
        let verdict = forwardLevel == .degraded ? "degraded: " : ""
        problems.append("\(column): \(stage): \(verdict)\(detail)")
      }
      if let back, backLevel >= .degraded {
        let unverified = back.verdict == "notChecked" ? "unverified, " : ""
        problems.append("\(column) back: \(unverified)\(back.detail)")
      }
      return problems
    }
  }

  struct Row: Sendable {
    var answer: NodeAnswer<CheckAnswer>
    /// By ``CheckReport/columns``; nil where the node has nothing to do with that Key Manager.
    var cells: [Cell?]

    var name: String { answer.name }
    var level: Level { cells.compactMap(\.self).map(\.level).max() ?? .fine }
  }

  let cluster: String
  /// The Key Managers' names in the inventory, then endpoints that it does not have.
  let columns: [String]
  let rows: [Row]
  let isStrict: Bool

  init(_ answers: [NodeAnswer<CheckAnswer>], inventory: Inventory, isStrict: Bool) {
    cluster = inventory.cluster
    self.isStrict = isStrict
    var columns = inventory.keyManagers.map(\.name)
    let named = answers.map { answer in answer.answer.map { Self.cells($0) } ?? [] }
    for (name, _) in named.joined() where !columns.contains(name) { columns.append(name) }
    let used = Set(named.joined().map(\.name))
    // A Key Manager of which no node speaks has no column, unless no node speaks at all.
    columns = used.isEmpty ? columns : columns.filter { used.contains($0) }
    self.columns = columns
    rows = zip(answers, named).map { answer, cells in
      Row(
        answer: answer,
        cells: columns.map { column in cells.first { $0.name == column }?.cell })
    }
  }

  private static func cells(_ answer: CheckAnswer) -> [(name: String, cell: Cell)] {
    var cells: [(name: String, cell: Cell)] = []
    var rest = answer.back ?? []
    for probe in answer.endpoints {
      let index = rest.firstIndex { $0.endpoint == probe.endpoint }
      let back = index.map { rest.remove(at: $0) }
      let name = back?.keyManager ?? plain(probe.endpoint)
      let worst = probe.stages.filter { $0.verdict != "notChecked" }
        .max { rank($0.verdict) < rank($1.verdict) }
      var cell = Cell(forward: worst?.verdict ?? "notChecked", back: back)
      // The first of the worst: what comes after it follows from it.
      if let worst, worst.verdict != "fine",
        let first = probe.stages.first(where: { $0.verdict == worst.verdict })
      {
        cell.stage = title(ofStage: first.stage)
        cell.detail = first.detail
      }
      cells.append((name, cell))
    }
    return cells + rest.map { ($0.keyManager, Cell(back: $0)) }
  }

  private static func rank(_ verdict: String) -> Int {
    ["fine": 0, "notChecked": 1, "degraded": 2, "failed": 3][verdict] ?? 3
  }

  private static func plain(_ endpoint: String) -> String {
    endpoint.hasPrefix("https://") ? String(endpoint.dropFirst(8)) : endpoint
  }

  static func title(ofStage stage: String) -> String {
    ["dns", "tcp", "tls"].contains(stage) ? stage.uppercased() : stage
  }

  /// How an attempt to connect back ended, for people.
  static func title(ofOutcome outcome: String) -> String {
    switch outcome {
    case "timedOut": "timed out"
    case "noRoute": "no route"
    case "noAddress": "no address"
    case "anotherHost": "another host"
    default: outcome
    }
  }

  // MARK: the result

  /// Everything that makes a node not fine, the worst first.
  func problems(_ row: Row, isStrict: Bool) -> [String] {
    guard let answer = row.answer.answer else {
      return row.answer.failure.map { [$0.message] } ?? []
    }
    // The guard's before the Key Manager's, as the exit code has it.
    let errors = answer.findings.filter { $0.severity == .error }
    var problems = errors.map(\.statement)
    for verdict in isStrict ? ["failed", "degraded"] : ["failed"] {
      for endpoint in answer.endpoints {
        for stage in endpoint.stages where stage.verdict == verdict {
          // What the judgement says already is not said again.
          let isSaid = errors.contains {
            $0.message.contains(endpoint.endpoint) && $0.message.contains(stage.detail)
          }
          if isSaid { continue }
          problems.append("\(endpoint.endpoint): \(stage.stage) \(verdict): \(stage.detail)")
        }
      }
      for back in answer.back ?? [] where back.verdict == verdict {
        if errors.contains(where: { $0.message.contains(back.detail) }) { continue }
        problems.append("from \(back.keyManager) back: \(back.detail)")
      }
    }
    if isStrict {
      problems += answer.findings.filter { $0.rule == OwnCertificate.rule }.map(\.statement)
    }
    if isStrict, !answer.drift.isEmpty {
      problems.append("drift: \(StatusCommand.drift(answer.drift))")
    }
    return problems
  }

  var nodes: [NodeResult] {
    rows.map { row in
      let reason = problems(row, isStrict: isStrict).first ?? ""
      let outcome =
        row.answer.failure != nil ? "unreachable" : reason.isEmpty ? "fine" : "failed"
      return NodeResult(name: row.name, outcome: outcome, reason: reason)
    }
  }

  var result: CommandResult {
    let codes = rows.flatMap { Self.codes($0) }
    let nodes = nodes
    let isFine = nodes.allSatisfy { $0.outcome == "fine" }
    return CommandResult(
      codes.deciding.map { ExitCode($0) } ?? (isFine ? .done : .failed), nodes: nodes, isTold: true)
  }

  private static func codes(_ row: Row) -> [RefusalCode] {
    guard let answer = row.answer.answer else {
      return row.answer.failure.map { [$0.code] } ?? []
    }
    let links =
      answer.endpoints.flatMap(\.stages).contains { $0.verdict == "failed" }
      || (answer.back ?? []).contains { $0.verdict == "failed" }
    return answer.findings.filter { $0.severity == .error }.map(\.refusal)
      + (links ? [.keyManager] : [])
  }

  var conclusion: String {
    let nodes = nodes
    let bad = nodes.count { $0.outcome != "fine" }
    let remarked = rows.filter { !problems($0, isStrict: true).isEmpty }.map(\.name)
    let count = NodeNames.counted(nodes.count)
    if bad > 0 { return "\(count): \(nodes.count - bad) fine, \(bad) not" }
    if !remarked.isEmpty {
      return "\(count): no errors, but drift or degraded links on \(NodeNames.folded(remarked))"
    }
    let isVerified = rows.allSatisfy { $0.level == .fine }
    return "\(count): everything is fine" + (isVerified ? "" : " that could be checked")
  }
}
