// SPDX-License-Identifier: Apache-2.0
package import HTTP
internal import HTTPS
package import Model
package import S3
package import Secrets
internal import Sockets
internal import Threads
package import TLS

/// Requests to S3 servers over HTTP/1.1, with or without TLS, through the proxies of the environment.
/// One connection is kept.
package final class HTTPS3Link: S3Link {
  private let context: ProbeTLSContext
  private let environment: [EnvironmentVariable]
  private var kept: (target: S3Target, connection: HTTPConnection)?

  /// - Parameters:
  ///   - context: for https.
  ///   - environment: names the proxies.
  package init(_ context: ProbeTLSContext, environment: [EnvironmentVariable]) {
    self.context = context
    self.environment = environment
  }

  deinit { kept?.connection.close() }

  package func exchange(
    _ request: HTTPRequest, with target: S3Target, until deadline: Instant
  ) throws(S3LinkFailure) -> HTTPResponse {
    let proxy = ProxySettings(environment, isSecure: target.isSecure).proxy(for: target.place)
    var request = request
    if !target.isSecure, let authorization = proxy?.authorization {
      request.headers.add("proxy-authorization", authorization.reveal())
    }
    if let kept, kept.target == target, kept.connection.isReusable, !kept.connection.isDisturbed {
      do throws(HTTPSFailure) {
        return try kept.connection.exchange(request, until: deadline)
      } catch {
        // The server had ended the connection: nothing of an answer came.
        guard error.isClosed, !kept.connection.hasAnswered else {
          throw Self.failure(error, target)
        }
      }
    }
    close()
    let connection: HTTPConnection
    do throws(HTTPSFailure) { connection = try connect(target, proxy, until: deadline) } catch {
      throw S3LinkFailure("\(error)", mayHaveArrived: false, remedy: Self.remedy(error, target))
    }
    kept = (target, connection)
    do throws(HTTPSFailure) { return try connection.exchange(request, until: deadline) } catch {
      throw Self.failure(error, target)
    }
  }

  private static func remedy(_ error: HTTPSFailure, _ target: S3Target) -> String? {
    guard case .tls(let failure) = error else { return nil }
    return switch failure.kind {
    case .unknownAuthority:
      "name the server's authority with --ca FILE, or put it into certs/CAs of mc's folder"
    case .nameMismatch:
      "the certificate must be for \(target.place.host): give the endpoint by a name that it has; --addressing path keeps buckets out of the name"
    case .notTLS, .plainHTTP: "give http://, or the port that speaks https"
    default: nil
    }
  }

  private static func failure(_ error: HTTPSFailure, _ target: S3Target) -> S3LinkFailure {
    // TLS 1.3: what the server thinks of the handshake comes with the first answer.
    S3LinkFailure("\(target.hostField): \(error)", mayHaveArrived: true)
  }

  private func connect(
    _ target: S3Target, _ proxy: ProxySettings.Proxy?, until deadline: Instant
  ) throws(HTTPSFailure) -> HTTPConnection {
    let connected = min(deadline, .inMilliseconds(Limits.handshakeMilliseconds))
    if let proxy, proxy.scheme != "http" {
      throw .proxy(
        "the way to \(target.place.text) leads through \(proxy.text), and only proxies with http:// are spoken with here; NO_PROXY names hosts that need none",
        isTimeout: false)
    }
    let socket = try HTTPConnection.connect(proxy?.place ?? target.place, until: connected)
    guard target.isSecure else {
      return HTTPConnection(
        .plain(socket), hostField: target.hostField,
        origin: proxy == nil ? "" : "http://\(target.hostField)", bodyLimit: Limits.s3BodyBytes)
    }
    if let proxy {
      try ProxyTunnel.open(over: socket, proxy, to: target.place, until: connected)
    }
    do throws(TLSFailure) {
      let session = try context.connect(over: socket, host: target.place.host, until: connected)
      return HTTPConnection(
        .tls(session), hostField: target.hostField, bodyLimit: Limits.s3BodyBytes)
    } catch { throw .tls(error) }
  }

  private func close() {
    kept?.connection.close()
    kept = nil
  }
}
