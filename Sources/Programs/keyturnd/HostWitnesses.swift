// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import Crypto
import HTTP
import HTTPS
import KeyManager
import Model
import Probes
import TLS
import Threads

/// The witnesses on the Key Manager hosts, over HTTPS with this node's own certificate.
///
/// A connection for each question, as for the other agents.
struct HostWitnesses: WitnessPort {
  let cluster: String
  let identity: TLSIdentity

  func ask(
    _ witness: Inventory.KeyManagerHost, _ request: WitnessRequest, deadline: Instant
  ) throws(Refusal) -> WitnessReport {
    guard let place = witness.witnessPlace else {
      throw Refusal(.configuration, "\(witness.name) has no witness in the inventory")
    }
    let client = HTTPSClient(
      place, context: identity.context,
      expecting: Principal(cluster: cluster, role: .witness, name: witness.name))
    defer { client.close() }
    let question = AgentRequest<ReverseReport>(.connectBack, body: request)
    let response = try ask(client, question.message, deadline)
    let shown = client.peerCertificate.flatMap { info in
      info.principal.map {
        OwnCertificate(principal: $0, validFrom: info.notBefore, validUntil: info.notAfter)
      }
    }
    return WitnessReport(try question.answer(in: response), certificate: shown)
  }

  /// When every node of a large cluster asks at once, some connections are closed: those ask again.
  private func ask(
    _ client: HTTPSClient, _ request: HTTPRequest, _ deadline: Instant
  ) throws(Refusal) -> HTTPResponse {
    while true {
      do throws(HTTPSFailure) {
        let response = try client.request(request, repeatable: true, until: deadline)
        if response.status != 429 { return response }
        guard deadline.remainingMilliseconds() > Self.pauseMilliseconds.upperBound else {
          return response
        }
      } catch {
        guard error.isClosed, deadline.remainingMilliseconds() > Self.pauseMilliseconds.upperBound
        else { throw Refusal(.unreachable, error.description) }
      }
      Clock.sleep(until: .inMilliseconds(Int.random(in: Self.pauseMilliseconds)))
    }
  }

  private static let pauseMilliseconds = 50...250
}

/// The nodes, from a witness's host.
struct HostReach: ReachPort {
  let identity: TLSIdentity

  func reach(_ node: Inventory.Node, nonce: Digest, deadline: Instant) -> [ReverseAttempt] {
    ReverseProbe.run(node, nonce: nonce, context: identity.context, deadline: deadline)
  }
}
