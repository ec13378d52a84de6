// SPDX-License-Identifier: Apache-2.0
import Files
import HTTP
import HTTPS
import Model
import S3
import S3Links
import Secrets
import Sockets
import StandInTransport
import TestSupport
import Testing
import Threads

@testable import TLS

@Suite struct HTTPS3LinkTests {
  private let soon = Instant.inMilliseconds(10_000)
  private let authority: CertificateAuthority

  init() throws { authority = try CertificateAuthority.create(cluster: "prod") }

  /// A server on a free port of the loopback that tells what it got, and from whom.
  private final class Server: Sendable {
    let server: HTTPSServer
    let received = Lock<[(request: HTTPRequest, peer: String)]>([])

    init(
      _ credentials: Credentials? = nil, answer: @escaping @Sendable (HTTPRequest) -> HTTPResponse
    ) throws {
      let context = try credentials.map {
        try StandInTLSContext.acceptingAnyClient(
          certificatePEM: $0.certificatePEM, keyPEM: $0.keyPEM)
      }
      server = try StandInServer.start(
        listener: .bind(HostPort(host: "127.0.0.1", port: 0)), context: context, log: { _ in },
        handler: { [received] request, peer in
          received.update { $0.append((request, peer.address.text)) }
          return answer(request)
        })
    }
    deinit { server.stop(until: .inMilliseconds(5_000)) }

    var port: UInt16 { server.address.port }
    var requests: [HTTPRequest] { received.withLock { $0.map(\.request) } }
    /// Connections that requests came over.
    var peers: Set<String> { received.withLock { Set($0.map(\.peer)) } }

    func target(_ host: String = "127.0.0.1", isSecure: Bool = false) -> S3Target {
      S3Endpoint(isSecure: isSecure, place: HostPort(host: host, port: port)).target(nil)
    }
  }

  private func link(
    _ authorities: [String] = [], _ environment: KeyValuePairs<String, String> = [:]
  ) throws -> HTTPS3Link {
    HTTPS3Link(
      try .verifying(extraRootsPEM: authorities),
      environment: environment.map { EnvironmentVariable(name: $0, value: $1) })
  }

  @Test(
    "requests of all methods go over one connection; a HEAD has no body, whatever its length says")
  func oneConnection() throws {
    let server = try Server { request in
      HTTPResponse(200, body: request.method == "HEAD" ? [] : Array("body".utf8))
    }
    let link = try link()
    for method in ["HEAD", "GET", "PUT", "HEAD", "DELETE", "GET"] {
      let answer = try link.exchange(
        HTTPRequest(method, "/data"), with: server.target(), until: soon)
      #expect(answer.status == 200)
      #expect(answer.body.isEmpty == (method == "HEAD"))
    }
    #expect(server.peers.count == 1)
  }

  @Test("a connection that the server has ended is made again")
  func ended() throws {
    let server = try Server { _ in HTTPResponse(200, headers: ["connection": "close"]) }
    let link = try link()
    for _ in 0..<3 {
      _ = try link.exchange(HTTPRequest("GET", "/"), with: server.target(), until: soon)
    }
    #expect(server.requests.count == 3)
  }

  @Test("a request over a kept connection that ends without an answer may have arrived")
  func stale() throws {
    let listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
    let target = S3Endpoint(
      isSecure: false, place: HostPort(host: "127.0.0.1", port: listener.address.port)
    ).target(nil)
    try Thread.start("server") { [soon] in
      guard let client = try? listener.accept() else { return }
      _ = try? client.read(upTo: 64 << 10, until: soon)
      try? client.write(Array("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".utf8), until: soon)
      // The request is taken, and never answered.
      _ = try? client.read(upTo: 64 << 10, until: soon)
      listener.shutdown()
    }
    let link = try link()
    _ = try link.exchange(HTTPRequest("GET", "/"), with: target, until: soon)
    let lost = #expect(throws: S3LinkFailure.self) {
      try link.exchange(HTTPRequest("PUT", "/o"), with: target, until: self.soon)
    }
    #expect(lost?.mayHaveArrived == true && lost?.kind == .staleConnection)
    let refused = #expect(throws: S3LinkFailure.self) {
      try link.exchange(HTTPRequest("PUT", "/o"), with: target, until: self.soon)
    }
    #expect(refused?.mayHaveArrived == false && refused?.kind == .other)
  }

  @Test("a proxy that is away is told as the proxy, and which one answers http is known")
  func proxyAway() throws {
    let target = S3Endpoint(
      isSecure: false, place: HostPort(host: "minio.invalid", port: 80)
    ).target(nil)
    let link = try link([], ["HTTP_PROXY": "http://ann:secret@127.0.0.1:1"])
    let refused = #expect(throws: S3LinkFailure.self) {
      try link.exchange(HTTPRequest("GET", "/"), with: target, until: self.soon)
    }
    #expect(refused?.text.hasPrefix("the proxy http://127.0.0.1:1, on the way to minio") == true)
    #expect(refused?.remedy?.contains("NO_PROXY") == true)
    #expect(link.proxy(to: target) == "http://127.0.0.1:1")
    #expect(link.proxy(to: S3Endpoint(isSecure: true, place: target.place).target(nil)) == nil)
  }

  @Test(
    "over https the server must have a certificate of an authority that is trusted, for its name")
  func trust() throws {
    let own = try authority.issue(role: .node, name: "minio-1", addresses: ["127.0.0.1"])
    let server = try Server(own) { _ in HTTPResponse(204) }
    let root = authority.credentials.certificatePEM
    let target = server.target(isSecure: true)
    let answer = try link([root]).exchange(HTTPRequest("GET", "/"), with: target, until: soon)
    #expect(answer.status == 204)
    let stranger = #expect(throws: S3LinkFailure.self) {
      try self.link().exchange(HTTPRequest("GET", "/"), with: target, until: self.soon)
    }
    #expect(stranger?.mayHaveArrived == false)
    #expect(stranger?.remedy == "name the server's authority with --ca FILE")
    // A certificate that only clients may show.
    let client = try authority.issue(role: .operator, name: "alice", addresses: ["127.0.0.1"])
    let wrong = try Server(client) { _ in HTTPResponse(204) }
    let purpose = #expect(throws: S3LinkFailure.self) {
      try self.link([root]).exchange(
        HTTPRequest("GET", "/"), with: wrong.target(isSecure: true), until: self.soon)
    }
    #expect(purpose?.remedy?.contains("serverAuth") == true, "\(purpose.debugDescription)")
    let old = try authority.issue(
      role: .node, name: "minio-1", addresses: ["127.0.0.1"], validSeconds: -7_200 ... -3_600)
    let late = try Server(old) { _ in HTTPResponse(204) }
    let expired = #expect(throws: S3LinkFailure.self) {
      try self.link([root]).exchange(
        HTTPRequest("GET", "/"), with: late.target(isSecure: true), until: self.soon)
    }
    #expect(expired?.remedy?.contains("renew the server's certificate") == true)
    let named = S3Endpoint(
      isSecure: true, place: HostPort(host: "localhost", port: server.port)
    ).target(nil)
    #expect(throws: S3LinkFailure.self) {
      try self.link([root]).exchange(HTTPRequest("GET", "/"), with: named, until: self.soon)
    }
    #expect(server.requests.count == 1)
  }

  @Test("certificates are taken from files, which must have some, and from a folder, which may not")
  func files() throws {
    let folder = try TemporaryDirectory()
    let own = try authority.issue(role: .node, name: "minio-1", addresses: ["127.0.0.1"])
    let server = try Server(own) { _ in HTTPResponse(204) }
    try NewFile.create(
      folder.path("public.crt"), Array(authority.credentials.certificatePEM.utf8), mode: 0o600)
    try NewFile.create(folder.path("notes.txt"), Array("no certificate".utf8), mode: 0o600)
    func status(_ files: [String], _ directory: String?) throws -> Int {
      let context = try ClientTrust.context(files: files, folder: directory)
      return try HTTPS3Link(context, environment: []).exchange(
        HTTPRequest("GET", "/"), with: server.target(isSecure: true), until: soon
      ).status
    }
    #expect(try status(["\(folder.path)/public.crt"], nil) == 204)
    #expect(try status([], folder.path) == 204)
    #expect(throws: S3LinkFailure.self) { try status([], "\(folder.path)/none") }
    #expect(throws: ClientTrustProblem.self) { try status(["\(folder.path)/notes.txt"], nil) }
    #expect(throws: ClientTrustProblem.self) { try status(["\(folder.path)/none"], nil) }
  }

  @Test(
    "through a proxy http goes whole, with the proxy's own credentials, and the signed Host field")
  func httpProxy() throws {
    let proxy = try RawProxy { _ in "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" }
    let link = try link([], ["http_proxy": "http://ann:secret@127.0.0.1:\(proxy.port)"])
    let target = S3Endpoint(
      isSecure: false, place: HostPort(host: "minio.invalid", port: 80)
    ).target("data")
    let answer = try link.exchange(
      HTTPRequest("GET", "/data", query: [("encryption", "")]), with: target, until: soon)
    #expect(answer.body == Array("ok".utf8))
    let head = proxy.heads.first ?? ""
    #expect(head.hasPrefix("GET http://minio.invalid/data?encryption= HTTP/1.1\r\n"))
    #expect(head.contains("\r\nhost: minio.invalid\r\n"))
    #expect(head.contains("\r\nproxy-authorization: Basic YW5uOnNlY3JldA==\r\n"))
  }

  @Test("through a proxy https goes through a tunnel, and TLS is with the server")
  func httpsProxy() throws {
    let own = try authority.issue(role: .node, name: "minio", addresses: ["minio.invalid"])
    let server = try Server(own) { _ in HTTPResponse(204) }
    let proxy = try RawProxy(leadsTo: HostPort(host: "127.0.0.1", port: server.port))
    let link = try link(
      [authority.credentials.certificatePEM], ["HTTPS_PROXY": "127.0.0.1:\(proxy.port)"])
    let target = S3Endpoint(
      isSecure: true, place: HostPort(host: "minio.invalid", port: 9000)
    ).target(nil)
    #expect(try link.exchange(HTTPRequest("GET", "/"), with: target, until: soon).status == 204)
    #expect(proxy.heads.first?.hasPrefix("CONNECT minio.invalid:9000 HTTP/1.1\r\n") == true)
    #expect(server.requests.first?.headers["proxy-authorization"] == nil)
  }

  @Test("a proxy of another kind is not spoken with, and NO_PROXY means the server itself")
  func otherProxies() throws {
    let server = try Server { _ in HTTPResponse(204) }
    let target = S3Endpoint(
      isSecure: false, place: HostPort(host: "minio.invalid", port: 80)
    ).target(nil)
    let refused = #expect(throws: S3LinkFailure.self) {
      try self.link([], ["HTTP_PROXY": "socks5://127.0.0.1:1"]).exchange(
        HTTPRequest("GET", "/"), with: target, until: self.soon)
    }
    #expect(refused?.text.contains("socks5://127.0.0.1:1") == true)
    #expect(refused?.kind == .configuration)
    let own = try link([], ["HTTP_PROXY": "socks5://127.0.0.1:1", "NO_PROXY": "*"]).exchange(
      HTTPRequest("GET", "/"), with: server.target(), until: soon)
    #expect(own.status == 204)
  }

  @Test("an answer that is longer than any may be is not taken")
  func bounded() throws {
    let server = try Server { _ in
      HTTPResponse(200, body: [UInt8](repeating: 0x20, count: Limits.s3BodyBytes + 1))
    }
    let error = #expect(throws: S3LinkFailure.self) {
      try self.link().exchange(HTTPRequest("GET", "/"), with: server.target(), until: self.soon)
    }
    #expect(error?.text.contains("more than") == true)
    #expect(error?.kind == .tooLong)
  }
}

/// A proxy on 127.0.0.1 that answers each request itself, or leads each CONNECT to one place.
private final class RawProxy: Sendable {
  private let listener: Listener
  private let received = Lock<[String]>([])

  var port: UInt16 { listener.address.port }
  var heads: [String] { received.withLock { $0 } }

  convenience init(answer: @escaping @Sendable (String) -> String) throws {
    try self.init { client, head in
      try? client.write(Array(answer(head).utf8), until: .inMilliseconds(5_000))
    }
  }

  convenience init(leadsTo place: HostPort) throws {
    try self.init { client, _ in
      let deadline = Instant.inMilliseconds(10_000)
      guard
        let address = try? Resolver.resolve(place.host, port: place.port, until: deadline).first,
        let server = try? Socket.connect(to: address, until: deadline)
      else { return }
      try? client.write(Array("HTTP/1.1 200 OK\r\n\r\n".utf8), until: deadline)
      _ = try? Thread.start("proxy-back") { Self.copy(from: server, to: client) }
      Self.copy(from: client, to: server)
    }
  }

  private init(_ serve: @escaping @Sendable (Socket, String) -> Void) throws {
    listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
    let (listener, received) = (listener, received)
    try Thread.start("proxy") {
      while let client = try? listener.accept() {
        _ = try? Thread.start("proxy-client") {
          guard let bytes = try? client.read(upTo: 64 << 10, until: .inMilliseconds(5_000)) else {
            return
          }
          let head = String(decoding: bytes, as: UTF8.self)
          received.update { $0.append(head) }
          serve(client, head)
        }
      }
    }
  }

  deinit { listener.shutdown() }

  private static func copy(from source: Socket, to target: Socket) {
    let deadline = Instant.inMilliseconds(10_000)
    while let bytes = try? source.read(upTo: 16 << 10, until: deadline), !bytes.isEmpty {
      guard (try? target.write(bytes, until: deadline)) != nil else { return }
    }
  }
}
