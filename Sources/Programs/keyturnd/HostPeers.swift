import Agent
import HTTPS
import Model
import Rollout
import TLS
import Wire

/// The other agents, over HTTPS with this node's own certificate.
///
/// A connection for each question: they are rare, and an idle one would take one of the other
/// agent's few.
struct HostPeers: PeerPort {
  let inventory: Inventory
  let context: TLSContext

  func seal(of node: String, deadline: Instant) throws(Refusal) -> SealView {
    guard let entry = inventory.node(named: node),
      let address = HostPort(entry.address, defaultPort: Inventory.defaultAgentPort)
    else { throw Refusal(.configuration, "\(node) has no address in the inventory") }
    let client = HTTPSClient(
      address, context: context,
      expecting: Principal(cluster: inventory.cluster, role: .node, name: node))
    let response: HTTPResponse
    do throws(HTTPSFailure) {
      response = try client.request(HTTPRequest("GET", "/v1/seal"), until: deadline)
    } catch {
      throw Refusal(.unreachable, error.description)
    }
    let no: ErrorAnswer
    do throws(JSONFailure) {
      if response.status == 200 { return try JSON.decode(SealView.self, from: response.body) }
      no = try JSON.decode(ErrorAnswer.self, from: response.body)
    } catch {
      throw Refusal(
        .failed, "its answer, status \(response.status), is not understood; its version may differ")
    }
    throw Refusal(no.kind, no.message)
  }
}
