// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import EnvironmentFile
internal import KeyManager
package import Model
internal import Rollout
internal import ServerUnit
internal import Threads

// Drift: whatever makes the next start another one than the last that was confirmed. It is told, in
// status, journal and metrics, and never repaired: what a person or another tool has done there may
// be right. Rollouts of Keyturn's own are no drift, from their commit to their end.

extension Agent {
  /// What the watch has told already.
  struct DriftLog {
    /// One thing that was told, and a mark that is another when it has changed since.
    struct Entry: Sendable, Codable, Hashable {
      var kind: DriftKind
      var place: String
      var mark: Digest
    }

    var drift = Drift()
    var entries: [Entry] = []
    /// How often each kind came up or changed since the agent's start.
    var totals: [DriftKind: Int] = [:]
    /// Whether changes are seen as they happen.
    var isWatching = false
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

  /// Starts the watch, which goes on as long as the process: a thread for the files, and one that
  /// waits for the unit's changes.
  package func watchDrift() throws(Refusal) {
    try startThread("drift") { self.followFiles() }
    try startThread("drift-unit") { self.followUnit() }
  }

  private func followFiles() {
    var places: [String] = []
    var complaint: String?
    var pause = Self.firstRetryMilliseconds
    while true {
      var wakesBy: Instant?
      do throws(Refusal) {
        let found = lookForDrift()
        if found.isStarting {
          wakesBy = .inMilliseconds(Self.startingMilliseconds)
        } else if sealRecord().seal != nil {
          wakesBy = .inMilliseconds(Self.sealedMilliseconds)
        }
        if found.places != places {
          try ports.watch.watch(found.places)
          places = found.places
          // What changed while there was no watch on it is seen by looking again.
          continue
        }
        state.update { $0.driftLog.isWatching = true }
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
          ports.log(4, "drift is looked for only every 10 s and at each status: \(error.message)")
        }
        complaint = error.message
        state.update { $0.driftLog.isWatching = false }
        places = []
        Clock.sleep(until: .inMilliseconds(pause))
        pause = min(pause * 2, Self.retryMilliseconds)
      }
    }
  }

  /// Blocks until something has changed and is quiet again, or the deadline has come.
  private func waitForChange(until deadline: Instant?) throws(Refusal) {
    guard try ports.watch.wait(until: deadline) else { return }
    let latest = Instant.inMilliseconds(Self.burstMilliseconds)
    while try ports.watch.wait(until: min(latest, .inMilliseconds(Self.quietMilliseconds))) {
      if Clock.now() >= latest { return }
    }
  }

  private func followUnit() {
    var pause = Self.firstRetryMilliseconds
    while true {
      do throws(Refusal) {
        var unit = try ports.unit.state(deadline: .inMilliseconds(5_000))
        pause = Self.firstRetryMilliseconds
        ports.watch.wake()
        while true {
          guard let next = try ports.unit.rest(after: unit, deadline: .inMilliseconds(3_600_000))
          else { continue }
          unit = next
          ports.watch.wake()
        }
      } catch {
        // systemd or the bus is away; the look at the files says so.
        Clock.sleep(until: .inMilliseconds(pause))
        pause = min(pause * 2, Self.retryMilliseconds)
      }
    }
  }

  // MARK: the look

  /// One look.
  private struct Found {
    /// Where to watch.
    var places: [String]
    /// What is there; nil while a rollout of our own is under way, and where something cannot be read.
    var snapshot: DriftSnapshot?
    var isComplete: Bool
    var isInOwnRollout: Bool
    /// Whether the server's process has only just been started.
    var isStarting: Bool
    /// What is wrong with its key and with the start guard; known also where a file cannot be read.
    var keyItems: [DriftItem]
  }

  private func lookForDrift() -> Found {
    var findings: [Finding] = []
    let look = lookAtServer(&findings)
    var places = look.unit?.environmentFiles.map(\.path) ?? [inventory.environmentFile]
    for path in driftPaths(look.server) where !places.contains(path) { places.append(path) }
    // What could not be read is neither there nor gone.
    let isComplete = look.snapshot != nil && look.unit != nil
    let start = look.unit?.execMainStartMonotonicMicroseconds ?? 0
    let isYoung = start > 0 && Clock.monotonicMicroseconds() < start &+ Self.youngMicroseconds
    return Found(
      places: places, snapshot: isComplete ? look.snapshot : nil,
      isComplete: isComplete || isInOwnRollout, isInOwnRollout: isInOwnRollout,
      isStarting: isYoung && state.withLock { $0.seal != nil }, keyItems: look.keyItems)
  }

  private var isInOwnRollout: Bool { state.withLock { $0.participant.record.active != nil } }

  /// Every file to compare: those of the environment, and the last generation's.
  private func driftPaths(_ server: ServerEnvironment?) -> [String] {
    var paths = server?.files ?? []
    if let own = state.withLock({ $0.generation?.path }), !paths.contains(own) { paths.append(own) }
    return paths
  }

  /// What drift is looked for in; nil while a rollout of our own is under way. Blocks on the disk.
  func driftSnapshot(_ look: Look, _ server: ServerEnvironment) throws(Refusal) -> DriftSnapshot? {
    let record = state.withLock { $0.participant.record }
    if record.active != nil { return nil }
    var snapshot = DriftSnapshot()
    for path in driftPaths(server) {
      snapshot.files.append(.init(path: path, mark: try ports.watch.mark(of: path)))
    }
    snapshot.unit = look.unit
    // Between fork and exec a new process still has systemd's own environment.
    if let running = look.running, let unit = look.unit, unit.isStarted(running) {
      snapshot.environments = (
        server.variables,
        ServerEnvironment.probablyInForce(running, of: unit.mainPID, ports.file)
      )
    }
    let seal = sealRecord()
    snapshot.startGuard =
      StartGuard.problem(
        record: seal, key: server.startGuardVariable("MINIO_KMS_SSE_KEY"),
        enclave: server.startGuardVariable("MINIO_KMS_ENCLAVE"))
      ?? (seal.seal == nil ? nil : server.keyProblem)
    snapshot.keyItems = look.keyItems
    if let content = record.lastCommitted?.rollout.content(of: node) {
      snapshot.own = (content.path, content.after)
    }
    return snapshot
  }

  /// What differs from the last confirmed start; generation 0 is a file that no start was confirmed
  /// with.
  func drift(of snapshot: DriftSnapshot) -> Drift {
    let (confirmed, generation) = state.withLock { ($0.confirmed, $0.generation) }
    let last = generation.flatMap { $0.number > 0 ? $0 : nil }
    return snapshot.drift(from: confirmed, generation: last)
  }

  // MARK: telling

  /// Tells what is new or has changed since it was told last, once, also over a restart of the
  /// agent.
  private func report(_ found: Found) {
    let drift: Drift
    if let snapshot = found.snapshot {
      drift = self.drift(of: snapshot)
    } else {
      if found.isInOwnRollout { return }
      // What is known of the rest stays as it was.
      let known = state.withLock { $0.driftLog.drift.items ?? [] }
      drift = Drift(known.filter { !$0.kind.isOfKey } + found.keyItems)
    }
    let snapshot = found.snapshot ?? DriftSnapshot()
    let items = drift.items ?? []
    let entries = items.map {
      DriftLog.Entry(kind: $0.kind, place: $0.place, mark: snapshot.mark(of: $0))
    }
    let before = state.update { state -> [DriftLog.Entry] in
      let before = state.driftLog.entries
      state.driftLog.drift = drift
      state.driftLog.entries = entries
      for entry in entries where !before.contains(entry) {
        state.driftLog.totals[entry.kind, default: 0] += 1
      }
      return before
    }
    if before == entries { return }
    do throws(Refusal) { try records.saveDrift(entries) } catch { ports.log(4, error.message) }
    for (item, entry) in zip(items, entries) where !before.contains(entry) {
      ports.event(AgentEvent(item))
    }
    for entry in before
    where !entries.contains(where: { $0.kind == entry.kind && $0.place == entry.place }) {
      ports.event(AgentEvent(goneFrom: entry.place, kind: entry.kind))
    }
  }

  // MARK: a confirmed start

  /// Remembers what the confirmed start was made from, durable when it returns. Repeating it does
  /// no harm. Blocks on the disk.
  func keepConfirmed(
    _ rollout: Rollout, _ unit: UnitState?, _ server: ServerEnvironment
  ) throws(Refusal) {
    guard let unit else { return }
    var files: [Confirmed.File] = []
    for path in driftPaths(server) {
      var mark = try ports.watch.mark(of: path)
      // What was started with counts, not what has been made of it since.
      if let content = rollout.content(of: node), content.path == path {
        mark.digest = content.after
      }
      files.append(.init(path: path, mark: mark))
    }
    let confirmed = Confirmed(
      rollout: rollout.id, files: files, unitEnvironment: unit.environmentDigest,
      unitFiles: unit.filesDigest)
    try records.save(confirmed)
    state.update { $0.confirmed = confirmed }
  }
}

extension DriftSnapshot {
  /// Another one for each state of the thing.
  fileprivate func mark(of item: DriftItem) -> Digest {
    let mark = files.first { $0.path == item.place }?.mark
    return .ofFields([
      item.message, mark?.digest?.hex ?? "",
      item.kind == .replaced ? mark.map { String($0.inode) } ?? "" : "",
    ])
  }
}

extension ServerEnvironment {
  /// What a start would have of a variable, for the start guard.
  fileprivate func startGuardVariable(_ name: String) -> StartGuard.Variable {
    let given = atStart.last { $0.name == name }
    let source = sources.last { $0.variables.contains { $0.name == name } }
    let own = config?.definitions.filter { $0.counts && $0.name == name } ?? []
    return StartGuard.Variable(
      environment: given.map {
        StartGuard.Definition(
          value: $0.value,
          place: [source?.place, $0.line.map { "line \($0)" }].compactMap(\.self)
            .joined(separator: " "))
      },
      file: own.map { definition in
        StartGuard.Definition(
          value: definition.value,
          place: "\(config?.place ?? "") line \(definition.line ?? 0)")
      })
  }
}

extension AgentEvent {
  /// A thing that has drifted.
  init(_ item: DriftItem) {
    self.init(
      id: item.kind.messageID, priority: item.severity.priority, message: item.message,
      fields: [
        (name: "KEYTURN_KIND", value: item.kind.rawValue),
        (name: "KEYTURN_FILE", value: item.place),
        (name: "KEYTURN_VARIABLES", value: item.variables.joined(separator: " ")),
      ])
  }

  /// It is as it was again.
  init(goneFrom place: String, kind: DriftKind) {
    self.init(
      id: "ba85b74afda8461fb22d57c1e2a1ffa4", priority: 6,
      message: "\(place): no drift any more (\(kind.rawValue))",
      fields: [
        (name: "KEYTURN_KIND", value: kind.rawValue), (name: "KEYTURN_FILE", value: place),
      ])
  }
}

extension DriftKind {
  /// In systemd/keyturn.catalog.
  var messageID: String {
    switch self {
    case .edited: "4a1888d3292d4122a1461c9b82874261"
    case .replaced: "c8a7040143e143c7af1cd4735ece9381"
    case .attributes: "db8c1467393e41e09f3439fec8dc885c"
    case .otherFile: "7193f547bba646b9b69126c85527b2fd"
    case .process: "f8c31ce1947149db889dc00e1ac5bb98"
    case .unit: "471924178a804abb98fd2937a2c31942"
    case .key: "da661bd4a07a4dd0ba609da4cb592754"
    case .runningKey: "4bac44fbc40b4de3a9da2e2b613a66da"
    case .startGuard: "7f9264b43ce9450e93b333e13aca44a5"
    }
  }

  /// Whether it is found without the files.
  fileprivate var isOfKey: Bool { self == .runningKey || self == .startGuard }
}

extension Severity {
  /// As in syslog.
  fileprivate var priority: Int {
    switch self {
    case .error: 3
    case .warning: 4
    case .note: 5
    }
  }
}
