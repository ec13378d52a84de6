// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Rollout

/// Every order of events of one rollout, with at most one crash of an agent: no time and no chance.
/// Messages may come in any order or not at all, which covers lost messages and a coordinator that
/// is killed; every timer may fire at any moment.
package struct Exhaustive {
  package struct Result: Sendable {
    /// Different states that were seen.
    package var states = 0
    /// The depth that was searched completely.
    package var depth = 0
    /// Whether everything was tried.
    package var isComplete = false
    /// What was broken, and the events that led there.
    package var violation: Violation?
    /// One line for each event on the way to the violation.
    package var lines: [String] = []
  }

  /// How often one member's patience may end in one run: each makes the space several times larger.
  private static let wakes = 2
  /// The deepest effect at which an agent may die.
  private static let effects = 4

  /// One state: the world, whether a crash is still to come, and how it came about.
  fileprivate struct Node {
    var world: World
    var mayCrash: Bool
    var wakes = 0
    /// Its place in the list of steps.
    var step = 0
  }

  /// The step to a state: which pending event is handled, and before which effect the agent dies.
  private struct Step {
    var from: Int32
    var event: Int16
    var effect: Int16?
  }

  /// Breadth first: after `depth` steps every order of so many events was tried. `isOver` is asked
  /// now and then, and ends the search; `progress` is called after each depth.
  ///
  /// - Parameters:
  ///   - members: 1 to 3.
  ///   - mayCrash: whether an agent may die, once.
  ///   - depth: the most events of one order.
  package static func run(
    members: Int, mayCrash: Bool = true, bug: Bug? = nil, depth: Int, isOver: () -> Bool,
    progress: (Result) -> Void = { _ in }
  ) -> Result {
    let root = root(members: members, mayCrash: mayCrash, bug: bug)
    var result = Result()
    var seen: Set<Int> = []
    var steps = [Step(from: -1, event: 0)]
    var front = [root]
    while !front.isEmpty, result.depth < depth {
      var next: [Node] = []
      for node in front {
        for step in choices(in: node) {
          guard var child = child(of: node, step) else { continue }
          if let violation = child.world.violation {
            result.violation = violation
            result.lines = lines(to: step, steps, root)
            result.states = seen.count
            return result
          }
          if !seen.insert(child.fingerprint).inserted { continue }
          steps.append(step)
          child.step = steps.count - 1
          next.append(child)
        }
        if isOver() {
          result.states = seen.count
          return result
        }
      }
      front = next
      result.depth += 1
      result.states = seen.count
      progress(result)
    }
    result.isComplete = front.isEmpty
    return result
  }

  private static func root(members: Int, mayCrash: Bool, bug: Bug?) -> Node {
    var options = Options()
    options.members = members
    options.operators = 1
    options.rollouts = 1
    var world = World(options, random: Random(seed: 1), bug: bug, trace: false, exhaustive: true)
    // The plan and the clocks come first, in one order: nothing depends on it.
    while let index = world.pending.firstIndex(where: { world.isPreliminary($0) }) {
      world.handle(world.pending.remove(at: index))
    }
    return Node(world: world, mayCrash: mayCrash)
  }

  /// Every step from a state, in a fixed order; those without a ``child(of:_:)`` too.
  private static func choices(in node: Node) -> [Step] {
    let from = Int32(node.step)
    return node.world.pending.indices.flatMap { index -> [Step] in
      let event = Int16(index)
      let deaths = node.mayCrash ? (0..<effects).map { Int16($0) } : []
      return [Step(from: from, event: event)]
        + deaths.map { Step(from: from, event: event, effect: $0) }
    }
  }

  /// The state after a step; nil if there is none: no patience is left, or there are fewer effects.
  private static func child(of node: Node, _ step: Step) -> Node? {
    var child = node
    let event = child.world.pending.remove(at: Int(step.event))
    if case .wake = event {
      if node.wakes == wakes { return nil }
      child.wakes += 1
    }
    if let effect = step.effect {
      child.mayCrash = false
      child.world.crashCountdown = Int(effect)
    }
    child.world.handle(event)
    // It did not die: that is the step without a crash.
    if child.world.crashCountdown != nil { return nil }
    child.world.forgetTheDead()
    return child
  }

  /// The events on the way to a step, found by repeating it.
  private static func lines(to last: Step, _ steps: [Step], _ root: Node) -> [String] {
    var way = [last]
    while let first = way.first, first.from > 0 { way.insert(steps[Int(first.from)], at: 0) }
    var node = root
    return way.map { step in
      let event = node.world.pending[Int(step.event)]
      if let next = child(of: node, step) { node = next }
      return (step.effect.map { "dies before effect \($0): " } ?? "") + "\(event)"
    }
  }
}

extension World {
  /// Whether an event comes before everything that members promise.
  fileprivate func isPreliminary(_ event: Event) -> Bool {
    switch event {
    case .begin: return true
    case .request(let call, _), .answer(let call, _, _):
      switch calls[call].request {
      case .plan, .clock(isAfterVote: false): return true
      default: return false
      }
    default: return false
    }
  }

  /// Removes events that can never do anything again: the state has the same future without them.
  fileprivate mutating func forgetTheDead() { pending = pending.filter { !isDead($0) } }

  private func isDead(_ event: Event) -> Bool {
    switch event {
    case .answer(let call, let attempt, _):
      return calls[call].isDone || calls[call].attempt != attempt || !isCaller(calls[call])
    case .wake(let member, let serial):
      return !members[member].isUp || members[member].wakeSerial != serial
    case .overdue(let member, let run, let rollout):
      // A member checks a rollout once: nobody is asked twice here.
      return !isAlive(member, run)
        || members[member].participant.assessing?.id != histories[rollout].rollout.id
    case .fire(let member, let run):
      // Arming again brings another event.
      return !isAlive(member, run) || members[member].armed == nil
    case .assessed(let member, let run, _), .sync(let member, let run),
      .fireFailed(let member, let run, _), .watched(let member, let run, _),
      .release(let member, let run):
      return !isAlive(member, run)
    case .timer(_, .beat):
      // A heartbeat only postpones what may come at any moment here.
      return true
    case .timer(let u, let timer):
      // Each belongs to one state of the coordinator, which never comes back.
      guard !undertakings[u].isOver, var coordinator = undertakings[u].coordinator else {
        return true
      }
      return coordinator.handle(.fired(timer), at: hostClock(undertakings[u].host)).isEmpty
        && coordinator == undertakings[u].coordinator
    case .request(let index, _):
      let call = calls[index]
      if isCaller(call) { return false }
      // Nobody hears the answer, so only its effect on the member counts.
      switch call.request {
      case .plan, .clock, .measure, .follow, .outcome: return true
      case .settle, .tell: return false
      case .prepare, .accept, .decide, .ask:
        let record = members[call.to].disk.record
        return record.active == nil && record.last?.rollout.id == histories[call.rollout].rollout.id
      }
    // No results and no proposals where every order is tried.
    case .start, .timeout, .send, .begin, .fault, .heal, .sign, .planned, .collect, .sumUp, .intend,
      .beginSettings, .propose, .withdraw:
      return false
    }
  }
}

extension Exhaustive.Node {
  /// Equal for states that have the same future. Pending events count in any order, a call by its
  /// content, and a rollout only by its course: the texts are the same in all states.
  fileprivate var fingerprint: Int {
    var hasher = Hasher()
    for member in world.members { combine(member, into: &hasher) }
    hasher.combine(world.undertakings)
    for history in world.histories {
      hasher.combine(history.voted)
      hasher.combine(history.decision)
      hasher.combine(history.outcomes)
    }
    hasher.combine(mayCrash)
    hasher.combine(wakes)
    var sum = 0
    for event in world.pending { sum &+= fingerprint(of: event) }
    hasher.combine(sum)
    return hasher.finalize()
  }

  private func combine(_ member: SimulatedMember, into hasher: inout Hasher) {
    hasher.combine(member.participant)
    // They differ only where something was not written.
    if member.participant.record != member.disk.record { hasher.combine(member.disk.record) }
    hasher.combine(member.disk.file)
    hasher.combine(member.disk.unsynced?.0)
    hasher.combine(member.disk.staged)
    hasher.combine(member.disk.hold)
    hasher.combine(member.unit)
    hasher.combine(member.isUp)
    hasher.combine(member.request)
    hasher.combine(member.armed?.active)
    hasher.combine(member.armed?.isLate)
    for voter in member.voters { combine(call: voter.call, into: &hasher) }
    hasher.combine(-1)
    for follower in member.followers { combine(call: follower.call, into: &hasher) }
  }

  private func combine(call index: Int, into hasher: inout Hasher) {
    let call = world.calls[index]
    hasher.combine(call.from)
    hasher.combine(call.to)
    hasher.combine(call.request)
    // A repeated long poll is told less.
    hasher.combine(call.attempt)
  }

  private func fingerprint(of event: Event) -> Int {
    var one = Hasher()
    switch event {
    case .request(let call, _):
      one.combine(0)
      combine(call: call, into: &one)
      // An answer to a call that an earlier life of the agent made reaches no caller.
      one.combine(world.isCaller(world.calls[call]))
    case .answer(let call, _, let answer):
      one.combine(1)
      combine(call: call, into: &one)
      one.combine(answer)
    case .wake(let member, _):
      one.combine(2)
      one.combine(member)
    case .overdue(let member, _, let rollout), .assessed(let member, _, let rollout),
      .fireFailed(let member, _, let rollout), .watched(let member, _, let rollout):
      // Those that are left are of the agent's present life.
      one.combine(event.kind)
      one.combine(member)
      one.combine(rollout)
    case .fire(let member, _), .sync(let member, _), .release(let member, _):
      one.combine(event.kind)
      one.combine(member)
    default: one.combine(event)
    }
    return one.finalize()
  }
}

extension Event {
  /// Tells events apart that have the same parts.
  fileprivate var kind: Int {
    switch self {
    case .overdue: 3
    case .assessed: 4
    case .fireFailed: 5
    case .watched: 6
    case .fire: 7
    case .sync: 8
    case .release: 9
    default: 10
    }
  }
}
