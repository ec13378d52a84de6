// SPDX-License-Identifier: Apache-2.0
import Agreement
import Testing

@testable import Simulator

// The long runs, and the seeded bugs, are keyturn-sim's own (scripts/test, docs/development/simulation.md): an
// optimised build is twenty times faster.

@Suite("Simulator")
struct SimulatorTests {
  @Test("xoshiro256** gives the reference's numbers for this state")
  func random() {
    // SplitMix64 of 0: the first number of the published sequence is the first word of the state.
    var random = Random(seed: 0)
    let first = random.next()
    var again = Random(seed: 0)
    #expect(first == again.next())
    #expect(random.next() == again.next())
    // rotl(state1 * 5, 7) * 9 with SplitMix64's second number as state1.
    let word: UInt64 = 0x6E78_9E6A_A1B9_65F4
    let product = word &* 5
    #expect(first == ((product << 7) | (product >> 57)) &* 9)
  }

  @Test("the same seed has the same history, to the last line of its trace")
  func determinism() {
    for seed: UInt64 in 1...20 {
      #expect(Runs.run(seed: seed).digest == Runs.run(seed: seed).digest)
    }
    let lines = Runs.trace(seed: 3)
    #expect(!lines.isEmpty && lines == Runs.trace(seed: 3))
  }

  @Test("a trace changes nothing")
  func trace() {
    var world = World(seed: 5, trace: true)
    world.run()
    #expect(world.digest == Runs.run(seed: 5).digest)
  }

  @Test("nothing that must hold is broken in the first seeds")
  func firstSeeds() {
    for seed: UInt64 in 1...300 {
      let result = Runs.run(seed: seed)
      #expect(result.violation == nil, "seed \(seed): \(String(describing: result.violation))")
    }
  }

  @Test(
    "what once failed holds",
    arguments: [
      // A host crashed after the record said "restarted" and before the rename was durable.
      15014,
      // A server came back between the vote on a rollback and its instant, and used the key that was
      // about to be taken away.
      52563,
      // A rollback could not be put in place on one member, whose server then came back with the key.
      60365,
      // The same with a file that was edited by hand after the vote.
      96412, 661396,
      // The server started with the old file while the agent was down; that start was taken for the
      // rollout's after a crash between rename and restart.
      573032, 606743, 298192,
      // One member: a write that failed and was there all the same.
      571541, 311990,
    ] as [UInt64])
  func kept(seed: UInt64) {
    // As they were drawn then: nothing was settled or proposed.
    #expect(Runs.run(seed: seed, options: World.rolloutsAlone(seed: seed)).violation == nil)
  }

  @Test(
    "what once failed after the commit holds, and would be seen",
    arguments: [
      // An agent died between the record of the end and that of what follows: nobody worked out the result.
      (270, .collectingAfterTheEnd),
      // The same with the proposal, which was begun again after it had failed.
      (11016, .proposalAfterTheEnd),
      // Another rollout was under way when the outcomes were in, and came to nothing.
      (10331, .sumGivenUp),
    ] as [(UInt64, Simulator.Bug)])
  func keptAfterCommit(seed: UInt64, bug: Simulator.Bug) {
    #expect(Runs.run(seed: seed).violation == nil)
    #expect(Runs.run(seed: seed, bug: bug).violation != nil)
  }

  @Test("a start that is held or owed is so until the next rollout's restart is taken")
  func heldUntilRestarted() {
    // That rollout was committed, and could not be put in place on the member whose server was down.
    #expect(Runs.run(seed: 153_251).violation == nil)
  }

  @Test(
    "a host that is replaced breaks no agreement; it did while one that never voted ended a rollout",
    arguments: [1184, 2096, 2244, 2578, 3705, 3883, 4114] as [UInt64])
  func replaced(seed: UInt64) {
    let result = Runs.run(seed: seed)
    #expect(World.options(seed: seed).replacements > 0)
    #expect(result.violation == nil, "\(String(describing: result.violation))")
  }

  @Test("a member that accepted a commit learns of an abort that the others have forgotten")
  func forgottenAbort() {
    // Found while the members that never voted were taken for no answer where a commit was accepted.
    let result = Runs.run(seed: 18577)
    #expect(result.violation == nil, "\(String(describing: result.violation))")
  }

  @Test("without other faults a rollout goes on when a host is replaced, at every size")
  func replacements() {
    for members in 3...9 {
      var options = Options()
      options.members = members
      options.rollouts = 3
      options.settles = 1
      options.replacements = (members - 1) / 2
      for seed: UInt64 in 1...20 {
        let result = Runs.run(seed: seed, options: options)
        #expect(result.violation == nil, "\(members), \(seed)")
      }
    }
  }

  @Test("proposals that all members hold come into force without faults, at every size")
  func proposals() {
    for members in 1...9 {
      var options = Options()
      options.members = members
      options.rollouts = 0
      options.settles = 1
      options.rollsBack = 1
      options.proposals = 1
      var commits = 0
      for seed: UInt64 in 1...10 {
        let result = Runs.run(seed: seed, options: options)
        #expect(result.violation == nil, "\(members), \(seed)")
        commits += result.commits
      }
      // In each the last one at the least, unless the key guard refuses it.
      #expect(commits >= 8, "\(members) members: \(commits)")
    }
  }

  @Test("without faults every rollout of every size commits")
  func noFaults() {
    for members in 1...9 {
      var options = Options()
      options.members = members
      options.rollouts = 1
      var (commits, seeds) = (0, 0)
      for seed: UInt64 in 1...10 {
        let result = Runs.run(seed: seed, options: options)
        #expect(result.violation == nil)
        commits += result.commits
        // Some try another key than the one in force, and are refused.
        seeds += 1
      }
      #expect(commits > seeds / 2)
    }
  }

  @Test("minimising keeps the violation and leaves fewer kinds of faults")
  func minimise() throws {
    let found = try #require(Runs.firstFailure(1...300, bug: .restartOnAccept))
    let options = Runs.minimise(seed: found.seed, bug: .restartOnAccept)
    let again = Runs.run(seed: found.seed, options: options, bug: .restartOnAccept)
    #expect(again.violation?.invariant == found.violation?.invariant)
    #expect(options.line.count < World.options(seed: found.seed).line.count)
  }

  @Test("bugs that lie on every path are found in the first seeds")
  func bugs() {
    for bug: Simulator.Bug in [
      .silenceIsYes, .restartOnAccept, .sealAfterTheEnd, .timerLostOnRestart, .confirmedByMajority,
      .begunBeforeAllHold, .withdrawalForgotten, .roundZeroAgain, .holdRemovedFirst,
      .anybodyReports,
    ] {
      #expect(Runs.firstFailure(1...300, bug: bug) != nil)
    }
  }
}
