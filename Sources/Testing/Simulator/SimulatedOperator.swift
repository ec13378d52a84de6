internal import Model
internal import Rollout

/// One operator and the program that is run for it: the shell around a Coordinator.
struct SimulatedOperator: Hashable {
  let clock: Int64
  var coordinator: Coordinator?
  /// The rollout that is coordinated; -1 for none.
  var rollout = -1
  /// Counts the undertakings: what is left of an earlier one is not heard.
  var undertaking = 0
  /// The answers to the plan.
  var plans: [(epoch: UInt64, file: Int)?] = []
  /// The rollout that is to be undone; -1 for none.
  var undo = -1
  var isBusy = false
  /// What was reported of the last one.
  var timersArmed = 0

  init(clock: Int64) { self.clock = clock }

  func isAt(_ undertaking: Int) -> Bool { isBusy && self.undertaking == undertaking }

  static func == (a: Self, b: Self) -> Bool {
    a.coordinator == b.coordinator && a.rollout == b.rollout && a.isBusy == b.isBusy
      && a.undo == b.undo
  }
  func hash(into hasher: inout Hasher) {
    hasher.combine(coordinator)
    hasher.combine(rollout)
    hasher.combine(isBusy)
    hasher.combine(undo)
    hasher.combine(plans.map { $0?.epoch })
  }
}

extension World {
  func nodeName(_ node: Int) -> String {
    node < members.count ? "m\(node)" : "operator \(node - members.count)"
  }

  private func operatorClock(_ o: Int) -> Instant {
    Instant(nanoseconds: now + operators[o].clock)
  }

  /// An operator wants something: asks every member what it holds.
  mutating func begin(_ o: Int) {
    guard !operators[o].isBusy, rolloutsLeft > 0 || operators[o].undo >= 0 else { return }
    if operators[o].undo < 0 { rolloutsLeft -= 1 }
    operators[o].isBusy = true
    operators[o].undertaking += 1
    operators[o].plans = Array(repeating: nil, count: members.count)
    let isRollback = operators[o].undo >= 0
    note("operator \(o) plans\(isRollback ? " a rollback" : "")")
    for m in members.indices { ask(o, m, .plan, rollout: -1) }
  }

  private mutating func ask(
    _ o: Int, _ m: Int, _ request: Request, rollout: Int, for milliseconds: Int? = nil
  ) {
    let giveUpAt = milliseconds.map { now + Int64($0) * 1_000_000 } ?? .max
    call(
      Call(
        from: members.count + o, to: m, age: operators[o].undertaking, rollout: rollout,
        request: request,
        giveUpAt: giveUpAt))
  }

  private mutating func leave(_ o: Int) {
    operators[o].isBusy = false
    operators[o].coordinator = nil
    operators[o].rollout = -1
    if rolloutsLeft > 0 || operators[o].undo >= 0, !isExhaustive {
      schedule(.begin(operator: o), after: milliseconds(10...4_000))
    }
  }

  private mutating func planned(_ o: Int) {
    let plans = operators[o].plans.compactMap(\.self)
    guard plans.count == members.count else { return }
    let undo = operators[o].undo
    operators[o].undo = -1
    let previous = plans[0].file
    let content: Int
    let kind: RolloutKind
    if undo >= 0 {
      content = histories[undo].previous
      kind = .rollback
      guard plans.allSatisfy({ $0.file == histories[undo].content }) else {
        note("operator \(o): the files are not what is to be undone")
        leave(o)
        return
      }
    } else if !isExhaustive, random.below(5) == 0 {
      content = previous
      kind = .restart
    } else {
      content = contents.count
      kind = .apply
      let old = previous < 0 ? 0 : contents[previous].key
      // Most keep the key, some bring the first one, some try another.
      let key = isExhaustive ? 0 : old == 0 ? random.below(3) : random.below(6) == 0 ? 2 : old
      contents.append(Content(key: key))
    }
    guard previous >= 0, contents.count < Self.digests.count else {
      leave(o)
      return
    }
    let index = histories.count
    let digits = String(index + 1, radix: 16)
    let rollout = Rollout(
      id: String(repeating: "0", count: 16 - digits.count) + digits,
      epoch: 1 + (plans.map(\.epoch).max() ?? 0), kind: kind, cluster: "c", generation: index + 1,
      seal: nil,
      contents: members.indices.map { m in
        MemberContent(
          member: Self.names[m], path: "/etc/default/minio",
          before: kind == .rollback ? digest(histories[undo].content) : digest(plans[m].file),
          after: kind == .restart ? digest(plans[m].file) : digest(content))
      }, createdBy: "operator", prepareMilliseconds: 2_000, stopMilliseconds: 1_000,
      startMilliseconds: 3_000)
    histories.append(
      History(
        rollout: rollout, content: content,
        previous: kind == .rollback ? histories[undo].content : previous,
        outcomes: members.map { _ in nil }))
    operators[o].rollout = index
    operators[o].coordinator = Coordinator(rollout: rollout)
    note("operator \(o) begins r\(index), a \(kind.rawValue), epoch \(rollout.epoch)")
    drive(o, .start)
  }

  /// Sources/Operator/Rollouts/RolloutRunner.swift, `drive`: one input, and its effects.
  mutating func drive(_ o: Int, _ input: CoordinatorInput) {
    guard operators[o].coordinator != nil else { return }
    if chance(options.kill) {
      mix(9_000 + o)
      note("operator \(o) is killed")
      leave(o)
      return
    }
    if chance(options.interrupt) {
      note("operator \(o) interrupts")
      carryOut(o, .cancel)
    }
    let age = operators[o].undertaking
    carryOut(o, input)
    if bug == .majorityOneShort, operators[o].isAt(age), case .accepted(let name) = input {
      let other = ((Self.names.firstIndex(of: name) ?? 0) + 1) % members.count
      carryOut(o, .accepted(member: Self.names[other]))
    }
  }

  private mutating func carryOut(_ o: Int, _ input: CoordinatorInput) {
    var input = input
    let time = operatorClock(o)
    if bug == .silenceIsYes, case .silent(let name, _) = input,
      let m = Self.names.firstIndex(of: name)
    {
      let sample = ClockSample(
        requestSent: time, requestReceived: members[m].clock(now),
        answerSent: members[m].clock(now), answerReceived: time, bootID: members[m].bootID)
      _ = operators[o].coordinator?.handle(.clock(member: name, sample), at: time)
      let content = histories[operators[o].rollout].content
      input = .vote(member: name, .yes, environment: digest(content))
    }
    guard let effects = operators[o].coordinator?.handle(input, at: time) else { return }
    let index = operators[o].rollout
    let age = operators[o].undertaking
    if effects.contains(where: { if case .accept = $0 { true } else { false } }),
      chance(options.cutAtProposal)
    {
      cutOff(o)
    }
    if effects.contains(where: { if case .committed = $0 { true } else { false } }),
      chance(options.cutAtCommit)
    {
      let everybody = (1 << members.count) - 1
      let milliseconds = random.pick(2_000...9_000)
      strike(.cut(from: 1 << (members.count + o), to: everybody, milliseconds: milliseconds))
    }
    for effect in effects {
      if bug == .abortAfterAccept, case .fired(.accept) = input {
        for m in members.indices {
          ask(
            o, m, .decide(.abort, instant: nil, bootID: "", reason: ""), rollout: index,
            for: 5_000)
        }
        leave(o)
        return
      }
      switch effect {
      case .prepare(let name): ask(o, name, .clock(isAfterVote: false), index, nil)
      case .measure(let name): ask(o, name, .measure, index, nil)
      case .accept(let name, let proposal): ask(o, name, .accept(proposal), index, 5_000)
      case .decide(let name, let decision, let instant, let bootID, let reason):
        ask(
          o, name, .decide(decision, instant: instant, bootID: bootID, reason: reason), index,
          decision == .abort ? 5_000 : 4_000)
      case .follow(let name): ask(o, name, .follow, index, nil)
      case .arm(let timer, let instant):
        schedule(
          .timer(operator: o, undertaking: age, timer),
          after: Int(instant.nanoseconds(since: time)))
      case .committed:
        note("operator \(o): r\(index) is committed")
        learn(index, .commit, "operator \(o)")
      case .report: break
      case .finished(let result): finished(o, index, result)
      }
    }
  }

  /// At the worst moment: some members get the proposal, or are heard, and others are not.
  private mutating func cutOff(_ o: Int) {
    let own = 1 << (members.count + o)
    let some = random.below(1 << members.count)
    let milliseconds = random.pick(500...8_000)
    if random.below(2) == 0 { strike(.cut(from: own, to: some, milliseconds: milliseconds)) }
    if random.below(2) == 0 { strike(.cut(from: some, to: own, milliseconds: milliseconds)) }
    // And members from one another.
    if random.below(2) == 0 {
      strike(.cut(from: some, to: (1 << members.count) - 1 - some, milliseconds: milliseconds))
    }
  }

  private mutating func ask(
    _ o: Int, _ name: String, _ request: Request, _ rollout: Int, _ milliseconds: Int?
  ) {
    guard let m = Self.names.firstIndex(of: name) else { return }
    ask(o, m, request, rollout: rollout, for: milliseconds)
  }

  private mutating func finished(_ o: Int, _ index: Int, _ result: RolloutResult) {
    var result = result
    if bug == .unknownReportedAsAbort, result.decision == nil { result.decision = .abort }
    note(
      "operator \(o): r\(index) \(result.decision?.rawValue ?? "unknown"), exit \(result.exitCode.rawValue)"
    )
    checkReport(index, result)
    let history = histories[index]
    if result.decision == .commit, history.previous >= 0 {
      func identity(_ content: Int) -> KeyIdentity? {
        let key = contents[content].key
        return key == 0 ? nil : KeyIdentity(name: String(key), enclave: "")
      }
      let decision = RollbackPolicy.whenSafe.decide(
        history.rollout, result.outcomes, key: identity(history.content),
        previousKey: identity(history.previous))
      let isWrong =
        bug == .rollbackRemovesKey && history.rollout.kind == .apply
        && result.exitCode != .done
      if decision == .rollBack || isWrong { operators[o].undo = index }
    }
    leave(o)
  }

  // MARK: answers

  mutating func operatorAnswered(_ o: Int, _ index: Int, _ answer: Answer) {
    let call = calls[index]
    let name = Self.names[call.to]
    switch call.request {
    case .plan:
      calls[index].isDone = true
      guard case .plan(let epoch, let file) = answer else {
        note("operator \(o) cannot plan: m\(call.to) is away")
        leave(o)
        return
      }
      operators[o].plans[call.to] = (epoch, file)
      planned(o)
    case .clock(let isAfterVote):
      calls[index].isDone = true
      guard sample(o, call, answer) else {
        drive(o, .silent(member: name, reason: ""))
        return
      }
      if !isAfterVote {
        ask(o, call.to, .prepare, rollout: call.rollout)
      } else {
        drive(
          o,
          .vote(member: name, .yes, environment: digest(histories[call.rollout].content)))
      }
    case .measure:
      calls[index].isDone = true
      _ = sample(o, call, answer)
    case .prepare:
      calls[index].isDone = true
      switch answer {
      case .vote(.yes, _): ask(o, call.to, .clock(isAfterVote: true), rollout: call.rollout)
      case .vote(let no, _): drive(o, .vote(member: name, no, environment: nil))
      default: drive(o, .silent(member: name, reason: ""))
      }
    case .accept:
      guard case .reply(let reply) = answer else {
        _ = repeatCall(index)
        return
      }
      calls[index].isDone = true
      switch reply {
      case .accepted: drive(o, .accepted(member: name))
      case .committed: drive(o, .committed(member: name))
      case .outranked: drive(o, .outranked(member: name))
      case .ended(let outcome): drive(o, .ended(member: name, outcome))
      case .neverVoted, .promised: drive(o, .silent(member: name, reason: ""))
      }
    case .decide(let decision, _, _, _):
      guard case .reply(let reply) = answer else {
        if !repeatCall(index), decision == .abort {
          drive(o, .silent(member: name, reason: ""))
        }
        return
      }
      calls[index].isDone = true
      switch (reply, decision) {
      case (.committed, _), (.accepted, _), (.outranked, _), (.promised, _), (.neverVoted, .abort):
        drive(o, .acknowledged(member: name))
      case (.ended(let outcome), _): drive(o, .ended(member: name, outcome))
      case (.neverVoted, .commit): drive(o, .silent(member: name, reason: ""))
      }
    case .follow:
      guard case .view(let report, let outcome) = answer else {
        if !repeatCall(index) { note("operator \(o) follows m\(call.to) no more") }
        return
      }
      if let report { drive(o, .restarted(member: name, report)) }
      if let outcome {
        calls[index].isDone = true
        drive(o, .ended(member: name, outcome))
      } else if operators[o].isAt(call.age) {
        // The next long poll.
        send(index)
      }
    case .ask: break
    }
  }

  private mutating func sample(_ o: Int, _ call: Call, _ answer: Answer) -> Bool {
    guard case .clock(let instant, let boot) = answer else { return false }
    let sample = ClockSample(
      requestSent: Instant(nanoseconds: call.sentAt + operators[o].clock),
      requestReceived: instant, answerSent: instant, answerReceived: operatorClock(o),
      bootID: Self.boots[min(boot, Self.boots.count - 1)])
    drive(o, .clock(member: Self.names[call.to], sample))
    return true
  }
}
