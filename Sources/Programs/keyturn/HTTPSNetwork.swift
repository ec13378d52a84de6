// SPDX-License-Identifier: Apache-2.0
import AgentLinks
import Coordination
import Files
import Model
import Operator
import Secrets
import TLS

/// Agents over HTTPS.
struct HTTPSNetwork: AgentNetwork {
  func open(
    _ inventory: Inventory, _ credentials: CredentialFiles, revoked: Revocations?
  ) throws(Refusal) -> AgentConnections {
    var context: TLSContext
    do throws(CertificateFailure) {
      context = try TLSContext.mutual(
        certificatePEM: String(decoding: credentials.certificate, as: UTF8.self),
        keyPEM: Secret(String(decoding: credentials.key, as: UTF8.self)),
        caPEM: String(decoding: credentials.authority, as: UTF8.self))
    } catch {
      throw Refusal(.configuration, "the credentials: \(error)")
    }
    var warnings: [String] = []
    if let state = credentials.state, [.node, .witness].contains(context.principal.role) {
      (context, warnings) = Self.inUse(by: state, issued: context)
    }
    if let revoked { context.revocations.replace(by: revoked) }
    var links: [any AgentLink] = []
    for node in inventory.nodes {
      guard let address = HostPort(node.address, defaultPort: Inventory.defaultAgentPort) else {
        throw Refusal(.configuration, "\(node.name): \"\(node.address)\" is not an address")
      }
      let agent = Principal(cluster: inventory.cluster, role: .node, name: node.name)
      links.append(HTTPSLink(address, context, agent))
    }
    let witnesses = inventory.keyManagers.compactMap { host in
      host.witnessPlace.map { place -> (name: String, link: any AgentLink) in
        let witness = Principal(cluster: inventory.cluster, role: .witness, name: host.name)
        return (host.name, HTTPSLink(place, context, witness))
      }
    }
    return AgentConnections(
      certificate: context.ownCertificate, links: links, witnesses: witnesses, warnings: warnings)
  }

  /// What the agent of this host uses: its choice, by the same records. Blocks on the disk.
  private static func inUse(
    by state: String, issued: TLSContext
  ) -> (TLSContext, warnings: [String]) {
    let kept = KeptCredentials(issued: issued, state: state) { path in
      if let problem = try FileTrust.problem(of: path) { throw Refusal(.file, problem) }
      return try DurableRecord.read(path)
    }
    return (
      kept.identity.context, kept.problems.filter { $0.priority == .error }.map(\.message)
    )
  }
}
