public import Model

/// What one node's start is told.
public enum StartInput: Sendable, Hashable {
  /// systemd has taken the order to restart. `previousInvocation` is the unit's InvocationID just
  /// before the order, empty if it had none.
  case restartIssued(previousInvocation: String, deadlines: StartDeadlines)
  /// The unit, on every change of it.
  case unit(UnitState)
  /// A line of the unit's journal from the cursor before the restart on, redacted.
  case entry(JournalEntry)
  /// The answers to one ``StartEffect/askHealth``.
  case health(HealthAnswers)
  /// A timer that was armed has fired.
  case fired(StartTimer)
}

/// What the machine wants done, in this order.
public enum StartEffect: Sendable, Hashable {
  /// Give back ``StartInput/fired(_:)`` at that instant. A timer that is armed again is moved.
  case arm(StartTimer, Instant)
  /// Ask both health endpoints once, with a deadline of the shell's own, and give back
  /// ``StartInput/health(_:)`` exactly once.
  case askHealth
  /// The start is now in that phase; `detail` says what it waits for, empty if nothing is known.
  case phase(WatchPhase, detail: String)
  /// It is over. Nothing comes after this.
  case finished(StartOutcome)
}

/// The timers of ``StartMachine``.
public enum StartTimer: String, Sendable, Codable, Hashable, CaseIterable {
  /// The old process must have ended.
  case stopDeadline
  /// The new one must be confirmed.
  case startDeadline
  /// Ask for health again.
  case health
  /// The lines that belong to a failure have come by now.
  case lateLines
}

/// Until when a restart must have got where.
public struct StartDeadlines: Sendable, Hashable, Codable {
  /// The old process has ended.
  public var stop: Instant
  /// The new one is confirmed.
  public var start: Instant

  /// Two instants; see the properties.
  public init(stop: Instant, start: Instant) {
    self.stop = stop
    self.start = start
  }
}

/// Watches one restart of the server on one node, and says how it ended.
///
/// Confirmed means all of: an invocation that is not the previous one; the unit active, which is
/// READY=1 for Type=notify; the banner or the sub-systems line of that invocation in the journal,
/// unless the log goes elsewhere; `/minio/health/ready` 200 and no `x-minio-server-status`;
/// `/minio/health/cluster` 200. None of them is enough alone (facts D.4, D.6, G).
///
/// Failed at once on a fatal line, on a line of a server that serves broken, and when the new
/// process ends or the unit fails; otherwise when a deadline passes. systemd and the server are
/// heard over two ways, in any order: after word of the unit the machine gives the server's own
/// line 200 ms to come, since that one says why. Lines of the previous invocation decide nothing;
/// a line that bears no invocation waits until the unit says that its process is the new server.
///
/// States: idle until the restart is issued; then the phases of ``WatchPhase``, drawn anew from
/// what is known after each input; over once there is an outcome, and deaf from then on.
///
/// Give it redacted lines: what a fatal line says is kept word for word.
public struct StartMachine: Sendable {
  /// Warnings that are kept for the outcome.
  public static let warningLimit = 20
  /// From one answer about health to the next question, milliseconds.
  public static let healthIntervalMilliseconds = 250
  /// How long the rest of a fatal message may take, milliseconds.
  public static let continuationMilliseconds = 50
  /// How long the server's own line may come after systemd's word, milliseconds.
  public static let lateLinesMilliseconds = 200
  /// Lines of a fatal message that are kept.
  static let reasonLineLimit = 40
  /// Lines of nobody yet that are kept, the last ones: as a server ends it says why.
  static let unclaimedLimit = 64

  /// Where the start is.
  public private(set) var phase = WatchPhase.stopping
  /// What it waits for; empty if nothing is known.
  public private(set) var detail = ""
  /// How it ended, once it has.
  public private(set) var outcome: StartOutcome?

  private let arguments: ServerArguments
  private var classifier = LineClassifier()
  private var previousInvocation: String?
  private var invocation: String?
  private var unit: UnitState?
  private var oldProcessGone = false
  private var progress: (phase: WatchPhase, lines: [ProgressLine])?
  private var marks: [SuccessMark] = []
  private var warnings: [String] = []
  private var health: HealthAnswers?
  private var healthIsAsked = false
  private var pending: PendingFailure?
  /// Lines without an invocation, of processes that the unit has not called its main one.
  private var unclaimed: [JournalEntry] = []

  /// A failure that waits for the lines that belong to it.
  private struct PendingFailure {
    var failure: StartFailure
    /// Whether it is the server's own word, which nothing replaces.
    var isServersWord: Bool
    var lineCount = 1
  }

  private struct ProgressLine {
    var patternID: String
    var text: String
  }

  /// A watch of a server with this command line, variables put in.
  public init(serverArguments: [String]) {
    self.init(arguments: ServerArguments(arguments: serverArguments))
  }

  /// A watch of a server that runs with these arguments.
  public init(arguments: ServerArguments) { self.arguments = arguments }

  /// Takes one input and says what is to be done. `now` never goes back.
  public mutating func handle(_ input: StartInput, at now: Instant) -> [StartEffect] {
    guard outcome == nil else { return [] }
    guard previousInvocation != nil else {
      guard case .restartIssued(let previous, let deadlines) = input else { return [] }
      previousInvocation = previous
      return [
        .arm(.stopDeadline, deadlines.stop), .arm(.startDeadline, deadlines.start),
        .phase(phase, detail: detail),
      ]
    }
    var effects: [StartEffect] = []
    switch input {
    case .restartIssued: return []
    case .unit(let state):
      take(state, at: now, &effects)
      takeUnclaimed(at: now, &effects)
    case .entry(let entry): take(entry, at: now, &effects)
    case .health(let answers):
      healthIsAsked = false
      health = answers
      effects.append(.arm(.health, now.advanced(byMilliseconds: Self.healthIntervalMilliseconds)))
    case .fired(.stopDeadline): stopDeadlinePassed(&effects)
    case .fired(.startDeadline): startDeadlinePassed(&effects)
    case .fired(.lateLines):
      if let pending { finish(.failed(pending.failure), &effects) }
    case .fired(.health):
      if isActive, !healthIsAsked {
        healthIsAsked = true
        effects.append(.askHealth)
      }
    }
    if outcome == nil { advance(&effects) }
    return effects
  }

  // MARK: - The unit

  private mutating func take(_ state: UnitState, at now: Instant, _ effects: inout [StartEffect]) {
    guard isNew(state.invocationID) else {
      if invocation == nil {
        unit = state
        let isUp = ["active", "reloading", "deactivating"].contains(state.activeState)
        oldProcessGone = oldProcessGone || !isUp
      }
      return
    }
    if let invocation, invocation != state.invocationID {
      fail(.restarted(unit: state, phase: phase), at: now, &effects)
      return
    }
    begin(state.invocationID)
    let wasActive = isActive
    let hasRestarted =
      (unit?.invocationID == invocation) && state.nRestarts > (unit?.nRestarts ?? 0)
    unit = state
    if hasRestarted || state.subState.hasPrefix("auto-restart") {
      fail(.restarted(unit: state, phase: phase), at: now, &effects)
    } else if state.activeState == "failed" || state.activeState == "inactive" {
      fail(.ended(unit: state, phase: phase), at: now, &effects)
    } else if isActive, !wasActive, !healthIsAsked {
      healthIsAsked = true
      effects.append(.askHealth)
    }
  }

  /// An invocation that is not the one before the restart.
  private func isNew(_ invocation: String) -> Bool {
    !invocation.isEmpty && invocation != previousInvocation
  }

  /// The new process is known; whatever was said of the unit before it is of no account.
  private mutating func begin(_ newInvocation: String) {
    guard invocation == nil else { return }
    invocation = newInvocation
    oldProcessGone = true
    pending = nil
  }

  private var isActive: Bool {
    invocation != nil && unit?.invocationID == invocation && unit?.activeState == "active"
  }

  /// Whether active means that the server has said READY=1. Type=simple is active from the first
  /// moment, and its lines and health say more.
  private var saysReady: Bool { unit?.type.hasPrefix("notify") == true }

  // MARK: - The journal

  private mutating func take(
    _ entry: JournalEntry, at now: Instant, _ effects: inout [StartEffect]
  ) {
    guard isOfThisStart(entry) else { return }
    let line = classifier.take(entry)
    if line.kind != .continuation, line.source == .server, let pending, pending.isServersWord {
      finish(.failed(pending.failure), &effects)
      return
    }
    switch line.kind {
    case .progress(let phase): note(line, phase)
    case .success(let mark):
      if !marks.contains(mark) { marks.append(mark) }
      progress = (.initialising, [])
    case .brokenButServing: finish(.failed(failure(line, .brokenButServing)), &effects)
    case .fatal(let kind):
      fail(failure(line, kind), isServersWord: line.source == .server, at: now, &effects)
    case .error, .warning: warn(line.text)
    case .continuation:
      if pending?.isServersWord == true, (pending?.lineCount ?? 0) < Self.reasonLineLimit {
        pending?.failure.reason += "\n" + entry.message
        pending?.lineCount += 1
      }
    case .ordinary: break
    }
  }

  /// Whether a line is of the new start. The first line of a new invocation makes it known.
  private mutating func isOfThisStart(_ entry: JournalEntry) -> Bool {
    guard let from = entry.invocationID, !from.isEmpty else {
      if entry.pid == 1 { return invocation != nil || Self.isStartLimit(entry) }
      // journald reads the invocation from a link that systemd removes as the start ends: the last
      // words of a server that ends at once have none if journald comes late. Their PID is the
      // sender's in any case. The unit may have been heard before them, or be heard after.
      if let invocation, unit?.invocationID == invocation, entry.pid == unit?.execMainPID {
        return true
      }
      unclaimed = unclaimed.suffix(Self.unclaimedLimit - 1) + [entry]
      return false
    }
    if from == previousInvocation {
      // systemd refuses a start before the start has an invocation of its own.
      return Self.isStartLimit(entry)
    }
    begin(from)
    return true
  }

  /// Takes the lines that were kept as if they came now; what is still nobody's is kept again.
  private mutating func takeUnclaimed(at now: Instant, _ effects: inout [StartEffect]) {
    let kept = unclaimed
    unclaimed = []
    for entry in kept where outcome == nil { take(entry, at: now, &effects) }
  }

  private static func isStartLimit(_ entry: JournalEntry) -> Bool {
    entry.pid == 1 && entry.message.holds(LinePattern.startLimit)
  }

  /// Keeps what the server waits for: the last line of each kind since the last round of them.
  private mutating func note(_ line: ClassifiedLine, _ phase: WatchPhase) {
    let new = ProgressLine(patternID: line.pattern?.id ?? "", text: line.statement)
    var lines = progress?.phase == phase ? (progress?.lines ?? []) : []
    if let known = lines.firstIndex(where: { $0.patternID == new.patternID }) {
      lines.removeSubrange(known...)
    }
    lines.append(new)
    progress = (phase, lines)
  }

  private mutating func warn(_ text: String) {
    if warnings.count < Self.warningLimit, !warnings.contains(text) { warnings.append(text) }
  }

  // MARK: - The end

  /// Holds a failure until the lines that belong to it have come. The server's own word replaces
  /// systemd's, and the first of the server's stays.
  private mutating func fail(
    _ failure: StartFailure, isServersWord: Bool = false, at now: Instant,
    _ effects: inout [StartEffect]
  ) {
    if let pending, pending.isServersWord || !isServersWord { return }
    pending = PendingFailure(failure: failure, isServersWord: isServersWord)
    let wait = isServersWord ? Self.continuationMilliseconds : Self.lateLinesMilliseconds
    effects.append(.arm(.lateLines, now.advanced(byMilliseconds: wait)))
  }

  private func failure(_ line: ClassifiedLine, _ kind: StartFailure.Kind) -> StartFailure {
    StartFailure(
      kind: kind, phase: phase, reason: line.text, cause: line.pattern?.cause,
      remedy: line.pattern?.remedy, patternID: line.pattern?.id)
  }

  private mutating func finish(_ outcome: StartOutcome, _ effects: inout [StartEffect]) {
    switch outcome {
    case .confirmed: show(.confirmed, "", &effects)
    case .failed(let failure): show(.failed, failure.reason, &effects)
    }
    self.outcome = outcome
    effects.append(.finished(outcome))
  }

  private mutating func stopDeadlinePassed(_ effects: inout [StartEffect]) {
    guard !oldProcessGone else { return }
    let process = unit.map { $0.mainPID > 0 ? " (PID \($0.mainPID))" : "" } ?? ""
    let state = unit.map { "; the unit is \($0.activeState) (\($0.subState))" } ?? ""
    finish(
      .failed(
        pending?.failure
          ?? StartFailure(
            kind: .stopDeadline, phase: phase,
            reason: "the old process\(process) did not end before the stop deadline\(state)",
            cause: "a drive or a request hangs; the official unit has TimeoutStopSec=infinity and "
              + "SendSIGKILL=no, so systemd waits for ever",
            remedy: "find what it hangs on; `systemctl kill --signal=SIGKILL` ends it")),
      &effects)
  }

  private mutating func startDeadlinePassed(_ effects: inout [StartEffect]) {
    let waitedFor = detail.isEmpty ? "" : ": \(detail)"
    let hints = warnings.isEmpty ? nil : "logged on the way: " + warnings.joined(separator: "; ")
    finish(
      .failed(
        pending?.failure
          ?? StartFailure(
            kind: .startDeadline, phase: phase,
            reason:
              "the start was not confirmed before its deadline; it was \(phase.words)\(waitedFor)",
            cause: hints, remedy: phase.remedyAtDeadline)),
      &effects)
  }

  // MARK: - Phases

  private mutating func show(
    _ newPhase: WatchPhase, _ newDetail: String, _ effects: inout [StartEffect]
  ) {
    guard newPhase != phase || newDetail != detail else { return }
    phase = newPhase
    detail = newDetail
    effects.append(.phase(phase, detail: detail))
  }

  /// Draws the conclusions from what is known.
  private mutating func advance(_ effects: inout [StartEffect]) {
    if let pending {
      if pending.isServersWord { show(.failed, pending.failure.reason, &effects) }
      return
    }
    guard let invocation else {
      let process = unit.map { $0.mainPID > 0 ? "PID \($0.mainPID) has not ended" : "" } ?? ""
      show(oldProcessGone ? .starting : .stopping, oldProcessGone ? "" : process, &effects)
      return
    }
    let waiting = progress.map {
      ($0.phase, $0.lines.map(\.text).joined(separator: "; "))
    }
    guard isActive else {
      let (phase, detail) = waiting ?? (.starting, "")
      let isUp = marks.contains(.banner)
      show(phase, isUp ? "the server is up, systemd waits for its READY=1" : detail, &effects)
      return
    }
    guard let health else {
      let (phase, detail) = saysReady ? (.ready, "") : (waiting ?? (.starting, ""))
      show(phase, detail, &effects)
      return
    }
    if let trouble = health.ready.trouble(path: "/minio/health/ready") {
      let (phase, detail) =
        saysReady ? (.ready, trouble) : (waiting ?? (.starting, trouble))
      show(phase, detail, &effects)
    } else if let trouble = health.cluster.trouble(path: "/minio/health/cluster") {
      show(.serving, trouble, &effects)
    } else if arguments.startIsLogged, !marks.contains(.banner), !marks.contains(.subsystems) {
      show(.serving, "neither the banner nor the sub-systems line has come", &effects)
    } else {
      let evidence = StartEvidence(
        invocationID: invocation, marks: marks, logElsewhere: arguments.logElsewhere,
        warnings: warnings)
      finish(.confirmed(evidence), &effects)
    }
  }
}
