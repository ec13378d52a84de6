// SPDX-License-Identifier: Apache-2.0
import KeyManager
import Model
import Testing

@Suite("Another way to the key")
struct KeySourceChangeTests {
  private static let newKey = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

  private func settings(new: Bool) -> KeyManagerSettings {
    let server = "https://kms-1.example.net:7373"
    return new
      ? KeyProofTests.settings(server: server, apiKey: Self.newKey)
      : KeyProofTests.settings(server: server)
  }

  private func report(
    _ verdict: ProbeVerdict = .fine, _ reason: ProbeReason? = nil, key: KeyManagerSight.Key = .told
  ) -> EndpointReport {
    let stages = ProbeStage.allCases.map { stage in
      stage == .proof
        ? StageResult(stage, verdict, reason: reason, detail: "as it went")
        : StageResult(stage, stage == .write ? .notChecked : .fine, detail: "")
    }
    return EndpointReport(
      endpoint: "https://kms-1.example.net:7373", address: "192.0.2.1", stages: stages,
      addresses: [
        AddressReport(
          address: "192.0.2.1:7373", stages: Array(stages.dropFirst()),
          sight: KeyManagerSight(key: key))
      ])
  }

  private func rules(
    present: EndpointReport, wanted: EndpointReport, sameIdentity: Bool = false
  ) -> [String] {
    KeySourceChange.findings(
      present: (settings(new: false), [present]),
      wanted: (settings(new: !sameIdentity), [wanted])
    ).map(\.rule)
  }

  @Test("nothing is to be said where both ways lead to the key and both identities may do the same")
  func fine() {
    #expect(rules(present: report(), wanted: report()) == [])
    #expect(rules(present: report(key: .usable), wanted: report(key: .usable)) == [])
    #expect(rules(present: report(key: .usable), wanted: report()) == [])
  }

  @Test(
    "an identity that may not KEY:STATUS, where the present one may, is told; of one identity it is not"
  )
  func lesser() throws {
    #expect(
      rules(present: report(), wanted: report(key: .usable)) == [KeySourceChange.lesserRule])
    #expect(rules(present: report(), wanted: report(key: .usable), sameIdentity: true) == [])
    let finding = try #require(
      KeySourceChange.findings(
        present: (settings(new: false), [report()]),
        wanted: (settings(new: true), [report(key: .usable)])
      ).first)
    #expect(finding.message.contains("may not KEY:STATUS"))
    #expect(finding.message.contains(settings(new: true).apiKey.identity.text))
    #expect(!finding.message.contains(Self.newKey))
  }

  @Test(
    "a rollback that does not open the proofs, or is not known to, is told",
    arguments: [
      (ProbeVerdict.failed, ProbeReason?.some(.otherKey)), (.failed, .denied), (.failed, nil),
      (.notChecked, nil),
    ])
  func rollback(verdict: ProbeVerdict, reason: ProbeReason?) {
    #expect(
      rules(present: report(verdict, reason), wanted: report()) == [KeySourceChange.rollbackRule])
  }
}

extension KeyManagerSight.Key {
  fileprivate static let told = Self.exists(
    KeyFingerprint(version: 1, type: "AES256", createdAt: nil, createdBy: nil))
}
