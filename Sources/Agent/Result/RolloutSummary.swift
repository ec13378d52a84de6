// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// That a rollout's outcomes are to be collected, durable, so that it goes on after the agent's
/// restart; not after the deadline: by then a person has taken over.
struct CollectingRecord: Sendable, Codable, Hashable {
  var rollout: String
  /// Microseconds since 1970-01-01 UTC.
  @Bounded<Bounds.WallMicroseconds> var until: Int64
}

/// Finds the result of a committed rollout when this member's part has ended: the shell around OutcomeCollector. As a
/// rule the coordinator reports the result; when it is gone the lowest member that the others reach works it out.
final class RolloutSummary: Sendable {
  private static let askMilliseconds = 1_000
  /// Beyond the rollout's own deadlines.
  private static let graceMilliseconds = 120_000
  private static let attempts = 3
  private static let pauseMilliseconds = 2_000

  private let site: Site
  private let times: CollectorTimes
  private let rollouts: any RolloutState
  private let results: RolloutResults
  private let proposals: ProposalKeeper
  private let coordination: OwnCoordination
  /// One look at its record, with what follows from that, at a time: an earlier rollout's collector ends while the next
  /// rollout's record is written.
  private let writing = Lock(Turn())

  init(
    _ site: Site, times: CollectorTimes, rollouts: any RolloutState, results: RolloutResults,
    proposals: ProposalKeeper, coordination: OwnCoordination
  ) {
    self.site = site
    self.times = times
    self.rollouts = rollouts
    self.results = results
    self.proposals = proposals
    self.coordination = coordination
  }

  /// A committed rollout is about to end here. Durable before the end itself is: otherwise a crash
  /// between the two would leave it to nobody, and the others to this member.
  func prepare(_ rollout: Rollout) throws(Refusal) {
    let wait = Int64(rollout.watchMilliseconds + Self.graceMilliseconds) * 1_000
    let collecting = CollectingRecord(
      rollout: rollout.id, until: Clock.realtimeMicroseconds() + wait)
    try writing.withLock { _ throws(Refusal) in try site.records.collecting.save(collecting) }
  }

  /// There is nothing more to be collected of a rollout.
  private func forget(_ id: String) throws(Refusal) {
    try writing.withLock { _ throws(Refusal) in
      if try site.records.collecting.load()?.rollout == id { try site.records.collecting.remove() }
    }
  }

  /// A committed rollout has ended here: what follows. Does not block but on the disk.
  func follow(_ finished: FinishedRollout) {
    note(finished)
    // How a change of members ends is the same everywhere.
    if finished.rollout.change == nil { collect(finished) }
  }

  /// Who watches can know it.
  private func note(_ finished: FinishedRollout) {
    let rollout = finished.rollout
    if let undone = rollout.undoes {
      results.note(
        RolloutResult(
          rollout: undone, kind: .rollingBack, rollback: rollout.id, by: rollout.createdBy))
    }
    results.note(rollout.id, finished.outcome)
  }

  /// Whether the result of a rollout is still being worked out, as far as this member alone can know.
  func isOpen(_ id: String) -> Bool {
    switch results.kept(id)?.rolloutResult?.kind {
    case .confirmed, .held: false
    case .rollingBack: true
    case nil: results.isOpen(id)
    }
  }

  /// Whether this member is at it to find its result.
  func isCollecting(_ id: String) -> Bool { results.isOpen(id) }

  /// The start of an ended rollout was confirmed after all: who asks how it ended here is told so.
  func amended(_ id: String, _ outcome: Outcome) { results.note(id, outcome) }

  /// Goes on with it after the agent's restart, which may have come before anything of it was begun.
  func resume() {
    do throws(Refusal) {
      guard let record = try site.records.collecting.load() else { return }
      let participant = rollouts.now.record
      // Its end was not durable yet, and comes again.
      if participant.active?.rollout.id == record.rollout { return }
      let known = results.kept(record.rollout)
      guard let last = participant.lastCommitted, last.rollout.id == record.rollout,
        Clock.realtimeMicroseconds() < record.until
      else { return try forget(record.rollout) }
      if known?.outcome == nil { note(last) }
      if known?.rolloutResult == nil {
        collect(last)
      } else {
        try forget(record.rollout)
      }
    } catch { site.log(.warning, error.message) }
  }

  private func collect(_ finished: FinishedRollout) {
    // More than all members say between two rounds; what is lost is asked for again.
    let inputs = Mailbox<CollectorInput>(capacity: 1 << 14)
    results.open(
      .init(
        rollout: finished.rollout.id, createdBy: finished.rollout.createdBy, inputs: inputs))
    site.carryOn("collect", isLong: true) { self.collect(finished, inputs) }
  }

  /// Blocks until the result is known: somebody has reported it, or this member has worked it out. On a thread of its own.
  private func collect(_ finished: FinishedRollout, _ inputs: Mailbox<CollectorInput>) {
    let rollout = finished.rollout
    var machine = OutcomeCollector(
      member: site.node, rollout: rollout, own: finished.outcome, times: times)
    var wake: Instant?
    var input = CollectorInput.started
    while true {
      let effects = machine.handle(input, at: Clock.now())
      // It has nothing more to do.
      if input == .woke, effects.isEmpty { break }
      for effect in effects {
        switch effect {
        case .wake(let instant): wake = instant
        case .ask(let member): askOutcome(of: rollout.id, member, inputs)
        case .breakOff(let member, let reason): breakOff(rollout.id, member, reason, inputs)
        case .collected(let outcomes): workOut(rollout, outcomes)
        }
      }
      if inputs.isClosed { break }
      if let next = inputs.take(until: wake) {
        input = next
      } else if inputs.isClosed {
        break
      } else {
        input = .woke
      }
    }
    end(rollout.id)
  }

  private func askOutcome(of id: String, _ member: String, _ inputs: Mailbox<CollectorInput>) {
    site.peers.ask(
      AgentRequest<RolloutView>.follow(id: id, after: .max, waitMilliseconds: 0), of: member,
      .later, deadline: .inMilliseconds(Self.askMilliseconds),
      isWanted: { !inputs.isClosed }
    ) { [self] answer in
      switch answer {
      case .success(let view):
        // It was asked about this one: what it says of others nobody has asked.
        if let rolloutResult = view.rolloutResult, rolloutResult.rollout == id {
          take(rolloutResult)
        }
        inputs.post(.answered(member: member, view.outcome))
      // Who is there and knows nothing of it, because its host was replaced, works no result out.
      case .failure: break
      }
    }
  }

  private func breakOff(
    _ id: String, _ member: String, _ reason: String, _ inputs: Mailbox<CollectorInput>
  ) {
    site.peers.ask(
      .breakOff(id: id, BreakOff(reason: reason)), of: member, .now,
      deadline: .inMilliseconds(Self.askMilliseconds), isWanted: { !inputs.isClosed }
    ) { answer in
      // An older agent refuses, and watches its start to the end: to ask it again changes nothing.
      if case .failure(.unreachable) = answer { return }
      inputs.post(.toldToBreakOff(member: member))
    }
  }

  private func end(_ id: String) {
    guard results.isOpen(id) else { return }
    site.attempt(.warning) { () throws(Refusal) in
      // What is forgotten by a restart is collected again.
      try results.write()
      try forget(id)
    }
    results.close(id)
  }

  /// Does what follows from the outcomes, in the coordinator's place. Blocks as long as a rollback
  /// takes.
  private func workOut(_ rollout: Rollout, _ outcomes: [MemberOutcome]) {
    let end = Instant.inMilliseconds(rollout.watchMilliseconds + Self.graceMilliseconds)
    let pause = {
      let milliseconds =
        Self.pauseMilliseconds + RandomNumbers.integer(in: 0...Self.pauseMilliseconds)
      Clock.sleep(until: .inMilliseconds(milliseconds))
    }
    let reason = repeatedly(pause: pause) { () throws(Refusal) in
      // Another one may be under way, and come to nothing.
      rollouts.waitForEnd(until: end)
      let record = rollouts.now.record
      // Somebody went on with another one.
      guard record.active == nil, record.lastCommitted?.rollout.id == rollout.id else { return nil }
      // The members may have changed meanwhile.
      let aftermath = coordination.undertaking.conclude(
        rollout, outcomes, Interruption(), coordination.observer)
      coordination.log(aftermath, of: rollout)
      guard case .elsewhere(let reason) = aftermath else { return nil }
      return reason
    }
    if let reason { coordination.undertaking.hold(rollout, reason) }
  }

  /// Does it again after a pause while it comes to nothing, a few times. Blocks.
  ///
  /// - Returns: what the last attempt came to nothing for; nil if one did not.
  func repeatedly(
    pause: () -> Void, _ attempt: () throws(Refusal) -> String?
  ) -> String? {
    var reason: String?
    for number in 1...Self.attempts {
      if number > 1 { pause() }
      do throws(Refusal) { reason = try attempt() } catch {
        site.log(.error, "\(site.node): \(error.message)")
        reason = error.message
      }
      if reason == nil { return nil }
    }
    return reason
  }

  // MARK: what others say

  /// Whoever created the rollout shows that it is there: it works the result out.
  func heard(of id: String, _ principal: Principal) {
    results.inputs(id, createdBy: principal.author)?.post(.heard)
  }

  /// POST /v1/rollouts/ID/result.
  func answer(
    _ rolloutResult: RolloutResult, of id: String, by principal: Principal
  ) throws(Refusal) -> RolloutResult {
    guard rolloutResult.rollout == id, let finished = rollouts.now.finished(id) else {
      throw Refusal(.validation, "\(site.node) was not in rollout \(id.prefix(16)) last")
    }
    let author = principal.author
    guard rolloutResult.by == author,
      finished.rollout.mayReportResult(by: principal)
    else {
      throw Refusal(
        .notPermitted,
        "the result of rollout \(id) is reported by \(finished.rollout.createdBy), who created it, or by one of its members, each in its own name; the certificate is \(author)'s"
      )
    }
    if let why = take(rolloutResult) {
      throw Refusal(
        .validation,
        "\(site.node) does not take rollout \(id) for \(rolloutResult.kind.rawValue): \(why)")
    }
    return rolloutResult
  }

  /// Somebody has reported the result of a rollout.
  ///
  /// - Returns: why it is not taken; nil if it is.
  @discardableResult
  private func take(_ result: RolloutResult) -> String? {
    let own = rollouts.now.finished(result.rollout)?.outcome
    if let why = results.take(result, own: own) { return why }
    proposals.ended(result)
    results.inputs(result.rollout)?.close()
    return nil
  }
}
