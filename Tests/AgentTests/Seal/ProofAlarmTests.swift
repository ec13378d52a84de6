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

@Suite("Agent: key proofs that do not open")
struct ProofAlarmTests {
  @Test("another key of the same name is an alarm, refuses every rollout, and its mending is seen")
  func exchanged() throws {
    let cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    cluster.exchangeKey()
    cluster.lookAtLinks([1])
    let finding = try #require(
      cluster[1].agent.status().findings.first { $0.rule == "key-proof" })
    #expect(finding.severity == .error && finding.refusal == .guarded)
    #expect(finding.message.contains("https://kms-1.example.net:7373"), "\(finding.message)")
    #expect(finding.message.contains("than the one that this cluster has encrypted with"))
    #expect(cluster[1].agent.status().drift.items?.first?.kind == .keyProof)

    #expect(try cluster.refusals(other).map(\.?.code) == [.guarded, .guarded, .guarded])
    #expect(try cluster.apply(other, id: secondID).votes == [.guarded, .guarded, .guarded])
    #expect(cluster.made == [1, 0, 0], "none is made of the wrong key")

    cluster.exchangeKey(SimulatedKey())
    cluster.lookAtLinks()
    #expect(cluster.rules(1).isEmpty, "\(cluster.rules(1))")
    #expect(
      try cluster.apply(other, id: "00000000000000cc").outcomes
        == [.confirmed, .confirmed, .confirmed])
  }

  @Test("of several Key Managers that have another key each is named")
  func both() throws {
    let cluster = try Cluster.sealed()
    let moved = [
      SettingChange(
        name: "MINIO_KMS_SERVER",
        value: Secret("https://kms-1.example.net:7373,https://kms-2.example.net:7373"))
    ]
    #expect(
      try cluster.apply(moved, id: secondID).outcomes == [.confirmed, .confirmed, .confirmed])
    cluster.lookAtLinks()
    cluster.exchangeKey()
    cluster.lookAtLinks([0])
    let problem = try #require(cluster[0].agent.proofs.problem)
    #expect(problem.message.hasPrefix("https://kms-1.example.net:7373 has another key"))
    #expect(problem.message.contains("; another key is also at https://kms-2.example.net:7373"))
  }

  @Test("what the last look did not open is told, until a look opens it")
  func unopened() throws {
    let cluster = try Cluster.sealed(1)
    cluster.lookAtLinks()
    let denied = StageResult(.proof, .failed, reason: .denied, detail: "answered 403")
    var report = FakeNodeHost.Probe.fine("https://kms-1.example.net:7373")
    report.stages = report.stages.map { $0.stage == .proof ? denied : $0 }
    cluster[0].host.state.update { $0.reports = [report] }
    cluster.lookAtLinks()
    let unopened = try #require(cluster[0].agent.status().keyProofs?.unopened)
    #expect(unopened.code == .keyManager && unopened.message.contains("may not KEY:DECRYPT"))
    cluster[0].host.state.update { $0.reports = [] }
    cluster.lookAtLinks()
    #expect(cluster[0].agent.status().keyProofs?.unopened == nil)
  }

  @Test("a version of the key that is gone is another key")
  func versionGone() throws {
    let cluster = try Cluster.sealed()
    cluster.exchangeKey(SimulatedKey(bytes: 1, version: 2))
    cluster.lookAtLinks()
    cluster.exchangeKey(SimulatedKey(bytes: 1, version: 1))
    cluster.lookAtLinks()
    #expect(cluster.rules(0) == ["key-proof"])
    #expect(try cluster.refusals(other).map(\.?.code) == [.guarded, .guarded, .guarded])
  }

  @Test("a node that alone tells a proof that does not open is named, and alarms nobody")
  func lie() throws {
    var cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    let proof = try #require(cluster.proofs[0].all.first)
    cluster[1].host.state.update { $0.records["proofs"] = nil }
    cluster.restart(1)
    cluster.network.hooks.update {
      $0.rewrite = { node, body in
        guard node == "minio-3", var answer = try? JSON.decode(KeyProofsAnswer.self, from: body)
        else { return body }
        var lie = proof
        lie.ciphertext = [9, 9]
        answer.proofs = KeyProofs([lie])
        return JSON.encode(answer)
      }
    }
    cluster.lookAtLinks([1])
    #expect(cluster.proofs[1].all == [proof])
    let problem = try #require(cluster[1].agent.proofs.problem)
    #expect(problem.severity == .warning)
    #expect(problem.message.hasPrefix("minio-3 has a key proof that no Key Manager opens"))
    // It stays so as long as the node says it.
    cluster.lookAtLinks([1])
    #expect(cluster[1].agent.proofs.problem?.severity == .warning)
    #expect(try cluster[1].plan(other).refusal == nil)
    cluster.network.hooks.update { $0.rewrite = nil }
    cluster.lookAtLinks([1])
    #expect(cluster[1].agent.proofs.problem == nil)
  }

  @Test("a start is not confirmed with another key than the one that was voted with")
  func exchangedAfterVote() throws {
    let cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    for node in cluster.nodes {
      node.host.state.update { $0.onRestart = { $0.key = SimulatedKey(bytes: 2) } }
    }
    let ended = try cluster.apply(other, id: secondID)
    #expect(ended.votes == [nil, nil, nil])
    #expect(ended.outcomes == [.failed, .failed, .failed])
    let outcome = try #require(cluster[0].agent.status().lastOutcome)
    #expect(outcome.reason.contains("has another key"), "\(outcome.reason)")
    #expect(outcome.failure.map { $0.kind == .keyNotProven } == true)
    // The alarm stands, whatever a look before the next vote meets.
    let silent = EndpointReport(
      endpoint: "https://kms-1.example.net:7373", address: nil, stages: [])
    #expect(cluster[0].agent.proofs.standing(after: [silent]) != nil)
  }

  @Test("a start whose Key Managers do not answer any more is confirmed, with a warning")
  func silentAfterVote() throws {
    let cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    let silent = EndpointReport(
      endpoint: "https://kms-1.example.net:7373", address: nil,
      stages: [StageResult(.tcp, .failed, detail: "connection refused")])
    for node in cluster.nodes {
      node.host.state.update { $0.onRestart = { $0.reports = [silent] } }
    }
    #expect(
      try cluster.apply(other, id: secondID).outcomes == [.confirmed, .confirmed, .confirmed])
    let outcome = try #require(cluster[0].agent.status().lastOutcome)
    #expect(
      outcome.warning?.hasPrefix("the key proofs were not opened after the start: ") == true,
      "\(outcome.warning ?? "")")
  }

  @Test("an alarm is not hidden by what else is wrong, nor by a proof that cannot be made")
  func worst() throws {
    let cluster = try Cluster.sealed()
    cluster.lookAtLinks()
    cluster.exchangeKey(SimulatedKey(bytes: 1, version: 2))
    cluster[0].host.state.update {
      $0.proofFailure = Refusal(.guarded, "make a key proof: kms-2 does not open it")
    }
    cluster.lookAtLinks([0])
    #expect(cluster[0].agent.proofs.problem?.refusal == .guarded)
    #expect(cluster[0].agent.proofs.problem?.severity == .error)
    // It is over when a look is right, or when it was not met again.
    cluster[0].host.state.update { $0.proofFailure = Refusal(.keyManager, "denied") }
    cluster.lookAtLinks([0])
    #expect(cluster[0].agent.proofs.problem?.severity == .warning)
  }

  @Test(
    "an alarm that stands refuses votes, also where the look before the vote meets a right host")
  func standingAlarm() throws {
    let cluster = try Cluster.sealed(1)
    cluster.lookAtLinks()
    func report(_ host: String, _ opening: StageResult) -> EndpointReport {
      var report = FakeNodeHost.Probe.fine("https://kms-1.example.net:7373")
      report.stages = report.stages.map { $0.stage == .proof ? opening : $0 }
      report.addresses = [
        AddressReport(
          address: "192.0.2.1:7373", stages: Array(report.stages.dropFirst()),
          sight: KeyManagerSight(host: host, key: .usable))
      ]
      return report
    }
    let wrong = StageResult(.proof, .failed, reason: .otherKey, detail: "invalid ciphertext")
    cluster[0].host.state.update { $0.reports = [report("kms-b", wrong)] }
    cluster.lookAtLinks()
    cluster[0].host.state.update {
      $0.reports = [report("kms-a", .init(.proof, .fine, detail: ""))]
    }
    #expect(try cluster[0].plan(other).refusal?.code == .guarded)
    cluster[0].host.state.update {
      $0.reports = [report("kms-b", .init(.proof, .fine, detail: ""))]
    }
    #expect(try cluster[0].plan(other).refusal == nil)
  }
}
