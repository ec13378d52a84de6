import LinuxIO
import Model
import Testing

@testable import KeyManager
@testable import Probes

@Suite struct ConnectionAttemptTests {
  private let listener: Listener

  init() throws { listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0)) }

  /// Listens at 127.0.0.1 only: every other address of the loopback network refuses.
  private func attempt(_ hosts: [String]) throws -> ConnectionAttempt {
    let deadline = Instant.inMilliseconds(10_000)
    let addresses = try hosts.flatMap {
      try Resolver.resolve($0, port: listener.address.port, until: deadline)
    }
    return ConnectionAttempt(to: addresses, until: deadline)
  }

  @Test("an address that answers is fine")
  func fine() throws {
    let attempt = try attempt(["127.0.0.1"])
    #expect(attempt.verdict == .fine)
    #expect(attempt.socket?.peer == listener.address)
    #expect(attempt.detail == "connected to \(listener.address)")
  }

  @Test("one address of several that refuses is degraded, named, and passed over")
  func oneRefuses() throws {
    for hosts in [["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"]] {
      let attempt = try attempt(hosts)
      #expect(attempt.verdict == .degraded)
      #expect(attempt.socket?.peer == listener.address)
      #expect(attempt.detail.contains("127.0.0.2:\(listener.address.port): connection refused"))
    }
  }

  @Test("when every address refuses, each is named")
  func allRefuse() throws {
    let attempt = try attempt(["127.0.0.2", "127.0.0.3"])
    #expect(attempt.verdict == .failed)
    #expect(attempt.reason == nil)
    #expect(attempt.socket == nil)
    #expect(attempt.detail.contains("127.0.0.2:") && attempt.detail.contains("127.0.0.3:"))
  }

  @Test("a deadline that is over is a failure in time")
  func late() throws {
    let address = try Resolver.resolve("192.0.2.1", port: 1, until: .inMilliseconds(1_000))
    let attempt = ConnectionAttempt(to: address, until: .inMilliseconds(0))
    #expect(attempt.verdict == .failed)
    #expect(attempt.socket == nil)
  }
}
