// SPDX-License-Identifier: Apache-2.0
import Model
import Sockets
import Threads

/// Passes connections on to a host, and counts their bytes.
final class Relay: Sendable {
  struct Bytes {
    var sent = 0
    var received = 0
    fileprivate var directions = 0
  }

  var port: UInt16 { listener.address.port }

  private let listener: Listener
  private let target: HostPort
  private let bytes = Lock(Bytes())

  /// Blocks until it listens.
  init(to target: HostPort) throws {
    self.target = target
    listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
    try Thread.start("relay") { [self] in
      while let socket = try? listener.accept() { pass(socket) }
    }
  }

  /// What has passed since this was asked last. Blocks until all connections have ended.
  func take() -> Bytes {
    bytes.wait(until: nil) { bytes in
      guard bytes.directions == 0 else { return nil }
      defer { bytes = Bytes() }
      return bytes
    } ?? Bytes()
  }

  private func pass(_ client: Socket) {
    do {
      let deadline = Instant.inMilliseconds(10_000)
      let address = try Resolver.resolve(target.host, port: target.port, until: deadline)[0]
      let host = try Socket.connect(to: address, until: deadline)
      bytes.update { $0.directions += 2 }
      try Thread.start("sent") { [self] in copy(client, to: host) { $0.sent += $1 } }
      try Thread.start("received") { [self] in copy(host, to: client) { $0.received += $1 } }
    } catch { client.interrupt() }
  }

  private func copy(_ from: Socket, to other: Socket, _ count: (inout Bytes, Int) -> Void) {
    do {
      while true {
        let read = try from.read(upTo: 64 << 10, until: .inMilliseconds(60_000))
        if read.isEmpty { break }
        bytes.update { count(&$0, read.count) }
        try other.write(read, until: .inMilliseconds(10_000))
      }
    } catch {
      // The other side has gone.
    }
    other.endWriting()
    bytes.update { $0.directions -= 1 }
  }
}
