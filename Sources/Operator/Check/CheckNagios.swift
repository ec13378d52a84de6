// SPDX-License-Identifier: Apache-2.0
internal import API
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

  var state: State {
    switch report.health.level {
    case .wrong: .critical
    case _ where report.health.isForbidden: .unknown
    case .well: .ok
    case .remarked: .warning
    case .unknown: .unknown
    }
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

  /// The conclusion and the first of what decides it.
  private var text: String {
    let health = report.health
    let silent = NodeNames.lines(
      health.unanswered.map { (name: $0.name, value: $0.refusal.message) })
    let said = health.statements.filter { $0.level > .well }.map(\.text)
    let all = (health.level == .wrong ? said + silent : silent + said).map(Self.clean)
    return ([report.conclusion] + all.prefix(3)).joined(separator: "; ")
      + (all.count > 3 ? "; and \(all.count - 3) more" : "")
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
      "unreachable=\(report.health.unanswered.count);;0;0",
      "links=\(levels.count);;;0", "failed=\(links(.failed));;0;0",
      "degraded=\(links(.degraded));0;;0", "unverified=\(links(.unverified));;;0",
      // No maximum: a node that does not answer is waited for longer than the timeout.
      "time=\(seconds)s;;;0",
    ].joined(separator: " ")
  }
}
