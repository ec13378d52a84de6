// SPDX-License-Identifier: Apache-2.0
internal import Model

/// Turns the bytes of a connection into HTTP/1.1 requests, for a server. No IO: feed what has come,
/// take what is complete.
///
/// It is stricter than RFC 9112 where leniency would let two programs see different messages in the
/// same bytes: no bare LF, no folded fields, one Content-Length, no Transfer-Encoding, origin-form
/// targets only. Do not use the parser after a violation.
package struct HTTPRequestParser: Sendable {
  private enum State {
    case head
    case body(HTTPRequest, length: Int)
  }
  private let bodyLimit: Int
  private var buffer: [UInt8] = []
  private var state = State.head
  private var reader = HTTPHeadReader(status: 400)

  /// A parser at the beginning of a connection; a body of more than `bodyLimit` bytes is a 413.
  package init(bodyLimit: Int = Limits.httpBodyBytes) { self.bodyLimit = bodyLimit }

  /// Whether nothing of a next request has come yet.
  package var isIdle: Bool { if case .head = state { buffer.isEmpty } else { false } }

  package mutating func feed(_ bytes: [UInt8]) {
    if buffer.isEmpty { buffer = bytes } else { buffer += bytes }
  }

  /// Each request with a body once, as soon as its head is there, so that the body can be refused.
  /// Nil if more bytes are needed, or it was returned already.
  package mutating func nextHead() throws(HTTPViolation) -> (request: HTTPRequest, bodyBytes: Int)?
  {
    guard case .head = state, let head = try reader.next(&buffer) else { return nil }
    let (request, length) = try Self.request(head)
    if length > bodyLimit {
      throw HTTPViolation(413, "the body has \(length) bytes, \(bodyLimit) are allowed")
    }
    state = .body(request, length: length)
    return (request, length)
  }

  /// The next complete request; nil if more bytes are needed.
  package mutating func next() throws(HTTPViolation) -> HTTPRequest? {
    _ = try nextHead()
    guard case .body(var request, let length) = state, buffer.count >= length else { return nil }
    if buffer.count == length {
      request.body = buffer
      buffer = []
    } else {
      request.body = Array(buffer[..<length])
      buffer.removeFirst(length)
    }
    state = .head
    return request
  }

  private static func request(
    _ head: HTTPHead
  ) throws(HTTPViolation) -> (HTTPRequest, length: Int) {
    // RFC 9112, 3: method SP request-target SP HTTP-version, exactly.
    let parts = head.startLine.split(separator: 0x20, omittingEmptySubsequences: false)
    guard parts.count == 3 else {
      throw HTTPViolation(400, "the request line is not a method, a target and a version")
    }
    guard !parts[0].isEmpty, parts[0].allSatisfy(HTTPSyntax.isToken) else {
      throw HTTPViolation(400, "the method is not a token")
    }
    try checkVersion(parts[2])
    let (path, query) = try target(parts[1])

    // RFC 9112, 3.2: a request without Host, with several or with an invalid one is a 400.
    let hosts = head.headers.all("host")
    guard hosts.count == 1, HostPort(hosts[0], defaultPort: 443) != nil else {
      throw HTTPViolation(400, "there must be one valid Host field")
    }
    // RFC 9112, 6.1: 501 for a transfer coding that is not understood. None is needed here, and a
    // length that two fields tell in two ways is how requests are smuggled.
    if head.headers["transfer-encoding"] != nil {
      throw HTTPViolation(501, "Transfer-Encoding is not supported, use Content-Length")
    }
    // RFC 9110, 10.1.1: a final status is a valid answer to an expectation; 417 makes clients send
    // without it.
    if head.headers["expect"] != nil { throw HTTPViolation(417, "Expect is not supported") }
    // RFC 9112, 6.3: a request without Content-Length has no body.
    let length = try head.contentLength(status: 400) ?? 0
    let request = HTTPRequest(
      String(decoding: parts[0], as: UTF8.self), path, query: query, headers: head.headers)
    return (request, length)
  }

  private static func checkVersion(_ version: ArraySlice<UInt8>) throws(HTTPViolation) {
    if version.elementsEqual("HTTP/1.1".utf8) { return }
    let bytes = Array(version)
    guard bytes.count == 8, bytes.starts(with: "HTTP/".utf8), bytes[6] == 0x2E,
      bytes[5].isDigit, bytes[7].isDigit
    else { throw HTTPViolation(400, "the version is not of the form HTTP/1.1") }
    throw HTTPViolation(505, "only HTTP/1.1 is supported")
  }

  /// RFC 9112, 3.2.1: the origin form, `/path?query`. The other forms are for proxies, CONNECT and
  /// OPTIONS.
  private static func target(
    _ bytes: ArraySlice<UInt8>
  ) throws(HTTPViolation) -> (path: String, query: [(name: String, value: String)]) {
    guard bytes.first == 0x2F, bytes.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x23 })
    else { throw HTTPViolation(400, "the target is not of the form /path?query") }
    let halves = bytes.split(separator: 0x3F, maxSplits: 1, omittingEmptySubsequences: false)
    // An encoded slash would be a slash for some and a character for others.
    let lowered = String(decoding: halves[0], as: UTF8.self).lowercased()
    guard !lowered.contains("%2f"), let path = HTTPSyntax.percentDecoded(halves[0]) else {
      throw HTTPViolation(400, "the path's percent-encoding is not valid")
    }
    var query: [(name: String, value: String)] = []
    if halves.count == 2 {
      for pair in halves[1].split(separator: 0x26) {
        let sides = pair.split(separator: 0x3D, maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = HTTPSyntax.percentDecoded(sides[0]),
          let value = HTTPSyntax.percentDecoded(sides.count == 2 ? sides[1] : [])
        else { throw HTTPViolation(400, "the query's percent-encoding is not valid") }
        query.append((name, value))
      }
    }
    return (path, query)
  }
}
