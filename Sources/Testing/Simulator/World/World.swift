// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Crypto
internal import Model
internal import Rollout

// One cluster in one process: its members' shells and hosts, its operators, the network between
// them. The machines are the product's own; the shell around them is written again here, effect by
// effect in the order of Sources/Agent and Sources/Operator, so that it can be broken.
//
// Nothing here reads a clock, a file or a random device; there is one thread, one queue of events,
// and no iteration over a Set or a Dictionary: a seed has one history.

/// Something that must always hold, and did not.
package struct Violation: Sendable, Hashable, CustomStringConvertible {
  /// The number of the invariant in docs/development/protocol.md.
  package var invariant: Int
  package var text: String

  package var description: String { "invariant \(invariant): \(text)" }
}

/// A rollout and its true course, which only the simulator knows.
struct History: Hashable {
  var rollout: Rollout
  /// The new content's number, and the old one's.
  var content: Int
  var previous: Int
  /// Bits: who has voted yes, durably.
  var voted = 0
  var decision: Decision?
  /// The outcome in each member's record.
  var outcomes: [OutcomeKind?]
  var begun: Int64 = 0
  /// The rollout that it takes back, and the proposal that it brings; -1 for none.
  var undoes = -1
  var proposal = -1
  /// The one undertaking that may propose in round 0.
  var proposer = -1
  /// Bits: who was asked for its vote while it held another proposal, as its root knows.
  var strangers = 0
  /// Which life of each member the rollout is of.
  var lives: [Int]
}

/// What an environment file holds: a number, and the key in it; 0 for none.
struct Content: Hashable {
  var key: Int
  var isByHand = false
}

package struct World: Sendable, Hashable {
  var options: Options
  let bug: Bug?
  var random: Random
  var now: Int64 = 0
  var members: [SimulatedMember] = []
  var operators: [SimulatedOperator] = []
  var undertakings: [Undertaking] = []
  var proposals: [SimulatedSettings] = []
  var calls: [Call] = []
  var histories: [History] = []
  var contents: [Content] = [Content(key: 0)]
  /// Links that are cut, from x nodes + to; operators come after the members.
  var cuts: [Int]
  var isFaulty = true
  var healedAt: Int64 = 0
  var isKeyManagerAway = false
  var rolloutsLeft: Int
  var replacementsLeft: Int
  var queue = EventQueue()
  package internal(set) var violation: Violation?
  package internal(set) var steps = 0
  /// Over all events and effects: two processes must come to the same.
  package internal(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
  /// One line for each event, if asked for.
  package internal(set) var lines: [String] = []
  let isTraced: Bool
  let nodeNames: [String]
  /// The member whose checks take the longest; -1 for none.
  let laggard: Int
  package var commits: Int { histories.count { $0.decision == .commit } }
  package var aborts: Int { histories.count { $0.decision == .abort } }

  static let names = (0..<9).map { "m\($0)" }
  static let digests = (0..<128).map { Digest.sha256([UInt8($0)]) }
  static let noVote = Refusal(.vote, "no")

  init(_ options: Options, random: Random, bug: Bug?, trace: Bool) {
    self.options = options
    self.random = random
    self.bug = bug
    isTraced = trace
    nodeNames =
      Self.names.prefix(options.members) + (0..<options.operators).map { "operator \($0)" }
    rolloutsLeft = options.rollouts
    replacementsLeft = options.replacements
    laggard = options.laggard > 0 ? self.random.below(options.members) : -1
    cuts = Array(
      repeating: 0,
      count: (options.members + options.operators) * (options.members + options.operators))
    // Some clusters were encrypted before Keyturn was installed.
    if self.random.below(4) == 0 { contents[0].key = 1 }
    for index in 0..<options.members {
      members.append(SimulatedMember(index, options, &self.random, key: contents[0].key))
    }
    for index in 0..<options.operators {
      operators.append(SimulatedOperator(clock: Int64(self.random.below(1 << 30))))
      schedule(.begin(operator: index), after: self.random.below(3_000_000_000))
    }
  }

  /// The world of one seed, with its own options or others.
  package init(seed: UInt64, options: Options? = nil, bug: Bug? = nil, trace: Bool = false) {
    var random = Random(seed: seed)
    let drawn = Options(seed: seed, &random)
    self.init(options ?? drawn, random: random, bug: bug, trace: trace)
    planFaults()
  }

  package static func options(seed: UInt64) -> Options {
    var random = Random(seed: seed)
    return Options(seed: seed, &random)
  }

  /// The options that a seed had before anything followed a commit.
  static func rolloutsAlone(seed: UInt64) -> Options {
    var random = Random(seed: seed)
    return Options(rolloutsAlone: seed, &random)
  }

  /// Runs to the end, or to the first violation.
  package mutating func run() {
    while violation == nil, let (time, event) = queue.pop() {
      now = time
      steps += 1
      if steps > 200_000 {
        violate(7, "it does not come to rest")
        return
      }
      handle(event)
    }
    if violation == nil { checkTheEnd() }
  }

  mutating func handle(_ event: Event) {
    switch event {
    case .request(let call, let attempt): arrive(call, attempt)
    case .answer(let call, let attempt, let answer): answered(call, attempt, answer)
    case .timeout(let call, let attempt): answered(call, attempt, .unreachable)
    case .send(let call): send(call)
    case .overdue(let member, let run, let rollout) where isAlive(member, run):
      _ = perform(member, .overdue(id: histories[rollout].rollout.id, Self.noVote))
    case .assessed(let member, let run, let rollout) where isAlive(member, run):
      assessed(member, rollout)
    case .fire(let member, let run) where isAlive(member, run): fire(member)
    case .sync(let member, let run) where isAlive(member, run): sync(member)
    case .fireFailed(let member, let run, let rollout) where isAlive(member, run):
      fireFailed(member, rollout)
    case .watched(let member, let run, let rollout) where isAlive(member, run):
      watched(member, rollout)
    case .release(let member, let run) where isAlive(member, run): release(member)
    case .sumUp(let member, let run, let rollout) where isAlive(member, run): sumUp(member, rollout)
    case .beginSettings(let member, let run, let proposal) where isAlive(member, run):
      beginSettings(member, proposal)
    // What an earlier run of the agent has begun.
    case .overdue, .assessed, .fire, .sync, .fireFailed, .watched, .release, .sumUp, .beginSettings:
      break
    case .wake(let member, let serial):
      guard members[member].isUp, members[member].wakeSerial == serial else { return }
      note("m\(member) wakes")
      _ = perform(member, .woke)
    case .collect(let member, let serial, let rollout):
      guard members[member].isUp, members[member].collectSerial == serial else { return }
      collect(member, rollout, .woke)
    case .intend(let member, let serial):
      guard members[member].isUp, members[member].proposalSerial == serial else { return }
      intend(member, .woke)
    case .start(let member): start(member)
    case .timer(let u, let timer): if !undertakings[u].isOver { drive(u, .fired(timer)) }
    case .sign(let u): sign(u)
    case .planned(let call, let attempt, let run): planned(call, attempt, run)
    case .propose(let member, let proposal): propose(member, proposal)
    case .withdraw(let member): withdraw(member)
    case .begin(let index): begin(index)
    case .fault(let fault): strike(fault)
    case .heal: heal()
    }
  }

  func isAlive(_ member: Int, _ run: Int) -> Bool {
    members[member].isUp && members[member].run == run
  }

  // MARK: time and chance

  mutating func schedule(_ event: Event, after nanoseconds: Int) {
    queue.push(event, at: now + Int64(max(0, nanoseconds)))
  }

  mutating func chance(_ perTenThousand: Int) -> Bool {
    isFaulty && random.chance(perTenThousand)
  }

  mutating func milliseconds(_ range: ClosedRange<Int>) -> Int {
    random.pick(range) * 1_000_000
  }

  // MARK: what is seen

  mutating func violate(_ invariant: Int, _ text: String) {
    if violation == nil { violation = Violation(invariant: invariant, text: text) }
    note("VIOLATION of invariant \(invariant): \(text)")
  }

  mutating func note(_ text: @autoclosure () -> String) {
    guard isTraced else { return }
    let microseconds = String(now / 1_000 % 1_000).zeroPadded(to: 3)
    lines.append("\(now / 1_000_000).\(microseconds) ms  \(text())")
  }

  mutating func mix(_ value: Int) {
    digest = (digest ^ UInt64(bitPattern: Int64(value))) &* 0x0000_0100_0000_01b3
    digest ^= digest >> 29
  }
}
