public import LinuxIO
public import Model
public import TLS
public import Wire

/// A small HTTPS server: a thread that accepts, and one for each connection, up to a bound.
///
/// It refuses: connections past the bound (closed at once), clients without a certificate of the
/// cluster's CA (in the handshake), certificates without a Keyturn name (403), and everything that
/// ``HTTPRequestParser`` refuses (its 4xx or 5xx, then the connection ends). Each phase of a
/// connection has its deadline, so that no client can hold a thread: handshake, idle, one whole
/// request, one whole answer. An idle connection costs one thread in poll(2).
public final class HTTPSServer: Sendable {
  /// How much it takes on.
  public struct Bounds: Sendable {
    /// Connections at once.
    public var connections = Limits.agentConnections
    /// From the connection to the end of the handshake, milliseconds.
    public var handshakeMilliseconds = Limits.handshakeMilliseconds
    /// From an answer to the first byte of the next request, milliseconds.
    public var idleMilliseconds = Limits.agentIdleMilliseconds
    /// From a request's first byte to its last, and again for the answer, milliseconds.
    public var transferMilliseconds = Limits.agentTransferMilliseconds
    /// A request's body, bytes.
    public var bodyBytes = Limits.httpBodyBytes

    /// The agent's bounds.
    public init() {}
  }

  /// Who is at the other end of a connection.
  public struct Peer: Sendable, Hashable {
    /// Its address.
    public var address: SocketAddress
    /// Who its certificate says it is, if it does.
    public var principal: Principal?
    /// SHA-256 of its SubjectPublicKeyInfo; nil if it showed no certificate.
    public var publicKeyDigest: [UInt8]?
    /// The user of its process, on a local socket.
    public var user: UInt32?
  }

  /// Answers a request on the connection's own thread; it may block.
  typealias Handler = @Sendable (HTTPRequest, Peer) -> HTTPResponse
  /// Makes a connection secure, or leaves it plain.
  typealias Securing = @Sendable (Socket, Instant) throws(TLSFailure) -> Transport

  private struct State {
    var isStopping = false
    var accepts = true
    var sockets: [UInt64: Socket] = [:]
    var nextID: UInt64 = 0
  }
  /// How long a connection that ends with an error waits for the other side to read it.
  private static let lingerMilliseconds = 500

  private let state = Lock(State())
  private let listener: Listener
  private let bounds: Bounds
  private let log: RateLimitedLog
  private let securing: Securing
  private let handler: Handler

  init(
    listener: Listener, bounds: Bounds, log: @escaping @Sendable (String) -> Void,
    securing: @escaping Securing, handler: @escaping Handler
  ) {
    self.listener = listener
    self.bounds = bounds
    self.log = RateLimitedLog(log)
    self.securing = securing
    self.handler = handler
  }

  /// Starts serving with Keyturn's own TLS. `handler` runs on the connection's thread and may
  /// block; it authorises by the principal, which may be of any cluster and role. `log` gets a line
  /// for what it refuses, one a second at most.
  public static func start(
    listener: Listener, context: TLSContext, bounds: Bounds = Bounds(),
    log: @escaping @Sendable (String) -> Void,
    handler: @escaping @Sendable (HTTPRequest, Principal, SocketAddress) -> HTTPResponse
  ) throws(Errno) -> HTTPSServer {
    let server = HTTPSServer(
      listener: listener, bounds: bounds, log: log,
      securing: { socket, deadline throws(TLSFailure) in
        .tls(try context.accept(over: socket, until: deadline))
      },
      handler: { request, peer in
        guard let principal = peer.principal else {
          return .text(403, "the certificate names no keyturn://CLUSTER/ROLE/NAME")
        }
        return handler(request, principal, peer.address)
      })
    try server.run()
    return server
  }

  /// Starts serving on a local socket, without TLS, whom `user` is: any other is refused (403).
  public static func start(
    local listener: Listener, user: UInt32, bounds: Bounds,
    log: @escaping @Sendable (String) -> Void,
    handler: @escaping @Sendable (HTTPRequest) -> HTTPResponse
  ) throws(Errno) -> HTTPSServer {
    let server = HTTPSServer(
      listener: listener, bounds: bounds, log: log,
      securing: { socket, _ throws(TLSFailure) in .plain(socket) },
      handler: { request, peer in
        guard peer.user == user else {
          return .text(403, "only the user \(user) may use this socket")
        }
        return handler(request)
      })
    try server.run()
    return server
  }

  /// Where it listens, with the real port.
  public var address: SocketAddress { listener.address }

  func run() throws(Errno) {
    try Thread.start("https accept") {
      self.acceptAll()
      self.state.update { $0.accepts = false }
    }
  }

  /// Ends it: nothing new is accepted, idle connections end, running handlers may finish. Blocks
  /// until all are done (true) or the deadline (false); what runs then is cut off.
  @discardableResult
  public func stop(until deadline: Instant) -> Bool {
    listener.shutdown()
    let sockets = state.update { state in
      state.isStopping = true
      return Array(state.sockets.values)
    }
    for socket in sockets { socket.interruptReading() }
    let isDone =
      state.wait(until: deadline) { !$0.accepts && $0.sockets.isEmpty ? true : nil } ?? false
    if !isDone {
      for socket in state.withLock({ Array($0.sockets.values) }) { socket.interrupt() }
    }
    return isDone
  }

  private func acceptAll() {
    while true {
      do throws(Errno) {
        guard let socket = try listener.accept() else { return }
        try admit(socket)
      } catch {
        log.write("\(error); trying again in 100 ms")
        let stops = state.wait(until: .inMilliseconds(100)) { $0.isStopping ? true : nil }
        if stops != nil { return }
      }
    }
  }

  private func admit(_ socket: Socket) throws(Errno) {
    let id: UInt64? = state.withLock { state in
      guard !state.isStopping, state.sockets.count < bounds.connections else { return nil }
      state.nextID += 1
      state.sockets[state.nextID] = socket
      return state.nextID
    }
    guard let id else {
      log.write("connection of \(socket.peer) refused: \(bounds.connections) are open")
      return
    }
    do throws(Errno) {
      try Thread.start("https serve") {
        self.serve(socket)
        self.state.update { $0.sockets[id] = nil }
      }
    } catch {
      state.update { $0.sockets[id] = nil }
      throw error
    }
  }

  private var isStopping: Bool { state.withLock { $0.isStopping } }

  private func serve(_ socket: Socket) {
    let transport: Transport
    do throws(TLSFailure) {
      transport = try securing(socket, .inMilliseconds(bounds.handshakeMilliseconds))
    } catch {
      if !isStopping { log.write("\(error)") }
      // Without it the alert that says why could be lost.
      socket.finish(until: .inMilliseconds(Self.lingerMilliseconds))
      return
    }
    var peer = Peer(address: socket.peer)
    switch transport {
    case .tls(let session):
      peer.principal = session.peer
      peer.publicKeyDigest = session.peerPublicKeyDigest
    case .plain(let socket): peer.user = socket.peerUser
    }
    var parser = HTTPRequestParser(bodyLimit: bounds.bodyBytes)
    do throws(HTTPSFailure) {
      while let request = try receive(&parser, transport) {
        let response = handler(request, peer)
        let closes = request.closes || isStopping
        try send(response, closes: closes, transport)
        if closes {
          end(transport)
          return
        }
      }
      transport.close(until: .inMilliseconds(Self.lingerMilliseconds))
    } catch {
      refuse(error, transport)
    }
  }

  /// Waits for the next request; nil when the client has ended the connection, or was idle for too
  /// long.
  private func receive(
    _ parser: inout HTTPRequestParser, _ transport: Transport
  ) throws(HTTPSFailure) -> HTTPRequest? {
    var hasBegun = !parser.isIdle
    var deadline = Instant.inMilliseconds(
      hasBegun ? bounds.transferMilliseconds : bounds.idleMilliseconds)
    while true {
      do throws(HTTPViolation) {
        if let request = try parser.next() { return request }
      } catch { throw .malformed(error, from: transport.socket.peer.text) }
      let bytes: [UInt8]
      do throws(HTTPSFailure) {
        bytes = try transport.read(until: deadline)
      } catch {
        if !hasBegun && (error.isTimeout || error.isClosed) { return nil }
        throw error
      }
      if bytes.isEmpty { return nil }
      parser.feed(bytes)
      if !hasBegun {
        hasBegun = true
        deadline = .inMilliseconds(bounds.transferMilliseconds)
      }
    }
  }

  private func send(
    _ response: HTTPResponse, closes: Bool, _ transport: Transport
  ) throws(HTTPSFailure) {
    try transport.write(
      response.bytes(closes: closes), until: .inMilliseconds(bounds.transferMilliseconds))
  }

  /// Answers what was wrong with the request as far as there is anybody to tell, and ends the
  /// connection.
  private func refuse(_ failure: HTTPSFailure, _ transport: Transport) {
    if isStopping { return }
    let answer: HTTPResponse
    switch failure {
    case .malformed(let violation, let place):
      log.write("request of \(place) refused: \(violation)")
      answer = .text(violation.status, violation.reason)
    case _ where failure.isTimeout:
      log.write("request of \(transport.socket.peer) took too long")
      answer = .text(408, "the request took too long")
    default:
      if !failure.isClosed { log.write("\(failure)") }
      return
    }
    let deadline = Instant.inMilliseconds(Self.lingerMilliseconds)
    do throws(HTTPSFailure) {
      try transport.write(answer.bytes(closes: true), until: deadline)
    } catch { return }  // It is gone; there is nobody to tell.
    end(transport)
  }

  private func end(_ transport: Transport) {
    let deadline = Instant.inMilliseconds(Self.lingerMilliseconds)
    transport.close(until: deadline)
    transport.socket.finish(until: deadline)
  }
}
