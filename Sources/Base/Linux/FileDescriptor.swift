// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// An open file descriptor; closed when it goes out of scope.
package struct FileDescriptor: ~Copyable, Sendable {
  /// The number; borrowed, valid as long as this value lives.
  package let raw: Int32

  package init(owning raw: Int32) { self.raw = raw }

  deinit { _ = Glibc.close(raw) }

  /// Gives the number away; the caller closes it.
  package consuming func release() -> Int32 {
    let raw = self.raw
    discard self
    return raw
  }

  /// Closes it now and says how that went: a write error may show only here.
  package consuming func close() throws(Errno) {
    let raw = self.raw
    discard self
    let (result, code) = (Glibc.close(raw), errno)
    // On Linux the descriptor is gone even after EINTR.
    if result == -1 && code != EINTR { throw Errno(code, "close") }
  }
}
