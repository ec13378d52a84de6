// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

// What nodes do by themselves, and what happens to them.

extension Walk {
  // MARK: work that ends

  /// Ends something that an agent, a host or a coordinator is at. False if there is nothing.
  mutating func doWork() -> Bool {
    let count = nodes.count
    let first = random.below(count)
    for offset in 0..<count where work(at: (first + offset) % count) { return true }
    return false
  }

  private mutating func work(at member: Int) -> Bool {
    let checks = nodes[member].agent.checks.count
    if checks > 0 {
      endChecks(member, random.below(checks))
      return true
    }
    let fires = nodes[member].agent.fires.count
    if fires > 0 {
      fire(member, random.below(fires))
      return true
    }
    if let rollout = nodes[member].agent.watches.first {
      endStart(member, rollout)
      return true
    }
    for rollout in coordinators.indices where poll(rollout, member) { return true }
    return false
  }

  mutating func endChecks(_ member: Int, _ check: Int) {
    let course = courses[nodes[member].agent.checks[check].rollout]
    let isGood = isCalm || !random.chance(options.no)
    note("m\(member)'s checks of \(course.rollout.id) \(isGood ? "succeed" : "fail")")
    act(member) { $0.endChecks(check, course, isGood: isGood, &$1, $2, &$3) }
  }

  mutating func fire(_ member: Int, _ index: Int) {
    let fails = random.chance(options.fireFailure)
    let rollout = nodes[member].agent.fires[index].rollout
    note("m\(member) acts on r\(rollout)\(fails ? " in vain" : "")")
    act(member) { $0.fire(index, fails: fails, &$1, $2, &$3) }
  }

  mutating func endStart(_ member: Int, _ rollout: Int) {
    let kind: OutcomeKind =
      options.isClean ? .confirmed : [.confirmed, .confirmed, .failed, .timedOut][random.below(4)]
    note("m\(member)'s start for r\(rollout) is \(kind)")
    act(member) { $0.endStart(rollout, kind, &$1, $2, &$3) }
  }

  mutating func poll(_ rollout: Int, _ member: Int) -> Bool {
    guard coordinators[rollout].isFollowing(member), coordinators[rollout].isNews(of: nodes[member])
    else { return false }
    note("\(Names.node(Names.firstCoordinator + rollout)) hears how m\(member) is")
    coordinators[rollout].poll(nodes[member], now, &out)
    settle()
    return true
  }

  // MARK: timers

  /// Ends somebody's patience. False if nobody has any.
  mutating func doTimer() -> Bool {
    let count = nodes.count + coordinators.count
    let first = random.below(count)
    for offset in 0..<count {
      let place = (first + offset) % count
      if place >= nodes.count {
        if options.impatient >> 7 == 1, fireTimer(place - nodes.count) { return true }
      } else if options.impatient >> UInt8(place) & 1 == 1 {
        if nodes[place].agent.wake != nil {
          wake(place)
          return true
        }
        if let rollout = nodes[place].overdue {
          endPatience(place, rollout)
          return true
        }
      }
    }
    return false
  }

  private mutating func fireTimer(_ rollout: Int) -> Bool {
    let count = coordinators[rollout].isOver ? 0 : coordinators[rollout].timers.count
    if count == 0 { return false }
    fireTimer(rollout, random.below(count))
    return true
  }

  mutating func fireTimer(_ rollout: Int, _ index: Int) {
    note("r\(rollout)'s coordinator's patience ends")
    coordinators[rollout].fire(index, now, &out)
    settle()
  }

  mutating func wake(_ member: Int) {
    note("m\(member) wakes")
    act(member) { $0.wake(&$1, $2, &$3) }
  }

  mutating func endPatience(_ member: Int, _ rollout: Int) {
    note("m\(member) checks r\(rollout) for too long")
    act(member) { $0.endPatience(rollout, &$1, $2, &$3) }
  }

  // MARK: mischief

  mutating func doMischief() {
    let member = random.below(nodes.count)
    let rollout = random.below(coordinators.count)
    if replacementsLeft > 0, random.below(2) == 0, nodes[member].durable.active != nil {
      return replace(member)
    }
    switch random.below(8) {
    case 0:
      note("m\(member)'s agent dies")
      act(member) { $0.die($2, &$3) }
    case 1:
      note("r\(rollout)'s coordinator is lost")
      if !coordinators[rollout].isOver {
        see(coordinators[rollout].proposed.isEmpty ? .lostBefore : .lostAfter)
      }
      coordinators[rollout].isOver = true
    case 2:
      note("r\(rollout) is interrupted")
      drive(rollout, .cancel)
    case 3: replace(member)
    case 4:
      note("m\(member)'s server is started again")
      nodes[member].host.invocation += 1
    case 5:
      note("m\(member) is asked to resolve r\(rollout)")
      let id = courses[rollout].rollout.id
      act(member) { _ = $0.perform(.resolve(id: id), &$1, $2, &$3) }
    case 6:
      now = now.advanced(byMilliseconds: random.pick(100...20_000))
      note("time passes")
    default: drawLinks()
    }
  }

  private mutating func replace(_ member: Int) {
    guard replacementsLeft > 0 else { return }
    replacementsLeft -= 1
    note("m\(member) is replaced")
    if nodes[member].durable.active != nil { see(.replacedInRollout) }
    nodes[member] = Node(index: member, incarnation: newIncarnation())
  }

  mutating func drawLinks() {
    let count = options.members + 2
    links = Array(repeating: Array(repeating: 16, count: count), count: count)
    let part = random.below(1 << count)
    let weak = [0, 0, 1][random.below(3)]
    let odd = random.below(count)
    let isHeard = random.below(2) == 0
    for from in 0..<count {
      for to in 0..<count {
        switch options.links {
        case .even: break
        case .lopsided: links[from][to] = [16, 16, 16, 4, 1, 0][random.below(6)]
        case .parted: if part >> from & 1 != part >> to & 1 { links[from][to] = weak }
        case .deaf: if (isHeard ? to : from) == odd { links[from][to] = weak }
        }
      }
    }
  }
}
