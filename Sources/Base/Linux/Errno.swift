// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// The error number of a failed system call, with what was attempted.
package struct Errno: Error, Sendable, Hashable, CustomStringConvertible {
  package var code: Int32
  /// What was attempted on what, for example `open /etc/default/minio`.
  package var attempt: String

  package init(_ code: Int32, _ attempt: String) {
    self.code = code
    self.attempt = attempt
  }

  package var description: String { "\(attempt): \(Errno.text(code))" }

  /// The C library's words for an error number. Safe from any thread.
  package static func text(_ code: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress else { return "error \(code)" }
      // The XSI form under Swift's Glibc module: fills the buffer and returns 0.
      return strerror_r(code, base, 256) == 0 ? String(cString: base) : "error \(code)"
    }
  }
}

/// Repeats `call` while it is interrupted by a signal; throws its errno when it returns -1.
///
/// `errno` is read in the expression that made the call, before anything else can change it.
package func retrying<Result: FixedWidthInteger & SignedInteger>(
  _ attempt: @autoclosure () -> String, _ call: () -> Result
) throws(Errno) -> Result {
  while true {
    let (result, code) = (call(), errno)
    if result != -1 { return result }
    if code != EINTR { throw Errno(code, attempt()) }
  }
}
