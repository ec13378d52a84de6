// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// Wakes a thread that polls, from any other thread: an eventfd(2).
package final class Wakeup: Sendable {
  private let event: FileDescriptor

  package init() throws(Errno) {
    event = FileDescriptor(owning: try retrying("eventfd") { kt_eventfd() })
  }

  /// To be polled for POLLIN; readable from ``signal()`` to ``clear()``.
  package var descriptor: Int32 { event.raw }

  /// Wakes the thread, now or when it polls next. Does not block.
  package func signal() {
    var one: UInt64 = 1
    // The only failure is EAGAIN, of a counter that is full: then the thread is awake.
    _ = write(event.raw, &one, 8)
  }

  /// Takes the wake-up back. Does not block.
  package func clear() {
    var count: UInt64 = 0
    _ = read(event.raw, &count, 8)
  }
}
