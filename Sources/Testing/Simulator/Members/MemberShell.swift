// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Crypto
internal import Model
internal import Rollout

// The member's shell, as in Sources/Agent/Member/Member.swift and AgentAPI.swift.

extension World {
  // MARK: crashes

  /// Whether the agent dies here, between two effects.
  mutating func dies(_ m: Int) -> Bool {
    guard chance(options.crash) else { return false }
    stop(m, host: random.chance(options.hostCrash))
    return true
  }

  mutating func stop(_ m: Int, host: Bool) {
    guard members[m].isUp else { return }
    mix(m + (host ? 1_000 : 2_000))
    note(host ? "m\(m)'s host crashes" : "m\(m)'s agent dies")
    members[m].isUp = false
    members[m].run += 1
    members[m].wakeSerial += 1
    members[m].request = -1
    members[m].voters = []
    members[m].followers = []
    members[m].armed = nil
    members[m].unreported = nil
    members[m].collector = nil
    members[m].sums = []
    for u in undertakings.indices where undertakings[u].host == m && !undertakings[u].isOver {
      if undertakings[u].coordinator != nil { members[m].forgotten = undertakings[u].rollout }
      undertakings[u].isOver = true
    }
    if host {
      if let synced = members[m].disk.syncedRecord {
        members[m].disk.record = synced
        members[m].disk.syncedRecord = nil
      }
      if let (file, staged) = members[m].disk.unsynced {
        if random.below(2) == 0 {
          members[m].disk.file = file
          members[m].disk.staged.append(staged)
        }
        members[m].disk.unsynced = nil
      }
      members[m].boot += 1
      members[m].offset = Int64(random.below(1 << 40)) - now
      members[m].unit.isRunning = false
      members[m].unit.invocation = 0
      members[m].isBooting = true
    }
    schedule(.start(member: m), after: milliseconds(host ? 500...4_000 : 100...3_000))
  }

  /// The agent starts, after a reboot before the server's unit.
  mutating func start(_ m: Int) {
    guard !members[m].isUp else { return }
    members[m].isUp = true
    note("m\(m)'s agent starts")
    members[m].participant = Participant(
      member: Self.names[m], incarnation: members[m].incarnation, record: members[m].disk.record)
    checkRecord(m, members[m].disk.record, isKnown: true)
    let active = members[m].participant.record.active.flatMap { rolloutIndex($0.rollout.id) }
    members[m].disk.staged.removeAll { $0.rollout != active }
    let run = members[m].run
    releaseSoon(m)
    if bug != .timerLostOnRestart { _ = perform(m, .started) }
    if options.settles > 0, isAlive(m, run) { resume(m) }
    if isAlive(m, run), members[m].armed?.isLate ?? false {
      fire(m)
    }
    // READY was said, or never will be: at a boot systemd starts the server unless it runs already.
    if members[m].isBooting {
      members[m].isBooting = false
      bootServer(m)
    }
  }

  private mutating func resume(_ m: Int) {
    let run = members[m].run
    members[m].settled = members[m].disk.settled
    members[m].proposal = members[m].disk.proposal
    members[m].refused = -1
    members[m].proposals = Proposals(
      member: Self.names[m], members: Array(Self.names.prefix(members.count)),
      own: members[m].proposal.statement)
    resumeCollecting(m)
    if isAlive(m, run) { intend(m, .started) }
    if bug == .roundZeroAgain, isAlive(m, run), members[m].forgotten >= 0 {
      let index = members[m].forgotten
      undertakings.append(
        Undertaking(
          host: m, goal: .tell(index), rollout: index,
          coordinator: Coordinator(rollout: histories[index].rollout)))
      drive(undertakings.count - 1, .start)
    }
    members[m].forgotten = -1
  }

  func isDue(_ m: Int, _ instant: Instant, _ bootID: String) -> Bool {
    bootID != members[m].bootID || instant <= members[m].clock(now)
  }

  // MARK: the machine

  enum Performed {
    case died
    case failed
    case done(ParticipantReply?)
  }

  /// Sources/Agent/Member/Member.swift, `perform`: takes one input through the machine and carries
  /// out its effects in their order.
  mutating func perform(_ m: Int, _ input: ParticipantInput) -> Performed {
    let before = members[m].participant
    var effects = members[m].participant.handle(input, at: moment(m))
    if let bug { falsify(&effects, m, before, bug) }
    var reply: ParticipantReply?
    for effect in effects {
      if dies(m) { return .died }
      if case .reply(let answer) = effect {
        reply = answer
        if bug == .sendBeforePersist { break }
      }
      if !carryOut(m, effect) {
        if !members[m].isUp { return .died }
        if !input.isPromise { continue }
        members[m].participant = before
        if case .assessed(let rollout, _) = input {
          let no = Result<PreparedFacts, Refusal>.failure(Self.noVote)
          for effect in members[m].participant.handle(.assessed(rollout, no), at: moment(m)) {
            _ = carryOut(m, effect)
          }
        }
        settleVotes(m)
        return .failed
      }
    }
    settleVotes(m)
    if bug == .sendBeforePersist, reply != nil {
      // The reply has left; the rest comes after it, if the agent lives.
      for effect in effects {
        if dies(m) { break }
        if case .reply = effect { continue }
        _ = carryOut(m, effect)
      }
    } else if dies(m) {
      return .died
    }
    return .done(reply)
  }

  private mutating func carryOut(_ m: Int, _ effect: ParticipantEffect) -> Bool {
    switch effect {
    case .persist(let record): return persist(m, record)
    case .assess(let rollout):
      guard let index = rolloutIndex(rollout.id) else { return true }
      let isSlow = chance(options.slowCheck)
      let event = Event.assessed(member: m, run: members[m].run, rollout: index)
      let usual = m == laggard ? options.laggard...options.laggard + 400 : 1...400
      schedule(event, after: milliseconds(isSlow ? 1_900...5_000 : usual))
    case .vote, .reply: break
    case .discard:
      discard(m)
      releaseSoon(m)
    case .arm(let active, let instant, let bootID):
      let isDue = isDue(m, instant, bootID) && bug != .instantOfAnotherBoot
      members[m].armed = (active, instant, bootID, isDue)
      let wait = isDue ? 0 : max(0, members[m].time(instant) - now)
      schedule(.fire(member: m, run: members[m].run), after: Int(wait))
    case .watch(let active, let report):
      guard let index = rolloutIndex(active.rollout.id) else { return true }
      watch(m, index, report)
    case .keep(let finished): return keep(m, finished)
    case .amend: break
    case .conclude(let finished):
      if options.settles > 0, finished.outcome.kind != .aborted {
        follow(m, finished)
      }
      tellFollowers(m)
    case .wake(let instant):
      if bug == .noRecovery { return true }
      members[m].wakeSerial += 1
      schedule(
        .wake(member: m, serial: members[m].wakeSerial),
        after: Int(max(0, members[m].time(instant) - now)))
    case .ask(let name, let key, let question):
      guard let to = Self.names.firstIndex(of: name), let index = rolloutIndex(key.id) else {
        return true
      }
      if bug == .recoveryMajorityOneShort, case .promise = question, to == (m + 1) % members.count {
        // It is not asked, but counted.
        calls.append(
          Call(
            from: m, to: to, age: members[m].run, rollout: index,
            request: .ask(key, question), attempt: 1))
        schedule(
          .answer(call: calls.count - 1, attempt: 1, .reply(.promised(nil))), after: 1_000_000)
        return true
      }
      call(
        Call(
          from: m, to: to, age: members[m].run, rollout: index,
          request: .ask(key, question), giveUpAt: now + 10_000_000_000))
    }
    return true
  }

  mutating func diskFails(_ m: Int) -> Bool {
    chance(options.diskFailure) || (isFaulty && now < members[m].diskIsFullUntil)
  }

  private mutating func persist(_ m: Int, _ record: ParticipantRecord) -> Bool {
    let fails = diskFails(m)
    if fails, now < members[m].diskIsFullUntil || random.below(2) == 0 {
      note("m\(m) cannot write its record")
      return false
    }
    let old = members[m].disk.record
    if bug == .persistWithoutSync {
      if members[m].disk.syncedRecord == nil || random.below(2) == 0 {
        members[m].disk.syncedRecord = old
      }
    }
    members[m].disk.record = record
    note("m\(m) writes \(Self.describe(record))\(fails ? ", and does not know it" : "")")
    checkRecord(m, record, isKnown: !fails)
    return !fails
  }

  // MARK: the vote

  /// Sources/Agent/API/AgentAPI.swift, `vote`.
  mutating func vote(_ m: Int, _ rollout: Int, _ call: Int, _ attempt: Int) {
    let record = members[m].participant.record
    if record.active == nil, members[m].participant.assessing == nil {
      members[m].request = rollout
    }
    let value = histories[rollout].rollout
    if bug == .epochNotChecked { forgetEpoch(m) }
    switch perform(m, .prepare(value)) {
    case .died: return
    case .failed:
      answer(call, attempt, .vote(.no(Self.noVote), environment: -1))
      return
    case .done: break
    }
    members[m].voters.append((rollout, call, attempt))
    schedule(
      .overdue(member: m, run: members[m].run, rollout: rollout),
      after: value.prepareMilliseconds * 1_000_000)
    settleVotes(m)
  }

  /// Answers the callers whose vote is there.
  mutating func settleVotes(_ m: Int) {
    if members[m].voters.isEmpty || !members[m].isUp { return }
    let voters = members[m].voters
    members[m].voters = []
    for voter in voters {
      let rollout = histories[voter.rollout].rollout
      if members[m].participant.assessing == rollout {
        members[m].voters.append(voter)
      } else if members[m].participant.record.active?.rollout == rollout {
        let content = histories[voter.rollout].content
        histories[voter.rollout].voted |= 1 << m
        checkHeld(m, voter.rollout)
        answer(voter.call, voter.attempt, .vote(.yes, environment: content))
      } else {
        answer(voter.call, voter.attempt, .vote(.no(Self.noVote), environment: -1))
      }
    }
  }

  /// Sources/Agent/Member/Voting.swift, `check`: the checks have ended.
  mutating func assessed(_ m: Int, _ index: Int) {
    let history = histories[index]
    let rollout = history.rollout
    let run = members[m].run
    let isWanted = members[m].request == index
    if isWanted { members[m].request = -1 }
    guard isWanted, let content = rollout.content(of: Self.names[m]),
      content.before == digest(members[m].disk.file), isAllowed(m, history.content),
      isUndoOfTheLast(m, rollout), contents[history.content].key == 0 || !isKeyManagerAway
    else {
      note("m\(m)'s checks of r\(index) fail")
      _ = perform(m, .assessed(rollout, .failure(Self.noVote)))
      return
    }
    if rollout.kind == .rollback, !stopForRollback(m, index) {
      if !isAlive(m, run) { return }
      _ = perform(m, .assessed(rollout, .failure(Self.noVote)))
      return
    }
    let stages = content.before != content.after
    if stages {
      if diskFails(m) {
        _ = perform(m, .assessed(rollout, .failure(Self.noVote)))
        return
      }
      members[m].disk.staged.append(.init(rollout: index, content: history.content))
      if dies(m) { return }
    }
    note("m\(m)'s checks of r\(index) succeed")
    let facts = PreparedFacts(
      invocation: String(members[m].unit.invocation), journalCursor: nil, staged: stages)
    _ = perform(m, .assessed(rollout, .success(facts)))
    if members[m].isUp, members.count > 1, chance(options.hasty) {
      let everybody = (1 << members.count) - 1
      let reached = 1 << ((m + random.pick(1...members.count - 1)) % members.count)
      strike(
        .cut(
          from: 1 << m, to: everybody & ~reached & ~(1 << m), milliseconds: random.pick(100...9_000)
        ))
      _ = perform(m, .resolve(id: rollout.id))
    }
  }

  /// The key guard: the sealed key, or the one in force in the running server.
  func isAllowed(_ m: Int, _ content: Int) -> Bool {
    let member = members[m]
    let holder =
      member.disk.seal != 0
      ? member.disk.seal : isRunning(m) ? contents[max(0, member.unit.content)].key : 0
    return holder == 0 || contents[content].key == holder
  }

  /// A rollback by policy undoes only what was committed here last.
  private func isUndoOfTheLast(_ m: Int, _ rollout: Rollout) -> Bool {
    guard let undone = rollout.undoes, bug != .undoneTwice else { return true }
    return members[m].participant.record.lastCommitted?.rollout.id == undone
  }

  func digest(_ content: Int) -> Digest? { content < 0 ? nil : Self.digests[content] }

  private mutating func discard(_ m: Int) {
    let known = [
      members[m].participant.record.active?.rollout.id, members[m].participant.assessing?.id,
    ]
    let isKnown = histories.map { known.contains($0.rollout.id) }
    members[m].disk.staged.removeAll { !isKnown[$0.rollout] }
  }
}
