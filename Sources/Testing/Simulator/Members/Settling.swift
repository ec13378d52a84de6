// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Rollout

/// A rollout's outcome on a member, and its result; the last few are kept.
struct SimulatedResult: Hashable {
  var rollout: Int
  var outcome: OutcomeKind?
  var rolloutResult: RolloutResult?
}

/// The record of a rollout whose outcomes are to be collected.
struct SimulatedCollecting: Hashable {
  var rollout: Int
  /// True time: that of the wall clock, which the simulator leaves alone.
  var until: Int64
}

struct SimulatedCollector: Hashable {
  var rollout: Int
  var machine: OutcomeCollector
  /// Whether it has all outcomes, and works out the result.
  var isOver = false
  /// Bits: whose outcome is known. Only a bug uses it.
  var known = 0
}

/// Outcomes that a member has collected in the coordinator's place, while a later rollout's are
/// collected.
struct SimulatedSum: Hashable {
  var rollout: Int
  var outcomes: [MemberOutcome]
  var attempt = 1
  /// Until when another rollout's end is waited for.
  var end: Int64
}

// A committed rollout's result on a member, as in Sources/Agent/Result/RolloutSummary.swift.

extension World {
  private static let keptResults = 8
  private static let graceMilliseconds = 120_000
  private static let attempts = 3

  private func collecting(_ m: Int, _ finished: FinishedRollout) -> SimulatedCollecting? {
    rolloutIndex(finished.rollout.id).map {
      SimulatedCollecting(
        rollout: $0,
        until: now + Int64(finished.rollout.watchMilliseconds + Self.graceMilliseconds) * 1_000_000)
    }
  }

  mutating func keepCollecting(_ m: Int, _ finished: FinishedRollout) -> Bool {
    guard options.settles > 0, let record = collecting(m, finished) else { return true }
    if dies(m) || diskFails(m) { return false }
    members[m].disk.collecting = record
    return true
  }

  /// `follow`: a committed rollout has ended here.
  mutating func follow(_ m: Int, _ finished: FinishedRollout) {
    if bug == .collectingAfterTheEnd, !keepCollecting(m, finished), !members[m].isUp { return }
    noteEnd(m, finished)
    if bug == .proposalAfterTheEnd, members[m].isUp { _ = proposalEnded(m, finished) }
    if !members[m].isUp { return }
    if chance(options.cutAtEnd) {
      // Just long enough that it does not hear from the others when it asks first.
      let some = random.below(1 << members.count) & ~(1 << m)
      let milliseconds = random.pick(4_500...8_000)
      strike(.cut(from: 1 << m, to: some, milliseconds: milliseconds))
      strike(.cut(from: some, to: 1 << m, milliseconds: milliseconds))
    }
    startCollecting(m, finished)
  }

  private mutating func noteEnd(_ m: Int, _ finished: FinishedRollout) {
    guard let index = rolloutIndex(finished.rollout.id) else { return }
    let undone = histories[index].undoes
    if undone >= 0 {
      let rolloutResult = RolloutResult(
        rollout: histories[undone].rollout.id, kind: .rollingBack, rollback: finished.rollout.id,
        by: finished.rollout.createdBy)
      note(m, undone) { $0.rolloutResult = rolloutResult }
    }
    if !members[m].isUp { return }
    note(m, index) { $0.outcome = finished.outcome.kind }
  }

  /// Continues after the agent's restart.
  mutating func resumeCollecting(_ m: Int) {
    guard bug != .collectingForgotten, let record = members[m].disk.collecting else { return }
    let participant = members[m].participant.record
    let id = histories[record.rollout].rollout.id
    if participant.active?.rollout.id == id { return }
    let settled = members[m].settled.first { $0.rollout == record.rollout }
    if let last = participant.lastCommitted, last.rollout.id == id, now < record.until {
      if settled?.outcome == nil { noteEnd(m, last) }
      if !members[m].isUp { return }
      if settled?.rolloutResult == nil { return startCollecting(m, last) }
    }
    if dies(m) || diskFails(m) { return }
    members[m].disk.collecting = nil
  }

  private mutating func startCollecting(_ m: Int, _ finished: FinishedRollout) {
    guard let index = rolloutIndex(finished.rollout.id) else { return }
    let machine = OutcomeCollector(
      member: Self.names[m], rollout: finished.rollout, own: finished.outcome)
    members[m].collector = SimulatedCollector(rollout: index, machine: machine)
    collect(m, index, .started)
  }

  /// `collect`: takes one input through the machine.
  mutating func collect(_ m: Int, _ index: Int, _ input: CollectorInput) {
    // While it works out the result, the mailbox is not read.
    guard members[m].collector?.rollout == index, members[m].collector?.isOver == false else {
      return
    }
    let time = members[m].clock(now)
    let effects = members[m].collector?.machine.handle(input, at: time) ?? []
    if input == .woke, effects.isEmpty { return endCollecting(m, index) }
    for effect in effects {
      if dies(m) { return }
      switch effect {
      case .wake(let instant):
        members[m].collectSerial += 1
        schedule(
          .collect(member: m, serial: members[m].collectSerial, rollout: index),
          after: Int(max(0, members[m].time(instant) - now)))
      case .ask(let name):
        guard let to = Self.names.firstIndex(of: name) else { continue }
        call(Call(from: m, to: to, age: members[m].run, rollout: index, request: .outcome))
      case .collected(let outcomes):
        note("m\(m) has collected the outcomes of r\(index)")
        members[m].collector?.isOver = true
        let wait = histories[index].rollout.watchMilliseconds + Self.graceMilliseconds
        members[m].sums.append(
          SimulatedSum(rollout: index, outcomes: outcomes, end: now + Int64(wait) * 1_000_000))
        sumUp(m, index)
      }
    }
  }

  mutating func outcomeAnswered(_ m: Int, _ call: Call, _ answer: Answer) {
    guard members[m].collector?.rollout == call.rollout else { return }
    let name = Self.names[call.to]
    if bug == .undoneTwice, call.to < m {
      // The bug: a lower member is ignored, except for its outcome.
      guard case .view(_, .some, _) = answer, (members[m].collector?.known ?? 0) >> call.to & 1 == 0
      else { return }
      members[m].collector?.known |= 1 << call.to
    }
    switch answer {
    case .view(_, let outcome, let rolloutResult):
      if let rolloutResult { settle(m, rolloutResult) }
      collect(m, call.rollout, .answered(member: name, outcome))
    // A member whose host was replaced knows nothing of the rollout, and works nothing out.
    default: break
    }
  }

  mutating func endCollecting(_ m: Int, _ index: Int) {
    members[m].sums.removeAll { $0.rollout == index }
    guard members[m].collector?.rollout == index else { return }
    members[m].collector = nil
    // What a restart forgets is collected again.
    if members[m].disk.settled != members[m].settled {
      if dies(m) || diskFails(m) { return }
      members[m].disk.settled = members[m].settled
    }
    if dies(m) || diskFails(m) { return }
    if members[m].disk.collecting?.rollout == index { members[m].disk.collecting = nil }
  }

  /// `sumUp`: one attempt in the coordinator's place.
  mutating func sumUp(_ m: Int, _ index: Int) {
    guard let sum = members[m].sums.first(where: { $0.rollout == index }) else { return }
    let record = members[m].participant.record
    // Another rollout may be under way, and be aborted.
    if record.active != nil, now < sum.end, bug != .sumGivenUp {
      schedule(.sumUp(member: m, run: members[m].run, rollout: index), after: 500_000_000)
      return
    }
    // Another rollout has followed.
    let isLast = record.lastCommitted?.rollout.id == histories[index].rollout.id
    guard record.active == nil, isLast || bug == .undoneTwice else {
      return endCollecting(m, index)
    }
    sumUp(m, index, sum.outcomes)
  }

  /// Another member was at it: tries again, or gives up.
  mutating func sumUpAgain(_ m: Int, _ index: Int) {
    guard let position = members[m].sums.firstIndex(where: { $0.rollout == index }) else { return }
    if members[m].sums[position].attempt == Self.attempts { return hold(m, index) }
    members[m].sums[position].attempt += 1
    schedule(
      .sumUp(member: m, run: members[m].run, rollout: index), after: milliseconds(2_000...4_000))
  }

  // MARK: what others say

  /// The rollout's creator shows that it is alive.
  mutating func heardOfCoordinator(_ m: Int, _ call: Call) {
    guard call.rollout >= 0, members[m].collector?.rollout == call.rollout,
      histories[call.rollout].rollout.createdBy == principal(call.from)
    else { return }
    collect(m, call.rollout, .heard)
  }

  /// POST /v1/rollouts/ID/result. `node` reports it; nil is a stranger to the rollout.
  mutating func answerResult(_ m: Int, _ rolloutResult: RolloutResult, from node: Int?) -> Answer {
    guard let rollout = finished(m, rolloutResult.rollout)?.rollout else { return .failed }
    let author = node.map { principal($0) }
    let isMember = node.map { $0 < members.count } ?? false
    guard
      bug == .anybodyReports
        || (author == rolloutResult.by
          && (isMember || rollout.createdBy == author))
    else { return .failed }
    return settle(m, rolloutResult) ? .view(nil, nil, rolloutResult) : .failed
  }

  private func finished(_ m: Int, _ id: String) -> FinishedRollout? {
    let record = members[m].participant.record
    return [record.last, record.lastCommitted].lazy.compactMap(\.self).first { $0.rollout.id == id }
  }

  /// - Returns: whether the member takes it.
  @discardableResult
  private mutating func settle(_ m: Int, _ rolloutResult: RolloutResult) -> Bool {
    guard let index = rolloutIndex(rolloutResult.rollout) else { return false }
    let entry = members[m].settled.first { $0.rollout == index }
    let own = finished(m, rolloutResult.rollout)?.outcome ?? entry?.outcome.map { Outcome($0, "") }
    if bug != .anybodyReports, rolloutResult.refusal(after: entry?.rolloutResult, own: own) != nil {
      note("m\(m) does not take r\(index) for \(rolloutResult.kind.rawValue)")
      return false
    }
    if rolloutResult.kind == .confirmed, let own, own.kind != .confirmed {
      violate(9, "m\(m) takes r\(index) for confirmed, and its own start was not")
    }
    note(m, index) { $0.rolloutResult = rolloutResult }
    if members[m].isUp, members[m].collector?.rollout == index,
      members[m].collector?.isOver == false
    {
      endCollecting(m, index)
    }
    return true
  }

  private mutating func note(_ m: Int, _ index: Int, _ change: (inout SimulatedResult) -> Void) {
    let before = members[m].settled.first { $0.rollout == index }
    var entry = before ?? SimulatedResult(rollout: index)
    change(&entry)
    if entry == before { return }
    members[m].settled.removeAll { $0.rollout == index }
    members[m].settled = (members[m].settled + [entry]).suffix(Self.keptResults)
    if dies(m) || diskFails(m) { return }
    members[m].disk.settled = members[m].settled
    note("m\(m) keeps that r\(index) is \(entry.rolloutResult?.kind.rawValue ?? "not settled")")
  }

  func rolloutResult(_ m: Int, _ index: Int) -> RolloutResult? {
    members[m].settled.first { $0.rollout == index }?.rolloutResult
  }

  /// GET /v1/rollouts/ID of another member, without a wait.
  func outcomeView(_ m: Int, _ index: Int) -> Answer {
    let id = histories[index].rollout.id
    let record = members[m].participant.record
    let settled = members[m].settled.first { $0.rollout == index }
    if record.active?.rollout.id == id { return .view(nil, nil, settled?.rolloutResult) }
    let finished = [record.last, record.lastCommitted].lazy.compactMap(\.self)
      .first { $0.rollout.id == id }
    if let outcome = finished?.outcome ?? settled?.outcome.map({ Outcome($0, "") }) {
      return .view(finished?.report, outcome, settled?.rolloutResult)
    }
    return .failed
  }
}
