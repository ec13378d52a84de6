// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// The steps of the installed machines, each computed once.
///
/// A process changes only by its own moves, and all that others see of it are its messages. So a state of all is a few
/// small numbers, and the machines run once for each of their own states and each message, not once for each state
/// of all.
final class Steps {
  let members: Int
  let course: Course
  /// Whose messages are told apart by their numbers.
  private(set) var messages: [Message] = []
  private var numbers: [Message: Int] = [:]
  /// To each process.
  private(set) var inboxes: [MessageSet]
  /// Answers, which do nothing more once they have done nothing.
  private(set) var answers = MessageSet()
  /// For each message, those that propose another decision in the same ballot.
  private(set) var contradictions: [MessageSet] = []
  /// Of each process, what it can be.
  private(set) var entries: [[Entry]]
  private var places: [[Local: Int]]
  /// The other orders of members that are alike: who comes in the place of each process.
  let orders: [[Int]]
  /// The messages in these orders, as far as that was asked.
  private var images: [[Int?]]

  /// The most effects of one move; more are an error.
  private static let effects = 24
  private static let now = Instant(nanoseconds: 1_000_000_000)

  /// - Parameter ballots: how many each member may begin; those that begin none are alike.
  init(ballots: [Int]) {
    let members = ballots.count
    self.members = members
    let alike = ballots.indices.filter { ballots[$0] == 0 }
    orders = Self.orders(of: alike, among: members + 1)
    images = Array(repeating: [], count: orders.count)
    course = Course(
      index: 0, epoch: 1, incarnations: (0..<members).map { Incarnation(random: 0, UInt64($0)) })
    inboxes = Array(repeating: MessageSet(), count: members + 1)
    entries = Array(repeating: [], count: members + 1)
    places = Array(repeating: [:], count: members + 1)
  }

  /// All orders but the usual one.
  private static func orders(of alike: [Int], among processes: Int) -> [[Int]] {
    func all(_ rest: [Int]) -> [[Int]] {
      if rest.isEmpty { return [[]] }
      return rest.flatMap { first in all(rest.filter { $0 != first }).map { [first] + $0 } }
    }
    return all(alike).dropFirst().map { order in
      var places = Array(0..<processes)
      for (place, member) in zip(alike, order) { places[place] = member }
      return places
    }
  }

  var coordinator: Int { members }

  func process(of node: Int) -> Int { node < Names.firstCoordinator ? node : members }

  // MARK: numbers

  private func number(
    _ local: Local, of process: Int, _ origin: (entry: Int, move: Move, death: Int?)?
  ) -> Int {
    if let known = places[process][local] { return known }
    let number = entries[process].count
    places[process][local] = number
    entries[process].append(Entry(local, origin, orders: orders.count))
    return number
  }

  func number(_ message: Message) -> Int {
    if let known = numbers[message] { return known }
    let number = messages.count
    precondition(number < MessageSet.capacity, "more messages than a set can hold")
    numbers[message] = number
    messages.append(message)
    inboxes[process(of: message.to)].insert(number)
    switch message.content {
    case .answer, .vote, .acceptAnswer, .decideAnswer: answers.insert(number)
    default: break
    }
    contradictions.append(MessageSet())
    if let proposal = Self.proposal(in: message) {
      for (other, earlier) in messages.enumerated() {
        guard let before = Self.proposal(in: earlier), before.ballot == proposal.ballot,
          before.decision != proposal.decision
        else { continue }
        contradictions[number].insert(other)
        contradictions[other].insert(number)
      }
    }
    return number
  }

  private static func proposal(in message: Message) -> BallotValue? {
    switch message.content {
    case .accept(let value), .ask(.accept(let value)): value
    default: nil
    }
  }

  // MARK: steps

  /// What a process is, tried with all that was sent to it.
  func entry(_ process: Int, _ number: Int, _ sent: MessageSet) -> Entry {
    let entry = entries[process][number]
    var new = sent.intersection(inboxes[process]).subtracting(entry.tried)
    while let message = new.popFirst() {
      entry.note(message, steps(process, number, .receive(message)), number: number)
    }
    return entry
  }

  func ownSteps(_ process: Int, _ number: Int) -> [(Move, [Step])] {
    let entry = entries[process][number]
    if let known = entry.own { return known }
    let all = moves(of: entry.local).map { ($0, steps(process, number, $0)) }
    entry.own = all
    return all
  }

  private func moves(of local: Local) -> [Move] {
    if local.isFinal { return [] }
    switch local.process {
    case .member(let node):
      var moves: [Move] = [.die]
      if node.agent.wake != nil, node.participant.record.active != nil { moves.append(.wake) }
      if !node.agent.checks.isEmpty {
        moves += [.endChecks(isGood: true), .endChecks(isGood: false)]
      }
      if node.overdue != nil { moves.append(.endPatience) }
      if !node.agent.fires.isEmpty { moves.append(.fire) }
      if !node.agent.watches.isEmpty { moves.append(.endStart) }
      return moves
    case .coordinator(let host):
      return host.timers.map { .timer($0.timer) }
    }
  }

  /// All that a move can lead to: without a death, and with one at each effect. None if nothing changes.
  private func steps(_ process: Int, _ number: Int, _ move: Move) -> [Step] {
    let isFinal = entries[process][number].isFinal
    if isFinal, process == coordinator { return [] }
    var steps: [Step] = []
    if let step = step(process, number, move, nil) { steps.append(step) }
    if !isFinal, process != coordinator, move != .die {
      var deaths: [Step] = []
      for effect in 0..<Self.effects {
        guard let step = step(process, number, move, effect), step.isDeath else { break }
        // Of two that differ by what was sent before, the one that sent more has all that follows from the other: no
        // message must come.
        deaths.removeAll { $0.local == step.local && $0.sent.isSubset(of: step.sent) }
        deaths.append(step)
      }
      steps += deaths
    }
    return steps.filter { $0.local != number || !$0.sent.isEmpty || $0.violation != nil }
  }

  private func step(_ process: Int, _ number: Int, _ move: Move, _ death: Int?) -> Step? {
    var local = entries[process][number].local
    var out = Outbox()
    var isDeath = false
    switch local.process {
    case .member(let before):
      var node = before
      act(&node, move, death, &out)
      isDeath = node.run != before.run
      tellView(node, &out)
      local.process = .member(node)
    case .coordinator(var host):
      act(&host, move, &out)
      local.process = .coordinator(host)
    }
    let isNewBallot = out.messages.contains {
      if case .ask(.promise) = $0.content { true } else { false }
    }
    if isNewBallot {
      if local.ballots == 0 { return nil }
      local.ballots -= 1
    }
    note(&local, &out)
    local.forget(before: Self.now)
    return finish(local, process, out, isDeath, (number, move, death))
  }

  private func act(_ node: inout Node, _ move: Move, _ death: Int?, _ out: inout Outbox) {
    var mishap = Mishap(death: death)
    let moment = Moment(now: Self.now, bootID: Walk.bootID, jitterMilliseconds: 0)
    switch move {
    case .receive(let number): node.receive(messages[number], course, &mishap, moment, &out)
    case .die: node.die(moment, &out)
    case .wake: node.wake(&mishap, moment, &out)
    case .endChecks(let isGood):
      node.endChecks(0, course, isGood: isGood, &mishap, moment, &out)
    case .endPatience: node.endPatience(0, &mishap, moment, &out)
    case .fire: node.fire(0, fails: false, &mishap, moment, &out)
    case .endStart: node.endStart(0, .confirmed, &mishap, moment, &out)
    case .timer: break
    }
    node.settleVotes([course], &out)
  }

  private func act(_ host: inout CoordinatorHost, _ move: Move, _ out: inout Outbox) {
    switch move {
    case .receive(let number):
      host.receive(messages[number], members: members, Self.now, Walk.bootID, &out)
    case .timer(let timer):
      if let index = host.timers.firstIndex(where: { $0.timer == timer }) {
        host.fire(index, Self.now, &out)
      }
    case .die, .wake, .endChecks, .endPatience, .fire, .endStart: break
    }
  }

  /// What a coordinator that follows it would be told.
  private func tellView(_ node: Node, _ out: inout Outbox) {
    let to = Names.firstCoordinator
    if let report = node.report(0) {
      out.messages.append(
        Message(rollout: 0, from: node.index, to: to, content: .view(report, nil)))
    }
    if let outcome = node.outcome(0) {
      out.messages.append(
        Message(rollout: 0, from: node.index, to: to, content: .view(nil, outcome)))
    }
  }

  private func note(_ local: inout Local, _ out: inout Outbox) {
    for learned in out.learned {
      if let known = local.known, known != learned.decision {
        out.violate(.oneDecision, "\(Names.node(learned.who)) learns commit and abort")
      }
      local.known = learned.decision
    }
    if !out.yeses.isEmpty { local.hasVoted = true }
  }

  private func finish(
    _ local: Local, _ process: Int, _ out: Outbox, _ isDeath: Bool,
    _ origin: (entry: Int, move: Move, death: Int?)?
  ) -> Step {
    var sent = MessageSet()
    for message in out.messages where message.content != .heartbeat {
      sent.insert(number(message.plain))
    }
    return Step(
      local: number(local, of: process, origin), sent: sent, isDeath: isDeath,
      violation: out.violation)
  }

  // MARK: orders

  /// What an entry of a process is in another order of the members: there it is another process's.
  ///
  /// It is found as the entry itself was, by the images of the moves that led to it.
  func image(_ process: Int, _ number: Int, _ order: Int) -> Int {
    let entry = entries[process][number]
    if let known = entry.images[order] { return known }
    var image = 0
    if let origin = entry.origin {
      let move =
        if case .receive(let message) = origin.move {
          Move.receive(self.image(message, order))
        } else {
          origin.move
        }
      let from = self.image(process, origin.entry, order)
      let step = step(orders[order][process], from, move, origin.death)
      precondition(step != nil, "members that are alike do the same")
      image = step?.local ?? 0
    }
    entry.images[order] = image
    return image
  }

  func image(_ message: Int, _ order: Int) -> Int {
    while images[order].count <= message { images[order].append(nil) }
    if let known = images[order][message] { return known }
    let original = messages[message]
    func place(_ node: Int) -> Int {
      node < Names.firstCoordinator ? orders[order][node] : node
    }
    let image = number(
      Message(
        rollout: original.rollout, from: place(original.from), to: place(original.to),
        run: original.run, content: original.content))
    images[order][message] = image
    return image
  }

  /// The process's first state, and what it sends by itself.
  func start(_ process: Int, ballots: Int) -> Step {
    var out = Outbox()
    var local: Local
    if process == coordinator {
      var host = CoordinatorHost(course: 0, course.rollout, .none)
      host.drive(.start, Self.now, &out)
      local = Local(process: .coordinator(host))
    } else {
      let content = course.rollout.contents[process]
      let incarnation = content.incarnation ?? Incarnation(random: 0, 0)
      local = Local(
        process: .member(Node(index: process, incarnation: incarnation)), ballots: ballots)
    }
    return finish(local, process, out, false, nil)
  }
}
