// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// A random walk over what may happen next: any message that is under way may come now, late or never, and any timer
/// may end. So all orders of events are equally near, which time keeps apart in a simulation.
///
/// Then everything heals, time passes as it does, and all must come to their end.
package struct Walk {
  let options: WalkOptions
  var random: Random
  var nodes: [Node]
  var courses: [Course] = []
  /// One for each course.
  var coordinators: [CoordinatorHost] = []
  var bag: [Message] = []
  var ledger: Ledger
  /// How likely a message is taken that goes from one node to another, in sixteen; coordinators come last.
  var links: [[Int]]
  /// Stands still but for mischief, until everything heals.
  var now = Instant(nanoseconds: 1_000_000_000)
  var out = Outbox()
  var replacementsLeft: Int
  /// Nothing goes wrong: for a while, or because everything has healed.
  var isCalm = false
  var incarnations = 0
  var steps = 0
  /// What a run came to (``Sight``), a bit for each.
  package var sights: UInt32 = 0
  package var violation: Violation?
  /// One line for each event; nil if nobody wants them.
  package var lines: [String]?

  static let bootID = "b"

  package init(seed: UInt64, isTraced: Bool = false) {
    random = Random(seed: seed)
    options = WalkOptions(&random)
    let count = options.members
    nodes = []
    ledger = Ledger(members: count)
    links = []
    replacementsLeft = options.replacements
    if isTraced { lines = ["\(options)"] }
    for index in 0..<count { nodes.append(Node(index: index, incarnation: newIncarnation())) }
    drawLinks()
  }

  /// A walk that begins where a search has come to, only to heal it.
  init(
    _ nodes: [Node], _ courses: [Course], _ coordinators: [CoordinatorHost], _ bag: [Message],
    seed: UInt64
  ) {
    random = Random(seed: seed)
    options = WalkOptions(healing: nodes.count)
    self.nodes = nodes
    self.courses = courses
    self.coordinators = coordinators
    self.bag = bag
    ledger = Ledger(members: nodes.count)
    for _ in courses { ledger.add() }
    links = []
    replacementsLeft = 0
  }

  /// What a member, or after them the coordinator, knew when the search had come here.
  mutating func know(_ process: Int, _ decision: Decision?, hasVoted: Bool) {
    let who = process < nodes.count ? process : Names.firstCoordinator
    if hasVoted { out.yeses.append(.init(rollout: 0, member: who)) }
    if let decision { out.learned.append(.init(rollout: 0, decision: decision, who: who)) }
  }

  package mutating func run() {
    begin()
    if options.isDirected { reachProposal() }
    var left = options.isClean ? 0 : options.events
    let second = random.below(max(left, 1))
    while left > 0, violation == nil {
      if left == second, options.rollouts > 1 { begin() }
      if random.chance(options.restlessness) { drawLinks() }
      if random.chance(options.mischief) { doMischief() } else if !doAnything() { break }
      left -= 1
      steps += 1
    }
    if violation == nil { heal() }
    if violation == nil { checkEnd() }
  }

  /// A plan is made, and the rollout that follows from it begins.
  mutating func begin() {
    let epoch = 1 + (nodes.map(\.participant.record.highestEpoch).max() ?? 0)
    let course = Course(
      index: courses.count, epoch: epoch, incarnations: nodes.map(\.incarnation))
    note("\(course.rollout.id) begins, epoch \(epoch)")
    courses.append(course)
    ledger.add()
    coordinators.append(CoordinatorHost(course: courses.count - 1, course.rollout, options.flaw))
    drive(courses.count - 1, .start)
  }

  /// Commit is proposed, if nothing of the coordinator's own keeps it from that.
  private mutating func reachProposal() {
    isCalm = true
    while coordinators[0].proposed.isEmpty, violation == nil {
      if bag.isEmpty || random.below(4) == 0 {
        if !doWork(), bag.isEmpty { break }
      } else {
        let message = bag.takeOut(random.below(bag.count))
        deliver(message)
      }
    }
    isCalm = false
  }

  // MARK: one event

  /// False if nothing can happen.
  private mutating func doAnything() -> Bool {
    if bag.isEmpty || random.chance(options.haste) {
      if doWork() { return true }
    }
    if bag.isEmpty || random.chance(options.impatience) {
      if doTimer() { return true }
    }
    if bag.isEmpty { return doWork() }
    var index = random.below(bag.count)
    for _ in 0..<4 where random.below(16) >= link(bag[index]) { index = random.below(bag.count) }
    if link(bag[index]) == 0, doTimer() { return true }
    if random.chance(options.loss) {
      lose(index)
    } else if random.chance(options.repetition) {
      deliver(bag[index])
    } else {
      let message = bag.takeOut(index)
      deliver(message)
    }
    return true
  }

  private func link(_ message: Message) -> Int { links[place(message.from)][place(message.to)] }

  private func place(_ node: Int) -> Int {
    node < Names.firstCoordinator ? node : nodes.count + node - Names.firstCoordinator
  }

  mutating func deliver(_ message: Message) {
    if message.to < Names.firstCoordinator {
      note("m\(message.to) is told by \(Names.node(message.from)): \(message.content)")
      let course = courses[message.rollout]
      act(message.to) { $0.receive(message, course, &$1, $2, &$3) }
      if options.isClean, message.content == .prepare { slowChecks(message.to) }
    } else {
      if coordinators[message.rollout].isOver { return }
      note("\(Names.node(message.to)) hears from m\(message.from): \(message.content)")
      coordinators[message.rollout].receive(
        message, members: nodes.count, now, Self.bootID, &out)
      settle()
    }
  }

  /// A message never comes. A coordinator may notice that its call was lost.
  private mutating func lose(_ index: Int) {
    let message = bag.takeOut(index)
    note("lost between \(message.from) and \(message.to): \(message.content)")
    guard random.below(2) == 0 else { return }
    let isCall = message.from >= Names.firstCoordinator
    let member = isCall ? message.to : message.from
    switch message.content {
    case .prepare, .vote: notice(.prepare, member, message.rollout)
    case .decide(.abort, _, _), .decideAnswer(.abort, _): notice(.abort, member, message.rollout)
    default: break
    }
  }

  private mutating func notice(_ call: Message.Call, _ member: Int, _ rollout: Int) {
    bag.append(
      Message(
        rollout: rollout, from: member, to: Names.firstCoordinator + rollout, content: .lost(call)))
  }

  /// One event of a member, in which something may go wrong.
  mutating func act(
    _ member: Int,
    _ body: (inout Node, inout Mishap, Moment, inout Outbox) -> Void
  ) {
    var mishap = Mishap.none
    if !isCalm {
      if random.chance(options.death) { mishap.death = random.below(7) }
      if random.chance(options.badWrite) {
        mishap.write = random.below(2) == 0 ? .fails : .failsLate
      }
    }
    let run = nodes[member].run
    let voters = nodes[member].agent.voters
    body(&nodes[member], &mishap, moment(), &out)
    if nodes[member].run != run { died(member, voters) }
    nodes[member].settleVotes(courses, &out)
    settle()
  }

  private mutating func died(_ member: Int, _ voters: Bits) {
    note("m\(member)'s agent dies in it, and starts again")
    see(nodes[member])
    for rollout in courses.indices where voters.contains(rollout) && random.below(2) == 0 {
      notice(.prepare, member, rollout)
    }
  }

  mutating func drive(_ rollout: Int, _ input: CoordinatorInput) {
    coordinators[rollout].drive(input, now, &out)
    settle()
  }

  /// Takes over what an event has brought.
  mutating func settle() {
    ledger.take(&out)
    if lines != nil {
      for learned in out.learned {
        note("\(Names.node(learned.who)) knows \(learned.decision) of r\(learned.rollout)")
      }
    }
    for proposed in out.proposals { see(proposed) }
    bag.append(contentsOf: out.messages)
    if violation == nil, let found = out.violation {
      violation = found
      note("VIOLATION, \(found)")
    }
    out.clear()
  }

  mutating func moment() -> Moment {
    Moment(now: now, bootID: Self.bootID, jitterMilliseconds: random.below(201))
  }

  mutating func newIncarnation() -> Incarnation {
    incarnations += 1
    return Incarnation(random: 0, UInt64(incarnations))
  }

  mutating func note(_ line: @autoclosure () -> String) {
    if lines != nil { lines?.append(line()) }
  }
}

extension Array {
  /// Removes an element in the place of which the last one comes.
  mutating func takeOut(_ index: Int) -> Element {
    swapAt(index, count - 1)
    return removeLast()
  }
}
