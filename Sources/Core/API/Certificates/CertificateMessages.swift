// SPDX-License-Identifier: Apache-2.0
package import Model

/// An agent's or witness's answer to the question for a request for a certificate.
package struct CertificateRequestAnswer: Sendable, Codable, Hashable {
  /// For a key that the agent has just made, PKCS#10 in PEM. Earlier requests are void.
  package var request: String
  /// The certificate in use, PEM.
  package var certificate: String

  package init(request: String, certificate: String) {
    self.request = request
    self.certificate = certificate
  }
}

/// A certificate for the key of the agent's last request.
package struct NewCertificate: Sendable, Codable, Hashable {
  /// PEM.
  package var certificate: String

  package init(certificate: String) { self.certificate = certificate }
}

/// What is in use once a certificate is installed.
package struct CertificateAnswer: Sendable, Codable, Hashable {
  /// Seconds since 1970-01-01 UTC.
  @Bounded<Bounds.WallSeconds> package var validUntil: Int64

  package init(validUntil: Int64) { self.validUntil = validUntil }
}

/// What is in use once a list is taken.
package struct RevocationsAnswer: Sendable, Codable, Hashable {
  /// The number of the list.
  @Bounded<Bounds.Count> package var number: Int

  package init(number: Int) { self.number = number }
}

/// The list of revoked certificates in use, as whoever knows the CA can verify it.
package struct KnownRevocations: Sendable, Codable, Hashable {
  /// Nil where there is none.
  package var list: SignedRevocations?

  package init(list: SignedRevocations?) { self.list = list }
}

extension AgentRequest where Answer == KnownRevocations {
  /// Which certificates count no more.
  package static var revocations: Self { Self(.revocations) }
  /// The same, of an agent, if its list has a higher number than this.
  package static func revocations(after number: Int) -> Self {
    Self(.revocations, query: [(.after, String(number))])
  }
}
extension AgentRequest where Answer == RevocationsAnswer {
  /// Take no certificate any more that is on this list.
  package static func revoke(_ list: SignedRevocations) -> Self { Self(.revoke, body: list) }
}
extension AgentRequest where Answer == CertificateRequestAnswer {
  /// Make a new key, and ask for a certificate of it.
  package static var requestCertificate: Self { Self(.requestCertificate) }
}
extension AgentRequest where Answer == CertificateAnswer {
  /// Use this certificate from now on.
  package static func install(_ certificate: NewCertificate) -> Self {
    Self(.installCertificate, body: certificate)
  }
}
