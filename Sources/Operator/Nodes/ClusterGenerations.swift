// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Model
internal import Rollout

/// The generations of all nodes. Pure.
struct ClusterGenerations: Sendable {
  let rows: [NodeAnswer<HistoryAnswer>]

  // MARK: for people

  private static let digestDigits = 12

  /// What nodes have in common that share a row of the table.
  private struct Cell: Hashable {
    var isCurrent: Bool
    var isDrifted: Bool
    var kind: String
    var createdBy: String
    var rollout: String
    var digest: String
  }

  static let header = ["GENERATION", "CONFIRMED", "BY", "KIND", "ROLLOUT", "DIGEST", "NODES"]

  /// The newest generation first, nodes with the same together.
  var table: [[String]] {
    let answers = rows.compactMap(\.answer)
    return numbers.reversed().flatMap { number -> [[String]] in
      let cells = answers.compactMap { answer in
        answer.generations.first { $0.number == number }.map {
          (name: answer.node, value: Self.cell($0, of: answer))
        }
      }
      return NodeNames.grouped(cells).map { group in
        let times = answers.filter { group.names.contains($0.node) }.compactMap { answer in
          answer.generations.first { $0.number == number }?.generation?.confirmedAtMicroseconds
        }
        let cell = group.value
        let marks = (cell.isCurrent ? ["current"] : []) + (cell.isDrifted ? ["DRIFT"] : [])
        return [
          marks.isEmpty ? "\(number)" : "\(number) (\(marks.joined(separator: ", ")))",
          times.min().map(Self.time) ?? "-", cell.createdBy, cell.kind, cell.rollout, cell.digest,
          NodeNames.folded(group.names),
        ]
      }
    }
  }

  private static func cell(_ entry: HistoryEntry, of answer: HistoryAnswer) -> Cell {
    let isCurrent = entry.number == answer.current?.number
    let generation = entry.generation
    return Cell(
      isCurrent: isCurrent, isDrifted: isCurrent && answer.isDrifted,
      kind: generation.map {
        $0.kind?.text(withoutRestart: $0.withoutRestart, $0.occasion) ?? "found"
      }
        ?? "DAMAGED",
      // Generation 0 was found: what it names is the author of the rollout after it.
      createdBy: generation.map { $0.kind == nil ? "-" : $0.createdBy } ?? "-",
      rollout: generation?.rollout ?? "-",
      digest: generation.map { String($0.digest.hex.prefix(digestDigits)) } ?? "-")
  }

  /// `2026-01-31T12:34:56Z`.
  static func time(_ microseconds: Int64) -> String {
    "\(CalendarTime.text(microseconds: microseconds).prefix(19))Z"
  }

  /// What to know beside the table, each with its nodes.
  var messages: [(severity: Severity, text: String)] {
    let answers = rows.compactMap(\.answer)
    func grouped(
      _ severity: Severity, _ text: (HistoryAnswer) -> String?
    ) -> [(severity: Severity, text: String)] {
      let texts = answers.compactMap { answer in
        text(answer).map { (name: answer.node, value: $0) }
      }
      return NodeNames.lines(texts).map { (severity, $0) }
    }
    let all = numbers
    return answers.flatMap { answer in
      answer.generations.compactMap { entry in
        entry.problem.map { (Severity.error, "\(answer.node): \($0)") }
      }
    }
      + grouped(.error) { $0.fileProblem }
      + grouped(.warning) { answer in
        guard answer.isDrifted, let number = answer.current?.number else { return nil }
        return
          "the file is not generation \(number): keyturn diff \(number) shows what was changed"
      }
      + grouped(.note) { answer in
        let own = Set(answer.generations.map(\.number))
        let missing = all.filter { !own.contains($0) }
        if missing.isEmpty { return nil }
        return
          "no generation \(Self.text(missing)): not in the cluster then, not confirmed, or no longer kept"
      }
  }

  /// `1-3, 5`, of ascending numbers.
  private static func text(_ numbers: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for number in numbers {
      if let last = ranges.last, number == last.upperBound + 1 {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    return ranges.map {
      $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
    }.joined(separator: ", ")
  }

  /// All numbers, ascending.
  private var numbers: [Int] {
    Set(rows.compactMap(\.answer).flatMap { $0.generations.map(\.number) }).sorted()
  }

  // MARK: to go back to

  /// The newest generation that every node has and whose file is not the current one: after a
  /// rollout that was confirmed the one before it, after one that failed on all nodes the last good
  /// one.
  var previous: Int? {
    numbers.last { number in
      refusals(of: number).allSatisfy { $0.refusal == nil }
        && rows.contains { $0.answer?.file != Self.generation(number, of: $0)?.digest }
    }
  }

  /// Why each node cannot go back to a generation; nil where it can. It must be from the same
  /// rollout on all.
  func refusals(of number: Int) -> [(name: String, refusal: Refusal?)] {
    let rollouts = rows.compactMap { Self.generation(number, of: $0)?.rollout }
    func count(_ rollout: String) -> Int { rollouts.count { $0 == rollout } }
    let common = rollouts.max { count($0) < count($1) }
    return rows.map { row in
      guard let answer = row.answer else { return (row.name, row.failure) }
      guard let entry = answer.generations.first(where: { $0.number == number }) else {
        let own = answer.generations.map(\.number)
        return (
          row.name,
          Refusal(
            .vote,
            "it has no generation \(number) (\(own.isEmpty ? "none at all" : "it has \(Self.text(own))")); all nodes must have it, keyturn history shows which do"
          )
        )
      }
      guard let generation = entry.generation else {
        return (row.name, Refusal(.file, entry.problem ?? "its generation \(number) is damaged"))
      }
      if generation.rollout != common, let common {
        return (
          row.name,
          Refusal(
            .vote,
            "its generation \(number) is from rollout \(generation.rollout), that of the other nodes from \(common): they are not the same change"
          )
        )
      }
      return (row.name, nil)
    }
  }

  /// As the first node has it.
  func generation(_ number: Int) -> Generation? {
    rows.compactMap { Self.generation(number, of: $0) }.first
  }

  private static func generation(_ number: Int, of row: NodeAnswer<HistoryAnswer>) -> Generation? {
    row.answer?.generations.first { $0.number == number }?.generation
  }
}
