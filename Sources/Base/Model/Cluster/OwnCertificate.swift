// SPDX-License-Identifier: Apache-2.0

/// The end of a certificate of Keyturn's own.
package struct OwnCertificate: Sendable, Hashable {
  package static let rule = "own-certificate"

  package var principal: Principal
  /// Its end, seconds since 1970-01-01 UTC.
  package var validUntil: Int64
  /// The first end of the CA's certificates that are trusted, seconds since 1970-01-01 UTC; nil where that is not known.
  package var authorityUntil: Int64?

  package init(principal: Principal, validUntil: Int64, authorityUntil: Int64? = nil) {
    self.principal = principal
    self.validUntil = validUntil
    self.authorityUntil = authorityUntil
  }

  /// The finding at a time, seconds since 1970-01-01 UTC: a warning in its last
  /// ``Limits/ownCertificateWarningDays`` days and after its end, nil before.
  package func finding(at seconds: Int64) -> Finding? {
    let left = validUntil - seconds
    guard left < Int64(Limits.ownCertificateWarningDays) * 86_400 else { return nil }
    let date = CalendarTime.text(seconds: validUntil)
    let end =
      switch left {
      case ..<0: "expired on \(date): its connections are refused"
      case ..<86_400: "expires within a day, on \(date): its connections are refused then"
      default:
        "expires in \(left / 86_400) \(left < 2 * 86_400 ? "day" : "days"), on \(date): its connections "
          + "are refused then"
      }
    return Finding(
      .warning, rule: Self.rule, refusal: .configuration,
      message: "the certificate of \(principal.uri) \(end)",
      remedy:
        "issue another one with keyturn pki issue (docs/use/runbooks.md, \"Certificates\")")
  }
}
