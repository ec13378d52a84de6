// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

@Suite("Agent: MINIO_VOLUMES and the inventory", .timeLimit(.minutes(1)))
struct VolumesTests {
  /// The file names minio-1 and minio-2.
  private func node(_ names: [String], outside: [String] = []) -> Node {
    Node(of: names, outsideNodes: outside)
  }

  private func rules(_ node: Node) -> [[String]] {
    [node.agent.status().findings, node.agent.check().findings].map { findings in
      findings.filter { $0.severity == .error }.map(\.rule).filter { $0 == "volumes-inventory" }
    }
  }

  @Test(
    "a host that the inventory lacks refuses plan and vote, and is an error in status and check")
  func stranger() throws {
    let node = node(["minio-1"])
    let refusal = try #require(try node.plan(enabling).refusal)
    #expect(refusal.code == .validation)
    #expect(refusal.message.contains("MINIO_VOLUMES names minio-2, which the inventory has not"))
    let vote = try node.prepare(try node.rollout(enabling), enabling)
    #expect(vote.refusal?.code == .validation)
    #expect(rules(node) == [["volumes-inventory"], ["volumes-inventory"]])
    #expect(node.host.state.withLock { $0.restarts } == 0)
  }

  @Test("a node that MINIO_VOLUMES lacks does too; the change that adds it is not refused")
  func missing() throws {
    let node = node(["minio-1", "minio-2", "minio-3"])
    let refusal = try #require(try node.plan([]).refusal)
    #expect(refusal.message.contains("does not name minio-3, which the inventory has"))
    let volumes = [
      SettingChange(
        name: "MINIO_VOLUMES",
        value: Secret("http://minio-{1...2}:9000/data http://minio-{3...3}:9000/data"))
    ]
    #expect(try node.plan(volumes).refusal == nil)
    #expect(rules(node) == [["volumes-inventory"], ["volumes-inventory"]])
  }

  @Test(
    "a node that is an exception is not left without a drive: by this change, or since its server does not run"
  )
  func leftOut() throws {
    func volumes(_ hosts: String) -> [SettingChange] {
      [SettingChange(name: "MINIO_VOLUMES", value: Secret("http://minio-{\(hosts)}:9000/data"))]
    }
    let retiring = node(["minio-1", "minio-2"], outside: ["minio-1", "minio-3"])
    let refusal = try #require(try retiring.plan(volumes("2...3")).refusal)
    #expect(refusal.code == .validation)
    #expect(refusal.message.contains("MINIO_VOLUMES would name it no more"))
    #expect(try retiring.plan(volumes("1...2")).refusal == nil)

    let other = plainFile.replacing("{1...2}", with: "{2...3}")
    let joined = Node(
      FakeNodeHost(file: other), of: ["minio-1", "minio-2"], outsideNodes: ["minio-1", "minio-3"])
    // Its server runs: it is named otherwise there.
    #expect(try joined.plan(enabling).refusal == nil)
    joined.host.state.update { state in
      state.unit.activeState = "inactive"
      state.unit.mainPID = 0
    }
    let said = try #require(try joined.plan(enabling).refusal)
    #expect(said.message.contains("does not name it, and its server does not run"))
    #expect(try joined.plan(volumes("1...2")).refusal == nil)
  }

  private static let first = "http://minio-{1...2}:9000/data"

  private func volumes(_ text: String) -> [SettingChange] {
    [SettingChange(name: "MINIO_VOLUMES", value: Secret(text))]
  }

  @Test("a pool that the running server has is not altered or dropped, unless an operator says so")
  func pools() throws {
    let node = node(["minio-1"], outside: ["minio-2", "minio-3", "minio-4"])
    let grown = volumes("\(Self.first) http://minio-{3...4}:9000/data")
    #expect(try node.plan(grown).refusal == nil)
    for other in ["http://minio-{1...3}:9000/data", "http://minio-{1...2}:9000/other"] {
      let refusal = try #require(try node.plan(volumes(other)).refusal)
      #expect(refusal.code == .validation)
      #expect(
        refusal.message.contains("the pools of the running server: pool 1 (\(Self.first))"),
        "\(refusal.message)")
      let meant = try node.plan(volumes(other), changesPools: true)
      #expect(meant.refusal == nil)
      #expect(meant.findings.first { $0.rule == "volumes-pools" }?.severity == .warning)
    }
    // The vote does not rest on the plan.
    let wanted = volumes("http://minio-{1...3}:9000/data")
    let vote = try node.prepare(try node.rollout(wanted), wanted)
    #expect(vote.refusal?.code == .validation)
    #expect(node.host.state.withLock { $0.restarts } == 0)
    // Another node brings what was proposed, and nothing that an operator has to say.
    let request = PlanRequest(
      RolloutRequest(kind: .apply, changes: wanted, changesPools: true))
    let answer = node.send(
      "POST", "/v1/plan", JSON.encode(request),
      as: Principal(cluster: "prod", role: .node, name: "minio-2"))
    #expect(answer.status == 403)
  }

  @Test("what runs counts, and not the file; where nothing runs the file does, once one has run")
  func base() throws {
    let edited = node(["minio-1", "minio-2"], outside: ["minio-3", "minio-4"])
    edited.host.state.update { state in
      state.process = FakeNodeHost.variables(
        plainFile.replacing("data\"", with: "data http://minio-{3...4}:9000/data\""))
    }
    let refusal = try #require(try edited.plan([], kind: .restart).refusal)
    #expect(refusal.message.contains("pool 2 (http://minio-{3...4}:9000/data) would be gone"))
    #expect(
      try edited.plan(volumes("\(Self.first) http://minio-{3...4}:9000/data")).refusal == nil)

    let stopped = node(["minio-1", "minio-2"])
    stopped.host.state.update { state in
      state.unit.activeState = "inactive"
      state.unit.mainPID = 0
      state.process = []
    }
    let other = volumes("http://minio-{1...2}:9000/other")
    let plan = try stopped.plan(other)
    #expect(plan.refusal == nil)
    #expect(plan.findings.first { $0.rule == "volumes-pools" }?.severity == .warning)
    // It was stopped by hand: it has run with its files.
    stopped.host.state.update { $0.unit.execMainStartRealtimeMicroseconds = 1 }
    #expect(try stopped.plan(other).refusal?.message.contains("of its present files") == true)
  }

  @Test(
    "an edit by hand of the file that the server reads by itself does not become the measure: neither while it runs, nor stopped"
  )
  func editedByHand() throws {
    let path = "/etc/default/minio"
    let node = node(["minio-1"], outside: ["minio-2", "minio-3", "minio-4"])
    func withConfig(_ state: inout FakeNodeHost.State) {
      state.process = [
        EnvironmentVariable(name: "MINIO_CONFIG_ENV_FILE", value: path, line: nil)
      ]
      state.unit.environment = ["MINIO_CONFIG_ENV_FILE=\(path)"]
      state.unit.environmentFiles = []
    }
    node.host.state.update(withConfig)
    #expect(try node.apply(enabling)?.kind == .confirmed)
    node.host.state.update { state in
      withConfig(&state)
      let text = String(decoding: state.files[path] ?? [], as: UTF8.self)
      state.files[path] = Array(text.replacing("9000/data", with: "9000/other").utf8)
      state.changed[path] = Clock.realtimeMicroseconds() + 1_000_000
    }
    let refusal = try #require(try node.plan([], kind: .restart).refusal)
    #expect(
      refusal.message.contains("the pools of generation 1 of its file: pool 1 ("),
      "\(refusal.message)")
    // It may have been read since (mc admin service restart), so that going back may lose a pool too.
    let back = try #require(try node.plan(volumes(Self.first)).refusal)
    #expect(back.message.contains("the pools of its present files: pool 1 ("), "\(back.message)")
    #expect(try node.plan(volumes(Self.first), changesPools: true).refusal == nil)
    node.host.state.update { state in
      state.unit.activeState = "inactive"
      state.unit.mainPID = 0
      state.process = []
    }
    let stopped = try #require(try node.plan([], kind: .restart).refusal)
    #expect(stopped.message.contains("the pools of generation 1 of its file: pool 1 ("))
  }

  @Test(
    "where nobody knows what a server has read, its files as they are must be kept, and it is said")
  func doubt() throws {
    let path = "/etc/default/minio"
    let node = node(["minio-1", "minio-2"])
    node.host.state.update { state in
      state.process = [EnvironmentVariable(name: "MINIO_CONFIG_ENV_FILE", value: path, line: nil)]
      state.unit.environment = ["MINIO_CONFIG_ENV_FILE=\(path)"]
      state.unit.environmentFiles = []
      state.changed[path] = Clock.realtimeMicroseconds() + 1_000_000
    }
    let plan = try node.plan(enabling)
    #expect(plan.refusal == nil, "\(plan.refusal?.message ?? "")")
    #expect(plan.findings.contains { $0.rule == "volumes-pools-unknown" })
    let other = try node.plan(volumes("http://minio-{1...2}:9000/other"))
    #expect(other.refusal?.message.contains("the pools of its present files") == true)
  }

  private static let minio = "/usr/local/bin/minio"

  @Test(
    "the words that the process was started with count, and not the unit as it was edited since")
  func commandLine() throws {
    let node = node(["minio-1", "minio-2"])
    node.host.state.update { state in
      state.files["/etc/default/minio"] = Array("MINIO_BROWSER=on\n".utf8)
      state.process = []
      state.arguments = [Self.minio, "server", Self.first]
      state.unit.execStart = [Self.minio, "server", "http://minio-{1...2}:9000/other"]
    }
    let refusal = try #require(try node.plan([], kind: .restart).refusal)
    #expect(
      refusal.message.contains(
        "the server's command line would change the pools of the running server: pool 1 (\(Self.first))"
      ), "\(refusal.message)")
  }

  @Test("a start that was never confirmed is not the measure: what ran before can be put back")
  func neverConfirmed() throws {
    let node = node(["minio-1"], outside: ["minio-2", "minio-3", "minio-4"])
    #expect(try node.apply(enabling)?.kind == .confirmed)
    let grown = "\(Self.first) http://minio-{3...4}:9000/data"
    // Every server hangs with another pool, and nothing was rolled back.
    node.host.state.update { state in
      state.unit.activeState = "activating"
      let text = String(decoding: state.files["/etc/default/minio"] ?? [], as: UTF8.self)
      state.files["/etc/default/minio"] = Array(text.replacing(Self.first, with: grown).utf8)
      state.process = FakeNodeHost.variables(text.replacing(Self.first, with: grown))
    }
    #expect(try node.plan(volumes(Self.first)).refusal == nil)
    let other = try #require(try node.plan(volumes("http://minio-{1...2}:9000/other")).refusal)
    #expect(other.message.contains("the pools of generation 1 of its file"))
  }

  @Test("a server that once tried without any drive has no pools to lose")
  func nothingNamed() throws {
    let node = node(["minio-1", "minio-2"])
    node.host.state.update { state in
      state.files["/etc/default/minio"] = Array("MINIO_BROWSER=on\n".utf8)
      state.unit.activeState = "failed"
      state.unit.mainPID = 0
      state.unit.execMainStartRealtimeMicroseconds = 1
      state.process = []
    }
    let plan = try node.plan(volumes(Self.first))
    #expect(plan.refusal == nil && !plan.findings.contains { $0.rule == "volumes-pools" })
  }

  @Test("what an automatic rollback would put back is warned of, if it names other pools")
  func before() throws {
    let node = node(["minio-1"], outside: ["minio-2", "minio-3", "minio-4"])
    node.host.state.update { state in
      state.files["/etc/default/minio"] = Array(
        plainFile.replacing("9000/data", with: "9000/other").utf8)
    }
    let plan = try node.plan(volumes(Self.first))
    #expect(plan.refusal == nil, "\(plan.refusal?.message ?? "")")
    let finding = try #require(plan.findings.first { $0.rule == "volumes-pools-before" })
    #expect(finding.severity == .warning)
    #expect(finding.message.contains("would change the pools of the running server"))
  }

  @Test("what ran before may run again when a rollout is taken back")
  func undone() throws {
    let node = node(["minio-1"], outside: ["minio-2", "minio-3", "minio-4"])
    let grown = volumes("\(Self.first) http://minio-{3...4}:9000/data")
    #expect(try node.apply(grown)?.kind == .confirmed)
    let back = try #require(try node.plan([], kind: .rollback, to: 0).refusal)
    #expect(back.message.contains("pool 2 (http://minio-{3...4}:9000/data) would be gone"))
    #expect(try node.plan([], kind: .rollback, to: 0, changesPools: true).refusal == nil)
    let undo = PlanRequest(RolloutRequest(kind: .rollback, undoes: "00000000000000aa"))
    let answer = try JSON.decode(
      PlanAnswer.self, from: node.send("POST", "/v1/plan", JSON.encode(undo)).body)
    #expect(answer.refusal == nil, "\(answer.refusal?.message ?? "")")
    // Stopped, it is the last generation that counts.
    node.host.state.update { state in
      state.unit.activeState = "inactive"
      state.unit.mainPID = 0
      state.process = []
    }
    let dropped = try #require(try node.plan(volumes(Self.first)).refusal)
    #expect(dropped.message.contains("the pools of generation 1 of its file: pool 2 ("))
  }

  @Test("the same hosts, and exceptions, are no finding")
  func same() throws {
    for node in [node(["minio-1", "minio-2"]), node(["minio-1"], outside: ["minio-2"])] {
      #expect(try node.plan(enabling).refusal == nil)
      #expect(rules(node) == [[], []])
    }
  }

  @Test("the running server's hosts are compared where its file says others")
  func running() throws {
    let node = node(["minio-1"], outside: ["minio-2"])
    node.host.state.update { state in
      state.process = FakeNodeHost.variables(
        plainFile.replacing("{1...2}", with: "{1...3}"))
    }
    let said = node.agent.status().findings.filter { $0.rule == "volumes-inventory" }
    #expect(
      said.map(\.message) == [
        "MINIO_VOLUMES of the running server names minio-3, which the inventory has not"
      ])
  }
}
