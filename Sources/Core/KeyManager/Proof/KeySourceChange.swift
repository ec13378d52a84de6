// SPDX-License-Identifier: Apache-2.0
package import Model

/// Whether the way from the servers to their key may be changed: what the Key Managers said when they were asked with the
/// settings that are wanted, beside what they said with the present ones. Pure.
package enum KeySourceChange {
  /// The finding of an identity that may do less than the present one.
  package static let lesserRule = "kms-identity-lesser"
  /// The finding of a rollback that is not proven.
  package static let rollbackRule = "rollback-key-not-proven"

  /// What is to be known of the change. Whether the wanted settings are right says ``KeyManagerJudgement``.
  ///
  /// - Parameters:
  ///   - present: asked with the present settings, which a rollback would go back to.
  ///   - wanted: asked with the wanted ones.
  package static func findings(
    present: (settings: KeyManagerSettings, reports: [EndpointReport]),
    wanted: (settings: KeyManagerSettings, reports: [EndpointReport])
  ) -> [Finding] {
    var findings: [Finding] = []
    let (old, new) = (present.settings.apiKey.identity, wanted.settings.apiKey.identity)
    if old != new, told(present.reports), !told(wanted.reports) {
      findings.append(
        Finding(
          .warning, rule: lesserRule, refusal: .keyManager, variable: "MINIO_KMS_API_KEY",
          message:
            "identity \(new) may not KEY:STATUS, which the present identity \(old) may: no new version of the key, and no other key, would be seen by what the Key Manager tells of it",
          remedy: "give it the same policy as the present identity"))
    }
    let opened = present.reports.contains { $0[.proof]?.verdict == .fine }
    if !opened || present.reports.contains(where: \.hasOtherKey) {
      let why = present.reports.compactMap { report in
        report.worst.map { "\(report.endpoint): \($0.stage.title): \($0.detail)" }
      }.first
      findings.append(
        Finding(
          .warning, rule: rollbackRule, refusal: .keyManager, variable: "MINIO_KMS_SERVER",
          message:
            "the key proofs do not open with the present settings"
            + (why.map { " (\($0))" } ?? "")
            + ": if a start fails, it is not known that the servers could go back to them",
          remedy: "leave the present identity and Key Managers as they are until all is confirmed"))
    }
    return findings
  }

  /// Whether a Key Manager tells of the key, and not only gives data keys of it.
  private static func told(_ reports: [EndpointReport]) -> Bool {
    reports.flatMap(\.sights).contains { sight in
      if case .exists? = sight.key { true } else { false }
    }
  }
}
