// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Model
internal import Sockets
internal import Threads

/// A connection behind the door: requests and answers. Each has one thread.
struct ServedConnection {
  /// Why a connection ends before its client wants it to.
  private enum Ending: Error {
    case failure(HTTPSFailure)
    /// The request was answered before its body was read.
    case refused(HTTPResponse)
    /// Its place went to another one.
    case replaced
  }

  private let server: HTTPSServer
  private let id: UInt64
  private let transport: Transport
  private let peer: HTTPSServer.Peer
  private let standing: Standing
  private var bounds: HTTPSServer.Bounds { server.bounds }

  init(
    _ server: HTTPSServer, _ id: UInt64, _ transport: Transport, _ peer: HTTPSServer.Peer,
    _ standing: Standing
  ) {
    self.server = server
    self.id = id
    self.transport = transport
    self.peer = peer
    self.standing = standing
  }

  func serve() {
    var parser = HTTPRequestParser(bodyLimit: bounds.bodyBytes)
    do throws(Ending) {
      while try serveOne(&parser) {}
    } catch {
      end(error)
    }
  }

  /// False if no other may follow.
  private func serveOne(_ parser: inout HTTPRequestParser) throws(Ending) -> Bool {
    var share: BodyBudget.Share?
    defer { giveBack(share) }
    guard let request = try receive(&parser, &share) else {
      transport.close(until: .inMilliseconds(HTTPSServer.lingerMilliseconds))
      return false
    }
    guard server.state.withLock({ $0.admission.begin(id) }) else { throw .replaced }
    let response = server.policy.answer(request, peer)
    server.policy.note(request, peer, response)
    // Before the answer is sent: a client that has it may be sure that nothing of its request is
    // left.
    giveBack(share)
    share = nil
    server.state.withLock { $0.admission.rest(id) }
    let closes = request.closes || server.isStopping
    do throws(HTTPSFailure) {
      try transport.write(
        response.bytes(closes: closes), until: .inMilliseconds(bounds.transferMilliseconds))
    } catch { throw .failure(error) }
    if closes { finish() }
    return !closes
  }

  /// Waits for the next request; nil when the client has ended the connection, or was idle for too
  /// long.
  private func receive(
    _ parser: inout HTTPRequestParser, _ share: inout BodyBudget.Share?
  ) throws(Ending) -> HTTPRequest? {
    var hasBegun = !parser.isIdle
    var deadline = Instant.inMilliseconds(
      hasBegun ? bounds.transferMilliseconds : bounds.idleMilliseconds)
    while true {
      if let (head, bytes) = try parsed({ () throws(HTTPViolation) in try parser.nextHead() }),
        bytes > 0
      {
        share = try admit(head, bytes).get()
        deadline = .inMilliseconds(bounds.transferMilliseconds)
      }
      if let request = try parsed({ () throws(HTTPViolation) in try parser.next() }) {
        return request
      }
      let bytes: [UInt8]
      do throws(HTTPSFailure) {
        bytes = try transport.read(until: deadline)
      } catch {
        if !hasBegun && (error.isTimeout || error.isClosed) { return nil }
        throw .failure(error)
      }
      if bytes.isEmpty { return nil }
      parser.feed(bytes)
      if !hasBegun {
        hasBegun = true
        deadline = .inMilliseconds(bounds.transferMilliseconds)
      }
    }
  }

  private func parsed<Result>(
    _ parse: () throws(HTTPViolation) -> Result
  ) throws(Ending) -> Result {
    do throws(HTTPViolation) { return try parse() } catch {
      throw .failure(.malformed(error, from: transport.socket.peer.text))
    }
  }

  /// Decides on a body before it is read, and waits until there is memory for it.
  private func admit(_ head: HTTPRequest, _ bytes: Int) -> Result<BodyBudget.Share, Ending> {
    switch server.policy.body(head, peer) {
    case .refused(let answer): return refused(head, answer)
    case .taken(let limit) where bytes > limit:
      return refused(
        head, server.policy.words(413, "the body has \(bytes) bytes, \(limit) are allowed here"))
    case .taken: break
    }
    let share = server.state.wait(until: .inMilliseconds(bounds.bodyWaitMilliseconds)) { state in
      state.isStopping ? nil : state.budget.take(bytes, holder: peer.holder, standing)
    }
    if let share { return .success(share) }
    return refused(
      head,
      server.policy.words(
        503, "there is no memory for a body of \(bytes) bytes now: try again in a moment"))
  }

  private func refused(
    _ head: HTTPRequest, _ answer: HTTPResponse
  ) -> Result<BodyBudget.Share, Ending> {
    server.policy.note(head, peer, answer)
    return .failure(.refused(answer))
  }

  private func giveBack(_ share: BodyBudget.Share?) {
    guard let share else { return }
    server.state.update { $0.budget.giveBack(share) }
  }

  /// Answers what was wrong as far as there is anybody to tell, and ends the connection.
  private func end(_ ending: Ending) {
    if server.isStopping { return }
    let answer: HTTPResponse
    switch ending {
    case .replaced: return transport.close(until: .inMilliseconds(HTTPSServer.lingerMilliseconds))
    case .refused(let its): answer = its
    case .failure(.malformed(let violation, let place)):
      server.log.write("request of \(place) refused: \(violation)")
      answer = .text(violation.status, violation.reason)
    case .failure(let failure) where failure.isTimeout:
      server.log.write("request of \(transport.socket.peer) took too long")
      answer = .text(408, "the request took too long")
    case .failure(let failure):
      if !failure.isClosed { server.log.write("\(failure)") }
      return
    }
    let deadline = Instant.inMilliseconds(HTTPSServer.lingerMilliseconds)
    do throws(HTTPSFailure) {
      try transport.write(answer.bytes(closes: true), until: deadline)
    } catch { return }  // It is gone; there is nobody to tell.
    finish()
  }

  private func finish() {
    let deadline = Instant.inMilliseconds(HTTPSServer.lingerMilliseconds)
    transport.close(until: deadline)
    transport.socket.finish(until: deadline)
  }
}
