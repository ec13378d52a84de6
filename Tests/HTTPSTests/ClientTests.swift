// SPDX-License-Identifier: Apache-2.0
import HTTP
import HTTPS
import Model
import Sockets
import StandInTransport
import TLS
import Testing
import Threads

@Suite struct ClientTests {
  private let soon = Instant.inMilliseconds(10_000)

  /// A server without TLS that sends each of `answers` to one connection after it has seen a
  /// request there.
  private func scripted(_ answers: [String]) throws -> HostPort {
    let listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
    let deadline = soon
    try Thread.start("test server") {
      for answer in answers {
        guard let socket = try? listener.accept() else { return }
        _ = try? socket.read(upTo: 65_536, until: deadline)
        try? socket.write(Array(answer.utf8), until: deadline)
        socket.finish(until: deadline)
      }
    }
    return HostPort(host: "127.0.0.1", port: listener.address.port)
  }

  @Test("an idle connection that the server has closed is opened again, for any method")
  func idleClosed() throws {
    var bounds = HTTPSServer.Bounds()
    bounds.idleMilliseconds = 20
    let running = try Running(bounds: bounds) { _, _, _ in .text(200, "x") }
    let client = running.client()
    for _ in 0..<3 {
      #expect(try client.request(HTTPRequest("POST", "/"), until: soon).status == 200)
      Clock.sleep(until: .inMilliseconds(60))
    }
  }

  @Test("a request that was cut off is sent again only if it may be repeated")
  func repeated() throws {
    let fixture = try Fixture.shared.get()
    let principal = Principal(cluster: "prod", role: .node, name: "minio-1")
    for (method, repeatable, wanted) in [
      ("GET", nil, true), ("POST", nil, false), ("POST", true, true), ("GET", false, false),
    ] as [(String, Bool?, Bool)] {
      let listener = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
      let deadline = soon
      // Answers one request, cuts the second off, and answers on the next connection.
      try Thread.start("test server") {
        for answers in [1, 9] {
          guard let socket = try? listener.accept(),
            let session = try? fixture.server.accept(over: socket, until: deadline)
          else { return }
          for number in 0...answers {
            guard let bytes = try? session.read(upTo: 65_536, until: deadline), !bytes.isEmpty
            else { break }
            if number == answers { break }
            try? session.write(HTTPResponse(200).bytes(closes: false), until: deadline)
          }
          socket.interrupt()
        }
      }
      let client = HTTPSClient(
        HostPort(host: "127.0.0.1", port: listener.address.port), context: fixture.client,
        expecting: principal)
      _ = try client.request(HTTPRequest("POST", "/"), until: soon)
      let second = try? client.request(
        HTTPRequest(method, "/"), repeatable: repeatable, until: soon)
      #expect((second?.status == 200) == wanted, "\(method) \(String(describing: repeatable))")
      listener.shutdown()
    }
  }

  @Test("the wrong agent behind an address gets no request")
  func wrongAgent() throws {
    let seen = Lock(0)
    let running = try Running { _, _, _ in
      seen.update { $0 += 1 }
      return .text(200, "x")
    }
    let client = HTTPSClient(
      running.place, context: running.fixture.client,
      expecting: Principal(cluster: "prod", role: .node, name: "minio-2"))
    #expect {
      try client.request(HTTPRequest("GET", "/"), until: soon)
    } throws: { "\($0)".contains("reached minio-1 instead of minio-2") }
    #expect(seen.withLock { $0 } == 0)
  }

  @Test("a plain exchange works, however the answer is framed")
  func plain() throws {
    for (answer, body) in [
      ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", "ab"),
      ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "ab"),
      ("HTTP/1.0 503 x\r\n\r\nab", "ab"),
    ] {
      let place = try scripted([answer])
      let got = try HTTPExchange.get(place, "/x", security: .none, until: soon)
      #expect(String(decoding: got.body, as: UTF8.self) == body)
    }
  }

  @Test("each stage at which an exchange can fail is told apart")
  func stages() throws {
    func failure(_ place: HostPort, _ deadline: Instant) -> HTTPSFailure? {
      do throws(HTTPSFailure) {
        _ = try HTTPExchange.get(place, "/", security: .none, until: deadline)
        return nil
      } catch { return error }
    }
    guard case .lookup = failure(HostPort(host: "no-such-host.invalid", port: 1), soon) else {
      Issue.record("lookup")
      return
    }
    let free = try Listener.bind(HostPort(host: "127.0.0.1", port: 0)).address
    guard case .connect(.refused) = failure(HostPort(host: "127.0.0.1", port: free.port), soon)
    else {
      Issue.record("connect")
      return
    }
    guard case .transfer(.closed) = failure(try scripted([""]), soon) else {
      Issue.record("transfer")
      return
    }
    guard case .malformed = failure(try scripted(["SSH-2.0-x\r\n\r\n"]), soon) else {
      Issue.record("malformed")
      return
    }
    let long = "HTTP/1.1 200 OK\r\ncontent-length: \(Limits.probeBodyBytes + 1)\r\n\r\n"
    guard case .malformed = failure(try scripted([long]), soon) else {
      Issue.record("body limit")
      return
    }
    let silent = try Listener.bind(HostPort(host: "127.0.0.1", port: 0))
    let place = HostPort(host: "127.0.0.1", port: silent.address.port)
    #expect(failure(place, .inMilliseconds(30))?.isTimeout == true)
  }

  @Test("a stand-in sees the client's public key, or that there is none")
  func standIn() throws {
    let fixture = try Fixture.shared.get()
    let own = try fixture.ca.issue(role: .node, name: "kms", addresses: ["127.0.0.1"])
    let server = try StandInServer.start(
      listener: .bind(HostPort(host: "127.0.0.1", port: 0)),
      context: .acceptingAnyClient(certificatePEM: own.certificatePEM, keyPEM: own.keyPEM),
      log: { _ in },
      handler: { request, peer in
        HTTPResponse(200, body: (peer.publicKeyDigest ?? []) + request.body)
      })
    defer { server.stop(until: soon) }
    let place = HostPort(host: "127.0.0.1", port: server.address.port)
    let roots = [fixture.ca.credentials.certificatePEM]
    let client = try ClientCertificate.selfSigned(
      .ed25519(seed: [UInt8](repeating: 1, count: 32)), commonName: "h1:x")
    let known = try HTTPExchange.post(
      place, "/v1/kms/prod", body: [1, 2],
      security: .probe(.verifying(extraRootsPEM: roots, client: client)), until: soon)
    #expect(try known.body == CertificateInfo(pem: client.certificatePEM).publicKeyDigest + [1, 2])
    let unknown = try HTTPExchange.get(
      place, "/version", security: .probe(.verifying(extraRootsPEM: roots)), until: soon)
    #expect(unknown.body == [])
  }
}
