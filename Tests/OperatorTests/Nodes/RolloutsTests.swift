// SPDX-License-Identifier: Apache-2.0
import API
import Model
@testable import Operator
import Rollout
import Testing

@Suite(.timeLimit(.minutes(1))) struct RolloutsTests {
  private func view(_ id: String, epoch: UInt64, _ kind: OutcomeKind?) -> RolloutView {
    RolloutView(
      id: id, events: [], report: nil, outcome: kind.map { Outcome($0, "why") },
      rollout: RolloutHead(
        id: id, epoch: epoch, kind: .apply, generation: Int(epoch), createdBy: "alice"))
  }

  private let old = "0d07a7a0593ac303"
  private let new = "0d1100a0593ac3ff"

  private func agents() -> [FakeAgent] {
    Sample.names.map { name in
      FakeAgent(
        name,
        kept: [
          view(old, epoch: 4, .aborted),
          view(new, epoch: 5, name == "minio-3" ? .failed : .confirmed),
        ])
    }
  }

  @Test("every rollout that a node has kept is listed once, the newest first, with how it ended")
  func list() {
    let (code, host) = Sample.run("rollouts", agents())
    #expect(code == .done)
    #expect(
      host.lines.map { $0.split(separator: " ").joined(separator: " ") } == [
        "ROLLOUT BEGAN KIND BY GENERATION RESULT",
        "\(new) 1970-01-01T00:00:00Z apply alice 5 minio-[1-2,4] confirmed, minio-3 failed",
        "\(old) 1970-01-01T00:00:00Z apply alice 4 aborted",
      ])
    let json = Sample.run("rollouts --json", agents()).host.lines
    #expect(json.count { $0.contains(#""event":"rollouts""#) && $0.contains(old) } == 4)
    #expect(Sample.run("rollouts", Array(agents().dropLast())).code == .unknown)
  }

  @Test("what a rollout was for is listed and shown where somebody said it")
  func notes() {
    var noted = view(new, epoch: 5, .confirmed)
    noted.rollout?.occasion = RolloutOccasion(note: "CHG-123", isRotation: true)
    let kept = [view(old, epoch: 4, .aborted), noted]
    let agents = Sample.names.map { FakeAgent($0, kept: kept) }
    let lines = Sample.run("rollouts", agents).host.lines
    #expect(lines[0].hasSuffix("NOTE") && lines[1].hasSuffix("CHG-123"), "\(lines)")
    #expect(lines[1].contains("rotate api-key"), "\(lines)")
    let json = Sample.run("rollouts --json", agents).host.output
    #expect(json.contains(#""note":"CHG-123""#) && json.contains(#""rotation":true"#))
    #expect(Sample.run("show \(new)", agents).host.output.contains("note: CHG-123"))
  }

  @Test("no line of the lists is wider than the terminal")
  func narrow() {
    let size = TerminalSize(columns: 80, rows: 24)
    for command in ["rollouts", "history", "seal show"] {
      let host = Sample.run(command, agents(), terminal: size).host
      #expect(!host.lines.isEmpty)
      #expect(host.lines.allSatisfy { $0.count <= 80 }, "\(host.output)")
    }
  }

  @Test("the first digits of an id name the rollout, if no other begins with them")
  func digits() {
    for command in ["show 0d07", "show 0d07 --html -", "watch 0d07", "logs --rollout 0d07"] {
      let run = Sample.run(command, agents())
      #expect(run.code != .validationRefused || command.hasPrefix("logs"), "\(run.host.errors)")
      #expect(!run.host.errors.contains("no node knows"), "\(command): \(run.host.errors)")
    }
    #expect(Sample.run("show 0d07 --html -", agents()).host.output.hasPrefix("<!"))
    #expect(Sample.run("watch 0d07", agents()).code == .voteRefused)
    for command in ["show 0d", "watch 0d", "logs --rollout 0d", "resolve 0d"] {
      let (code, host) = Sample.run(command, agents())
      #expect(code == .validationRefused, "\(command)")
      #expect(
        host.errors.contains("several rollouts begin with 0d: \(new), \(old)"), "\(host.errors)")
    }
  }

  @Test("errors that differ in the node's own name only are told once")
  func alike() {
    let host = Sample.run("history", [FakeAgent("minio-1")]).host
    #expect(
      host.errors
        == "keyturn: error: minio-[2-4]: connect to NODE:7377: connection refused\n",
      "\(host.errors)")
    let one = Sample.run("history", Sample.names.dropLast().map { FakeAgent($0) }).host
    #expect(one.errors.contains("minio-4: connect to minio-4:7377"), "\(one.errors)")
  }
}
