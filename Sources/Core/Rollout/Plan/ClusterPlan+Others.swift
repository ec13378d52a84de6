// SPDX-License-Identifier: Apache-2.0
package import Model

// What a plan has to do with another rollout: one that it undoes, one that it can join.

extension ClusterPlan {
  /// Whether the previous files may come back, by what every node says of its own. Pure.
  package func undoing(
    _ rollout: Rollout, _ outcomes: [MemberOutcome], _ policy: RollbackPolicy
  ) -> RollbackDecision {
    switch verdict(isRestart: false) {
    case .refused(let refusal, _): return .hold(refusal.message)
    case .nothingToDo: return .hold("the previous files are in place already")
    case .ready: break
    }
    let answers = rows.compactMap(\.answer)
    for answer in answers {
      guard let content = rollout.content(of: answer.node), content.path == answer.path,
        content.after == answer.before, content.before == answer.after
      else {
        return .hold("\(answer.node): its file was changed since; there is no going back to before")
      }
    }
    // Where a key would be taken away, that one decides.
    let removing = answers.first { $0.currentKey != $0.key } ?? answers.first
    return policy.decide(
      rollout, outcomes, key: removing?.currentKey, previousKey: removing?.key)
  }

  /// The rollout that the nodes are in already, if it comes to the same as this plan: it can be
  /// joined. A node that has not been asked for its vote yet is in none.
  ///
  /// - Parameter forcesRestart: one that restarts nothing is not what is asked for.
  package func joinable(
    _ kind: RolloutKind, cluster: String, forcesRestart: Bool = false
  ) -> ActiveSummary? {
    let answers = rows.compactMap(\.answer)
    guard answers.count == rows.count, let active = answers.lazy.compactMap(\.active).first,
      active.kind == kind, !(forcesRestart && active.withoutRestart == true),
      answers.allSatisfy({ $0.active.map { $0.id == active.id } ?? true })
    else { return nil }
    let contents = answers.map {
      MemberContent(
        member: $0.node, incarnation: nil, path: $0.path, before: nil, after: $0.after)
    }.sorted { $0.member < $1.member }
    return active.plan == Rollout.plan(kind, cluster: cluster, contents) ? active : nil
  }
}
