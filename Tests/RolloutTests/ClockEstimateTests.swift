// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@testable import Rollout

/// An exchange of two clocks, in microseconds of the coordinator's: the request takes `there`, the answer `back`.
private func exchange(
  at sent: Int64, offset: Int64, there: Int64 = 100, back: Int64 = 100, boot: String = "boot"
) -> ClockSample {
  func instant(_ microseconds: Int64) -> Instant { Instant(nanoseconds: microseconds * 1_000) }
  return ClockSample(
    requestSent: instant(sent), requestReceived: instant(sent + there + offset),
    answerSent: instant(sent + there + offset), answerReceived: instant(sent + there + back),
    bootID: boot)
}

/// How wrong an estimate is that should be so many microseconds, and what it says of that, nanoseconds.
private func error(_ estimate: ClockEstimate, _ offset: Int64) -> Int64 {
  abs(estimate.translate(Instant(nanoseconds: 0)).nanoseconds - offset * 1_000)
}

/// How wrong it may be when the last sample was taken.
private func bound(_ estimate: ClockEstimate, at sample: ClockSample? = nil) -> Int64 {
  estimate.boundNanoseconds(at: sample?.answerReceived ?? Instant(nanoseconds: 0))
}

@Suite("Clock estimate")
struct ClockEstimateTests {
  @Test("what all samples say together counts, which is less than any of them leaves open")
  func together() {
    // Quick there and slow back, and the other way round: either alone is wrong by 450 us.
    var estimate = ClockEstimate(exchange(at: 0, offset: 7, there: 100, back: 1_000))
    #expect(bound(estimate) == 550_000)
    let agrees = estimate.add(exchange(at: 2_000, offset: 7, there: 1_000, back: 100))
    #expect(agrees)
    #expect(error(estimate, 7) < 1_000)
    #expect(bound(estimate) < 101_000)
    #expect(estimate.roundTripNanoseconds == 1_100_000)
  }

  @Test("another boot of the member takes the place of everything before")
  func reboot() {
    var estimate = ClockEstimate(exchange(at: 0, offset: 0))
    let agrees = estimate.add(
      exchange(at: 1_000, offset: 50, there: 5_000, back: 5_000, boot: "other"))
    #expect(!agrees)
    #expect(estimate.bootID == "other" && bound(estimate) == 5_000_000)
  }

  @Test("the bound widens with time by what clocks drift apart: 200 us in a second")
  func age() {
    let estimate = ClockEstimate(exchange(at: 0, offset: 0))
    let (fresh, old) = (Instant(nanoseconds: 200_000), Instant(nanoseconds: 1_000_200_000))
    #expect(estimate.boundNanoseconds(at: fresh) == 100_000)
    #expect(estimate.boundNanoseconds(at: old) == 300_000)
  }

  @Test("clocks that drift apart by so much contradict no sample, however long ago it was")
  func drift() {
    var estimate = ClockEstimate(exchange(at: 0, offset: 0))
    for second in Int64(1)...600 {
      let sample = exchange(at: second * 1_000_000, offset: second * 190)
      let agrees = estimate.add(sample)
      #expect(agrees, "after \(second) s")
      #expect(error(estimate, second * 190) <= bound(estimate, at: sample))
    }
  }

  @Test("translation there and back is the identity")
  func translation() {
    let estimate = ClockEstimate(exchange(at: 0, offset: -12_345))
    let instant = Instant(nanoseconds: 99)
    #expect(estimate.translateBack(estimate.translate(instant)) == instant)
  }
}

@Suite("Clock estimate: a pause of the machine")
struct ClockPauseTests {
  @Test("the best sample does not outlive it: what contradicts it takes its place")
  func pause() {
    var estimate = ClockEstimate(exchange(at: 0, offset: 0))
    for index in 1..<5 { estimate.add(exchange(at: Int64(index) * 1_000, offset: 0)) }
    // The member's machine stood still for 2 s, and the network is slower than it was.
    for index in 0..<3 {
      estimate.add(
        exchange(
          at: 5_000_000 + Int64(index) * 1_000, offset: -2_000_000, there: 2_000, back: 3_000))
    }
    #expect(error(estimate, -2_000_000) <= bound(estimate))
    #expect(bound(estimate) <= 3_000_000)
  }

  @Test(
    "the bound holds what the offset really is, whatever the samples were, and is no wider than it must be"
  )
  func truth() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2_000 {
      var offset = Int64.random(in: -1_000_000...1_000_000, using: &random)
      var now: Int64 = 0
      var estimate: ClockEstimate?
      for _ in 0..<8 {
        now += Int64.random(in: 1_000...2_000_000, using: &random)
        if Int.random(in: 0..<8, using: &random) == 0 {
          offset -= Int64.random(in: 0...3_000_000, using: &random)
        }
        let sample = exchange(
          at: now, offset: offset, there: .random(in: 10...40_000, using: &random),
          back: .random(in: 10...40_000, using: &random))
        if estimate == nil { estimate = ClockEstimate(sample) } else { estimate?.add(sample) }
        guard let estimate else { continue }
        let wrong = error(estimate, offset)
        // A pause that is shorter than what the samples tell apart is not seen.
        #expect(
          wrong <= bound(estimate, at: sample) + sample.roundTripNanoseconds,
          "\(wrong) ns wrong, \(bound(estimate)) ns said")
      }
    }
  }
}
