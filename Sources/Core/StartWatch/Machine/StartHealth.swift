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

  mutating func take(
    _ answers: HealthAnswers, at now: Instant, _ effects: inout [StartEffect]
  ) {
    let asked = healthAsked ?? now
    healthAsked = nil
    // The question for the cluster's health makes a server log errors that sees too few drives.
    let isSlow =
      settling != .no || answers.isBusy || answers.cluster.map { !$0.isGood } == true
    let interval =
      isSlow ? Self.settlingHealthIntervalMilliseconds : Self.healthIntervalMilliseconds
    effects.append(.arm(.health, now.advanced(byMilliseconds: interval)))
    // A server that has said that it is ready, and then only that it is busy, is ready still.
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

  /// What it is known from that it takes writes, where all is good.
  var writesEvidence: StartEvidence.Writes {
    switch health?.writes {
    case .untold(let why): .byLog(why)
    case .busy(let why) where writes.since == nil: .byLog("it was too busy: \(why)")
    default: .taken(asked: writes.asked)
    }
  }

  /// All else is good: what stands against it while the server was always too busy to tell whether it
  /// takes writes.
  mutating func busy(at now: Instant) -> (WatchPhase, String)? {
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

  /// What its log has against a server that does not tell whether it takes writes.
  private func missedDrive(_ why: String, at now: Instant) -> String? {
    guard let last = log.missedDrive,
      now < last.advanced(byMilliseconds: Self.missedDriveMilliseconds)
    else { return nil }
    return
      "whether it takes writes it does not tell (\(why)); a drive was missing in its log less than \(Self.missedDriveMilliseconds / 1_000) s ago"
  }

  /// What stands against calling it a server that takes writes.
  func writesTrouble(_ answer: WriteAnswer?, at now: Instant) -> String? {
    switch answer {
    case nil: return phase == .serving ? detail : ""
    case .taken, .busy: return nil
    case .refused(let text): return "it takes no writes yet: \(text)"
    case .untold(let why): return missedDrive(why, at: now)
    }
  }
}
