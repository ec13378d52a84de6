import HTTPS
import LinuxIO
import Model
import Operator
import TLS
import Wire

/// Agents over HTTPS.
struct HTTPSNetwork: AgentNetwork {
  func open(
    _ inventory: Inventory, _ credentials: CredentialFiles
  ) throws(Refusal) -> AgentConnections {
    let context: TLSContext
    do throws(CertificateFailure) {
      context = try TLSContext.mutual(
        certificatePEM: String(decoding: credentials.certificate, as: UTF8.self),
        keyPEM: Secret(String(decoding: credentials.key, as: UTF8.self)),
        caPEM: String(decoding: credentials.authority, as: UTF8.self))
    } catch {
      throw Refusal(.configuration, "the credentials: \(error)")
    }
    var links: [any AgentLink] = []
    for node in inventory.nodes {
      guard let address = HostPort(node.address, defaultPort: Inventory.defaultAgentPort) else {
        throw Refusal(.configuration, "\(node.name): \"\(node.address)\" is no address")
      }
      let agent = Principal(cluster: inventory.cluster, role: .node, name: node.name)
      links.append(HTTPSLink(address, context, agent))
    }
    return AgentConnections(principal: context.principal, links: links)
  }
}

/// Two kept connections to one agent. Every request may be repeated: the protocol answers a
/// duplicate as the first.
final class HTTPSLink: AgentLink {
  private let control: Lock<HTTPSClient>
  private let following: Lock<HTTPSClient>

  init(_ address: HostPort, _ context: TLSContext, _ agent: Principal) {
    control = Lock(HTTPSClient(address, context: context, expecting: agent))
    following = Lock(HTTPSClient(address, context: context, expecting: agent))
  }

  func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    let call = request.call
    var message = HTTPRequest(call.method, call.path, query: call.query)
    if let body = call.body {
      message.headers = ["content-type": "application/json"]
      message.body = JSON.encode(body)
    }
    let connection =
      switch lane {
      case .control: control
      case .following: following
      }
    let response: HTTPResponse
    do throws(HTTPSFailure) {
      response = try connection.withLock { client throws(HTTPSFailure) in
        try client.request(message, repeatable: true, until: deadline)
      }
    } catch {
      throw Self.failure(error)
    }
    return try Self.answer(Answer.self, response, "\(call.method) \(call.path)")
  }

  private static func answer<Answer: Decodable>(
    _ type: Answer.Type, _ response: HTTPResponse, _ attempt: String
  ) throws(LinkFailure) -> Answer {
    let no: ErrorAnswer
    do throws(JSONFailure) {
      if response.status == 200 { return try JSON.decode(type, from: response.body) }
      no = try JSON.decode(ErrorAnswer.self, from: response.body)
    } catch {
      no = ErrorAnswer(
        kind: .failed,
        message: "\(attempt): the agent's answer, status \(response.status), is not understood "
          + "(\(error)); its version may be another")
    }
    throw .answered(no)
  }

  /// An agent that refuses our certificate is there, and says no.
  private static func failure(_ failure: HTTPSFailure) -> LinkFailure {
    if case .tls(let tls) = failure, tls.kind == .refusedByPeer || tls.kind == .certificateRequired
    {
      return .answered(ErrorAnswer(kind: .notPermitted, message: failure.description))
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
      "ca.pem of the credentials is not of the authority that issued it"
    default: nil
    }
  }
}
