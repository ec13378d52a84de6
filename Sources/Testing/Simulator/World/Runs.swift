// SPDX-License-Identifier: Apache-2.0

/// The result of one seed.
package struct RunResult: Sendable {
  package var seed: UInt64
  /// What was broken; nil for a good run.
  package var violation: Violation?
  /// Handled events.
  package var steps: Int
  package var commits: Int
  package var aborts: Int
  /// Over all events and effects.
  package var digest: UInt64
}

package enum Runs {
  package static func run(seed: UInt64, options: Options? = nil, bug: Bug? = nil) -> RunResult {
    var world = World(seed: seed, options: options, bug: bug)
    world.run()
    return RunResult(
      seed: seed, violation: world.violation, steps: world.steps, commits: world.commits,
      aborts: world.aborts, digest: world.digest)
  }

  package static func trace(seed: UInt64, options: Options? = nil, bug: Bug? = nil) -> [String] {
    var world = World(seed: seed, options: options, bug: bug, trace: true)
    world.run()
    return world.lines
  }

  package static func firstFailure(_ seeds: ClosedRange<UInt64>, bug: Bug?) -> RunResult? {
    for seed in seeds {
      let result = run(seed: seed, bug: bug)
      if result.violation != nil { return result }
    }
    return nil
  }

  /// Removes, one after the other, each kind of fault that the same violation does not need.
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
