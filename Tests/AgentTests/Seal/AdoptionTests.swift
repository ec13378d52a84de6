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
      state.process = FakeNodeHost.variables(encryptedFile("key-9"))
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
      #expect(cluster.rules(index).first == "seal-waiting")
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
