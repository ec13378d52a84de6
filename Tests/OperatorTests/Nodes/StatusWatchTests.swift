// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Model
@testable import Operator
import Testing

@Suite("keyturn status --watch", .timeLimit(.minutes(1))) struct StatusWatchTests {
  /// Agents of which the third is down in the second round only; the watch ends after the fourth.
  private static func agents(_ interruption: Interruption) -> [FakeAgent] {
    Sample.names.map { name in
      FakeAgent(
        name,
        onStatus: { round in
          if round == 3 { _ = interruption.interrupt() }
          var report = NodeReport.well
          if name == "minio-3", round == 1 {
            report.unit = .init(
              activeState: "failed", subState: "failed", result: "exit-code", isRunning: false)
          }
          return report
        })
    }
  }

  private static func run(
    _ arguments: String, terminal: TerminalSize? = nil
  ) -> (code: ExitCode, host: FakeCommandHost) {
    let interruption = Interruption()
    return Sample.run(
      "status --watch --every 1 \(arguments)", agents(interruption), terminal: terminal,
      interruption: interruption)
  }

  @Test(
    "off a terminal the whole is printed when something has changed, and the last round decides")
  func changes() {
    let (code, host) = Self.run("")
    #expect(code == .done)
    #expect(host.lines.count { $0.hasPrefix("at ") } == 3, "\(host.output)")
    #expect(host.lines.count { $0.hasPrefix("NODE") } == 3)
    #expect(
      host.errors.split(separator: "\n").count { $0.contains("minio-3: the server does") } == 1)
  }

  @Test("on a terminal it is drawn in place, what is wrong under the table")
  func terminal() {
    let (code, host) = Self.run("--no-color", terminal: TerminalSize(columns: 100, rows: 30))
    #expect(code == .done)
    #expect(host.output.contains("\u{1B}[6A") && host.errors.isEmpty, "\(host.errors)")
    #expect(host.output.contains("error: minio-3: the server does not run"))
    #expect(host.output.contains("prod at "))
  }

  @Test("with --json every round has its events")
  func json() {
    let (_, host) = Self.run("--json")
    #expect(host.lines.count { $0.contains(#""event":"status""#) } == 16)
    #expect(host.lines.count { $0.contains(#""event":"problem""#) } == 1)
  }

  @Test("--every belongs to --watch")
  func every() {
    let (code, host) = Sample.run("status --every 1", Sample.names.map { FakeAgent($0) })
    #expect(code == .usage && host.errors.contains("--every is for --watch"))
  }
}
