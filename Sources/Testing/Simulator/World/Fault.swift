// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Rollout

/// A fault at a certain time, not by chance at a certain step.
enum Fault: Hashable {
  /// Links are cut, for so long: from the nodes of one set to those of the other, both as bits.
  case cut(from: Int, to: Int, milliseconds: Int)
  case mend(from: Int, to: Int)
  case fillDisk(member: Int, milliseconds: Int)
  case stepClock(member: Int, milliseconds: Int)
  case flap(member: Int)
  case handEdit(member: Int)
  case keyManager(isAway: Bool)
  case resolve(member: Int)
  /// A stranger to the last rollout reports that all its starts were confirmed.
  case lie(member: Int)
  /// The host is replaced by a new one of the same name, with an empty state directory.
  case replace(member: Int)
}

extension World {
  mutating func planFaults() {
    let end = options.faultMilliseconds
    let nodes = members.count + operators.count
    func at(_ random: inout Random) -> Int { random.below(end) * 1_000_000 }
    for _ in 0..<options.partitions {
      var side = random.pick(1...max(1, (1 << nodes) - 2))
      // Often one member alone.
      if random.below(2) == 0 { side = 1 << random.below(nodes) }
      let other = (1 << nodes) - 1 - side
      let milliseconds = random.pick(200...8_000)
      let time = at(&random)
      let ways = random.below(3)
      if ways != 1 {
        schedule(.fault(.cut(from: side, to: other, milliseconds: milliseconds)), after: time)
      }
      if ways != 2 {
        schedule(.fault(.cut(from: other, to: side, milliseconds: milliseconds)), after: time)
      }
    }
    for _ in 0..<options.diskFull {
      let fault = Fault.fillDisk(
        member: random.below(members.count), milliseconds: random.pick(100...6_000))
      schedule(.fault(fault), after: at(&random))
    }
    for _ in 0..<options.clockSteps {
      let fault = Fault.stepClock(
        member: random.below(members.count), milliseconds: random.pick(1...2_000))
      schedule(.fault(fault), after: at(&random))
    }
    for _ in 0..<options.flaps {
      schedule(.fault(.flap(member: random.below(members.count))), after: at(&random))
    }
    for _ in 0..<options.handEdits {
      schedule(.fault(.handEdit(member: random.below(members.count))), after: at(&random))
    }
    for _ in 0..<options.resolves {
      schedule(.fault(.resolve(member: random.below(members.count))), after: at(&random))
    }
    for _ in 0..<options.outages {
      let time = at(&random)
      schedule(.fault(.keyManager(isAway: true)), after: time)
      schedule(
        .fault(.keyManager(isAway: false)), after: time + random.pick(100...8_000) * 1_000_000)
    }
    planReplacements()
    schedule(.heal, after: end * 1_000_000)
    planSettings()
  }

  /// Some at any time, the others when a commit is proposed ("Undertaking.swift").
  private mutating func planReplacements() {
    for _ in 0..<options.lies {
      let fault = Fault.lie(member: random.below(members.count))
      schedule(.fault(fault), after: random.below(options.faultMilliseconds) * 1_000_000)
    }
    for _ in 0..<options.replacements where random.below(2) == 0 {
      let fault = Fault.replace(member: random.below(members.count))
      schedule(.fault(fault), after: random.below(options.faultMilliseconds) * 1_000_000)
    }
  }

  /// Configuration management runs on each host alone; its last wave comes when everything has
  /// healed.
  private mutating func planSettings() {
    if options.proposals == 0 { return }
    for wave in 0...options.proposals {
      let isLast = wave == options.proposals
      let isAgain = wave > 0 && random.below(3) == 0
      let old = contents[0].key
      let proposal =
        isAgain
        ? random.below(proposals.count)
        : makeSettings(key: old != 0 ? old : random.below(4) == 0 ? random.below(3) : 1)
      let start =
        isLast ? options.faultMilliseconds + 1_000 : random.below(options.faultMilliseconds)
      for m in members.indices {
        let time = (start + random.below(5_000)) * 1_000_000
        if !isLast, random.below(10) == 0 { continue }
        schedule(.propose(member: m, proposal: proposal), after: time)
        if !isLast, chance(options.withdraw) {
          schedule(.withdraw(member: m), after: time + random.below(8_000) * 1_000_000)
        }
      }
    }
  }

  mutating func strike(_ fault: Fault) {
    guard isFaulty else { return }
    note("fault: \(fault)")
    switch fault {
    case .cut(let from, let to, let milliseconds):
      cut(from, to, 1)
      schedule(.fault(.mend(from: from, to: to)), after: milliseconds * 1_000_000)
    case .mend(let from, let to): cut(from, to, -1)
    case .fillDisk(let m, let milliseconds):
      members[m].diskIsFullUntil = now + Int64(milliseconds) * 1_000_000
    case .stepClock(let m, let milliseconds):
      members[m].offset += Int64(milliseconds) * 1_000_000
    case .flap(let m):
      guard isRunning(m) else { return }
      // systemd starts it again with what the file says now.
      var unit = members[m].unit
      unit.invocation = steps + 2
      unit.content = members[m].disk.file
      unit.started = members[m].clock(now)
      members[m].unit = unit
    case .handEdit(let m):
      guard members[m].disk.file >= 0, contents.count < Self.digests.count else { return }
      contents.append(Content(key: contents[members[m].disk.file].key, isByHand: true))
      members[m].disk.file = contents.count - 1
      members[m].disk.unsynced = nil
    case .keyManager(let isAway): isKeyManagerAway = isAway
    case .resolve(let m):
      guard members[m].isUp, let active = members[m].participant.record.active else { return }
      _ = perform(m, .resolve(id: active.rollout.id))
    case .lie(let m):
      guard members[m].isUp, let last = members[m].participant.record.last else { return }
      let rolloutResult = RolloutResult(rollout: last.rollout.id, kind: .confirmed, by: "stranger")
      _ = answerResult(m, rolloutResult, from: nil)
    case .replace(let m):
      guard replacementsLeft > 0 else { return }
      replacementsLeft -= 1
      replace(m)
    }
  }

  /// The new host has the file that hosts are installed with. The seal is there: it is taken from
  /// the other members before any vote, which is outside this world.
  private mutating func replace(_ m: Int) {
    stop(m, host: true)
    members[m].unit.isRunning = false
    members[m].unit.invocation = 0
    members[m].isBooting = true
    var disk = SimulatedDisk()
    disk.seal = members[m].disk.seal
    members[m].disk = disk
    members[m].known = ParticipantRecord()
    members[m].life += 1
  }

  private mutating func cut(_ from: Int, _ to: Int, _ change: Int) {
    let nodes = members.count + operators.count
    for a in 0..<nodes where from >> a & 1 == 1 {
      for b in 0..<nodes where to >> b & 1 == 1 { cuts[a * nodes + b] += change }
    }
  }

  mutating func heal() {
    note("everything heals")
    isFaulty = false
    healedAt = now
    isKeyManagerAway = false
    for index in cuts.indices { cuts[index] = 0 }
    rolloutsLeft = 0
  }
}
