// SPDX-License-Identifier: Apache-2.0
import Glibc
import HTTP
import Linux
import Model
import Sockets
import Threads

/// Answers HTTP requests, each connection on a thread of its own.
struct WebServer: Sendable {
  /// More than the objects that are written here, and than what a peer lists.
  static let bodyLimit = 8 << 20

  let listener: Listener
  let handler: @Sendable (HTTPRequest) -> HTTPResponse

  init(
    on place: HostPort, _ handler: @escaping @Sendable (HTTPRequest) -> HTTPResponse
  ) throws(SocketFailure) {
    listener = try Listener.bind(place, backlog: 1024)
    self.handler = handler
  }

  func start() throws(Errno) {
    try Thread.start("accept") { [self] in
      while true {
        let socket: Socket?
        do { socket = try listener.accept() } catch {
          Clock.sleep(until: .inMilliseconds(100))
          continue
        }
        guard let socket else { return }
        _ = try? Thread.start("connection") { serve(socket) }
      }
    }
  }

  private func serve(_ socket: Socket) {
    var parser = HTTPRequestParser(bodyLimit: Self.bodyLimit)
    var expectation = Expectation()
    do {
      while true {
        guard let request = try parser.next() else {
          var bytes = try socket.read(upTo: 64 << 10, until: .inMilliseconds(60_000))
          if bytes.isEmpty { return }
          if parser.isIdle || expectation.isPartial, expectation.take(&bytes) {
            try socket.write(
              Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), until: .inMilliseconds(1_000))
          }
          parser.feed(bytes)
          continue
        }
        var answer = handler(request)
        answer.headers.add("date", HTTPDateText.now())
        var bytes = answer.bytes(closes: request.closes)
        // RFC 9110, 9.3.2: the fields of a GET's answer, its length among them, without its body.
        if request.method == "HEAD" { bytes.removeLast(answer.body.count) }
        try socket.write(bytes, until: .inMilliseconds(10_000))
        if request.closes { return socket.finish(until: .inMilliseconds(1_000)) }
      }
    } catch let violation as HTTPViolation {
      let answer = HTTPResponse.text(violation.status, violation.reason)
      try? socket.write(answer.bytes(closes: true), until: .inMilliseconds(1_000))
    } catch {
      // The connection is gone.
    }
  }
}

/// Takes `Expect: 100-continue` out of a head, which the product's parser refuses and S3 clients send
/// before an object.
private struct Expectation {
  private var head: [UInt8] = []
  /// Whether the end of a head is still to come.
  var isPartial: Bool { !head.isEmpty }

  /// Holds back what has come of a head until its end is there. True if it had such a field.
  mutating func take(_ bytes: inout [UInt8]) -> Bool {
    head += bytes
    // What begins with no method, a TLS client's greeting for one, is the parser's to refuse at once.
    guard head.first.map({ (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) ?? true else {
      bytes = head
      head = []
      return false
    }
    guard let end = head.firstRange(of: Array("\r\n\r\n".utf8)) else {
      // What is too long is the parser's to refuse.
      bytes = head.count > 32 << 10 ? head : []
      if !bytes.isEmpty { head = [] }
      return false
    }
    var lines = String(decoding: head[..<end.lowerBound], as: UTF8.self).components("\r\n")
    let count = lines.count
    lines.removeAll { $0.lowercased().replacing(" ", with: "") == "expect:100-continue" }
    let isExpected = lines.count < count
    bytes =
      isExpected
      ? Array(lines.joined(separator: "\r\n").utf8) + head[end.lowerBound...] : head
    head = []
    return isExpected
  }
}

extension String {
  fileprivate func components(_ separator: String) -> [String] {
    split(separator: separator, omittingEmptySubsequences: false).map(String.init)
  }
}

/// Times in fields (RFC 9110, 5.6.7), which the product only reads.
enum HTTPDateText {
  static func now() -> String { text(seconds: Clock.realtimeMicroseconds() / 1_000_000) }

  static func text(seconds: Int64) -> String {
    var time = time_t(seconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    var buffer = [CChar](repeating: 0, count: 64)
    // In the C locale, which a program has that never asks for another.
    let count = strftime(&buffer, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
