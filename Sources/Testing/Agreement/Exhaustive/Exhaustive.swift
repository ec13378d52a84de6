// SPDX-License-Identifier: Apache-2.0
internal import Rollout

/// All orders of events of one rollout, from the requests for votes to its end.
///
/// There is no time: any message that was sent may come at any moment, repeatedly or never, and any timer may end. So
/// lost messages are in it, and a coordinator that is lost at any moment. An agent may die at every effect, so often
/// in all; and the members begin so many ballots of recovery.
///
/// The states that are the same for what follows count once:
///
/// * A step of one process and a step of another commute: what a process does depends on itself and on what was sent,
///   and what was sent stays. Where a message changes nothing in whom it reaches, the answer is there at once, and in
///   no other order.
/// * A message that does nothing any more is no part of a state.
/// * Members that begin no ballot are alike: of states that differ only by which of them is which, one counts. Those
///   that begin ballots are told apart by the order of their names, so each order of names counts once.
package struct Exhaustive {
  package struct Result: Sendable {
    package var states = 0
    package var steps = 0
    /// The longest order of events.
    package var depth = 0
    /// What one process can be, over all processes, and how many messages there are.
    package var locals = 0
    package var messages = 0
    /// In how many of the states every member has ended, with a commit and with an abort.
    package var committed = 0
    package var aborted = 0
    /// From how many states everything was healed, and came to its end.
    package var healed = 0
    /// Whether everything was tried.
    package var isComplete = false
    package var violation: Violation?
    /// The events that led there, one a line.
    package var lines: [String] = []
  }

  private struct Frame {
    let children: [(State, Event)]
    var next = 0
  }

  private struct Event {
    var process: Int
    var move: Move
    var isDeath: Bool
  }

  private let steps: Steps
  private let deaths: Int
  private var seen = HashTable()
  private var result = Result()

  /// - Parameters:
  ///   - ballots: how many ballots of recovery each member may begin.
  ///   - deaths: how many agents die in all.
  package init(ballots: [Int], deaths: Int) {
    steps = Steps(ballots: ballots)
    self.deaths = deaths
    for (member, count) in ballots.enumerated() {
      first.append(steps.start(member, ballots: count))
    }
    first.append(steps.start(steps.coordinator, ballots: 0))
  }

  private var first: [Step] = []

  /// Who begins how many ballots, so many in all: one for each order of names that makes a difference.
  package static func assignments(members: Int, ballots: Int) -> [[Int]] {
    func parts(_ rest: Int, _ places: Int) -> [[Int]] {
      if rest == 0 { return [[]] }
      if places == 0 { return [] }
      return (1...rest).flatMap { first in parts(rest - first, places - 1).map { [first] + $0 } }
    }
    return parts(ballots, members).map { $0 + Array(repeating: 0, count: members - $0.count) }
  }

  /// Depth first. `isOver` is asked now and then, and ends the search.
  package mutating func run(isOver: () -> Bool) -> Result {
    var root = State(deaths: UInt8(deaths))
    for (process, step) in first.enumerated() {
      root.locals[process] = UInt32(step.local)
      root.sent.formUnion(step.sent)
    }
    settle(&root)
    _ = seen.insert(root.hash(steps))
    var stack = [Frame(children: children(of: root))]
    while let top = stack.indices.last, result.violation == nil {
      let next = stack[top].next
      guard next < stack[top].children.count else {
        stack.removeLast()
        continue
      }
      let child = stack[top].children[next].0
      stack[top].next += 1
      result.steps += 1
      guard seen.insert(child.hash(steps)) else {
        continue
      }
      check(child)
      let children = children(of: child)
      if result.violation == nil, result.healed < 100 || seen.count & 0x3FF == 0 { heal(child) }
      stack.append(Frame(children: children))
      result.depth = max(result.depth, stack.count)
      if result.violation != nil { result.lines = lines(stack) }
      if seen.count & 0xFFF == 0, isOver() { return summed(isComplete: false) }
    }
    return summed(isComplete: result.violation == nil)
  }

  private func summed(isComplete: Bool) -> Result {
    var result = result
    result.states = seen.count
    result.locals = steps.entries.reduce(0) { $0 + $1.count }
    result.messages = steps.messages.count
    result.isComplete = isComplete
    return result
  }

  // MARK: states

  /// Brings a state to the one that counts for it.
  private func settle(_ state: inout State) {
    var before: MessageSet
    repeat {
      before = state.sent
      for process in 0...steps.members {
        let entry = steps.entry(process, Int(state.locals[process]), state.sent)
        if entry.answered.intersection(state.sent).isEmpty { continue }
        for (message, sent) in entry.answers where state.sent.contains(message) {
          state.sent.formUnion(sent)
        }
      }
    } while before != state.sent
    for process in 0...steps.members {
      let entry = steps.entries[process][Int(state.locals[process])]
      let heard = steps.inboxes[process].intersection(state.sent)
      state.sent = state.sent.subtracting(
        entry.isFinal
          ? heard : heard.intersection(steps.answers).subtracting(entry.moving))
    }
  }

  private mutating func children(of state: State) -> [(State, Event)] {
    var children: [(State, Event)] = []
    for process in 0...steps.members {
      let number = Int(state.locals[process])
      let entry = steps.entry(process, number, state.sent)
      var moving = entry.moving.intersection(state.sent)
      while let message = moving.popFirst() {
        for step in entry.reaction(to: message) {
          add(step, of: process, .receive(message), to: state, &children)
        }
      }
      for (move, all) in steps.ownSteps(process, number) {
        for step in all { add(step, of: process, move, to: state, &children) }
      }
    }
    return children
  }

  private mutating func add(
    _ step: Step, of process: Int, _ move: Move, to state: State,
    _ children: inout [(State, Event)]
  ) {
    var child = state
    if step.isDeath {
      if state.deaths == 0 { return }
      child.deaths -= 1
    }
    if let violation = step.violation, result.violation == nil { result.violation = violation }
    if Int(state.locals[process]) == step.local, step.sent.isSubset(of: state.sent) { return }
    var new = step.sent.subtracting(state.sent)
    while let message = new.popFirst() {
      if !steps.contradictions[message].intersection(state.sent).isEmpty {
        let content = steps.messages[message].content
        violate(.oneProposal, "a ballot is commit and abort: \(content)")
      }
    }
    child.locals[process] = UInt32(step.local)
    child.sent.formUnion(step.sent)
    settle(&child)
    children.append((child, Event(process: process, move: move, isDeath: step.isDeath)))
  }

  private mutating func violate(_ rule: Rule, _ text: @autoclosure () -> String) {
    if result.violation == nil { result.violation = Violation(rule: rule, text: text()) }
  }

  private mutating func check(_ state: State) {
    var decision: Decision?
    var yeses = 0
    var ended = 0
    for process in 0...steps.members {
      let entry = steps.entries[process][Int(state.locals[process])]
      if entry.local.hasVoted { yeses += 1 }
      if entry.isFinal, process < steps.members { ended += 1 }
      guard let known = entry.local.known else { continue }
      if let decision, decision != known { violate(.oneDecision, "commit and abort are known") }
      decision = known
    }
    if ended == steps.members {
      if decision == .commit { result.committed += 1 } else { result.aborted += 1 }
    }
    if decision == .commit, yeses < steps.members {
      violate(.everyYes, "commit is known, and \(yeses) members have voted yes")
    }
  }

  /// From here, everything heals: all must come to their end.
  private mutating func heal(_ state: State) {
    result.healed += 1
    var (nodes, hosts, bag): ([Node], [CoordinatorHost], [Message]) = ([], [], [])
    for process in 0...steps.members {
      switch steps.entries[process][Int(state.locals[process])].local.process {
      case .member(let node): nodes.append(node)
      case .coordinator(let host): hosts.append(host)
      }
    }
    var sent = state.sent
    while let message = sent.popFirst() { bag.append(steps.messages[message]) }
    var walk = Walk(nodes, [steps.course], hosts, bag, seed: UInt64(result.healed))
    for process in 0...steps.members {
      let local = steps.entries[process][Int(state.locals[process])].local
      walk.know(process, local.known, hasVoted: local.hasVoted)
    }
    walk.heal()
    walk.checkEnd()
    if let violation = walk.violation, result.violation == nil { result.violation = violation }
  }

  private func lines(_ stack: [Frame]) -> [String] {
    let events = stack.dropLast().map { $0.children[max(0, $0.next - 1)].1 }
    return events.map { event in
      let who =
        event.process == steps.coordinator ? "the coordinator" : Names.members[event.process]
      let what =
        if case .receive(let message) = event.move {
          "hears from \(Names.node(steps.messages[message].from)): \(steps.messages[message].content)"
        } else {
          "\(event.move)"
        }
      return "\(who) \(what)\(event.isDeath ? ", and dies in it" : "")"
    }
  }
}
