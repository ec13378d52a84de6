// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

// What must always hold (docs/development/protocol.md), looked at as soon as it could be broken.

extension World {
  /// Somebody has learned the decision of a rollout.
  mutating func learn(_ index: Int, _ decision: Decision, _ who: @autoclosure () -> String) {
    mix(index * 4 + (decision == .commit ? 1 : 2))
    if let known = histories[index].decision, known != decision {
      violate(1, "\(who()) learns \(decision.rawValue) of r\(index), which was \(known.rawValue)")
    }
    let isNew = histories[index].decision == nil
    histories[index].decision = decision
    if isNew, decision == .commit { checkCommitted(index) }
    if decision == .commit, histories[index].voted != (1 << members.count) - 1 {
      violate(2, "\(who()) learns commit of r\(index), and not every member had voted yes")
    }
  }

  /// A record was replaced. What the member does not know to be written has promised nothing; a
  /// crash may bring it back.
  mutating func checkRecord(_ m: Int, _ new: ParticipantRecord, isKnown: Bool) {
    mix(Int(truncatingIfNeeded: new.highestEpoch) &* 16 &+ m)
    if !isKnown { return }
    if let active = new.active, let index = rolloutIndex(active.rollout.id) {
      switch active.stage {
      case .prepared, .accepted: break
      case .committed, .watching: learn(index, .commit, "m\(m)")
      }
    }
    if let last = new.last, let index = rolloutIndex(last.rollout.id) {
      let kind = last.outcome.kind
      learn(index, kind == .aborted ? .abort : .commit, "m\(m)")
    }
    let old = members[m].known
    members[m].known = new
    if new.highestEpoch < old.highestEpoch {
      violate(6, "m\(m)'s epoch falls from \(old.highestEpoch) to \(new.highestEpoch)")
    }
    if let new = new.lastCommitted, let old = old.lastCommitted, new != old,
      new.rollout.epoch <= old.rollout.epoch
    {
      violate(6, "m\(m) ends epoch \(new.rollout.epoch) after epoch \(old.rollout.epoch)")
    }
    if let last = new.last, last != old.last, let index = rolloutIndex(last.rollout.id) {
      let kind = last.outcome.kind
      if let known = histories[index].outcomes[m], known != kind {
        violate(9, "m\(m)'s outcome of r\(index) was \(known.rawValue) and is \(kind.rawValue)")
      }
      histories[index].outcomes[m] = kind
      checkSeal(m, index, last)
    }
  }

  /// A confirmed start with a key is sealed before the rollout has ended.
  private mutating func checkSeal(_ m: Int, _ index: Int, _ finished: FinishedRollout) {
    guard finished.outcome.kind == .confirmed, members[m].unit.content == histories[index].content,
      contents[histories[index].content].key != 0, members[m].disk.seal == 0
    else { return }
    violate(5, "m\(m) ends r\(index) confirmed, and its key is not sealed")
  }

  private func knowsCommit(_ m: Int, _ index: Int) -> Bool {
    guard let active = members[m].disk.record.active,
      active.rollout.id == histories[index].rollout.id
    else { return false }
    switch active.stage {
    case .committed, .watching: return true
    case .prepared, .accepted: return false
    }
  }

  /// A member is about to put a rollout's file in place.
  mutating func checkInstall(_ m: Int, _ index: Int) {
    if !knowsCommit(m, index) {
      violate(3, "m\(m) installs for r\(index), and its record does not say commit")
    }
    let history = histories[index]
    let key = contents[history.content].key
    for (other, member) in members.enumerated() {
      if member.disk.seal != 0, member.disk.seal != key {
        violate(5, "m\(m) installs key \(key), and m\(other) has sealed key \(member.disk.seal)")
      }
      let encrypted = member.encrypted & ~(1 << key) & ~1
      if history.rollout.kind == .rollback, encrypted != 0 {
        violate(8, "m\(m) rolls back to key \(key), and m\(other) has encrypted with another")
      }
    }
  }

  /// A member is about to restart its server.
  mutating func checkRestart(_ m: Int, _ index: Int) {
    if !knowsCommit(m, index) {
      violate(3, "m\(m) restarts for r\(index), and its record does not say commit")
    }
    if members[m].unit.rollout == index, isRunning(m) {
      violate(3, "m\(m) restarts twice for r\(index)")
    }
  }

  /// A file was touched.
  mutating func checkFile(_ m: Int) {
    if members[m].disk.file < 0 { violate(4, "m\(m)'s file is no generation") }
  }

  /// A coordinator reports how a rollout has ended.
  mutating func checkReport(_ index: Int, _ result: CoordinatorResult) {
    let history = histories[index]
    if let decision = result.decision {
      learn(index, decision, "the report")
      for (m, member) in result.outcomes.enumerated() {
        let kind = member.outcome.kind
        if decision == .abort, kind != .aborted {
          violate(9, "r\(index) is reported aborted, and m\(m) \(kind.rawValue)")
        }
        if decision == .commit, kind != .unknown {
          if history.outcomes[m] != kind {
            violate(9, "m\(m)'s outcome of r\(index) is reported as \(kind.rawValue)")
          }
        }
      }
    }
    let confirmed = result.outcomes.allSatisfy { $0.outcome.kind == .confirmed }
    if (result.ending == .confirmed) != (result.decision == .commit && confirmed) {
      violate(9, "r\(index) is reported as \(result.ending)")
    }
  }

  /// Faults have stopped long ago, everybody is connected.
  mutating func checkTheEnd() {
    for (m, member) in members.enumerated() {
      guard member.isUp else {
        violate(7, "m\(m) is not up")
        return
      }
      if let active = member.participant.record.active {
        violate(7, "m\(m) is in \(active.rollout.id) still")
      }
      if member.participant.record != member.disk.record {
        // A record that could not be written, with none since, is older.
        note("m\(m)'s record on disk is an older one")
      }
    }
    if let busy = operators.indices.first(where: { operators[$0].isBusy }) {
      violate(7, "operator \(busy) waits still")
    }
    checkSettings()
    checkServers()
    guard violation == nil, let last = histories.lastIndex(where: { $0.decision == .commit })
    else { return }
    let latest =
      histories.indices.filter { histories[$0].decision == .commit }
      .max { histories[$0].rollout.epoch < histories[$1].rollout.epoch } ?? last
    let history = histories[latest]
    if options.settles > 0 { checkResults(latest) }
    for (m, member) in members.enumerated() where member.life == history.lives[m] {
      if member.participant.record.lastCommitted?.rollout.id != history.rollout.id {
        violate(7, "r\(latest) was committed, and m\(m) has not ended it")
        continue
      }
      let isConfirmed = history.outcomes[m] == .confirmed
      if isConfirmed, options.handEdits == 0, member.disk.file != history.content,
        history.rollout.kind != .restart
      {
        violate(7, "r\(latest) was confirmed on m\(m), and its file is another")
      }
      if isConfirmed, options.handEdits == 0, member.unit.content != member.disk.file {
        violate(7, "r\(latest) was confirmed on m\(m), and its server runs with another file")
      }
    }
  }

  // MARK: seeded bugs

  /// Falsifies what a machine says.
  mutating func falsify(
    _ effects: inout [ParticipantEffect], _ m: Int, _ before: Participant, _ bug: Bug
  ) {
    switch bug {
    case .sendBeforePersist:
      // The record is written after the reply, see perform.
      if let index = effects.firstIndex(where: { if case .reply = $0 { true } else { false } }) {
        effects.insert(effects.remove(at: index), at: 0)
      }
    case .neverVotedWithoutFence:
      if effects.last == .reply(.neverVoted) {
        // Its checks go on too.
        effects = [.reply(.neverVoted)]
        members[m].participant = before
      }
    default: break
    }
  }

  /// Lets a member that is in no rollout vote on any epoch.
  mutating func forgetEpoch(_ m: Int) {
    let participant = members[m].participant
    guard participant.record.active == nil, participant.assessing == nil else { return }
    var record = participant.record
    record.highestEpoch = 0
    members[m].participant = Participant(
      member: Self.names[m], incarnation: members[m].incarnation, record: record)
  }
}
