// SPDX-License-Identifier: Apache-2.0
internal import API
package import Model
package import Rollout
internal import Threads

/// One change of members, coordinated to its end. Nothing follows from it: no server was touched.
package struct MembersUndertaking: Sendable {
  private let createdBy: String
  /// Every node before and after the change, and the way to it.
  private let members: [(name: String, link: any AgentLink)]

  private static let answerMilliseconds = 5_000

  package init(createdBy: String, members: [(name: String, link: any AgentLink)]) {
    self.createdBy = createdBy
    self.members = members
  }

  /// Runs the rollout of a plan that is ready. Blocks for as long as the votes take.
  ///
  /// - Throws: a refusal if nothing was sent to anybody.
  package func run(
    _ plan: MembersPlan, _ interruption: Interruption, _ observer: some UndertakingObserver
  ) throws(Refusal) -> (rollout: Rollout, result: CoordinatorResult) {
    let rollout = try plan.rollout(id: Rollout.newID(), createdBy: createdBy)
    return try interruption.handled(by: nil, lastWords: { rollout.lastWords }) {
      () throws(Refusal) in try run(rollout, plan, interruption, observer)
    }
  }

  private func run(
    _ rollout: Rollout, _ plan: MembersPlan, _ interruption: Interruption,
    _ observer: some UndertakingObserver
  ) throws(Refusal) -> (rollout: Rollout, result: CoordinatorResult) {
    let links = rollout.members.compactMap { name in members.first { $0.name == name }?.link }
    var watcher = observer.begins(rollout)
    let result = try RolloutRunner(
      rollout: rollout, request: RolloutRequest(kind: .members), seals: [], links: links,
      limits: CoordinatorLimits(plan.present.inventory)
    ).run(interruption, &watcher)
    observer.ended(rollout, result)
    if result.ending == .confirmed {
      let known = RolloutResult(rollout: rollout.id, kind: .confirmed, by: createdBy)
      _ = Parallel.map(links, atOnce: nil) { link in
        _ = try? link.call(
          .know(known), lane: .control, deadline: .inMilliseconds(Self.answerMilliseconds))
      }
    }
    return (rollout, result)
  }
}
