// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import Model

/// `keyturn check --nagios`: one line and an exit code as Nagios reads them (Monitoring
/// Plugins Development Guidelines, "Plugin Return Codes" and "Performance data").
struct CheckNagios {
  enum State: Int32 {
    case ok = 0
    case warning = 1
    case critical = 2
    case unknown = 3

    var word: String { "\(self)".uppercased() }
  }

  let report: CheckReport
  let milliseconds: Int
  let timeoutSeconds: Int

  /// A node that cannot be reached is critical: that is what is monitored. A certificate that does
  /// not permit the look leaves everything unknown.
  var state: State {
    if report.rows.contains(where: { $0.answer.failure?.code == .notPermitted }) {
      return .unknown
    }
    if report.nodes.contains(where: { $0.outcome != .fine }) { return .critical }
    let isRemarked = report.rows.contains { row in
      row.level >= .degraded || !report.problems(row, isStrict: true).isEmpty
    }
    return isRemarked ? .warning : .ok
  }

  var line: String { "KEYTURN \(state.word) - \(text) | \(data)" }

  /// Without what would end text or line.
  static func clean(_ text: String) -> String {
    String(Console.visible(text).map { $0 == "|" || $0.isNewline ? " " : $0 })
  }

  /// Writes the line of a check that could not be made; returns the exit status.
  static func tellUnknown(_ message: String, _ host: any CommandHost) -> Int32 {
    host.write("KEYTURN \(State.unknown.word) - \(clean(message))\n", to: .standardOutput)
    return State.unknown.rawValue
  }

  private var text: String {
    let problems = report.rows.flatMap { row in
      let hard = report.problems(row, isStrict: false)
      let all = hard.isEmpty ? report.problems(row, isStrict: true) : hard
      let soft =
        row.level >= .degraded && all.isEmpty
        ? zip(report.columns, row.cells).flatMap { $1?.problems(of: $0) ?? [] } : all
      return soft.prefix(1).map { (name: row.name, value: $0) }
    }
    let groups = NodeNames.grouped(problems).map {
      "\(NodeNames.folded($0.names)): \(Self.clean($0.value))"
    }
    return ([report.conclusion] + groups.prefix(3)).joined(separator: "; ")
      + (groups.count > 3 ? "; and \(groups.count - 3) more" : "")
  }

  private var data: String {
    let cells = report.rows.flatMap { $0.cells.compactMap(\.self) }
    let levels =
      cells.compactMap { $0.forward == nil ? nil : $0.forwardLevel }
      + cells.compactMap { $0.back == nil ? nil : $0.backLevel }
    func links(_ level: CheckReport.Level) -> Int { levels.count { $0 == level } }
    let seconds = "\(milliseconds / 1_000).\(String(milliseconds % 1_000 + 1_000).dropFirst())"
    return [
      "nodes=\(report.rows.count);;;0",
      "unreachable=\(report.nodes.count { $0.outcome == .unreachable });;0;0",
      "links=\(levels.count);;;0", "failed=\(links(.failed));;0;0",
      "degraded=\(links(.degraded));0;;0", "unverified=\(links(.unverified));;;0",
      "time=\(seconds)s;;;0;\(timeoutSeconds)",
    ].joined(separator: " ")
  }
}
