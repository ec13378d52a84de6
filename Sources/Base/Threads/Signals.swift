// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
package import Model

/// The signals that end or reload a program, taken one by one on the main thread.
package enum Signals {
  package enum Request: Sendable, Hashable {
    /// SIGTERM or SIGINT: end in good order.
    case stop
    /// SIGHUP: read the configuration again.
    case reload
  }

  /// Blocks SIGTERM, SIGINT and SIGHUP and ignores SIGPIPE, for the calling thread and all that are
  /// started later: the first call of `main`. Does not block.
  package static func prepare() {
    let code = kt_signals_prepare()
    precondition(code == 0, "the signal mask could not be set")
  }

  /// Blocks until a signal comes, or the deadline (nil).
  package static func wait(until deadline: Instant?) -> Request? {
    while true {
      let left = deadline.map { max(0, $0.nanoseconds(since: Clock.now())) } ?? -1
      let (signal, code) = (kt_signals_wait(left), errno)
      switch signal {
      case SIGTERM, SIGINT: return .stop
      case SIGHUP: return .reload
      default: if code == EAGAIN { return nil }  // else EINTR: once more
      }
    }
  }
}
