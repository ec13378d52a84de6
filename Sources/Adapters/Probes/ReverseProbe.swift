// SPDX-License-Identifier: Apache-2.0
internal import API
package import Crypto
internal import HTTP
internal import HTTPS
internal import JSONCoding
package import KeyManager
package import Model
internal import Sockets
package import TLS
internal import Threads

/// A witness's connections back to a node: every address of its agent and of its server, all at
/// once.
///
/// It goes where its inventory says, and nowhere else.
package enum ReverseProbe {
  /// Blocks until every address has answered, or the deadline. `context` is the witness's own; an
  /// agent must prove that it holds `nonce`.
  package static func run(
    _ node: Inventory.Node, nonce: Digest, context: TLSContext, deadline: Instant
  ) -> [ReverseAttempt] {
    struct Target: Sendable {
      var port: ReversePort
      var place: HostPort
    }
    var targets: [Target] = []
    var failed: [ReverseAttempt] = []
    let places = [(ReversePort.agent, node.agentPlace), (.server, node.serverPlace)]
    let found = Parallel.map(
      places.map { $0.1 }, thread: "reach-name", until: deadline.advanced(byMilliseconds: grace)
    ) { place -> Result<[SocketAddress], SocketFailure> in
      Result { () throws(SocketFailure) in
        guard let place else { throw .noSuchHost("look up \(node.name)") }
        return try Resolver.resolve(place.host, port: place.port, until: deadline)
      }
    }
    for ((port, place), found) in zip(places, found) {
      let name = place?.text ?? node.name
      switch found {
      case .success(let addresses):
        targets += addresses.prefix(Limits.addressesOfName).map {
          Target(port: port, place: HostPort(host: $0.host, port: $0.port))
        }
      case .failure(let failure):
        failed.append(ReverseAttempt(port, name, .noAddress, detail: failure.description))
      case nil:
        failed.append(ReverseAttempt(port, name, .noAddress, detail: "look up \(name): timed out"))
      }
    }
    let attempts = Parallel.map(
      targets, thread: "reach", until: deadline.advanced(byMilliseconds: grace)
    ) { target in
      let began = Clock.now()
      var attempt =
        switch target.port {
        case .agent: agent(node, target.place, nonce, context, deadline)
        case .server: server(target.place, deadline)
        }
      attempt.milliseconds = Clock.now().milliseconds(since: began)
      return attempt
    }
    return failed
      + zip(targets, attempts).map { target, attempt in
        attempt
          ?? ReverseAttempt(
            target.port, target.place.text, .noAnswer, detail: "the deadline came first")
      }
  }

  /// Processor time after the last wait, milliseconds.
  private static let grace = 250

  private static func agent(
    _ node: Inventory.Node, _ place: HostPort, _ nonce: Digest, _ context: TLSContext,
    _ deadline: Instant
  ) -> ReverseAttempt {
    let own = context.principal
    let challenge = random()
    let client = HTTPSClient(
      place, context: context,
      expecting: Principal(cluster: own.cluster, role: .node, name: node.name))
    defer { client.close() }
    let request = AgentRequest.reached(nonce: ReachProof.name(of: nonce), challenge: challenge)
    let response: HTTPResponse
    do throws(HTTPSFailure) {
      response = try client.request(request.message, until: deadline)
    } catch {
      return ReverseAttempt(.agent, place.text, ReverseOutcome(error), detail: error.description)
    }
    let proof = ReachProof.proof(
      nonce: nonce, challenge: challenge, node: node.name, witness: own.name)
    if response.status == 200, (try? request.answer(in: response))?.proof == proof {
      return ReverseAttempt(.agent, place.text, .reached)
    }
    if response.status == 403 {
      return ReverseAttempt(
        .agent, place.text, .failed,
        detail: (try? response.refusal())?.message ?? "its agent answered 403")
    }
    return ReverseAttempt(
      .agent, place.text, .anotherHost,
      detail:
        "an agent with the certificate of \(node.name) answers, but it is not the one that asked")
  }

  private static func server(_ place: HostPort, _ deadline: Instant) -> ReverseAttempt {
    do throws(HTTPSFailure) {
      let face = try ServerFaceProbe.look(at: place, until: deadline)
      let outcome: ReverseOutcome = face.status == 200 ? .reached : .failed
      return ReverseAttempt(
        .server, place.text, outcome,
        detail: outcome == .reached ? "" : "GET /minio/health/live answered \(face.status)",
        face: face)
    } catch {
      return ReverseAttempt(.server, place.text, ReverseOutcome(error), detail: error.description)
    }
  }

  private static func random() -> Digest {
    var generator = SystemRandomNumberGenerator()
    return .sha256((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }
}

extension ReverseOutcome {
  /// What a failure means for the reverse path.
  init(_ failure: HTTPSFailure) {
    switch failure {
    case .lookup: self = .noAddress
    case .connect(.refused): self = .refused
    case .connect(.unreachable): self = .noRoute
    case .connect(.timedOut): self = .timedOut
    case _ where failure.isTimeout: self = .noAnswer
    case .tls(let tls) where tls.kind == .unexpectedPeer || tls.kind == .unknownAuthority:
      self = .anotherHost
    default: self = .failed
    }
  }
}
