// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Linux

/// Why something on a socket did not succeed. Each case begins with what was attempted, on whom.
package enum SocketFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// Nothing listens there, or a firewall says so.
  case refused(_ attempt: String)
  /// The deadline came first.
  case timedOut(_ attempt: String)
  /// The network knows no way there; with the errno.
  case unreachable(_ attempt: String, Int32)
  /// The resolver answered that the name does not exist or has no address.
  case noSuchHost(_ attempt: String)
  /// The resolver itself failed; with its words.
  case lookupFailed(_ attempt: String, String)
  /// The other side closed or reset the connection.
  case closed(_ attempt: String)
  /// Any other error of the operating system.
  case system(Errno)

  /// Sorts an errno into the cases.
  init(_ code: Int32, _ attempt: String) {
    switch code {
    case ECONNREFUSED: self = .refused(attempt)
    case ETIMEDOUT: self = .timedOut(attempt)
    case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN: self = .unreachable(attempt, code)
    case EPIPE, ECONNRESET, ECONNABORTED, ENOTCONN, ESHUTDOWN: self = .closed(attempt)
    default: self = .system(Errno(code, attempt))
    }
  }

  /// `connect to 10.0.0.1:7377: connection refused`.
  package var description: String {
    switch self {
    case .refused(let attempt): "\(attempt): connection refused"
    case .timedOut(let attempt): "\(attempt): timed out"
    case .unreachable(let attempt, let code): "\(attempt): \(Errno.text(code))"
    case .noSuchHost(let attempt): "\(attempt): no such host"
    case .lookupFailed(let attempt, let reason): "\(attempt): \(reason)"
    case .closed(let attempt): "\(attempt): the other side closed the connection"
    case .system(let errno): errno.description
    }
  }
}
