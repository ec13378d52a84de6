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

private let other = [SettingChange(name: "MINIO_BROWSER", value: Secret("off"))]
private let secondID = "00000000000000bb"

@Suite("Agent: a record that is lost or altered")
struct LostSealTests {
  /// What happens to a record of the seal.
  enum Loss: CaseIterable {
    case removed, torn, anotherKey, anotherKeyEverywhereHere, anotherCluster

    func happen(to host: FakeNodeHost) {
      let seal = host.state.withLock { $0.records["seal"] } ?? []
      var text = String(decoding: seal, as: UTF8.self)
      host.state.update { state in
        switch self {
        case .removed: state.records["seal"] = nil
        case .torn: state.records["seal"] = []
        case .anotherKey: text.replace("key-1", with: "key-2")
        case .anotherKeyEverywhereHere:
          text.replace("key-1", with: "key-2")
          state.records["seal.digest"] = nil
        case .anotherCluster: text.replace("\"prod\"", with: "\"test\"")
        }
        if self != .removed && self != .torn { state.records["seal"] = Array(text.utf8) }
      }
    }
  }

  @Test(
    "that node refuses every rollout, says so, and recovers the seal by the command only",
    arguments: Loss.allCases)
  func lost(_ loss: Loss) throws {
    var cluster = Cluster([plainFile, plainFile, plainFile])
    try cluster.apply(enabling)
    let seals = cluster.seals()
    loss.happen(to: cluster[1].host)
    if loss == .removed || loss == .anotherKey { cluster.restart(1) }
    cluster.look()
    cluster.look()
    #expect(cluster.rules(1).contains { $0.hasPrefix("seal-") }, "\(cluster.rules(1))")
    #expect(cluster.rules(0).isEmpty && cluster.rules(2).isEmpty)
    #expect(
      cluster[1].host.state.withLock {
        $0.lines.contains { $0.contains("keyturn seal recover minio-2") }
      })
    let refusal = try cluster.refusals(other)[1]
    #expect(refusal?.code == .guarded)
    #expect(refusal?.message.contains("keyturn seal recover minio-2") == true)
    #expect(try cluster[0].plan(other).refusal == nil)
    #expect(try cluster.apply(other, id: secondID).votes == [nil, .guarded, nil])

    #expect(cluster.recover(1).status == 200)
    #expect(cluster.seals() == seals)
    #expect(cluster.rules(1).isEmpty, "\(cluster.rules(1))")
    #expect(
      try cluster.apply(other, id: "00000000000000cc").outcomes
        == [.confirmed, .confirmed, .confirmed])
  }

  @Test("a record that is not lost is left as it is by the command")
  func recoverNothing() throws {
    let cluster = Cluster([plainFile, plainFile])
    try cluster.apply(enabling)
    let response = cluster.recover(0)
    #expect(try JSON.decode(SealRecovery.self, from: response.body).problem == nil)
  }

  @Test("the command gives nothing where the others do not agree, or cannot be asked")
  func noMajority() throws {
    let cluster = Cluster([plainFile, plainFile, plainFile])
    try cluster.apply(enabling)
    Loss.removed.happen(to: cluster[0].host)
    cluster.network.down.update { $0 = ["minio-2"] }
    #expect(cluster.recover(0).status == 500)
    cluster.network.down.update { $0 = [] }
    Loss.anotherKeyEverywhereHere.happen(to: cluster[1].host)
    #expect(cluster.recover(0).status == 500)
    #expect(cluster[0].host.state.withLock { $0.records["seal"] } == nil)
  }

  @Test("before the next start status says that the start guard would refuse it")
  func startGuard() throws {
    let cluster = Cluster([plainFile, plainFile])
    try cluster.apply(enabling)
    Loss.removed.happen(to: cluster[1].host)
    let status = cluster[1].agent.status()
    #expect(status.drift.items?.map(\.kind) == [.key])
    #expect(status.findings.contains { $0.message.contains("next start: the seal is missing") })
    #expect(cluster.recover(1).status == 200)
    #expect(cluster[1].agent.status().drift.items?.isEmpty != false)
  }

  @Test("a seal that is written while its records are read is not taken for a removed one")
  func readWhileWritten() throws {
    let cluster = Cluster([plainFile])
    try cluster.apply(enabling)
    let host = cluster[0].host
    let written = host.state.update { state in
      ["seal", "seal.digest"].map { (name: $0, bytes: state.records.removeValue(forKey: $0)) }
    }
    var isWritten = false
    let record = SealRecord(cluster: "prod") { file throws(Refusal) in
      let bytes = host.state.withLock { $0.records[file.rawValue] }
      // Both come behind the first look.
      if !isWritten {
        host.state.update { state in
          for record in written { state.records[record.name] = record.bytes }
        }
      }
      isWritten = true
      return bytes
    }
    #expect(record.seal != nil)
  }

  @Test("a node of its own cannot recover, and refuses")
  func alone() throws {
    let node = Node()
    try node.apply(enabling)
    node.host.state.update { $0.records["seal"] = nil }
    #expect(try node.plan(other).refusal?.code == .guarded)
    #expect(node.send("POST", "/v1/seal/recover").status == 500)
  }

  @Test("a crash between the seal and its digest is no loss")
  func crashBetween() throws {
    let cluster = Cluster([plainFile])
    cluster[0].host.state.update { $0.failingRecord = "seal.digest" }
    let rollout = try cluster.rollout(enabling)
    _ = try cluster[0].prepare(rollout, enabling)
    _ = try cluster[0].decide(rollout, .commit)
    _ = cluster[0].host.state.wait(until: .inMilliseconds(10_000)) { state in
      state.lines.contains { $0.contains("write seal.digest") } ? true : nil
    }
    // Nothing stands against the seal; that the rollout cannot be ended is so.
    #expect(cluster.rules(0).allSatisfy { $0 == "rollout-stuck" })
    cluster[0].host.state.update { $0.failingRecord = nil }
    #expect(try cluster[0].outcome(rollout)?.kind == .confirmed)
    cluster.look()
    cluster.look()
    #expect(cluster[0].host.state.withLock { $0.records["seal.digest"] } != nil)
  }

  @Test("a new node that could ask nobody at first asks again, without a server or a vote")
  func joinsLater() throws {
    var cluster = Cluster([plainFile, plainFile, plainFile])
    try cluster.apply(enabling)
    cluster[2].host.state.update { state in
      state.records = [:]
      state.unit.activeState = "inactive"
      state.unit.mainPID = 0
    }
    cluster.restart(2)
    cluster.network.down.update { $0 = ["minio-1", "minio-2"] }
    cluster[2].agent.seals.look()
    #expect(cluster[2].agent.status().seal == nil)
    cluster.network.down.update { $0 = [] }
    cluster[2].agent.seals.look()
    #expect(cluster[2].agent.status().seal == cluster.seals()[0])
  }

  @Test("a new node takes the seal from its peers at its first vote, or before")
  func joins() throws {
    var cluster = Cluster([plainFile, plainFile, plainFile])
    try cluster.apply(enabling)
    let seals = cluster.seals()
    // Its disk was replaced.
    cluster[2].host.state.update { $0.records = [:] }
    cluster.restart(2)
    #expect(cluster[2].agent.status().seal == nil)
    #expect(
      try cluster.apply(other, id: secondID).outcomes == [.confirmed, .confirmed, .confirmed])
    #expect(cluster.seals() == seals)
  }

  @Test("after root has lifted it everywhere another key can be sealed, chained to the old one")
  func lifted() throws {
    var cluster = Cluster([plainFile, plainFile])
    try cluster.apply(enabling)
    let old = try #require(cluster.seals()[0])
    let change = [SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("key-2"))]
    for (index, node) in cluster.nodes.enumerated() {
      node.host.state.update { state in
        state.records["seal.lifted"] = state.records.removeValue(forKey: "seal")
        // The servers run on empty drives, without a key.
        state.process = FakeNodeHost.variables(plainFile)
      }
      cluster.restart(index)
      if index == 0 {
        // The other one was forgotten: both refuse.
        #expect(try cluster.refusals(change).map { $0?.code } == [.guarded, .guarded])
        cluster.look()
        #expect(cluster.seals() == [nil, old])
      }
    }
    let result = try cluster.apply(change, id: secondID)
    #expect(result.outcomes == [.confirmed, .confirmed], "\(result)")
    for seal in cluster.seals() {
      #expect(seal?.keyName == "key-2" && seal?.previous == old.digest)
    }
  }

  @Test("a seal that was lifted on one node by mistake is recovered by the command")
  func liftedByMistake() throws {
    let cluster = Cluster([plainFile, plainFile, plainFile])
    try cluster.apply(enabling)
    let seals = cluster.seals()
    cluster[1].host.state.update {
      $0.records["seal.lifted"] = $0.records.removeValue(forKey: "seal")
    }
    #expect(try cluster.refusals(other).map { $0?.code } == [nil, .guarded, nil])
    #expect(try cluster.apply(other, id: secondID).votes == [nil, .guarded, nil])
    cluster.look()
    #expect(cluster.rules(1) == ["seal-lifted"])
    #expect(cluster.recover(1).status == 200)
    #expect(cluster.seals() == seals)
    #expect(cluster[1].host.state.withLock { $0.records["seal.lifted"] } == nil)
  }
}
