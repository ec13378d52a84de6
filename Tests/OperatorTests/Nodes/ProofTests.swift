// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import KeyManager
import Model
@testable import Operator
import Rollout
import Testing
import Threads

@Suite("keyturn proof") struct ProofTests {
  /// A node that has one proof, opened 12 s ago.
  private static func kept(
    _ name: String, count: Int = 1, openedSecondsAgo: Int? = 12, missing: String? = nil,
    problem: String? = nil, unopened: Refusal? = nil
  ) -> FakeAgent {
    let agent = FakeAgent(name, sealed: Sample.seal)
    let status = KeyProofStatus(
      count: count, newestAtMicroseconds: count == 0 ? nil : 1_790_000_000_000_000,
      openedSecondsAgo: openedSecondsAgo, missing: missing, problem: problem, unopened: unopened)
    agent.keyProofs.update {
      $0 = KeyProofsAnswer(
        node: name, seal: Sample.seal.digest, isServing: true, proofs: KeyProofs(), status: status)
    }
    return agent
  }

  private func last(_ third: FakeAgent) -> (code: ExitCode, host: FakeCommandHost) {
    Sample.run("proof", Sample.names.map { $0 == "minio-3" ? third : Self.kept($0) })
  }

  @Test("what the nodes saw last is a row each, and 0 only if all have opened one")
  func kept() {
    let (code, host) = last(Self.kept("minio-3"))
    #expect(code == .done)
    for name in Sample.names { #expect(host.output.contains(name)) }
    #expect(host.output.contains("12 s ago") && host.output.contains("2026-09-21T"))
    for (third, expected) in [
      (Self.kept("minio-3", openedSecondsAgo: nil), ExitCode.failed),
      (Self.kept("minio-3", count: 0, openedSecondsAgo: nil, missing: "minio-1 makes it"), .failed),
      (FakeAgent("minio-3", sealed: Sample.seal), .failed),
      (FakeAgent("minio-3", .unreachable), .unknown),
      (Self.kept("minio-3", problem: "https://kms-2:7373 has another key"), .guardRefused),
    ] { #expect(last(third).code == expected) }
  }

  @Test("what the last look did not open is not fine, and exits as a look now would")
  func unopened() {
    for (refusal, code, state) in [
      (Refusal(.keyManager, "may not KEY:DECRYPT"), ExitCode.keyManagerRefused, "NOT ALLOWED"),
      (Refusal(.guarded, "does not exist in enclave"), .guardRefused, "not opened"),
      (Refusal(.unreachable, "connection refused"), .failed, "not opened"),
    ] {
      let outcome = last(Self.kept("minio-3", unopened: refusal))
      #expect(outcome.code == code)
      #expect(outcome.host.output.contains(state))
      #expect(
        outcome.host.errors.contains(
          "minio-3: the key proofs were not opened at the last look: \(refusal.message)"),
        "\(outcome.host.errors)")
    }
    let old = last(Self.kept("minio-3", openedSecondsAgo: 400))
    #expect(old.code == .failed && old.host.errors.contains("were opened 400 s ago, and not since"))
  }

  @Test("another key that one node saw is told with the node, whoever does not answer")
  func problem() {
    let text = "https://kms-2:7373 has another key"
    let agents = Sample.names.map { name in
      switch name {
      case "minio-2": FakeAgent(name, .unreachable)
      case "minio-3": Self.kept(name, problem: text)
      default: Self.kept(name)
      }
    }
    let (code, host) = Sample.run("proof", agents)
    #expect(code == .guardRefused)
    #expect(host.errors.contains("minio-3: \(text)"), "\(host.errors)")
    #expect(host.output.contains("ANOTHER KEY"))
  }

  // MARK: --now

  private static func opening(
    _ name: String, _ verdict: ProbeVerdict, detail: String = "", findings: [Finding] = []
  ) -> FakeAgent {
    FakeAgent(
      name, sealed: Sample.seal,
      check: CheckAnswer(
        node: name,
        endpoints: ["https://kms-1:7373", "https://kms-2:7373"].map { endpoint in
          ProbeAnswer(
            endpoint: endpoint,
            stages: [
              ProbeStageAnswer(
                stage: .known(.proof),
                verdict: .known(endpoint.contains("kms-2") ? verdict : .fine), milliseconds: 1,
                detail: detail)
            ])
        }, drift: Drift(), findings: findings))
  }

  private func now(_ third: FakeAgent) -> (code: ExitCode, host: FakeCommandHost) {
    Sample.run(
      "proof --now", Sample.names.map { $0 == "minio-3" ? third : Self.opening($0, .fine) })
  }

  @Test("opened now from every node through every Key Manager, 0 only if all have opened")
  func opened() {
    let (code, host) = now(Self.opening("minio-3", .fine))
    #expect(code == .done)
    #expect(
      host.output.contains("every key proof opens, from 4 nodes through 2 Key Managers"),
      "\(host.output)")
    #expect(now(FakeAgent("minio-3", .unreachable)).code == .unknown)
    #expect(now(Self.opening("minio-3", .notChecked, detail: "no key proof yet")).code == .failed)
  }

  @Test(
    "what says that the key is another one, is gone or may not be used decides the exit code",
    arguments: [
      ("kms-key-other", RefusalCode.guarded, ExitCode.guardRefused),
      ("kms-key-missing", .guarded, .guardRefused),
      ("kms-identity-denied", .keyManager, .keyManagerRefused),
    ])
  func wrong(rule: String, refusal: RefusalCode, expected: ExitCode) {
    let finding = Finding(
      .error, rule: rule, refusal: refusal, message: "https://kms-2:7373 has another key")
    let (code, host) = now(
      Self.opening("minio-3", .failed, detail: "invalid ciphertext", findings: [finding]))
    #expect(code == expected)
    #expect(host.errors.contains("minio-3: https://kms-2:7373 has another key"), "\(host.errors)")
    #expect(host.output.contains("invalid ciphertext"))
  }

  @Test("an older agent, which opens none, is not proven")
  func older() {
    let agents = Sample.names.map { FakeAgent($0, sealed: Sample.seal) }
    #expect(Sample.run("proof --now", agents).code == .failed)
  }
}
