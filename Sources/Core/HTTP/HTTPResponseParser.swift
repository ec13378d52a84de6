// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import OpenSSL

/// Turns the bytes of a connection into HTTP/1.1 responses, for a client. No IO: feed what has
/// come, take what is complete.
///
/// Interim responses (1xx) are dropped. Do not use the parser
/// after a violation.
///
/// A response may hold a secret: the bytes of a body are in the response, which the caller wipes,
/// and nowhere else.
package struct HTTPResponseParser: Sendable {
  private enum State {
    case head
    /// Content-Length bytes to come.
    case length(HTTPResponse, Int)
    /// RFC 9112, 7.1: a line with the next chunk's size.
    case chunkSize(HTTPResponse)
    /// A chunk and its CR LF.
    case chunk(HTTPResponse, Int)
    /// Lines after the last chunk, up to an empty one; dropped.
    case trailer(HTTPResponse, lines: Int)
    /// The end of the connection is the end of the body.
    case untilEnd(HTTPResponse)
  }
  private let bodyLimit: Int
  private let isToConnect: Bool
  private var buffer: [UInt8] = []
  private var state = State.head
  private var reader = HTTPHeadReader(status: 502)
  private var sawHTTP10 = false

  /// Whether the next response is to a HEAD: it has no body, whatever its fields say (RFC 9112, 6.3).
  package var isToHead = false

  /// A body of more than `bodyLimit` bytes is a violation. `toConnect`: only heads are taken, since
  /// the answer to a CONNECT has no body if it is 2xx (RFC 9110, 9.3.6), and after any other the
  /// connection is of no use.
  package init(bodyLimit: Int = Limits.httpBodyBytes, toConnect: Bool = false) {
    self.bodyLimit = bodyLimit
    isToConnect = toConnect
  }

  /// Whether nothing of a next response has come yet.
  package var isIdle: Bool { if case .head = state { buffer.isEmpty } else { false } }

  /// Whether the connection can carry another request after the last response (RFC 9112, 9.3).
  package private(set) var staysOpen = true

  /// Takes bytes that have come. They are wiped here if this is their only copy.
  package mutating func feed(_ bytes: consuming [UInt8]) {
    if buffer.isEmpty {
      buffer = bytes
    } else {
      buffer.appendWiping(bytes)
      bytes.wipe()
    }
  }

  /// Wipes what has come of a response that will not be taken.
  package mutating func wipe() {
    buffer.wipe()
    let left = state
    state = .head
    switch left {
    case .head: break
    case .length(var response, _), .chunkSize(var response), .chunk(var response, _),
      .trailer(var response, _), .untilEnd(var response):
      response.body.wipe()
    }
  }

  /// The response that ends with the connection; the end of the connection within any other is a
  /// violation.
  package mutating func end() throws(HTTPViolation) -> HTTPResponse {
    guard case .untilEnd(let response) = state else {
      throw HTTPViolation(502, "the connection ended within the response")
    }
    state = .head
    return response
  }

  /// The next complete response; nil if more bytes are needed.
  package mutating func next() throws(HTTPViolation) -> HTTPResponse? {
    while true {
      switch state {
      case .head:
        guard let head = try reader.next(&buffer) else { return nil }
        let response = try start(head)
        // RFC 9110, 15.2: any number of interim responses may come before the final one.
        if (100..<200).contains(response.status) { continue }
        try frame(response, head)
      case .length(var response, let length):
        guard buffer.count >= length else { return nil }
        response.body = take(length)
        state = .head
        return response
      case .chunkSize(let response):
        guard let line = try takeLine() else { return nil }
        let size = try Self.chunkSize(line)
        try checkBody(response.body.count + size)
        state = size == 0 ? .trailer(response, lines: 0) : .chunk(response, size)
      case .chunk(var response, let size):
        guard buffer.count >= size + 2 else { return nil }
        // With the other reference gone the body grows in place, or is wiped where it was.
        state = .head
        var chunk = take(size)
        response.body.appendWiping(chunk)
        chunk.wipe()
        guard take(2) == [0x0D, 0x0A] else {
          response.body.wipe()
          throw HTTPViolation(502, "a chunk is longer than its size says")
        }
        state = .chunkSize(response)
      case .trailer(let response, let lines):
        guard let line = try takeLine() else { return nil }
        if line.isEmpty {
          state = .head
          return response
        }
        guard lines < Limits.httpHeaderCount else {
          throw HTTPViolation(502, "more than \(Limits.httpHeaderCount) trailer fields")
        }
        state = .trailer(response, lines: lines + 1)
      case .untilEnd(var response):
        try checkBody(response.body.count + buffer.count)
        state = .head
        response.body.appendWiping(buffer)
        buffer.wipe()
        state = .untilEnd(response)
        return nil
      }
    }
  }

  /// RFC 9112, 4: HTTP-version SP 3DIGIT SP [reason]. The last space is missing from some servers'
  /// lines.
  private mutating func start(_ head: HTTPHead) throws(HTTPViolation) -> HTTPResponse {
    let line = String(decoding: head.startLine, as: UTF8.self)
    let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0",
      parts[1].utf8.count == 3, let status = HTTPSyntax.number(String(parts[1])), status >= 100
    else { throw HTTPViolation(502, "the answer is not HTTP/1.1") }
    // Nobody here asks for another protocol.
    if status == 101 { throw HTTPViolation(502, "the server switched protocols unasked") }
    sawHTTP10 = parts[0] == "HTTP/1.0"
    return HTTPResponse(status, headers: head.headers)
  }

  /// RFC 9112, 6.3: how long the body is.
  private mutating func frame(_ response: HTTPResponse, _ head: HTTPHead) throws(HTTPViolation) {
    staysOpen = !sawHTTP10 && !head.headers.lists("connection", "close")
    let length = try head.contentLength(status: 502)
    let codings = head.headers.all("transfer-encoding")
    if response.status == 204 || response.status == 304 || isToConnect || isToHead {
      state = .length(response, 0)
    } else if !codings.isEmpty {
      // Both together "ought to be handled as an error"; nor has HTTP/1.0 any transfer coding.
      guard length == nil, !sawHTTP10 else {
        throw HTTPViolation(502, "Transfer-Encoding where it may not be")
      }
      guard codings.count == 1, codings[0].lowercased() == "chunked" else {
        throw HTTPViolation(502, "a Transfer-Encoding other than chunked")
      }
      state = .chunkSize(response)
    } else if let length {
      try checkBody(length)
      state = .length(response, length)
    } else {
      staysOpen = false
      state = .untilEnd(response)
    }
  }

  private func checkBody(_ count: Int) throws(HTTPViolation) {
    if count > bodyLimit {
      throw HTTPViolation(502, "the body has more than \(bodyLimit) bytes", isTooLong: true)
    }
  }

  /// RFC 9112, 7.1: hexadecimal digits, then extensions, which may be ignored.
  private static func chunkSize(_ line: [UInt8]) throws(HTTPViolation) -> Int {
    let digits = HTTPSyntax.trimmed(line.prefix { $0 != 0x3B })
    guard (1...8).contains(digits.count) else {
      throw HTTPViolation(502, "a chunk's size is not valid")
    }
    var size = 0
    for digit in digits {
      guard let value = digit.hexValue else {
        throw HTTPViolation(502, "a chunk's size is not valid")
      }
      size = size << 4 | Int(value)
    }
    return size
  }

  private mutating func takeLine() throws(HTTPViolation) -> [UInt8]? {
    guard let end = buffer.firstIndex(of: 0x0A) else {
      // The last byte so far may be the line's CR.
      if buffer.count > Limits.httpLineBytes + 1 {
        throw HTTPViolation(502, "a line between chunks is too long")
      }
      return nil
    }
    guard end > 0, buffer[end - 1] == 0x0D, end - 1 <= Limits.httpLineBytes else {
      throw HTTPViolation(502, "a line between chunks is not valid")
    }
    return take(end + 1).dropLast(2)
  }

  private mutating func take(_ count: Int) -> [UInt8] {
    if count == buffer.count {
      defer { buffer = [] }
      return buffer
    }
    defer { buffer.dropWiping(count) }
    return Array(buffer[..<count])
  }
}
