// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Model
package import Sockets
package import TLS
internal import Threads

/// One client connection, with or without TLS, that carries one request after another. It belongs
/// to one thread.
package final class HTTPConnection {
  /// Whether and how a probe's connection is secured.
  package enum Security: Sendable {
    case none
    /// TLS as the probed program's own clients do it.
    case probe(ProbeTLSContext)
  }

  package private(set) var isReusable = true
  /// Whether any byte of the answer to the last request has come.
  package private(set) var hasAnswered = false
  private let transport: Transport
  private let hostField: String
  /// What stands before the path where a proxy gets the requests; empty where none does.
  private let origin: String
  private var parser: HTTPResponseParser

  package init(_ transport: Transport, hostField: String, origin: String = "", bodyLimit: Int) {
    self.transport = transport
    self.hostField = hostField
    self.origin = origin
    parser = HTTPResponseParser(bodyLimit: bodyLimit)
  }

  /// Blocks until a connection to `place` is made and secured, or the deadline. Every address of a
  /// name is tried in its turn, each with its share of the time that is left.
  package static func open(
    _ place: HostPort, security: Security, bodyLimit: Int = Limits.probeBodyBytes,
    until deadline: Instant
  ) throws(HTTPSFailure) -> HTTPConnection {
    let socket = try connect(place, until: deadline)
    return try open(over: socket, place, security: security, bodyLimit: bodyLimit, until: deadline)
  }

  /// The same over a socket that is already connected to `place`, for a probe that reports each
  /// step.
  package static func open(
    over socket: Socket, _ place: HostPort, security: Security,
    bodyLimit: Int = Limits.probeBodyBytes, until deadline: Instant
  ) throws(HTTPSFailure) -> HTTPConnection {
    switch security {
    case .none:
      return HTTPConnection(.plain(socket), hostField: place.text, bodyLimit: bodyLimit)
    case .probe(let context):
      do throws(TLSFailure) {
        let session = try context.connect(over: socket, host: place.host, until: deadline)
        return HTTPConnection(.tls(session), hostField: place.text, bodyLimit: bodyLimit)
      } catch { throw .tls(error) }
    }
  }

  /// Blocks until some address of `place` accepts a connection, or the deadline.
  ///
  /// - Parameter milliseconds: how long each address may take to accept, once the name is looked
  ///   up.
  package static func connect(
    _ place: HostPort, until deadline: Instant, withinMilliseconds milliseconds: Int = .max
  ) throws(HTTPSFailure) -> Socket {
    let addresses: [SocketAddress]
    do throws(SocketFailure) {
      addresses = try Resolver.resolve(place.host, port: place.port, until: deadline)
    } catch { throw .lookup(error) }
    var last = SocketFailure.noSuchHost("connect to \(place.text)")
    for (index, address) in addresses.enumerated() {
      let share = Int(deadline.remainingMilliseconds()) / (addresses.count - index)
      do throws(SocketFailure) {
        return try Socket.connect(to: address, until: .inMilliseconds(min(share, milliseconds)))
      } catch { last = error }
    }
    throw .connect(last)
  }

  package var peer: SocketAddress { transport.socket.peer }

  /// What the server's certificate says; nil without TLS.
  package var peerCertificate: CertificateInfo? {
    if case .tls(let session) = transport { session.peerCertificate } else { nil }
  }

  /// Whether something has come without a request, such as the end of the connection. Does not
  /// block.
  package var isDisturbed: Bool { transport.socket.isReadable }

  /// Sends a request and blocks until the whole answer is there, or the deadline. Do not use the
  /// connection after a failure. `closes` asks the server to close after the answer.
  package func exchange(
    _ request: HTTPRequest, closes: Bool = false, until deadline: Instant
  ) throws(HTTPSFailure) -> HTTPResponse {
    precondition(isReusable, "a connection that is over must not be used")
    isReusable = false
    hasAnswered = false
    parser.isToHead = request.method == "HEAD"
    do throws(HTTPSFailure) {
      try transport.write(
        request.bytes(host: hostField, origin: origin, closes: closes), until: deadline)
    } catch {
      // The server may have said why before it closed (RFC 9112, 9.5): a 413, or an alert.
      guard error.isClosed, case .plain = transport else { throw error }
    }
    while true {
      do throws(HTTPViolation) {
        if let response = try parser.next() {
          isReusable = parser.staysOpen && parser.isIdle && !closes
          return response
        }
      } catch { throw .malformed(error, from: peer.text) }
      let bytes = try transport.read(until: deadline)
      if bytes.isEmpty {
        if parser.isIdle { throw closedEarly }
        do throws(HTTPViolation) {
          return try parser.end()
        } catch { throw .malformed(error, from: peer.text) }
      }
      hasAnswered = true
      parser.feed(bytes)
    }
  }

  private var closedEarly: HTTPSFailure {
    let attempt = "await the answer of \(peer)"
    return switch transport {
    case .plain: .transfer(.closed(attempt))
    case .tls: .tls(TLSFailure(.closed, SocketFailure.closed(attempt).description))
    }
  }

  /// Ends the connection in order, as far as that works within 100 ms.
  package func close() {
    transport.close(until: .inMilliseconds(100))
    transport.socket.interrupt()
    isReusable = false
  }
}
