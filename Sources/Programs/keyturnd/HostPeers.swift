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
  let cluster: String
  let identity: TLSIdentity

  func call<Answer>(
    _ request: AgentRequest<Answer>, to node: Inventory.Node, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    guard let address = node.agentPlace else {
      throw .unreachable("\(node.name) has no address in the inventory")
    }
    let link = HTTPSLink(
      address, identity.context, Principal(cluster: cluster, role: .node, name: node.name),
      connectMilliseconds: Limits.peerConnectMilliseconds)
    return try link.call(request, lane: .control, deadline: deadline)
  }
}
