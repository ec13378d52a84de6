// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model

/// A round of `keyturn check` for people: a matrix of nodes and Key Managers while it is small, else
/// what is not fine, nodes with the same together.
struct CheckView {
  let report: CheckReport
  let columns: Int

  /// More nodes than these are folded.
  static let matrixNodes = 16

  var lines: [StyledLine] { links + remarks }

  private var links: [StyledLine] {
    if report.rows.isEmpty { return [] }
    if report.columns.isEmpty { return [StyledLine("no Key Manager endpoint is configured")] }
    let matrix = matrix
    let fits =
      report.rows.count <= Self.matrixNodes
      && matrix.allSatisfy { $0.plain.count <= max(40, columns) }
    return fits ? matrix : folded
  }

  /// A row for each node, a column for each Key Manager.
  private var matrix: [StyledLine] {
    let header = ["NODE"] + report.columns
    let body = report.rows.map { row -> [StyledText] in
      guard row.answer.answer != nil else {
        let word = row.answer.failure?.code.rawValue ?? "unreachable"
        return [StyledText(row.name), StyledText(word, .bad)]
      }
      return [StyledText(row.name)]
        + row.cells.map { cell in
          guard let cell else { return StyledText("-") }
          return StyledText(cell.words, Self.style(cell.level))
        }
    }
    return TextTable.lines(header, body)
  }

  /// What is wrong, nodes with the same together.
  private var folded: [StyledLine] {
    NodeNames.grouped(report.rows.map { (name: $0.name, value: Self.words($0, report.columns)) })
      .flatMap { group in
        group.value.map { StyledLine(group.names, $0) }
      }
  }

  /// Each node in a few words, for `--watch` where nothing can be redrawn.
  static func words(_ row: CheckReport.Row, _ columns: [String]) -> [StyledText] {
    if let failure = row.answer.failure {
      return [StyledText(failure.code.rawValue, .bad)]
    }
    var words: [StyledText] = []
    var unverified: [String] = []
    for (column, cell) in zip(columns, row.cells) {
      guard let cell else { continue }
      words += cell.problems(of: column).map { StyledText($0, style(cell.level)) }
      if cell.level == .unverified { unverified.append(column) }
    }
    if words.isEmpty { words = [StyledText("fine", .good)] }
    if !unverified.isEmpty {
      words[0].text +=
        words[0].text == "fine"
        ? ", the reverse path from \(unverified.joined(separator: ", ")) unverified" : ""
    }
    return words
  }

  private static func style(_ level: CheckReport.Level) -> StyledText.Style {
    switch level {
    case .fine: .good
    case .unverified, .degraded: .doubtful
    case .failed: .bad
    }
  }

  /// Warnings and drift. Errors are printed apart; notes, which most healthy clusters have, are in
  /// `--json` only.
  private var remarks: [StyledLine] {
    let all = report.rows.flatMap { row -> [(name: String, value: String)] in
      guard let answer = row.answer.answer else { return [] }
      var lines = answer.findings.filter { $0.severity == .warning }.map(\.text)
      if let items = answer.drift.items {
        // Errors are among the findings.
        for item in items where item.severity < .error {
          lines.append("\(item.severity.rawValue): drift: \(item.message)")
        }
      } else if !answer.drift.isEmpty {
        lines.append("warning: \(StatusCommand.drift(answer.drift))")
      }
      return lines.map { (row.name, $0) }
    }
    return NodeNames.grouped(all).map { group in
      let style: StyledText.Style = group.value.hasPrefix("warning") ? .doubtful : .plain
      return StyledLine(group.names, StyledText(group.value, style))
    }
  }
}
