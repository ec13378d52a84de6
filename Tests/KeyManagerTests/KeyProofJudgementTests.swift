// SPDX-License-Identifier: Apache-2.0
@testable import KeyManager
import Model
import Secrets
import Testing

extension ProbeStage {
  /// What one endpoint must get through so that the server can start.
  static let neededByStart = allCases.filter { $0 != .write && $0 != .proof }
}

/// What follows where Key Managers open the key proofs, or do not.
@Suite struct KeyProofJudgementTests {
  private let settings = KeyProofTests.settings(
    server: "https://kms-1:7373,https://kms-2:7373")

  /// What came of opening the proofs at one address.
  enum Seen: Sendable, Equatable {
    case opens, otherKey, versionMissing, denied, broken, late, noProof
    /// The key cannot be used at all there.
    case noKey
    /// Nothing connects.
    case down
  }

  private func address(_ host: String, _ seen: Seen) -> AddressReport {
    let proof: StageResult =
      switch seen {
      case .opens: StageResult(.proof, .fine, detail: "the key proof opens")
      case .otherKey: StageResult(.proof, .failed, reason: .otherKey, detail: "invalid ciphertext")
      case .versionMissing:
        StageResult(.proof, .failed, reason: .versionMissing, detail: "key does not exist")
      case .denied: StageResult(.proof, .failed, reason: .denied, detail: "answered 403")
      case .broken: StageResult(.proof, .failed, detail: "answered 500")
      case .late: StageResult(.proof, .failed, reason: .timeout, detail: "no answer in time")
      case .noProof: StageResult(.proof, .notChecked, detail: "this node has no key proof yet")
      case .noKey, .down: StageResult(.proof, .notChecked, detail: "an earlier stage failed")
      }
    let stages = ProbeStage.allCases.filter { $0 != .dns }.map { stage -> StageResult in
      switch (stage, seen) {
      case (.proof, _): proof
      case (.write, _): StageResult(.write, .notChecked, detail: "not asked")
      case (.tcp, .down): StageResult(.tcp, .failed, detail: "refused")
      case (_, .down): StageResult(stage, .notChecked, detail: "TCP connection failed")
      case (.key, .noKey): StageResult(.key, .failed, detail: "answered 500")
      default: StageResult(stage, .fine, detail: "")
      }
    }
    return AddressReport(
      address: "192.0.2.\(host.last ?? "0"):7373", stages: stages,
      sight: KeyManagerSight(host: seen == .down ? nil : host, key: seen == .noKey ? nil : .usable))
  }

  private func endpoint(_ number: Int, _ addresses: AddressReport...) -> EndpointReport {
    EndpointReport(
      endpoint: "https://kms-\(number):7373", proxy: nil,
      resolution: StageResult(.dns, .fine, detail: ""), addresses: addresses)
  }

  private func judge(_ reports: EndpointReport...) -> [Finding] {
    KeyManagerJudgement.findings(
      reports, settings: settings, firstEnablement: false, createKey: false)
  }

  private func words(_ findings: [Finding]) -> [String] {
    findings.map { "\($0.severity) \($0.rule)" + ($0.severity == .error ? " \($0.refusal)" : "") }
  }

  @Test(
    "what two Key Managers make of the proofs decides",
    arguments: [
      (Seen.opens, Seen.opens, [String]()),
      (.noProof, .noProof, []),
      // The one that is wrong is enough: the server asks any of them.
      (.opens, .otherKey, ["error kms-key-other guarded"]),
      (.opens, .versionMissing, ["error kms-key-other guarded"]),
      (.otherKey, .otherKey, ["error kms-key-other guarded", "error kms-key-other guarded"]),
      (.otherKey, .down, ["warning kms-probe-tcp", "error kms-key-other guarded"]),
      (
        .otherKey, .denied, ["error kms-key-other guarded", "error kms-identity-denied keyManager"]
      ),
      (.opens, .denied, ["error kms-identity-denied keyManager"]),
      // One that opens is enough, where the others have no other key.
      (.opens, .broken, ["warning kms-probe-proof"]),
      (.opens, .late, ["warning kms-probe-proof"]),
      (.opens, .down, ["warning kms-probe-tcp"]),
      // Where none does, nothing is proven.
      (.broken, .late, ["error kms-probe-proof keyManager", "error kms-probe-proof keyManager"]),
      (.broken, .down, ["warning kms-probe-tcp", "error kms-probe-proof keyManager"]),
      (.late, .noKey, ["warning kms-probe-key", "error kms-probe-proof keyManager"]),
    ])
  func table(first: Seen, second: Seen, expected: [String]) {
    let findings = judge(
      endpoint(1, address("kms-1", first)), endpoint(2, address("kms-2", second)))
    #expect(words(findings) == expected)
    for finding in findings where finding.rule != "kms-probe-tcp" {
      #expect(finding.remedy?.isEmpty == false)
      #expect(finding.link?.keyManager.isEmpty == false)
    }
  }

  @Test("another key is named with its endpoint, address and host, what it means and what to do")
  func named() throws {
    let findings = judge(
      endpoint(1, address("kms-1", .opens)), endpoint(2, address("kms-2", .otherKey)))
    let finding = try #require(findings.first)
    #expect(finding.link == Finding.Link(keyManager: "https://kms-2:7373", stage: .proof))
    for words in [
      "https://kms-2:7373 has another key \"key-1\" in enclave \"prod\"", "invalid ciphertext",
      "answered by kms-2 (192.0.2.2:7373)", "the right key is at https://kms-1:7373",
    ] { #expect(finding.message.contains(words), "\(finding.message)") }
    for words in ["do not restart", "write nothing", "Restore"] {
      #expect(finding.remedy?.contains(words) == true)
    }
  }

  @Test("of several addresses of one name the wrong one is named, and the right one beside it")
  func severalAddresses() throws {
    let both = endpoint(1, address("kms-3", .opens), address("kms-4", .versionMissing))
    let findings = judge(both, endpoint(2, address("kms-2", .opens)))
    #expect(words(findings) == ["error kms-key-other guarded"])
    let message = try #require(findings.first).message
    #expect(message.contains("answered by kms-4 (192.0.2.4:7373)"), "\(message)")
    #expect(message.contains("kms-3 (192.0.2.3:7373)"), "\(message)")
    #expect(message.contains("https://kms-2:7373"), "\(message)")
  }

  @Test("a right that is missing is named, with the identity")
  func denied() throws {
    let findings = judge(
      endpoint(1, address("kms-1", .denied)), endpoint(2, address("kms-2", .opens)))
    let finding = try #require(findings.first)
    #expect(finding.variable == "MINIO_KMS_API_KEY")
    #expect(finding.message.contains("may not KEY:DECRYPT"))
    #expect(finding.message.contains(settings.apiKey.identity.text))
    #expect(finding.remedy?.contains("KEY:DECRYPT") == true)
  }
}
