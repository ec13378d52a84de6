// SPDX-License-Identifier: Apache-2.0

/// A certificate that counts no more although it is not at its end, for people.
package struct RevokedCertificate: Sendable, Hashable {
  package var principal: Principal
  /// When all certificates of the holder were revoked, seconds since 1970-01-01 UTC.
  package var since: Int64

  package var statement: String {
    "the certificate of \(principal.uri) was revoked on \(CalendarTime.text(seconds: since))"
  }

  /// Renewing it, asking again or starting the agent again helps nobody: what is revoked stays so.
  package var remedy: String {
    let name = principal.name
    return switch principal.role {
    case .node, .witness:
      "keyturn pki issue --replace \(name) where the authority's key is makes a file with another one; then keyturn join --replace \(name).join on that host"
    case .operator, .observer:
      "if it may have another one, keyturn pki issue --role \(principal.role.rawValue) --name \(name) where the authority's key is makes it"
    }
  }

  package var text: String { "\(statement): \(remedy)" }
}
