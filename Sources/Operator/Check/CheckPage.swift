// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model

/// A round of `keyturn check` as one HTML page: the verdict, the matrix, and what is wrong.
struct CheckPage {
  let report: CheckReport
  /// When it was made, RFC 3339.
  let time: String

  var text: String {
    let title = "Check of \(report.cluster)"
    let tone =
      switch report.health.level {
      case .well: "good"
      case .remarked, .unknown: "doubtful"
      case .wrong: "bad"
      }
    var body = "<h1>\(HTML.escaped(title))</h1>\n"
    body += "<p class=\"verdict \(tone)\">\(HTML.escaped(report.conclusion))</p>\n"
    let silent = NodeNames.lines(
      report.health.unanswered.map { (name: $0.name, value: $0.refusal.message) })
    let said = report.health.statements.filter { $0.finding.severity > .note }.map(\.text)
    body += HTML.list("what", silent + said)
    body += "<p>\(HTML.escaped(time))</p>\n"
    if !report.columns.isEmpty { body += "<h2>Nodes and Key Managers</h2>\n" + matrix }
    return HTML.page(title, body)
  }

  private var matrix: String {
    let head = (["node"] + report.columns).map { "<th>\(HTML.escaped($0))</th>" }.joined()
    let rows = report.rows.map { row in
      let cells = row.cells.map { cell in
        guard let cell else { return "<td>-</td>" }
        return "<td class=\"\(Self.tone(cell.level))\">\(HTML.escaped(cell.words))</td>"
      }
      let word = row.answer.failure.map {
        "<td class=\"bad\" colspan=\"\(report.columns.count)\">\(HTML.escaped($0.code.rawValue))</td>"
      }
      return "<tr><td>\(HTML.escaped(row.name))</td>\(word ?? cells.joined())</tr>\n"
    }
    return "<div class=\"scroll\"><table>\n<thead><tr>\(head)</tr></thead>\n<tbody>\n"
      + rows.joined() + "</tbody>\n</table></div>\n"
  }

  private static func tone(_ level: CheckReport.Level) -> String {
    switch level {
    case .fine: "good"
    case .unverified, .degraded: "doubtful"
    case .failed: "bad"
    }
  }
}
