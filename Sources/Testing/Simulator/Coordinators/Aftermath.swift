// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

// What follows from a committed rollout's outcomes, as Sources/Coordination/Undertaking.swift does
// it.

extension World {
  /// ClusterPlan's verdict on what the members have answered: nil if all would take part.
  func refusal(of u: Int) -> RefusalCode? {
    let plans = undertakings[u].plans
    if plans.contains(where: { $0 == nil }) { return .unreachable }
    return plans.lazy.compactMap { $0?.refusal ?? ($0?.isBusy ?? false ? .busy : nil) }.first
  }

  /// `conclude`.
  mutating func carryOut(_ u: Int, after index: Int, _ outcomes: [MemberOutcome]) {
    let who = name(u)
    var outcomes = outcomes
    let rollout = histories[index].rollout
    checkOutcomes(index, outcomes, who)
    if bug == .confirmedByMajority,
      outcomes.count(where: { $0.outcome.kind == .confirmed }) >= rollout.majority
    {
      outcomes = outcomes.map { MemberOutcome(member: $0.member, outcome: Outcome(.confirmed, "")) }
    }
    let policy = rollout.rollback ?? .never
    switch policy.decide(rollout, outcomes, key: nil, previousKey: nil) {
    case .nothing: settle(u, index, .confirmed)
    case .hold: settle(u, index, .held)
    case .rollBack:
      let old = undertakings[u]
      end(u)
      note("\(who) plans the rollback of r\(index)")
      undertake(
        Undertaking(
          host: old.host, goal: .undo(index, outcomes), collected: old.collected, signs: old.signs),
        .undo(index))
    }
  }

  /// `undoing`: every member has answered the rollback's plan.
  mutating func undoPlanned(_ u: Int, _ first: Int, _ outcomes: [MemberOutcome]) {
    let history = histories[first]
    let plans = undertakings[u].plans.compactMap(\.self)
    if refusal(of: u) != nil { return settle(u, first, .held) }
    let isUnchecked = bug == .undoneTwice
    if !isUnchecked {
      if plans.allSatisfy({ $0.file == $0.after && !$0.isRestartNeeded }) {
        return settle(u, first, .held)
      }
      if plans.contains(where: { $0.file != history.content || $0.after != history.previous }) {
        return settle(u, first, .held)
      }
    }
    // If a key would be taken away, that decides.
    let key = identity(history.content)
    switch RollbackPolicy.whenSafe.decide(
      history.rollout, outcomes, key: key, previousKey: identity(history.previous))
    {
    case .nothing, .rollBack: break
    case .hold: return settle(u, first, .held)
    }
    begin(
      u, .rollback, content: history.previous,
      previous: isUnchecked ? plans[0].file : history.content, undoes: first)
  }

  /// `rollBack`: the rollback's coordinator has ended.
  mutating func undone(_ u: Int, _ index: Int, _ result: CoordinatorResult) {
    let first = histories[index].undoes
    switch result.ending {
    case .confirmed, .notConfirmed, .outcomesUnknown:
      if result.outcomes.contains(where: { $0.outcome.kind == .unknown }) {
        conclude(u)
      } else {
        carryOut(u, after: index, result.outcomes)
      }
    case .aborted(let refusal) where [.busy, .vote, .clock].contains(refusal.code): elsewhere(u)
    case .aborted: settle(u, first, .held)
    case .undecided: elsewhere(u)
    }
  }

  /// Perhaps another member rolls back as well.
  private mutating func elsewhere(_ u: Int) {
    let who = name(u)
    note("\(who): somebody else may be at it")
    if undertakings[u].collected < 0 { return leave(u) }
    let (host, collected) = (undertakings[u].host, undertakings[u].collected)
    end(u)
    sumUpAgain(host, collected)
  }

  /// Tells every member the result of a rollout once.
  private mutating func settle(_ u: Int, _ index: Int, _ kind: RolloutResult.Kind) {
    let who = name(u)
    let host = undertakings[u].host
    if isKilled(u) { return }
    note("\(who): r\(index) is \(kind.rawValue)")
    let rolloutResult = RolloutResult(
      rollout: histories[index].rollout.id, kind: kind, by: principal(host))
    checkResult(index, rolloutResult)
    undertakings[u].coordinator = nil
    undertakings[u].awaited = members.count
    for m in members.indices { ask(u, m, .settle(rolloutResult), rollout: index) }
  }

  mutating func told(_ u: Int) {
    undertakings[u].awaited -= 1
    if undertakings[u].awaited == 0 { conclude(u) }
  }

  private mutating func conclude(_ u: Int) {
    let (host, collected) = (undertakings[u].host, undertakings[u].collected)
    leave(u)
    if collected >= 0 { endCollecting(host, collected) }
  }

  /// A member works out the result in the coordinator's place, without a heartbeat to the others.
  mutating func sumUp(_ m: Int, _ index: Int, _ outcomes: [MemberOutcome]) {
    let u = undertakings.count
    undertakings.append(Undertaking(host: m, goal: .tell(index), collected: index))
    carryOut(u, after: index, outcomes)
  }

  /// Three attempts have found another member at it.
  mutating func hold(_ m: Int, _ index: Int) {
    undertakings.append(Undertaking(host: m, goal: .tell(index), collected: index))
    settle(undertakings.count - 1, index, .held)
  }
}
