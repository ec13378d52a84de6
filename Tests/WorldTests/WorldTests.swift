// SPDX-License-Identifier: Apache-2.0
import Testing
import World

@Suite("The world of real agents") struct WorldTests {
  @Test("a seed is the same run twice")
  func isDeterministic() {
    for seed in [3, 17, 40] as [UInt64] {
      let (first, second) = (World.run(seed: seed), World.run(seed: seed))
      #expect(first.digest == second.digest)
      #expect(first.switches == second.switches)
    }
  }

  /// Each has failed, for a fault of the agent that docs/development/simulation.md describes.
  @Test("what once failed holds", arguments: [35, 76, 127, 128, 293, 320] as [UInt64])
  func onceFailed(seed: UInt64) { #expect(World.run(seed: seed).violations == []) }

  @Test("a trace tells what happened, with the time of the world")
  func traces() {
    let result = World.run(seed: 35, keepsTrace: true)
    #expect(result.violations == [])
    #expect(result.trace.contains("60.000 everything heals"))
    // To keep a trace changes nothing in the run.
    #expect(World.run(seed: 35).digest == result.digest)
  }
}
