internal import LinuxIO
internal import Model
internal import Rollout
internal import Wire

extension Agent {
  /// POST /v1/rollouts/ID/STEP: what a proposer asks of this member, and an operator who wants the
  /// rollout ended.
  ///
  /// Ballot 0 and the decision that follows from it belong to whoever created the rollout. Everything
  /// above is between the members, each in its own name.
  func answerStep(
    _ step: String, of id: String, _ request: HTTPRequest, from principal: Principal
  ) throws(Refusal) -> HTTPResponse {
    switch step {
    case "promise":
      try permit(principal, [.node])
      try permitMember(principal)
      let asked: PromiseRequest = try decode(request)
      try permit(asked.ballot, of: id, from: principal)
      return .json(200, try reply(.promise(RolloutKey(id: id, epoch: asked.epoch), asked.ballot)))
    case "accept":
      try permit(principal, [.operator, .node])
      try permitMember(principal)
      let asked: AcceptRequest = try decode(request)
      try permit(asked.proposal.ballot, of: id, from: principal)
      return .json(
        200, try reply(.accept(RolloutKey(id: id, epoch: asked.epoch), asked.proposal)))
    case "decision":
      try permit(principal, [.operator, .node])
      try permitMember(principal)
      let told: DecisionRequest = try decode(request)
      if principal.role == .operator { try permit(.coordinator, of: id, from: principal) }
      return .json(
        200,
        try reply(
          .decided(
            RolloutKey(id: id, epoch: told.epoch), told.decision, instant: told.instant,
            bootID: told.bootID, reason: told.reason)))
    case "resolve":
      try permit(principal, [.operator])
      if case .failure(let refusal)? = perform(.resolve(id: id)) { throw refusal }
      let participant = state.withLock { $0.participant }
      guard participant.record.active?.rollout.id == id else {
        return .json(200, DoubtAnswer(node: node, stage: nil, doubt: nil))
      }
      return .json(
        200,
        DoubtAnswer(
          node: node, stage: participant.record.active?.stage.name,
          doubt: participant.doubt.map { Doubt(attempts: $0.attempts, missing: $0.missing) }))
    default: preconditionFailure("the table of the API has no step \(step)")
    }
  }

  /// A node must be one of the cluster's; other roles are not looked at.
  func permitMember(_ principal: Principal) throws(Refusal) {
    if principal.role == .node, inventory.node(named: principal.name) == nil {
      throw Refusal(
        .notPermitted,
        "\(principal.name) is no node of the inventory of \(node); make the inventories the same on every host"
      )
    }
  }

  /// Whether the caller may propose with this ballot.
  private func permit(
    _ ballot: Ballot, of id: String, from principal: Principal
  ) throws(Refusal) {
    if ballot == .coordinator {
      let active = state.withLock { $0.participant.record.active?.rollout }
      guard let active, active.id == id, active.createdBy != principal.name else { return }
      throw Refusal(
        .notPermitted,
        "rollout \(id) is \(active.createdBy)'s, the certificate \(principal.name)'s; if its coordinator is gone: keyturn resolve \(id)"
      )
    }
    if principal.role != .node || ballot.proposer != principal.name || ballot.round == 0 {
      throw Refusal(
        .notPermitted,
        "\(principal.name) may not propose with ballot (\(ballot.round), \(ballot.proposer.prefix(Limits.nameCharacters))): above round 0 each member proposes in its own name"
      )
    }
  }
}
