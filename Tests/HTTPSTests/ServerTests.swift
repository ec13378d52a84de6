// SPDX-License-Identifier: Apache-2.0
import HTTP
import HTTPS
import Model
import Sockets
import StandInTransport
import TLS
import Testing
import Threads

@Suite struct ServerTests {
  private let soon = Instant.inMilliseconds(10_000)

  @Test("the handler gets the request and who asks, the client the answer")
  func works() throws {
    let running = try Running { request, principal, peer in
      .text(
        201,
        "\(request.method) \(request.path) \(request.query("q") ?? "-") "
          + "\(request.body.count) \(principal.uri) \(peer.host)")
    }
    let answer = try running.client().request(
      HTTPRequest(
        "POST", "/v1/x", query: [("q", "a b")], body: [UInt8](repeating: 0, count: 100_000)),
      until: soon)
    #expect(answer.status == 201)
    #expect(
      String(decoding: answer.body, as: UTF8.self)
        == "POST /v1/x a b 100000 keyturn://prod/operator/ann 127.0.0.1\n")
  }

  @Test("one connection carries many requests; a client that asks for its end gets it")
  func keepAlive() throws {
    let ports = Lock<Set<UInt16>>([])
    let running = try Running { _, _, peer in
      ports.update { _ = $0.insert(peer.port) }
      return .text(200, "x")
    }
    let client = running.client()
    for _ in 0..<5 { _ = try client.request(HTTPRequest("POST", "/"), until: soon) }
    #expect(ports.withLock { $0.count } == 1)
    client.close()
    _ = try client.request(HTTPRequest("POST", "/"), until: soon)
    #expect(ports.withLock { $0.count } == 2)
    let answer = try running.raw("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
    #expect(answer.contains("connection: close\r\n"))
  }

  @Test("requests that come in one piece are answered in their order")
  func pipelined() throws {
    let running = try Running { request, _, _ in .text(200, request.path) }
    let answer = try running.raw(
      "GET /1 HTTP/1.1\r\nhost: h\r\n\r\nGET /2 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
    let (first, second) = try (
      #require(answer.firstRange(of: "/1\n")), #require(answer.firstRange(of: "/2\n"))
    )
    #expect(first.lowerBound < second.lowerBound)
  }

  @Test(
    "what is malformed gets its status and the end of the connection, and the server goes on",
    arguments: [
      ("GET /\r\n\r\n", 400), ("\u{1}\u{2}\r\n\r\n", 400),
      ("GET / HTTP/1.1\r\nhost: h\r\n\r\nGARBAGE\r\n\r\n", 400),
      ("GET /" + String(repeating: "a", count: Limits.httpLineBytes) + " HTTP/1.1\r\n", 414),
      ("GET / HTTP/1.1\r\nhost: h\r\nx: " + String(repeating: "a", count: 9000), 431),
      ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4194305\r\n\r\n", 413),
      ("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n", 501),
      ("GET / HTTP/1.0\r\nhost: h\r\n\r\n", 505),
    ])
  func malformed(_ text: String, _ status: Int) throws {
    let running = try Running { _, _, _ in .text(200, "fine") }
    let answer = try running.raw(text)
    #expect(answer.contains("HTTP/1.1 \(status) "))
    #expect(answer.contains("connection: close\r\n"))
    #expect(try running.client().request(HTTPRequest("GET", "/"), until: soon).status == 200)
    #expect(running.log.withLock { $0.first }?.contains("refused") == true)
  }

  @Test(
    "a client without certificate, of another CA, or without TLS gets nothing; one line is logged")
  func strangers() throws {
    let fixture = try Fixture.shared.get()
    let running = try Running { _, _, _ in .text(200, "secret") }
    let stranger = try Fixture.context(fixture.otherCA, fixture.ca, .operator, "ann")
    #expect(throws: HTTPSFailure.self) {
      try running.client(stranger).request(HTTPRequest("GET", "/"), until: soon)
    }
    let probe = try ProbeTLSContext.pinned(leafPEM: fixture.ca.credentials.certificatePEM)
    for security in [HTTPConnection.Security.none, .probe(probe)] {
      #expect(throws: HTTPSFailure.self) {
        try HTTPExchange.get(running.place, "/", security: security, until: soon)
      }
    }
    #expect(running.log.withLock { $0.count } == 1)
    #expect(try running.client().request(HTTPRequest("GET", "/"), until: soon).status == 200)
  }

  @Test("a refused client learns why")
  func reason() throws {
    let fixture = try Fixture.shared.get()
    let running = try Running { _, _, _ in .text(200, "secret") }
    let stranger = try Fixture.context(fixture.otherCA, fixture.ca, .operator, "ann")
    do throws(HTTPSFailure) {
      _ = try running.client(stranger).request(HTTPRequest("GET", "/"), until: soon)
      Issue.record("answered")
    } catch {
      guard case .tls(let failure) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(failure.kind == .refusedByPeer)
    }
  }

  @Test("the handler decides about another cluster's certificate of the same CA")
  func otherCluster() throws {
    let running = try Running { _, principal, _ in
      principal.role == .operator ? .text(200, "x") : .text(403, "no")
    }
    let fixture = running.fixture
    let node = try Fixture.context(fixture.ca, fixture.ca, .observer, "eve")
    #expect(try running.client(node).request(HTTPRequest("GET", "/"), until: soon).status == 403)
  }

  @Test("past the bound a connection that rests gives way, and one that is answered does not")
  func bound() throws {
    let entered = Lock(0)
    let released = Lock(false)
    var bounds = HTTPSServer.Bounds()
    bounds.connections = .init(places: 2, perHolder: 2)
    let running = try Running(bounds: bounds) { request, _, _ in
      if request.path == "/slow" {
        entered.update { $0 += 1 }
        _ = released.wait(until: .inMilliseconds(10_000)) { $0 ? true : nil }
      }
      return .text(200, "x")
    }
    let (first, second) = (running.client(), running.client())
    for client in [first, second] { _ = try client.request(HTTPRequest("GET", "/"), until: soon) }
    let slow = Array("GET /slow HTTP/1.1\r\nhost: h\r\n\r\n".utf8)
    let sessions = [try running.session(), try running.session()]
    for session in sessions { try session.write(slow, until: soon) }
    #expect(entered.wait(until: soon) { $0 == 2 ? true : nil } == true)
    let answer = try running.client().request(HTTPRequest("GET", "/"), until: soon)
    #expect(answer.status == 503)
    released.update { $0 = true }
    for session in sessions {
      let bytes = try session.read(upTo: 4096, until: soon)
      #expect(String(decoding: bytes, as: UTF8.self).hasPrefix("HTTP/1.1 200 "))
    }
    // Its connection was closed; the client makes another one.
    #expect(try first.request(HTTPRequest("GET", "/"), until: soon).status == 200)
  }

  @Test("a request that takes too long is cut with 408, one that never begins without a word")
  func slow() throws {
    var bounds = HTTPSServer.Bounds()
    bounds.transferMilliseconds = 50
    bounds.idleMilliseconds = 100
    let running = try Running(bounds: bounds) { _, _, _ in .text(200, "x") }
    #expect(try running.raw("GET / HTTP/1.1\r\nho").hasPrefix("HTTP/1.1 408 "))
    #expect(
      try running.raw("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\na").hasPrefix(
        "HTTP/1.1 408 "))
    #expect(try running.raw("") == "")
  }

  @Test("a client that trickles is cut at the deadline all the same")
  func trickle() throws {
    var bounds = HTTPSServer.Bounds()
    bounds.transferMilliseconds = 100
    let running = try Running(bounds: bounds) { _, _, _ in .text(200, "x") }
    let session = try running.session()
    let start = Clock.now()
    #expect(throws: TLSFailure.self) {
      try session.write(Array("GET /".utf8), until: soon)
      while true {
        try session.write([0x61], until: soon)
        Clock.sleep(until: .inMilliseconds(5))
      }
    }
    #expect(Clock.now().milliseconds(since: start) < 5_000)
  }

  @Test("a handshake that does not come to its end is cut")
  func handshake() throws {
    var bounds = HTTPSServer.Bounds()
    bounds.handshakeMilliseconds = 50
    let running = try Running(bounds: bounds) { _, _, _ in .text(200, "x") }
    let socket = try Socket.connect(to: running.server.address, until: soon)
    #expect(try socket.read(upTo: 1, until: soon) == [])
  }

  @Test("stop ends idle connections, lets running handlers finish, and takes less than a second")
  func stop() throws {
    let entered = Lock(0)
    let released = Lock(false)
    let running = try Running { request, _, _ in
      if request.path == "/slow" {
        entered.update { $0 += 1 }
        _ = released.wait(until: .inMilliseconds(10_000)) { $0 ? true : nil }
      }
      return .text(200, "done")
    }
    let idle = (0..<20).map { _ in running.client() }
    for client in idle { _ = try client.request(HTTPRequest("GET", "/"), until: soon) }
    let half = try Socket.connect(to: running.server.address, until: soon)
    let answers = Lock<[Int]>([])
    let deadline = soon
    for _ in 0..<4 {
      let (place, context) = (running.place, running.fixture.client)
      try Thread.start("test client") {
        let client = HTTPSClient(
          place, context: context,
          expecting: Principal(cluster: "prod", role: .node, name: "minio-1"))
        let answer = try? client.request(HTTPRequest("GET", "/slow"), until: deadline)
        answers.update { $0.append(answer?.status ?? 0) }
      }
    }
    #expect(entered.wait(until: soon) { $0 == 4 ? true : nil } == true)
    let start = Clock.now()
    released.update { $0 = true }
    #expect(running.server.stop(until: .inMilliseconds(5_000)))
    #expect(Clock.now().milliseconds(since: start) < 1_000)
    #expect(answers.wait(until: soon) { $0.count == 4 ? $0 : nil } == [200, 200, 200, 200])
    withExtendedLifetime(half) {}
    #expect(throws: HTTPSFailure.self) {
      try idle[0].request(HTTPRequest("GET", "/"), until: .inMilliseconds(1_000))
    }
  }

  @Test("stop does not wait for a handler beyond its deadline")
  func stuck() throws {
    let entered = Lock(false)
    let released = Lock(false)
    let running = try Running { _, _, _ in
      entered.update { $0 = true }
      _ = released.wait(until: .inMilliseconds(10_000)) { $0 ? true : nil }
      return .text(200, "late")
    }
    let session = try running.session()
    try session.write(Array("GET / HTTP/1.1\r\nhost: h\r\n\r\n".utf8), until: soon)
    #expect(entered.wait(until: soon) { $0 ? true : nil } == true)
    #expect(!running.server.stop(until: .inMilliseconds(50)))
    #expect(throws: TLSFailure.self) { try session.read(upTo: 1, until: soon) }
    released.update { $0 = true }
  }
}
