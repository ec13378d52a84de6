// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout

// Who may have this agent take part in a rollout.
extension Agent {
  /// Whether a caller may have this agent plan, or vote on, a rollout. An operator may. A node may only
  /// carry out what was decided before: take back the last rollout, as its own policy says, or bring
  /// what this node's own root has proposed.
  func permitCoordination(
    _ principal: Principal, _ request: RolloutRequest
  ) throws(Refusal) {
    try permitCoordinator(principal)
    if principal.role == .operator { return }
    switch request.kind {
    case .rollback:
      let last = rollouts.now.record.lastCommitted
      if request.generation == nil, request.changes.isEmpty, let last,
        last.rollout.id == request.undoes,
        last.rollout.kind == .apply, last.rollout.rollback == .whenSafe, isOpen(last)
      {
        return
      }
    case .apply:
      let proposal = request.proposal(cluster: inventory.cluster)
      if proposals.own.digest == proposal { return }
    case .restart: break
    }
    throw Refusal(
      .notPermitted,
      "the node \(principal.name) may ask \(node) only for what was proposed on \(node) itself, or for the rollback of its last rollout where that is \"when-safe\" and was not confirmed"
    )
  }

  /// Whether the result of a committed rollout is still open, as far as this member alone can know. What was confirmed
  /// on all members, and what somebody decided to hold, is an operator's to take back.
  private func isOpen(_ finished: FinishedRollout) -> Bool {
    switch results.kept(finished.rollout.id)?.rolloutResult?.kind {
    case .confirmed, .held: return false
    case .rollingBack: return true
    // Its own start is good, and nobody asks any more how the others' were.
    case nil:
      return results.isOpen(finished.rollout.id) || finished.outcome.kind != .confirmed
    }
  }
}

extension Agent {
  /// Whether a caller may coordinate anything at all.
  func permitCoordinator(_ principal: Principal) throws(Refusal) {
    try permit(principal, [.operator, .node])
  }
}
