// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import TestSupport
import Testing
import Threads

private let other = [SettingChange(name: "MINIO_BROWSER", value: Secret("off"))]
private let secondID = "00000000000000bb"

@Suite("Agent: key proofs")
struct ProofKeeperTests {
  @Test("the first node makes one, the others take it, and a restart keeps it")
  func making() throws {
    var cluster = try Cluster.sealed()
    #expect(cluster.proofs.allSatisfy { $0.all.isEmpty })
    cluster.lookAtLinks([2])
    #expect(cluster.made == [0, 0, 0], "minio-3 leaves it to minio-1")
    #expect(cluster[2].agent.status().keyProofs?.missing == "minio-1 makes it")
    cluster.lookAtLinks([0, 1, 2])
    #expect(cluster.made == [1, 0, 0])
    for node in 0...2 {
      #expect(cluster[node].agent.status().keyProofs?.openedSecondsAgo != nil, "\(node)")
    }
    let proof = try #require(cluster.proofs[0].all.first)
    #expect(proof.madeBy == "minio-1" && proof.binding.cluster == "prod")
    #expect(cluster.proofs.allSatisfy { $0.all == [proof] })

    cluster.restart(1)
    #expect(cluster[1].agent.proofs.own.all == [proof])
    cluster.lookAtLinks([1])
    let status = try #require(cluster[1].agent.status().keyProofs)
    #expect(status.count == 1 && status.openedSecondsAgo != nil && status.missing == nil)
    #expect(cluster.made == [1, 0, 0])
  }

  @Test("nothing is proven where no key is sealed")
  func unsealed() {
    let cluster = Cluster([plainFile, plainFile])
    cluster.lookAtLinks()
    #expect(cluster.made == [0, 0])
    #expect(cluster[0].agent.status().keyProofs == nil)
    #expect(cluster[0].agent.proofs.toOpen().isEmpty)
  }

  @Test(
    "none is made while most of the others are silent: one of them may have one that does not open")
  func silentMajority() throws {
    let cluster = try Cluster.sealed()
    cluster.network.down.update { $0 = ["minio-2", "minio-3"] }
    cluster.lookAtLinks([0])
    #expect(cluster.made[0] == 0)
    #expect(
      cluster[0].agent.status().keyProofs?.missing
        == "only 1 of 3 nodes tell their proofs, 2 must")
    cluster.network.down.update { $0 = ["minio-3"] }
    cluster.lookAtLinks([0])
    #expect(cluster.made[0] == 1)
  }

  @Test("a new version of the key, and another way to it, each get a proof, and the first is kept")
  func newVersion() throws {
    let cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    cluster.exchangeKey(SimulatedKey(bytes: 1, version: 2))
    cluster.lookAtLinks()
    #expect(cluster.proofs.allSatisfy { $0.all.map(\.version) == [1, 2] })
    let moved = [
      SettingChange(
        name: "MINIO_KMS_SERVER",
        value: Secret("https://kms-1.example.net:7373,https://kms-2.example.net:7373"))
    ]
    #expect(
      try cluster.apply(moved, id: secondID).outcomes == [.confirmed, .confirmed, .confirmed])
    cluster.lookAtLinks()
    #expect(cluster.proofs.allSatisfy { $0.all.map(\.version) == [1, 2, 2] })
    #expect(cluster.made == [3, 0, 0])
  }

  @Test("a node that was replaced asks the others for theirs, before it votes and for itself")
  func replaced() throws {
    var cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    cluster[2].host.state.update { $0.records["proofs"] = nil }
    cluster.restart(2)
    #expect(cluster[2].agent.proofs.own.all.isEmpty)
    // Its Key Manager alone is another one: only the others' proof can show it.
    cluster[2].host.state.update { $0.key = SimulatedKey(bytes: 2) }
    #expect(try cluster.refusals(other).map(\.?.code) == [nil, nil, .guarded])
    cluster.lookAtLinks([2])
    #expect(cluster[2].agent.proofs.own.all.isEmpty, "it keeps none that it cannot open")
    #expect(cluster.rules(2) == ["key-proof"])
    #expect(cluster.made == [1, 0, 0])

    cluster[2].host.state.update { $0.key = SimulatedKey() }
    cluster.lookAtLinks([2])
    #expect(cluster.proofs[2] == cluster.proofs[0] && cluster.rules(2).isEmpty)
  }

  @Test("a damaged record is said, and the proofs come from the others again")
  func damaged() throws {
    var cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    cluster[1].host.state.update { $0.records["proofs"] = Array("[{".utf8) }
    cluster.restart(1)
    #expect(cluster.rules(1).contains("damaged-record"))
    cluster.lookAtLinks([1])
    #expect(cluster.proofs[1] == cluster.proofs[0])
    #expect(cluster.rules(1).isEmpty, "\(cluster.rules(1))")
  }

  @Test("a node whose record of them is damaged makes none: there may be one that does not open")
  func damagedAlone() throws {
    var cluster = try Cluster.sealed(1)
    cluster.lookAtLinks()
    cluster[0].host.state.update { $0.records["proofs"] = Array("[{".utf8) }
    cluster.restart(0)
    cluster.exchangeKey()
    cluster.lookAtLinks()
    #expect(cluster.made == [1] && cluster.proofs[0].all.isEmpty)
    #expect(
      cluster[0].agent.status().keyProofs?.missing
        == "the record of the key proofs of minio-1 is damaged")
    #expect(cluster.rules(0).contains("damaged-record"))
    // A person has looked at it.
    cluster[0].host.state.update { $0.records["proofs"] = nil }
    cluster.restart(0)
    cluster.lookAtLinks()
    #expect(cluster.made == [2])
  }

  @Test(
    "the proofs that a person has moved away on all nodes are made once more, of the key as it is")
  func forgotten() throws {
    var cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    cluster.exchangeKey()
    cluster.lookAtLinks()
    #expect(cluster.rules(0) == ["key-proof"])
    for node in 0...2 { cluster[node].host.state.update { $0.records["proofs"] = nil } }
    for node in 0...2 { cluster.restart(node) }
    cluster.lookAtLinks()
    #expect(cluster.rules(0).isEmpty && cluster.made == [2, 0, 0])
    #expect(try cluster.refusals(other).allSatisfy { $0 == nil })
  }

  @Test("a plan warns that there is no proof yet, until there is one")
  func noneYet() throws {
    let cluster = try Cluster.sealed()
    let finding = try #require(
      try cluster[0].plan(other).findings.first { $0.rule == "key-proof-missing" })
    #expect(finding.severity == .warning && finding.message.hasPrefix("there is no key proof yet"))
    cluster.lookAtLinks()
    #expect(try cluster[0].plan(other).findings.allSatisfy { $0.rule != "key-proof-missing" })
  }

  @Test("what another node says is of another seal, or of another node, is not taken")
  func foreign() throws {
    let cluster = try Cluster.sealed()
    cluster.lookAtLinks([0])
    let seal = try #require(cluster.seals()[0]).digest.hex
    cluster.network.hooks.update {
      $0.rewrite = { node, body in
        guard node == "minio-1" else { return body }
        let text = String(decoding: body, as: UTF8.self)
        return Array(text.replacing(seal, with: String(repeating: "0", count: 64)).utf8)
      }
    }
    cluster.network.down.update { $0 = ["minio-3"] }
    cluster.lookAtLinks([1])
    #expect(cluster.proofs[1].all.isEmpty)
    #expect(
      cluster[1].agent.status().keyProofs?.missing
        == "only 1 of 3 nodes tell their proofs, 2 must")
  }

  @Test("that no proof can be made is a warning, undoes nothing, and is tried again")
  func cannotBeMade() throws {
    let cluster = try Cluster.sealed()
    cluster[0].host.state.update {
      $0.proofFailure = Refusal(.keyManager, "make a key proof: KEY:DECRYPT: access denied")
    }
    cluster.lookAtLinks([0])
    let item = try #require(cluster[0].agent.status().drift.items?.first)
    #expect(item.kind == .keyProof && item.severity == .warning)
    #expect(item.message.contains("KEY:DECRYPT"))
    #expect(try cluster[0].plan(other).refusal == nil)
    cluster[0].host.state.update { $0.proofFailure = nil }
    cluster.lookAtLinks([0])
    #expect(cluster[0].agent.status().drift.isEmpty)
  }

  @Test("a plan says which identity goes out of use, and whether a rollback is proven")
  func identityChange() throws {
    let cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    let rotated = [
      SettingChange(
        name: "MINIO_KMS_API_KEY", value: Secret("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
    ]
    let plan = try cluster[0].plan(rotated)
    #expect(plan.refusal == nil)
    #expect(plan.identities?.present == identity)
    #expect(plan.identities?.wanted != identity)
    #expect(plan.findings.map(\.rule).allSatisfy { !$0.hasPrefix("rollback-") })
    #expect(try cluster[0].plan(other).identities == nil)
    #expect(try cluster.apply(rotated, id: secondID).outcomes.allSatisfy { $0 == .confirmed })
    cluster.lookAtLinks()
    #expect(cluster.proofs.allSatisfy { $0.all.count == 2 })
  }

  @Test("none is made by settings that the running server does not use yet")
  func editedFile() throws {
    let cluster = try Cluster.sealed()
    for node in cluster.nodes {
      node.host.state.update { state in
        let text = String(decoding: state.file ?? [], as: UTF8.self)
        state.file = Array(text.replacing("kms-1.example.net", with: "kms-9.example.net").utf8)
      }
    }
    cluster.lookAtLinks()
    #expect(cluster.made == [0, 0, 0])
    #expect(
      cluster[0].agent.status().keyProofs?.missing
        == "the running server gets to its key by other settings than the file's")
  }

  @Test("the answer to the others holds what they need, and no name of a key")
  func answered() throws {
    let cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    let response = cluster[0].send("GET", "/v1/seal/proofs")
    #expect(response.status == 200)
    let answer = try JSON.decode(KeyProofsAnswer.self, from: response.body)
    #expect(answer.proofs == cluster.proofs[0] && answer.isServing)
    #expect(answer.seal == cluster.seals()[0]?.digest)
    #expect(!String(decoding: response.body, as: UTF8.self).contains("key-1"))
  }
}
