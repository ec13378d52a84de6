// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Files
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import ServerUnit
import TestSupport
import Testing
import Threads

/// The start guard of a sealed node is there, is as it must be, and has run.
@Suite("The start guard, seen by the agent", .timeLimit(.minutes(2)))
struct StartGuardTests {
  private func confirmed() throws -> Node {
    let node = Node()
    #expect(try node.apply(enabling)?.kind == .confirmed)
    return node
  }

  private func status(_ node: Node) throws -> NodeStatus {
    try JSON.decode(NodeStatus.self, from: node.send("GET", "/v1/status").body)
  }

  private func errors(_ node: Node) throws -> [String] {
    try status(node).findings.filter { $0.severity == .error }.map(\.message)
  }

  @Test(
    "the drop-in clears every variable of the loader and its libraries, and the agent knows all of them"
  )
  func dropIn() throws {
    let path =
      "\(#filePath.dropLast("/Tests/AgentTests/Seal/StartGuardTests.swift".count))"
      + "/systemd/minio.service.d/10-keyturn.conf"
    let bytes = try FileReading.read(path, limitBytes: 1 << 20).bytes
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    let cleared = lines.filter { $0.hasPrefix("UnsetEnvironment=") }
      .flatMap { $0.dropFirst("UnsetEnvironment=".count).split(separator: " ").map(String.init) }
    #expect(cleared.sorted() == LoaderVariables.all.sorted())
    #expect(Set(cleared).count == cleared.count)
    // The one that ends every dynamic program with 0 before its first line.
    #expect(cleared.contains("LD_TRACE_LOADED_OBJECTS"))
    #expect(lines.contains("ExecStartPre=+/usr/local/libexec/keyturn-guard/keyturn guard"))
  }

  private static let good = UnitState.Command(
    words: ["/usr/local/bin/keyturn", "guard"], flags: ["privileged"])

  private static func unit(
    _ command: UnitState.Command? = good, unset: [String] = LoaderVariables.all,
    sandbox: UnitSandbox = UnitSandbox()
  ) -> UnitState {
    UnitState(id: "minio.service", activeState: "active", subState: "running") {
      $0.unsetEnvironment = unset
      $0.startPre = command.map { [$0] } ?? []
      $0.sandbox = sandbox
    }
  }

  private static func command(
    path: String? = nil, _ arguments: [String] = [], flags: [String] = ["privileged"]
  ) -> UnitState.Command {
    UnitState.Command(
      path: path, words: ["/usr/local/bin/keyturn", "guard"] + arguments, flags: flags)
  }

  @Test("a guard as it is installed has no problem; with the state directory named neither")
  func good() {
    let state = "/var/lib/keyturn"
    #expect(StartGuardInUnit.problem(Self.unit(), state: state) == nil)
    for arguments in [["--state", "/srv/state"], ["--state=/srv/state"]] {
      #expect(
        StartGuardInUnit.problem(Self.unit(Self.command(arguments)), state: "/srv/state") == nil)
    }
  }

  @Test(
    "each change that takes its effect away is told, with what mends it",
    arguments: [
      (unit(nil), "is not installed"),
      (unit(command(flags: [])), "does not begin with +"),
      (unit(command(flags: ["privileged", "ignore-failure"])), "prefix -"),
      (unit(command(path: "/bin/true")), "runs /bin/true in its place"),
      (unit(command(["--help"])), "other arguments"),
      (unit(command(["--state", "/nowhere"])), "other arguments"),
      (unit(command(["--state", "/var/lib/keyturn", "--help"])), "other arguments"),
      (unit(unset: []), "lacks LD_ASSUME_KERNEL and"),
      (
        unit(unset: LoaderVariables.all.filter { $0 != "LD_TRACE_LOADED_OBJECTS" }),
        "lacks LD_TRACE_LOADED_OBJECTS, by which"
      ),
      (unit(sandbox: UnitSandbox(root: "/srv/image")), "RootDirectory="),
      (unit(sandbox: UnitSandbox(mounts: ["/var/lib"])), "another /var/lib/keyturn"),
      (unit(sandbox: UnitSandbox(mounts: ["/usr/local/bin"])), "another /usr/local/bin/keyturn"),
      (unit(sandbox: UnitSandbox(mounts: ["/run"])), "another /run/keyturn-guard"),
    ])
  func changed(unit: UnitState, message: String) {
    let problem = StartGuardInUnit.problem(unit, state: "/var/lib/keyturn")
    #expect(problem?.contains(message) == true, "\(problem ?? "none")")
    #expect(problem?.contains("systemctl daemon-reload") == true)
  }

  @Test(
    "on a sealed node a guard that is missing or changed refuses every rollout, and is an error")
  func sealed() throws {
    let node = try confirmed()
    #expect(try node.plan([], kind: .restart).refusal == nil)
    node.host.state.update { $0.unit.startPre = [] }
    #expect(try node.plan([], kind: .restart).refusal?.code == .unit)
    #expect(try errors(node).contains { $0.contains("is not installed") })
    #expect(try status(node).drift.items?.contains { $0.kind == .startGuard } == true)
    node.host.state.update { state in
      state.unit.startPre = [Self.good]
      state.unit.unsetEnvironment = LoaderVariables.all.filter { $0 != "LD_AUDIT" }
    }
    let refusal = try #require(node.plan([], kind: .restart).refusal)
    #expect(refusal.code == .unit && refusal.message.contains("lacks LD_AUDIT"))
  }

  @Test("a rollout that would seal a key is refused without the guard; others are not")
  func unsealed() throws {
    let node = Node()
    node.host.state.update { $0.unit.startPre = [] }
    #expect(try node.plan(enabling).refusal?.code == .unit)
    let other = [SettingChange(name: "MINIO_BROWSER", value: Secret("off"))]
    let plan = try node.plan(other)
    #expect(plan.refusal == nil)
    #expect(
      plan.findings.contains { $0.rule == "start-guard-missing" && $0.severity == .warning })
  }

  @Test("a start that the guard has left no evidence of is an error, until the next one")
  func noEvidence() throws {
    let node = try confirmed()
    #expect(try errors(node).isEmpty)
    let invocation = node.host.state.withLock { $0.unit.invocationID }
    node.host.state.update { $0.unguarded = [invocation] }
    #expect(try errors(node).contains { $0.contains("did not run for the start") })
    // It does not keep the restart from happening that mends it.
    #expect(try node.plan([], kind: .restart).refusal == nil)
  }

  @Test("a start from before the guard was installed as it is now is a warning")
  func older() throws {
    let node = try confirmed()
    node.host.state.update { state in
      state.unguarded = [state.unit.invocationID]
      let dropIn = "/etc/systemd/system/minio.service.d/10-keyturn.conf"
      state.unit.dropIns = [dropIn]
      state[dropIn] = ""
      state.changed[dropIn] = Clock.realtimeMicroseconds()
    }
    #expect(try errors(node).isEmpty)
    let item = try #require(status(node).drift.items?.first { $0.kind == .startGuard })
    #expect(item.severity == .warning && item.message.contains("keyturn restart"))
  }
}
