// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Linux
internal import Model
internal import Sockets
internal import TLS
internal import Threads

/// All connections before the end of their handshake: one thread accepts them and advances all
/// handshakes as bytes arrive. A silent or slow client costs a socket and no thread. The thread
/// blocks only in poll(2).
final class Door {
  private struct Waiting {
    var socket: Socket
    var deadline: Instant
    /// Nil until a byte has arrived: a silent client costs no memory of OpenSSL.
    var handshake: TLSHandshake?
    /// It has had its last answer; what still comes is dropped until the other side closes, so that
    /// no reset takes the answer away (RFC 9112, 9.6).
    var isEnding = false
  }
  /// Connections that are accepted before the others are looked at again.
  private static let acceptedAtOnce = 64
  /// Replaced connections whose threads have not ended yet.
  private static let leavingAtOnce = 32

  private let server: HTTPSServer
  private var waiting: [UInt64: Waiting] = [:]
  private var admission: HandshakeAdmission
  private var dice = SystemRandomNumberGenerator()
  private var nextID: UInt64 = 0

  init(_ server: HTTPSServer) {
    self.server = server
    admission = HandshakeAdmission(server.bounds.handshakes)
  }

  /// Runs until the listener is shut down; connections that wait then are cut.
  func keep() {
    while true {
      let ids = Array(waiting.keys)
      do throws(Errno) {
        let events = try server.listener.wait(
          with: ids.compactMap { waiting[$0]?.socket }, until: waiting.values.map(\.deadline).min())
        if events.isShutDown { return }
        for place in events.readable { advance(ids[place]) }
        cutOverdue()
        if events.hasConnection { try acceptSome() }
      } catch {
        server.log.write("\(error); trying again in 100 ms")
        let stops = server.state.wait(until: .inMilliseconds(100)) { $0.isStopping ? true : nil }
        if stops != nil { return }
      }
    }
  }

  private func acceptSome() throws(Errno) {
    for _ in 0..<Self.acceptedAtOnce {
      guard let socket = try server.listener.acceptNow() else { return }
      nextID += 1
      guard case .tls = server.security else {
        enter(nextID, .plain(socket))
        continue
      }
      let verdict = admission.arrive(nextID, from: socket.peer.sourceNetwork, dice: &dice)
      switch verdict {
      case .refused:
        server.log.write(
          "connection of \(socket.peer) refused: \(admission.count) wait for their handshake")
        continue
      case .replaces(let other):
        let peer = waiting.removeValue(forKey: other)?.socket.peer.text ?? "?"
        server.log.write(
          "connection of \(peer) cut before its handshake: \(admission.count) wait, others come")
      case .admitted: break
      }
      waiting[nextID] = Waiting(
        socket: socket, deadline: .inMilliseconds(server.bounds.handshakeMilliseconds))
    }
  }

  private func cutOverdue() {
    let now = Clock.now()
    for (id, one) in waiting where one.deadline <= now {
      forget(id)
      if !one.isEnding {
        server.log.write(
          "connection of \(one.socket.peer) cut: no handshake within \(server.bounds.handshakeMilliseconds) ms"
        )
      }
    }
  }

  private func forget(_ id: UInt64) {
    waiting[id] = nil
    admission.end(id)
  }

  private func advance(_ id: UInt64) {
    guard let one = waiting[id], case .tls(let begin) = server.security else { return }
    if one.isEnding {
      // nil: nothing after all.
      if let bytes = try? one.socket.readNow(upTo: 16 << 10) ?? [0], !bytes.isEmpty { return }
      return forget(id)
    }
    admission.heard(id)
    do throws(TLSFailure) {
      let handshake: TLSHandshake
      if let its = one.handshake { handshake = its } else { handshake = try begin(one.socket) }
      waiting[id]?.handshake = handshake
      guard let session = try handshake.advance() else { return }
      if enter(id, .tls(session)) { forget(id) } else { linger(id) }
    } catch {
      server.log.write("\(error)")
      linger(id)
    }
  }

  /// The last answer was sent, or the alert that says why there is none.
  private func linger(_ id: UInt64) {
    waiting[id]?.socket.endWriting()
    waiting[id]?.handshake = nil
    waiting[id]?.isEnding = true
    waiting[id]?.deadline = .inMilliseconds(HTTPSServer.lingerMilliseconds)
  }

  /// Starts a thread for a connection if its holder may stay and there is a place. False if the
  /// connection has had its last answer.
  @discardableResult
  private func enter(_ id: UInt64, _ transport: Transport) -> Bool {
    let server = server
    let peer = HTTPSServer.Peer(transport)
    let standing: Standing
    switch server.policy.place(peer) {
    case .served(let its): standing = its
    case .refused(let answer):
      server.policy.note(nil, peer, answer)
      return dismiss(transport, answer)
    }
    let socket = transport.socket
    let verdict = server.state.withLock { state -> ConnectionAdmission.Verdict? in
      guard !state.isStopping else { return nil }
      // A replaced connection still has its thread for a moment.
      guard state.connections.count < server.bounds.connections.places + Self.leavingAtOnce else {
        return .refused
      }
      let verdict = state.admission.arrive(id, holder: peer.holder, standing)
      if verdict != .refused { state.connections[id] = (socket, peer) }
      return verdict
    }
    switch verdict {
    case nil: return true
    case .refused:
      let answer = server.policy.words(
        503, "too many connections are open: close one, or try again in a moment")
      server.policy.note(nil, peer, answer)
      return dismiss(transport, answer)
    case .replaces(let other):
      // It is idle, or about to learn that it must end.
      server.state.withLock { $0.connections[other] }?.socket.interruptReading()
    case .admitted: break
    }
    // Proof: this thread does not touch the connection again; starting a thread publishes it.
    nonisolated(unsafe) let handed = transport
    do throws(Errno) {
      try Thread.start("https serve") {
        ServedConnection(server, id, handed, peer, standing).serve()
        server.leave(id)
      }
    } catch {
      server.leave(id)
      server.log.write("\(error)")
    }
    return true
  }

  private func dismiss(_ transport: Transport, _ answer: HTTPResponse) -> Bool {
    let now = Clock.now()
    try? transport.write(answer.bytes(closes: true), until: now)
    transport.close(until: now)
    if case .plain(let socket) = transport { socket.endWriting() }
    return false
  }
}

extension HTTPSServer {
  fileprivate func leave(_ id: UInt64) {
    state.update { state in
      state.connections[id] = nil
      state.admission.end(id)
    }
  }
}

extension HTTPSServer.Peer {
  fileprivate init(_ transport: Transport) {
    self.init(address: transport.socket.peer)
    switch transport {
    case .tls(let session):
      principal = session.peer
      validFrom = session.peerCertificate?.notBefore
      validUntil = session.peerCertificate?.notAfter
      authority = session.peerAuthority
      publicKeyDigest = session.peerPublicKeyDigest
    case .plain(let socket): user = socket.peerUser
    }
  }
}
