// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Model
internal import Rollout

// The instant, the watch and the server, as in Sources/Agent/Member/FireAtInstant.swift and
// Watch.swift.

extension World {
  // MARK: the instant

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
    if !isDone, previous != active.facts.invocation {
      switch perform(m, .firing(id: id, invocation: previous, journalCursor: nil)) {
      case .died: return
      case .failed:
        members[m].armed = (active, instant, bootID, true)
        schedule(.fire(member: m, run: members[m].run), after: 2_000_000_000)
        return
      case .done: break
      }
    }
    if let hold = members[m].disk.hold, !isStanding(m, hold), !openHold(m, exceptOf: index) {
      if members[m].isUp { fireFailed(m, index) }
      return
    }
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
    if !isDone, !openHold(m, exceptOf: index) {
      if !members[m].isUp { return }
      members[m].armed = (active, instant, bootID, true)
      schedule(.fire(member: m, run: members[m].run), after: 2_000_000_000)
      return
    }
    let issued = members[m].clock(now)
    if !isDone {
      restart(m, index)
    }
    if !endHold(m, { $0.rollout != index }) {
      if !members[m].isUp { return }
      releaseSoon(m)
    }
    if dies(m) { return }
    let report = RestartReport(
      planned: isSameBoot ? instant : issued, issued: issued,
      previousInvocation: isDone ? active.facts.invocation : previous)
    members[m].unreported = (id, report)
    sync(m)
  }

  /// Makes the rename durable, and only then says that the unit was restarted.
  mutating func sync(_ m: Int) {
    guard let (id, report) = members[m].unreported else { return }
    if diskFails(m) {
      schedule(.sync(member: m, run: members[m].run), after: 2_000_000_000)
      return
    }
    members[m].unreported = nil
    if bug != .renameNotSynced { members[m].disk.unsynced = nil }
    _ = perform(m, .restarted(id: id, report))
  }

  mutating func fireFailed(_ m: Int, _ index: Int) {
    if !members[m].isUp { return }
    let id = histories[index].rollout.id
    if case .failed = perform(m, .fireFailed(id: id, Self.noVote)) {
      let event = Event.fireFailed(member: m, run: members[m].run, rollout: index)
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

  /// Renames the staged file over the target, if the target is still the planned one.
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

  /// Replaces the unit's process; how the start will end is drawn now.
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
      isRunning: true, invocation: steps + 2,
      content: content, started: members[m].clock(now), rollout: index, outcome: outcome,
      endsAt: now + Int64(wait))
  }

  // MARK: the end

  mutating func watch(_ m: Int, _ index: Int, _ report: RestartReport) {
    let unit = members[m].unit
    let isNew = String(unit.invocation) != report.previousInvocation
    let end = isNew ? unit.endsAt : now + 4_000_000_000
    schedule(
      .watched(member: m, run: members[m].run, rollout: index),
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
      schedule(.watched(member: m, run: members[m].run, rollout: index), after: 2_000_000_000)
    }
  }

  /// Sources/Agent/Member/Conclusion.swift, `sealAndKeep`.
  mutating func keep(_ m: Int, _ finished: FinishedRollout) -> Bool {
    if finished.outcome.kind == .confirmed {
      if digest(members[m].disk.file) == finished.rollout.content(of: Self.names[m])?.after {
        members[m].disk.generation = finished.rollout.generation
      }
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
    if finished.outcome.kind == .confirmed, let index = rolloutIndex(finished.rollout.id),
      !endHold(m, { $0.rollout == index })
    {
      return false
    }
    if options.settles == 0 { return true }
    if bug != .collectingAfterTheEnd, !keepCollecting(m, finished) { return false }
    return bug == .proposalAfterTheEnd || proposalEnded(m, finished)
  }

  /// A long poll: answered when there is news.
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
          answer = .view(report, nil, nil)
        }
      } else if record.active?.rollout.id != id {
        let finished = [record.last, record.lastCommitted].lazy.compactMap(\.self)
          .first { $0.rollout.id == id }
        answer = finished.map { .view($0.report, $0.outcome, nil) } ?? .failed
      }
      if let answer {
        self.answer(follower.call, follower.attempt, answer)
      } else {
        members[m].followers.append(follower)
      }
    }
  }
}
