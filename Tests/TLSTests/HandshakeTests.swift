// SPDX-License-Identifier: Apache-2.0
import Model
import Sockets
@testable import StandInTransport
@testable import TLS
import TestSupport
import Testing
import Threads

/// How both ends of one connection came out.
struct Ends<Server: Sendable, Client> {
  var server: Result<Server, TLSFailure>
  var client: Result<Client, TLSFailure>
}

/// Connects over the loopback; `server` runs on a thread of its own, `client` on this one.
func connect<Server: Sendable, Client>(
  server: @escaping @Sendable (Socket, Instant) throws(TLSFailure) -> Server,
  client: (Socket, Instant) throws(TLSFailure) -> Client
) throws -> Ends<Server, Client> {
  let deadline = Instant.inMilliseconds(20_000)
  let listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
  let outcome = Lock<Result<Server, TLSFailure>?>(nil)
  try Thread.start("test server") {
    guard let socket = try? listener.accept() else { return }
    let result = Result { () throws(TLSFailure) in try server(socket, deadline) }
    socket.finish(until: deadline)
    outcome.update { $0 = result }
  }
  let socket = try Socket.connect(to: listener.address, until: deadline)
  let result = Result { () throws(TLSFailure) in try client(socket, deadline) }
  socket.interrupt()
  let ended = outcome.wait(until: deadline) { $0 }
  return Ends(server: try #require(ended), client: result)
}

extension Result {
  var failure: Failure? { if case .failure(let failure) = self { failure } else { nil } }
}

/// The PKI of one cluster and a stranger's, made once.
struct Fixture {
  let ca: CertificateAuthority
  let otherCA: CertificateAuthority

  static let shared = Result { () throws(CertificateFailure) in
    Fixture(ca: try .create(cluster: "prod"), otherCA: try .create(cluster: "prod"))
  }

  func context(
    _ role: Role, _ name: String, ca: CertificateAuthority? = nil,
    trusting: CertificateAuthority? = nil,
    validSeconds: ClosedRange<Int> = -300...3600
  ) throws -> TLSContext {
    let own = try (ca ?? self.ca).issue(
      role: role, name: name, addresses: ["127.0.0.1", "localhost"], validSeconds: validSeconds)
    return try .mutual(
      certificatePEM: own.certificatePEM, keyPEM: own.keyPEM,
      caPEM: (trusting ?? self.ca).credentials.certificatePEM)
  }
}

/// Accepts, says hello, and gives who came.
private func greeting(
  _ context: TLSContext
) -> @Sendable (Socket, Instant) throws(TLSFailure) -> Principal? {
  { socket, deadline throws(TLSFailure) in
    let session = try context.accept(over: socket, until: deadline)
    try session.write(Array("hello".utf8), until: deadline)
    session.close(until: deadline)
    return session.peer
  }
}

/// Reads to the orderly end.
private func all(_ session: TLSSession, _ deadline: Instant) throws(TLSFailure) -> String {
  var text: [UInt8] = []
  while true {
    let bytes = try session.read(upTo: 1_000, until: deadline)
    if bytes.isEmpty { return String(decoding: text, as: UTF8.self) }
    text += bytes
  }
}

@Suite struct HandshakeTests {
  private let minio2 = Principal(cluster: "prod", role: .node, name: "minio-2")

  private func handshake(
    server: TLSContext, client: TLSContext, expecting: Principal? = nil
  ) throws -> Ends<Principal?, String> {
    try connect(server: greeting(server)) { socket, deadline throws(TLSFailure) in
      let session = try client.connect(
        over: socket, expecting: expecting ?? minio2, until: deadline)
      return try all(session, deadline)
    }
  }

  @Test("both sides learn who the other is, and bytes get through")
  func works() throws {
    let fixture = try Fixture.shared.get()
    let ends = try handshake(
      server: fixture.context(.node, "minio-2"), client: fixture.context(.operator, "ann"))
    #expect(try ends.client.get() == "hello")
    #expect(try ends.server.get() == Principal(cluster: "prod", role: .operator, name: "ann"))
  }

  @Test("much data in both directions arrives whole")
  func muchData() throws {
    let fixture = try Fixture.shared.get()
    let (server, client) = try (
      fixture.context(.node, "minio-2"), fixture.context(.node, "minio-1")
    )
    let count = 1 << 20
    let ends = try connect { socket, deadline throws(TLSFailure) in
      let session = try server.accept(over: socket, until: deadline)
      var received = 0
      while received < count {
        received += try session.read(upTo: 10_000, until: deadline).count
      }
      try session.write([UInt8](repeating: 7, count: count), until: deadline)
      session.close(until: deadline)
      return received
    } client: { socket, deadline throws(TLSFailure) in
      let session = try client.connect(over: socket, expecting: minio2, until: deadline)
      try session.write([UInt8](repeating: 7, count: count), until: deadline)
      return try all(session, deadline)
    }
    #expect(try ends.server.get() == count)
    #expect(try ends.client.get().utf8.count == count)
  }

  @Test(
    "a server that is somebody else is told apart, whatever its address",
    arguments: [
      (
        Principal(cluster: "prod", role: .node, name: "minio-3"),
        "reached minio-2 instead of minio-3"
      ),
      (
        Principal(cluster: "test", role: .node, name: "minio-2"),
        "reached keyturn://prod/node/minio-2 instead of keyturn://test/node/minio-2"
      ),
      (
        Principal(cluster: "prod", role: .witness, name: "minio-2"),
        "keyturn://prod/witness/minio-2"
      ),
    ])
  func unexpected(_ expected: Principal, _ words: String) throws {
    let fixture = try Fixture.shared.get()
    let ends = try handshake(
      server: fixture.context(.node, "minio-2"), client: fixture.context(.operator, "ann"),
      expecting: expected)
    let failure = try #require(ends.client.failure)
    #expect(failure.kind == .unexpectedPeer && failure.description.contains(words))
  }

  @Test("a client of another CA is refused in the handshake, and learns that")
  func otherClientCA() throws {
    let fixture = try Fixture.shared.get()
    let ends = try handshake(
      server: fixture.context(.node, "minio-2"),
      client: fixture.context(.operator, "ann", ca: fixture.otherCA))
    #expect(ends.server.failure?.kind == .unknownAuthority)
    #expect(ends.client.failure?.kind == .refusedByPeer)
  }

  @Test("a server of another CA is refused, and the message names its certificate")
  func otherServerCA() throws {
    let fixture = try Fixture.shared.get()
    let ends = try handshake(
      server: fixture.context(.node, "minio-2"),
      client: fixture.context(.operator, "ann", trusting: fixture.otherCA))
    let failure = try #require(ends.client.failure)
    #expect(failure.kind == .unknownAuthority)
    #expect(failure.description.contains("CN=minio-2"))
    #expect(ends.server.failure?.kind == .refusedByPeer)
  }

  @Test(
    "a certificate that has expired, or is not valid yet, is refused by either side",
    arguments: [
      (-7200 ... -3600, TLSFailure.Kind.certificateExpired),
      (3600...7200, .certificateNotYetValid),
    ])
  func validity(_ range: ClosedRange<Int>, _ kind: TLSFailure.Kind) throws {
    let fixture = try Fixture.shared.get()
    let (server, client) = try (
      fixture.context(.node, "minio-2"), fixture.context(.operator, "ann")
    )
    let badClient = try handshake(
      server: server, client: fixture.context(.operator, "ann", validSeconds: range))
    #expect(badClient.server.failure?.kind == kind)
    #expect(badClient.client.failure?.kind == .refusedByPeer)
    let badServer = try handshake(
      server: fixture.context(.node, "minio-2", validSeconds: range), client: client)
    #expect(badServer.client.failure?.kind == kind)
    #expect(
      badServer.client.failure?.description.contains(
        kind == .certificateExpired ? "expired" : "valid only in") == true)
  }

  @Test("an operator's certificate cannot serve")
  func purpose() throws {
    let fixture = try Fixture.shared.get()
    let ends = try handshake(
      server: fixture.context(.operator, "ann"), client: fixture.context(.operator, "bob"),
      expecting: Principal(cluster: "prod", role: .operator, name: "ann"))
    #expect(ends.client.failure?.kind == .certificateRefused)
  }

  @Test("a client without a certificate is refused, and learns that one is required")
  func noClientCertificate() throws {
    let fixture = try Fixture.shared.get()
    let probe = try ProbeTLSContext.verifying(
      extraRootsPEM: [fixture.ca.credentials.certificatePEM])
    let ends = try connect(server: greeting(fixture.context(.node, "minio-2"))) {
      socket, deadline throws(TLSFailure) in
      let session = try probe.connect(over: socket, host: "127.0.0.1", until: deadline)
      return try all(session, deadline)
    }
    #expect(ends.server.failure?.kind == .noCertificate)
    #expect(ends.client.failure?.kind == .certificateRequired)
  }

  @Test("TLS 1.2 is refused on Keyturn's own links")
  func tls12() throws {
    let fixture = try Fixture.shared.get()
    let context = try fixture.context(.node, "minio-2")
    let listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
    let outcome = Lock<TLSFailure?>(nil)
    try Thread.start("test server") {
      guard let socket = try? listener.accept() else { return }
      do throws(TLSFailure) {
        _ = try context.accept(over: socket, until: .inMilliseconds(5_000))
      } catch { outcome.update { $0 = error } }
      socket.finish(until: .inMilliseconds(1_000))
    }
    let client = try Subprocess.run(
      "/usr/bin/openssl", ["s_client", "-tls1_2", "-connect", listener.address.text],
      until: .inMilliseconds(10_000))
    #expect(client.status != 0)
    #expect(client.stderr.contains("protocol version"))
    #expect(outcome.wait(until: .inMilliseconds(5_000)) { $0 }?.kind == .protocolVersion)
  }

  @Test(
    "what is not TLS is told apart on the server",
    arguments: [
      ("GET / HTTP/1.1\r\nhost: h\r\n\r\n", TLSFailure.Kind.plainHTTP),
      ("SSH-2.0-OpenSSH_9.2p1\r\n", .notTLS),
    ])
  func plaintextToServer(_ text: String, _ kind: TLSFailure.Kind) throws {
    let fixture = try Fixture.shared.get()
    let ends = try connect(server: greeting(fixture.context(.node, "minio-2"))) {
      socket, deadline throws(TLSFailure) in
      try? socket.write(Array(text.utf8), until: deadline)
      _ = try? socket.read(upTo: 100, until: deadline)
    }
    #expect(ends.server.failure?.kind == kind)
  }

  @Test("a server that speaks plain HTTP is told apart by the client")
  func plaintextServer() throws {
    let fixture = try Fixture.shared.get()
    let client = try fixture.context(.operator, "ann")
    let ends = try connect { socket, deadline throws(TLSFailure) in
      try? socket.write(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), until: deadline)
    } client: { socket, deadline throws(TLSFailure) in
      _ = try client.connect(over: socket, expecting: minio2, until: deadline)
    }
    #expect(ends.client.failure?.kind == .plainHTTP)
  }

  @Test("a peer that says nothing runs into the deadline, one that leaves is noticed")
  func silence() throws {
    let fixture = try Fixture.shared.get()
    let (server, client) = try (
      fixture.context(.node, "minio-2"), fixture.context(.operator, "ann")
    )
    let silent = try connect { socket, deadline throws(TLSFailure) in
      _ = try server.accept(over: socket, until: .inMilliseconds(50))
    } client: { socket, deadline throws(TLSFailure) in
      _ = try? socket.read(upTo: 1, until: deadline)
    }
    #expect(silent.server.failure?.kind == .timedOut)
    let gone = try connect { socket, _ throws(TLSFailure) in
      socket.interrupt()
    } client: { socket, deadline throws(TLSFailure) in
      _ = try client.connect(over: socket, expecting: minio2, until: deadline)
    }
    #expect(gone.client.failure?.kind == .closed)
  }

  @Test("an end without TLS's own is a failure, not the end of the data")
  func truncation() throws {
    let fixture = try Fixture.shared.get()
    let (server, client) = try (
      fixture.context(.node, "minio-2"), fixture.context(.operator, "ann")
    )
    let ends = try connect { socket, deadline throws(TLSFailure) in
      let session = try server.accept(over: socket, until: deadline)
      try session.write(Array("hel".utf8), until: deadline)
    } client: { socket, deadline throws(TLSFailure) in
      let session = try client.connect(over: socket, expecting: minio2, until: deadline)
      return try all(session, deadline)
    }
    #expect(ends.client.failure?.kind == .closed)
  }
}

@Suite struct ProbeTests {
  private func probe(
    _ context: ProbeTLSContext, host: String, name: String = "kms-1",
    addresses: [String] = ["127.0.0.1", "localhost"], _ fixture: Fixture
  ) throws -> Ends<[UInt8]?, CertificateInfo?> {
    let own = try fixture.ca.issue(role: .node, name: name, addresses: addresses)
    let server = try StandInTLSContext.acceptingAnyClient(
      certificatePEM: own.certificatePEM, keyPEM: own.keyPEM)
    return try connect { socket, deadline throws(TLSFailure) in
      let session = try server.accept(over: socket, until: deadline)
      session.close(until: deadline)
      return session.peerPublicKeyDigest
    } client: { socket, deadline throws(TLSFailure) in
      try context.connect(over: socket, host: host, until: deadline).peerCertificate
    }
  }

  @Test("the name or address that was asked for must be in the certificate")
  func names() throws {
    let fixture = try Fixture.shared.get()
    let context = try ProbeTLSContext.verifying(
      extraRootsPEM: [fixture.ca.credentials.certificatePEM])
    for host in ["localhost", "127.0.0.1"] {
      let ends = try probe(context, host: host, fixture)
      #expect(try ends.client.get()?.subject.contains("CN=kms-1") == true)
      #expect(try ends.server.get() == nil)
    }
    for host in ["kms-1", "127.0.0.2"] {
      let ends = try probe(context, host: host, fixture)
      #expect(ends.client.failure?.kind == .nameMismatch)
    }
    // The common name counts for nothing.
    let common = try probe(context, host: "localhost", name: "localhost", addresses: [], fixture)
    #expect(common.client.failure?.kind == .nameMismatch)
  }

  @Test("the system's roots do not vouch for a private CA")
  func systemRoots() throws {
    let ends = try probe(.verifying(), host: "localhost", Fixture.shared.get())
    #expect(ends.client.failure?.kind == .unknownAuthority)
  }

  @Test("the pinned certificate is accepted under any name, every other is not")
  func pinned() throws {
    let fixture = try Fixture.shared.get()
    let own = try fixture.ca.issue(role: .node, name: "minio-1")
    let context = try ProbeTLSContext.pinned(leafPEM: own.certificatePEM)
    let server = try StandInTLSContext.acceptingAnyClient(
      certificatePEM: own.certificatePEM, keyPEM: own.keyPEM)
    let ends = try connect { socket, deadline throws(TLSFailure) in
      try server.accept(over: socket, until: deadline).close(until: deadline)
    } client: { socket, deadline throws(TLSFailure) in
      try context.connect(over: socket, host: "anything", until: deadline).peerCertificate?.subject
    }
    #expect(try ends.client.get() == "CN=minio-1,OU=node,O=prod")
    let other = try probe(context, host: "localhost", fixture)
    #expect(other.client.failure?.kind == .unexpectedPeer)
  }

  @Test(
    "a raw key's self-signed certificate is shown, and known by its public key",
    arguments: [
      ClientCertificate.RawKey.ed25519(seed: [UInt8](0..<32)),
      .ecdsa(scalar: [UInt8](1...32)), .ecdsa(scalar: [UInt8](1...48)),
      .ecdsa(scalar: [0, 1] + [UInt8](1...64)),
    ])
  func clientCertificate(_ key: ClientCertificate.RawKey) throws {
    let fixture = try Fixture.shared.get()
    let client = try ClientCertificate.selfSigned(key, commonName: "h1:test")
    let context = try ProbeTLSContext.verifying(
      extraRootsPEM: [fixture.ca.credentials.certificatePEM], client: client)
    let ends = try probe(context, host: "localhost", fixture)
    let info = try CertificateInfo(pem: client.certificatePEM)
    #expect(try ends.server.get() == info.publicKeyDigest)
    #expect(info.subject == "CN=h1:test" && info.issuer == info.subject)
  }

  @Test(
    "a raw key that is none is refused",
    arguments: [
      ClientCertificate.RawKey.ed25519(seed: [1]), .ecdsa(scalar: [1]),
      .ecdsa(scalar: [UInt8](repeating: 0, count: 32)),
      .ecdsa(scalar: [UInt8](repeating: 0xFF, count: 32)),
    ])
  func badKey(_ key: ClientCertificate.RawKey) {
    #expect(throws: CertificateFailure.self) {
      try ClientCertificate.selfSigned(key, commonName: "x")
    }
  }
}
