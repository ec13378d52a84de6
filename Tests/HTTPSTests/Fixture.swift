// SPDX-License-Identifier: Apache-2.0
import HTTP
import HTTPS
import Model
import Sockets
import TLS
import Testing
import Threads

/// The PKI of a cluster and a stranger's with the same names, made once.
struct Fixture {
  let ca: CertificateAuthority
  let otherCA: CertificateAuthority
  let server: TLSContext
  let client: TLSContext

  static let shared = Result {
    let ca = try CertificateAuthority.create(cluster: "prod")
    let fixture = Fixture(
      ca: ca, otherCA: try .create(cluster: "prod"),
      server: try context(ca, ca, .node, "minio-1"), client: try context(ca, ca, .operator, "ann"))
    return fixture
  }

  static func context(
    _ ca: CertificateAuthority, _ trusted: CertificateAuthority, _ role: Role, _ name: String
  ) throws -> TLSContext {
    let own = try ca.issue(role: role, name: name)
    return try .mutual(
      certificatePEM: own.certificatePEM, keyPEM: own.keyPEM,
      caPEM: trusted.credentials.certificatePEM)
  }
}

/// A server on a free port of the loopback, stopped at the end of the test.
final class Running {
  let server: HTTPSServer
  let log = Lock<[String]>([])
  let fixture: Fixture
  let identity: TLSIdentity
  private let minio1 = Principal(cluster: "prod", role: .node, name: "minio-1")

  convenience init(
    bounds: HTTPSServer.Bounds = HTTPSServer.Bounds(),
    handler: @escaping @Sendable (HTTPRequest, Principal, SocketAddress) -> HTTPResponse
  ) throws {
    try self.init(
      bounds: bounds,
      policy: ServingPolicy { request, peer in
        peer.principal.map { handler(request, $0, peer.address) } ?? .text(500, "nobody")
      })
  }

  init(bounds: HTTPSServer.Bounds = HTTPSServer.Bounds(), policy: ServingPolicy) throws {
    fixture = try Fixture.shared.get()
    // With a list of revoked certificates of its own.
    identity = TLSIdentity(try Fixture.context(fixture.ca, fixture.ca, .node, "minio-1"))
    server = try HTTPSServer.start(
      listener: .bind(HostPort(host: "127.0.0.1", port: 0)), identity: identity,
      bounds: bounds, policy: policy, log: { [log] line in log.update { $0.append(line) } })
  }
  deinit { server.stop(until: .inMilliseconds(5_000)) }

  var place: HostPort { HostPort(host: "127.0.0.1", port: server.address.port) }

  func client(_ context: TLSContext? = nil) -> HTTPSClient {
    HTTPSClient(place, context: context ?? fixture.client, expecting: minio1)
  }

  /// A bare TLS session, to send what no client would.
  func session(_ context: TLSContext? = nil) throws -> TLSSession {
    let deadline = Instant.inMilliseconds(5_000)
    let socket = try Socket.connect(to: server.address, until: deadline)
    return try (context ?? fixture.client).connect(
      over: socket, expecting: minio1, until: deadline)
  }

  /// Sends text and reads to the end of the connection.
  func raw(_ text: String) throws -> String {
    let session = try session()
    try session.write(Array(text.utf8), until: .inMilliseconds(5_000))
    var answer: [UInt8] = []
    while true {
      let bytes = try session.read(upTo: 4096, until: .inMilliseconds(5_000))
      if bytes.isEmpty { return String(decoding: answer, as: UTF8.self) }
      answer += bytes
    }
  }
}
