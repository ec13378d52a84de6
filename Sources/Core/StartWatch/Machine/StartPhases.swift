// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import ServerUnit

extension StartMachine {
  // MARK: - The beginning

  /// The first input says what is to be watched; any other one is ignored.
  mutating func begin(_ input: StartInput, at now: Instant) -> [StartEffect] {
    switch input {
    case .restartIssued(let previous, let issued, let deadlines):
      identity = StartIdentity(previous: previous, issued: issued)
      self.deadlines = deadlines
      detail = "the restart was ordered"
      return [
        .arm(.stopDeadline, deadlines.stop), .arm(.startDeadline, deadlines.start),
        .phase(phase, detail: detail),
      ]
    case .look(let unit, let deadlines):
      (isLook, oldProcessGone, phase) = (true, true, .starting)
      self.deadlines = deadlines
      return [.arm(.startDeadline, deadlines.start)] + handle(.unit(unit), at: now)
    default: return []
    }
  }

  // MARK: - Phases

  mutating func show(_ newPhase: RolloutPhase, _ newDetail: String, _ effects: inout [StartEffect])
  {
    guard newPhase != phase || newDetail != detail else { return }
    phase = newPhase
    detail = newDetail
    effects.append(.phase(phase, detail: detail))
  }

  mutating func advance(at now: Instant, _ effects: inout [StartEffect]) {
    if let pending {
      (settling, onlyBusySince) = (.no, nil)
      if pending.isServersWord { show(.failed, pending.failure.reason, &effects) }
      return
    }
    let trouble = unfinished(at: now, &effects)
    if trouble != nil { onlyBusySince = nil }
    if let (phase, detail) = trouble ?? busy(at: now) {
      settling = .no
      show(phase, detail, &effects)
      if startDeadlineHasPassed { finishLate(&effects) }
      return
    }
    settle(at: now, &effects)
  }

  /// All is good: how long it has been so decides.
  private mutating func settle(at now: Instant, _ effects: inout [StartEffect]) {
    let milliseconds = deadlines?.settleMilliseconds ?? 0
    switch settling {
    case .no:
      let end = now.advanced(byMilliseconds: milliseconds)
      settling = .until(end)
      effects.append(.arm(.settled, end))
      if isLook, milliseconds == 0 { return }
      show(.settling, "healthy, and must stay so for \(milliseconds / 1_000) s", &effects)
    case .until, .unitIsAsked: break
    case .over:
      let loss = log.loss(since: unit?.execMainStartMonotonicMicroseconds ?? 0)
      if !isLook, let loss {
        finish(.unknown(.linesLost(loss)), &effects)
      } else {
        finish(.confirmed(evidence(milliseconds, loss)), &effects)
      }
    }
  }

  private func evidence(_ settleMilliseconds: Int, _ loss: String?) -> StartEvidence {
    let readFrom: StartEvidence.Log =
      if let directory = arguments.logDirectory {
        filesTrouble.map { .nowhere("--log-dir \(directory), which \($0)") } ?? .files(directory)
      } else {
        arguments.quiet ? .nowhere("--quiet") : .journal
      }
    return StartEvidence(
      invocationID: identity.invocation ?? "", saidReady: saysReady, key: keyEvidence,
      marks: log.marks, log: readFrom, writes: writesEvidence, lostDrives: log.lostDrives,
      warnings: log.warnings, settledMilliseconds: settleMilliseconds, isLook: isLook,
      lostLines: loss)
  }

  private var keyEvidence: KeyEvidence {
    if case .same(_, let key) = environment { key } else { .notSealed }
  }

  private var startIsLogged: Bool {
    !arguments.quiet && (arguments.logDirectory == nil || filesTrouble == nil)
  }

  /// Where the start is and what it waits for; nil if all of it is good. Asks for what is not
  /// known.
  private mutating func unfinished(
    at now: Instant, _ effects: inout [StartEffect]
  ) -> (RolloutPhase, String)? {
    guard identity.invocation != nil else {
      if isLook { return (.starting, "the server is not running") }
      guard !oldProcessGone else { return (.starting, "the old process has ended") }
      guard let unit, unit.mainPID > 0 else { return (.stopping, "the restart was ordered") }
      return (.stopping, "PID \(unit.mainPID) has not ended (\(unit.subState))")
    }
    let process = unit.map { $0.mainPID > 0 ? "new process, PID \($0.mainPID)" : "" } ?? ""
    let waiting = log.waiting ?? (.starting, process)
    guard isActive else {
      let isUp = log.marks.contains(.banner)
      return (
        waiting.phase, isUp ? "the server is up, systemd waits for its READY=1" : waiting.detail
      )
    }
    guard let health else { return saysReady ? (.ready, "") : waiting }
    if let trouble = health.ready.trouble(path: "/minio/health/ready") {
      return saysReady ? (.ready, trouble) : (log.waiting ?? (.starting, trouble))
    }
    if let trouble = writesTrouble(health.writes, at: now) { return (.serving, trouble) }
    guard let cluster = health.cluster else { return (.serving, phase == .serving ? detail : "") }
    if let trouble = cluster.trouble(path: "/minio/health/cluster") { return (.serving, trouble) }
    switch environment {
    case .notAsked:
      guard let pid = unit?.mainPID, pid > 0 else { return (.serving, "there is no main process") }
      environment = .asked
      effects.append(.askEnvironment(pid: pid))
      return (.serving, phase == .serving ? detail : "")
    case .asked: return (.serving, phase == .serving ? detail : "")
    case .unknown(let why): return (.serving, "its environment is not known: \(why)")
    case .same: break
    }
    if startIsLogged, !isLook, !log.marks.contains(.banner), !log.marks.contains(.subsystems) {
      return (.serving, "neither the banner nor the sub-systems line has come")
    }
    return nil
  }
}
