// SPDX-License-Identifier: Apache-2.0

/// What came of one seed.
package struct RunResult: Sendable {
  package var seed: UInt64
  /// What was broken; nil for a good run.
  package var violation: Violation?
  /// Events.
  package var steps: Int
  /// Rollouts that were committed, and aborted.
  package var commits: Int
  /// Rollouts that were aborted.
  package var aborts: Int
  /// Over all events and effects.
  package var digest: UInt64
}

/// Runs of seeds.
package enum Runs {
  /// One seed from beginning to end.
  package static func run(seed: UInt64, options: Options? = nil, bug: Bug? = nil) -> RunResult {
    var world = World(seed: seed, options: options, bug: bug)
    world.run()
    return RunResult(
      seed: seed, violation: world.violation, steps: world.steps, commits: world.commits,
      aborts: world.aborts, digest: world.digest)
  }

  /// The lines of one run.
  package static func trace(seed: UInt64, options: Options? = nil, bug: Bug? = nil) -> [String] {
    var world = World(seed: seed, options: options, bug: bug, trace: true)
    world.run()
    return world.lines
  }

  /// The first seed of the range that finds the bug.
  package static func firstFailure(_ seeds: ClosedRange<UInt64>, bug: Bug?) -> RunResult? {
    for seed in seeds {
      let result = run(seed: seed, bug: bug)
      if result.violation != nil { return result }
    }
    return nil
  }

  /// Takes away, one after the other, whatever kind of fault the same violation happens without.
  package static func minimise(seed: UInt64, bug: Bug? = nil) -> Options {
    var options = World.options(seed: seed)
    guard let first = run(seed: seed, bug: bug).violation else { return options }
    while true {
      let before = options
      for reduction in Options.reductions {
        var smaller = options
        reduction.apply(&smaller)
        if smaller == options { continue }
        let violation = run(seed: seed, options: smaller, bug: bug).violation
        if violation?.invariant == first.invariant { options = smaller }
      }
      if options == before { return options }
    }
  }
}
