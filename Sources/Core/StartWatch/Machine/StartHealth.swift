// SPDX-License-Identifier: Apache-2.0
internal import Model

extension StartMachine {
  // MARK: - Health

  /// Asks for its health, unless an answer is awaited.
  mutating func askHealth(at now: Instant, _ effects: inout [StartEffect]) {
    guard isActive, healthAsked == nil else { return }
    healthAsked = now
    effects.append(.askHealth)
  }

  mutating func take(_ answers: HealthAnswers, at now: Instant, _ effects: inout [StartEffect]) {
    let asked = healthAsked ?? now
    healthAsked = nil
    // A server that sees too few drives logs an error for each question about the cluster.
    let isSlow = settling != .no || answers.isBusy || answers.cluster.map { !$0.isGood } == true
    let interval =
      isSlow ? Self.settlingHealthIntervalMilliseconds : Self.healthIntervalMilliseconds
    effects.append(.arm(.health, now.advanced(byMilliseconds: interval)))
    // A server that was ready, and is now only too busy to answer, is still ready.
    if answers.ready.isBusy, health?.ready.isGood == true { return }
    health = answers
    if case .unknown = environment { environment = .notAsked }
    if let doubted = pending?.doubtedSince,
      asked >= doubted.advanced(byMilliseconds: Self.healthIntervalMilliseconds), isActive,
      answers.ready.isGood
    {
      log.withdraw(fatal: pending?.failure.reason ?? "")
      pending = nil
    }
    switch answers.writes {
    case .taken(let asked):
      if writes.since == nil {
        writes.since = now
        effects.append(.takesWrites(since: now))
      }
      writes.asked += asked
    case .busy: break
    case .refused, .untold, nil: writes = WritesSeen()
    }
    keyRefusals = isActive && answers.ready.keyRefusal != nil ? keyRefusals + 1 : 0
    if keyRefusals >= Self.keyRefusals, saysReady {
      finish(.failed(pending?.failure ?? .keyRefused(answers.ready, phase: phase)), &effects)
    }
  }

  // MARK: - Writes

  /// The evidence that it takes writes, where all is good.
  var writesEvidence: StartEvidence.Writes {
    switch health?.writes {
    case .untold(let why): .byLog(why)
    case .busy(let why) where writes.since == nil: .byLog("it was too busy: \(why)")
    default: .taken(asked: writes.asked)
    }
  }

  /// What is missing, while all else is good, from a server that was always too busy to tell
  /// whether it takes writes.
  mutating func busy(at now: Instant) -> (RolloutPhase, String)? {
    guard case .busy(let why) = health?.writes, writes.since == nil else {
      onlyBusySince = nil
      return nil
    }
    let since = onlyBusySince ?? now
    onlyBusySince = since
    if startDeadlineHasPassed || now >= since.advanced(byMilliseconds: Self.busyMilliseconds) {
      return missedDrive(why, at: now).map { (.serving, $0) }
    }
    return (.serving, "it is too busy to tell whether it takes writes: \(why)")
  }

  /// What the log says against a server that does not tell whether it takes writes; nil for
  /// nothing.
  private func missedDrive(_ why: String, at now: Instant) -> String? {
    guard let last = log.missedDrive,
      now < last.advanced(byMilliseconds: Self.missedDriveMilliseconds)
    else { return nil }
    return "it does not tell whether it takes writes (\(why)); its log named a missing drive less "
      + "than \(Self.missedDriveMilliseconds / 1_000) s ago"
  }

  /// Why it does not count as a server that takes writes; nil if it does.
  func writesTrouble(_ answer: WriteAnswer?, at now: Instant) -> String? {
    switch answer {
    case nil: return phase == .serving ? detail : ""
    case .taken, .busy: return nil
    case .refused(let text): return "it takes no writes yet: \(text)"
    case .untold(let why): return missedDrive(why, at: now)
    }
  }
}
