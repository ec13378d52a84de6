public import Coordination
public import Model

/// How to get to agents.
public protocol AgentNetwork: Sendable {
  /// Links to all nodes of the inventory; connects to none of them yet.
  ///
  /// - Throws: a ``Refusal`` if the credentials cannot be used.
  func open(
    _ inventory: Inventory, _ credentials: CredentialFiles
  ) throws(Refusal) -> AgentConnections
}

/// Links to agents, and who they are made as.
public struct AgentConnections: Sendable {
  /// Whom the credentials are of, and until when.
  public var certificate: OwnCertificate
  /// Whom the credentials are of.
  public var principal: Principal { certificate.principal }
  /// A link to each node, in the order of the inventory's nodes.
  public var links: [any AgentLink]

  /// Connections; see the properties.
  public init(certificate: OwnCertificate, links: [any AgentLink]) {
    self.certificate = certificate
    self.links = links
  }
}

/// The three files of a certificate's holder, PEM.
public struct CredentialFiles: Sendable {
  /// The cluster's authority.
  public var authority: [UInt8]
  /// The certificate.
  public var certificate: [UInt8]
  /// Its private key.
  public var key: [UInt8]

  /// CredentialFiles; see the properties.
  public init(authority: [UInt8], certificate: [UInt8], key: [UInt8]) {
    self.authority = authority
    self.certificate = certificate
    self.key = key
  }
}
