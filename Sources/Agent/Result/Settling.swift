// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

// What becomes of a committed rollout when this member's part has ended: the shell around
// OutcomeCollector. As a rule the coordinator sums it up and says so; when it is gone the lowest
// member that the others reach does.

/// How a rollout ended here, and what became of it; the last few are kept for who watches.
struct KeptResult: Sendable, Codable, Hashable {
  var rollout: String
  var outcome: Outcome?
  /// Nil until somebody has said so.
  var rolloutResult: RolloutResult?
}

/// That a rollout's outcomes are to be collected, durable, so that it goes on after the agent's
/// restart; not after the deadline: by then a person has taken over.
struct CollectingRecord: Sendable, Codable, Hashable {
  var rollout: String
  /// Microseconds since 1970-01-01 UTC.
  @Bounded<Bounds.WallMicroseconds> var until: Int64
}

extension Agent {
  private static let askMilliseconds = 1_000
  /// Beyond the rollout's own deadlines.
  private static let graceMilliseconds = 120_000
  private static let attempts = 3
  private static let pauseMilliseconds = 2_000

  /// A committed rollout is about to end here. Durable before the end itself is: otherwise a crash
  /// between the two would leave it to nobody, and the others to this member.
  func keepCollecting(_ rollout: Rollout) throws(Refusal) {
    let wait = Int64(rollout.watchMilliseconds + Self.graceMilliseconds) * 1_000
    try records.save(
      CollectingRecord(rollout: rollout.id, until: Clock.realtimeMicroseconds() + wait))
  }

  /// A committed rollout has ended here: what follows. Does not block but on the disk.
  func follow(_ finished: FinishedRollout) {
    noteEnd(finished)
    startCollecting(finished)
  }

  /// Who watches can know it.
  private func noteEnd(_ finished: FinishedRollout) {
    let rollout = finished.rollout
    if let undone = rollout.undoes {
      let rolloutResult = RolloutResult(
        rollout: undone, kind: .rollingBack, rollback: rollout.id, by: rollout.createdBy)
      note(undone) { $0.rolloutResult = rolloutResult }
    }
    note(rollout.id) { $0.outcome = finished.outcome }
  }

  /// Goes on with it after the agent's restart, which may have come before anything of it was begun.
  func resumeCollecting() {
    do throws(Refusal) {
      guard let record = try records.loadCollecting() else { return }
      let participant = state.withLock { $0.participant.record }
      // Its end was not durable yet, and comes again.
      if participant.active?.rollout.id == record.rollout { return }
      let settled = settled(record.rollout)
      guard let last = participant.lastCommitted, last.rollout.id == record.rollout,
        Clock.realtimeMicroseconds() < record.until
      else { return try records.removeCollecting() }
      if settled?.outcome == nil { noteEnd(last) }
      if settled?.rolloutResult == nil {
        startCollecting(last)
      } else {
        try records.removeCollecting()
      }
    } catch { ports.log(.warning, error.message) }
  }

  private func startCollecting(_ finished: FinishedRollout) {
    let id = finished.rollout.id
    // More than all members say between two rounds; what is lost is asked for again.
    let inputs = Mailbox<CollectorInput>(capacity: 1 << 14)
    let earlier = state.update { state -> Mailbox<CollectorInput>? in
      defer { state.collecting = (id, finished.rollout.createdBy, inputs) }
      return state.collecting?.inputs
    }
    earlier?.close()
    site.carryOn("collect", isLong: true) { self.collect(finished, inputs) }
  }

  /// Blocks until somebody has summed the rollout up, or this member has. On a thread of its own.
  private func collect(_ finished: FinishedRollout, _ inputs: Mailbox<CollectorInput>) {
    let rollout = finished.rollout
    var machine = OutcomeCollector(
      member: node, rollout: rollout, own: finished.outcome, times: collectorTimes)
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
        case .collected(let outcomes): sumUp(rollout, outcomes)
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
    endCollecting(rollout.id)
  }

  private func askOutcome(of id: String, _ member: String, _ inputs: Mailbox<CollectorInput>) {
    peers.ask(
      AgentRequest<RolloutView>.follow(id: id, after: .max, waitMilliseconds: 0), of: member,
      .later, deadline: .inMilliseconds(Self.askMilliseconds),
      isWanted: { !inputs.isClosed }
    ) { [self] answer in
      switch answer {
      case .success(let view):
        // It was asked about this one: what it says of others nobody has asked.
        if let rolloutResult = view.rolloutResult, rolloutResult.rollout == id {
          settle(rolloutResult)
        }
        inputs.post(.answered(member: member, view.outcome))
      // Who is there and knows nothing of it, because its host was replaced, sums nothing up.
      case .failure: break
      }
    }
  }

  private func endCollecting(_ id: String) {
    guard state.withLock({ $0.collecting?.id }) == id else { return }
    do throws(Refusal) {
      // What is forgotten by a restart is collected again.
      if state.withLock({ $0.isResultUnwritten }) { try writeResults() }
      if try records.loadCollecting()?.rollout == id { try records.removeCollecting() }
    } catch { ports.log(.warning, error.message) }
    state.update { state in
      if state.collecting?.id == id { state.collecting = nil }
    }
  }

  /// Does what follows from the outcomes, in the coordinator's place. Blocks as long as a rollback
  /// takes.
  private func sumUp(_ rollout: Rollout, _ outcomes: [MemberOutcome]) {
    let undertaking = undertaking
    let end = Instant.inMilliseconds(rollout.watchMilliseconds + Self.graceMilliseconds)
    let pause = {
      let milliseconds = Self.pauseMilliseconds + Int.random(in: 0...Self.pauseMilliseconds)
      Clock.sleep(until: .inMilliseconds(milliseconds))
    }
    let reason = repeatedly(pause: pause) { () throws(Refusal) in
      // Another one may be under way, and come to nothing.
      _ = state.wait(until: end) { $0.participant.record.active == nil ? true : nil }
      let record = state.withLock { $0.participant.record }
      // Somebody went on with another one.
      guard record.active == nil, record.lastCommitted?.rollout.id == rollout.id else { return nil }
      let aftermath = undertaking.conclude(
        rollout, outcomes, Interruption(), LoggingObserver(node: node, log: ports.log))
      log(aftermath, of: rollout)
      guard case .elsewhere(let reason) = aftermath else { return nil }
      return reason
    }
    if let reason { undertaking.hold(rollout, reason) }
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
        ports.log(.error, "\(node): \(error.message)")
        reason = error.message
      }
      if reason == nil { return nil }
    }
    return reason
  }

  // MARK: what others say

  /// Whoever created the rollout shows that it is there: it sums it up.
  func heardOfCoordinator(_ id: String, _ principal: Principal) {
    let inputs = state.withLock { state in
      state.collecting.flatMap { $0.id == id && $0.createdBy == principal.author ? $0.inputs : nil }
    }
    inputs?.post(.heard)
  }

  /// POST /v1/rollouts/ID/result.
  func answerResult(
    _ rolloutResult: RolloutResult, of id: String, by principal: Principal
  ) throws(Refusal) -> RolloutResult {
    guard rolloutResult.rollout == id, let finished = finished(id) else {
      throw Refusal(.validation, "\(node) was not in rollout \(id.prefix(16)) last")
    }
    let author = principal.author
    guard rolloutResult.by == author,
      finished.rollout.mayReportResult(by: principal)
    else {
      throw Refusal(
        .notPermitted,
        "what became of rollout \(id) is told by \(finished.rollout.createdBy), who created it, or by one of its members, each in its own name; the certificate is \(author)'s"
      )
    }
    if let why = settle(rolloutResult) {
      throw Refusal(
        .validation,
        "\(node) does not take rollout \(id) for \(rolloutResult.kind.rawValue): \(why)")
    }
    return rolloutResult
  }

  private func finished(_ id: String) -> FinishedRollout? {
    let record = state.withLock { $0.participant.record }
    return [record.last, record.lastCommitted].lazy.compactMap(\.self).first { $0.rollout.id == id }
  }

  /// Somebody has summed a rollout up.
  ///
  /// - Returns: why that is not taken; nil if it is.
  @discardableResult
  private func settle(_ rolloutResult: RolloutResult) -> String? {
    // Looked at and taken at once: of two first words one is the second.
    let refusal = state.update { state -> String? in
      let entry = state.settled.first { $0.rollout == rolloutResult.rollout }
      let record = state.participant.record
      let finished = [record.last, record.lastCommitted].lazy.compactMap(\.self)
        .first { $0.rollout.id == rolloutResult.rollout }
      let own = finished?.outcome ?? entry?.outcome
      if let why = rolloutResult.refusal(after: entry?.rolloutResult, own: own) { return why }
      state.note(rolloutResult.rollout) { $0.rolloutResult = rolloutResult }
      return nil
    }
    if let why = refusal {
      ports.log(
        .warning,
        "rollout \(rolloutResult.rollout): \(rolloutResult.by) says that it is \(rolloutResult.kind.rawValue), which is not taken: \(why)"
      )
      return why
    }
    keepResults()
    proposalEnded(rolloutResult)
    let inputs = state.withLock { state in
      state.collecting.flatMap { $0.id == rolloutResult.rollout ? $0.inputs : nil }
    }
    inputs?.close()
    return nil
  }

  /// Keeps it for who watches.
  private func note(_ id: String, _ change: (inout KeptResult) -> Void) {
    state.update { $0.note(id, change) }
    keepResults()
  }

  /// Writes it down if anything has changed since that was done.
  private func keepResults() {
    guard state.withLock({ $0.isResultUnwritten }) else { return }
    do throws(Refusal) { try writeResults() } catch { ports.log(.warning, error.message) }
  }

  private func writeResults() throws(Refusal) {
    try settledTurn.withLock { _ throws(Refusal) in
      let settled = state.withLock { $0.settled }
      try records.save(settled)
      state.update { if $0.settled == settled { $0.isResultUnwritten = false } }
    }
  }

  /// How a rollout ended here and what became of it; nil if that was too long ago.
  func settled(_ id: String) -> KeptResult? {
    state.withLock { state in state.settled.first { $0.rollout == id } }
  }
}

extension MemberState.State {
  private static let keptResults = 8

  /// Changes what is known of how a rollout ended.
  fileprivate mutating func note(_ id: String, _ change: (inout KeptResult) -> Void) {
    let before = settled.first { $0.rollout == id }
    var entry = before ?? KeptResult(rollout: id, outcome: nil, rolloutResult: nil)
    change(&entry)
    if entry == before { return }
    settled.removeAll { $0.rollout == id }
    settled = (settled + [entry]).suffix(Self.keptResults)
    isResultUnwritten = true
  }
}
