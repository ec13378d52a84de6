// SPDX-License-Identifier: Apache-2.0
internal import Model

extension Participant {
  /// Why no vote on a rollout is begun, whatever the checks would say; nil if one is.
  func refusal(to rollout: Rollout) -> Refusal? {
    if let problem = rollout.problem() { return Refusal(.vote, "\(member): \(problem)") }
    if let active = record.active {
      return Refusal(
        .busy,
        "\(member) is in rollout \(active.rollout.id) by \(active.rollout.createdBy); wait for it to end (keyturn status shows it); if its coordinator is gone the nodes end it by themselves, as soon as a majority of them can be reached"
      )
    }
    if let assessing {
      return Refusal(
        .busy,
        "\(member) is voting on rollout \(assessing.id) by \(assessing.createdBy); try again in a moment"
      )
    }
    if rollout.epoch <= record.highestEpoch {
      return Refusal(
        .vote,
        "\(member) has seen epoch \(record.highestEpoch), the rollout has \(rollout.epoch): another rollout came in between, or this one was ended before it was asked to vote; plan again"
      )
    }
    guard let content = rollout.content(of: member) else {
      return Refusal(
        .vote,
        "\(member) is not in the rollout's list of members; the inventories differ, make them the same"
      )
    }
    return refusal(to: content.incarnation)
  }

  private func refusal(to asked: Incarnation?) -> Refusal? {
    guard let asked else {
      return Refusal(
        .vote,
        "the rollout does not say which state directory of \(member) it asks: who began it has an older version than the agent; use the same version everywhere"
      )
    }
    if asked == incarnation { return nil }
    return Refusal(
      .vote,
      "the rollout was planned with another state directory of \(member), which has lost its state or was replaced since; plan again"
    )
  }
}
