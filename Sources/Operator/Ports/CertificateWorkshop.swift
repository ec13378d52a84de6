// SPDX-License-Identifier: Apache-2.0
package import API
package import Crypto
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
  /// The authority in a directory, ready to sign.
  func authority(
    in directory: String, passphrase: Secret?
  ) throws(Refusal) -> any CertificateIssuer
  /// The CA in a directory, without its key; nil if there is none.
  func authorityCertificate(in directory: String) throws(Refusal) -> AuthorityCertificate?
  func describe(_ certificate: [UInt8]) throws(Refusal) -> CertificateFacts
  /// Whether a CA has issued a certificate, PEM both.
  func isIssued(_ certificate: [UInt8], by authority: AuthorityCertificate) throws(Refusal) -> Bool
  /// Puts a certificate in place of another in one step (0644).
  func replace(_ path: String, _ certificates: [UInt8]) throws(Refusal)
  /// Refuses a file whose key, certificate, CA and list of revoked certificates do not fit one another, or do not count
  /// now. What the list says, nil without one.
  func verify(_ file: JoinFile) throws(Refusal) -> Revocations?
  /// What a list says; refused if none of these CAs, PEM, has signed it.
  func verify(
    _ list: SignedRevocations, of cluster: String, by authorities: String
  ) throws(Refusal) -> Revocations
}

/// An authority that can sign. `days` nil is the default of the role.
package protocol CertificateIssuer: Sendable {
  var cluster: String { get }
  var certificate: AuthorityCertificate { get }
  /// Writes `ca.pem`, `cert.pem` and `key.pem` (0600) into a directory. The principal's cluster is the authority's.
  func issue(
    role: Role, name: String, addresses: [String], days: Int?, directory: String
  ) throws(Refusal) -> Principal
  /// Writes one file (0600) with all that a host needs to join, its key and the list of revoked certificates included.
  /// An existing one is refused unless it `replaces` that.
  func issueToJoin(
    _ inventory: Inventory, role: Role, name: String, addresses: [String], days: Int, file: String,
    replaces: Bool
  ) throws(Refusal)
  /// A certificate, PEM, for the key of a request, in place of the one in use, whose addresses it keeps. Refused is a
  /// certificate in use that neither this authority has issued to the principal nor `former`, which it takes the place
  /// of.
  func renew(
    _ request: CertificateRequestAnswer, of principal: Principal, days: Int?,
    former: AuthorityCertificate?
  ) throws(Refusal) -> String
  /// A certificate, PEM, for the same key and holder as one of `former`.
  func reissue(
    _ certificate: [UInt8], of principal: Principal, days: Int?, former: AuthorityCertificate
  ) throws(Refusal) -> String
  /// Which CAs all hosts are to trust, signed.
  func sign(_ authorities: Authorities) throws(Refusal) -> SignedAuthorities
  /// Which CAs whoever gets a certificate from here is to trust (`trusted.pem` beside the authority's key).
  func giveTrust(in authorities: [AuthorityCertificate]) throws(Refusal)
  /// Takes over what another authority's list of revoked certificates has and this one's lacks. What the list says then;
  /// nil if it has all already.
  func adoptRevocations(of directory: String) throws(Refusal) -> Revocations?
  /// Takes over what a list of an agent's, signed by a CA that is trusted here, has and this one lacks, and its number.
  /// What the list says then; nil if it has all already.
  func takeBack(_ list: SignedRevocations) throws(Refusal) -> Revocations?
  /// The cluster's list of revoked certificates as it stands (`revocations.json` beside the authority's key); nil if
  /// there is none: it was lost, or nobody has looked yet whether there is one.
  func revoked() throws(Refusal) -> Revocations?
  /// Writes a list of nobody where there is none: nothing was ever revoked.
  func noteNothingRevoked() throws(Refusal)
  /// The list, signed; nil if there is none, or nobody is on it.
  func revocations() throws(Refusal) -> SignedRevocations?
  /// The list, signed, with all certificates of these holders until now added and written. Blocks until what is issued
  /// next counts: until the next second, and if an entry of the list is ahead of this clock until that has come, at the
  /// most ``Limits/revocationWaitSeconds``. One that is further ahead is refused.
  ///
  /// - Parameter trustsClock: an entry that is ahead is of a clock that was wrong, and this one is right.
  func revoke(
    _ holders: [(role: Role, name: String)], trustsClock: Bool
  ) throws(Refusal) -> SignedRevocations
}

/// A CA's own certificate.
package struct AuthorityCertificate: Sendable, Hashable {
  package var cluster: String
  package var pem: String
  /// SHA-256 of its key's SubjectPublicKeyInfo, as the agents name it.
  package var key: Digest

  package init(cluster: String, pem: String, key: Digest) {
    self.cluster = cluster
    self.pem = pem
    self.key = key
  }
}

/// What a certificate says of its holder.
package struct CertificateFacts: Sendable, Hashable {
  /// Nil for an authority, or a certificate that is not Keyturn's.
  package var principal: Principal?
  package var subject: String
  /// Microseconds since 1970-01-01 UTC.
  package var validFromMicroseconds: Int64
  package var validUntilMicroseconds: Int64

  package init(
    principal: Principal?, subject: String, validFromMicroseconds: Int64,
    validUntilMicroseconds: Int64
  ) {
    self.principal = principal
    self.subject = subject
    self.validFromMicroseconds = validFromMicroseconds
    self.validUntilMicroseconds = validUntilMicroseconds
  }
}
