// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@Suite struct InstantTests {
  @Test("an instant is moved and compared in its units")
  func units() {
    let start = Instant(nanoseconds: 5)
    let later = start.advanced(byMilliseconds: 1500)
    #expect(later.nanoseconds == 1_500_000_005)
    #expect(later.advanced(byMilliseconds: -1500) == start)
    #expect(later.nanoseconds(since: start) == 1_500_000_000)
    #expect(start.nanoseconds(since: later) == -1_500_000_000)
    #expect(later.milliseconds(since: start) == 1500)
    #expect(start < later)
    #expect(!(later < later))
  }

  @Test(
    "whole milliseconds are rounded toward zero",
    arguments: [
      (0, 0), (999_999, 0), (1_000_000, 1), (1_999_999, 1), (-1_000_000, -1), (-1, 0),
    ] as [(Int64, Int)])
  func rounding(nanoseconds: Int64, milliseconds: Int) {
    #expect(
      Instant(nanoseconds: nanoseconds).milliseconds(since: Instant(nanoseconds: 0))
        == milliseconds)
  }
}
