// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import HTTP
import HTTPS
import JSONCoding
import Model
internal import Sockets

// Whom an agent and a witness let in: what Agent decides, in the words of the server.

extension HTTPSServer.Bounds {
  static var agent: Self { of(Limits.agentConnections, Limits.agentPlacesKept) }

  static var witness: Self {
    var bounds = of(Limits.witnessConnections, Limits.witnessPlacesKept)
    bounds.bodyBytes = 2 * Limits.revocationBytes
    return bounds
  }

  private static func of(
    _ places: Int, _ kept: (operators: Int, members: Int, observers: Int)
  ) -> Self {
    var bounds = Self()
    bounds.connections = .init(
      places: places, perHolder: Limits.connectionsOfHolder,
      kept: [.operator: kept.operators, .member: kept.members, .observer: kept.observers])
    return bounds
  }
}

extension ServingPolicy {
  static func agent(
    _ agent: Agent,
    _ log: @escaping @Sendable (_ priority: LogPriority, _ message: String) -> Void
  ) -> ServingPolicy {
    let doorkeeper = agent.doorkeeper
    let journal = RequestJournal(log: log)
    var policy = ServingPolicy { request, peer in
      guard let principal = peer.principal else { return nameless }
      if JSON.hasMoreValues(than: Limits.jsonValues, request.body) {
        return .refusal(
          413, .validation, "the body holds more than \(Limits.jsonValues) values")
      }
      return agent.answer(request, from: principal, certificateUntil: peer.validUntil)
    }
    policy.place = { peer in
      guard let principal = peer.principal else { return .refused(nameless) }
      do throws(Refusal) { return .served(try doorkeeper.standing(of: principal)) } catch {
        return .refused(.refusal(403, error))
      }
    }
    policy.body = { request, peer in
      guard let principal = peer.principal else { return .refused(nameless) }
      do throws(Refusal) {
        return .taken(upTo: try doorkeeper.bodyLimit(of: request, from: principal))
      } catch {
        return .refused(.refusal(error.code == .notPermitted ? 403 : 404, error))
      }
    }
    policy.note = { journal.note($0, from: $1.principal, at: $1.address.host, $2) }
    policy.words = words
    return policy
  }

  static func witness(
    _ witness: Witness,
    _ log: @escaping @Sendable (_ priority: LogPriority, _ message: String) -> Void
  ) -> ServingPolicy {
    let journal = RequestJournal(log: log)
    var policy = ServingPolicy { request, peer in
      guard let principal = peer.principal else { return nameless }
      return witness.answer(request, from: principal, certificateUntil: peer.validUntil)
    }
    policy.place = { peer in
      guard let principal = peer.principal else { return .refused(nameless) }
      return switch witness.standing(of: principal) {
      case .success(let standing): .served(standing)
      case .failure(let dismissal): .refused(dismissal.answer)
      }
    }
    policy.body = { request, peer in
      // What it may not ask is refused when it is answered; until then it costs little.
      let route = Route.of(request, to: .witness)?.route
      let isPermitted = peer.principal.map { route?.roles.contains($0.role) ?? false } ?? false
      return .taken(
        upTo: isPermitted ? route?.bodyBytes ?? Limits.witnessBodyBytes : Limits.witnessBodyBytes)
    }
    policy.note = { request, peer, answer in
      // Whom it dismisses, and what a node asks of it, a witness counts and tells itself.
      guard let request, Route.of(request, to: .witness)?.route != .connectBack else { return }
      journal.note(request, from: peer.principal, at: peer.address.host, answer)
    }
    policy.words = words
    return policy
  }

  @Sendable private static func words(_ status: Int, _ message: String) -> HTTPResponse {
    let code: RefusalCode =
      switch status {
      case 403: .notPermitted
      case 503: .unreachable
      default: .validation
      }
    return .refusal(status, code, message)
  }

  private static let nameless = HTTPResponse.refusal(403, .notPermitted, "no name")
}
