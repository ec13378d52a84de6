// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@Suite struct BoundsTests {
  /// Decoding without JSON: one number, as a decoder gives it.
  private struct One: Decoder, SingleValueDecodingContainer {
    let text: String
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }
    struct Unused: Error {}
    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
      throw Unused()
    }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw Unused() }
    func singleValueContainer() -> any SingleValueDecodingContainer { self }
    func decodeNil() -> Bool { false }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
      guard let convert = type as? any LosslessStringConvertible.Type,
        let value = convert.init(text) as? Value
      else { throw Unused() }
      return value
    }
  }

  private func isTaken<Kind: Bound>(_ kind: Kind.Type, _ number: String) -> Bool {
    (try? Bounded<Kind>(from: One(text: number)))?.wrappedValue == Kind.Number(number)
  }

  @Test("each kind of number is taken at its limits, and not one past them")
  func limits() {
    func check<Kind: Bound>(_ kind: Kind.Type) {
      let (least, most) = (Kind.range.lowerBound, Kind.range.upperBound)
      #expect(isTaken(kind, "\(least)") && isTaken(kind, "\(most)"), "\(kind)")
      #expect(!isTaken(kind, "\(most + 1)"), "\(kind)")
      if least > Kind.Number.min { #expect(!isTaken(kind, "\(least - 1)"), "\(kind)") }
    }
    check(Bounds.Epoch.self)
    check(Bounds.Generation.self)
    check(Bounds.Serial.self)
    check(Bounds.WallMicroseconds.self)
    check(Bounds.WallSeconds.self)
    check(Bounds.Milliseconds.self)
    check(Bounds.Count.self)
  }

  @Test("an instant is taken up to 36 years from the boot, and not one nanosecond more")
  func instants() {
    for limit in [Limits.instantNanoseconds, -Limits.instantNanoseconds] {
      #expect((try? Instant(from: One(text: "\(limit)")))?.nanoseconds == limit)
      #expect((try? Instant(from: One(text: "\(limit + limit.signum())"))) == nil)
    }
  }

  @Test("arithmetic on instants has an answer for every number")
  func arithmetic() {
    let ends = [Int64.min, -1, 0, 1, Int64.max].map(Instant.init(nanoseconds:))
    for a in ends {
      for milliseconds in [Int.min, -1, 0, 1, Int.max] {
        let moved = a.advanced(byMilliseconds: milliseconds)
        #expect(milliseconds < 0 ? moved <= a : moved >= a)
      }
      for b in ends {
        #expect((a.nanoseconds(since: b) > 0) == (a > b))
        _ = a.milliseconds(since: b)
      }
    }
    #expect(Instant(nanoseconds: 5).advanced(byMilliseconds: .max).nanoseconds == .max)
    #expect(Instant(nanoseconds: -5).advanced(byMilliseconds: .min).nanoseconds == .min)
  }

  @Test("a sum, a difference, a product that there is not is the number nearest to it")
  func clamped() {
    #expect(Int8(100).addingClamped(27) == 127 && Int8(100).addingClamped(28) == 127)
    #expect(Int8(-100).addingClamped(-28) == -128 && Int8(-100).addingClamped(-29) == -128)
    #expect(Int8(-100).subtractingClamped(28) == -128 && Int8(-100).subtractingClamped(29) == -128)
    #expect(Int8(100).subtractingClamped(-28) == 127)
    #expect(Int8(64).multipliedClamped(by: 2) == 127 && Int8(64).multipliedClamped(by: -3) == -128)
    #expect(
      Int8(-64).multipliedClamped(by: -2) == 127 && Int8(-64).multipliedClamped(by: 2) == -128)
    #expect(UInt8(3).subtractingClamped(4) == 0 && UInt8(200).addingClamped(56) == 255)
  }

  @Test("the instant of a decision is an hour back to ten minutes ahead, at the limits too")
  func decisions() {
    let now = Instant(nanoseconds: 7_000_000_000)
    func isTaken(_ nanoseconds: Int64) -> Bool {
      Instant(nanoseconds: now.nanoseconds + nanoseconds).isNearEnoughForDecision(at: now)
    }
    #expect(isTaken(-3_600_000_000_000) && !isTaken(-3_600_000_000_001))
    #expect(isTaken(600_000_000_000) && !isTaken(600_000_000_001))
  }

  @Test("an epoch is at most the seconds since 1970 and ten minutes; a generation a step above")
  func moments() {
    #expect(Limits.highestCounter(atRealtimeMicroseconds: 1_700_000_000_999_999) == 1_700_000_600)
    #expect(Limits.highestCounter(atRealtimeMicroseconds: .min) == 600)
    #expect(Limits.highestGeneration(above: 0) == 1_000_000)
    #expect(Limits.highestGeneration(above: 1) == 1_001)
    #expect(Limits.highestGeneration(above: 99_999_500) == Limits.generationNumber)
    #expect(Limits.highestGeneration(above: .max) == Limits.generationNumber)
  }

  @Test("every time of day can be told; beyond the years of four digits their ends stand for it")
  func calendar() {
    #expect(CalendarTime.text(microseconds: .max) == "9999-12-31T23:59:59.999Z")
    #expect(CalendarTime.text(microseconds: .min) == "0000-01-01T00:00:00.000Z")
    #expect(CalendarTime.text(seconds: Limits.wallSeconds) == "9999-12-31T23:59:59Z")
    #expect(CalendarTime.text(seconds: Limits.wallSeconds + 1) == "9999-12-31T23:59:59Z")
    #expect(CalendarTime.text(seconds: .min) == "0000-01-01T00:00:00Z")
    #expect(CalendarTime.text(microseconds: -1) == "1969-12-31T23:59:59.999Z")
    #expect(CalendarTime.microseconds("1d", now: .min) == .min)
  }

  @Test("an operator's name stands for itself; anybody else's role stands before it")
  func author() {
    func author(_ role: Role) -> String {
      Principal(cluster: "prod", role: role, name: "minio-2").author
    }
    #expect(author(.operator) == "minio-2" && author(.node) == "node/minio-2")
    #expect(Set(Role.allCases.map(author)).count == Role.allCases.count)
  }
}
