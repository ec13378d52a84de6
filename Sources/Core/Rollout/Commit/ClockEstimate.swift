// SPDX-License-Identifier: Apache-2.0
package import Model

/// The four timestamps of one exchange with a member, as in NTP (RFC 5905, section 8).
package struct ClockSample: Sendable, Codable, Hashable {
  /// When the request left, coordinator's clock.
  package var requestSent: Instant
  /// When it arrived, member's clock.
  package var requestReceived: Instant
  /// When the answer left, member's clock.
  package var answerSent: Instant
  /// When it arrived, coordinator's clock.
  package var answerReceived: Instant
  /// The boot of the member that its timestamps belong to.
  package var bootID: String

  package init(
    requestSent: Instant, requestReceived: Instant, answerSent: Instant, answerReceived: Instant,
    bootID: String
  ) {
    self.requestSent = requestSent
    self.requestReceived = requestReceived
    self.answerSent = answerSent
    self.answerReceived = answerReceived
    self.bootID = bootID
  }

  /// Time on the wire there and back, nanoseconds; never negative.
  package var roundTripNanoseconds: Int64 {
    max(
      0,
      answerReceived.nanoseconds(since: requestSent)
        - answerSent.nanoseconds(since: requestReceived))
  }

  /// Between which two numbers the member's clock minus the coordinator's was, nanoseconds: neither message arrived
  /// before it left.
  package var offsetsNanoseconds: ClosedRange<Int64> {
    let (there, back) = (
      requestReceived.nanoseconds(since: requestSent), answerSent.nanoseconds(since: answerReceived)
    )
    return min(there, back)...max(there, back)
  }
}

/// What the coordinator knows of one member's clock: between which two numbers the member's clock minus its own is.
///
/// That is what all samples say together. It holds as long as both clocks run on; so it widens with time by what they
/// may drift apart, and a sample that it does not meet takes its place: one of the two machines has been paused, or
/// has booted again.
package struct ClockEstimate: Sendable, Hashable {
  /// What two clocks drift apart in a nanosecond is 1 of so many: 200 parts in a million, twice what a quartz does that
  /// nobody disciplines.
  private static let driftDivisor: Int64 = 5_000

  /// The member's boot that its clock belongs to.
  package private(set) var bootID: String
  /// The shortest round trip since the estimate began, nanoseconds.
  package private(set) var roundTripNanoseconds: Int64
  private var offsets: ClosedRange<Int64>
  /// When that was so, in the coordinator's clock.
  private var measured: Instant

  /// An estimate from a first sample.
  package init(_ sample: ClockSample) {
    bootID = sample.bootID
    roundTripNanoseconds = sample.roundTripNanoseconds
    offsets = sample.offsetsNanoseconds
    measured = sample.answerReceived
  }

  /// Takes a further sample in.
  ///
  /// - Returns: whether it agrees with what was known; if it does not, nothing that was known holds any more.
  @discardableResult
  package mutating func add(_ sample: ClockSample) -> Bool {
    let known = offsets(at: sample.answerReceived)
    let new = sample.offsetsNanoseconds
    guard sample.bootID == bootID, known.overlaps(new) else {
      self = ClockEstimate(sample)
      return false
    }
    offsets = max(known.lowerBound, new.lowerBound)...min(known.upperBound, new.upperBound)
    roundTripNanoseconds = min(roundTripNanoseconds, sample.roundTripNanoseconds)
    measured = max(measured, sample.answerReceived)
    return true
  }

  /// The error of the estimate is at most this at a moment of the coordinator's clock, nanoseconds.
  package func boundNanoseconds(at now: Instant) -> Int64 {
    let offsets = offsets(at: now)
    return (offsets.upperBound - offsets.lowerBound + 1) / 2
  }

  /// `instant` of the coordinator's clock in the member's clock.
  package func translate(_ instant: Instant) -> Instant {
    Instant(nanoseconds: instant.nanoseconds + offsetNanoseconds)
  }

  /// `instant` of the member's clock in the coordinator's clock.
  package func translateBack(_ instant: Instant) -> Instant {
    Instant(nanoseconds: instant.nanoseconds - offsetNanoseconds)
  }

  /// Member's clock minus coordinator's clock, nanoseconds.
  private var offsetNanoseconds: Int64 {
    offsets.lowerBound + (offsets.upperBound - offsets.lowerBound) / 2
  }

  private func offsets(at now: Instant) -> ClosedRange<Int64> {
    let drift = max(0, now.nanoseconds(since: measured)) / Self.driftDivisor
    return offsets.lowerBound - drift...offsets.upperBound + drift
  }
}
