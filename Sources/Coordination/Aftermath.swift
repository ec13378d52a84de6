// SPDX-License-Identifier: Apache-2.0
package import API
package import Model
package import Rollout
internal import Threads

/// What follows from the outcomes of a committed rollout: nothing, hold, or the files of before by a
/// second rollout with votes of its own (docs/development/protocol.md, "After the commit").
///
/// Carried out by whoever coordinated it, or by the member that collected the outcomes in its place;
/// both come to the same.
package struct Aftermath: Sendable {
  /// How it ended.
  package enum End: Sendable {
    /// Every start was confirmed.
    case confirmed
    /// Everything is held as it is; the text says why.
    case held(String)
    /// The files of before were rolled out by this rollout, which was committed and came to this.
    case rolledBack(Rollout, CoordinatorResult)
    /// Somebody else is at it, or how the rollback was decided is not known; the text says what was
    /// seen.
    case elsewhere(String)
  }

  private let inventory: Inventory
  private let createdBy: String
  private let links: [any AgentLink]
  private let atOnce: Int?

  private static let answerMilliseconds = 5_000

  /// - Parameters:
  ///   - createdBy: the name in the certificate that the links are made with.
  ///   - links: one for each member, in the order of the inventory's ``Inventory/memberNames``.
  ///   - atOnce: how many members are asked at a time; nil for all.
  package init(
    inventory: Inventory, createdBy: String, links: [any AgentLink], atOnce: Int? = nil
  ) {
    precondition(links.count == inventory.nodes.count, "each member has its link")
    self.inventory = inventory
    self.createdBy = createdBy
    self.links = links
    self.atOnce = atOnce
  }

  /// Does what follows, to its end, and tells every member that can be reached. Blocks as long as a
  /// plan and a rollout take.
  ///
  /// - Parameters:
  ///   - outcomes: one for each member.
  ///   - watch: called with the rollback before it begins; gives who watches it.
  /// - Throws: a refusal if the threads for the rollback cannot be started.
  package func carryOut<Watcher: RolloutWatcher>(
    after rollout: Rollout, _ outcomes: [MemberOutcome], _ interruption: Interruption,
    watch: (Rollout) -> Watcher
  ) throws(Refusal) -> End {
    let policy = rollout.rollback ?? .never
    switch policy.decide(rollout, outcomes, key: nil, previousKey: nil) {
    case .nothing:
      settle(RolloutResult(rollout: rollout.id, kind: .confirmed, by: createdBy))
      return .confirmed
    case .hold(let reason): return hold(rollout, reason)
    case .rollBack: break
    }
    let plan = ClusterPlan(rows: ask(rollout))
    switch plan.undoing(rollout, outcomes, policy) {
    case .nothing, .rollBack: break
    case .hold(let reason): return hold(rollout, reason)
    }
    let back: Rollout
    do throws(Refusal) {
      back = try plan.rollout(
        id: Rollout.newID(), kind: .rollback, inventory: inventory, createdBy: createdBy,
        realtimeMicroseconds: Clock.realtimeMicroseconds(), undoes: rollout.id)
    } catch { return hold(rollout, error.message) }
    return try rollBack(rollout, back, plan.seals, interruption, watch(back))
  }

  private func rollBack(
    _ rollout: Rollout, _ back: Rollout, _ seals: [SealView], _ interruption: Interruption,
    _ watcher: some RolloutWatcher
  ) throws(Refusal) -> End {
    let signs = CoordinatorHeartbeat(of: back.id, to: links, atOnce: atOnce)
    defer { signs.end() }
    var watcher = watcher
    let result = try RolloutRunner(
      rollout: back, changes: [], createKey: false, seals: seals, links: links,
      limits: CoordinatorLimits(inventory)
    ).run(interruption, &watcher, signs: signs)
    switch result.ending {
    case .confirmed, .notConfirmed, .outcomesUnknown:
      // The members know by the rollback itself what became of the first.
      if !result.outcomes.contains(where: { $0.outcome.kind == .unknown }) {
        _ = try carryOut(after: back, result.outcomes, interruption, watch: { _ in watcher })
      }
      return .rolledBack(back, result)
    case .aborted(let refusal) where [.busy, .vote, .clock].contains(refusal.code):
      // Perhaps another member rolls back as well; the next who collects sees what has become of it.
      return .elsewhere("the rollback came to nothing: \(result.summary)")
    case .aborted: return hold(rollout, "the rollback came to nothing: \(result.summary)")
    case .undecided: return .elsewhere("the rollback \(back.id): \(result.summary)")
    }
  }

  /// Tells every member that everything is held as it is.
  @discardableResult
  package func hold(_ rollout: Rollout, _ reason: String) -> End {
    settle(RolloutResult(rollout: rollout.id, kind: .held, reason: reason, by: createdBy))
    return .held(reason)
  }

  /// Tells every member once; one that does not hear collects by itself, and comes to the same.
  private func settle(_ rolloutResult: RolloutResult) {
    _ = Parallel.map(links, atOnce: atOnce) { link in
      _ = try? link.call(
        .settle(rolloutResult), lane: .control, deadline: .inMilliseconds(Self.answerMilliseconds))
    }
  }

  private func ask(_ rollout: Rollout) -> [NodeAnswer<PlanAnswer>] {
    let request = PlanRequest(kind: .rollback, changes: [], createKey: false, undo: rollout.id)
    let milliseconds = inventory.timeouts.prepareSeconds * 1000 + Self.answerMilliseconds
    return Parallel.ask(
      .plan(request), of: zip(inventory.memberNames, links).map { (name: $0, link: $1) },
      atOnce: atOnce, milliseconds: milliseconds)
  }
}

extension ClusterPlan {
  /// Whether the files of before may come back, by what every node says of its own. Pure.
  func undoing(
    _ rollout: Rollout, _ outcomes: [MemberOutcome], _ policy: RollbackPolicy
  ) -> RollbackDecision {
    switch verdict(isRestart: false) {
    case .refused(let refusal): return .hold(refusal.message)
    case .nothingToDo: return .hold("the files are those of before already")
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
  package func joinable(_ kind: RolloutKind, cluster: String) -> ActiveSummary? {
    let answers = rows.compactMap(\.answer)
    guard answers.count == rows.count, let active = answers.lazy.compactMap(\.active).first,
      active.kind == kind,
      answers.allSatisfy({ $0.active.map { $0.id == active.id } ?? true })
    else { return nil }
    let same = Rollout(
      id: "", epoch: 0, kind: kind, cluster: cluster, generation: 0, seal: nil,
      contents: answers.map {
        MemberContent(
          member: $0.node, incarnation: nil, path: $0.path, before: nil, after: $0.after)
      },
      createdBy: "", prepareMilliseconds: 0, stopMilliseconds: 0, startMilliseconds: 0)
    return active.plan == same.plan ? active : nil
  }
}
