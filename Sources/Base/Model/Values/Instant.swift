// SPDX-License-Identifier: Apache-2.0

/// A point in time on one host's CLOCK_BOOTTIME, in nanoseconds since that host booted.
///
/// Two instants may be compared only when they were read on the same boot of the same host
/// (`BootID`); the rollout protocol translates between hosts with ``ClockSample``.
package struct Instant: Sendable, Hashable, Comparable, Codable {
  package var nanoseconds: Int64

  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

  /// The instant `milliseconds` later (earlier if negative), clamped to the first or last instant.
  /// No host runs that long, so a clamped deadline works as the exact one would.
  package func advanced(byMilliseconds milliseconds: Int) -> Instant {
    Instant(
      nanoseconds: nanoseconds.addingClamped(Int64(milliseconds).multipliedClamped(by: 1_000_000)))
  }

  package func nanoseconds(since earlier: Instant) -> Int64 {
    nanoseconds.subtractingClamped(earlier.nanoseconds)
  }

  /// How much later `self` is than `earlier`, in whole milliseconds, rounded toward zero.
  package func milliseconds(since earlier: Instant) -> Int {
    Int(nanoseconds(since: earlier) / 1_000_000)
  }

  /// The bare number of nanoseconds. Throws if it is further from the boot than any host's life
  /// (``Limits/instantNanoseconds``).
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let nanoseconds = try container.decode(Int64.self)
    let range = -Limits.instantNanoseconds...Limits.instantNanoseconds
    guard range.contains(nanoseconds) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription:
          "is \(nanoseconds), and no instant is further than \(Limits.instantNanoseconds) ns from a boot"
      )
    }
    self.nanoseconds = nanoseconds
  }
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(nanoseconds)
  }
}
