// SPDX-License-Identifier: Apache-2.0
package import Model
package import Secrets

/// Makes the authority of a cluster and its certificates, as files. A directory that is not there is
/// made (0700). Refused are: an existing file, a directory that another user could change, an
/// authority's key that others may read. `days` nil is the default.
package protocol CertificateWorkshop: Sendable {
  /// Writes `ca.pem` and `ca-key.pem` (0600). Without a passphrase the key is not encrypted.
  func makeAuthority(
    cluster: String, directory: String, days: Int?, passphrase: Secret?
  ) throws(Refusal)
  func needsPassphrase(authority: String) throws(Refusal) -> Bool
  /// Writes `ca.pem`, `cert.pem` and `key.pem` (0600) of a certificate by the authority in a directory.
  /// The principal's cluster is the authority's.
  func issue(
    role: Role, name: String, addresses: [String], days: Int?, authority: String,
    passphrase: Secret?, directory: String
  ) throws(Refusal) -> Principal
  func describe(_ certificate: [UInt8]) throws(Refusal) -> CertificateFacts
}

/// What a certificate says of its holder.
package struct CertificateFacts: Sendable, Hashable {
  /// Nil for an authority, or a certificate that is not Keyturn's.
  package var principal: Principal?
  package var subject: String
  /// Microseconds since 1970-01-01 UTC.
  package var validUntilMicroseconds: Int64

  package init(principal: Principal?, subject: String, validUntilMicroseconds: Int64) {
    self.principal = principal
    self.subject = subject
    self.validUntilMicroseconds = validUntilMicroseconds
  }
}
