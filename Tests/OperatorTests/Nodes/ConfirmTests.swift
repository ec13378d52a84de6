// SPDX-License-Identifier: Apache-2.0
import API
import Crypto
import Model
@testable import Operator
import Rollout
import Testing
import Threads

@Suite("keyturn confirm", .timeLimit(.minutes(1))) struct ConfirmTests {
  private static let head = RolloutHead(
    id: "0d07a7a0593ac303", epoch: 3, kind: .apply, generation: 7, createdBy: "alice")

  private static func run(
    _ outcome: Outcome?, was: Bool = false, node: String = "minio-3"
  ) -> (code: ExitCode, host: FakeCommandHost) {
    let agents = Sample.names.map { name in
      FakeAgent(
        name,
        confirmed: name == "minio-3"
          ? outcome.map {
            ConfirmAnswer(node: name, rollout: head, outcome: $0, wasConfirmed: was)
          } : nil)
    }
    let result = Sample.run("confirm \(node)", agents)
    #expect(agents.allSatisfy { $0.restarts == 0 })
    #expect(agents.filter { $0.name != node }.allSatisfy { $0.calls == 0 })
    return result
  }

  @Test("what the node found is told, and nobody else is asked")
  func confirmed() {
    let well = Self.run(Outcome(.confirmed, "healthy for 10 s, not restarted"))
    #expect(well.code == .done)
    #expect(
      well.host.output
        == "minio-3: confirmed, healthy for 10 s, not restarted; rollout 0d07a7a0593ac303, generation 7\n"
    )
    let again = Self.run(Outcome(.confirmed, "healthy"), was: true)
    #expect(again.code == .done && again.host.output.contains("is confirmed there already"))
  }

  /// What all nodes know of a rollout that was proposed; minio-2's start may be open still.
  private static func proposed(isOpen: Bool) -> (host: FakeCommandHost, agents: [FakeAgent]) {
    let digest = Digest.ofFields(["settings"])
    let agents = Sample.names.map { name in
      FakeAgent(
        name,
        kept: [
          RolloutView(
            id: head.id, events: [], report: nil,
            outcome: Outcome(isOpen && name == "minio-2" ? .failed : .confirmed, ""), rollout: head)
        ],
        confirmed: ConfirmAnswer(
          node: name, rollout: head, outcome: Outcome(.confirmed, "healthy"), wasConfirmed: false),
        proposals: ProposalsView(
          node: name, own: MemberProposal(serial: 1, digest: nil), phase: .notConfirmed, rows: [],
          rollout: head.id, refusal: nil,
          failure: ProposalFailure(
            digest: digest, rollout: head.id, ending: .notConfirmed, reason: "x")))
    }
    return (Sample.run("confirm minio-3", agents).host, agents)
  }

  @Test("once every start is confirmed the settings may be proposed again, on every node")
  func proposals() {
    let open = Self.proposed(isOpen: true)
    #expect(open.agents.allSatisfy { $0.retries.withLock { $0 } == [] })
    #expect(open.host.errors.contains("minio-2 is not"), "\(open.host.errors)")
    let all = Self.proposed(isOpen: false)
    let digest = Digest.ofFields(["settings"]).hex
    #expect(all.agents.allSatisfy { $0.retries.withLock { $0 } == [digest] })
  }

  @Test("what is not confirmed exits 9, what is refused with its own code")
  func notConfirmed() {
    let bad = Self.run(Outcome(.failed, "MINIO_KMS_ENCLAVE differs"))
    #expect(bad.code == .notConfirmed)
    #expect(
      bad.host.errors
        == "keyturn: error: minio-3: not confirmed, and nothing was changed: MINIO_KMS_ENCLAVE differs\n"
    )
    #expect(Self.run(nil).code == .validationRefused)
    #expect(Self.run(nil, node: "minio-9").code == .usage)
  }
}
