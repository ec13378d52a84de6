// SPDX-License-Identifier: Apache-2.0
package import Model
package import Secrets

/// Makes the authority of a cluster and its certificates, as files.
package protocol CertificateWorkshop: Sendable {
  /// Writes `ca.pem` and `ca-key.pem` (0600) into a directory, which it makes (0700) if there is
  /// none. Never overwrites a file, nor writes into a directory that somebody else could change.
  ///
  /// - Parameters:
  ///   - days: how long the authority is valid; nil for the default.
  ///   - passphrase: what its key is encrypted with; nil for not at all.
  func makeAuthority(
    cluster: String, directory: String, days: Int?, passphrase: Secret?
  ) throws(Refusal)
  /// Whether the authority in a directory needs a passphrase. Refuses a key that others may read.
  func needsPassphrase(authority: String) throws(Refusal) -> Bool
  /// Issues a certificate by the authority in a directory and writes `ca.pem`, `cert.pem` and
  /// `key.pem` (0600) into another, which it makes (0700) if there is none. Never overwrites a
  /// file, nor writes into a directory that somebody else could change. Refuses an authority whose
  /// key others may read.
  ///
  /// - Parameter passphrase: the one of the authority's key; nil if it has none.
  /// - Returns: whom it is for; the cluster is the authority's.
  func issue(
    role: Role, name: String, addresses: [String], days: Int?, authority: String,
    passphrase: Secret?, directory: String
  ) throws(Refusal) -> Principal
  /// What a certificate (PEM) says.
  func describe(_ certificate: [UInt8]) throws(Refusal) -> CertificateFacts
}

/// What a certificate says of its holder.
package struct CertificateFacts: Sendable, Hashable {
  /// Whom it is for; nil for an authority, or a certificate that is not Keyturn's.
  package var principal: Principal?
  package var subject: String
  /// Until when it is valid, microseconds since 1970-01-01 UTC.
  package var validUntilMicroseconds: Int64

  package init(principal: Principal?, subject: String, validUntilMicroseconds: Int64) {
    self.principal = principal
    self.subject = subject
    self.validUntilMicroseconds = validUntilMicroseconds
  }
}
