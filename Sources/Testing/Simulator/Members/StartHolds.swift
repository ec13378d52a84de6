// SPDX-License-Identifier: Apache-2.0
internal import Rollout

// Start holds, as in Sources/Agent/Member/RollbackVote.swift and StartHolds.swift, and the guard
// before each start.

extension World {
  /// Between the vote on a rollback and the instant, no server may get past the Key Manager with a
  /// key that is to be taken away: it is stopped before the vote and not started until the end.
  /// False: vote no.
  mutating func stopForRollback(_ m: Int, _ index: Int) -> Bool {
    if bug == .rollbackRemovesKey { return true }
    let key = contents[histories[index].content].key
    if dies(m) || diskFails(m) { return false }
    let isOwed = members[m].disk.hold?.wasUp ?? false
    members[m].disk.hold = .init(
      rollout: index, key: key, wasUp: members[m].unit.isRunning || isOwed)
    if dies(m) { return false }
    if members[m].encrypted & ~(1 << key) & ~1 != 0 {
      if !diskFails(m) { members[m].disk.hold?.isReleasing = true }
      releaseSoon(m)
      return false
    }
    note("m\(m)'s server is stopped for r\(index)")
    members[m].unit.isRunning = false
    return true
  }

  /// A rollback may have been aborted here.
  mutating func releaseSoon(_ m: Int, after milliseconds: Int = 0) {
    guard members[m].disk.hold != nil else { return }
    schedule(.release(member: m, run: members[m].run), after: milliseconds * 1_000_000)
  }

  /// `releaseStep`: one attempt.
  mutating func release(_ m: Int) {
    guard let hold = members[m].disk.hold else { return }
    if !hold.isReleasing {
      let participant = members[m].participant
      let last = participant.record.lastCommitted
      let id = histories[hold.rollout].rollout.id
      let isOver = last?.rollout.id == id && last?.outcome.kind == .confirmed
      let needing = [participant.record.active?.rollout.id, participant.assessing?.id]
      if !isOver, needing.contains(id) || isStanding(m, hold) { return }
      if diskFails(m) { return releaseSoon(m, after: 2_000) }
      if isOver {
        members[m].disk.hold = nil
        return
      }
      if bug == .holdRemovedFirst {
        members[m].disk.hold = nil
        if dies(m) { return }
        if hold.wasUp, !chance(options.startFailure) { startServer(m, for: -1) }
        return
      }
      members[m].disk.hold?.isReleasing = true
      if dies(m) { return }
    }
    if hold.wasUp, !members[m].unit.isRunning {
      if chance(options.startFailure) {
        note("m\(m)'s server cannot be started")
        return releaseSoon(m, after: 2_000)
      }
      note("m\(m)'s server is started again")
      startServer(m, for: -1)
    }
    if dies(m) { return }
    if diskFails(m) { return releaseSoon(m, after: 2_000) }
    members[m].disk.hold = nil
  }

  /// A hold that no abort releases: its rollback was committed, and nothing was restarted here
  /// since.
  func isStanding(_ m: Int, _ hold: SimulatedDisk.Hold) -> Bool {
    guard let last = members[m].participant.record.lastCommitted else { return false }
    return last.rollout.id == histories[hold.rollout].rollout.id || last.report == nil
  }

  /// Releases a hold that is not this rollout's; false if that could not be written.
  mutating func openHold(_ m: Int, exceptOf index: Int) -> Bool {
    guard let hold = members[m].disk.hold, hold.rollout != index, !hold.isReleasing else {
      return true
    }
    if dies(m) || diskFails(m) { return false }
    members[m].disk.hold?.isReleasing = true
    return true
  }

  /// Another rollout has restarted the server, or this one's start is confirmed; false if that
  /// could not be written.
  mutating func endHold(_ m: Int, _ isOver: (SimulatedDisk.Hold) -> Bool) -> Bool {
    guard let hold = members[m].disk.hold, isOver(hold) else { return true }
    if dies(m) || diskFails(m) { return false }
    members[m].disk.hold = nil
    return true
  }

  /// systemd starts the unit at a boot, and asks the guard.
  mutating func bootServer(_ m: Int) {
    if members[m].unit.isRunning { return }
    let file = members[m].disk.file
    let key = file < 0 ? 0 : contents[file].key
    if let hold = members[m].disk.hold, !hold.isReleasing, hold.key != key {
      note("the guard refuses m\(m)'s start")
      return
    }
    startServer(m, for: -1)
  }

  /// Everything has healed long ago: no server is down without a hold.
  mutating func checkServers() {
    for (m, member) in members.enumerated()
    where !member.unit.isRunning && member.disk.hold?.isReleasing ?? true {
      violate(7, "m\(m)'s server is down, and nothing holds it")
    }
  }
}
