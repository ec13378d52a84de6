// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

// Everything heals: messages come at once, and time goes on to the next timer when nothing else is left.

extension Walk {
  /// The longest that a member may be in doubt after everything has healed, milliseconds.
  private static let doubtMilliseconds = 30_000
  private static let longestEvents = 20_000

  mutating func heal() {
    note("everything heals")
    settle()
    isCalm = true
    let healed = now
    var events = 0
    while violation == nil {
      events += 1
      if events > Self.longestEvents {
        return violate(.sameEnd, "there is no end after \(events) events")
      }
      if !bag.isEmpty {
        let message = bag.takeOut(random.below(bag.count))
        deliver(message)
      } else if !doDueWork(), !passTime(healed) {
        return
      }
    }
  }

  mutating func violate(_ rule: Rule, _ text: String) {
    if violation == nil { violation = Violation(rule: rule, text: text) }
    note("VIOLATION, \(rule.rawValue): \(text)")
  }

  private mutating func doDueWork() -> Bool {
    for member in nodes.indices {
      for (index, check) in nodes[member].agent.checks.enumerated() where check.due <= now {
        endChecks(member, index)
        return true
      }
      for (index, firing) in nodes[member].agent.fires.enumerated() where firing.instant <= now {
        fire(member, index)
        return true
      }
      if let rollout = nodes[member].agent.watches.first {
        endStart(member, rollout)
        return true
      }
      for rollout in coordinators.indices where poll(rollout, member) { return true }
    }
    return false
  }

  private enum Due {
    case wake(Int)
    case overdue(Int, Int)
    case timer(Int, Int)
    /// Work that is due by then.
    case work
  }

  /// Goes on to the next instant that somebody waits for. False if nobody does.
  private mutating func passTime(_ healed: Instant) -> Bool {
    var next: (due: Due, instant: Instant)?
    func consider(_ due: Due, _ instant: Instant) {
      if let next, next.instant <= instant { return }
      next = (due, instant)
    }
    for (member, node) in nodes.enumerated() {
      if let wake = node.agent.wake, node.participant.record.active != nil {
        consider(.wake(member), wake)
      }
      if let rollout = node.overdue { consider(.overdue(member, rollout), node.agent.voteDue) }
      for check in node.agent.checks { consider(.work, check.due) }
      for firing in node.agent.fires { consider(.work, firing.instant) }
    }
    for (rollout, coordinator) in coordinators.enumerated() {
      if coordinator.isOver { continue }
      for (index, timer) in coordinator.timers.enumerated() {
        consider(.timer(rollout, index), timer.instant)
      }
    }
    guard let next else { return false }
    now = max(now, next.instant)
    switch next.due {
    case .wake(let member): wake(member)
    case .overdue(let member, let rollout): endPatience(member, rollout)
    case .timer(let rollout, let index): fireTimer(rollout, index)
    case .work: break
    }
    if now.milliseconds(since: healed) > Self.doubtMilliseconds,
      let node = nodes.first(where: {
        $0.participant.doubt != nil && $0.participant.record.active != nil
      })
    {
      violate(.sameEnd, "m\(node.index) is in doubt \(now.milliseconds(since: healed)) ms later")
    }
    return true
  }

  /// The checks of a vote take their time, and not too much.
  mutating func slowChecks(_ member: Int) {
    for index in nodes[member].agent.checks.indices {
      nodes[member].agent.checks[index].due = now.advanced(byMilliseconds: random.below(9_900))
    }
  }

  mutating func checkEnd() {
    for node in nodes {
      if let active = node.participant.record.active {
        violate(.sameEnd, "m\(node.index) is in \(active.rollout.id) still")
      }
      if node.participant.assessing != nil || !node.agent.voters.isEmpty {
        violate(.sameEnd, "m\(node.index) votes still")
      }
      if node.host.staged != Bits() {
        violate(.sameEnd, "m\(node.index) has something staged")
      }
    }
    for (rollout, course) in courses.enumerated() {
      if !coordinators[rollout].isOver {
        violate(.sameEnd, "the coordinator of r\(rollout) does not end")
      }
      guard let decision = ledger.decision(rollout) else { continue }
      for node in nodes where course.keys[node.index].addressee == node.incarnation {
        let isConcerned = decision == .commit || node.host.voted.contains(rollout)
        if isConcerned, !ledger.isKnown(rollout, to: node.index) {
          violate(.sameEnd, "m\(node.index) does not know \(decision) of r\(rollout)")
        }
      }
      see(decision == .commit ? .committed : .aborted)
    }
    if options.isClean { checkClean() }
  }

  private mutating func checkClean() {
    guard options.flaw == .none else { return }
    if ledger.decision(0) != .commit || sights & Sight.recovered != 0 {
      violate(.cleanCommits, "r0 is \(ledger.decision(0).map { "\($0)" } ?? "undecided")")
    }
    for node in nodes where node.outcome(0)?.kind != .confirmed {
      violate(.cleanCommits, "m\(node.index) has no confirmed start")
    }
  }
}
