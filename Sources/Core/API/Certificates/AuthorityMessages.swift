// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

// The change of the CA (docs/decisions/0065-authority-changed-by-signatures.md). A CA is known by the SHA-256 of its key.

/// Which CAs an agent or witness trusts, and whose certificates are in use there.
package struct AuthoritiesAnswer: Sendable, Codable, Hashable {
  /// A person whose certificate was shown to it since its start.
  package struct Person: Sendable, Codable, Hashable {
    package var role: Role
    package var name: String
    /// The CA of the certificate.
    package var authority: Digest
    /// The last time, seconds since 1970-01-01 UTC.
    @Bounded<Bounds.WallSeconds> package var at: Int64
    /// The end of the certificate, in the same seconds.
    @Bounded<Bounds.WallSeconds> package var validUntil: Int64

    package init(role: Role, name: String, authority: Digest, at: Int64, validUntil: Int64) {
      self.role = role
      self.name = name
      self.authority = authority
      self.at = at
      self.validUntil = validUntil
    }
  }

  /// That of the list; 0 for what a person put on the host.
  @Bounded<Bounds.Count> package var number: Int
  package var trusted: [Digest]
  /// The CA of the certificate that is in use; nil if it is none of these.
  package var own: Digest?
  /// The CA that signed the list of revoked certificates; nil without a list.
  package var revocations: Digest?
  package var people: [Person]

  package init(
    number: Int, trusted: [Digest], own: Digest?, revocations: Digest? = nil, people: [Person] = []
  ) {
    self.number = number
    self.trusted = trusted
    self.own = own
    self.revocations = revocations
    self.people = people
  }
}

extension AgentRequest where Answer == AuthoritiesAnswer {
  /// Which CAs are trusted.
  package static var authorities: Self { Self(.authorities) }
  /// Trust these CAs and no others.
  package static func trust(_ authorities: SignedAuthorities) -> Self {
    Self(.trust, body: authorities)
  }
}
