// SPDX-License-Identifier: Apache-2.0
import API
import Model
@testable import Operator
import Rollout
import Testing

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

  @Test("what is not confirmed exits 9, what is refused with its own code")
  func notConfirmed() {
    let bad = Self.run(Outcome(.failed, "MINIO_KMS_ENCLAVE differs"))
    #expect(bad.code == .notConfirmed)
    #expect(bad.host.errors.contains("minio-3: not confirmed: MINIO_KMS_ENCLAVE differs"))
    #expect(Self.run(nil).code == .validationRefused)
    #expect(Self.run(nil, node: "minio-9").code == .usage)
  }
}
