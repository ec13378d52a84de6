// SPDX-License-Identifier: Apache-2.0

/// Which CAs all hosts of a cluster trust: one while nothing changes, two during a change of the CA.
package struct Authorities: Sendable, Codable, Hashable {
  package var cluster: String
  /// Higher than that of those before; 0 is what a person put on the host.
  @Bounded<Bounds.Count> package var number: Int
  /// The CAs' own certificates, PEM, one each.
  package var certificates: [String]

  package init(cluster: String, number: Int, certificates: [String]) {
    self.cluster = cluster
    self.number = number
    self.certificates = certificates
  }

  /// What is wrong with it; nil if it can be used.
  package var problem: String? {
    if certificates.isEmpty || certificates.count > Limits.authorities {
      return "it has \(certificates.count) CAs, 1 to \(Limits.authorities) are allowed"
    }
    if certificates.contains(where: { $0.utf8.count > Limits.certificateBytes }) {
      return
        "a CA's certificate has more than the \(Limits.certificateBytes) bytes that are allowed"
    }
    return nil
  }

  /// As in `ca.pem`.
  package var pem: String { certificates.joined() }
}
