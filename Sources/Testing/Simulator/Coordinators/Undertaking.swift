// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Model
internal import Rollout

/// One plan and its rollout, with the shell around its Coordinator: an operator's program, or a
/// thread of a member's agent. It ends with its host.
struct Undertaking: Hashable {
  enum Goal: Hashable {
    /// An operator's; with the rollout that is undone by hand, -1 for none.
    case command(undo: Int)
    /// A proposal of all members, by number.
    case proposal(Int)
    /// The rollback of a rollout that ended so, as its policy says.
    case undo(Int, [MemberOutcome])
    /// Only to report a result.
    case tell(Int)
  }

  /// The node: a member, or after them an operator.
  let host: Int
  let goal: Goal
  /// Which member works out the result in the coordinator's place; -1 otherwise.
  var collected = -1
  /// The rollout that is coordinated; -1 for none.
  var rollout = -1
  var coordinator: Coordinator?
  /// What the members have answered to the plan.
  var plans: [PlanView?] = []
  /// How many have not answered yet: to the plan, or to the result.
  var awaited = 0
  /// The rollouts whose members hear the heartbeat.
  var signs: [Int] = []
  var isOver = false
}

/// A member's answer to a plan.
struct PlanView: Hashable {
  var epoch: UInt64
  /// The content of its file, and what it would be afterwards.
  var file: Int
  var after: Int
  var life = 0
  var isRestartNeeded = false
  var refusal: RefusalCode?
  var isBusy = false

  var isInForce: Bool { refusal == nil && file == after && !isRestartNeeded }
}

enum PlanKind: Hashable {
  case command
  case proposal(Int)
  case undo(Int)
}

extension World {
  func nodeName(_ node: Int) -> String { nodeNames[node] }

  /// The name in a node's certificate.
  func principal(_ node: Int) -> String { node < members.count ? Self.names[node] : "operator" }

  /// The clock that a node measures by.
  func hostClock(_ node: Int) -> Instant {
    node < members.count
      ? members[node].clock(now)
      : Instant(nanoseconds: now + operators[node - members.count].clock)
  }

  func name(_ u: Int) -> String { nodeName(undertakings[u].host) }

  /// Begins an undertaking: asks every member for its plan.
  mutating func undertake(_ undertaking: Undertaking, _ kind: PlanKind) {
    let u = undertakings.count
    undertakings.append(undertaking)
    undertakings[u].plans = Array(repeating: nil, count: members.count)
    undertakings[u].awaited = members.count
    if undertaking.host >= members.count {
      operators[undertaking.host - members.count].undertaking = u
    }
    if !undertaking.signs.isEmpty { sign(u) }
    for m in members.indices { ask(u, m, .plan(kind), rollout: -1) }
  }

  mutating func ask(
    _ u: Int, _ m: Int, _ request: Request, rollout: Int, for milliseconds: Int? = nil
  ) {
    let giveUpAt = milliseconds.map { now + Int64($0) * 1_000_000 } ?? .max
    call(
      Call(
        from: undertakings[u].host, to: m, rollout: rollout, request: request, giveUpAt: giveUpAt,
        undertaking: u))
  }

  private mutating func ask(
    _ u: Int, _ name: String, _ request: Request, _ rollout: Int, _ milliseconds: Int?
  ) {
    guard let m = Self.names.firstIndex(of: name) else { return }
    ask(u, m, request, rollout: rollout, for: milliseconds)
  }

  /// Ends an undertaking as its host wanted.
  mutating func leave(_ u: Int) {
    if undertakings[u].isOver { return }
    end(u)
    let host = undertakings[u].host
    if host >= members.count { left(host - members.count) }
  }

  mutating func end(_ u: Int) {
    undertakings[u].isOver = true
    undertakings[u].coordinator = nil
    undertakings[u].plans = []
  }

  /// Whether the host dies here: an operator's program is killed, an agent dies between two
  /// effects.
  mutating func isKilled(_ u: Int) -> Bool {
    let who = name(u)
    let host = undertakings[u].host
    if host < members.count { return dies(host) }
    guard chance(options.kill) else { return false }
    mix(9_000 + host - members.count)
    note("\(who) is killed")
    leave(u)
    return true
  }

  // MARK: the coordinator

  /// Begins the rollout of a plan.
  mutating func begin(
    _ u: Int, _ kind: RolloutKind, content: Int, previous: Int, undoes: Int = -1, proposal: Int = -1
  ) {
    let who = name(u)
    let plans = undertakings[u].plans.compactMap(\.self)
    let index = histories.count
    let host = undertakings[u].host
    let rollout = Rollout(
      id: String(index + 1, radix: 16).zeroPadded(to: 16),
      epoch: 1 + (plans.map(\.epoch).max() ?? 0), kind: kind, cluster: "c", generation: index + 1,
      seal: nil,
      contents: members.indices.map { m in
        MemberContent(
          member: Self.names[m], incarnation: Self.incarnation(plans[m].life),
          path: "/etc/default/minio",
          before: kind == .rollback ? digest(previous) : digest(plans[m].file),
          after: kind == .restart ? digest(plans[m].file) : digest(content))
      }, createdBy: principal(host), prepareMilliseconds: 2_000, stopMilliseconds: 1_000,
      startMilliseconds: 3_000, rollback: kind == .apply && options.rollsBack > 0 ? .whenSafe : nil,
      undoes: undoes < 0 ? nil : histories[undoes].rollout.id,
      proposal: proposal < 0 ? nil : proposals[proposal].digest)
    histories.append(
      History(
        rollout: rollout, content: content, previous: previous, outcomes: members.map { _ in nil },
        begun: now, undoes: undoes, proposal: proposal, lives: plans.map(\.life)))
    undertakings[u].rollout = index
    undertakings[u].coordinator = Coordinator(rollout: rollout)
    note("\(who) begins r\(index), a \(kind.rawValue), epoch \(rollout.epoch)")
    drive(u, .start)
  }

  /// Sources/Coordination/RolloutRunner.swift, `drive`: one input, and its effects.
  mutating func drive(_ u: Int, _ input: CoordinatorInput) {
    let who = name(u)
    guard undertakings[u].coordinator != nil else { return }
    let host = undertakings[u].host
    if host >= members.count {
      if isKilled(u) { return }
      if chance(options.interrupt) {
        note("\(who) interrupts")
        carryOut(u, .cancel)
      }
    }
    carryOut(u, input)
    if bug == .majorityOneShort, !undertakings[u].isOver, case .accepted(let name) = input {
      let other = ((Self.names.firstIndex(of: name) ?? 0) + 1) % members.count
      carryOut(u, .accepted(member: Self.names[other]))
    }
  }

  private mutating func carryOut(_ u: Int, _ input: CoordinatorInput) {
    let who = name(u)
    var input = input
    let host = undertakings[u].host
    let index = undertakings[u].rollout
    let time = hostClock(host)
    if bug == .silenceIsYes, case .silent(let name, _) = input,
      let m = Self.names.firstIndex(of: name)
    {
      let sample = ClockSample(
        requestSent: time, requestReceived: members[m].clock(now),
        answerSent: members[m].clock(now), answerReceived: time, bootID: members[m].bootID)
      _ = undertakings[u].coordinator?.handle(.clock(member: name, sample), at: time)
      input = .vote(member: name, .yes, environment: digest(histories[index].content))
    }
    guard let effects = undertakings[u].coordinator?.handle(input, at: time) else { return }
    if effects.contains(where: { if case .accept = $0 { true } else { false } }) {
      checkProposal(index, by: u)
      if chance(options.cutAtProposal) { cutOff(host) }
      if replacementsLeft > 0, chance(5_000) {
        let fault = Fault.replace(member: random.below(members.count))
        schedule(.fault(fault), after: milliseconds(1...3_000))
      }
    }
    let isCommit = effects.contains { if case .committed = $0 { true } else { false } }
    if isCommit, chance(options.cutAtCommit) {
      let everybody = (1 << members.count) - 1
      let milliseconds = random.pick(2_000...9_000)
      strike(.cut(from: 1 << host, to: everybody, milliseconds: milliseconds))
    }
    for effect in effects {
      if host < members.count, dies(host) { return }
      if bug == .abortAfterAccept, case .fired(.accept) = input {
        for m in members.indices {
          ask(
            u, m, .decide(.abort, instant: nil, bootID: "", reason: ""), rollout: index, for: 5_000)
        }
        leave(u)
        return
      }
      switch effect {
      case .prepare(let name): ask(u, name, .clock(isAfterVote: false), index, nil)
      case .measure(let name): ask(u, name, .measure, index, nil)
      case .accept(let name, let proposal): ask(u, name, .accept(proposal), index, 5_000)
      case .decide(let name, let decision, let instant, let bootID, let reason):
        ask(
          u, name, .decide(decision, instant: instant, bootID: bootID, reason: reason), index,
          decision == .abort ? 5_000 : 4_000)
      case .follow(let name): ask(u, name, .follow, index, nil)
      case .arm(let timer, let instant):
        schedule(.timer(undertaking: u, timer), after: Int(instant.nanoseconds(since: time)))
      case .committed:
        note("\(who): r\(index) is committed")
        learn(index, .commit, who)
        if options.settles > 0 {
          undertakings[u].signs.append(index)
          if undertakings[u].signs.count == 1 { sign(u) }
        }
      case .report: break
      case .finished(let result): finished(u, index, result)
      }
    }
    if isCommit, chance(options.killAtCommit) {
      if host < members.count {
        stop(host, host: false)
      } else {
        note("\(who) is killed")
        leave(u)
      }
    }
  }

  /// At the worst moment: some members get the accept request, or are heard, and others are not.
  private mutating func cutOff(_ host: Int) {
    let own = 1 << host
    let some = random.below(1 << members.count) & ~own
    let milliseconds = random.pick(500...8_000)
    if random.below(2) == 0 { strike(.cut(from: own, to: some, milliseconds: milliseconds)) }
    if random.below(2) == 0 { strike(.cut(from: some, to: own, milliseconds: milliseconds)) }
    // And members from each other.
    if random.below(2) == 0 {
      strike(.cut(from: some, to: (1 << members.count) - 1 - some, milliseconds: milliseconds))
    }
  }

  /// Sources/Coordination/CoordinatorHeartbeat.swift: once a second, until the result was told.
  mutating func sign(_ u: Int) {
    if undertakings[u].isOver { return }
    for index in undertakings[u].signs {
      for m in members.indices { ask(u, m, .measure, rollout: index) }
    }
    schedule(.sign(undertaking: u), after: 1_000_000_000)
  }

  private mutating func finished(_ u: Int, _ index: Int, _ result: CoordinatorResult) {
    let who = name(u)
    var result = result
    if bug == .unknownReportedAsAbort, result.ending == .undecided {
      result.ending = .aborted(Refusal(.failed, "undecided"))
    }
    note("\(who): r\(index) \(result.ending)")
    checkReport(index, result)
    let host = undertakings[u].host
    if case .command = undertakings[u].goal, histories[index].rollout.rollback == nil,
      takesBackByHand(index, result)
    {
      operators[host - members.count].undo = index
    }
    if options.settles == 0 { return leave(u) }
    if case .undo = undertakings[u].goal { return undone(u, index, result) }
    if case .proposal(let proposal) = undertakings[u].goal, result.decision != .commit {
      return proposalFailed(u, proposal)
    }
    // The members collect what is not known here.
    if result.decision != .commit
      || result.outcomes.contains(where: { $0.outcome.kind == .unknown }
      )
    {
      return leave(u)
    }
    carryOut(u, after: index, result.outcomes)
  }

  /// An operator without a policy rolls back where the policy would.
  private func takesBackByHand(_ index: Int, _ result: CoordinatorResult) -> Bool {
    let history = histories[index]
    guard result.decision == .commit, history.previous >= 0 else { return false }
    if bug == .rollbackRemovesKey, history.rollout.kind == .apply, result.ending != .confirmed {
      return true
    }
    return RollbackPolicy.whenSafe.decide(
      history.rollout, result.outcomes, key: identity(history.content),
      previousKey: identity(history.previous)) == .rollBack
  }

  func identity(_ content: Int) -> KeyIdentity? {
    let key = content < 0 ? 0 : contents[content].key
    return key == 0 ? nil : KeyIdentity(name: String(key), enclave: "")
  }
}
