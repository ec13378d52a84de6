// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model
import Sockets

struct Peer: Sendable {
  let place: HostPort

  /// Nil unless it answers in time. Blocks until then.
  func get(_ path: String, until deadline: Instant) -> HTTPResponse? {
    send(HTTPRequest("GET", path), until: deadline)
  }

  /// The same for any request, which may be answered with an object.
  func send(_ request: HTTPRequest, until deadline: Instant) -> HTTPResponse? {
    do {
      let addresses = try Resolver.resolve(place.host, port: place.port, until: deadline)
      guard let address = addresses.first else { return nil }
      let socket = try Socket.connect(to: address, until: deadline)
      try socket.write(request.bytes(host: place.text, closes: true), until: deadline)
      var parser = HTTPResponseParser(bodyLimit: WebServer.bodyLimit)
      while true {
        if let response = try parser.next() { return response }
        let bytes = try socket.read(upTo: 64 << 10, until: deadline)
        if bytes.isEmpty { return try parser.end() }
        parser.feed(bytes)
      }
    } catch {
      return nil
    }
  }
}
