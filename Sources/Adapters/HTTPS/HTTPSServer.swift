// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Linux
package import Model
package import Sockets
package import TLS
internal import Threads

/// A small HTTPS server: one thread at the door, which accepts and makes all handshakes, and one
/// for each connection behind it.
///
/// Before its handshake is done a client costs no more than a socket; ``HandshakeAdmission``
/// decides how many wait there, ``ConnectionAdmission`` who may stay. It refuses: clients without a
/// certificate of the cluster's CA (in the handshake), certificates without a Keyturn name and whom
/// ``ServingPolicy/place`` refuses (with an answer, right after the handshake), bodies that
/// ``ServingPolicy/body`` does not want (before they are read), and everything that ``HTTPRequestParser``
/// refuses (its 4xx or 5xx, then the connection ends). Each phase of a connection has its deadline,
/// so that no client can hold a thread: handshake, idle, one whole request, one whole answer. An
/// idle connection costs one thread in poll(2).
package final class HTTPSServer: Sendable {
  package struct Bounds: Sendable {
    /// Connections that wait for the end of their handshake.
    package var handshakes = HandshakeAdmission.Bounds()
    /// Connections at once, after their handshake.
    package var connections = ConnectionAdmission.Bounds(
      places: Limits.agentConnections, perHolder: Limits.agentConnections)
    /// From the connection to the end of the handshake, milliseconds.
    package var handshakeMilliseconds = Limits.handshakeMilliseconds
    /// From an answer to the first byte of the next request, milliseconds.
    package var idleMilliseconds = Limits.agentIdleMilliseconds
    /// From a request's first byte to its last, and again for the answer, milliseconds.
    package var transferMilliseconds = Limits.agentTransferMilliseconds
    /// A request's body, bytes.
    package var bodyBytes = Limits.httpBodyBytes
    /// What all bodies may cost at once, bytes.
    package var bodyBudgetBytes = Limits.bodyBudgetBytes
    /// How long a request waits until there is memory for its body, milliseconds.
    package var bodyWaitMilliseconds = Limits.bodyWaitMilliseconds

    /// No difference between clients.
    package init() {}
  }

  /// Who is at the other end of a connection.
  package struct Peer: Sendable, Hashable {
    package var address: SocketAddress
    /// Who its certificate says it is, if it does.
    package var principal: Principal?
    /// When that certificate begins and ends, seconds since 1970-01-01 UTC.
    package var validFrom: Int64?
    package var validUntil: Int64?
    /// The key of the CA that it was verified with.
    package var authority: [UInt8]?
    /// SHA-256 of its SubjectPublicKeyInfo; nil if it showed no certificate.
    package var publicKeyDigest: [UInt8]?
    /// The user of its process, on a local socket.
    package var user: UInt32?

    /// Why its certificate does not count any more; nil if it does.
    fileprivate func problem(_ identity: TLSIdentity) -> String? {
      guard let principal, let validFrom else { return nil }
      return identity.problem(of: principal, validFrom: validFrom, authority: authority)
    }

    /// Remembers a person's certificate, so that a change of the CA knows who still uses the old one's.
    fileprivate func note(in identity: TLSIdentity) {
      guard let principal, principal.role == .operator || principal.role == .observer,
        principal.cluster == identity.context.principal.cluster, let authority, let validUntil
      else { return }
      identity.note(
        Sighting(
          principal: principal, authority: authority,
          at: Clock.realtimeMicroseconds() / 1_000_000, validUntil: validUntil))
    }

    /// Role and name; all clients without them are one holder.
    var holder: String { principal?.uri ?? "" }
  }

  package enum Security {
    case plain
    case tls(@Sendable (Socket) throws(TLSFailure) -> TLSHandshake)
  }

  struct State {
    var isStopping = false
    /// Whether the thread at the door runs.
    var isOpen = true
    var connections: [UInt64: (socket: Socket, peer: Peer)] = [:]
    var admission: ConnectionAdmission
    var budget: BodyBudget
  }
  /// How long a connection that ends with an error waits for the other side to read it.
  static let lingerMilliseconds = 500

  let state: Lock<State>
  let listener: Listener
  let bounds: Bounds
  let log: RateLimitedLog
  let security: Security
  let policy: ServingPolicy

  package init(
    listener: Listener, bounds: Bounds, log: @escaping @Sendable (String) -> Void,
    security: Security, policy: ServingPolicy
  ) {
    self.listener = listener
    self.bounds = bounds
    self.log = RateLimitedLog(log)
    self.security = security
    self.policy = policy
    state = Lock(
      State(
        admission: ConnectionAdmission(bounds.connections),
        budget: BodyBudget(bytes: bounds.bodyBudgetBytes)))
  }

  /// Starts serving with Keyturn's own TLS. `log` gets a line for what it refuses before it knows
  /// whom, one a second at most; a refused certificate without a Keyturn name is among that.
  package static func start(
    listener: Listener, identity: TLSIdentity, bounds: Bounds = Bounds(), policy: ServingPolicy,
    log: @escaping @Sendable (String) -> Void
  ) throws(Errno) -> HTTPSServer {
    var known = policy
    known.place = { peer in
      if let problem = peer.problem(identity) { return .refused(policy.words(403, problem)) }
      if peer.principal != nil { return policy.place(peer) }
      return .refused(.text(403, "the certificate names no keyturn://CLUSTER/ROLE/NAME"))
    }
    // It may have been revoked since the connection was made, or its CA may have gone.
    known.answer = { request, peer in
      if let problem = peer.problem(identity) { return policy.words(403, problem) }
      peer.note(in: identity)
      return policy.answer(request, peer)
    }
    let server = HTTPSServer(
      listener: listener, bounds: bounds, log: log,
      security: .tls { socket throws(TLSFailure) in try identity.context.begin(over: socket) },
      policy: known)
    try server.run()
    return server
  }

  /// Serves `user` alone on a local socket, without TLS; any other is refused (403).
  package static func start(
    local listener: Listener, user: UInt32, bounds: Bounds,
    log: @escaping @Sendable (String) -> Void,
    handler: @escaping @Sendable (HTTPRequest) -> HTTPResponse
  ) throws(Errno) -> HTTPSServer {
    let server = HTTPSServer(
      listener: listener, bounds: bounds, log: log, security: .plain,
      policy: ServingPolicy { request, peer in
        guard peer.user == user else {
          return .text(403, "only the user \(user) may use this socket")
        }
        return handler(request)
      })
    try server.run()
    return server
  }

  /// Where it listens, with the real port.
  package var address: SocketAddress { listener.address }

  package func run() throws(Errno) {
    try Thread.start("https door") {
      Door(self).keep()
      self.state.update { $0.isOpen = false }
    }
  }

  /// Cuts the connections of those whose certificates are revoked, or of a CA that is not trusted any more, whatever is
  /// under way on them.
  package func cutRefused(_ identity: TLSIdentity) {
    let refused = state.withLock { state in
      state.connections.values.filter { $0.peer.problem(identity) != nil }
    }
    for connection in refused { connection.socket.interrupt() }
  }

  /// Ends it: nothing new is accepted, idle connections end, running handlers may finish. Blocks
  /// until all are done (true) or the deadline (false); what runs then is cut off.
  @discardableResult
  package func stop(until deadline: Instant) -> Bool {
    listener.shutdown()
    let sockets = state.update { state in
      state.isStopping = true
      return state.connections.values.map(\.socket)
    }
    for socket in sockets { socket.interruptReading() }
    let isDone =
      state.wait(until: deadline) { !$0.isOpen && $0.connections.isEmpty ? true : nil } ?? false
    if !isDone {
      for socket in state.withLock({ $0.connections.values.map(\.socket) }) { socket.interrupt() }
    }
    return isDone
  }

  var isStopping: Bool { state.withLock { $0.isStopping } }
}

/// Log lines that strangers can cause: one a second, and how many were left out.
final class RateLimitedLog: Sendable {
  private struct State {
    var quietUntil = Instant(nanoseconds: 0)
    var leftOut = 0
  }
  private let state = Lock(State())
  private let log: @Sendable (String) -> Void

  init(_ log: @escaping @Sendable (String) -> Void) { self.log = log }

  func write(_ line: String) {
    let leftOut: Int? = state.withLock { state in
      let now = Clock.now()
      guard now >= state.quietUntil else {
        state.leftOut += 1
        return nil
      }
      defer { state = State(quietUntil: now.advanced(byMilliseconds: 1_000)) }
      return state.leftOut
    }
    guard let leftOut else { return }
    log(leftOut == 0 ? line : "\(line) (and \(leftOut) more before)")
  }
}
