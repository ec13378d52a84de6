// SPDX-License-Identifier: Apache-2.0
import Files
import Glibc
import Linux
import Model
import Secrets
import Sockets
import TLS
import Threads

/// An attacker of an agent's port, for the lab's tests: holds as many connections as it is told,
/// from several addresses at once, and makes each that is closed again a second later.
///
/// `connection-flood PLACE --from ADDRESS,... --silent N --slow N --idle N --heads N --credentials
/// ones make the handshake with one of the credentials and say nothing more; heads ones then send a
/// byte a second of a request's head. It prints `ready` when each was made once, and at the end how
/// many were made, and closed by the agent.
@main enum Main {
  static func main() {
    Signals.prepare()
    do {
      let plan = try Plan(Array(CommandLine.arguments.dropFirst()))
      let total = Lock(Count())
      for (number, source) in plan.sources.enumerated() {
        try Thread.start("flood") {
          Attacker(plan, source, number, total).run()
        }
      }
      let ready = total.wait(until: plan.end) { $0.made >= plan.connections ? true : nil }
      print(ready == true ? "ready" : "never ready")
      fflush(nil)
      Clock.sleep(until: plan.end)
      let count = total.withLock { $0 }
      print("made \(count.made), closed \(count.closed), failed \(count.failed)")
      fflush(nil)
      _exit(0)
    } catch {
      let line = Array("connection-flood: \(error)\n".utf8)
      _ = write(2, line, line.count)
      exit(64)
    }
  }
}

struct Count {
  var made = 0
  var closed = 0
  var failed = 0
}

struct Plan: Sendable {
  enum Kind: Sendable { case silent, slow, idle, heads }
  struct Wrong: Error { var what: String }

  var target: SocketAddress
  var sources: [SocketAddress] = []
  var counts: [Kind: Int] = [:]
  var contexts: [TLSContext] = []
  /// The name of the node that is attacked.
  var name = "minio-1"
  var end = Instant.inMilliseconds(60_000)

  var connections: Int { counts.values.reduce(0, +) }

  init(_ arguments: [String]) throws {
    guard let first = arguments.first, let place = HostPort(first, defaultPort: 7377),
      let target = try Resolver.resolve(
        place.host, port: place.port, until: .inMilliseconds(5_000)
      ).first
    else { throw Wrong(what: "usage: connection-flood PLACE ...") }
    self.target = target
    var rest = arguments.dropFirst()
    while let option = rest.popFirst(), let value = rest.popFirst() {
      let words = value.split(separator: ",").map(String.init)
      switch option {
      case "--from":
        sources = try words.compactMap {
          try Resolver.resolve($0, port: 0, until: .inMilliseconds(5_000)).first
        }
      case "--credentials": contexts = try words.map(Self.context)
      case "--name": name = value
      case "--silent": counts[.silent] = Int(value)
      case "--slow": counts[.slow] = Int(value)
      case "--idle": counts[.idle] = Int(value)
      case "--heads": counts[.heads] = Int(value)
      case "--seconds": end = .inMilliseconds((Int(value) ?? 60) * 1_000)
      default: throw Wrong(what: option)
      }
    }
    guard !sources.isEmpty else { throw Wrong(what: "--from is missing") }
  }

  private static func context(_ directory: String) throws -> TLSContext {
    func read(_ name: String) throws -> String {
      let file = try FileReading.read("\(directory)/\(name)", limitBytes: 64 << 10)
      return String(decoding: file.bytes, as: UTF8.self)
    }
    return try TLSContext.mutual(
      certificatePEM: read("cert.pem"), keyPEM: Secret(read("key.pem")), caPEM: read("ca.pem"))
  }

  /// Who answers there.
  func expected(_ context: TLSContext) -> Principal {
    Principal(cluster: context.principal.cluster, role: .node, name: name)
  }

  /// How many connections of a kind the source with this number makes.
  func share(_ kind: Kind, of number: Int) -> Int {
    let all = counts[kind] ?? 0
    return all / sources.count + (number < all % sources.count ? 1 : 0)
  }
}
