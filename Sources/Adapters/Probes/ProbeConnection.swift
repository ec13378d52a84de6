// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import HTTPS
internal import Model
internal import OpenSSL
internal import Sockets
internal import TLS

/// Why a probed host gave no answer.
struct ProbeFailure: Error {
  /// Whether the deadline came first.
  var isTimeout: Bool
  /// Whether a Key Manager has another key than it must have.
  var isOtherKey = false
  /// With whom, and what happened; no secret.
  var text: String

  init(_ failure: SocketFailure) {
    if case .timedOut = failure { isTimeout = true } else { isTimeout = false }
    text = failure.description
  }

  init(_ failure: TLSFailure) {
    isTimeout = failure.kind == .timedOut
    text = failure.description
  }

  init(_ failure: HTTPSFailure) {
    isTimeout = failure.isTimeout
    text = failure.description
  }

  init(_ violation: HTTPViolation) {
    isTimeout = false
    text = "the answer is not valid HTTP: \(violation.reason)"
  }

  init(_ text: String) {
    isTimeout = false
    self.text = text
  }
}

/// One HTTP/1.1 connection to a probed host. It belongs to one thread.
final class ProbeConnection {
  private let transport: Transport
  private let host: String
  private var parser = HTTPResponseParser(bodyLimit: Limits.probeBodyBytes)
  private(set) var staysOpen = true

  init(_ transport: Transport, host: String) {
    self.transport = transport
    self.host = host
  }

  /// What has come of an answer that is not complete may be a data key.
  deinit { parser.wipe() }

  /// Blocks until the answer is complete, or the deadline. After a failure the connection is over.
  func ask(_ request: HTTPRequest, until deadline: Instant) throws(ProbeFailure) -> HTTPResponse {
    staysOpen = false
    do throws(HTTPSFailure) {
      try transport.write(request.bytes(host: host), until: deadline)
    } catch { throw ProbeFailure(error) }
    while true {
      if let response = try parse({ parser throws(HTTPViolation) in try parser.next() }) {
        staysOpen = parser.staysOpen
        return response
      }
      let bytes: [UInt8]
      do throws(HTTPSFailure) { bytes = try transport.read(until: deadline) } catch {
        throw ProbeFailure(error)
      }
      if bytes.isEmpty { return try parse { parser throws(HTTPViolation) in try parser.end() } }
      // Handed over, not copied: the rest of an answer is wiped there.
      parser.feed(consume bytes)
    }
  }

  private func parse<Result>(
    _ body: (inout HTTPResponseParser) throws(HTTPViolation) -> Result
  ) throws(ProbeFailure) -> Result {
    do throws(HTTPViolation) { return try body(&parser) } catch { throw ProbeFailure(error) }
  }

  /// Ends it in order, as far as that works until the deadline.
  func close(until deadline: Instant) { transport.close(until: deadline) }
}
