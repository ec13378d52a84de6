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
         keyturn-sim --exhaustive MEMBERS [--ballots N] [--deaths N] [--seconds N]
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
  private var ballots = 1
  private var deaths = 1
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
        guard let value = rest.popFirst().flatMap({ Int($0) }), (1...7).contains(value) else {
          return nil
        }
        exhaustive = value
      case "--ballots":
        guard let value = rest.popFirst().flatMap({ Int($0) }) else { return nil }
        ballots = value
      case "--deaths":
        guard let value = rest.popFirst().flatMap({ Int($0) }) else { return nil }
        deaths = value
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

  /// Every order of events, for each way in which the members may begin so many ballots.
  private func runExhaustive(_ members: Int) -> Bool {
    var isGood = true
    for assignment in Exhaustive.assignments(members: members, ballots: ballots) {
      let start = Self.now()
      var search = Exhaustive(ballots: assignment, deaths: deaths)
      let result = search.run(isOver: { Self.now() - start >= seconds })
      for line in result.lines { Self.say(line) }
      Self.say(
        "ballots \(assignment), \(deaths) deaths: \(result.violation.map { "VIOLATION, \($0)" } ?? "good"); \(result.states) states, \(result.steps) steps, \(result.depth) deep\(result.isComplete ? ", complete" : ""); \(result.locals) states of single processes, \(result.messages) messages, \(result.committed) states in which all have committed, \(result.aborted) in which all have aborted, \(result.healed) healed, \(Self.now() - start) s, \(Self.memory()) MB so far"
      )
      if result.violation != nil { isGood = false }
    }
    return isGood
  }

  /// The most that this process ever had in memory, MB.
  private static func memory() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1_000
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
