// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import KeyManager
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

private let other = [SettingChange(name: "MINIO_BROWSER", value: Secret("off"))]
private let secondID = "00000000000000bb"

@Suite("Agent: the seal of a rollout")
struct RolloutSealTests {
  @Test("what was voted on is sealed, the same on all members")
  func same() throws {
    let cluster = Cluster([plainFile, plainFile, plainFile])
    #expect(try cluster.apply(enabling).outcomes == [.confirmed, .confirmed, .confirmed])
    let seals = cluster.seals()
    #expect(seals[0]?.key == KeyIdentity(name: "key-1", enclave: "store"))
    #expect(seals[0]?.rollout == "00000000000000aa")
    #expect(Set(seals.map { $0?.digest }).count == 1)
    let records = cluster.nodes.map { $0.host.state.withLock { $0.records["seal"] } }
    #expect(Set(records).count == 1)
    #expect(
      try cluster.apply(other, id: secondID).outcomes == [.confirmed, .confirmed, .confirmed])
    #expect(cluster.seals() == seals)
  }

  @Test("another seal than the member's environment needs is a no, and nothing is staged")
  func another() throws {
    let cluster = Cluster([plainFile, plainFile])
    let good = try cluster.rollout(enabling)
    var wrong: [Rollout] = []
    for change in [
      { $0.seal = nil }, { $0.seal?.keyName = "key-2" }, { $0.seal?.enclave = "other" },
      { $0.seal?.rollout = secondID }, { $0.seal?.cluster = "other" },
    ] as [(inout Rollout) -> Void] {
      var rollout = good
      rollout.epoch += UInt64(wrong.count)
      change(&rollout)
      wrong.append(rollout)
    }
    for rollout in wrong {
      #expect(try cluster[0].prepare(rollout, enabling).refusal?.code == .vote)
      #expect(cluster[0].host.state.withLock { $0.staged.isEmpty })
    }
  }

  @Test("a member whose start failed takes the seal from one whose start was confirmed")
  func oneFailed() throws {
    var cluster = Cluster([plainFile, plainFile, plainFile])
    cluster[2].host.state.update { $0.startLines = ["FATAL Unable to start the server"] }
    #expect(try cluster.apply(enabling).outcomes == [.confirmed, .confirmed, .failed])
    #expect(cluster[2].agent.status().seal == nil)
    cluster.network.down.update { $0 = ["minio-1"] }
    cluster.restart(2)
    cluster.look()
    let seals = cluster.seals()
    #expect(seals[2] != nil && Set(seals.map { $0?.digest }).count == 1)
  }

  @Test("where no start was confirmed nobody is sealed, and the next rollout seals")
  func allFailed() throws {
    let cluster = Cluster([plainFile, plainFile])
    for node in cluster.nodes {
      node.host.state.update { $0.startLines = ["FATAL Unable to start the server"] }
    }
    #expect(try cluster.apply(enabling).outcomes == [.failed, .failed])
    for node in cluster.nodes {
      // The servers are down since.
      node.host.state.update { state in
        state.unit.activeState = "failed"
        state.unit.mainPID = 0
        state.startLines = ["MinIO AIStor Server", "INFO: All MinIO sub-systems initialized"]
      }
    }
    cluster.look()
    #expect(cluster.seals() == [nil, nil])
    let corrected = [SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("key-2"))]
    let rollout = try cluster.rollout(corrected, id: secondID)
    #expect(rollout.seal?.keyName == "key-2")
    #expect(try cluster.run(rollout, corrected).votes == [nil, nil])
  }

  @Test(
    "with a key and no seal a member that does not know of all others says no; without a key yes")
  func unknown() throws {
    let cluster = Cluster([plainFile, plainFile])
    let rollout = try cluster.rollout(enabling)
    cluster.forgetSeal(of: "minio-2")
    let refusal = try cluster[0].prepare(rollout, enabling).refusal
    #expect(refusal?.code == .unreachable)
    #expect(refusal?.message.contains("minio-2") == true)
    let plain = try cluster.rollout(other, id: secondID)
    cluster.forgetSeal(of: "minio-2")
    #expect(try cluster[0].prepare(plain, other).refusal == nil)
    _ = try cluster[0].decide(plain, .abort)
    try cluster.apply(enabling, id: "00000000000000cc")
    let last = try cluster.rollout(other, id: "00000000000000dd")
    cluster.forgetSeal(of: "minio-2")
    #expect(try cluster[0].prepare(last, other).refusal == nil, "its own seal is enough")
  }

  @Test("without faults the members ask one another nothing, at no plan, vote, commit or start")
  func messages() throws {
    // A machine so busy that the coordinator is silent for seconds is a fault.
    var (times, collectorTimes) = (RecoveryTimes(), CollectorTimes())
    (times.silenceMilliseconds, collectorTimes.silenceMilliseconds) = (120_000, 120_000)
    let cluster = Cluster(
      [String](repeating: plainFile, count: 9), times: times, collectorTimes: collectorTimes)
    let asked = { cluster.network.questions.withLock { $0.map(\.path) } }
    #expect(try cluster.apply(enabling).outcomes.allSatisfy { $0 == .confirmed })
    #expect(asked().isEmpty, "\(asked())")
    // Each has its key proof from the look that follows.
    for node in cluster.nodes { node.agent.links.look() }
    cluster.network.questions.update { $0 = [] }
    #expect(try cluster.apply(other, id: secondID).outcomes.allSatisfy { $0 == .confirmed })
    #expect(asked().isEmpty, "\(asked())")
  }

  @Test("in between a node asks a few of the others at each look, and each of them in its turn")
  func looks() throws {
    let cluster = Cluster([String](repeating: plainFile, count: 21))
    cluster[0].agent.seals.look()
    let first = cluster.network.questions.withLock { $0.map(\.node) }
    #expect(first.count == Limits.peersAtOnce && Set(first).count == first.count)
    for _ in 0..<3 { cluster[0].agent.seals.look() }
    let all = cluster.network.questions.withLock { $0.map(\.node) }
    #expect(Set(all).count == 20)
    #expect(all.count <= 3 * Limits.peersAtOnce, "and then no more: nobody is sealed")
    #expect(cluster.network.mostAtOnce <= Limits.peersAtOnce)
  }

  @Test("a seal in the request alone is not taken: the others must say so themselves")
  func forged() throws {
    let cluster = Cluster([plainFile, plainFile, plainFile])
    let rollout = try cluster.rollout(other)
    let seal = Seal(
      cluster: "prod", keyName: "forged", enclave: "store", rollout: secondID,
      sealedAtMicroseconds: 1, previous: nil)
    cluster.forge(seal, on: ["minio-2", "minio-3"])
    _ = try cluster[0].prepare(rollout, other)
    #expect(cluster.seals() == [nil, nil, nil])
  }
}
