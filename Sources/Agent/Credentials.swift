// SPDX-License-Identifier: Apache-2.0
package import API
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
  /// Why the other agents refuse this one: its own certificate is revoked; nil if it is not.
  var revocation: String? { get }
  /// Takes a list: at once, for open connections too, and after the next start. Refused is one that the cluster's CA has
  /// not signed, or that is older than the one in use. The number of the one in use. May block on the disk.
  func revoke(_ list: SignedRevocations) throws(Refusal) -> Int
}

/// Renews the certificate of an agent or witness, for an operator who has the authority's key.
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

  private func present() throws(Refusal) -> any CredentialPort {
    if let credentials { return credentials }
    throw Refusal(.configuration, "\(name) has no certificate of its own")
  }
}
