// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Glibc
internal import Simulator

// keyturn-sim: runs the rollout protocol through bad days (docs/development/simulation.md).

private let usage = """
  usage: keyturn-sim --seeds A..B [--bug NAME]
         keyturn-sim --seed N [--trace] [--minimise] [--bug NAME]
         keyturn-sim --bugs [--seeds A..B]
         keyturn-sim --walks A..B | --walk N
         keyturn-sim --exhaustive MEMBERS [--no-crash] [--depth N] [--seconds N]
  exits 1 if something that must always hold did not, or a seeded bug was not found
  """

@main struct Main {
  private var seeds: ClosedRange<UInt64> = 1...20_000
  private var seed: UInt64?
  private var isTraced = false
  private var isMinimised = false
  private var bug: Bug?
  private var allBugs = false
  private var walks: ClosedRange<UInt64>?
  /// One walk, whose events are shown.
  private var walk: UInt64?
  private var exhaustive: Int?
  private var mayCrash = true
  private var depth = 1_000
  private var seconds = 600

  static func main() {
    guard let main = Main(Array(CommandLine.arguments.dropFirst())) else {
      say(usage)
      exit(64)
    }
    exit(main.run() ? 0 : 1)
  }

  private init?(_ arguments: [String]) {
    var rest = arguments[...]
    if rest.isEmpty { return nil }
    while let argument = rest.popFirst() {
      switch argument {
      case "--trace": isTraced = true
      case "--minimise": isMinimised = true
      case "--bugs": allBugs = true
      case "--no-crash": mayCrash = false
      case "--seed":
        guard let value = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
        seed = value
      case "--seeds":
        guard let value = Self.range(rest.popFirst()) else { return nil }
        seeds = value
      case "--walks":
        guard let value = Self.range(rest.popFirst()) else { return nil }
        walks = value
      case "--walk":
        guard let value = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
        walk = value
      case "--bug":
        guard let value = rest.popFirst().flatMap({ Bug(rawValue: $0) }) else { return nil }
        bug = value
      case "--exhaustive":
        guard let value = rest.popFirst().flatMap({ Int($0) }), (1...3).contains(value) else {
          return nil
        }
        exhaustive = value
      case "--depth":
        guard let value = rest.popFirst().flatMap({ Int($0) }) else { return nil }
        depth = value
      case "--seconds":
        guard let value = rest.popFirst().flatMap({ Int($0) }) else { return nil }
        seconds = value
      default: return nil
      }
    }
  }

  private static func range(_ text: String?) -> ClosedRange<UInt64>? {
    let bounds = (text ?? "").split(separator: ".").compactMap { UInt64($0) }
    guard bounds.count == 2, bounds[0] <= bounds[1] else { return nil }
    return bounds[0]...bounds[1]
  }

  private func run() -> Bool {
    if let walks { return run(walks: walks) }
    if let walk {
      for line in Walks.trace(walk) { Self.say(line) }
      return run(walks: walk...walk)
    }
    if allBugs { return runBugs() }
    if let exhaustive { return runExhaustive(exhaustive) }
    if let seed { return run(seed) }
    return runSeeds()
  }

  private func run(_ seed: UInt64) -> Bool {
    var options = World.options(seed: seed)
    Self.say("seed \(seed): \(options.line)")
    if isMinimised {
      options = Runs.minimise(seed: seed, bug: bug)
      Self.say("minimised: \(options.line)")
    }
    if isTraced {
      for line in Runs.trace(seed: seed, options: options, bug: bug) { Self.say(line) }
    }
    let result = Runs.run(seed: seed, options: options, bug: bug)
    Self.say(
      "seed \(seed): \(result.violation.map { "VIOLATION, \($0)" } ?? "good"); \(result.steps) events, \(result.commits) commits, \(result.aborts) aborts, digest \(String(result.digest, radix: 16))"
    )
    return result.violation == nil
  }

  private func runSeeds() -> Bool {
    let start = Self.now()
    var failures = 0
    var (steps, commits, aborts) = (0, 0, 0)
    var digest: UInt64 = 0
    for seed in seeds {
      let result = Runs.run(seed: seed, bug: bug)
      steps += result.steps
      commits += result.commits
      aborts += result.aborts
      digest = digest &* 31 &+ result.digest
      if let violation = result.violation {
        Self.say("seed \(seed): VIOLATION, \(violation)")
        failures += 1
        if failures == 20 { break }
      }
    }
    Self.say(
      "seeds \(seeds.lowerBound)..\(seeds.upperBound): \(failures) violations; \(steps) events, \(commits) commits, \(aborts) aborts, \(Self.now() - start) s, digest \(String(digest, radix: 16))"
    )
    return failures == 0
  }

  private func run(walks numbers: ClosedRange<UInt64>) -> Bool {
    let start = Self.now()
    var walks = Walks()
    var failures = 0
    for number in numbers {
      guard let violation = walks.walk(number) else { continue }
      Self.say("walk \(number): VIOLATION, \(violation)")
      failures += 1
      if failures == 20 { break }
    }
    let sights = Sight.allCases.map { "\($0) \(walks.sights[$0] ?? 0)" }
    Self.say(
      "walks \(numbers.lowerBound)..\(numbers.upperBound): \(failures) violations; \(walks.events) events before healing, \(Self.now() - start) s; of the walks came to \(sights.joined(separator: ", "))"
    )
    return failures == 0
  }

  private func runBugs() -> Bool {
    var missed = 0
    for bug in Bug.allCases {
      if let found = Runs.firstFailure(seeds, bug: bug), let violation = found.violation {
        Self.say("\(bug.rawValue): found by seed \(found.seed), \(violation)")
      } else {
        Self.say("\(bug.rawValue): NOT FOUND in seeds \(seeds.lowerBound)..\(seeds.upperBound)")
        missed += 1
      }
    }
    Self.say("\(Bug.allCases.count - missed) of \(Bug.allCases.count) seeded bugs found")
    return missed == 0
  }

  private func runExhaustive(_ members: Int) -> Bool {
    let start = Self.now()
    let result = Exhaustive.run(
      members: members, mayCrash: mayCrash, bug: bug, depth: depth,
      isOver: { Self.now() - start >= seconds },
      progress: { Self.say("depth \($0.depth): \($0.states) states, \(Self.now() - start) s") })
    for line in result.lines { Self.say(line) }
    Self.say(
      "\(members) members, \(mayCrash ? "one crash" : "no crash"): \(result.violation.map { "VIOLATION, \($0)" } ?? "good"); \(result.states) states to depth \(result.depth)\(result.isComplete ? ", complete" : ""), \(Self.now() - start) s"
    )
    return result.violation == nil
  }

  private static func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec
  }

  private static func say(_ line: String) {
    print(line)
    fflush(nil)
  }
}
