// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Rollout
internal import ServerUnit
internal import Threads

/// Drift: whatever makes the next start another one than the last that was confirmed. It is told, in
/// status, journal and metrics, and never repaired: what a person or another tool has done there may
/// be right. Rollouts of Keyturn's own are no drift, from their commit to their end.
final class DriftWatch: Sendable {
  private struct State {
    /// What the last confirmed start was made from; nil if there is none, or if its record is damaged.
    var confirmed: Confirmed?
    var log: DriftLog
    /// What the node tells of itself, as it was seen last; nil before the first look of the watch.
    var report: NodeReport?
  }

  /// From the last of a burst of changes to the look at it, milliseconds: an editor's rename dance
  /// is one change, and a file that is being written is not looked at half.
  private static let quietMilliseconds = 80
  /// How long a burst can put the look off, milliseconds.
  private static let burstMilliseconds = 400
  /// From one look at a young process to the next, milliseconds: what it makes of its environment itself, as a script
  /// does in the server's place, nobody tells.
  private static let startingMilliseconds = 400
  /// The same on a sealed node, whatever its age: a server that executes itself once more tells no watch of it.
  private static let sealedMilliseconds = 30_000
  /// How long a process is young, microseconds.
  private static let youngMicroseconds: UInt64 = 15_000_000
  /// How long to wait where the watch or the look itself fails, milliseconds: at first, since systemd is away for a
  /// moment at each daemon-reload, and at the longest.
  private static let firstRetryMilliseconds = 200
  private static let retryMilliseconds = 10_000

  let site: Site
  private let rollouts: any RolloutState
  private let generations: Generations
  private let seals: SealKeeper
  private let key: KeyDrift
  private let state: Lock<State>

  /// - Parameters:
  ///   - confirmed: what the last confirmed start was made from; nil if that is not known.
  ///   - entries: what was told before the agent's start.
  init(
    _ site: Site, confirmed: Confirmed?, entries: [DriftLog.Entry], rollouts: any RolloutState,
    generations: Generations, seals: SealKeeper, key: KeyDrift
  ) {
    self.site = site
    self.rollouts = rollouts
    self.generations = generations
    self.seals = seals
    self.key = key
    state = Lock(State(confirmed: confirmed, log: DriftLog(entries: entries)))
  }

  /// What is known without a look.
  var log: DriftLog { state.withLock { $0.log } }
  /// The same of the node as a whole; nil before the first look of the watch.
  var lastReport: NodeReport? { state.withLock { $0.report } }

  /// Starts the watch, which goes on as long as the process: a thread for the files, and one that
  /// waits for the unit's changes.
  func watch() throws(Refusal) {
    try site.startThread("drift") { [self] in followFiles() }
    try site.startThread("drift-unit") { [self] in followUnit() }
  }

  private func followFiles() {
    var places: [String] = []
    var complaint: String?
    var pause = Self.firstRetryMilliseconds
    while true {
      var wakesBy: Instant?
      do throws(Refusal) {
        let found = find()
        state.update { $0.report = found.look.report }
        if found.isStarting {
          wakesBy = .inMilliseconds(Self.startingMilliseconds)
        } else if seals.record().seal != nil {
          wakesBy = .inMilliseconds(Self.sealedMilliseconds)
        }
        if found.places != places {
          try site.ports.watch.watch(found.places)
          places = found.places
          // What changed while there was no watch on it is seen by looking again.
          continue
        }
        state.update { $0.log.isWatching = true }
        complaint = nil
        pause = found.isComplete ? Self.firstRetryMilliseconds : pause
        report(found)
        if !found.isComplete {
          wakesBy = .inMilliseconds(pause)
          pause = min(pause * 2, Self.retryMilliseconds)
        }
        try waitForChange(until: wakesBy)
      } catch {
        if complaint != error.message {
          site.log(
            .warning, "drift is looked for only every 10 s and at each status: \(error.message)")
        }
        complaint = error.message
        state.update { $0.log.isWatching = false }
        places = []
        Clock.sleep(until: .inMilliseconds(pause))
        pause = min(pause * 2, Self.retryMilliseconds)
      }
    }
  }

  /// Blocks until something has changed and is quiet again, or the deadline has come.
  private func waitForChange(until deadline: Instant?) throws(Refusal) {
    guard try site.ports.watch.wait(until: deadline) else { return }
    let latest = Instant.inMilliseconds(Self.burstMilliseconds)
    while try site.ports.watch.wait(until: min(latest, .inMilliseconds(Self.quietMilliseconds))) {
      if Clock.now() >= latest { return }
    }
  }

  private func followUnit() {
    var pause = Self.firstRetryMilliseconds
    while true {
      do throws(Refusal) {
        var unit = try site.ports.unit.state(deadline: .inMilliseconds(5_000))
        pause = Self.firstRetryMilliseconds
        site.ports.watch.wake()
        while true {
          guard
            let next = try site.ports.unit.rest(after: unit, deadline: .inMilliseconds(3_600_000))
          else { continue }
          unit = next
          site.ports.watch.wake()
        }
      } catch {
        // systemd or the bus is away; the look at the files says so.
        Clock.sleep(until: .inMilliseconds(pause))
        pause = min(pause * 2, Self.retryMilliseconds)
      }
    }
  }

  // MARK: the look

  /// The server on this node, and how it differs from the last confirmed start.
  struct Look {
    let view: ServerView
    /// Nil if it cannot be told which program a start would run.
    let programs: Programs.Sight?
    /// What is wrong with its key and with the start guard, where a key is sealed; known also where a file cannot be
    /// read.
    var keyItems: [DriftItem] = []
    /// What drift is looked for in; nil if that could not be read, and while a rollout of our own is under way.
    var snapshot: DriftComparison?
    var drift = Drift()
    /// What is wrong, for status and `check`.
    var findings: [Finding] = []
    /// What the cluster is judged by.
    var report: NodeReport
  }

  /// One look. Blocks on systemd, on the disk, and, where a key is sealed, on the server's answer.
  func look() -> Look {
    let seal = seals.record()
    let view = ServerView(site)
    let programs = site.programs.look(
      view.unit, deadline: .inMilliseconds(Limits.programLookMilliseconds))
    var look = Look(
      view: view, programs: programs,
      report: NodeReport(
        view, programs: programs?.programs, seal: seal.seal, generation: generations.last,
        record: rollouts.now.record))
    look.findings = look.view.findings(isSealed: seal.seal != nil)
    if let key = seal.seal?.key { look.keyItems = self.key.drift(look.view, from: key) }
    if let server = look.view.server {
      do throws(Refusal) {
        look.snapshot = try snapshot(look, server, seal)
        look.drift = look.snapshot.map(difference) ?? Drift()
      } catch {
        // A file that cannot be read may be told already.
        if !look.findings.contains(where: { $0.message == error.message }) {
          look.findings.append(
            Finding(
              .warning, rule: "file-unreadable", refusal: error.code, message: error.message))
        }
      }
    }
    for item in (look.drift.items ?? look.keyItems) where item.severity == .error {
      if look.findings.contains(where: { $0.message == item.message }) { continue }
      look.findings.append(
        Finding(.error, rule: item.kind.rule, refusal: .guarded, message: item.message))
    }
    return look
  }

  /// A look of the watch's own.
  private struct Found {
    let look: Look
    /// Where to watch.
    var places: [String]
    let isInOwnRollout: Bool
    /// Whether the server's process has only just been started.
    let isStarting: Bool

    /// What is there; nil while a rollout of our own is under way, and where something cannot be read: that is neither
    /// there nor gone.
    var snapshot: DriftComparison? { look.view.unit == nil ? nil : look.snapshot }
    var isComplete: Bool { snapshot != nil || isInOwnRollout }
  }

  private func find() -> Found {
    let look = look()
    let unit = look.view.unit
    let start = unit?.execMainStartMonotonicMicroseconds ?? 0
    let isYoung = start > 0 && Clock.monotonicMicroseconds() < start &+ Self.youngMicroseconds
    var found = Found(
      look: look, places: unit?.environmentFiles.map(\.path) ?? [site.inventory.environmentFile],
      isInOwnRollout: rollouts.now.isInRollout, isStarting: isYoung && seals.seal != nil)
    for path in paths(look.view.server) + [look.programs?.path].compactMap(\.self)
    where !found.places.contains(path) {
      found.places.append(path)
    }
    return found
  }

  /// Every file to compare: those of the environment, and the last generation's.
  func paths(_ server: ServerEnvironment?) -> [String] {
    var paths = server?.files ?? []
    if let own = generations.last?.path, !paths.contains(own) { paths.append(own) }
    return paths
  }

  /// What drift is looked for in; nil while a rollout of our own is under way. Blocks on the disk.
  private func snapshot(
    _ look: Look, _ server: ServerEnvironment, _ seal: SealRecord
  ) throws(Refusal) -> DriftComparison? {
    let record = rollouts.now.record
    if record.active != nil { return nil }
    var snapshot = DriftComparison()
    for path in paths(server) {
      snapshot.files.append(.init(path: path, mark: try site.ports.watch.mark(of: path)))
    }
    snapshot.unit = look.view.unit
    // Between fork and exec a new process still has systemd's own environment.
    if let running = look.view.running, let unit = look.view.unit, unit.isStarted(running) {
      snapshot.environments = (
        server.variables,
        ServerEnvironment.probablyInForce(running, of: unit.mainPID, site.ports.file)
      )
    }
    snapshot.startGuard =
      StartGuard.problem(
        record: seal, key: server.startGuardVariable("MINIO_KMS_SSE_KEY"),
        enclave: server.startGuardVariable("MINIO_KMS_ENCLAVE"))
      ?? (seal.seal == nil ? nil : server.keyProblem)
    snapshot.keyItems = look.keyItems
    snapshot.program = look.programs?.drift
    if let content = record.lastCommitted?.rollout.content(of: site.node) {
      snapshot.own = (content.path, content.after)
    }
    return snapshot
  }

  /// What differs from the last confirmed start; generation 0 is a file that no start was confirmed
  /// with.
  private func difference(_ snapshot: DriftComparison) -> Drift {
    let last = generations.last.flatMap { $0.number > 0 ? $0 : nil }
    return snapshot.drift(from: confirmed, generation: last)
  }

  // MARK: telling

  /// Tells what is new or has changed since it was told last, once, also over a restart of the
  /// agent.
  private func report(_ found: Found) {
    let drift: Drift
    if let snapshot = found.snapshot {
      drift = difference(snapshot)
    } else {
      if found.isInOwnRollout { return }
      // What is known of the rest stays as it was.
      let known = state.withLock { $0.log.drift.items ?? [] }
      drift = Drift(known.filter { !$0.kind.isOfKey } + found.look.keyItems)
    }
    let snapshot = found.snapshot ?? DriftComparison()
    let items = drift.items ?? []
    let entries = items.map {
      DriftLog.Entry(kind: $0.kind, place: $0.place, mark: snapshot.mark(of: $0))
    }
    let before = state.update { state -> [DriftLog.Entry] in
      let before = state.log.entries
      state.log.drift = drift
      state.log.entries = entries
      for entry in entries where !before.contains(entry) {
        state.log.totals[entry.kind, default: 0] += 1
      }
      return before
    }
    if before == entries { return }
    site.attempt(.warning) { () throws(Refusal) in try site.records.drift.save(entries) }
    for (item, entry) in zip(items, entries) where !before.contains(entry) {
      site.ports.event(AgentEvent(item))
    }
    for entry in before
    where !entries.contains(where: { $0.kind == entry.kind && $0.place == entry.place }) {
      site.ports.event(AgentEvent(goneFrom: entry.place, kind: entry.kind))
    }
  }

  // MARK: a confirmed start

  /// What the last confirmed start was made from; nil if none was.
  var confirmed: Confirmed? { state.withLock { $0.confirmed } }

  /// Durable when it returns. Blocks on the disk.
  func keep(_ confirmed: Confirmed) throws(Refusal) {
    try site.records.confirmed.save(confirmed)
    state.update { $0.confirmed = confirmed }
  }
}
