// SPDX-License-Identifier: Apache-2.0

// The range of a number from outside: from a peer, a record or a query. The range is declared with
// the field and enforced by its decoder, so that no later arithmetic can overflow
// (docs/decisions/0035-numbers-bounded-where-decoded.md).
//
// What depends on the moment or on what a member has is judged where that is known:
// ``Limits/highestCounter(atRealtimeMicroseconds:)``, ``Limits/highestGeneration(above:)``,
// ``Instant/isNearEnoughForDecision(at:)``.

package protocol Bound: Sendable {
  associatedtype Number: FixedWidthInteger & Codable & Sendable
  static var range: ClosedRange<Number> { get }
}

package enum Bounds {
  /// The number of a rollout in the order of all.
  package enum Epoch: Bound {
    package static let range = 0...Limits.epoch
  }
  package enum Generation: Bound {
    package static let range = 0...Limits.generationNumber
  }
  /// The number of a statement in the order of one member's.
  package enum Serial: Bound {
    package static let range = 0...Limits.serial
  }
  /// A time of day, microseconds since 1970-01-01 UTC.
  package enum WallMicroseconds: Bound {
    package static let range = 0...Limits.wallSeconds * 1_000_000
  }
  /// A time of day, seconds since 1970-01-01 UTC; certificates may begin before.
  package enum WallSeconds: Bound {
    package static let range = -Limits.wallSeconds...Limits.wallSeconds
  }
  /// How long something may take or has taken, milliseconds.
  package enum Milliseconds: Bound {
    package static let range = 0...Limits.durationMilliseconds
  }
  /// How many there are of something, or which of many it is.
  package enum Count: Bound {
    package static let range = 0...Limits.count
  }
}

/// A number that is decoded only within its range. In memory it is the bare number.
@propertyWrapper package struct Bounded<Kind: Bound>: Sendable, Codable, Hashable {
  package var wrappedValue: Kind.Number

  /// The number was made here, and is not checked.
  package init(wrappedValue: Kind.Number) { self.wrappedValue = wrappedValue }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let number = try container.decode(Kind.Number.self)
    guard Kind.range.contains(number) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription:
          "is \(number), and not within \(Kind.range.lowerBound)...\(Kind.range.upperBound)")
    }
    wrappedValue = number
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(wrappedValue)
  }
}

/// The same for a number that may be left out.
@propertyWrapper package struct BoundedIfPresent<Kind: Bound>: Sendable, Codable, Hashable {
  package var wrappedValue: Kind.Number?

  package init(wrappedValue: Kind.Number?) { self.wrappedValue = wrappedValue }

  package init(from decoder: any Decoder) throws {
    wrappedValue = try Bounded<Kind>(from: decoder).wrappedValue
  }

  /// The bare number, or null where there is no field that could be left out.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(wrappedValue)
  }
}

extension KeyedDecodingContainer {
  /// Synthesised decoders call this: a field that is left out is no number.
  package func decode<Kind>(
    _ type: BoundedIfPresent<Kind>.Type, forKey key: Key
  ) throws -> BoundedIfPresent<Kind> {
    try decodeIfPresent(type, forKey: key) ?? BoundedIfPresent(wrappedValue: nil)
  }
}
extension KeyedEncodingContainer {
  /// Synthesised encoders call this: no number is a field that is left out.
  package mutating func encode<Kind>(_ value: BoundedIfPresent<Kind>, forKey key: Key) throws {
    try encodeIfPresent(value.wrappedValue, forKey: key)
  }
}

// MARK: what depends on the moment

extension Limits {
  /// The highest epoch, or round of a ballot, that is taken from others when the wall clock says
  /// so: the seconds since 1970, and ``counterAheadSeconds``.
  ///
  /// Correct members count from 1, by one for each rollout or attempt, and stay far below it. A
  /// peer that claims the highest allowed number does no harm: the next number is higher by one,
  /// and a second later every member accepts it, whatever its own number was. A largest step would
  /// not do: repeated on one member, it would move that member further from the others than one
  /// step, and they would refuse each other.
  package static func highestCounter(atRealtimeMicroseconds microseconds: Int64) -> UInt64 {
    UInt64(max(0, microseconds) / 1_000_000) + counterAheadSeconds
  }

  /// The highest number that a generation may have on a node whose last one is `number`; 0 for
  /// none.
  package static func highestGeneration(above number: Int) -> Int {
    let step = number == 0 ? firstGenerations : generationStep
    return min(number.addingClamped(step), generationNumber)
  }
}

extension Instant {
  /// Whether a decision may name this instant at `now`: members act on it, and what lies further
  /// ahead would hold a server's restart for as long.
  package func isNearEnoughForDecision(at now: Instant) -> Bool {
    self >= now.advanced(byMilliseconds: -Limits.decisionPastMilliseconds)
      && self <= now.advanced(byMilliseconds: Limits.decisionAheadMilliseconds)
  }
}

// MARK: arithmetic that has an answer for every number

extension FixedWidthInteger {
  /// The sum, or the number nearest to it.
  package func addingClamped(_ other: Self) -> Self {
    let (sum, isOver) = addingReportingOverflow(other)
    return isOver ? (other < 0 ? .min : .max) : sum
  }

  /// The difference, or the number nearest to it.
  package func subtractingClamped(_ other: Self) -> Self {
    let (difference, isOver) = subtractingReportingOverflow(other)
    return isOver ? (other < 0 ? .max : .min) : difference
  }

  /// The product, or the number nearest to it.
  package func multipliedClamped(by other: Self) -> Self {
    let (product, isOver) = multipliedReportingOverflow(by: other)
    return isOver ? ((self < 0) == (other < 0) ? .max : .min) : product
  }
}
