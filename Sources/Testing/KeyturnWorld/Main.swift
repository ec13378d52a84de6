// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import World

// keyturn-world: runs clusters of real agents through bad days (docs/development/simulation.md).

private let usage = """
  usage: keyturn-world --seeds A..B
         keyturn-world --seed N [--trace]
         keyturn-world --planted A..B
  exits 1 if something that must always hold did not, or a planted fault was not found
  """

@main struct Main {
  static func main() {
    // Sets and dictionaries iterate in an order of each process' own otherwise.
    guard getenv("SWIFT_DETERMINISTIC_HASHING") != nil else {
      setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
      execv("/proc/self/exe", CommandLine.unsafeArgv)
      exit(71)
    }
    let arguments = Array(CommandLine.arguments.dropFirst())
    switch (arguments.first, arguments.dropFirst().first) {
    case ("--seed", let text?):
      guard let seed = UInt64(text) else { break }
      exit(run(seed, isTraced: arguments.contains("--trace")) ? 0 : 1)
    case ("--seeds", let text?):
      guard let seeds = range(text) else { break }
      exit(run(seeds) ? 0 : 1)
    case ("--planted", let text?):
      guard let seeds = range(text) else { break }
      exit(find(in: seeds) ? 0 : 1)
    default: break
    }
    print(usage)
    exit(64)
  }

  private static func run(_ seed: UInt64, isTraced: Bool) -> Bool {
    let result = World.run(seed: seed, keepsTrace: isTraced)
    for line in result.trace { print(line) }
    print("seed \(seed): \(words(result))")
    return result.violations.isEmpty
  }

  private static func range(_ text: String) -> ClosedRange<UInt64>? {
    let bounds = text.split(separator: ".").compactMap { UInt64($0) }
    return bounds.count == 2 && bounds[0] <= bounds[1] ? bounds[0]...bounds[1] : nil
  }

  /// Whether every planted fault is found.
  private static func find(in seeds: ClosedRange<UInt64>) -> Bool {
    var missed = 0
    for planted in Planted.allCases {
      let found = seeds.lazy.map { ($0, World.run(seed: $0, planted: planted).violations) }
        .first { !$0.1.isEmpty }
      print("\(planted): " + (found.map { "seed \($0.0), \($0.1[0])" } ?? "NOT FOUND"))
      if found == nil { missed += 1 }
    }
    return missed == 0
  }

  private static func words(_ result: World.Result) -> String {
    let verdict =
      result.violations.isEmpty ? "good" : "VIOLATION, \(result.violations.joined(separator: "; "))"
    return
      "\(verdict); \(result.switches) switches, digest \(String(result.digest, radix: 16))"
  }

  private static func run(_ seeds: ClosedRange<UInt64>) -> Bool {
    var failures = 0
    var counts: [RareState: Int] = [:]
    for seed in seeds {
      let result = World.run(seed: seed)
      for state in result.reached { counts[state, default: 0] += 1 }
      if result.violations.isEmpty { continue }
      print("seed \(seed): \(words(result))")
      // Who waits for the first one need not wait for the last seed.
      fflush(nil)
      failures += 1
      if failures == 20 { break }
    }
    for state in RareState.allCases {
      print("\(state.rawValue): \(counts[state].map(String.init) ?? "in NO seed")")
    }
    print("seeds \(seeds.lowerBound)..\(seeds.upperBound): \(failures) violations")
    // A share of seeds must get everywhere; a few seeds need not.
    let isWhole = counts.count == RareState.allCases.count || seeds.count < 250
    return failures == 0 && isWhole
  }
}
