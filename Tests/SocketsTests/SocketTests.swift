// SPDX-License-Identifier: Apache-2.0
import Linux
import Model
import Sockets
import Testing
import Threads

@Suite struct SocketTests {
  private let deadline = Instant.inMilliseconds(5_000)

  private func bind() throws -> Listener {
    try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
  }

  @Test("bytes get through, and the end of the stream comes after them")
  func transfer() throws {
    let listener = try bind()
    let deadline = deadline
    try Thread.start("test peer") {
      guard let socket = try? listener.accept() else { return }
      while let bytes = try? socket.read(upTo: 1000, until: deadline), !bytes.isEmpty {
        try? socket.write(bytes, until: deadline)
        if bytes.last == 0 { return }
      }
    }
    let socket = try Socket.connect(to: listener.address, until: deadline)
    #expect(socket.peer == listener.address && listener.address.port != 0)
    #expect(socket.peer.text == "127.0.0.1:\(listener.address.port)")
    let sent = [UInt8](repeating: 1, count: 1 << 16) + [0]
    try socket.write(sent, until: deadline)
    var received: [UInt8] = []
    while true {
      let bytes = try socket.read(upTo: 1 << 16, until: deadline)
      if bytes.isEmpty { break }
      received += bytes
    }
    #expect(received == sent)
  }

  @Test("a port where nothing listens refuses")
  func refused() throws {
    let address = try bind().address  // released at once
    #expect(throws: SocketFailure.refused("connect to \(address)")) {
      try Socket.connect(to: address, until: deadline)
    }
  }

  @Test("a peer that does not read, and one that does not write, run into the deadline")
  func deadlines() throws {
    let listener = try bind()
    let socket = try Socket.connect(to: listener.address, until: deadline)
    #expect(throws: SocketFailure.timedOut("read from \(socket.peer)")) {
      try socket.read(upTo: 1, until: .inMilliseconds(20))
    }
    #expect(throws: SocketFailure.timedOut("write to \(socket.peer)")) {
      try socket.write([UInt8](repeating: 0, count: 64 << 20), until: .inMilliseconds(20))
    }
  }

  @Test("a deadline that has passed counts even if there is something to read")
  func past() throws {
    // Otherwise a peer that never stops sending could outrun it.
    let listener = try bind()
    let socket = try Socket.connect(to: listener.address, until: deadline)
    try #require(try listener.accept()).write([1, 2], until: deadline)
    #expect(try socket.read(upTo: 1, until: deadline) == [1])
    #expect(socket.isReadable)
    #expect(throws: SocketFailure.timedOut("read from \(socket.peer)")) {
      try socket.read(upTo: 1, until: .inMilliseconds(0))
    }
  }

  @Test("a write to a peer that has gone fails without a signal")
  func gone() throws {
    let listener = try bind()
    let socket = try Socket.connect(to: listener.address, until: deadline)
    try #require(try listener.accept()).interrupt()
    #expect(throws: SocketFailure.closed("write to \(socket.peer)")) {
      while true { try socket.write([UInt8](repeating: 0, count: 1 << 16), until: deadline) }
    }
  }

  @Test("an interrupted read ends; what is written still goes out")
  func interrupted() throws {
    let listener = try bind()
    let client = try Socket.connect(to: listener.address, until: deadline)
    let server = try #require(try listener.accept())
    let deadline = deadline
    let ended = Lock(false)
    try Thread.start("test reader") {
      let bytes = try? server.read(upTo: 1, until: deadline)
      ended.update { $0 = bytes == [] }
    }
    server.interruptReading()
    #expect(ended.wait(until: deadline) { $0 ? true : nil } == true)
    try server.write([7], until: deadline)
    #expect(try client.read(upTo: 9, until: deadline) == [7])
  }

  @Test("shutdown ends an accept that waits, and every later one")
  func shutdown() throws {
    let listener = try bind()
    let ended = Lock(false)
    try Thread.start("test accept") {
      do throws(Errno) {
        let nothing = try listener.accept() == nil
        ended.update { $0 = nothing }
      } catch { Issue.record("\(error)") }
    }
    listener.shutdown()
    #expect(ended.wait(until: deadline) { $0 ? true : nil } == true)
    #expect(try listener.accept() == nil)
  }

  @Test("a port in use is refused with its address")
  func inUse() throws {
    let listener = try bind()
    #expect {
      _ = try Listener.bind(HostPort(host: "127.0.0.1", port: listener.address.port))
    } throws: { "\($0)" == "listen on \(listener.address): Address already in use" }
  }

  @Test(
    "addresses in figures and names are resolved",
    arguments: [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("localhost", ":80")])
  func resolve(_ host: String, _ text: String) throws {
    let addresses = try Resolver.resolve(host, port: 80, until: deadline)
    #expect(addresses.contains { $0.text.hasSuffix(text) })
  }

  @Test("a name that does not exist, or needs longer than the deadline, is no address")
  func unresolved() {
    #expect(throws: SocketFailure.self) {
      try Resolver.resolve("no-such-host.invalid", port: 80, until: deadline)
    }
    #expect(throws: SocketFailure.timedOut("look up no-such-host.invalid")) {
      try Resolver.resolve("no-such-host.invalid", port: 80, until: .inMilliseconds(0))
    }
  }
}
