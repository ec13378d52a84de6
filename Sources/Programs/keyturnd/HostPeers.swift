// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import AgentLinks
import Coordination
import Model
import TLS

/// The other agents, over HTTPS with this node's own certificate.
///
/// A connection for each question: they are rare, and an idle one would take one of the other
/// agent's few.
struct HostPeers: PeerPort {
  let inventory: Inventory
  let identity: TLSIdentity

  func call<Answer>(
    _ request: AgentRequest<Answer>, to node: String, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    guard let entry = inventory.node(named: node),
      let address = HostPort(entry.address, defaultPort: Inventory.defaultAgentPort)
    else { throw .unreachable("\(node) has no address in the inventory") }
    let link = HTTPSLink(
      address, identity.context, Principal(cluster: inventory.cluster, role: .node, name: node),
      connectMilliseconds: Limits.peerConnectMilliseconds)
    return try link.call(request, lane: .control, deadline: deadline)
  }
}
