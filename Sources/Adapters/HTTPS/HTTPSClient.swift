// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Model
package import TLS
internal import Threads

/// Requests to one agent over Keyturn's own TLS, on one connection that is kept, and opened again
/// when needed.
///
/// It belongs to one thread.
package final class HTTPSClient {
  package let address: HostPort
  package let expected: Principal
  private let context: TLSContext
  private let connectMilliseconds: Int
  private var connection: HTTPConnection?

  /// - Parameter connectMilliseconds: how long the host may take to accept the connection, after
  ///   its name is looked up and before the handshake.
  package init(
    _ address: HostPort, context: TLSContext, expecting expected: Principal,
    connectMilliseconds: Int = Limits.handshakeMilliseconds
  ) {
    self.connectMilliseconds = connectMilliseconds
    self.address = address
    self.expected = expected
    self.context = context
  }
  deinit { connection?.close() }

  /// What the agent's certificate says; nil without a connection.
  package var peerCertificate: CertificateInfo? { connection?.peerCertificate }

  /// Sends a request and blocks until the whole answer is there, or the deadline.
  ///
  /// If the agent has closed the kept connection, a new one is opened. It can then be unknown
  /// whether the agent has seen the request. So a request that was already sent is sent again only
  /// if it is `repeatable` (by default a GET) and no byte of an answer has arrived.
  package func request(
    _ request: HTTPRequest, repeatable: Bool? = nil, until deadline: Instant
  ) throws(HTTPSFailure) -> HTTPResponse {
    if let kept = connection, kept.isReusable, !kept.isDisturbed {
      do throws(HTTPSFailure) {
        return try exchange(request, on: kept, until: deadline)
      } catch {
        let mayRepeat = repeatable ?? (request.method == "GET")
        guard mayRepeat, error.isClosed, !kept.hasAnswered else { throw error }
      }
    }
    close()
    // A host that is cut off must not use up the time that the answer may take.
    let connected = min(deadline, .inMilliseconds(Limits.handshakeMilliseconds))
    let socket = try HTTPConnection.connect(
      address, until: connected, withinMilliseconds: connectMilliseconds)
    let session: TLSSession
    do throws(TLSFailure) {
      session = try context.connect(over: socket, expecting: expected, until: connected)
    } catch { throw .tls(error) }
    let fresh = HTTPConnection(
      .tls(session), hostField: address.text, bodyLimit: Limits.httpBodyBytes)
    connection = fresh
    return try exchange(request, on: fresh, until: deadline)
  }

  private func exchange(
    _ request: HTTPRequest, on connection: HTTPConnection, until deadline: Instant
  ) throws(HTTPSFailure) -> HTTPResponse {
    defer { if !connection.isReusable { close() } }
    return try connection.exchange(request, until: deadline)
  }

  /// Ends the connection, if there is one, in order; the next request makes another.
  package func close() {
    connection?.close()
    connection = nil
  }
}
