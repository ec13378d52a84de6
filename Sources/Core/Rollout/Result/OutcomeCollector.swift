// SPDX-License-Identifier: Apache-2.0
package import Model

// Who sums a committed rollout up when its coordinator is gone: the lowest member that the others can
// reach. Every member whose own part has ended runs one of these; all but the lowest wait as soon as
// they hear that a lower one lives. Each asks the few just before it in the list, and further ones only
// while none of these answers: nobody is asked by all at once, and only the lowest asks everybody.
//
// A member whose own start has failed may know by that alone that the previous files come back. The lowest such member
// tells the others to wait for their starts no longer, as the coordinator would.
//
// Nothing is promised here. At worst two members work out the result, and come to the same: an outcome that was
// told stays what it is.

/// What comes to a collector.
package enum CollectorInput: Sendable, Hashable {
  /// This member's part has ended.
  case started
  /// A member that knows the rollout has answered how it ended there; nil if it has not yet.
  case answered(member: String, Outcome?)
  /// A member has answered that it need not watch its start to the end; whatever it does about it.
  case toldToBreakOff(member: String)
  /// The coordinator has shown that it is there: it works out the result.
  case heard
  /// The instant of the last ``CollectorEffect/wake(_:)`` has come.
  case woke
}

/// What a collector does, in the order given.
package enum CollectorEffect: Sendable, Hashable {
  /// Ask a member how the rollout ended there.
  case ask(member: String)
  /// Tell a member that it need not watch its start to the end, and why.
  case breakOff(member: String, reason: String)
  /// Send ``CollectorInput/woke`` at this instant; takes the place of the wake before.
  case wake(Instant)
  /// The end: one outcome for every member, sorted by name, `unknown` where none came in time.
  case collected([MemberOutcome])
}

/// How long a collector waits, milliseconds.
package struct CollectorTimes: Sendable, Hashable {
  /// Silence of the coordinator after the own end.
  package var silenceMilliseconds = 5_000
  /// From one round of questions to the next.
  package var againMilliseconds = 1_000
  /// From the own end until who has not answered counts as unknown, beyond the rollout's own stop
  /// and start deadlines.
  package var graceMilliseconds = 10_000

  /// The defaults.
  package init() {}
}

/// Collects the outcomes of one committed rollout, if this member is the one to do it.
package struct OutcomeCollector: Sendable, Hashable {
  private let member: String
  private let rollout: Rollout
  private let times: CollectorTimes
  private var outcomes: [Outcome?]
  private var deadline: Instant?
  /// Whom this round of questions has reached.
  private var hasAnswered: [Bool]
  /// Who knows that its start need not be watched to the end.
  private var isBrokenOff: [Bool]
  private var isAsking = false
  private var isOver = false
  private let rank: Int
  /// How many members before this one are asked.
  private var reach = lowerAtOnce
  /// None before this one answers: the others are asked for their outcomes.
  private var asksAll: Bool

  private static let lowerAtOnce = 8

  /// A collector of a member whose own part has ended so.
  package init(
    member: String, rollout: Rollout, own: Outcome, times: CollectorTimes = CollectorTimes()
  ) {
    self.member = member
    self.rollout = rollout
    self.times = times
    outcomes = rollout.members.map { $0 == member ? own : nil }
    hasAnswered = rollout.members.map { _ in false }
    isBrokenOff = hasAnswered
    rank = rollout.members.firstIndex(of: member) ?? 0
    asksAll = rank == 0
  }

  /// Takes one input; returns what to do, in order.
  package mutating func handle(_ input: CollectorInput, at now: Instant) -> [CollectorEffect] {
    if isOver { return [] }
    switch input {
    case .started:
      deadline = now.advanced(
        byMilliseconds: rollout.watchMilliseconds + times.graceMilliseconds)
      return [.wake(now.advanced(byMilliseconds: times.silenceMilliseconds))]
    case .heard:
      isAsking = false
      return [.wake(now.advanced(byMilliseconds: times.silenceMilliseconds))]
    case .answered(let name, let outcome):
      guard let index = rollout.members.firstIndex(of: name) else { return [] }
      hasAnswered[index] = true
      if let outcome { outcomes[index] = outcome }
      return []
    case .toldToBreakOff(let name):
      if let index = rollout.members.firstIndex(of: name) { isBrokenOff[index] = true }
      return []
    case .woke: return woke(now)
    }
  }

  private mutating func woke(_ now: Instant) -> [CollectorEffect] {
    let isLate = deadline.map { now >= $0 } ?? false
    if isAsking {
      if hasAnswered[..<rank].contains(true) {
        // It works out the result itself; it is asked again in case it dies.
        asksAll = false
        if isLate {
          isOver = true
          return []
        }
      } else if reach < rank {
        reach += Self.lowerAtOnce
      } else if !asksAll {
        asksAll = true
      } else if isLate || outcomes.allSatisfy({ $0 != nil }) {
        isOver = true
        return [.collected(result)]
      }
    }
    // In the first round nobody has been asked yet whether a lower one tells them.
    let told = isAsking || rank == 0 ? breakOff() : []
    isAsking = true
    for index in hasAnswered.indices { hasAnswered[index] = false }
    let lower = rollout.members[max(0, rank - reach)..<rank]
    let higher = asksAll ? rollout.members[rank...] : []
    return told + (lower + higher).filter { $0 != member }.map { .ask(member: $0) }
      + [.wake(now.advanced(byMilliseconds: times.againMilliseconds))]
  }

  /// Who is to be told that the previous files come back whatever its start comes to. Nobody where that is not certain,
  /// or a lower member that is there has failed too: it tells them.
  private func breakOff() -> [CollectorEffect] {
    guard let own = outcomes[rank], Self.isCause(own),
      !(0..<rank).contains(where: { hasAnswered[$0] && outcomes[$0].map(Self.isCause) ?? false }),
      let cause = (rollout.rollback ?? .never).certainCause(
        rollout,
        zip(rollout.members, outcomes).compactMap { name, outcome in
          outcome.map { MemberOutcome(member: name, outcome: $0) }
        })
    else { return [] }
    return rollout.members.indices.filter { outcomes[$0] == nil && !isBrokenOff[$0] }
      .map { .breakOff(member: rollout.members[$0], reason: cause) }
  }

  private static func isCause(_ outcome: Outcome) -> Bool {
    [.failed, .timedOut].contains(outcome.kind) && !outcome.isBrokenOff
  }

  private var result: [MemberOutcome] {
    zip(rollout.members, outcomes).map {
      MemberOutcome(member: $0, outcome: $1 ?? Outcome(.unknown, "it could not be asked"))
    }
  }
}
