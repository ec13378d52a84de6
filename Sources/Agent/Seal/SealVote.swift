// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

// What a plan and a vote say of the seal (docs/decisions/0028-coordinator-carries-the-seals.md).
extension Agent {
  /// What a plan says of the seal: by the own records alone, the coordinator sees what all say. Asks
  /// the others only where the key of a cluster that was encrypted before may be sealed now, which is
  /// one node's task and done once.
  func sealForPlan() -> SealFacts {
    let record = sealRecord()
    let own = sealView(record)
    if case .unsealed = record, own.runningKey != nil, inventory.memberNames.first == node {
      var facts = keepSeal(asking: peers.names)
      // Who is away is the coordinator's to say.
      facts.silent = []
      return facts
    }
    return facts(own, record, SealJudgement.standing(own: own, record: record, peers: []))
  }

  /// What a vote says of it: by the own records as they are now, and what the others said when they
  /// were asked for their plans. A seal is taken from the others themselves, never from the request.
  func sealForVote(_ seals: [SealView]) -> SealFacts {
    let record = sealRecord()
    let own = sealView(record)
    let told = seals.peers(of: node, members: inventory.memberNames)
    let standing = SealJudgement.standing(own: own, record: record, peers: told)
    switch standing {
    case .take(let seal):
      let holders = told.compactMap(\.view).holders(of: seal)
      return keepSeal(
        asking: own.isNew ? peers.names : Array(holders.prefix(Limits.peersAtOnce)))
    case .unsealed:
      var facts = facts(own, record, standing)
      if case .refused(let problem) = Adoption(
        own: own, peers: told, cluster: inventory.cluster, realtimeMicroseconds: 0)
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
