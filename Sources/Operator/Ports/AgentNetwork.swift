// SPDX-License-Identifier: Apache-2.0
package import Coordination
package import Model

package protocol AgentNetwork: Sendable {
  /// Links to all nodes of the inventory; connects to none of them yet. Refuses credentials that
  /// cannot be used.
  ///
  /// - Parameter revoked: whom the links refuse; nil where that is not known.
  func open(
    _ inventory: Inventory, _ credentials: CredentialFiles, revoked: Revocations?
  ) throws(Refusal) -> AgentConnections
}

/// Links to agents, and who they are made as.
package struct AgentConnections: Sendable {
  package var certificate: OwnCertificate
  package var principal: Principal { certificate.principal }
  /// A link to each node, in the order of the inventory's nodes.
  package var links: [any AgentLink]
  /// A link to each witness, by its Key Manager's name.
  package var witnesses: [(name: String, link: any AgentLink)]
  /// What could not be used of what the host's agent has.
  package var warnings: [String]

  package init(
    certificate: OwnCertificate, links: [any AgentLink],
    witnesses: [(name: String, link: any AgentLink)] = [], warnings: [String] = []
  ) {
    self.warnings = warnings
    self.certificate = certificate
    self.links = links
    self.witnesses = witnesses
  }
}

/// The three files of a certificate's holder, PEM, and where more is.
package struct CredentialFiles: Sendable {
  package var authority: [UInt8]
  package var certificate: [UInt8]
  package var key: [UInt8]
  /// The state directory of the agent whose files these are: what it was renewed by is there. Nil for anybody else's.
  package var state: String?

  package init(authority: [UInt8], certificate: [UInt8], key: [UInt8], state: String? = nil) {
    self.state = state
    self.authority = authority
    self.certificate = certificate
    self.key = key
  }
}
