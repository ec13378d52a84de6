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

  /// How an authority that is not trusted comes to be, an imperative.
  private let trustAdvice: String

  /// - Parameters:
  ///   - context: for https.
  ///   - environment: names the proxies.
  package init(
    _ context: ProbeTLSContext, environment: [EnvironmentVariable],
    trustAdvice: String = "name the server's authority with --ca FILE"
  ) {
    self.context = context
    self.environment = environment
    self.trustAdvice = trustAdvice
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
        // The server may have ended the connection before the request, or after it: who has asked
        // decides whether it is sent again, since it may have been done already.
        let isStale = error.isClosed && !kept.connection.hasAnswered
        throw failure(error, target, isStale ? .staleConnection : nil)
      }
    }
    close()
    let connection: HTTPConnection
    do throws(HTTPSFailure) { connection = try connect(target, proxy, until: deadline) } catch {
      throw S3LinkFailure(
        "\(error)", mayHaveArrived: false, remedy: remedy(error, target),
        kind: Self.kind(error, proxy))
    }
    kept = (target, connection)
    do throws(HTTPSFailure) { return try connection.exchange(request, until: deadline) } catch {
      throw failure(error, target)
    }
  }

  package func proxy(to target: S3Target) -> String? {
    if target.isSecure { return nil }
    return ProxySettings(environment, isSecure: false).proxy(for: target.place)?.text
  }

  private static func kind(
    _ error: HTTPSFailure, _ proxy: ProxySettings.Proxy?
  ) -> S3LinkFailure.Kind {
    if let proxy, proxy.scheme != "http" { return .configuration }
    if case .lookup(.noSuchHost) = error { return .unknownHost }
    return .other
  }

  private func remedy(_ error: HTTPSFailure, _ target: S3Target) -> String? {
    switch error {
    case .proxy:
      return
        "correct the proxy in HTTPS_PROXY or HTTP_PROXY, or name the host in NO_PROXY if it needs none"
    case .tls(let failure): return remedy(failure.kind, target)
    default: return nil
    }
  }

  private func remedy(_ kind: TLSFailure.Kind, _ target: S3Target) -> String? {
    switch kind {
    case .unknownAuthority: trustAdvice
    case .nameMismatch:
      "the certificate must be for \(target.place.host): give the endpoint by a name that it has; --addressing path keeps buckets out of the name"
    case .certificateExpired:
      "renew the server's certificate, or set this host's clock if that is wrong (timedatectl)"
    case .certificateNotYetValid:
      "set the clock that is wrong (timedatectl), or wait until the certificate is valid"
    case .certificateRefused:
      "the server needs a certificate that servers may show (extended key usage serverAuth)"
    case .notTLS, .plainHTTP: "give http://, or the port that speaks https"
    default: nil
    }
  }

  private func failure(
    _ error: HTTPSFailure, _ target: S3Target, _ kind: S3LinkFailure.Kind? = nil
  ) -> S3LinkFailure {
    close()
    var isTooLong = false
    if case .malformed(let violation, _) = error { isTooLong = violation.isTooLong }
    // TLS 1.3: what the server thinks of the handshake comes with the first answer.
    return S3LinkFailure(
      "\(target.hostField): \(error)", mayHaveArrived: true,
      kind: kind ?? (isTooLong ? .tooLong : .other))
  }

  private func connect(
    _ target: S3Target, _ proxy: ProxySettings.Proxy?, until deadline: Instant
  ) throws(HTTPSFailure) -> HTTPConnection {
    let connected = min(deadline, .inMilliseconds(Limits.handshakeMilliseconds))
    if let proxy, proxy.scheme != "http" {
      throw .proxy(
        "the way to \(target.place.text) leads through \(proxy.text), and only proxies with http:// are spoken with here",
        isTimeout: false)
    }
    let socket: Socket
    do throws(HTTPSFailure) {
      socket = try HTTPConnection.connect(proxy?.place ?? target.place, until: connected)
    } catch {
      guard let proxy else { throw error }
      throw .proxy(
        "the proxy \(proxy.text), on the way to \(target.place.text): \(error)",
        isTimeout: error.isTimeout)
    }
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
