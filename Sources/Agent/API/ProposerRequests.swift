// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout
internal import Threads

// What a proposer asks of this member. Ballot 0 and the decision that follows from it belong to whoever created the
// rollout. Everything above is between the members, each in its own name.
extension Agent {
  func promise(
    _ asked: PromiseRequest, of id: String, to principal: Principal
  ) throws(Refusal) -> ReplyAnswer {
    try checkEpoch(asked.epoch)
    try permit(asked.ballot, of: id, from: principal)
    let key = RolloutKey(id: id, epoch: asked.epoch, addressee: asked.incarnation)
    return try reply(.promise(key, asked.ballot))
  }

  func accept(
    _ asked: AcceptRequest, of id: String, from principal: Principal
  ) throws(Refusal) -> ReplyAnswer {
    try checkEpoch(asked.epoch)
    try permit(asked.proposal.ballot, of: id, from: principal)
    try checkInstant(asked.proposal.instant, bootID: asked.proposal.bootID)
    let key = RolloutKey(id: id, epoch: asked.epoch, addressee: asked.incarnation)
    return try reply(.accept(key, asked.proposal))
  }

  func decide(
    _ told: DecisionRequest, of id: String, from principal: Principal
  ) throws(Refusal) -> ReplyAnswer {
    try checkEpoch(told.epoch)
    // A member that has learnt the decision tells it; when to act only the coordinator knows.
    if principal.role == .operator || told.instant != nil {
      try permit(.coordinator, of: id, from: principal)
    }
    try checkInstant(told.instant, bootID: told.bootID)
    let key = RolloutKey(id: id, epoch: told.epoch, addressee: told.incarnation)
    return try reply(
      .decided(
        key, told.decision, instant: told.instant, bootID: told.bootID, reason: told.reason))
  }

  /// An operator wants the rollout ended.
  func resolve(_ id: String) throws(Refusal) -> DoubtAnswer {
    if case .failure(let refusal)? = member.perform(.resolve(id: id)) { throw refusal }
    member.hurry(id)
    let participant = rollouts.state.withLock { $0.participant }
    guard let active = participant.record.active, active.rollout.id == id else {
      return DoubtAnswer(node: node, stage: nil, doubt: nil)
    }
    return DoubtAnswer(
      node: node, stage: .known(active.stage.phase), doubt: participant.doubt.map { Doubt($0) })
  }

  // MARK: numbers

  /// What is wrong with an epoch that others tell; nil if nothing is. It is remembered for good, so
  /// nothing beyond reason may get as far.
  func problem(withEpoch epoch: UInt64) -> String? {
    let highest = Limits.highestCounter(atRealtimeMicroseconds: Clock.realtimeMicroseconds())
    if epoch <= highest { return nil }
    return
      "epoch \(epoch) is beyond \(highest), the highest that \(node) takes by its clock: the sender or a record of a node is wrong (keyturn status names each node's epoch), or the clock of \(node)"
  }

  private func checkEpoch(_ epoch: UInt64) throws(Refusal) {
    if let problem = problem(withEpoch: epoch) { throw Refusal(.validation, problem) }
  }

  /// The instant of a decision, before anything of it is written down. One of another boot means
  /// nothing here, and is acted on at once.
  private func checkInstant(_ instant: Instant?, bootID: String) throws(Refusal) {
    guard let instant, bootID == ports.process.bootID() else { return }
    let now = Clock.now()
    if instant.isNearEnoughForDecision(at: now) { return }
    throw Refusal(
      .validation,
      "the instant of the decision is \(instant.milliseconds(since: now) / 1_000) s from now on \(node), \(-Limits.decisionPastMilliseconds / 1_000) to \(Limits.decisionAheadMilliseconds / 1_000) s are allowed; nothing was written down, measure the clock again"
    )
  }

  // MARK: who

  /// The coordinator of a rollout shows that it lives. Anybody else's word of it counts for nothing.
  func heard(of id: String, _ principal: Principal) {
    let active = rollouts.now.record.active?.rollout
    if let active, active.id == id, active.createdBy == principal.author {
      member.perform(.heard(id: id))
    }
    summary.heard(of: id, principal)
  }
}

extension Ballot {
  /// Whether its round is one that some proposer can have got to.
  var isPlausible: Bool {
    UInt64(round) <= Limits.highestCounter(atRealtimeMicroseconds: Clock.realtimeMicroseconds())
  }
}
