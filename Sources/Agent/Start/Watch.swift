// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import KeyManager
internal import Linux
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import StartWatch
internal import Threads

extension Member {
  /// From the request for the restart to the first look at it, milliseconds. With it the servers of
  /// 16 nodes on 2 cores start about a third closer together (docs/development/benchmarks.md).
  private static let watchDelayMilliseconds = 120

  /// Watches one start to its outcome: the shell around StartMachine. Blocks; runs on a thread of
  /// its own, with one thread more for the unit's changes, the journal's for its lines, and one for
  /// each question about health.
  func watch(_ active: ActiveRollout, _ report: RestartReport) {
    let id = active.rollout.id
    let outcome = outcome(of: active, report)
    // Until the seal is durable the rollout has not ended: no other may begin without it.
    while case .failure(let refusal)? = perform(.watched(id: id, outcome)) {
      timelines.note(id, .sealing, refusal.message)
      Clock.sleep(until: .inMilliseconds(Self.recordAgainMilliseconds))
    }
  }

  private func outcome(of active: ActiveRollout, _ report: RestartReport) -> Outcome {
    // Nothing was started that could fail.
    if active.rollout.change != nil { return Outcome(.confirmed, "") }
    do throws(Refusal) {
      // What is only looked at was confirmed before, and nothing has been done to it.
      let look =
        active.rollout.restartsServers
        ? nil
        : ServerLook(
          invocation: active.facts.invocation, settleMilliseconds: 0,
          startMilliseconds: active.rollout.startMilliseconds,
          cursor: try site.ports.journal.cursor())
      return try watchToTheEnd(active.rollout, active.facts, report, look)
    } catch {
      return Outcome(.unknown, "the start could not be watched: \(error.message)")
    }
  }

  /// From one attempt to write down how a rollout ended to the next.
  static let recordAgainMilliseconds = 2_000

  /// A look at a server that runs already, in place of the watch of a start.
  struct ServerLook {
    /// The one that was voted on; nil for whichever runs.
    var invocation: String?
    var settleMilliseconds: Int
    /// How long it may take until all of it is good.
    var startMilliseconds: Int
    /// From where the journal is read, of the present invocation only; nil for all that is there.
    var cursor: String?
  }

  /// - Parameter look: nil for a start.
  func watchToTheEnd(
    _ rollout: Rollout, _ facts: PreparedFacts, _ report: RestartReport, _ look: ServerLook?
  ) throws(Refusal) -> Outcome {
    // After a reboot the instants of the report mean nothing.
    let issued = min(report.issued, Clock.now())
    // The first moments belong to systemd and the servers, on every node at once; the journal keeps
    // what we have not read.
    Clock.sleep(until: issued.advanced(byMilliseconds: Self.watchDelayMilliseconds))
    timelines.keep()
    let unit = try unitState(until: rollout)
    if let invocation = look?.invocation, unit.invocationID != invocation {
      return Outcome(
        .unknown,
        "the server was started again after the vote, perhaps with the file as it was before: `keyturn confirm \(site.node)` looks at what it runs with"
      )
    }
    let arguments = serverArguments(unit)
    let redactor = ServerView(site).redactor(generations.keptSecrets())
    let began = Clock.monotonicMicroseconds()
    let inputs = Mailbox<StartInput>(capacity: 4_096)
    defer { inputs.close() }
    // A look has nobody who waits for others.
    if look == nil { begin(rollout.id, inputs) }
    defer { if look == nil { state.update { $0.watching = nil } } }
    let cursor = look.map(\.cursor) ?? report.journalCursor ?? facts.journalCursor
    let boot = site.ports.process.bootID()
    // What journald lost before this boot is no line of a server of this one.
    let isOfThisBoot = cursor.map { $0.split(separator: ";").contains("b=\(boot)") } ?? false
    let subscription = try site.ports.journal.follow(after: cursor) { entry in
      if entry.isOfJournal, entry == .loss ? !isOfThisBoot : entry.bootID != boot { return }
      // Before a look began there may have been other starts.
      if look != nil, entry.monotonicMicroseconds < began, entry.invocationID != unit.invocationID {
        return
      }
      var entry = entry
      entry.message = redactor.redact(entry.message)
      // The journal keeps what we have not taken yet, so its thread may wait for us.
      inputs.post(.entry(entry), until: nil)
    }
    defer { subscription.stop() }
    // Of a server that runs already every line counts since its start.
    let age = Clock.monotonicMicroseconds().subtractingReportingOverflow(
      unit.execMainStartMonotonicMicroseconds
    ).partialValue
    let since =
      look != nil && unit.mainPID > 0
      ? Clock.now().advanced(byMilliseconds: -Int(clamping: age / 1_000) - 1) : issued
    let files = try follow(arguments.logDirectory, since: since, redactor, into: inputs)
    defer { files?.stop() }
    try follow(unit, into: inputs)

    let stop = issued.advanced(byMilliseconds: rollout.stopMilliseconds)
    // A look begins now, also where the agent was away since the instant.
    let start = look.map { Instant.inMilliseconds($0.startMilliseconds) }
    let deadlines = StartDeadlines(
      stop: stop, start: start ?? stop.advanced(byMilliseconds: rollout.startMilliseconds),
      settleMilliseconds: look?.settleMilliseconds ?? rollout.settleMilliseconds)
    let health = HealthLook(arguments: arguments, ports: site.ports)
    var machine = StartMachine(arguments: arguments, peers: site.inventory.nodes.count - 1)
    var seenUnit: UnitState?
    var takesWrites: Instant?
    var timers: [StartTimer: Instant] = [:]
    var input: StartInput? =
      look != nil
      ? .look(unit, deadlines)
      : .restartIssued(
        previousInvocation: report.previousInvocation,
        issued: isOfThisBoot ? Self.monotonic(of: min(report.planned, issued)) : 0,
        deadlines: deadlines)
    while true {
      if let next = input {
        switch next {
        case .look(let state, _): seenUnit = state
        case .unit(let state):
          if look == nil { noteTimes(of: state, after: report, rollout.id) }
          seenUnit = state
        default: break
        }
        for effect in machine.handle(next, at: Clock.now()) {
          switch effect {
          case .arm(let timer, let instant): timers[timer] = instant
          case .phase(let phase, let detail):
            // Terminal phases are told with their reason when the rollout is concluded.
            if !phase.isEnd {
              timelines.note(rollout.id, phase, detail)
            }
          case .askHealth:
            let unit = seenUnit
            try ask("health", into: inputs) { .health(health.answers(unit)) }
          case .takesWrites(let since):
            if look != nil { break }
            takesWrites = since
            noteWrites(since, after: report, rollout.id)
          case .askEnvironment(let pid):
            try ask("environment", into: inputs) {
              .environment(
                pid: pid, self.compareEnvironment(of: pid, with: facts.environment, rollout.seal))
            }
          case .askUnit:
            try ask("unit", into: inputs) {
              (try? self.unitState(until: rollout)).map { .unit($0) }
            }
          case .finished(let outcome):
            return proven(
              outcome.outcome(outage: takesWrites.map { $0.milliseconds(since: report.issued) }))
          }
        }
      }
      let next = timers.min { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }
      input = inputs.take(until: next?.value)
      if input == nil, let next {
        timers[next.key] = nil
        input = .fired(next.key)
      }
    }
  }

  private func begin(_ id: String, _ inputs: Mailbox<StartInput>) {
    let reason = state.update { state in
      state.watching = (id, inputs)
      return state.brokenOff.flatMap { $0.rollout == id ? $0.reason : nil }
    }
    if let reason { inputs.post(.brokenOff(reason)) }
  }

  /// Ends the watch of a start whose outcome changes nothing any more, also of one that is still to come.
  ///
  /// - Returns: whether there is one.
  func breakOff(_ id: String, _ reason: String) -> Bool {
    let (isOwn, inputs) = state.update { state -> (Bool, Mailbox<StartInput>?) in
      guard let active = state.participant.record.active, active.rollout.id == id,
        !active.stage.isInDoubt
      else { return (false, nil) }
      state.brokenOff = (id, reason)
      return (true, state.watching.flatMap { $0.rollout == id ? $0.inputs : nil })
    }
    inputs?.post(.brokenOff(reason))
    return isOwn
  }

  /// A start is not confirmed where the Key Manager has another key than the one that was voted with. Blocks while it is
  /// asked.
  private func proven(_ outcome: Outcome) -> Outcome {
    guard outcome.kind == .confirmed else { return outcome }
    switch key.proofs.lookAfterStart(ServerView(site)) {
    case .right: return outcome
    case .wrong(let finding): return Outcome(.failed, .keyNotProven(finding.message))
    case .unknown(let why):
      var outcome = outcome
      outcome.warning =
        outcome.warning
        ?? "the key proofs were not opened after the start: \(why); `keyturn proof --now` opens them"
      return outcome
    }
  }

  /// The same moment, microseconds of CLOCK_MONOTONIC; never later, whatever comes between the looks
  /// at the two clocks.
  private static func monotonic(of instant: Instant) -> UInt64 {
    let now = Clock.monotonicMicroseconds()
    let age = max(0, Clock.now().nanoseconds(since: instant)).addingClamped(999) / 1_000
    return now > UInt64(age) ? now - UInt64(age) : 0
  }

  /// The unit, asked again while systemd or the bus is away: that says nothing of the start.
  private func unitState(until rollout: Rollout) throws(Refusal) -> UnitState {
    let deadline = Instant.inMilliseconds(rollout.watchMilliseconds)
    while true {
      do throws(Refusal) {
        return try site.ports.unit.state(deadline: .inMilliseconds(5_000))
      } catch {
        if Clock.now() >= deadline { throw error }
        Clock.sleep(until: .inMilliseconds(500))
      }
    }
  }

  private func follow(_ unit: UnitState, into inputs: Mailbox<StartInput>) throws(Refusal) {
    let (port, log) = (site.ports.unit, site.ports.log)
    do throws(Errno) {
      try Thread.start("unit") {
        var state = unit
        var complained = false
        inputs.post(.unit(state), until: nil)
        while !inputs.isClosed {
          do throws(Refusal) {
            guard let next = try port.change(after: state, deadline: .inMilliseconds(1_000)) else {
              continue
            }
            state = next
            if !inputs.post(.unit(state), until: nil) { return }
          } catch {
            if !complained { log(.warning, error.message) }
            complained = true
            // systemd or the bus is away: not to be asked in a loop.
            Clock.sleep(until: .inMilliseconds(500))
          }
        }
      }
    } catch { throw Refusal(.failed, "\(error)") }
  }

  /// Follows the files that the server logs to, if it does.
  private func follow(
    _ directory: String?, since issued: Instant, _ redactor: Redactor,
    into inputs: Mailbox<StartInput>
  ) throws(Refusal) -> (any JournalSubscription)? {
    guard let directory else { return nil }
    guard directory.hasPrefix("/") else {
      inputs.post(.filesUnreadable("is no absolute path"), until: nil)
      return nil
    }
    let age = Clock.now().nanoseconds(since: issued) / 1_000
    return try site.ports.journal.follow(
      directory: directory, since: Clock.realtimeMicroseconds() - age,
      deliver: { entry in
        var entry = entry
        entry.message = redactor.redact(entry.message)
        inputs.post(.fileLine(entry), until: nil)
      },
      fail: { inputs.post(.filesUnreadable("cannot be read: \($0)"), until: nil) })
  }

  /// Answers a question of the machine's on a thread of its own.
  private func ask(
    _ thread: String, into inputs: Mailbox<StartInput>,
    _ answer: @escaping @Sendable () -> StartInput?
  ) throws(Refusal) {
    do throws(Errno) {
      try Thread.start(thread) {
        if let answer = answer() { inputs.post(answer, until: nil) }
      }
    } catch { throw Refusal(.failed, "\(error)") }
  }

  /// Whether a process runs with what was voted on, its own reading of MINIO_CONFIG_ENV_FILE
  /// included, as far as that shows.
  private func compareEnvironment(
    of pid: Int32, with voted: [NamedDigest]?, _ seal: Seal?
  ) -> EnvironmentAnswer {
    guard let voted else {
      return .unknown("the vote has kept none to compare it with")
    }
    do throws(Refusal) {
      let running = try ServerEnvironment.inForce(
        try site.ports.process.environment(of: pid), of: pid, site.ports.file)
      let names = RunningEnvironment.differences(
        voted, RunningEnvironment.digests(of: running))
      if !names.isEmpty { return .differs(names) }
      return try key.compare(of: pid, with: seal)
    } catch { return .unknown(error.message) }
  }

  /// The arguments that the server is started with by the file as it is now.
  private func serverArguments(_ unit: UnitState) -> ServerArguments {
    let view = ServerView(site, unit: unit)
    return view.arguments(view.server)
  }
}

extension StartOutcome {
  /// In the protocol's words.
  ///
  /// - Parameter outage: milliseconds from the order to restart until the server took writes; nil if
  ///   that is not known.
  fileprivate func outcome(outage: Int?) -> Outcome {
    switch self {
    case .confirmed(let evidence):
      let writes = outage.map { ", no writes for \(($0 + 50) / 1_000).\(($0 + 50) / 100 % 10) s" }
      var outcome = Outcome(
        .confirmed, evidence.description + (writes ?? ""), passedKeyManager: true)
      outcome.warning = evidence.warning
      return outcome
    case .unknown(let failure): return Outcome(.unknown, failure)
    case .failed(let failure):
      let isLate = failure.kind == .stopDeadline || failure.kind == .startDeadline
      return Outcome(isLate ? .timedOut : .failed, failure)
    }
  }
}
