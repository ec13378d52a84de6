// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Sockets
package import TLS

/// Why a request got no answer, by the stage that it came to.
package enum HTTPSFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// The host's name gave no address.
  case lookup(SocketFailure)
  /// No address accepted a connection; the last one's failure.
  case connect(SocketFailure)
  /// The handshake failed, or TLS failed later: with TLS 1.3 a server refuses our certificate only
  /// then.
  case tls(TLSFailure)
  /// A connection without TLS failed after it was made.
  case transfer(SocketFailure)
  /// The proxy does not lead to the host; one sentence.
  case proxy(String, isTimeout: Bool)
  /// What came is not HTTP; with where it came from.
  case malformed(HTTPViolation, from: String)

  package var description: String {
    switch self {
    case .lookup(let failure), .connect(let failure), .transfer(let failure): failure.description
    case .tls(let failure): failure.description
    case .proxy(let text, _): text
    case .malformed(let violation, let place): "the answer of \(place): \(violation)"
    }
  }

  /// Whether the deadline came first, at whatever stage.
  package var isTimeout: Bool {
    switch self {
    case .lookup(.timedOut), .connect(.timedOut), .transfer(.timedOut): true
    case .tls(let failure): failure.kind == .timedOut
    case .proxy(_, let isTimeout): isTimeout
    default: false
    }
  }

  /// Whether the other side ended the connection after it was made.
  package var isClosed: Bool {
    switch self {
    case .transfer(.closed): true
    case .tls(let failure): failure.kind == .closed
    default: false
    }
  }
}
