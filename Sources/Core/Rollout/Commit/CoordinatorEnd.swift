// SPDX-License-Identifier: Apache-2.0
internal import Model

/// How a coordinator comes to its end: after an abort, after the commit, or without knowing which.
extension Coordinator {
  mutating func cancel(_ now: Instant) -> [CoordinatorEffect] {
    switch state {
    case .idle, .preparing:
      return abort(Refusal(.failed, "cancelled before the commit"), now)
    case .superseded:
      return unknown("interrupted after the proposal; the nodes end it by themselves")
    case .accepting, .following:
      // To leave now could leave a member in doubt; it takes no longer than telling them all.
      isCancelled = true
      return leaveIfAllAreTold()
    case .aborting, .finished: return []
    }
  }

  /// Where the previous files come back whatever the other starts come to, nobody waits for these.
  mutating func breakOff() -> [CoordinatorEffect] {
    let known = zip(names, members).compactMap { name, member in
      member.outcome.map { MemberOutcome(member: name, outcome: $0) }
    }
    guard known.count < members.count,
      let cause = (rollout.rollback ?? .never).certainCause(rollout, known)
    else { return [] }
    var effects: [CoordinatorEffect] = []
    for index in members.indices where members[index].outcome == nil && !members[index].isBrokenOff
    {
      members[index].isBrokenOff = true
      effects.append(.breakOff(member: names[index], reason: cause))
    }
    return effects
  }

  /// After commit the agents finish by themselves, once each of them knows the decision.
  mutating func leaveIfAllAreTold() -> [CoordinatorEffect] {
    guard case .following = state, isCancelled,
      members.allSatisfy({ $0.told || $0.outcome != nil })
    else { return [] }
    for index in members.indices where members[index].outcome == nil {
      members[index].outcome = Outcome(
        .unknown, "interrupted; the agents go on by themselves, keyturn watch shows how it ends")
    }
    return finishCommitted()
  }

  mutating func unknown(_ reason: String) -> [CoordinatorEffect] {
    state = .finished
    let outcomes = zip(names, members).map {
      MemberOutcome(member: $0, outcome: $1.outcome ?? Outcome(.unknown, reason))
    }
    let summary =
      "the decision is not known: no majority of the members answered; they end the rollout by themselves as soon as a majority is connected"
    return [
      .finished(
        CoordinatorResult(
          ending: .undecided, summary: summary, outcomes: outcomes,
          skewNanoseconds: nil))
    ]
  }

  mutating func abort(_ refusal: Refusal, _ now: Instant) -> [CoordinatorEffect] {
    state = .aborting(refusal)
    for index in members.indices {
      // Who voted no has nothing to be told.
      if case .no = members[index].vote, !members[index].isLost { members[index].told = true }
    }
    if members.allSatisfy(\.told) { return finishAborted(refusal) }
    var effects: [CoordinatorEffect] = []
    for (name, member) in zip(names, members) where !member.told {
      effects.append(
        .decide(member: name, .abort, instant: nil, bootID: "", reason: refusal.message))
    }
    return effects + [.arm(.decide, now.advanced(byMilliseconds: limits.decideMilliseconds))]
  }

  mutating func finishAborted(_ refusal: Refusal) -> [CoordinatorEffect] {
    state = .finished
    let outcomes = zip(names, members).map { name, member in
      var reason = CoordinatorResult.notTouched
      if case .no(let own) = member.vote { reason = own.message }
      return MemberOutcome(member: name, outcome: Outcome(.aborted, reason))
    }
    let told = members.allSatisfy { $0.told && !$0.isLost }
    let summary =
      "nothing was touched: \(refusal.message)"
      + (told
        ? ""
        : "; some members could not be told and hold their vote if they gave one, until they have asked the others: keyturn resolve \(rollout.id) has them do it now")
    return [
      .finished(
        CoordinatorResult(
          ending: .aborted(refusal), summary: summary, outcomes: outcomes,
          skewNanoseconds: nil))
    ]
  }

  mutating func finishCommitted() -> [CoordinatorEffect] {
    state = .finished
    let outcomes = zip(names, members).map { name, member in
      MemberOutcome(member: name, outcome: member.outcome ?? Outcome(.unknown, "no outcome"))
    }
    let kinds = outcomes.map(\.outcome.kind)
    let confirmed = kinds.count { $0 == .confirmed }
    let unknown = kinds.count { $0 == .unknown }
    let restarts = rollout.restartsServers
    var summary = "\(confirmed) of \(kinds.count) \(restarts ? "starts " : "")confirmed"
    if kinds.count - confirmed - unknown > 0 {
      summary += ", \(kinds.count - confirmed - unknown) not confirmed"
    }
    if unknown > 0 { summary += ", \(unknown) unknown" }
    if !restarts { summary += "; no server was restarted" }
    return [
      .finished(
        CoordinatorResult(
          ending: RolloutEnding(committed: outcomes), summary: summary, outcomes: outcomes,
          skewNanoseconds: skew(\.started),
          issueSkewNanoseconds: restarts ? skew(\.issued) : nil,
          stopSkewNanoseconds: skew(\.stopping), writeOutageNanoseconds: writeOutage))
    ]
  }

  /// First to last of one instant of every member, all in the coordinator's clock.
  private func skew(_ instant: (RestartReport) -> Instant?) -> Int64? {
    guard let instants = instants(instant), let first = instants.min(), let last = instants.max()
    else { return nil }
    return last - first
  }

  /// From the first order to restart until every server takes writes.
  private var writeOutage: Int64? {
    guard let first = instants(\.issued)?.min(), let last = instants(\.writable)?.max() else {
      return nil
    }
    return last - first
  }

  /// One instant of every member, in the coordinator's clock, nanoseconds; nil if one is not known.
  private func instants(_ instant: (RestartReport) -> Instant?) -> [Int64]? {
    var instants: [Int64] = []
    for member in members {
      guard let clock = member.clock, !member.isClockBroken,
        let instant = member.report.flatMap(instant)
      else {
        return nil
      }
      instants.append(clock.translateBack(instant).nanoseconds)
    }
    return instants
  }
}
