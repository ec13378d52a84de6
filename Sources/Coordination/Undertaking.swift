// SPDX-License-Identifier: Apache-2.0
internal import API
package import Model
package import Rollout
internal import Threads

/// Follows an undertaking.
package protocol UndertakingObserver {
  associatedtype Watcher: RolloutWatcher
  /// A rollout begins. If it undoes another, it is the rollback of the first.
  func begins(_ rollout: Rollout) -> Watcher
  /// A rollout has ended; what follows from it has not begun.
  func ended(_ rollout: Rollout, _ result: CoordinatorResult)
}

/// One rollout, coordinated to its end: heartbeat, votes, restarts, the rollout's result, and the
/// rollback that its policy asks for (docs/development/protocol.md, "After the commit").
///
/// The same for the command line, for a member that rolls out what all nodes have proposed, and for
/// a member that has collected the outcomes in place of a coordinator that is gone.
package struct Undertaking: Sendable {
  package struct End: Sendable {
    package let rollout: Rollout
    package let result: CoordinatorResult
    /// Nil if nothing can follow from here: nothing was touched, or the decision or an outcome is
    /// not known, and the members go on without the coordinator.
    package let aftermath: Aftermath?
  }

  /// What followed from the outcomes of a committed rollout.
  package enum Aftermath: Sendable {
    /// Every start was confirmed.
    case confirmed
    /// Why the new files stay.
    case held(String)
    /// The rollout that restored the previous files, and its result.
    case rolledBack(Rollout, CoordinatorResult)
    /// Another may be rolling back, or it is not known how the rollback was decided; what was seen.
    case elsewhere(String)
  }

  private let inventory: Inventory
  private let createdBy: String
  private let members: [(name: String, link: any AgentLink)]
  private let atOnce: Int?

  private static let answerMilliseconds = 5_000

  /// - Parameters:
  ///   - createdBy: the name in the certificate that the links are made with.
  ///   - members: each member of the inventory and the way to it; plans keep this order.
  ///   - atOnce: how many members are asked at a time; nil for all.
  package init(
    _ inventory: Inventory, createdBy: String, members: [(name: String, link: any AgentLink)],
    atOnce: Int? = nil
  ) {
    precondition(members.map(\.name).sorted() == inventory.memberNames, "each member has its link")
    self.inventory = inventory
    self.createdBy = createdBy
    self.members = members
    self.atOnce = atOnce
  }

  /// In the order of ``Rollout/members``.
  private var links: [any AgentLink] { members.sorted { $0.name < $1.name }.map(\.link) }

  /// What every member makes of the request. Blocks until each has answered or is out of time.
  package func ask(_ request: RolloutRequest) -> ClusterPlan {
    ClusterPlan(
      rows: Parallel.ask(
        .plan(PlanRequest(request, members: inventory.memberNames)), of: members, atOnce: atOnce,
        milliseconds: inventory.timeouts.prepareSeconds * 1_000 + Limits.agentTransferMilliseconds))
  }

  /// Runs the rollout of a plan that is ready, and what follows. Blocks for as long as that takes.
  ///
  /// - Parameters:
  ///   - rollback: what is done if a start is not confirmed; nil for what the inventory says.
  ///   - forcesRestart: whether the servers are restarted also where none needs it.
  ///   - occasion: what it is for; nil if nobody said.
  /// - Throws: a refusal if nothing was sent to anybody.
  package func run(
    _ request: RolloutRequest, on plan: ClusterPlan, rollback: RollbackPolicy? = nil,
    forcesRestart: Bool = false, occasion: RolloutOccasion? = nil, _ interruption: Interruption,
    _ observer: some UndertakingObserver
  ) throws(Refusal) -> End {
    try run(
      rollout(request, plan, rollback, forcesRestart: forcesRestart, occasion), request, plan,
      interruption,
      observer)
  }

  private func rollout(
    _ request: RolloutRequest, _ plan: ClusterPlan, _ rollback: RollbackPolicy?,
    forcesRestart: Bool = false, _ occasion: RolloutOccasion? = nil
  ) throws(Refusal) -> Rollout {
    try plan.rollout(
      id: Rollout.newID(), request, inventory: inventory, createdBy: createdBy,
      realtimeMicroseconds: Clock.realtimeMicroseconds(), rollback: rollback,
      forcesRestart: forcesRestart, occasion: occasion)
  }

  private func run(
    _ rollout: Rollout, _ request: RolloutRequest, _ plan: ClusterPlan,
    _ interruption: Interruption, _ observer: some UndertakingObserver
  ) throws(Refusal) -> End {
    try interruption.handled(by: nil, lastWords: { rollout.lastWords }) { () throws(Refusal) in
      try carryOut(rollout, request, plan, interruption, observer)
    }
  }

  private func carryOut(
    _ rollout: Rollout, _ request: RolloutRequest, _ plan: ClusterPlan,
    _ interruption: Interruption, _ observer: some UndertakingObserver
  ) throws(Refusal) -> End {
    let heartbeat = CoordinatorHeartbeat(of: rollout.id, to: links, atOnce: atOnce)
    defer { heartbeat.end() }
    var watcher = observer.begins(rollout)
    let result = try RolloutRunner(
      rollout: rollout, request: request, seals: plan.seals, program: plan.program, links: links,
      limits: CoordinatorLimits(inventory)
    ).run(interruption, &watcher, heartbeat)
    observer.ended(rollout, result)
    let isKnown =
      result.decision == .commit && !result.outcomes.contains { $0.outcome.kind == .unknown }
    return End(
      rollout: rollout, result: result,
      aftermath: isKnown ? conclude(rollout, result.outcomes, interruption, observer) : nil)
  }

  /// Does what follows from the outcomes, one for each member, and tells every member that answers.
  /// Blocks for as long as a plan and a rollout take.
  package func conclude(
    _ rollout: Rollout, _ outcomes: [MemberOutcome], _ interruption: Interruption,
    _ observer: some UndertakingObserver
  ) -> Aftermath {
    let policy = rollout.rollback ?? .never
    switch policy.decide(rollout, outcomes, key: nil, previousKey: nil) {
    case .nothing:
      tell(RolloutResult(rollout: rollout.id, kind: .confirmed, by: createdBy))
      return .confirmed
    case .hold(let reason): return hold(rollout, reason)
    case .rollBack: break
    }
    let request = RolloutRequest(kind: .rollback, undoes: rollout.id)
    let plan = ask(request)
    if case .hold(let reason) = plan.undoing(rollout, outcomes, policy) {
      return hold(rollout, reason)
    }
    let back: Rollout
    do throws(Refusal) { back = try self.rollout(request, plan, nil) } catch {
      return hold(rollout, error.message)
    }
    let result: CoordinatorResult
    do throws(Refusal) {
      result = try run(back, request, plan, interruption, observer).result
    } catch { return .elsewhere("the rollback could not begin: \(error.message)") }
    switch result.ending {
    case .confirmed, .notConfirmed, .outcomesUnknown: return .rolledBack(back, result)
    case .aborted(let refusal) where [.busy, .vote, .clock].contains(refusal.code):
      // Another member may be rolling back too; the next one that collects sees how that ended.
      return .elsewhere("the rollback did not begin: \(result.summary)")
    case .aborted: return hold(rollout, "the rollback did not begin: \(result.summary)")
    case .undecided: return .elsewhere("the rollback \(back.id): \(result.summary)")
    }
  }

  /// Tells every member that the new files stay.
  @discardableResult
  package func hold(_ rollout: Rollout, _ reason: String) -> Aftermath {
    tell(RolloutResult(rollout: rollout.id, kind: .held, reason: reason, by: createdBy))
    return .held(reason)
  }

  /// Tells every member once. One that misses it collects the outcomes, and comes to the same
  /// result.
  private func tell(_ result: RolloutResult) {
    _ = Parallel.map(links, atOnce: atOnce) { link in
      _ = try? link.call(
        .know(result), lane: .control, deadline: .inMilliseconds(Self.answerMilliseconds))
    }
  }
}

extension Rollout {
  /// What a command says that is ended by a signal and coordinates it.
  var lastWords: String {
    "rollout \(id) was begun, and what has begun goes on without this command: keyturn watch \(id) follows it, keyturn resolve \(id) has the nodes decide it"
  }

  /// 16 random hexadecimal digits.
  package static func newID() -> String {
    String(RandomNumbers.word(), radix: 16).zeroPadded(to: 16)
  }
}
