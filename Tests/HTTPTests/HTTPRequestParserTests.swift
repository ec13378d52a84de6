// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model
import Testing

/// Feeds `text` and takes what comes first.
private func parse(_ text: String, bodyLimit: Int = 16) throws(HTTPViolation) -> HTTPRequest? {
  var parser = HTTPRequestParser(bodyLimit: bodyLimit)
  parser.feed(Array(text.utf8))
  return try parser.next()
}

private func status(_ text: String, bodyLimit: Int = 16) -> Int? {
  do throws(HTTPViolation) {
    _ = try parse(text, bodyLimit: bodyLimit)
    return nil
  } catch { return error.status }
}

@Suite struct HTTPRequestParserTests {
  @Test("a request's parts come out decoded")
  func parts() throws {
    let request = try #require(
      try parse(
        "POST /v1/a%20b?x=1&y=%C3%A9&&z HTTP/1.1\r\nHost: [::1]:7377\r\nX-A:  b\t \r\nx-a: c\r\n"
          + "Content-Length: 3\r\nConnection: Close, x\r\n\r\nabc"))
    #expect(request.method == "POST")
    #expect(request.path == "/v1/a b")
    #expect(request.query.map { "\($0.name)=\($0.value)" } == ["x=1", "y=é", "z="])
    #expect(request.query("y") == "é")
    #expect(request.headers["X-a"] == "b, c")
    #expect(request.body == Array("abc".utf8))
    #expect(request.closes)
  }

  @Test("what the serialiser writes is what the parser reads")
  func roundTrip() throws {
    let sent = HTTPRequest(
      "PUT", "/a b/ü", query: [("key", "a&b=c +%"), ("", "")], headers: ["X-Y": "z"],
      body: [1, 2, 3])
    var parser = HTTPRequestParser()
    parser.feed(sent.bytes(host: "minio-1:7377", closes: true))
    let read = try #require(try parser.next())
    #expect(read.method == sent.method && read.path == sent.path && read.body == sent.body)
    #expect(read.query.map(\.name) == ["key", ""])
    #expect(read.query.map(\.value) == ["a&b=c +%", ""])
    #expect(read.headers["x-y"] == "z" && read.headers["host"] == "minio-1:7377")
    #expect(read.closes && parser.isIdle)
  }

  @Test("bytes may come one at a time, and one request behind the other")
  func piecemeal() throws {
    let text =
      "\r\nPOST /1 HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nab"
      + "GET /2 HTTP/1.1\r\nhost: h\r\n\r\n"
    var parser = HTTPRequestParser()
    var paths: [String] = []
    for byte in text.utf8 {
      parser.feed([byte])
      while let request = try parser.next() { paths.append(request.path) }
    }
    #expect(paths == ["/1", "/2"])
    parser.feed(Array(text.utf8))
    #expect(try parser.next()?.path == "/1")
    #expect(!parser.isIdle)
    #expect(try parser.next()?.path == "/2")
    #expect(parser.isIdle)
  }

  @Test(
    "an incomplete request is waited for",
    arguments: [
      "", "GET", "GET / HTTP/1.1\r\nhost: h\r\n", "\r\n",
      "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nab",
    ])
  func incomplete(_ text: String) throws {
    #expect(try parse(text) == nil)
  }

  @Test(
    "what could be read in two ways, or not at all, is refused with its status",
    arguments: [
      // request line
      (400, "GET  / HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET /\r\nhost: h\r\n\r\n"),
      (400, " GET / HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET / HTTP/1.1 \r\nhost: h\r\n\r\n"),
      (400, "G(T / HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET / http/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET / HTTP/1.10\r\nhost: h\r\n\r\n"),
      (505, "GET / HTTP/1.0\r\nhost: h\r\n\r\n"),
      (505, "GET / HTTP/2.0\r\nhost: h\r\n\r\n"),
      (400, "GET http://h/ HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "CONNECT h:1 HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET /a#b HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET /ü HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET /\0 HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET /%0 HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET /%zz HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET /%00 HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET /a%2Fb HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET /%FF HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET /?a=%0A HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "\r\n\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n"),
      // line ends
      (400, "GET / HTTP/1.1\nhost: h\n\n"),
      (400, "\nGET / HTTP/1.1\r\nhost: h\r\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost: h\r\nx: a\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost: h\r\nx: a\rb\r\n\r\n"),
      // fields
      (400, "GET / HTTP/1.1\r\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost: \r\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost: a b\r\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost: h\r\nHost: h\r\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost : h\r\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost: h\r\n: x\r\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost: h\r\nx\r\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost: h\r\nx: a\r\n b\r\n\r\n"),
      (400, "GET / HTTP/1.1\r\n x: a\r\nhost: h\r\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost: h\r\nx: a\0b\r\n\r\n"),
      (400, "GET / HTTP/1.1\r\nhost: h\r\nx\u{B}y: a\r\n\r\n"),
      // framing
      (400, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"),
      (400, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n"),
      (400, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1, 1\r\n\r\n"),
      (400, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: +1\r\n\r\n"),
      (400, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n"),
      (400, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0x1\r\n\r\n"),
      (400, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length:\r\n\r\n"),
      (400, "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 99999999999999999999\r\n\r\n"),
      (501, "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
      (
        501,
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: xchunked\r\ncontent-length: 1\r\n\r\n"
      ),
      (400, "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding : chunked\r\n\r\n"),
      (417, "POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n"),
      (400, "\u{16}\u{3}\u{1}\u{2}\0\n\r\n\r\n"),
    ])
  func refused(_ wanted: Int, _ text: String) {
    #expect(status(text) == wanted)
  }

  @Test("each limit holds at itself and refuses one past it")
  func limits() {
    func request(line: Int) -> String {
      "GET /\(String(repeating: "a", count: line - 14)) HTTP/1.1\r\nhost: h\r\n\r\n"
    }
    #expect(status(request(line: Limits.httpLineBytes)) == nil)
    #expect(status(request(line: Limits.httpLineBytes + 1)) == 414)
    // Before its end has come, too.
    #expect(status("GET /" + String(repeating: "a", count: Limits.httpLineBytes + 1)) == 414)

    func request(field: Int) -> String {
      "GET / HTTP/1.1\r\nhost: h\r\nx: \(String(repeating: "a", count: field - 3))\r\n\r\n"
    }
    #expect(status(request(field: Limits.httpLineBytes)) == nil)
    #expect(status(request(field: Limits.httpLineBytes + 1)) == 431)

    func request(fields: Int) -> String {
      "GET / HTTP/1.1\r\nhost: h\r\n" + String(repeating: "x: a\r\n", count: fields - 1) + "\r\n"
    }
    #expect(status(request(fields: Limits.httpHeaderCount)) == nil)
    #expect(status(request(fields: Limits.httpHeaderCount + 1)) == 431)

    func request(head: Int) -> String {
      var text = "GET / HTTP/1.1\r\nhost: h\r\n"
      while head - text.utf8.count - 2 > 8000 {
        text += "x: \(String(repeating: "a", count: 4000))\r\n"
      }
      let left = head - text.utf8.count - 2 - 5
      return text + "x: \(String(repeating: "a", count: left))\r\n\r\n"
    }
    #expect(request(head: Limits.httpHeadBytes).utf8.count == Limits.httpHeadBytes)
    #expect(status(request(head: Limits.httpHeadBytes)) == nil)
    #expect(status(request(head: Limits.httpHeadBytes + 1)) == 431)

    func request(body: Int) -> String {
      "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: \(body)\r\n\r\n"
    }
    #expect(status(request(body: 16), bodyLimit: 16) == nil)
    #expect(status(request(body: 17), bodyLimit: 16) == 413)
  }

  @Test("no bytes at all make the parser fail in another way than by a violation")
  func noise() {
    var state: UInt64 = 20_261_123
    func random(_ below: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % below
    }
    let seed = Array("POST /a?b=%41 HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nxyGET / ".utf8)
    for _ in 0..<5_000 {
      var bytes = seed
      for _ in 0..<(1 + random(4)) { bytes[random(bytes.count)] = UInt8(random(256)) }
      var parser = HTTPRequestParser()
      parser.feed(bytes)
      while let request = try? parser.next() { #expect(request.path.hasPrefix("/")) }
    }
  }
}
