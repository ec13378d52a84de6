// SPDX-License-Identifier: Apache-2.0
import Files
import HTTP
import HTTPS
import Model
import Sockets
import TLS
import Testing
import Threads

@Suite struct DoorTests {
  private let soon = Instant.inMilliseconds(10_000)

  /// A request as text.
  private func post(_ path: String, length: Int) -> [UInt8] {
    Array("POST \(path) HTTP/1.1\r\nhost: h\r\ncontent-length: \(length)\r\n\r\n".utf8)
  }

  @Test("a hundred connections that say nothing, from the same address, keep nobody out")
  func silent() throws {
    let running = try Running { _, _, _ in .text(200, "x") }
    let silent = try (0..<100).map { _ in
      try Socket.connect(to: running.server.address, until: soon)
    }
    let start = Clock.now()
    for _ in 0..<5 {
      #expect(try running.client().request(HTTPRequest("GET", "/"), until: soon).status == 200)
    }
    #expect(Clock.now().milliseconds(since: start) < 1_000)
    withExtendedLifetime(silent) {}
  }

  @Test("a hundred handshakes that stop in the middle keep nobody out and cost no thread")
  func half() throws {
    let running = try Running { _, _, _ in .text(200, "x") }
    let before = try threads()
    let half = try (0..<100).map { _ in
      let socket = try Socket.connect(to: running.server.address, until: soon)
      // The head of a TLS record of 512 bytes, and one of them.
      try socket.write([0x16, 0x03, 0x01, 0x02, 0x00, 0x01], until: soon)
      return socket
    }
    #expect(try running.client().request(HTTPRequest("GET", "/"), until: soon).status == 200)
    #expect(try threads() < before + 20)
    withExtendedLifetime(half) {}
  }

  private func threads() throws -> Int {
    let text = String(
      decoding: try FileReading.read("/proc/self/status", limitBytes: 64 << 10).bytes, as: UTF8.self
    )
    let line = text.split(separator: "\n").first { $0.hasPrefix("Threads:") }
    return try #require(line.flatMap { Int($0.filter(\.isNumber)) })
  }

  @Test("who may do nothing here is told so right after the handshake, and its connection ends")
  func dismissed() throws {
    let handled = Lock(0)
    var policy = ServingPolicy { _, _ in
      handled.update { $0 += 1 }
      return .text(200, "x")
    }
    policy.place = { peer in
      peer.principal?.role == .operator
        ? .served(.operator) : .refused(.text(403, "no node of this inventory"))
    }
    let running = try Running(policy: policy)
    let fixture = running.fixture
    let node = try Fixture.context(fixture.ca, fixture.ca, .node, "minio-9")
    let answer = try running.client(node).request(HTTPRequest("GET", "/v1/status"), until: soon)
    #expect(answer.status == 403)
    #expect(String(decoding: answer.body, as: UTF8.self).contains("no node of this inventory"))
    // Also if it asks for nothing.
    let idle = try running.session(node)
    var said: [UInt8] = []
    while true {
      let bytes = try idle.read(upTo: 4096, until: soon)
      if bytes.isEmpty { break }
      said += bytes
    }
    #expect(String(decoding: said, as: UTF8.self).hasPrefix("HTTP/1.1 403 "))
    #expect(handled.withLock { $0 } == 0)
    #expect(try running.client().request(HTTPRequest("GET", "/"), until: soon).status == 200)
  }

  @Test("a body that is not wanted is refused before a byte of it is read")
  func bodies() throws {
    var policy = ServingPolicy { request, _ in .text(200, "\(request.body.count)") }
    policy.body = { request, _ in
      request.path == "/small" ? .taken(upTo: 10) : .refused(.text(403, "not you"))
    }
    let running = try Running(policy: policy)
    for (path, length, status) in [
      ("/small", 11, 413), ("/other", 1, 403), ("/other", Limits.httpBodyBytes, 403),
    ] {
      let session = try running.session()
      try session.write(post(path, length: length), until: soon)
      let answer = String(decoding: try session.read(upTo: 4096, until: soon), as: UTF8.self)
      #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(path)")
      #expect(answer.contains("connection: close"))
    }
    let session = try running.session()
    try session.write(post("/small", length: 10) + Array("0123456789".utf8), until: soon)
    let answer = String(decoding: try session.read(upTo: 4096, until: soon), as: UTF8.self)
    #expect(answer.hasPrefix("HTTP/1.1 200 "))
  }

  @Test("bodies past the budget wait, and are refused with 503 if it does not become free")
  func budget() throws {
    var bounds = HTTPSServer.Bounds()
    bounds.bodyBudgetBytes = 1_000 * Limits.bodyCostFactor
    bounds.bodyWaitMilliseconds = 50
    let running = try Running(bounds: bounds) { _, _, _ in .text(200, "x") }
    let first = try running.session()
    try first.write(post("/", length: 600), until: soon)
    // It has its share as soon as its head is parsed; until then the other one would get it.
    let second = try running.session()
    var answer = ""
    while !answer.hasPrefix("HTTP/1.1 503 "), Clock.now() < soon {
      let other = try running.session()
      try other.write(post("/", length: 500), until: soon)
      try? other.write([UInt8](repeating: 0, count: 500), until: soon)
      answer = String(decoding: try other.read(upTo: 4096, until: soon), as: UTF8.self)
    }
    #expect(answer.hasPrefix("HTTP/1.1 503 "))
    try first.write([UInt8](repeating: 0, count: 600), until: soon)
    let done = String(decoding: try first.read(upTo: 4096, until: soon), as: UTF8.self)
    #expect(done.hasPrefix("HTTP/1.1 200 "))
    try second.write(
      post("/", length: 1_000) + [UInt8](repeating: 0, count: 1_000), until: soon)
    let third = String(decoding: try second.read(upTo: 4096, until: soon), as: UTF8.self)
    #expect(third.hasPrefix("HTTP/1.1 200 "))
  }

  @Test("every answer and every refusal is noted with who it was")
  func noted() throws {
    let notes = Lock<[String]>([])
    var policy = ServingPolicy { _, _ in .text(200, "x") }
    policy.body = { _, _ in .refused(.text(403, "no")) }
    policy.note = { request, peer, answer in
      notes.update {
        $0.append("\(peer.principal?.name ?? "-") \(request?.path ?? "-") \(answer.status)")
      }
    }
    let running = try Running(policy: policy)
    _ = try running.client().request(HTTPRequest("GET", "/a"), until: soon)
    _ = try running.client().request(HTTPRequest("POST", "/b", body: [1]), until: soon)
    #expect(notes.withLock { $0 } == ["ann /a 200", "ann /b 403"])
  }
}
