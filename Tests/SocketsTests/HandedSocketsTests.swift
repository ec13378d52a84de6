// SPDX-License-Identifier: Apache-2.0
import Glibc
@testable import Linux
import Model
@testable import Sockets
import Testing
import Threads

@Suite struct HandedSocketsTests {
  @Test("sockets are this process' only if they are said to be")
  func count() {
    func count(_ pid: String?, _ fds: String?) -> Int32 {
      HandedSockets.count(
        in: ["LISTEN_PID": pid, "LISTEN_FDS": fds].compactMapValues(\.self), process: 42)
    }
    #expect(count("42", "1") == 1)
    #expect(count("42", "1023") == 1_023)
    for (pid, fds) in [
      ("41", "1"), ("42", "0"), ("42", "-1"), ("42", "1024"), ("42", "x"), ("x", "1"), ("", ""),
    ] { #expect(count(pid, fds) == 0) }
    #expect(count(nil, "1") == 0)
    #expect(count("42", nil) == 0)
  }

  /// A socket that listens on the loopback, not through a Listener.
  private func socketOfManager() throws -> FileDescriptor {
    let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let descriptor = FileDescriptor(owning: raw)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let bound = withUnsafeBytes(of: &address) { bytes in
      bytes.withMemoryRebound(to: sockaddr.self) {
        bind(raw, $0.baseAddress, socklen_t(bytes.count))
      }
    }
    try #require(bound == 0 && listen(raw, 16) == 0)
    return descriptor
  }

  @Test("a socket that was handed over goes on listening when its program has stopped")
  func goesOn() throws {
    let soon = Instant.inMilliseconds(10_000)
    let manager = try socketOfManager()
    let first = try Listener.adopting(FileDescriptor(owning: dup(manager.raw)))
    first.shutdown()
    #expect(try first.accept() == nil)
    // Between two programs connections wait.
    let client = try Socket.connect(to: first.address, until: soon)
    try client.write([1], until: soon)
    let second = try Listener.adopting(FileDescriptor(owning: dup(manager.raw)))
    #expect(try second.accept()?.read(upTo: 1, until: soon) == [1])
    #expect(second.address == first.address)
    withExtendedLifetime(manager.raw) {}
  }

  @Test("what does not listen is refused")
  func other() throws {
    #expect(throws: Errno.self) {
      try Listener.adopting(FileDescriptor(owning: socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)))
    }
    #expect(throws: Errno.self) {
      try Listener.adopting(FileDescriptor(owning: open("/dev/null", O_RDONLY)))
    }
  }

  @Test("a source is an IPv4 address, however it is written, or an IPv6 network of 64 bits")
  func sources() throws {
    func address(_ host: String) throws -> SocketAddress {
      try #require(try Resolver.resolve(host, port: 1, until: .inMilliseconds(5_000)).first)
    }
    func source(_ host: String) throws -> SourceNetwork { try address(host).sourceNetwork }
    #expect(try address("::ffff:10.0.0.1").text == "10.0.0.1:1")
    #expect(try address("fd00::1").text == "[fd00::1]:1")
    #expect(try source("10.0.0.1") == source("::ffff:10.0.0.1"))
    #expect(try source("10.0.0.1") == SourceNetwork(number: 0x0A00_0001))
    #expect(try source("10.0.0.1") != source("10.0.0.2"))
    #expect(try source("::ffff:10.0.0.1") != source("::ffff:10.0.0.2"))
    #expect(try source("fd00::1") == source("fd00::ffff:1"))
    #expect(try source("fd00::1") != source("fd00:0:0:1::1"))
  }
}
