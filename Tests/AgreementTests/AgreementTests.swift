// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Agreement

@Suite("Agreement")
struct AgreementTests {
  @Test("nothing that must hold is broken in the first walks")
  func firstWalks() {
    var walks = Walks()
    for number: UInt64 in 1...1_500 {
      let violation = walks.walk(number)
      #expect(violation == nil, "walk \(number)")
    }
    for sight in Sight.allCases { #expect(walks.sights[sight] ?? 0 > 0, "\(sight)") }
  }

  @Test("the same walk has the same events, and a trace changes nothing")
  func determinism() {
    for number: UInt64 in 1...50 {
      #expect(Walks.trace(number) == Walks.trace(number))
      var bare = Walk(seed: number)
      bare.run()
      var traced = Walk(seed: number, isTraced: true)
      traced.run()
      #expect(bare.steps == traced.steps && bare.sights == traced.sights)
    }
  }
}
