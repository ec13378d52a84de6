// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
package import Model

package enum Clock {
  /// CLOCK_BOOTTIME now: what the protocol and every deadline is counted in.
  package static func now() -> Instant {
    Instant(nanoseconds: Runtime.simulated?.boottimeNanoseconds ?? kt_boottime_nanoseconds())
  }

  /// CLOCK_MONOTONIC now, microseconds: what systemd's timestamps and sd_bus/sd_journal timeouts
  /// are in.
  package static func monotonicMicroseconds() -> UInt64 {
    UInt64((Runtime.simulated?.monotonicNanoseconds ?? kt_monotonic_nanoseconds()) / 1000)
  }

  /// CLOCK_REALTIME now, microseconds since 1970-01-01 UTC: only for people, and beside the
  /// times of files.
  package static func realtimeMicroseconds() -> Int64 {
    (Runtime.simulated?.realtimeNanoseconds ?? kt_realtime_nanoseconds()) / 1000
  }

  /// Blocks the calling thread until `instant`, by an absolute timer.
  package static func sleep(until instant: Instant) {
    guard let simulated = Runtime.simulated else {
      while kt_sleep_until_boottime(instant.nanoseconds) == EINTR {}
      return
    }
    // Nobody wakes this place: it is on the stack of the one who sleeps.
    withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { place in
      guard let base = place.baseAddress else { return }
      simulated.park(at: base, until: instant.nanoseconds)
    }
  }
}

extension Instant {
  /// Milliseconds left until this instant, rounded up, never negative, never above Int32.max (for
  /// poll(2)).
  package func remainingMilliseconds() -> Int32 {
    let left = nanoseconds(since: Clock.now()).addingClamped(999_999) / 1_000_000
    return Int32(clamping: max(0, left))
  }

  package static func inMilliseconds(_ milliseconds: Int) -> Instant {
    Clock.now().advanced(byMilliseconds: milliseconds)
  }
}
