// SPDX-License-Identifier: Apache-2.0
import HTTP
import Linux
import Model
import Sockets
import Threads

/// Answers HTTP requests, each connection on a thread of its own.
struct WebServer: Sendable {
  let listener: Listener
  let handler: @Sendable (HTTPRequest) -> HTTPResponse

  init(
    on place: HostPort, _ handler: @escaping @Sendable (HTTPRequest) -> HTTPResponse
  ) throws(SocketFailure) {
    listener = try Listener.bind(place, backlog: 1024)
    self.handler = handler
  }

  func start() throws(Errno) {
    try Thread.start("accept") { [self] in
      while true {
        let socket: Socket?
        do { socket = try listener.accept() } catch {
          Clock.sleep(until: .inMilliseconds(100))
          continue
        }
        guard let socket else { return }
        _ = try? Thread.start("connection") { serve(socket) }
      }
    }
  }

  private func serve(_ socket: Socket) {
    var parser = HTTPRequestParser(bodyLimit: 64 << 10)
    do {
      while true {
        guard let request = try parser.next() else {
          let bytes = try socket.read(upTo: 16 << 10, until: .inMilliseconds(60_000))
          if bytes.isEmpty { return }
          parser.feed(bytes)
          continue
        }
        let answer = handler(request)
        try socket.write(answer.bytes(closes: request.closes), until: .inMilliseconds(10_000))
        if request.closes { return socket.finish(until: .inMilliseconds(1_000)) }
      }
    } catch let violation as HTTPViolation {
      let answer = HTTPResponse.text(violation.status, violation.reason)
      try? socket.write(answer.bytes(closes: true), until: .inMilliseconds(1_000))
    } catch {
      // The connection is gone.
    }
  }
}
