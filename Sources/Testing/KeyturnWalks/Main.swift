// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Glibc

// keyturn-walks: takes what agrees through orders of events that time would never bring (docs/development/simulation.md).

private let usage = """
  usage: keyturn-walks --walks A..B | --walk N
         keyturn-walks --exhaustive MEMBERS [--ballots N] [--deaths N] [--seconds N]
  exits 1 if something that must always hold did not
  """

@main struct Main {
  private enum Work {
    case walks(ClosedRange<UInt64>)
    /// One walk, whose events are shown.
    case walk(UInt64)
    /// Every order of events, of so many members.
    case exhaustive(members: Int)
  }

  private let work: Work
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
    guard let word = rest.popFirst(), let work = Self.work(word, rest.popFirst()) else {
      return nil
    }
    self.work = work
    guard case .exhaustive = work else {
      if rest.isEmpty { return }
      return nil
    }
    while let option = rest.popFirst() {
      guard let value = rest.popFirst().flatMap({ Int($0) }) else { return nil }
      switch option {
      case "--ballots": ballots = value
      case "--deaths": deaths = value
      case "--seconds": seconds = value
      default: return nil
      }
    }
  }

  private static func work(_ word: String, _ value: String?) -> Work? {
    switch word {
    case "--walks": range(value).map { .walks($0) }
    case "--walk": value.flatMap { UInt64($0) }.map { .walk($0) }
    case "--exhaustive":
      value.flatMap { Int($0) }.flatMap {
        (1...7).contains($0) ? .exhaustive(members: $0) : nil
      }
    default: nil
    }
  }

  private static func range(_ text: String?) -> ClosedRange<UInt64>? {
    let bounds = (text ?? "").split(separator: ".").compactMap { UInt64($0) }
    guard bounds.count == 2, bounds[0] <= bounds[1] else { return nil }
    return bounds[0]...bounds[1]
  }

  private func run() -> Bool {
    switch work {
    case .walks(let numbers): return run(walks: numbers)
    case .walk(let number):
      for line in Walks.trace(number) { Self.say(line) }
      return run(walks: number...number)
    case .exhaustive(let members): return runExhaustive(members)
    }
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
