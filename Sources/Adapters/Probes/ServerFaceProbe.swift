// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import HTTP
internal import HTTPS
package import KeyManager
package import Model
package import ServerUnit
internal import TLS

/// A look at a MinIO server without credentials: which certificate it shows, what it says of its
/// host, and whether it lives (docs/facts.md, "Health endpoints"). What it says is not trusted,
/// only compared.
package enum ServerFaceProbe {
  /// The server of this very host. Blocks until the deadline at the longest.
  package static func own(_ server: ServerArguments, deadline: Instant) -> OwnServer {
    guard let place = server.healthAddress else {
      return .silent("its --address \(server.address ?? "") is not a host and a port")
    }
    do throws(HTTPSFailure) {
      return .answers(try look(at: place, until: deadline), port: place.port)
    } catch { return .silent(error.description) }
  }

  /// Blocks until the server at `place` has answered, or the deadline. Over https where it speaks
  /// that, else over http.
  static func look(at place: HostPort, until deadline: Instant) throws(HTTPSFailure) -> ServerFace {
    guard let context = try? ProbeTLSContext.observing() else {
      preconditionFailure("a context without certificates can be made")
    }
    do throws(HTTPSFailure) {
      return try look(at: place, .probe(context), until: deadline)
    } catch {
      guard case .tls(let failure) = error, failure.kind.saysNoTLS else { throw error }
      return try look(at: place, .none, until: deadline)
    }
  }

  private static func look(
    at place: HostPort, _ security: HTTPConnection.Security, until deadline: Instant
  ) throws(HTTPSFailure) -> ServerFace {
    let connection = try HTTPConnection.open(place, security: security, until: deadline)
    defer { connection.close() }
    let response = try connection.exchange(
      HTTPRequest("GET", "/minio/health/live"), closes: true, until: deadline)
    let certificate = connection.peerCertificate
    return ServerFace(
      publicKey: certificate.flatMap { Digest(bytes: $0.publicKeyDigest) },
      validUntil: certificate?.notAfter,
      // Formatted here, so that no text of another program is passed on.
      host: response.headers["x-amz-id-2"].map { Digest.sha256(Array($0.utf8)) },
      status: response.status)
  }
}

extension TLSFailure.Kind {
  /// Whether the other side may speak without TLS.
  fileprivate var saysNoTLS: Bool {
    switch self {
    case .plainHTTP, .notTLS, .protocolError, .closed: true
    default: false
    }
  }
}
