// SPDX-License-Identifier: Apache-2.0
internal import Crypto
package import Model

// The coordinator's side of the rollout protocol (docs/development/protocol.md), hosted by whoever created the
// rollout: the command line, or a member.
//
//   idle --start--> preparing --all yes--> accepting --majority, or a member knows--> following --all ended--> finished
//                       | a no, silence, clock |  ^                                  (commit told to all)
//                       |                      |  outranked, no majority in time: superseded, until a
//                       |                      v  member tells how the members have ended it
//                       +------------------> aborting --all told--> finished
//
// It refuses to: propose commit unless every member voted yes, take a member that does not answer
// for a yes, choose an instant with a clock estimate whose bound is too wide, abort by itself after
// it has proposed commit. Its proposal is ballot 0, made once: a coordinator that was restarted is
// none any more.

/// The coordinator's side of the protocol: pure, never throws, waits or reads a clock.
package struct Coordinator: Sendable, Hashable {
  package let rollout: Rollout
  let limits: CoordinatorLimits
  var state = State.idle
  /// The operator wants out after the proposal: it ends when every member has been told.
  var isCancelled = false
  var members: [Member]
  let names: [String]
  private let quorum: Quorum

  /// A coordinator of a rollout that no member has heard of yet.
  package init(rollout: Rollout, limits: CoordinatorLimits = CoordinatorLimits()) {
    self.rollout = rollout
    self.limits = limits
    names = rollout.members
    quorum = Quorum(rollout)
    members = names.map { _ in Member() }
  }

  /// Takes one input; returns what to do, in order.
  package mutating func handle(_ input: CoordinatorInput, at now: Instant) -> [CoordinatorEffect] {
    switch input {
    case .start: return start(now)
    case .vote(let name, let vote, let environment, let keyManager):
      update(name) { $0.keyManager = keyManager }
      return voted(name, vote, environment, now)
    case .voteUnknown(let name, let refusal): return voteUnknown(name, refusal, now)
    case .clock(let name, let sample):
      let isOver = if case .following = state { true } else { false }
      update(name) { member in
        if member.clock == nil { member.clock = ClockEstimate(sample) }
        if member.clock?.add(sample) == false, isOver { member.isClockBroken = true }
      }
      return []
    case .accepted(let name): return accepted(name, now)
    case .acknowledged(let name): return told(name)
    case .outranked(let name): return outranked(name, now)
    case .committed(let name): return committed(name, now)
    case .silent(let name, let reason): return silent(name, reason, now)
    case .progress(let name, let phase, let detail):
      return [.report(member: name, phase: phase, detail: detail)]
    case .restarted(let name, let report):
      update(name) { $0.report = report }
      return committed(name, now)
    case .ended(let name, let outcome): return ended(name, outcome, now)
    case .fired(let timer): return fired(timer, now)
    case .cancel: return cancel(now)
    }
  }

  private mutating func start(_ now: Instant) -> [CoordinatorEffect] {
    guard case .idle = state else { return [] }
    state = .preparing
    let deadline = now.advanced(
      byMilliseconds: rollout.prepareMilliseconds + limits.voteGraceMilliseconds)
    return names.map { .prepare(member: $0) } + [.arm(.prepare, deadline), beat(now)]
  }

  private func beat(_ now: Instant) -> CoordinatorEffect {
    .arm(.beat, now.advanced(byMilliseconds: limits.beatMilliseconds))
  }

  private mutating func voted(
    _ name: String, _ vote: Vote, _ environment: Digest?, _ now: Instant
  ) -> [CoordinatorEffect] {
    guard case .preparing = state else { return [] }
    update(name) { member in
      member.vote = vote
      member.environment = environment
    }
    switch vote {
    case .no(let refusal):
      return [.report(member: name, phase: .known(.refused), detail: refusal.message)]
        + abort(Refusal(refusal.code, "\(name): \(refusal.message)"), now)
    case .yes:
      var effects: [CoordinatorEffect] = [
        .report(member: name, phase: .known(.prepared), detail: "")
      ]
      if members.allSatisfy({ $0.vote == .yes }) { effects += propose(now) }
      return effects
    }
  }

  /// Its yes may have been given: it is told of the abort like the others.
  private mutating func voteUnknown(
    _ name: String, _ refusal: Refusal, _ now: Instant
  ) -> [CoordinatorEffect] {
    // Whoever is told of an abort already is told, however its vote ended.
    guard case .preparing = state else { return [] }
    update(name) { member in
      member.vote = .no(refusal)
      member.isLost = true
    }
    let phase = refusal.code == .unreachable ? RolloutPhase.unreachable : .refused
    return [.report(member: name, phase: .known(phase), detail: refusal.message)]
      + abort(Refusal(refusal.code, "\(name): \(refusal.message)"), now)
  }

  private mutating func propose(_ now: Instant) -> [CoordinatorEffect] {
    let environments = members.map(\.environment)
    if let other = environments.firstIndex(where: { $0 != environments[0] }) {
      return abort(
        Refusal(
          .vote,
          "\(names[other]) would run with other MINIO_* variables than \(names[0]), and AIStor nodes wait for one another until they are identical; make the files agree (keyturn plan names the variables)"
        ), now)
    }
    if let other = members.firstIndex(where: { $0.keyManager != members[0].keyManager }) {
      return abort(
        Refusal(
          .keyManager,
          "\(names[other]) was told something else of the Key Manager and its key than \(names[0]): the nodes may reach different Key Managers, or their state changes; see keyturn check, and plan again"
        ), now)
    }
    var clocks: [ClockEstimate] = []
    for (name, member) in zip(names, members) {
      guard let clock = member.clock else {
        return abort(Refusal(.clock, "\(name): its clock was not measured; try again"), now)
      }
      let bound = clock.boundNanoseconds(at: now)
      // Where nothing happens at an instant, no clock must be known well: the bound itself may be what is changed.
      if rollout.change == nil, bound > limits.clockBoundNanoseconds {
        return abort(
          Refusal(
            .clock,
            "\(name): its clock is known to \(bound / 1_000_000) ms only, \(limits.clockBoundNanoseconds / 1_000_000) ms are allowed (clockBoundMilliseconds in the inventory); the network is slow or the host is busy"
          ), now)
      }
      clocks.append(clock)
    }
    let instant = Instant(nanoseconds: now.nanoseconds + leadNanoseconds)
    state = .accepting(instant, since: now)
    var effects: [CoordinatorEffect] = []
    for (name, clock) in zip(names, clocks) {
      effects.append(
        .accept(
          member: name,
          BallotValue(
            ballot: .coordinator, decision: .commit, instant: clock.translate(instant),
            bootID: clock.bootID)))
    }
    return effects + [.arm(.accept, now.advanced(byMilliseconds: limits.acceptMilliseconds))]
  }

  /// From a message to all to the instant at the least: it must have come to all by then.
  private var leadNanoseconds: Int64 {
    let worst = members.compactMap(\.clock?.roundTripNanoseconds).max() ?? 0
    return max(4 * worst, Int64(limits.leastLeadMilliseconds) * 1_000_000)
  }

  private mutating func accepted(_ name: String, _ now: Instant) -> [CoordinatorEffect] {
    update(name) { $0.accepted = true }
    guard quorum.isReached({ members[$0].accepted }) else { return [] }
    return commit(now)
  }

  /// A member knows commit: so it is the decision, whoever brought it about.
  private mutating func committed(_ name: String, _ now: Instant) -> [CoordinatorEffect] {
    commit(now) + told(name)
  }

  private mutating func commit(_ now: Instant) -> [CoordinatorEffect] {
    let planned: Instant
    switch state {
    case .accepting(let instant, let since):
      // Until now a majority has written its record once, and each member writes another one before it acts. Where
      // disks are so slow that this takes longer than what is left, each would act when it is told, not at one instant.
      let took = now.nanoseconds(since: since)
      let isSoon = instant.nanoseconds(since: now) < max(leadNanoseconds / 2, 2 * took)
      planned =
        isSoon ? Instant(nanoseconds: now.nanoseconds + max(leadNanoseconds, 2 * took)) : instant
    case .superseded(let instant): planned = instant
    case .idle, .preparing, .aborting, .following, .finished: return []
    }
    state = .following(planned)
    var effects: [CoordinatorEffect] = [.committed(instant: planned)]
    for (name, member) in zip(names, members) {
      guard let clock = member.clock else { continue }
      effects.append(
        .decide(
          member: name, .commit, instant: clock.translate(planned), bootID: clock.bootID,
          reason: ""))
    }
    effects += follow()
    // A recovered commit may come long after the instant that was planned.
    let end = max(planned, now).advanced(
      byMilliseconds: rollout.watchMilliseconds + limits.outcomeGraceMilliseconds)
    return effects + [.arm(.follow, end)]
  }

  private mutating func follow() -> [CoordinatorEffect] {
    var effects: [CoordinatorEffect] = []
    for index in members.indices where !members[index].isFollowed {
      members[index].isFollowed = true
      effects.append(.follow(member: names[index]))
    }
    return effects
  }

  private mutating func outranked(_ name: String, _ now: Instant) -> [CoordinatorEffect] {
    update(name) { $0.isOutranked = true }
    switch state {
    case .accepting(let instant, _):
      let canBeReached = quorum.isReached { members[$0].accepted || !members[$0].isOutranked }
      return canBeReached ? [] : supersede(instant, now)
    // It is in good hands, and there is one abort only.
    case .aborting: return told(name)
    case .idle, .preparing, .superseded, .following, .finished: return []
    }
  }

  /// Commit was proposed and may have been chosen: only the members can tell now, and they end it by
  /// themselves.
  private mutating func supersede(_ instant: Instant, _ now: Instant) -> [CoordinatorEffect] {
    if isCancelled { return unknown("interrupted; no majority accepted in time") }
    state = .superseded(instant)
    return follow() + [.arm(.recover, now.advanced(byMilliseconds: limits.recoverMilliseconds))]
  }

  /// The member knows the end, or is lost: it could not be told.
  private mutating func told(_ name: String, isLost: Bool = false) -> [CoordinatorEffect] {
    update(name) { member in
      member.told = true
      member.isLost = isLost
    }
    guard case .aborting(let refusal) = state else { return leaveIfAllAreTold() }
    return members.allSatisfy(\.told) ? finishAborted(refusal) : []
  }

  private mutating func silent(
    _ name: String, _ reason: String, _ now: Instant
  ) -> [CoordinatorEffect] {
    switch state {
    case .idle, .finished, .accepting, .superseded: return []
    case .preparing:
      return voteUnknown(name, Refusal(.unreachable, reason), now)
    case .aborting: return told(name, isLost: true)
    case .following:
      return ended(name, Outcome(.unknown, reason), now)
    }
  }

  private mutating func ended(
    _ name: String, _ outcome: Outcome, _ now: Instant
  ) -> [CoordinatorEffect] {
    var effects: [CoordinatorEffect] = []
    switch state {
    case .accepting, .superseded:
      if outcome.kind == .aborted {
        return abort(
          Refusal(
            .unreachable,
            "\(name): \(outcome.reason); the nodes ended the rollout without the coordinator, which did not reach a majority of them in time"
          ), now) + told(name)
      }
      effects += commit(now) + ended(name, outcome, now)
    case .following:
      guard let index = names.firstIndex(of: name), members[index].outcome == nil else { return [] }
      members[index].outcome = outcome
      effects.append(
        .report(member: name, phase: .known(outcome.phase), detail: outcome.reason))
      effects += breakOff()
      if members.allSatisfy({ $0.outcome != nil }) { effects += finishCommitted() }
    case .aborting: return told(name)
    case .idle, .preparing, .finished: break
    }
    return effects
  }

  private mutating func fired(_ timer: CoordinatorTimer, _ now: Instant) -> [CoordinatorEffect] {
    switch (timer, state) {
    case (.prepare, .preparing):
      let late = zip(names, members).filter { $0.1.vote == nil }.map(\.0)
      return abort(
        Refusal(
          .unreachable,
          "\(late.joined(separator: ", ")): no vote within \(rollout.prepareMilliseconds / 1000) s"),
        now)
    case (.beat, .preparing):
      var effects = [beat(now)]
      for (name, member) in zip(names, members) where member.vote == .yes {
        effects.append(.measure(member: name))
      }
      return effects
    case (.accept, .accepting(let instant, _)): return supersede(instant, now)
    case (.recover, .superseded):
      return unknown("commit was proposed, and how the nodes ended it is not known")
    case (.decide, .aborting(let refusal)): return finishAborted(refusal)
    case (.follow, .following):
      for index in members.indices where members[index].outcome == nil {
        members[index].outcome = Outcome(.unknown, "no outcome by the deadline")
      }
      return finishCommitted()
    case (.prepare, _), (.beat, _), (.accept, _), (.recover, _), (.decide, _), (.follow, _):
      return []
    }
  }

  private mutating func update(_ name: String, _ change: (inout Member) -> Void) {
    guard let index = names.firstIndex(of: name) else { return }
    change(&members[index])
  }
}
