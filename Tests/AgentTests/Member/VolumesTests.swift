// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
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
      SettingChange(name: "MINIO_VOLUMES", value: Secret("http://minio-{1...3}:9000/data"))
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
    joined.host.state.update { $0.unit.activeState = "inactive" }
    let said = try #require(try joined.plan(enabling).refusal)
    #expect(said.message.contains("does not name it, and its server does not run"))
    #expect(try joined.plan(volumes("1...2")).refusal == nil)
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
