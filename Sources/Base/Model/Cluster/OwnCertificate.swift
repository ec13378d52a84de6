// SPDX-License-Identifier: Apache-2.0

/// Whose a certificate of Keyturn's own is, and how long.
package struct OwnCertificate: Sendable, Hashable {
  package static let rule = "own-certificate"
  /// The longest that one to join with is valid, days.
  package static let joiningDays = 7

  package var principal: Principal
  /// Its beginning, seconds since 1970-01-01 UTC.
  package var validFrom: Int64
  /// Its end, seconds since 1970-01-01 UTC.
  package var validUntil: Int64
  /// The first end of the CA's certificates that are trusted, seconds since 1970-01-01 UTC; nil where that is not known.
  package var authorityUntil: Int64?

  package init(
    principal: Principal, validFrom: Int64, validUntil: Int64, authorityUntil: Int64? = nil
  ) {
    self.principal = principal
    self.validFrom = validFrom
    self.validUntil = validUntil
    self.authorityUntil = authorityUntil
  }

  /// Whether it is time for another one: in the last third of its life, or always for one to join with.
  package func isDue(at seconds: Int64) -> Bool {
    let life = max(0, validUntil - validFrom)
    return isForJoining || validUntil - seconds < life / 3
  }

  /// By how long it is valid: for no more than a week. A day is for what clocks may differ.
  package var isForJoining: Bool {
    validUntil - validFrom < Int64(Self.joiningDays + 1) * 86_400
  }

  /// Whether it ends with the CA, and renewing it gives no later end.
  private var endsWithAuthority: Bool { authorityUntil.map { $0 <= validUntil } ?? false }

  /// The finding at a time, seconds since 1970-01-01 UTC: a warning once it ``isDue(at:)``, nil before.
  package func finding(at seconds: Int64) -> Finding? {
    guard isDue(at: seconds) else { return nil }
    let left = validUntil - seconds
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
      message: "the certificate of \(principal.uri) \(end)", remedy: remedy(isExpired: left < 0))
  }

  private func remedy(isExpired: Bool) -> String {
    if endsWithAuthority {
      return
        "the CA ends then, and no certificate outlives it: change the CA with keyturn pki rotate-ca (docs/use/runbooks.md, \"Change the certificate authority\")"
    }
    let runbook = "(docs/use/runbooks.md, \"Certificates\")"
    switch principal.role {
    case .node, .witness:
      if isExpired {
        return "issue a file to join with: keyturn pki issue --join \(principal.name) \(runbook)"
      }
      return "renew it with keyturn pki renew \(principal.name) \(runbook)"
    case .operator, .observer: return "issue another one with keyturn pki issue \(runbook)"
    }
  }
}
