internal import Digests
internal import Model
internal import Rollout

/// What survives the crash of a process, and what of it survives the crash of a host.
struct SimulatedDisk: Hashable {
  var record = ParticipantRecord()
  /// What a crash of the host leaves of the record; only where a bug leaves out the sync.
  var syncedRecord: ParticipantRecord?
  /// The content's number; -1 is torn.
  var file = 0
  /// What the file may be after a crash of the host, if the rename was not synced.
  var unsynced: (Int, staged: Staged)?
  var staged: [Staged] = []
  /// The key that is sealed; 0 for none.
  var seal = 0

  struct Staged: Hashable {
    var rollout: Int
    var content: Int
  }

  static func == (a: Self, b: Self) -> Bool {
    a.record == b.record && a.file == b.file && a.staged == b.staged && a.seal == b.seal
  }
  func hash(into hasher: inout Hasher) {
    hasher.combine(record)
    hasher.combine(file)
    hasher.combine(unsynced?.0)
    hasher.combine(staged)
    hasher.combine(seal)
  }
}

/// The server and its unit.
struct SimulatedUnit: Hashable {
  var isRunning = true
  var invocation = 1
  /// The content that the process was started with.
  var content = 0
  /// When, in the clock of the member's present boot.
  var started = Instant(nanoseconds: 0)
  /// The rollout that asked for this start; -1 for none.
  var rollout = -1
  /// How the start ends, and when.
  var outcome = Outcome(.confirmed, "")
  var endsAt: Int64 = 0
}

/// One member: its agent's shell, its host, its server.
struct SimulatedMember: Hashable {
  var participant: Participant
  var disk = SimulatedDisk()
  var unit = SimulatedUnit()
  var isUp = true
  /// Counts the agent's lives.
  var incarnation = 0
  /// Counts the host's.
  var boot = 0
  var offset: Int64
  let rate: Int64
  var diskIsFullUntil: Int64 = 0
  /// The record that it was told to be durable.
  var known = ParticipantRecord()
  /// Keys that the server may have encrypted with, bits.
  var encrypted = 0

  // What a crash of the agent forgets.
  var request = -1
  var voters: [(rollout: Int, call: Int, attempt: Int)] = []
  var followers: [(rollout: Int, call: Int, attempt: Int)] = []
  var armed: (active: ActiveRollout, instant: Instant, bootID: String, isLate: Bool)?
  var wakeSerial = 0

  init(_ index: Int, _ options: Options, _ random: inout Random, key: Int) {
    participant = Participant(member: World.names[index], record: ParticipantRecord())
    offset = Int64(random.below(1 << 40))
    rate =
      options.driftPerMillion == 0
      ? 0 : Int64(random.pick(-options.driftPerMillion...options.driftPerMillion))
    if key != 0 { encrypted = 1 << key }
  }

  /// The member's clock at a true time.
  func clock(_ time: Int64) -> Instant {
    Instant(nanoseconds: time + time / 1_000_000 * rate + offset)
  }

  /// The true time at which its clock will show an instant.
  func time(_ instant: Instant) -> Int64 {
    var time = instant.nanoseconds - offset
    time -= time / 1_000_000 * rate
    while clock(time) < instant { time += 1_000 }
    return time
  }

  var bootID: String { World.boots[min(boot, World.boots.count - 1)] }

  static func == (a: Self, b: Self) -> Bool {
    a.participant == b.participant && a.disk == b.disk && a.unit == b.unit && a.isUp == b.isUp
      && a.boot == b.boot && a.request == b.request
  }
  func hash(into hasher: inout Hasher) {
    hasher.combine(participant)
    hasher.combine(disk)
    hasher.combine(unit)
    hasher.combine(isUp)
    hasher.combine(boot)
    hasher.combine(request)
    hasher.combine(voters.map(\.call))
    hasher.combine(followers.map(\.call))
    hasher.combine(armed?.active)
  }
}

extension World {
  static let boots = (0..<64).map { "boot-\($0)" }

  func isRunning(_ m: Int) -> Bool {
    let unit = members[m].unit
    return unit.isRunning && (unit.outcome.kind == .confirmed || now < unit.endsAt)
  }

  mutating func moment(_ m: Int) -> Moment {
    Moment(
      now: members[m].clock(now), bootID: members[m].bootID,
      jitterMilliseconds: isExhaustive ? 0 : random.below(201))
  }

  /// Which rollout that is; nil for one that the simulator does not know.
  func rolloutIndex(_ id: String) -> Int? { histories.firstIndex { $0.rollout.id == id } }

  // MARK: crashes

  /// Whether the agent dies here, between two effects.
  mutating func dies(_ m: Int) -> Bool {
    if isExhaustive {
      guard let left = crashCountdown else { return false }
      crashCountdown = left > 0 ? left - 1 : nil
      if left > 0 { return false }
      stop(m, host: false)
      return true
    }
    guard chance(options.crash) else { return false }
    stop(m, host: random.chance(options.hostCrash))
    return true
  }

  mutating func stop(_ m: Int, host: Bool) {
    guard members[m].isUp else { return }
    mix(m + (host ? 1_000 : 2_000))
    note(host ? "m\(m)'s host crashes" : "m\(m)'s agent dies")
    members[m].isUp = false
    members[m].incarnation += 1
    members[m].wakeSerial += 1
    members[m].request = -1
    members[m].voters = []
    members[m].followers = []
    members[m].armed = nil
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
    }
    schedule(.start(member: m), after: milliseconds(host ? 500...4_000 : 100...3_000))
  }

  /// The agent starts, after a reboot before the server's unit.
  mutating func start(_ m: Int) {
    guard !members[m].isUp else { return }
    members[m].isUp = true
    note("m\(m)'s agent starts")
    members[m].participant = Participant(
      member: Self.names[m], record: members[m].disk.record)
    checkRecord(m, members[m].disk.record, isKnown: true)
    let active = members[m].participant.record.active.flatMap { rolloutIndex($0.rollout.id) }
    members[m].disk.staged.removeAll { $0.rollout != active }
    let incarnation = members[m].incarnation
    if bug != .timerLostOnRestart { _ = perform(m, .started) }
    if isAlive(m, incarnation), members[m].armed?.isLate ?? false {
      fire(m)
    }
    // READY was said, or never will be: systemd starts the server, if nobody has.
    if !members[m].unit.isRunning, members[m].unit.invocation == 0 { startServer(m, for: -1) }
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

  /// Sources/Agent/Agent.swift, `perform`: takes one input through the machine and carries out its
  /// effects in their order.
  mutating func perform(_ m: Int, _ input: ParticipantInput) -> Performed {
    let before = members[m].participant
    var effects = members[m].participant.handle(input, at: moment(m))
    if let bug { falsify(&effects, m, bug) }
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
      let event = Event.assessed(
        member: m, incarnation: members[m].incarnation, rollout: index)
      schedule(event, after: milliseconds(isSlow ? 1_900...5_000 : 1...400))
    case .vote: break
    case .reply: break
    case .discard: discard(m)
    case .arm(let active, let instant, let bootID):
      let isDue = isDue(m, instant, bootID) && bug != .instantOfAnotherBoot
      members[m].armed = (active, instant, bootID, isDue)
      let wait = isDue ? 0 : max(0, members[m].time(instant) - now)
      schedule(.fire(member: m, incarnation: members[m].incarnation), after: Int(wait))
    case .watch(let active, let report):
      guard let index = rolloutIndex(active.rollout.id) else { return true }
      watch(m, index, report)
    case .keep(let finished): return keep(m, finished)
    case .conclude: tellFollowers(m)
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
      call(
        Call(
          from: m, to: to, age: members[m].incarnation, rollout: index,
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

  /// Sources/Agent/API.swift, `vote`.
  mutating func vote(_ m: Int, _ rollout: Int, _ call: Int, _ attempt: Int) {
    let record = members[m].participant.record
    if record.active == nil, members[m].participant.assessing == nil {
      members[m].request = rollout
    }
    let value = histories[rollout].rollout
    if let bug { prepareToErr(m, .prepare(value), bug) }
    switch perform(m, .prepare(value)) {
    case .died: return
    case .failed:
      answer(call, attempt, .vote(.no(Self.noVote), environment: -1))
      return
    case .done: break
    }
    members[m].voters.append((rollout, call, attempt))
    schedule(
      .overdue(member: m, incarnation: members[m].incarnation, rollout: rollout),
      after: value.prepareMilliseconds * 1_000_000)
    settleVotes(m)
  }

  /// Answers those who wait for a vote that is there now.
  private mutating func settleVotes(_ m: Int) {
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
        answer(voter.call, voter.attempt, .vote(.yes, environment: content))
      } else {
        answer(voter.call, voter.attempt, .vote(.no(Self.noVote), environment: -1))
      }
    }
  }

  /// Sources/Agent/Agent.swift, `check`: the checks have ended.
  mutating func assessed(_ m: Int, _ index: Int) {
    let history = histories[index]
    let rollout = history.rollout
    let isWanted = members[m].request == index
    if isWanted { members[m].request = -1 }
    guard isWanted, let content = rollout.content(of: Self.names[m]),
      content.before == digest(members[m].disk.file), isAllowed(m, history.content),
      contents[history.content].key == 0 || !isKeyManagerAway
    else {
      note("m\(m)'s checks of r\(index) fail")
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
  }

  /// The key guard: the sealed key, or the one in force in the running server.
  private func isAllowed(_ m: Int, _ content: Int) -> Bool {
    let member = members[m]
    let holder =
      member.disk.seal != 0
      ? member.disk.seal : isRunning(m) ? contents[max(0, member.unit.content)].key : 0
    return holder == 0 || contents[content].key == holder
  }

  func digest(_ content: Int) -> Digest? { content < 0 ? nil : Self.digests[content] }

  private mutating func discard(_ m: Int) {
    let known = [
      members[m].participant.record.active?.rollout.id, members[m].participant.assessing?.id,
    ]
    let isKnown = histories.map { known.contains($0.rollout.id) }
    members[m].disk.staged.removeAll { !isKnown[$0.rollout] }
  }

  // MARK: the instant

  /// Sources/Agent/Instant.swift, `fire`.
  mutating func fire(_ m: Int) {
    guard let (active, instant, bootID, isLate) = members[m].armed,
      let index = rolloutIndex(active.rollout.id),
      let content = active.rollout.content(of: Self.names[m])
    else { return }
    members[m].armed = nil
    let id = active.rollout.id
    let isSameBoot = bootID == members[m].bootID
    let isDone = isLate && wasRestarted(m, active, content, since: isSameBoot ? instant : nil)
    let previous = String(members[m].unit.invocation)
    note("m\(m) acts on r\(index)\(isDone ? ", which it has done before" : "")")
    if dies(m) { return }
    if active.facts.staged {
      if !install(m, index, content) {
        fireFailed(m, index)
        return
      }
    } else if !isDone, digest(members[m].disk.file) != content.after {
      fireFailed(m, index)
      return
    }
    if dies(m) { return }
    let issued = members[m].clock(now)
    if !isDone { restart(m, index) }
    if dies(m) { return }
    if !diskFails(m), bug != .renameNotSynced { members[m].disk.unsynced = nil }
    _ = perform(
      m,
      .restarted(
        id: id,
        RestartReport(
          planned: isSameBoot ? instant : issued, issued: issued,
          previousInvocation: isDone ? active.facts.invocation : previous)))
  }

  mutating func fireFailed(_ m: Int, _ index: Int) {
    if !members[m].isUp { return }
    let id = histories[index].rollout.id
    if case .failed = perform(m, .fireFailed(id: id, Self.noVote)) {
      let event = Event.fireFailed(
        member: m, incarnation: members[m].incarnation, rollout: index)
      schedule(event, after: 2_000_000_000)
    }
  }

  private func wasRestarted(
    _ m: Int, _ active: ActiveRollout, _ content: MemberContent, since instant: Instant?
  ) -> Bool {
    let unit = members[m].unit
    guard isRunning(m), unit.invocation != 0, String(unit.invocation) != active.facts.invocation,
      digest(members[m].disk.file) == content.after, bug != .doubleRestartAfterCrash
    else { return false }
    guard let instant else { return true }
    return unit.started >= instant
  }

  /// Renames the staged file over the target, if the target is still the one that was planned from.
  private mutating func install(_ m: Int, _ index: Int, _ content: MemberContent) -> Bool {
    checkInstall(m, index)
    let file = members[m].disk.file
    if digest(file) == content.after { return true }
    guard digest(file) == content.before,
      let position = members[m].disk.staged.firstIndex(where: { $0.rollout == index })
    else { return false }
    if diskFails(m) { return false }
    let staged = members[m].disk.staged[position]
    if bug == .fileWrittenInPlace {
      members[m].disk.file = -1
      if dies(m) {
        checkFile(m)
        return false
      }
    }
    members[m].disk.staged.remove(at: position)
    members[m].disk.unsynced = (file, staged)
    members[m].disk.file = staged.content
    note("m\(m) installs content \(staged.content)")
    checkFile(m)
    return true
  }

  private mutating func restart(_ m: Int, _ index: Int) {
    checkRestart(m, index)
    note("m\(m) restarts for r\(index)")
    startServer(m, for: index)
  }

  /// The unit's process is replaced; how its start will end is drawn now.
  mutating func startServer(_ m: Int, for index: Int) {
    mix(m * 16 + index)
    let content = members[m].disk.file
    let key = content < 0 ? 0 : contents[content].key
    var outcome = Outcome(.confirmed, "", passedKeyManager: true)
    var wait = milliseconds(50...2_000)
    if key != 0, isKeyManagerAway {
      outcome = Outcome(.failed, "", passedKeyManager: false)
    } else if index >= 0, chance(options.startFailure) {
      switch random.below(4) {
      case 0: outcome = Outcome(.failed, "", passedKeyManager: false)
      case 1: outcome = Outcome(.failed, "", passedKeyManager: true)
      case 2: outcome = Outcome(.timedOut, "", passedKeyManager: nil)
      default: outcome = Outcome(.timedOut, "", passedKeyManager: true)
      }
      if outcome.kind == .timedOut {
        wait = 4_000_000_000
      }
    }
    if outcome.passedKeyManager ?? (random.below(2) == 0), key != 0 {
      members[m].encrypted |= 1 << key
    }
    members[m].unit = SimulatedUnit(
      isRunning: true, invocation: isExhaustive ? members[m].unit.invocation + 1 : steps + 2,
      content: content, started: members[m].clock(now), rollout: index, outcome: outcome,
      endsAt: now + Int64(wait))
  }

  // MARK: the end

  private mutating func watch(_ m: Int, _ index: Int, _ report: RestartReport) {
    let unit = members[m].unit
    let isNew = String(unit.invocation) != report.previousInvocation
    let end = isNew ? unit.endsAt : now + 4_000_000_000
    schedule(
      .watched(member: m, incarnation: members[m].incarnation, rollout: index),
      after: Int(max(1_000_000, end - now)))
  }

  mutating func watched(_ m: Int, _ index: Int) {
    let rollout = histories[index].rollout
    guard case .watching(let report)? = members[m].participant.record.active?.stage,
      members[m].participant.record.active?.rollout.id == rollout.id
    else { return }
    let unit = members[m].unit
    let outcome =
      String(unit.invocation) == report.previousInvocation || !unit.isRunning
      ? Outcome(.timedOut, "", passedKeyManager: nil) : unit.outcome
    note("m\(m) has watched r\(index): \(outcome.kind.rawValue)")
    if case .failed = perform(m, .watched(id: rollout.id, outcome)) {
      schedule(
        .watched(member: m, incarnation: members[m].incarnation, rollout: index),
        after: 2_000_000_000)
    }
  }

  /// Sources/Agent/Agent.swift, `sealAndKeep`.
  private mutating func keep(_ m: Int, _ finished: FinishedRollout) -> Bool {
    if finished.outcome.kind == .confirmed {
      let key = contents[max(0, members[m].unit.content)].key
      if members[m].disk.seal == 0, key != 0 {
        if diskFails(m) { return false }
        if dies(m) { return false }
        if bug != .sealAfterTheEnd {
          members[m].disk.seal = key
          note("m\(m) seals key \(key)")
        }
      }
    }
    return true
  }

  /// A long poll: answered when there is something to say.
  mutating func follow(_ m: Int, _ index: Int, _ call: Int, _ attempt: Int) {
    members[m].followers.append((index, call, attempt))
    tellFollowers(m)
  }

  mutating func tellFollowers(_ m: Int) {
    let followers = members[m].followers
    members[m].followers = []
    let record = members[m].participant.record
    for follower in followers {
      let id = histories[follower.rollout].rollout.id
      var answer: Answer?
      if let active = record.active, active.rollout.id == id {
        if case .watching(let report) = active.stage, calls[follower.call].attempt == 1 {
          answer = .view(report, nil)
        }
      } else if record.active?.rollout.id != id {
        let finished = [record.last, record.lastCommitted].lazy.compactMap(\.self)
          .first { $0.rollout.id == id }
        answer = finished.map { .view($0.report, $0.outcome) } ?? .failed
      }
      if let answer {
        self.answer(follower.call, follower.attempt, answer)
      } else {
        members[m].followers.append(follower)
      }
    }
  }

  // MARK: calls

  /// A request has come to a member.
  mutating func arrive(_ index: Int, _ attempt: Int) {
    let call = calls[index]
    let m = call.to
    mix(call.from &* 64 &+ m &+ attempt &* 4_096)
    guard members[m].isUp else {
      answer(index, attempt, .unreachable)
      return
    }
    let member = members[m]
    let input: ParticipantInput
    switch call.request {
    case .plan:
      answer(
        index, attempt,
        .plan(epoch: member.participant.record.highestEpoch, file: member.disk.file))
      return
    case .clock, .measure:
      if call.rollout >= 0 {
        _ = perform(m, .heard(id: histories[call.rollout].rollout.id))
        if !members[m].isUp { return }
      }
      answer(index, attempt, .clock(members[m].clock(now), boot: members[m].boot))
      return
    case .prepare:
      note("m\(m) is asked for its vote on r\(call.rollout)")
      vote(m, call.rollout, index, attempt)
      return
    case .follow:
      follow(m, call.rollout, index, attempt)
      return
    case .accept(let proposal): input = .accept(histories[call.rollout].rollout.key, proposal)
    case .decide(let decision, let instant, let bootID, let reason):
      input = .decided(
        histories[call.rollout].rollout.key, decision, instant: instant, bootID: bootID,
        reason: reason)
    case .ask(let key, let question): input = question.input(key)
    }
    if let bug { prepareToErr(m, input, bug) }
    let caller = nodeName(call.from)
    note("m\(m) is told by \(caller): \(Self.describe(input))")
    switch perform(m, input) {
    case .died: break
    case .failed: answer(index, attempt, .failed)
    case .done(let reply):
      guard var reply else { return }
      if bug == .promiseForgetsAccepted, case .promised = reply { reply = .promised(nil) }
      if bug == .neverVotedWithoutFence, reply == .neverVoted {
        members[m].disk.record = member.disk.record
        members[m].participant = Participant(
          member: Self.names[m], record: member.participant.record)
      }
      if bug == .restartOnAccept, reply == .accepted,
        let active = members[m].participant.record.active
      {
        members[m].armed = (active, members[m].clock(now), members[m].bootID, true)
        fire(m)
      }
      note("m\(m) answers \(Self.describe(reply))")
      answer(index, attempt, .reply(reply))
    }
  }

  /// The answer to what a member has asked another.
  mutating func memberAnswered(_ index: Int, _ answer: Answer) {
    let call = calls[index]
    guard case .ask(let key, let question) = call.request else { return }
    guard case .reply(let reply) = answer else {
      if case .decide = question {
        _ = repeatCall(index)
      } else {
        calls[index].isDone = true
      }
      return
    }
    calls[index].isDone = true
    note("m\(call.from) hears from m\(call.to): \(Self.describe(reply))")
    let name = Self.names[call.to]
    _ = perform(call.from, .answered(member: name, key, question, reply))
    if bug == .recoveryMajorityOneShort, case .promised = reply, isAlive(call.from, call.age) {
      let other = Self.names[(call.to + 1) % members.count]
      _ = perform(call.from, .answered(member: other, key, question, .promised(nil)))
    }
  }
}
