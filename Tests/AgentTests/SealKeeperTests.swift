import KeyManager
import LinuxIO
import Model
import Rollout
import StartWatch
import Testing
import Wire

@testable import Agent

/// A file that runs with a key, as somebody set it up before Keyturn came.
private func encryptedFile(_ key: String, enclave: String = "store") -> String {
  plainFile + """
    MINIO_KMS_SERVER="https://kms-1.example.net:7373"
    MINIO_KMS_ENCLAVE="\(enclave)"
    MINIO_KMS_SSE_KEY="\(key)"
    MINIO_KMS_API_KEY="\(apiKey)"

    """
}

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
    #expect(try cluster.apply(enabling).outcomes.allSatisfy { $0 == .confirmed })
    #expect(try cluster.apply(other, id: secondID).outcomes.allSatisfy { $0 == .confirmed })
    let asked = cluster.network.questions.withLock { $0.map(\.path) }
    #expect(asked.isEmpty, "\(asked)")
  }

  @Test("in between a node asks a few of the others at each look, and each of them in its turn")
  func looks() throws {
    let cluster = Cluster([String](repeating: plainFile, count: 21))
    cluster[0].agent.lookAfterSeal()
    let first = cluster.network.questions.withLock { $0.map(\.node) }
    #expect(first.count == Limits.peersAtOnce && Set(first).count == first.count)
    for _ in 0..<3 { cluster[0].agent.lookAfterSeal() }
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

@Suite("Agent: a record that is lost or altered")
struct LostSealTests {
  /// What happens to a record of the seal.
  enum Loss: CaseIterable {
    case removed, torn, anotherKey, anotherKeyEverywhereHere, anotherCluster

    func happen(to host: FakeHost) {
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

  @Test("before the next start status says that the last door would refuse it")
  func lastDoor() throws {
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
    #expect(cluster.rules(0).isEmpty)
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
    cluster[2].agent.lookAfterSeal()
    #expect(cluster[2].agent.status().seal == nil)
    cluster.network.down.update { $0 = [] }
    cluster[2].agent.lookAfterSeal()
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
        state.process = FakeHost.variables(plainFile)
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

@Suite("Agent: adoption")
struct AdoptionTests {
  @Test("the key that every READY server runs with is sealed, the same on all, and guarded then")
  func adopts() throws {
    let cluster = Cluster([encryptedFile("key-9"), encryptedFile("key-9"), encryptedFile("key-9")])
    cluster.look()
    cluster.look()
    let seals = cluster.seals()
    #expect(seals[0]?.isAdopted == true && seals[0]?.keyName == "key-9")
    #expect(Set(seals.map { $0?.digest }).count == 1)
    for node in cluster.nodes {
      node.host.state.update { state in
        state.unit.activeState = "inactive"
        state.unit.mainPID = 0
      }
    }
    #expect(try cluster[0].plan(enabling).refusal?.code == .guarded, "also while it is down")
    #expect(
      cluster[0].host.state.withLock { $0.lines.count { $0.contains("is sealed") } } == 1)
  }

  @Test("a plan adopts too, and a vote takes what was adopted")
  func atPlan() throws {
    let cluster = Cluster([encryptedFile("key-9"), encryptedFile("key-9")])
    #expect(try cluster.apply(other).outcomes == [.confirmed, .confirmed])
    #expect(Set(cluster.seals().map { $0?.digest }).count == 1)
    #expect(cluster.seals()[0]?.isAdopted == true)
  }

  @Test("while one member is away nothing is sealed, status says so, and it is made up for")
  func waits() throws {
    let cluster = Cluster([encryptedFile("key-9"), encryptedFile("key-9")])
    cluster.network.down.update { $0 = ["minio-2"] }
    cluster.look()
    cluster.look()
    #expect(cluster.seals() == [nil, nil])
    #expect(cluster.rules(0) == ["seal-waiting"])
    let lines = cluster[0].host.state.withLock { $0.lines.filter { $0.contains("minio-2") } }
    #expect(lines.count == 1, "said once")
    cluster.network.down.update { $0 = [] }
    cluster.look()
    #expect(cluster.seals().allSatisfy { $0 != nil })
    #expect(cluster.rules(0).isEmpty)
  }

  @Test("servers that run with different keys are refused until they agree")
  func differ() throws {
    let cluster = Cluster([encryptedFile("key-9"), encryptedFile("key-8"), encryptedFile("key-9")])
    cluster.look()
    #expect(cluster.seals() == [nil, nil, nil])
    for index in 0..<3 {
      #expect(cluster.rules(index).contains("seal-keys"))
      let refusal = try cluster.refusals(other)[index]
      #expect(refusal?.code == .guarded)
      #expect(try cluster.apply(other, id: "000000000000000\(index)").votes[index] == .guarded)
      #expect(refusal?.message.contains("minio-2: \"key-8\"") == true)
    }
    cluster[1].host.state.update { state in
      state.file = Array(encryptedFile("key-9").utf8)
      state.process = FakeHost.variables(encryptedFile("key-9"))
    }
    cluster.look()
    cluster.look()
    #expect(Set(cluster.seals().map { $0?.digest }).count == 1)
    #expect(cluster.seals()[0]?.keyName == "key-9")
    #expect(cluster.rules(0).isEmpty)
  }

  @Test("a key that the server reads by itself is the one that is adopted")
  func configuredByFile() {
    let cluster = Cluster([plainFile + "MINIO_CONFIG_ENV_FILE=/etc/minio/config.env\n"])
    cluster[0].host.state.update {
      $0.files["/etc/minio/config.env"] =
        Array("MINIO_KMS_SSE_KEY=key-7\nMINIO_KMS_ENCLAVE=store\n".utf8)
    }
    cluster.look()
    #expect(cluster.seals()[0]?.keyName == "key-7")
  }

  @Test("a file that the server would read at its next start only says nothing of its key")
  func configuredSince() throws {
    let cluster = Cluster([encryptedFile("key-9")])
    cluster[0].host.state.update {
      $0.file = Array(
        (encryptedFile("key-9") + "MINIO_CONFIG_ENV_FILE=/etc/minio/config.env\n").utf8)
      $0.files["/etc/minio/config.env"] = Array("MINIO_KMS_SSE_KEY=key-8\n".utf8)
      $0.failingRecord = "seal"
    }
    #expect(cluster[0].agent.status().runningKey == "key-9")
    cluster[0].host.state.update { $0.failingRecord = nil }
    cluster.look()
    #expect(cluster.seals()[0]?.keyName == "key-9")
  }

  @Test("what the server has read is not known when its file was changed since: nothing is sealed")
  func configuredAnew() throws {
    let file = plainFile + "MINIO_CONFIG_ENV_FILE=/etc/minio/config.env\n"
    let cluster = Cluster([file, file])
    let config = "MINIO_KMS_SSE_KEY=key-7\nMINIO_KMS_ENCLAVE=store\n"
    for node in cluster.nodes {
      node.host.state.update { state in
        state.files["/etc/minio/config.env"] = Array(config.utf8)
        state.unit.execMainStartMonotonicMicroseconds = Clock.monotonicMicroseconds()
        state.changed["/etc/minio/config.env"] = Clock.realtimeMicroseconds() + 60_000_000
      }
    }
    cluster.look()
    #expect(cluster.seals() == [nil, nil])
    for index in 0..<2 {
      #expect(cluster.rules(index) == ["seal-waiting"])
      let message = cluster[index].agent.status().findings.first?.message
      #expect(message?.contains("minio-2") == true && message?.contains("config.env") == true)
      cluster[index].host.state.update { state in
        state.changed["/etc/minio/config.env"] = Clock.realtimeMicroseconds() - 60_000_000
      }
    }
    cluster.look()
    cluster.look()
    #expect(cluster.seals().allSatisfy { $0?.keyName == "key-7" })
  }

  @Test("blanks around the name of the server's own file are taken away, as the server does")
  func configuredWithBlanks() {
    let cluster = Cluster([plainFile])
    cluster[0].host.state.update {
      $0.process.append(
        EnvironmentVariable(name: "MINIO_CONFIG_ENV_FILE", value: " /etc/minio/config.env "))
      $0.files["/etc/minio/config.env"] =
        Array("MINIO_KMS_SSE_KEY=key-7\nMINIO_KMS_ENCLAVE=store\n".utf8)
    }
    cluster.look()
    #expect(cluster.seals()[0]?.keyName == "key-7")
  }

  @Test("a server whose own file is no absolute path is not adopted: what it has read is not known")
  func configuredRelatively() {
    let cluster = Cluster([encryptedFile("key-9")])
    cluster[0].host.state.update {
      $0.process.append(EnvironmentVariable(name: "MINIO_CONFIG_ENV_FILE", value: "config.env"))
    }
    cluster.look()
    #expect(cluster.seals() == [nil])
  }

  @Test("a cluster without encryption is asked nothing after the first look")
  func silence() {
    let cluster = Cluster([plainFile, plainFile])
    cluster.look()
    cluster.network.down.update { $0 = ["minio-1", "minio-2"] }
    cluster.look()
    #expect(cluster.rules(0).isEmpty && cluster.rules(1).isEmpty)
  }

  @Test("a seal that cannot be written is said, and every rollout is refused until it can")
  func unwritable() throws {
    let cluster = Cluster([encryptedFile("key-9")])
    cluster[0].host.state.update { $0.failingRecord = "seal" }
    cluster.look()
    #expect(cluster.rules(0) == ["seal-unwritable"])
    #expect(try cluster[0].plan(other).refusal?.code == .file)
    cluster[0].host.state.update { $0.failingRecord = nil }
    #expect(try cluster[0].plan(other).refusal == nil)
    #expect(cluster.seals()[0]?.keyName == "key-9")
  }
}
