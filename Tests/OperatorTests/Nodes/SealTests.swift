// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import KeyManager
import Model
@testable import Operator
@testable import Rollout
import Testing
import Threads

@Suite("keyturn seal") struct SealCommandTests {
  private static let other = Seal(
    cluster: "prod", keyName: "key-2", enclave: "tenant-1", rollout: "00000000000000bb",
    sealedAtMicroseconds: 0)

  private func agents(third: FakeAgent) -> [FakeAgent] {
    Sample.names.map { $0 == "minio-3" ? third : FakeAgent($0, sealed: Sample.seal) }
  }

  @Test("show has a row for each node, and is 0 only if all are the same")
  func show() {
    let (code, host) = Sample.run(
      "seal show", agents(third: FakeAgent("minio-3", sealed: Sample.seal)))
    #expect(code == .done)
    for name in Sample.names { #expect(host.output.contains(name)) }
    #expect(host.output.contains(String(Sample.seal.digest.hex.prefix(12))))
    for (third, expected) in [
      (FakeAgent("minio-3", sealed: Self.other), ExitCode.failed),
      (FakeAgent("minio-3"), .failed),
      (FakeAgent("minio-3", sealed: Sample.seal, problem: "its seal is missing"), .failed),
      (FakeAgent("minio-3", .unreachable), .unknown),
    ] { #expect(Sample.run("seal show", agents(third: third)).code == expected) }
    #expect(Sample.run("seal show", Sample.names.map { FakeAgent($0) }).code == .done)
  }

  @Test("show has each key proof once: who keeps it, who has opened it, and through what")
  func keyProofs() throws {
    let binding = KeyProof.Binding(cluster: "prod", seal: Sample.seal.digest)
    let proof = KeyProof(
      binding: binding, version: 3, source: .sha256([1]), ciphertext: [1], commitment: .sha256([2]),
      madeBy: "minio-1", madeAt: 1_790_000_000_000_000)
    let agents = agents(third: FakeAgent("minio-3", sealed: Sample.seal))
    for (index, agent) in agents.enumerated() {
      agent.keyProofs.update {
        $0 = KeyProofsAnswer(
          node: agent.name, seal: Sample.seal.digest, isServing: true, proofs: KeyProofs([proof]),
          status: KeyProofStatus(
            count: 1, newestAtMicroseconds: proof.madeAt,
            openedSecondsAgo: index == 2 ? nil : 10 + index,
            openedThrough: index == 2 ? nil : ["https://kms-1:7373"], missing: nil))
      }
    }
    let shown = Sample.run("seal show", agents)
    #expect(shown.code == .done)
    let row = try #require(
      shown.host.output.split(separator: "\n").first { $0.contains(proof.digest.hex.prefix(12)) })
    for words in [
      "3", "2026-09-21T", "minio-[1-4]", "10 to 13 s ago, not on minio-3", "https://kms-1:7373",
    ] { #expect(row.contains(words), "\(words): \(row)") }
    // What belongs to another seal is no evidence of this one.
    var foreign = proof
    foreign.binding.seal = .sha256([9])
    agents[0].keyProofs.update { $0?.proofs = KeyProofs([foreign]) }
    let others = Sample.run("seal show", agents).host.output
    #expect(!others.contains(foreign.digest.hex.prefix(12)) && others.contains("minio-[2-4]"))
    let told = Sample.run("seal show --json", agents).host.output
    #expect(told.contains(proof.digest.hex) && told.contains(#""openedSecondsAgo""#))
  }

  @Test(
    "a node whose start was not confirmed is named, with what to do; other differences are status'")
  func pending() {
    func views(_ third: SealView) -> [SealView] {
      ["minio-1", "minio-2"].map { SealView(node: $0, members: .sha256([]), seal: Sample.seal) }
        + [third]
    }
    let text = SealShowCommand.difference(
      views(SealView(node: "minio-3", members: .sha256([]), pending: Sample.seal)))
    #expect(
      text.hasPrefix("minio-3 took part in rollout \(Sample.seal.rollout), which sealed the key"))
    #expect(text.hasSuffix("then keyturn restart"))
    for other in [
      SealView(node: "minio-3", members: .sha256([]), pending: Self.other),
      SealView(node: "minio-3", members: .sha256([])),
      SealView(node: "minio-3", members: .sha256([]), seal: Self.other),
      SealView(node: "minio-3", members: .sha256([]), problem: "damaged", pending: Sample.seal),
    ] { #expect(SealShowCommand.difference(views(other)).contains("are not the same")) }
  }

  @Test("recover asks the one node, and says what was wrong")
  func recover() {
    let agents = agents(
      third: FakeAgent("minio-3", sealed: Sample.seal, problem: "its seal is missing"))
    let (code, host) = Sample.run("seal recover minio-3", agents)
    #expect(code == .done)
    #expect(host.output.contains("minio-3: its seal is missing; now it has"))
    let (again, unchanged) = Sample.run("seal recover minio-1", agents)
    #expect(again == .done && unchanged.output.contains("already"))
  }

  @Test(
    "recover where there is no majority is the guard's no; one that is not in the inventory is 64")
  func noMajority() {
    let (code, host) = Sample.run("seal recover minio-3", agents(third: FakeAgent("minio-3")))
    #expect(code == .guardRefused)
    #expect(host.errors.contains("minio-3: the other members' seals differ"))
    let (typo, said) = Sample.run("seal recover minio-9", Sample.names.map { FakeAgent($0) })
    #expect(typo == .usage && said.errors.contains("only minio-[1-4]"))
    #expect(
      Sample.run("seal recover minio-3", agents(third: FakeAgent("minio-3", .unreachable))).code
        == .unreachable)
  }
}

@Suite("Seal of a plan") struct PlanSealTests {
  private static let key = KeyIdentity(name: "key-1", enclave: "store")

  private static func seal(_ answers: [PlanAnswer]) throws -> Seal? {
    let rows = answers.map { NodeAnswer(name: $0.node, result: .success($0)) }
    return try ClusterPlan(rows: rows).seal(
      cluster: "prod", rollout: "00000000000000aa", realtimeMicroseconds: 5)
  }

  @Test("the first rollout with a key seals it; later ones and those without a key do not")
  func first() throws {
    let seal = Seal(
      cluster: "prod", keyName: "key-1", enclave: "store", rollout: "00000000000000aa",
      sealedAtMicroseconds: 5)
    let new = [PlanAnswer.sample("a", key: Self.key), .sample("b", key: Self.key)]
    #expect(try Self.seal(new) == seal)
    #expect(
      try Self.seal([.sample("a", seal: seal, key: Self.key), .sample("b", key: Self.key)]) == nil)
    #expect(try Self.seal([.sample("a"), .sample("b")]) == nil)
  }

  @Test("after a seal was lifted the new one follows it, also where a node does not know it")
  func chained() throws {
    let (first, second) = (Digest.ofFields(["1"]), Digest.ofFields(["2"]))
    let known = PlanAnswer.sample("a", key: Self.key, lifted: first)
    #expect(try Self.seal([known, .sample("b", key: Self.key)])?.previous == first)
    #expect(throws: Refusal.self) {
      try Self.seal([known, .sample("b", key: Self.key, lifted: second)])
    }
  }

  @Test("nodes that would run with different keys are refused")
  func differ() {
    #expect(throws: Refusal.self) {
      try Self.seal([
        .sample("a", key: Self.key),
        .sample("b", key: KeyIdentity(name: "key-1", enclave: "other")),
      ])
    }
    #expect(throws: Refusal.self) { try Self.seal([.sample("a", key: Self.key), .sample("b")]) }
  }
}
