public import Model

/// The four timestamps of one exchange with a member, as in NTP (RFC 5905, section 8).
public struct ClockSample: Sendable, Codable, Hashable {
  /// When the request left, coordinator's clock.
  public var requestSent: Instant
  /// When it arrived, member's clock.
  public var requestReceived: Instant
  /// When the answer left, member's clock.
  public var answerSent: Instant
  /// When it arrived, coordinator's clock.
  public var answerReceived: Instant
  /// The boot of the member that its timestamps belong to.
  public var bootID: String

  /// A sample; see the properties.
  public init(
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
  public var roundTripNanoseconds: Int64 {
    max(
      0,
      answerReceived.nanoseconds(since: requestSent)
        - answerSent.nanoseconds(since: requestReceived))
  }

  /// Member's clock minus coordinator's clock, nanoseconds.
  public var offsetNanoseconds: Int64 {
    (requestReceived.nanoseconds(since: requestSent)
      + answerSent.nanoseconds(since: answerReceived)) / 2
  }
}

/// What the coordinator knows of one member's clock: the sample with the least round trip of the
/// current boot.
public struct ClockEstimate: Sendable, Hashable {
  /// The best sample.
  public private(set) var best: ClockSample

  /// An estimate from a first sample.
  public init(_ sample: ClockSample) { best = sample }

  /// Takes a further sample in: a shorter round trip is better, another boot replaces everything
  /// before.
  public mutating func add(_ sample: ClockSample) {
    if sample.bootID != best.bootID || sample.roundTripNanoseconds < best.roundTripNanoseconds {
      best = sample
    }
  }

  /// The error of the estimate is at most this, nanoseconds: half the best round trip.
  public var boundNanoseconds: Int64 { (best.roundTripNanoseconds + 1) / 2 }

  /// `instant` of the coordinator's clock in the member's clock.
  public func translate(_ instant: Instant) -> Instant {
    Instant(nanoseconds: instant.nanoseconds + best.offsetNanoseconds)
  }

  /// `instant` of the member's clock in the coordinator's clock.
  public func translateBack(_ instant: Instant) -> Instant {
    Instant(nanoseconds: instant.nanoseconds - best.offsetNanoseconds)
  }
}
