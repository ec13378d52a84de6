// SPDX-License-Identifier: Apache-2.0
package import API
internal import Crypto
internal import HTTP
internal import JSONCoding
package import Model

/// The certificate of an agent or witness, and its key.
package protocol CredentialPort: Sendable {
  /// What is in use now.
  var certificate: OwnCertificate { get }
  /// Makes a new key, which never leaves the host, and asks for a certificate of it. May block on the disk.
  func request() throws(Refusal) -> CertificateRequestAnswer
  /// Uses a certificate for the key of the last request, PEM, from now on and after the next start. Refused is one that
  /// the other agents would refuse; then nothing has changed. May block on the disk.
  func install(_ certificate: String) throws(Refusal)
  /// The number of the list of revoked certificates that is in use; nil if there is none.
  var revocations: Int? { get }
  /// That list as it came, for others; nil if there is none.
  var revocationList: SignedRevocations? { get }
  /// The own certificate, if it is revoked, so that the other agents refuse this one; nil if it is not.
  var revocation: RevokedCertificate? { get }
  /// Takes a list: at once, for open connections too, and after the next start. Refused is one that the cluster's CA has
  /// not signed, or that is older than the one in use. The number of the one in use. May block on the disk.
  func revoke(_ list: SignedRevocations) throws(Refusal) -> Int
  /// Which CAs are trusted, and whose certificates are in use.
  var authorities: AuthoritiesAnswer { get }
  /// Trusts these CAs and no others: from the next connection on, and after the next start. Refused is a list that no CA
  /// trusted now has signed, that is older, or that lacks the CA of the certificate in use. May block on the disk.
  func trust(_ list: SignedAuthorities) throws(Refusal)
}

/// Renews the certificate of an agent or witness, and changes what it trusts, for an operator who has the authority's key.
struct Renewal: Sendable {
  let name: String
  let credentials: (any CredentialPort)?
  let log: @Sendable (_ priority: LogPriority, _ message: String) -> Void

  func request() throws(Refusal) -> CertificateRequestAnswer { try present().request() }

  func install(
    _ new: NewCertificate, by principal: Principal
  ) throws(Refusal) -> CertificateAnswer {
    let credentials = try present()
    guard new.certificate.utf8.count <= Limits.certificateBytes else {
      throw Refusal(
        .validation,
        "install a certificate on \(name): it has more than the \(Limits.certificateBytes) bytes that are allowed"
      )
    }
    try credentials.install(new.certificate)
    let until = credentials.certificate.validUntil
    log(
      .notice,
      "certificate renewed by \(principal.name): valid until \(CalendarTime.text(seconds: until))")
    return CertificateAnswer(validUntil: until)
  }

  func revoke(
    _ list: SignedRevocations, by principal: Principal
  ) throws(Refusal) -> RevocationsAnswer {
    let credentials = try present()
    let before = credentials.revocations
    let number = try credentials.revoke(list)
    if number != before {
      log(.notice, "list \(number) of revoked certificates taken from \(principal.name)")
    }
    return RevocationsAnswer(number: number)
  }

  /// - Parameter after: no list unless it is a later one.
  func revocations(after: Int? = nil) throws(Refusal) -> KnownRevocations {
    let credentials = try present()
    if let after, credentials.revocations ?? 0 <= after { return KnownRevocations(list: nil) }
    return KnownRevocations(list: credentials.revocationList)
  }

  func authorities() throws(Refusal) -> AuthoritiesAnswer { try present().authorities }

  func trust(
    _ list: SignedAuthorities, by principal: Principal
  ) throws(Refusal) -> AuthoritiesAnswer {
    let credentials = try present()
    let before = credentials.authorities
    try credentials.trust(list)
    let now = credentials.authorities
    if now.number != before.number {
      log(
        .notice,
        "list \(now.number) of trusted CAs taken from \(principal.name): \(now.trusted.map { String($0.hex.prefix(12)) }.joined(separator: ", "))"
      )
    }
    return now
  }

  private func present() throws(Refusal) -> any CredentialPort {
    if let credentials { return credentials }
    throw Refusal(.configuration, "\(name) has no certificate of its own")
  }
}

extension AuthoritiesAnswer {
  /// Where a change of the CA stands here; nil if none is under way.
  var finding: Finding? {
    guard trusted.count > 1 else { return nil }
    let names = trusted.map { String($0.hex.prefix(12)) }.joined(separator: " and ")
    let own = own.map { "of \($0.hex.prefix(12))" } ?? "of none of them"
    return Finding(
      .warning, rule: Self.rule, refusal: .configuration,
      message:
        "the change of the CA is not finished: \(names) are trusted, and the certificate in use is \(own)",
      remedy:
        "keyturn pki rotate-ca where the CA's key is, with the directories of both CAs (--pki, --new), says what is missing (docs/use/runbooks.md, \"Change the certificate authority\")"
    )
  }

  private static let rule = "authority-change"
}
