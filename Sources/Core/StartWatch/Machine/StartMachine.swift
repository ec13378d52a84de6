// SPDX-License-Identifier: Apache-2.0
package import Model
package import ServerUnit

/// Watches one restart of the server on one node, and says how it ended.
///
/// Confirmed means all of: a new invocation; the unit active, which is READY=1 for Type=notify; the
/// main process started with the environment that was voted on; the banner or the sub-systems line
/// of that invocation in the journal or in the files of `--log-dir`, if it can be read there; no
/// line of a server that serves broken; `/minio/health/ready` 200 and no `x-minio-server-status`; a
/// write taken; `/minio/health/cluster` 200; and all of it unchanged, with no further start of the
/// unit, for the settle time. None of them is enough alone (docs/facts.md, "Lines of a start",
/// "Health endpoints", "Reported incidents"). A server that does not tell its root user whether it
/// takes writes is judged by its log: it looks for missing drives again every 15 s. So is a server
/// that is too busy to tell while all else is good, for so long that a hanging drive would show in
/// its health.
///
/// Failed at once on a fatal line, on a line of a server that serves broken, on another
/// environment, when the Key Manager refuses the key, and when the new process ends or the unit
/// fails; otherwise when a deadline passes. A fatal line of an active server is held until the
/// process has ended, and taken back if the server answers that it is ready. Messages of systemd
/// and of the server come in any order: after the unit's the machine waits 200 ms for the server's
/// own line, which says why. Lines of the previous invocation decide nothing; a line without an
/// invocation waits until the unit says that its process is the new server.
///
/// Unknown when all that can be seen is good, but lines of the log may be missing.
///
/// A look (``StartInput/look(_:_:)``) is of a server that runs already, and that nobody restarts: the invocation is the
/// present one, and its start's lines, which may be long gone, need not be there.
///
/// States: idle until the restart is issued; then the phases of ``RolloutPhase``, derived from what
/// is known after each input; over once there is an outcome, after which inputs are ignored.
///
/// Give it redacted lines: a fatal line is kept word for word.
package struct StartMachine: Sendable {
  /// Warnings that are kept for the outcome.
  package static let warningLimit = 20
  /// Between a health answer and the next question.
  package static let healthIntervalMilliseconds = 250
  /// Longer while the start settles: each question makes a round trip to the Key Manager.
  package static let settlingHealthIntervalMilliseconds = 1_000
  /// How long the rest of a fatal message may take.
  package static let continuationMilliseconds = 50
  /// How long after systemd's message the server's own line may come.
  package static let lateLinesMilliseconds = 200
  /// How long an active server may take to end after a fatal line.
  package static let endMilliseconds = 2_000
  /// How old the last line about a missing drive must be where the server does not tell whether it
  /// takes writes: it looks for such a drive again every 15 s.
  package static let missedDriveMilliseconds = 17_000
  /// How long a server that has taken no write yet may be too busy to tell while all else is good,
  /// before its log decides: the server itself calls a hanging drive offline after 30 s (`drive`
  /// `max_timeout`). The start deadline ends that wait too: a rollback would meet the same load.
  package static let busyMilliseconds = 45_000
  /// How many refusals of the key in a row are the verdict.
  static let keyRefusals = 3
  /// Lines of a fatal message that are kept.
  static let reasonLineLimit = 40

  package internal(set) var phase = RolloutPhase.stopping
  /// What it waits for; empty if nothing is known.
  package internal(set) var detail = ""
  /// Nil until it has ended.
  package internal(set) var outcome: StartOutcome?

  let arguments: ServerArguments
  /// Whether a server is looked at that runs already.
  var isLook = false
  var deadlines: StartDeadlines?
  var identity = StartIdentity()
  var unit: UnitState?
  var oldProcessGone = false
  var hasBeenReady = false
  var log: StartLog
  var filesTrouble: String?
  var health: HealthAnswers?
  /// When the unanswered question was asked; nil if there is none.
  var healthAsked: Instant?
  var keyRefusals = 0
  var writes = WritesSeen()
  /// Since when all is good except that it is too busy to tell whether it takes writes.
  var onlyBusySince: Instant?
  var environment = Environment.notAsked
  var settling = Settling.no
  var startDeadlineHasPassed = false
  var pending: PendingFailure?

  /// A failure that waits for the lines that belong to it.
  struct PendingFailure {
    var failure: StartFailure
    /// Whether it is the server's own line, which nothing replaces.
    var isServersWord: Bool
    var lineCount = 1
    /// When the fatal line of a server that was active was heard; nil for anything else.
    var doubtedSince: Instant?
  }

  struct WritesSeen {
    /// Since when it takes writes, without a refusal.
    var since: Instant?
    /// How often it was asked since then.
    var asked = 0
  }

  /// What the main process was started with.
  enum Environment: Equatable {
    case notAsked
    case asked
    /// Ask again.
    case unknown(String)
    case same(pid: Int32, KeyEvidence)
  }

  enum Settling: Equatable {
    case no
    /// All is good, and must stay so until then.
    case until(Instant)
    /// All stayed good; the unit is asked one last time.
    case unitIsAsked
    /// The unit has answered.
    case over
  }

  /// - Parameter peers: how many other servers the deployment has; nil if that is not known.
  package init(arguments: ServerArguments, peers: Int? = nil) {
    self.arguments = arguments
    log = StartLog(peers: peers)
  }

  /// Takes one input and says what is to be done. `now` never goes back.
  package mutating func handle(_ input: StartInput, at now: Instant) -> [StartEffect] {
    guard outcome == nil else { return [] }
    guard deadlines != nil else {
      return begin(input, at: now)
    }
    var effects: [StartEffect] = []
    switch input {
    case .restartIssued, .look: return []
    case .unit(let state):
      take(state, at: now, &effects)
      takeKept(at: now, &effects)
    case .entry(let entry):
      switch identity.belonging(entry, unit) {
      case .own: take(entry, at: now, &effects)
      case .first:
        hasBegun()
        take(entry, at: now, &effects)
      case .other: break
      }
    case .fileLine(let entry):
      filesTrouble = nil
      identity.keep(fileLine: entry)
      takeKept(at: now, &effects)
    case .filesUnreadable(let trouble): filesTrouble = trouble
    case .health(let answers): take(answers, at: now, &effects)
    case .environment(let pid, let answer): take(answer, of: pid, &effects)
    case .fired(let timer): fired(timer, at: now, &effects)
    case .brokenOff(let why):
      finish(.failed(pending?.failure ?? .brokenOff(why, phase: phase)), &effects)
    }
    if outcome == nil { advance(at: now, &effects) }
    return effects
  }

  private mutating func fired(
    _ timer: StartTimer, at now: Instant, _ effects: inout [StartEffect]
  ) {
    switch timer {
    case .stopDeadline: stopDeadlinePassed(&effects)
    case .startDeadline:
      startDeadlineHasPassed = true
      if settling == .no, onlyBusySince == nil { finishLate(&effects) }
    case .lateLines: if let pending { finish(.failed(pending.failure), &effects) }
    case .health: askHealth(at: now, &effects)
    case .settled:
      // The timer of an interrupted settle time fires too early for the present one.
      if case .until(let end) = settling, now >= end {
        settling = .unitIsAsked
        effects.append(.askUnit)
      }
    }
  }

  // MARK: - The unit

  private mutating func take(_ state: UnitState, at now: Instant, _ effects: inout [StartEffect]) {
    guard identity.isNew(state) else {
      if identity.invocation == nil {
        unit = state
        let isUp = ["active", "reloading", "deactivating"].contains(state.activeState)
        oldProcessGone = oldProcessGone || !isUp
      }
      return
    }
    if let invocation = identity.invocation, invocation != state.invocationID {
      fail(.restarted(unit: state, phase: phase), at: now, &effects)
      return
    }
    if identity.begin(state.invocationID) { hasBegun() }
    let wasActive = isActive
    let hasRestarted =
      (unit?.invocationID == state.invocationID) && state.nRestarts > (unit?.nRestarts ?? 0)
    unit = state
    if hasRestarted || state.subState.hasPrefix("auto-restart") || isAnotherProcess(state) {
      fail(.restarted(unit: state, phase: phase), at: now, &effects)
    } else if state.activeState == "failed" || state.activeState == "inactive" {
      fail(.ended(unit: state, phase: phase), at: now, &effects)
    } else if isActive, !wasActive {
      if saysReady { hasBeenReady = true }
      askHealth(at: now, &effects)
    }
    if settling == .unitIsAsked { settling = .over }
  }

  /// The unit's main process is not the one whose environment was compared.
  private func isAnotherProcess(_ state: UnitState) -> Bool {
    guard case .same(let pid, _) = environment else { return false }
    return state.mainPID != 0 && state.mainPID != pid
  }

  /// The new process is known; earlier messages about the unit no longer count.
  private mutating func hasBegun() {
    oldProcessGone = true
    pending = nil
  }

  var isActive: Bool {
    identity.invocation != nil && unit?.invocationID == identity.invocation
      && unit?.activeState == "active"
  }

  /// Whether active means that the server has said READY=1. Type=simple is active at once.
  var saysReady: Bool { unit?.type.hasPrefix("notify") == true }

  private mutating func take(
    _ answer: EnvironmentAnswer, of pid: Int32, _ effects: inout [StartEffect]
  ) {
    guard environment == .asked else { return }
    guard pid == unit?.mainPID else {
      environment = .unknown("there is another main process now")
      return
    }
    switch answer {
    case .same(let key): environment = .same(pid: pid, key)
    case .unknown(let why): environment = .unknown(why)
    case .differs(let names):
      finish(.failed(.otherEnvironment(pid: pid, names, phase: phase)), &effects)
    case .otherKey(let what): finish(.failed(.otherKey(pid: pid, what, phase: phase)), &effects)
    }
  }

  // MARK: - The log

  private mutating func take(
    _ entry: JournalEntry, at now: Instant, _ effects: inout [StartEffect]
  ) {
    let line = log.take(entry, at: now)
    if line.kind != .continuation, line.source == .server, let pending, pending.isServersWord,
      pending.doubtedSince == nil
    {
      finish(.failed(pending.failure), &effects)
      return
    }
    switch line.kind {
    case .brokenButServing, .fatal:
      let failure = StartFailure(line, phase: phase)
      fail(failure, isServersWord: line.source == .server, at: now, &effects)
    case .continuation:
      if pending?.isServersWord == true, (pending?.lineCount ?? 0) < Self.reasonLineLimit,
        !line.statement.isEmpty
      {
        pending?.failure.reason += " " + entry.message.drop { $0 == " " }
        pending?.lineCount += 1
      }
    case .progress, .success, .error, .warning, .driveLost, .linesLost, .ordinary: break
    }
  }

  private mutating func takeKept(at now: Instant, _ effects: inout [StartEffect]) {
    let (entries, fileLines) = identity.claim(unit)
    for line in entries + fileLines where outcome == nil { take(line, at: now, &effects) }
  }

  // MARK: - The end

  /// Holds a failure until the lines that belong to it have come. The server's own line replaces
  /// systemd's, and the server's first one stays.
  private mutating func fail(
    _ failure: StartFailure, isServersWord: Bool = false, at now: Instant,
    _ effects: inout [StartEffect]
  ) {
    if let known = pending, known.isServersWord || !isServersWord {
      guard known.doubtedSince != nil, !isServersWord else { return }
      // The process has ended: the line was fatal.
      pending?.doubtedSince = nil
      effects.append(.arm(.lateLines, now.advanced(byMilliseconds: Self.continuationMilliseconds)))
      return
    }
    let isDoubted = isServersWord && failure.kind == .fatalLine && isActive
    pending = PendingFailure(
      failure: failure, isServersWord: isServersWord, doubtedSince: isDoubted ? now : nil)
    let wait =
      isDoubted
      ? Self.endMilliseconds
      : isServersWord ? Self.continuationMilliseconds : Self.lateLinesMilliseconds
    effects.append(.arm(.lateLines, now.advanced(byMilliseconds: wait)))
    if isDoubted {
      effects.append(.arm(.health, now.advanced(byMilliseconds: Self.healthIntervalMilliseconds)))
    }
  }

  mutating func finish(_ end: StartOutcome, _ effects: inout [StartEffect]) {
    var end = end
    switch end {
    case .confirmed: show(.confirmed, "", &effects)
    case .unknown(let failure): show(.unknown, failure.reason, &effects)
    case .failed(var failure):
      failure.passedKeyManager = isPastKeyManager ? true : failure.passedKeyManager
      end = .failed(failure)
      show(.failed, failure.reason, &effects)
    }
    outcome = end
    effects.append(.finished(end))
  }

  /// Whether the new server certainly got past the Key Manager.
  private var isPastKeyManager: Bool {
    hasBeenReady || log.isPastKeyManager || health?.isUp == true
  }

  private mutating func stopDeadlinePassed(_ effects: inout [StartEffect]) {
    guard !oldProcessGone else { return }
    finish(.failed(pending?.failure ?? .stopDeadline(unit: unit, phase: phase)), &effects)
  }

  mutating func finishLate(_ effects: inout [StartEffect]) {
    let failure = StartFailure.startDeadline(
      phase: phase, waitedFor: detail, warnings: log.warnings, remedy: log.peersRemedy)
    finish(.failed(pending?.failure ?? failure), &effects)
  }
}
