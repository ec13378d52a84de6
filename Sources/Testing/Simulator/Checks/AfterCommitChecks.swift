// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Rollout

// What must always hold of proposals, of members that coordinate and of what follows a commit,
// beside the invariants of the rollout itself.

extension World {
  /// Somebody knows that a rollout is committed.
  mutating func checkCommitted(_ index: Int) {
    let history = histories[index]
    for (other, earlier) in histories.enumerated() where other != index {
      guard earlier.decision == .commit else { continue }
      if history.undoes >= 0, earlier.undoes == history.undoes {
        violate(6, "r\(index) takes r\(history.undoes) back, and r\(other) did")
      }
      if history.proposal >= 0, earlier.proposal == history.proposal,
        proposals[history.proposal].handed < min(earlier.begun, history.begun),
        options.handEdits == 0
      {
        violate(6, "r\(index) brings proposal \(history.proposal), and r\(other) did")
      }
    }
  }

  /// Round 0 belongs to one life of one coordinator.
  mutating func checkProposal(_ index: Int, by u: Int) {
    if histories[index].proposer < 0 { histories[index].proposer = u }
    if histories[index].proposer != u {
      violate(1, "\(nodeName(undertakings[u].host)) proposes in round 0 of r\(index) once more")
    }
  }

  /// Somebody works out the result: what is known of a member is what its record says.
  mutating func checkOutcomes(_ index: Int, _ outcomes: [MemberOutcome], _ who: String) {
    for (m, member) in outcomes.enumerated() where member.outcome.kind != .unknown {
      if histories[index].outcomes[m] != member.outcome.kind {
        violate(9, "\(who) takes m\(m)'s outcome of r\(index) for \(member.outcome.kind.rawValue)")
      }
    }
  }

  /// Promoted only when all have confirmed.
  mutating func checkResult(_ index: Int, _ rolloutResult: RolloutResult) {
    if rolloutResult.kind == .confirmed, !histories[index].outcomes.allSatisfy({ $0 == .confirmed })
    {
      violate(9, "\(rolloutResult.by) promotes r\(index), and not every start was confirmed")
    }
  }

  /// A member's proposal is durable.
  mutating func said(_ m: Int, _ statement: MemberProposal) {
    let serial = Int(statement.serial)
    while members[m].said.count <= serial { members[m].said.append(nil) }
    members[m].said[serial] = statement.digest
    if let digest = statement.digest, case .holds(let proposal) = members[m].handed,
      settingsIndex(digest) != proposal
    {
      violate(9, "m\(m) proposes \(settingsIndex(digest) ?? -1), and its root was told another")
    }
  }

  /// The first member begins a proposal: each member must have said that it proposes this.
  mutating func checkBegin(_ m: Int, _ digest: Digest) {
    for (other, member) in members.enumerated() {
      let serial = Int(members[m].proposals[Self.names[other]]?.serial ?? 0)
      let said = serial < member.said.count ? member.said[serial] : nil
      if said != digest {
        violate(2, "m\(m) begins what all propose, and m\(other) has not said so")
      }
    }
  }

  /// A member is asked for its vote by another one.
  mutating func noteHeld(_ m: Int, _ index: Int) {
    let proposal = histories[index].proposal
    if proposal >= 0, case .holds(let held) = members[m].handed, held != proposal {
      histories[index].strangers |= 1 << m
    }
  }

  mutating func checkHeld(_ m: Int, _ index: Int) {
    if histories[index].strangers >> m & 1 == 1 {
      violate(2, "m\(m) votes yes on r\(index), and does not propose that")
    }
  }

  /// Everything has healed long ago: all members know the last rollout's result, and the same one.
  mutating func checkResults(_ latest: Int) {
    let history = histories[latest]
    var settled: [RolloutResult.Kind] = []
    for m in members.indices where members[m].life == history.lives[m] {
      guard let rolloutResult = rolloutResult(m, latest) else {
        violate(7, "m\(m) was not told the result of r\(latest)")
        return
      }
      settled.append(rolloutResult.kind)
      checkResult(latest, rolloutResult)
    }
    guard settled.contains(.confirmed), options.handEdits == 0 else { return }
    let key = contents[history.content].key
    for (m, member) in members.enumerated() where member.life == history.lives[m] {
      if member.disk.generation != history.rollout.generation {
        violate(7, "r\(latest) was promoted, and m\(m) has generation \(member.disk.generation)")
      }
      if history.rollout.kind != .restart, key != 0, member.disk.seal != key {
        violate(7, "r\(latest) was promoted, and m\(m) has sealed key \(member.disk.seal)")
      }
    }
  }

  /// What all have proposed until the end is in force, or the first member knows why not.
  mutating func checkSettings() {
    guard let digest = members[0].proposals.own.digest, let proposal = settingsIndex(digest),
      members.allSatisfy({ $0.proposals.own.digest == digest }), members[0].refused != proposal
    else { return }
    for (m, member) in members.enumerated() where options.handEdits == 0 {
      if member.disk.file != proposals[proposal].content || member.unit.content != member.disk.file
      {
        violate(7, "all propose \(proposal), and m\(m) has another file, or its server has")
      }
    }
  }
}
