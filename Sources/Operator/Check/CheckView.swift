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

  /// What is wrong, nodes with the same together, as briefly as in the matrix: what was seen stands among the errors and
  /// warnings.
  private var folded: [StyledLine] {
    let rows = report.rows.map { row in
      let isWell = report.health.level(of: row.name) < .unknown
      return (name: row.name, value: Self.words(row, report.columns, isWell: isWell, isBrief: true))
    }
    return NodeNames.grouped(rows).flatMap { group in
      group.value.map { StyledLine(group.names, $0) }
    }
  }

  /// The links of a node in a few words, also for `--watch` where nothing can be redrawn.
  ///
  /// - Parameters:
  ///   - isWell: whether nothing else is wrong with the node.
  ///   - isBrief: without what was seen.
  static func words(
    _ row: CheckReport.Row, _ columns: [String], isWell: Bool, isBrief: Bool = false
  ) -> [StyledText] {
    if let failure = row.answer.failure {
      return [StyledText(failure.code.rawValue, .bad)]
    }
    var problems: [StyledText] = []
    var unverified: [String] = []
    for (column, cell) in zip(columns, row.cells) {
      guard let cell else { continue }
      let told = cell.problems(of: column)
      let brief = isBrief && !told.isEmpty ? ["\(column): \(cell.words)"] : told
      problems += brief.map { StyledText($0, style(cell.level)) }
      if cell.level == .unverified { unverified.append(column) }
    }
    if !problems.isEmpty { return problems }
    let links = isWell ? "fine" : "Key Managers fine"
    let reverse =
      unverified.isEmpty
      ? "" : ", the reverse path from \(unverified.joined(separator: ", ")) unverified"
    return [StyledText(links + reverse, isWell ? .good : .plain)]
  }

  private static func style(_ level: CheckReport.Level) -> StyledText.Style {
    switch level {
    case .fine: .good
    case .unverified, .degraded: .doubtful
    case .failed: .bad
    }
  }

  /// Warnings. Errors are printed apart; notes, which most healthy clusters have, are in `--json` only.
  private var remarks: [StyledLine] {
    let statements = report.health.statements.filter {
      $0.finding.severity == .warning && !report.fails($0)
    }
    return statements.map { statement in
      StyledLine(
        statement.nodes, StyledText("warning: \(statement.finding.statement)", .doubtful))
    }
  }
}
