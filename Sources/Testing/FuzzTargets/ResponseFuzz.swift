// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Model

/// The HTTP response parser: the result must not depend on how the bytes are cut.
enum ResponseFuzz {
  private static let bodyLimit = 512

  private struct Outcome: Equatable {
    var responses: [HTTPResponse] = []
    var isRefused = false
    var staysOpen: [Bool] = []
  }

  /// The first byte says how the rest is cut, and whether it answers a CONNECT.
  static func violation(_ bytes: [UInt8]) -> String? {
    let first = bytes.first ?? 0
    let stream = Array(bytes.dropFirst())
    let toConnect = first & 0x80 != 0
    let whole = read(stream, toConnect: toConnect, pieces: stream.count)
    for size in [1, Int(first & 0x7F) + 1] {
      if read(stream, toConnect: toConnect, pieces: size) != whole {
        return "response: in pieces of \(size) it is another"
      }
    }
    for response in whole.responses {
      if !(200...999).contains(response.status) { return "response: the status \(response.status)" }
      if response.body.count > bodyLimit { return "response: the body is longer than allowed" }
      for (name, value) in response.headers.fields {
        if name.isEmpty || (name + value).utf8.contains(where: { $0 == 10 || $0 == 13 || $0 == 0 })
        {
          return "response: a field that is not one line"
        }
      }
      if let problem = rewritten(response) { return problem }
    }
    return nil
  }

  private static func read(_ stream: [UInt8], toConnect: Bool, pieces size: Int) -> Outcome {
    var parser = HTTPResponseParser(bodyLimit: bodyLimit, toConnect: toConnect)
    var outcome = Outcome()
    var rest = stream[...]
    do throws(HTTPViolation) {
      repeat {
        let piece = rest.prefix(max(1, size))
        rest = rest.dropFirst(piece.count)
        parser.feed(Array(piece))
        while let response = try parser.next() {
          outcome.responses.append(response)
          outcome.staysOpen.append(parser.staysOpen)
        }
      } while !rest.isEmpty
      if !parser.isIdle { outcome.responses.append(try parser.end()) }
    } catch { outcome.isRefused = true }
    return outcome
  }

  /// What the serialiser writes is read as the same.
  private static func rewritten(_ response: HTTPResponse) -> String? {
    var plain = HTTPResponse(response.status, body: response.body)
    let framing = ["content-length", "transfer-encoding", "connection"]
    for (name, value) in response.headers.fields where !framing.contains(name) {
      plain.headers.add(name, value)
    }
    if response.status == 204 || response.status == 304 { plain.body = [] }
    // Content-Length takes a field too.
    if plain.headers.fields.count == Limits.httpHeaderCount { return nil }
    var parser = HTTPResponseParser(bodyLimit: bodyLimit)
    parser.feed(plain.bytes(closes: false))
    guard var again = try? parser.next() else { return "response: what is written is not read" }
    var headers = HTTPHeaders()
    for (name, value) in again.headers.fields where !framing.contains(name) {
      headers.add(name, value)
    }
    again.headers = headers
    return again == plain ? nil : "response: written and read it is another"
  }
}
