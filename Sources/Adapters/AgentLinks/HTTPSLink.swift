// SPDX-License-Identifier: Apache-2.0
package import API
package import Coordination
internal import HTTP
internal import HTTPS
package import Model
internal import Sockets
package import TLS
internal import Threads

/// Two kept connections to one agent. Every request may be repeated: the protocol answers a
/// duplicate as the first.
package final class HTTPSLink: AgentLink {
  private let control: Lock<HTTPSClient>
  private let following: Lock<HTTPSClient>

  /// A link to the agent at `address`, which must be `agent`; connects when it is used.
  ///
  /// - Parameter connectMilliseconds: how long the host may take to accept a connection.
  package init(
    _ address: HostPort, _ context: TLSContext, _ agent: Principal,
    connectMilliseconds: Int = Limits.handshakeMilliseconds
  ) {
    func client() -> sending HTTPSClient {
      HTTPSClient(
        address, context: context, expecting: agent, connectMilliseconds: connectMilliseconds)
    }
    (control, following) = (Lock(client()), Lock(client()))
  }

  /// Blocks until the answer is there or the deadline has come.
  package func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    let connection = lane == .control ? control : following
    let response: HTTPResponse
    do throws(HTTPSFailure) {
      response = try connection.withLock { client throws(HTTPSFailure) in
        try client.request(request.message, repeatable: true, until: deadline)
      }
    } catch {
      throw Self.failure(error)
    }
    do throws(Refusal) { return try request.answer(in: response) } catch { throw .answered(error) }
  }

  /// An agent that refuses our certificate is there, and says no.
  private static func failure(_ failure: HTTPSFailure) -> LinkFailure {
    if case .tls(let tls) = failure, tls.kind == .refusedByPeer || tls.kind == .certificateRequired
    {
      return .answered(Refusal(.notPermitted, failure.description))
    }
    return .unreachable("\(failure)\(advice(failure).map { "; \($0)" } ?? "")")
  }

  /// What to look at first, where it is not in the failure itself.
  private static func advice(_ failure: HTTPSFailure) -> String? {
    switch failure {
    case .lookup(.noSuchHost): "check the node's address in the inventory"
    case .connect(.refused): "is keyturnd running there?"
    case .connect(.timedOut), .connect(.unreachable):
      "is the host up, and its port open from here?"
    case .tls(let tls) where tls.kind == .unknownAuthority:
      "ca.pem of the credentials here is not of the authority that issued it: one of the two is of another CA (keyturn pki show says which certificate is whose; docs/use/runbooks.md, \"Change the certificate authority\")"
    default: nil
    }
  }
}
