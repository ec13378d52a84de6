// SPDX-License-Identifier: Apache-2.0
internal import API
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import Threads

// What this node says of its seal: to the other members, in a plan, and for a vote (docs/decisions/0028-coordinator-carries-the-seals.md).
extension SealKeeper {
  /// What this node tells the others. Blocks while the unit is read.
  func view(_ record: SealRecord) -> SealView {
    let now = rollouts.now
    var view = SealView(
      node: site.node, members: SealView.digest(ofMembers: site.inventory.memberNames),
      seal: record.seal,
      problem: record.problem, lifted: record.lifted,
      pending: record.seal == nil ? now.record.pendingSeal : nil,
      isInRollout: !now.isAtRest, isNew: isNew(now))
    do throws(Refusal) {
      let unit = try site.ports.unit.state(deadline: .inMilliseconds(Limits.peersMilliseconds / 2))
      guard unit.activeState == "active", unit.mainPID > 0 else { return view }
      let process = try site.ports.process.environment(of: unit.mainPID)
      view.keyProblem = try keyProblem(unit, process)
      if view.keyProblem == nil {
        view.runningKey = KeyIdentity(
          try ServerEnvironment.inForce(process, of: unit.mainPID, site.ports.file))
      }
      view.isServing = true
    } catch {
      // A server that cannot be looked at is not known to be READY.
    }
    return view
  }

  /// Why the key that a server runs with is not known: the file that it has read by itself is
  /// another one since. Nil if it is known.
  private func keyProblem(
    _ unit: UnitState, _ process: [EnvironmentVariable]
  ) throws(Refusal) -> String? {
    guard let path = try ServerEnvironment.configPath(of: process),
      let changed = try site.ports.file.changed(path, seenBy: unit.mainPID)
    else { return nil }
    let age = Int64(Clock.monotonicMicroseconds()) - Int64(unit.execMainStartMonotonicMicroseconds)
    return changed > Clock.realtimeMicroseconds() - age
      ? "\(path) was changed after its start" : nil
  }

  /// Never in a committed rollout, and without a generation.
  private func isNew(_ now: RolloutStanding) -> Bool {
    now.record.lastCommitted == nil && generations.last == nil
  }

  /// What a plan says of the seal: by the own records alone, the coordinator sees what all say. Asks
  /// the others only where the key of a cluster that was encrypted before may be sealed now, which is
  /// one node's task and done once.
  func forPlan() -> SealFacts {
    let record = record()
    let own = view(record)
    if case .unsealed = record, own.runningKey != nil, site.inventory.memberNames.first == site.node
    {
      var facts = keep(asking: site.peers.names)
      // Who is away is the coordinator's to say.
      facts.silent = []
      return facts
    }
    return facts(own, record, SealJudgement.standing(own: own, record: record, peers: []))
  }

  /// What a vote says of it: by the own records as they are now, and what the others said when they
  /// were asked for their plans. A seal is taken from the others themselves, never from the request.
  func forVote(_ seals: [SealView]) -> SealFacts {
    let record = record()
    let own = view(record)
    let told = seals.peers(of: site.node, members: site.inventory.memberNames)
    let standing = SealJudgement.standing(own: own, record: record, peers: told)
    switch standing {
    case .take(let seal):
      let holders = told.compactMap(\.view).holders(of: seal)
      return keep(
        asking: own.isNew ? site.peers.names : Array(holders.prefix(Limits.peersAtOnce)))
    case .unsealed:
      var facts = facts(own, record, standing)
      if case .refused(let problem) = Adoption(
        own: own, peers: told, cluster: site.inventory.cluster, realtimeMicroseconds: 0)
      {
        facts.refusal = problem.refusal
      }
      return facts
    case .sealed, .refused: return facts(own, record, standing)
    }
  }

  private func facts(
    _ own: SealView, _ record: SealRecord, _ standing: SealStanding
  ) -> SealFacts {
    var facts = SealFacts()
    (facts.record, facts.view) = (record, own)
    switch standing {
    case .refused(let problem):
      (facts.refusal, facts.findings) = (problem.refusal, [problem.finding])
    case .unsealed(let silent): facts.silent = silent
    case .sealed, .take: break
    }
    return facts
  }
}

extension ParticipantRecord {
  /// The seal of a rollout that was committed, where the start was not confirmed here, or not yet.
  fileprivate var pendingSeal: Seal? {
    switch active?.stage {
    case .committed, .watching: return active?.rollout.seal
    case .prepared, .accepted, nil:
      guard let lastCommitted, lastCommitted.outcome.kind != .confirmed else { return nil }
      return lastCommitted.rollout.seal
    }
  }
}
