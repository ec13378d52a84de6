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

    init(_ verdict: Word<ProbeVerdict>) {
      switch verdict.known {
      case .fine: self = .fine
      case .degraded: self = .degraded
      case .failed: self = .failed
      case .notChecked, nil: self = .unverified
      }
    }
  }

  /// One node and one Key Manager.
  struct Cell: Sendable, Hashable {
    /// The node's own way there; nil where it is not probed.
    var forward: Word<ProbeVerdict>?
    /// The stage that is worst, for people, if one is not fine.
    var stage: String?
    /// What was seen at it.
    var detail = ""
    /// The reverse path; nil from an agent that does not know of it.
    var back: ReverseAnswer?

    var level: Level { max(forwardLevel, backLevel) }

    var forwardLevel: Level { forward.map { Level($0) } ?? .fine }

    var backLevel: Level {
      guard let back else { return .fine }
      let level = Level(back.verdict)
      // A witness that should answer and does not is a fault.
      return level == .unverified && back.unverified?.known == .silent ? .degraded : level
    }

    /// A few words: the worst stage of the way there, and the reverse path unless it is fine too.
    var words: String {
      let there =
        forward == nil
        ? nil
        : stage.map { "\($0) \(forwardLevel == .failed ? "failed" : "degraded")" }
          ?? (forwardLevel == .fine ? "fine" : "not checked")
      return [there, backWords.map { "back \($0)" }].compactMap(\.self).joined(separator: ", ")
    }

    /// Nil if the reverse path is fine, or not known of.
    private var backWords: String? {
      guard let back, back.verdict != .fine else { return nil }
      if back.verdict == .notChecked { return "unverified" }
      var words: [String] = []
      for link in back.links where link.verdict == .failed {
        let port = link.address.split(separator: ":").last.map(String.init) ?? link.port.text
        let word = "\(port) \(link.outcome.known?.title ?? link.outcome.text)"
        if !words.contains(word) { words.append(word) }
      }
      return words.isEmpty ? back.verdict.text : words.joined(separator: ", ")
    }

    /// What is wrong in whole words, an entry for each direction that is not fine.
    func problems(of column: String) -> [String] {
      var problems: [String] = []
      if let stage, forwardLevel >= .degraded {
        let verdict = forwardLevel == .degraded ? "degraded: " : ""
        problems.append("\(column): \(stage): \(verdict)\(detail)")
      }
      if let back, backLevel >= .degraded {
        let unverified = back.verdict == .notChecked ? "unverified, " : ""
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
  let health: ClusterHealth
  let isStrict: Bool

  init(_ answers: [NodeAnswer<CheckAnswer>], inventory: Inventory, isStrict: Bool) {
    cluster = inventory.cluster
    self.isStrict = isStrict
    var columns = inventory.keyManagers.map(\.name)
    let ignoresUnverified = inventory.unverifiedDirection == .ignore
    health = ClusterHealth(
      answers.map { row in
        row.map { answer in
          var answer = answer
          if ignoresUnverified {
            answer.back = answer.back?.filter { $0.verdict != .known(.notChecked) }
          }
          return answer.sight
        }
      }, inventory: inventory)
    let named = answers.map { answer in
      answer.answer.map { Self.cells($0, ignoresUnverified: ignoresUnverified) } ?? []
    }
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

  private static func cells(
    _ answer: CheckAnswer, ignoresUnverified: Bool
  ) -> [(name: String, cell: Cell)] {
    var cells: [(name: String, cell: Cell)] = []
    var rest = answer.back ?? []
    // Only the names of the Key Managers are of use then.
    func told(_ back: ReverseAnswer?) -> ReverseAnswer? {
      ignoresUnverified && back?.verdict == .known(.notChecked) ? nil : back
    }
    for probe in answer.endpoints {
      let index = rest.firstIndex { $0.endpoint == probe.endpoint }
      let back = index.map { rest.remove(at: $0) }
      let name = back?.keyManager ?? plain(probe.endpoint)
      let worst = probe.stages.filter { $0.verdict != .notChecked }
        .max { rank($0.verdict) < rank($1.verdict) }
      var cell = Cell(forward: worst?.verdict ?? .known(.notChecked), back: told(back))
      // The first of the worst: what comes after it follows from it.
      if let worst, worst.verdict != .fine,
        let first = probe.stages.first(where: { $0.verdict == worst.verdict })
      {
        cell.stage = title(ofStage: first.stage)
        cell.detail = first.detail
      }
      cells.append((name, cell))
    }
    return cells
      + rest.compactMap { back in told(back).map { (back.keyManager, Cell(back: $0)) } }
  }

  /// A verdict that is not known here may be the worst.
  private static func rank(_ verdict: Word<ProbeVerdict>) -> ProbeVerdict {
    verdict.known ?? .failed
  }

  private static func plain(_ endpoint: String) -> String {
    endpoint.hasPrefix("https://") ? String(endpoint.dropFirst(8)) : endpoint
  }

  private static func title(ofStage stage: Word<ProbeStage>) -> String {
    switch stage.known {
    case .dns, .tcp, .tls: stage.text.uppercased()
    default: stage.text
    }
  }

  // MARK: the result

  /// Whether every link could be verified.
  var isComplete: Bool { rows.allSatisfy { $0.level == .fine } }

  /// What counts against a node in this check.
  var threshold: ClusterHealth.Level { isStrict ? .remarked : .unknown }

  /// Whether a statement makes the check fail, and is printed as an error.
  func fails(_ statement: ClusterHealth.Statement) -> Bool { statement.level >= threshold }

  var result: CommandResult {
    var result = health.result(isStrict: isStrict)
    result.isTold = true
    result.message = conclusion
    return result
  }

  var conclusion: String { health.conclusion(isComplete: isComplete) }
}
