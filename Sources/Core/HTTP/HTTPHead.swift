// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import OpenSSL

/// The head of an HTTP/1.1 message: its start line and header fields.
struct HTTPHead {
  /// The start line without its end.
  var startLine: [UInt8]
  var headers = HTTPHeaders()

  /// The bytes of a message. A field that could end its own line would be a hole in the framing.
  static func bytes(_ head: String, _ headers: HTTPHeaders, _ body: [UInt8]) -> [UInt8] {
    var bytes = Array(head.utf8)
    bytes.reserveCapacity(bytes.count + 512 + body.count)
    for (name, value) in headers.fields {
      precondition(
        !name.isEmpty && name.utf8.allSatisfy(HTTPSyntax.isToken)
          && value.utf8.allSatisfy(HTTPSyntax.isFieldValue), "a header field must be one line")
      bytes += "\(name): \(value)\r\n".utf8
    }
    bytes += "\r\n".utf8
    bytes += body
    return bytes
  }

  /// The length of the body by its Content-Length fields; nil if there is none.
  ///
  /// RFC 9112, 6.3: a list or several fields might be read differently by two programs on the way,
  /// so only one field with one number counts, even though equal ones could be merged.
  func contentLength(status: Int) throws(HTTPViolation) -> Int? {
    let values = headers.all("content-length")
    if values.isEmpty { return nil }
    guard values.count == 1, let length = HTTPSyntax.number(values[0]) else {
      throw HTTPViolation(status, "Content-Length is not one number")
    }
    return length
  }
}

/// Finds the head at the beginning of what has come so far. Each byte is looked at once.
struct HTTPHeadReader {
  /// The status for what is wrong: 400 in a request, 502 in a response.
  let status: Int
  private var lines: [Range<Int>] = []
  private var lineStart = 0
  private var scanned = 0
  private var skippedEmptyLine = false

  init(status: Int) { self.status = status }

  /// The head, removed from `buffer`; nil if its end has not come yet.
  mutating func next(_ buffer: inout [UInt8]) throws(HTTPViolation) -> HTTPHead? {
    while scanned < buffer.count {
      let byte = buffer[scanned]
      scanned += 1
      if scanned > Limits.httpHeadBytes {
        throw tooLong(431, "the head has more than \(Limits.httpHeadBytes) bytes")
      }
      if byte != 0x0A {
        // As soon as it is known; the line's last byte so far may be its CR.
        try checkLine(scanned - lineStart - 1)
        continue
      }
      // RFC 9112, 2.2: a recipient MAY take a bare LF as the end of a line; one that does can be
      // made to see another message than a stricter one, so it is refused.
      guard scanned - 2 >= lineStart, buffer[scanned - 2] == 0x0D else {
        throw HTTPViolation(status, "a line of the head does not end with CR LF")
      }
      let line = lineStart..<(scanned - 2)
      lineStart = scanned
      if !line.isEmpty {
        try checkLine(line.count)
        lines.append(line)
        if lines.count > Limits.httpHeaderCount + 1 {
          throw tooLong(431, "more than \(Limits.httpHeaderCount) header fields")
        }
      } else if lines.isEmpty {
        // RFC 9112, 2.2: a server SHOULD ignore at least one empty line before the request line.
        guard !skippedEmptyLine else { throw HTTPViolation(status, "empty lines before the head") }
        skippedEmptyLine = true
        buffer.removeFirst(2)
        lineStart = 0
        scanned = 0
      } else {
        let head = try head(in: buffer)
        buffer.dropWiping(scanned)
        if buffer.isEmpty { buffer = [] }
        self = HTTPHeadReader(status: status)
        return head
      }
    }
    return nil
  }

  private func checkLine(_ count: Int) throws(HTTPViolation) {
    guard count > Limits.httpLineBytes else { return }
    throw lines.isEmpty
      ? tooLong(414, "the start line has more than \(Limits.httpLineBytes) bytes")
      : tooLong(431, "a header field has more than \(Limits.httpLineBytes) bytes")
  }

  private func tooLong(_ requestStatus: Int, _ reason: String) -> HTTPViolation {
    HTTPViolation(status == 400 ? requestStatus : status, reason)
  }

  private func head(in buffer: [UInt8]) throws(HTTPViolation) -> HTTPHead {
    var head = HTTPHead(startLine: Array(buffer[lines[0]]))
    for line in lines.dropFirst() {
      let bytes = buffer[line]
      // RFC 9112, 5.2: a folded field is obsolete, and refused.
      if bytes.first == 0x20 || bytes.first == 0x09 {
        throw HTTPViolation(status, "a header field is folded")
      }
      // RFC 9112, 5.1: no white space between the name and the colon; isToken sees to that.
      guard let colon = bytes.firstIndex(of: 0x3A), colon > bytes.startIndex,
        bytes[..<colon].allSatisfy(HTTPSyntax.isToken)
      else { throw HTTPViolation(status, "a header field's name is not a token") }
      let value = HTTPSyntax.trimmed(bytes[(colon + 1)...])
      // RFC 9110, 5.5: CR, LF and NUL are dangerous; refused with all other control characters.
      guard value.allSatisfy(HTTPSyntax.isFieldValue) else {
        throw HTTPViolation(status, "a header field's value holds a control character")
      }
      head.headers.add(
        String(decoding: bytes[..<colon], as: UTF8.self), String(decoding: value, as: UTF8.self))
    }
    return head
  }
}
