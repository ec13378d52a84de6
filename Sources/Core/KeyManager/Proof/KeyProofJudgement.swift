// SPDX-License-Identifier: Apache-2.0
package import Model

/// What it means that a Key Manager opens the key proofs, or does not. Pure.
///
/// One that has another key is enough to refuse, whatever the others have: the server asks any of them, and what one of
/// them has encrypted with the wrong key no other can decrypt.
package enum KeyProofJudgement {
  /// What the judgement's finding is called of a key that is another one.
  package static let rule = "kms-key-other"

  /// What says for certain that a server could not read what it has encrypted: the key is another one, it is gone, or it
  /// may not be used.
  package static func decisive(_ findings: [Finding]) -> [Finding] {
    findings.filter { $0.severity == .error && decisiveRules.contains($0.rule) }
  }
  private static let decisiveRules: Set = [rule, "kms-key-missing", "kms-identity-denied"]

  /// What stands against the settings.
  ///
  /// Where nobody opens the proofs, nothing is proven: that one would let the server start is not enough.
  static func findings(
    _ reports: [EndpointReport], settings: KeyManagerSettings
  ) -> [Finding] {
    let isOneEnough = reports.contains { $0[.proof]?.verdict == .fine }
    let failed = reports.filter { $0[.proof]?.verdict == .failed }
    let (wrong, rest) = (
      failed.filter(\.hasOtherKey), failed.filter { !$0.hasOtherKey }
    )
    return wrong.map { otherKey($0, among: reports, settings) }
      + rest.compactMap { report in
        report[.proof].map { failure(report, $0, settings, isOneEnough: isOneEnough) }
      }
  }

  /// The endpoint has another key than the one that was proven.
  private static func otherKey(
    _ report: EndpointReport, among reports: [EndpointReport], _ settings: KeyManagerSettings
  ) -> Finding {
    let places = report.addresses.filter { $0[.proof]?.reason?.isOfOtherKey ?? false }.map(\.place)
    let right = reports.flatMap { other in
      other.addresses.filter { $0[.proof]?.verdict == .fine }.map { address in
        other.endpoint == report.endpoint ? address.place : other.endpoint
      }
    }
    var message =
      "\(report.endpoint) has another key \"\(settings.sseKey)\" in enclave "
      + "\"\(settings.enclave)\" than the one that this cluster has encrypted with: "
      + (report[.proof]?.detail ?? "")
    if !places.isEmpty { message += "; answered by \(places.joined(separator: ", "))" }
    message +=
      right.isEmpty
      ? "; no Key Manager that answers has the right key"
      : "; the right key is at \(right.uniqued().joined(separator: ", "))"
    return Finding(
      .error, rule: rule, refusal: .guarded, variable: "MINIO_KMS_SSE_KEY", message: message,
      remedy:
        "do not restart a server and write nothing: what is encrypted with the wrong key is lost. Restore the Key Manager's state with the right key, or undo what was changed there; `keyturn proof` shows when it is right",
      link: Finding.Link(keyManager: report.endpoint, stage: .proof))
  }

  /// It is not known whether it has the key.
  private static func failure(
    _ report: EndpointReport, _ result: StageResult, _ settings: KeyManagerSettings,
    isOneEnough: Bool
  ) -> Finding {
    let link = Finding.Link(keyManager: report.endpoint, stage: .proof)
    if result.reason == .denied {
      return Finding(
        .error, rule: "kms-identity-denied", refusal: .keyManager, variable: "MINIO_KMS_API_KEY",
        message:
          "\(report.endpoint): identity \(settings.apiKey.identity) may not KEY:DECRYPT with key \"\(settings.sseKey)\": \(result.detail); the server could not read what it has encrypted",
        remedy: "add KEY:DECRYPT to the policy of the identity", link: link)
    }
    return Finding(
      isOneEnough ? .warning : .error, rule: "kms-probe-proof", refusal: .keyManager,
      variable: "MINIO_KMS_SERVER",
      message: "\(report.endpoint): \(ProbeStage.proof.title) failed: \(result.detail)",
      remedy: ProbeStage.proof.remedy, link: link)
  }
}

extension EndpointReport {
  /// Whether it has another key than the one that was proven, at one of its addresses at the least.
  package var hasOtherKey: Bool { self[.proof]?.reason?.isOfOtherKey ?? false }
}

extension ProbeReason {
  /// Whether it is another key than the one that was proven.
  var isOfOtherKey: Bool { self == .otherKey || self == .versionMissing }
}

extension AddressReport {
  /// The address, and the name of the host behind it: several may answer under one address.
  fileprivate var place: String { sight.host.map { "\($0) (\(address))" } ?? address }
}

extension [String] {
  fileprivate func uniqued() -> [String] {
    reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}
