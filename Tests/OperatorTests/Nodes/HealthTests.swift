// SPDX-License-Identifier: Apache-2.0
import API
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing

@Suite("status, check and Nagios say the same", .timeLimit(.minutes(1)))
struct HealthTests {
  /// A state of the cluster, and what each command makes of it.
  struct State: Sendable, CustomTestStringConvertible {
    var name: String
    var agents: [FakeAgent]
    var exitCode: ExitCode
    var strict: ExitCode?
    var nagios: Int32
    /// What status and check print for people.
    var says: String
    var testDescription: String { name }
  }

  private static func third(_ agent: FakeAgent) -> [FakeAgent] {
    Sample.names.map { $0 == agent.name ? agent : FakeAgent($0) }
  }

  private static func report(_ change: (inout NodeReport) -> Void) -> NodeReport {
    var report = NodeReport.well
    change(&report)
    return report
  }

  private static let failed = NodeReport.Unit(
    activeState: "failed", subState: "failed", result: "exit-code", isRunning: false)

  private static func environments(_ value: String) -> NodeReport {
    report { report in
      let variables = [NamedDigest(name: "MINIO_SITE_NAME", digest: .ofFields([value]))]
      report.files = .init(digest: .ofFields([value]), variables: variables)
      report.running = report.files
    }
  }

  static let states = [
    State(
      name: "all well", agents: Sample.names.map { FakeAgent($0) }, exitCode: .done, nagios: 0,
      says: "NODE"),
    State(
      name: "a server is stopped",
      agents: third(
        FakeAgent(
          "minio-3",
          report: report {
            $0.unit = .init(activeState: "inactive", subState: "dead", isRunning: false)
          })), exitCode: .failed, nagios: 2,
      says: "minio-3: the server does not run: minio.service is inactive (dead) — `systemctl start"),
    State(
      name: "a unit is failed",
      agents: third(FakeAgent("minio-3", report: report { $0.unit = failed })),
      exitCode: .failed, nagios: 2, says: "minio-3: the server does not run"),
    State(
      name: "a start is not READY",
      agents: third(
        FakeAgent(
          "minio-3",
          report: report { $0.unit = .init(activeState: "activating", subState: "start") }
        )), exitCode: .failed, nagios: 2, says: "minio-3: the server is not READY"),
    State(
      name: "nodes have different settings",
      agents: Sample.names.map {
        FakeAgent($0, report: environments($0 == "minio-3" ? "b" : "a"))
      }, exitCode: .failed, nagios: 2,
      says: "MINIO_SITE_NAME differs: minio-[1-2,4] one value, minio-3 another"),
    State(
      name: "an inventory differs",
      agents: third(
        FakeAgent(
          "minio-3",
          report: report { $0.inventory = [NamedDigest(name: "rollback", digest: .ofFields([""]))] }
        )
      ), exitCode: .failed, nagios: 2,
      says: "minio-3: the agent's inventory is another one than this command's: rollback"),
    State(
      name: "a link fails",
      agents: third(
        FakeAgent(
          "minio-3",
          check: CheckAnswer(
            node: "minio-3", endpoints: [.sample(.failed)], drift: Drift(), findings: []),
          links: LinkSummary(
            ageSeconds: 1, fine: 0, degraded: 0, failed: 1, notChecked: 0, worst: "kms-1:7373: TLS")
        )
      ), exitCode: .failed, nagios: 2, says: "kms-1:7373"),
    State(
      name: "drift",
      agents: third(
        FakeAgent(
          "minio-3",
          check: CheckAnswer(
            node: "minio-3", endpoints: [], drift: Drift(fileChanged: true), findings: []))),
      exitCode: .done, strict: .failed, nagios: 1,
      says: "drift: the environment file has changed"),
    State(
      name: "a node does not answer", agents: third(FakeAgent("minio-3", .unreachable)),
      exitCode: .unknown, nagios: 3, says: "minio-3: connect to"),
    State(
      name: "an agent is older", agents: third(FakeAgent("minio-3", report: nil)),
      exitCode: .unknown, nagios: 3, says: "minio-3: its agent is older"),
    State(
      name: "one is down and one does not answer",
      agents: Sample.names.map { name in
        switch name {
        case "minio-2": FakeAgent(name, .unreachable)
        case "minio-3": FakeAgent(name, report: report { $0.unit = failed })
        default: FakeAgent(name)
        }
      }, exitCode: .failed, nagios: 2, says: "minio-3: the server does not run"),
  ]

  @Test("in every state", arguments: states)
  func agree(_ state: State) throws {
    let status = Sample.run("status", state.agents)
    let check = Sample.run("check", state.agents)
    let nagios = Sample.run("check --nagios", state.agents)
    #expect(status.code == state.exitCode)
    #expect(check.code == state.exitCode)
    #expect(Sample.run("check --strict", state.agents).code == state.strict ?? state.exitCode)
    #expect(nagios.code.rawValue == state.nagios)
    for (host, command) in [(status.host, "status"), (check.host, "check")] {
      #expect((host.output + host.errors).contains(state.says), "\(command)")
    }
    if state.nagios > 0 { #expect(nagios.host.output.contains(state.says)) }
    for command in ["status --json", "check --json"] {
      let (code, host) = Sample.run(command, state.agents)
      #expect(code == state.exitCode)
      if state.exitCode == .failed { #expect(host.output.contains(#""level":"wrong""#)) }
    }
  }

  @Test("the release that runs has a column where a node names one")
  func release() {
    let agents = Sample.names.map { name in
      FakeAgent(
        name,
        report: Self.report { report in
          let program = ServerProgram(
            digest: .ofFields(["a"]), release: "RELEASE.2025-09-07T16-13-09Z")
          if name != "minio-2" { report.programs = .init(installed: program, running: program) }
        })
    }
    let lines = Sample.run("status", agents).host.lines
    #expect(lines[0].contains("UNIT              RELEASE               SSE KEY"), "\(lines)")
    #expect(lines[1].contains("2025-09-07T16-13-09Z"))
    #expect(
      !Sample.run("status", Sample.names.map { FakeAgent($0) }).host.output.contains("RELEASE"))
  }

  @Test("the agents' versions have a column where they differ")
  func versions() {
    func lines(_ version: @escaping (String) -> String) -> [String] {
      Sample.run(
        "status",
        Sample.names.map { name in
          FakeAgent(name, report: Self.report { $0.version = AgentVersion(version(name)) })
        }
      ).host.lines
    }
    let differing = lines { $0 == "minio-2" ? "0.2.0+b" : "0.1.0+a" }
    #expect(differing[0].hasPrefix("NODE     AGENT    UNIT"), "\(differing)")
    #expect(differing[2].hasPrefix("minio-2  0.2.0+b  active"), "\(differing)")
    #expect(!lines { _ in "0.1.0+a" }.contains { $0.contains("0.1.0") })
  }

  @Test("in the folded view a node whose server is down is not fine, only its links are")
  func folded() throws {
    let names = (1...17).map { "minio-\($0)" }
    let nodes = names.map { #"{"name": "\#($0)", "address": "\#($0)"}"# }.joined(separator: ",")
    let agents = names.map { name in
      FakeAgent(name, report: Self.report { if name == "minio-16" { $0.unit = Self.failed } })
    }
    let (code, host) = Sample.run(
      "check", agents,
      files: ["./inventory.json": #"{"cluster": "prod", "nodes": [\#(nodes)]}"#])
    #expect(code == .failed)
    #expect(
      host.lines == [
        "minio-[1-15,17]: fine", "minio-16: Key Managers fine", "17 nodes: 16 fine, 1 not",
      ])
  }

  @Test(
    "no digest of a secret's value is in the output, nor one that a guess could be tried against")
  func secretDigests() throws {
    let (secret, open) = (Digest.ofFields(["p4ssword"]), Digest.ofFields(["site"]))
    let whole = Digest.ofFields([secret.hex, open.hex])
    let report = Self.report { report in
      report.files = .init(
        digest: whole,
        variables: [
          NamedDigest(name: "MINIO_ROOT_PASSWORD", digest: secret),
          NamedDigest(name: "MINIO_SITE_NAME", digest: open),
        ])
      report.running = report.files
    }
    for command in ["status --json", "check --json"] {
      let (_, host) = Sample.run(command, Sample.names.map { FakeAgent($0, report: report) })
      #expect(host.output.contains(open.hex), "\(command)")
      #expect(!host.output.contains(secret.hex) && !host.output.contains(whole.hex), "\(command)")
    }
  }
}
