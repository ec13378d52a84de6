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

  private func present() throws(Refusal) -> any CredentialPort {
    if let credentials { return credentials }
    throw Refusal(.configuration, "\(name) has no certificate of its own")
  }
}
