// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import Crypto
import JSONCoding
import KeyManager
import Linux
import Model
import Rollout
import Secrets
import ServerUnit
import StartWatch
import Threads

/// A host in memory: it stands behind the agent's ports, and does what a good host does unless told
/// otherwise.
final class FakeHost: Sendable {
  struct State {
    /// All files by their paths.
    var files: [String: [UInt8]] = [:]
    /// /etc/default/minio.
    var file: [UInt8]? {
      get { files["/etc/default/minio"] }
      set { files["/etc/default/minio"] = newValue }
    }
    /// A file's text, for looking at and for setting.
    subscript(path: String) -> String? {
      get { files[path].map { String(decoding: $0, as: UTF8.self) } }
      set { files[path] = newValue.map { Array($0.utf8) } }
    }
    struct Staged {
      var path: String
      var bytes: [UInt8]
    }
    /// The journal's last cursor.
    var cursor = "cursor"
    /// What is in the journal before it: delivered to who follows from an earlier one.
    var linesBeforeCursor: [JournalEntry] = []
    /// What is staged, by its tag.
    var staged: [String: Staged] = [:]
    /// When files were changed last, microseconds since 1970.
    var changed: [String: Int64] = [:]
    /// Whose renames were made durable.
    var synced: [String] = []
    /// Who gets a new file.
    var owners: [String: ServiceAccount] = [:]
    /// Files that the server's user cannot read, and why.
    var obstacles: [String: String] = [:]
    /// Files that cannot be replaced, and why.
    var replaceFailures: [String: Refusal] = [:]
    var manager = ManagerState(version: "252.39", environment: ["LANG=C.UTF-8"])
    /// The environment of PID 1.
    var initial: [EnvironmentVariable] = []
    var records: [String: [UInt8]] = [:]
    var unit = UnitState(
      id: "minio.service", activeState: "active", subState: "running", mainPID: 100,
      invocationID: "old"
    ) {
      $0.user = "minio-user"
      $0.environmentFiles = [.init(path: "/etc/default/minio", isOptional: true)]
      $0.execStart = ["/usr/local/bin/minio", "server", "$MINIO_OPTS", "$MINIO_VOLUMES"]
      $0.startPre = [.init(words: ["/usr/local/bin/keyturn", "guard"], flags: ["privileged"])]
      $0.restart = "always"
    }
    /// The start guard has left no evidence of these starts.
    var unguarded: Set<String> = []
    /// Files that a running process sees otherwise than the host.
    var seen: [String: [UInt8]] = [:]
    /// Where files are, if not as they are named and root's alone.
    var places: [String: ConfigFilePlace] = [:]
    var process: [EnvironmentVariable] = []
    var restarts = 0
    /// What the journal holds, if not the lines of the start.
    var journal: [JournalEntry]?
    /// How often the unit was stopped, and started by itself.
    var stops = 0
    var starts = 0
    /// Called when the unit was stopped.
    var onStop: @Sendable () -> Void = {}
    /// Called while it is being stopped.
    var onStopping: @Sendable () -> Void = {}
    /// Why a stop is not waited for to its end: the unit goes on being stopped.
    var stopFailure: Refusal?
    /// Called when the unit is to be started, before it is.
    var onStart: @Sendable () -> Void = {}
    /// Threads of these names cannot be started.
    var refusedThreads: Set<String> = []
    /// Why a restart is not taken.
    var restartFailure: Refusal?
    /// Why the unit cannot be started.
    var startFailure: Refusal?
    /// systemd refuses to start the unit until its failed starts are forgotten.
    var isAtStartLimit = false
    /// The environment file cannot be read.
    var readFailure: Refusal?
    var boot = "boot-1"
    /// What the journal delivers after a restart, of the new invocation.
    var startLines = [
      "INFO: All MinIO sub-systems initialized successfully in 1s", "MinIO AIStor Server",
    ]
    /// The lines in the files of log directories.
    var logFiles: [String: [String]] = [:]
    /// Called as a restart is taken, before the unit and the process are looked at again.
    var onRestart: @Sendable (inout State) -> Void = { _ in }
    var deliver: [@Sendable (JournalEntry) -> Void] = []
    var reports: [EndpointReport] = []
    /// What the last probe of Key Managers was told of the server's surroundings.
    var surroundings: ServerSurroundings?
    var health = HealthAnswers(
      ready: .answered(status: 200, serverStatus: nil),
      cluster: .answered(status: 200, serverStatus: nil))
    var healthQuestions: [HealthEndpoint] = []
    /// What the server answers to its root user on writes, and how it was asked.
    var writes = WriteAnswer.taken(asked: 1)
    var writeQuestions: [(credentials: AccessCredentials, bucket: String, objects: Int)] = []
    /// What it says of its Key Manager, if not what its environment says.
    var kms: ServerKMSAnswer?
    /// What was asked of the journal, and whether it has lost lines.
    var journalRequests: [JournalRequest] = []
    /// Called when the last cursor is asked for.
    var onCursor: @Sendable () -> Void = {}
    /// Called when a page of the journal is asked for, before it is read.
    var onPage: @Sendable () -> Void = {}
    var isJournalLossy = false
    /// What the witnesses answer, by their names; those that are not here are down.
    var witnesses: [String: ReverseReport] = [:]
    /// Which witness was asked, with which nonce.
    var questions: [(witness: String, nonce: Digest)] = []
    /// What the server looks like from here.
    var ownServer = OwnServer.answers(
      ServerFace(publicKey: nil, validUntil: nil, host: .sha256([1]), status: 200),
      port: 9000)
    /// Refuse to save this record.
    var failingRecord: String?
    /// Called when a record was saved.
    var onSave: @Sendable (String) -> Void = { _ in }
    /// So many looks find that the server's process has ended, and systemd has not seen it.
    var looksAtNoProcess = 0
    /// No folder of records can be listed.
    var listFailure: Refusal?
    /// Called when a file is staged.
    var onStage: @Sendable () -> Void = {}
    var stageFailure: Refusal?
    var lines: [String] = []
    /// Mode, owner and inode of files, where they are not as usual.
    var marks: [String: FileMark] = [:]
    /// What is watched, and whether something has happened there.
    var watched: [String] = []
    var stirs = 0
    /// Messages with an id.
    var events: [AgentEvent] = []
    /// How many agents have been started on it.
    var incarnation = 0
  }

  let state: Lock<State>

  init(file: String) {
    var state = State()
    state.file = Array(file.utf8)
    state.process = FakeHost.variables(file)
    state.unit.unsetEnvironment = LoaderVariables.all
    self.state = Lock(state)
  }

  /// From now on this record cannot be saved.
  func failRecord(_ name: String) { state.update { $0.failingRecord = name } }

  /// What systemd makes of these simple files.
  static func variables(_ file: String) -> [EnvironmentVariable] {
    file.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
      guard let equals = line.firstIndex(of: "=") else { return nil }
      let value = line[line.index(after: equals)...].filter { $0 != "\"" }
      return EnvironmentVariable(name: String(line[..<equals]), value: String(value))
    }
  }

  /// What systemd gives a process that is started now.
  private static func started(_ state: State) -> [EnvironmentVariable] {
    func split(_ assignments: [String]) -> [EnvironmentVariable] {
      variables(assignments.joined(separator: "\n"))
    }
    var given = split(state.manager.environment)
    given += state.initial.filter { state.unit.passEnvironment.contains($0.name) }
    given += split(state.unit.environment)
    for file in state.unit.environmentFiles {
      for path in File.paths(matching: file.path, in: state) {
        given += variables(state[path] ?? "")
      }
    }
    let last = Dictionary(given.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    return last.values.sorted { $0.name < $1.name }
      .filter { !state.unit.unsetEnvironment.contains($0.name) }
  }

  /// - Parameter isForNewAgent: the previous agent is dead; what is left of its threads must not write
  ///   any more.
  func ports(peers: any PeerPort = NoPeers(), isForNewAgent: Bool = false) -> Ports {
    let incarnation = state.update { state in
      if isForNewAgent { state.incarnation += 1 }
      return state.incarnation
    }
    return Ports(
      file: File(host: self), unit: Unit(host: self), journal: Journal(host: self),
      process: Process(host: self), probe: Probe(host: self),
      records: Records(host: self, incarnation: incarnation),
      peers: peers, witnesses: Witnesses(host: self), watch: Watch(host: self),
      startThread: { [self] (name, body) throws(Errno) in
        if state.withLock({ $0.refusedThreads.contains(name) }) {
          throw Errno(11, "start thread \(name)")
        }
        try Thread.start(name, body)
      },
      event: { [self] event in state.update { $0.events.append(event) } },
      log: { [self] _, line in state.update { $0.lines.append(line) } })
  }

  struct NoPeers: PeerPort {
    func call<Answer>(
      _ request: AgentRequest<Answer>, to node: String, deadline: Instant
    ) throws(LinkFailure) -> Answer { throw .unreachable("connection refused") }
  }

  struct File: EnvironmentFilePort {
    let host: FakeHost
    func read(_ path: String) throws(Refusal) -> [UInt8]? {
      if let failure = host.state.withLock({ $0.readFailure }) { throw failure }
      return host.state.withLock { $0.files[path] }
    }
    func read(_ path: String, seenBy pid: Int32) throws(Refusal) -> [UInt8]? {
      if let bytes = host.state.withLock({ $0.seen[path] }) { return bytes }
      return try read(path)
    }
    func changed(_ path: String, seenBy pid: Int32) throws(Refusal) -> Int64? {
      try changed(path)
    }
    func place(of path: String, for account: ServiceAccount) throws(Refusal) -> ConfigFilePlace {
      host.state.withLock { state in
        state.places[path]
          ?? ConfigFilePlace(path: path, steps: [path], exists: state.files[path] != nil)
      }
    }
    func changed(_ path: String) throws(Refusal) -> Int64? {
      host.state.withLock { state in
        state.files[path] == nil ? nil : state.changed[path] ?? 0
      }
    }
    func paths(matching pattern: String) throws(Refusal) -> [String] {
      host.state.withLock { Self.paths(matching: pattern, in: $0) }
    }
    static func paths(matching pattern: String, in state: State) -> [String] {
      // One star at the most, which is enough here.
      let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
      guard parts.count == 2 else { return state.files[pattern] == nil ? [] : [pattern] }
      return state.files.keys.filter { $0.hasPrefix(parts[0]) && $0.hasSuffix(parts[1]) }.sorted()
    }
    func obstacle(reading path: String, as account: ServiceAccount) throws(Refusal) -> String? {
      account.overridesPermissions ? nil : host.state.withLock { $0.obstacles[path] }
    }
    func checkReplaceable(_ path: String) throws(Refusal) {
      if let failure = host.state.withLock({ $0.replaceFailures[path] }) { throw failure }
    }
    func stage(
      _ bytes: [UInt8], at path: String, tag: String, before: Digest?, owner: ServiceAccount?
    ) throws(Refusal) {
      if let failure = host.state.withLock({ $0.stageFailure }) { throw failure }
      host.state.update { state in
        state.staged[tag] = State.Staged(path: path, bytes: bytes)
        state.owners[path] = owner
      }
      let onStage = host.state.withLock { $0.onStage }
      onStage()
    }
    func install(
      at path: String, tag: String, before: Digest?, after: Digest
    ) throws(Refusal) {
      let isDone = host.state.withLock { state in
        if state.files[path].map(Digest.sha256) == after { return true }
        guard state.files[path].map(Digest.sha256) == before, let staged = state.staged[tag],
          staged.path == path
        else { return false }
        state.files[path] = staged.bytes
        state.staged[tag] = nil
        return true
      }
      if !isDone { throw Refusal(.vote, "the file has changed") }
    }
    func syncDirectory(of path: String) throws(Refusal) {
      host.state.update { $0.synced.append(path) }
    }
    func discard(beside path: String, allExcept tags: [String]) throws(Refusal) {
      host.state.update { state in
        state.staged = state.staged.filter { $0.value.path != path || tags.contains($0.key) }
      }
    }
  }

  /// Each start ends at the Key Manager with this line, before READY; systemd tries on.
  func endsAtKeyManager(_ line: String) {
    state.update { state in
      state.startLines = [line]
      state.onRestart = { state in
        state.unit.activeState = "activating"
        state.unit.subState = "start"
      }
    }
  }

  /// The next start gets to READY, and says so.
  func startsWell(_ lines: [String]) {
    state.update { state in
      state.startLines = lines
      state.onRestart = { state in
        state.unit.activeState = "active"
        state.unit.subState = "running"
      }
    }
  }

  struct Unit: UnitPort {
    let host: FakeHost
    func state(deadline: Instant) throws(Refusal) -> UnitState { host.state.withLock { $0.unit } }
    func manager(deadline: Instant) throws(Refusal) -> ManagerState {
      host.state.withLock { $0.manager }
    }
    func restart(deadline: Instant) throws(Refusal) {
      if let failure = host.state.withLock({ $0.restartFailure }) { throw failure }
      if host.state.withLock({ $0.isAtStartLimit }) { throw Refusal(.unit, "start-limit-hit") }
      let (deliver, entries) = host.state.update { state in
        state.restarts += 1
        state.unit.invocationID = "new-\(state.restarts)"
        state.unit.mainPID = max(state.unit.mainPID, state.unit.execMainPID, 100) + 1
        state.unit.activeState = "active"
        state.unit.execMainPID = state.unit.mainPID
        state.unit.execMainStartMonotonicMicroseconds = Clock.monotonicMicroseconds()
        state.process = FakeHost.started(state)
        state.unit.execMainStartRealtimeMicroseconds = UInt64(Clock.realtimeMicroseconds())
        let onRestart = state.onRestart
        onRestart(&state)
        let entries = state.startLines.enumerated().map { index, line in
          JournalEntry(
            cursor: "new-\(index)", realtimeMicroseconds: 1, monotonicMicroseconds: 1,
            bootID: state.boot, invocationID: state.unit.invocationID, pid: state.unit.mainPID,
            priority: 6, identifier: "minio", message: line)
        }
        return (state.deliver, entries)
      }
      for entry in entries { for body in deliver { body(entry) } }
    }
    func stop(deadline: Instant) throws(Refusal) {
      let onStopping = host.state.update { state in
        state.stops += 1
        state.unit.activeState = "deactivating"
        return state.onStopping
      }
      onStopping()
      if let failure = host.state.withLock({ $0.stopFailure }) { throw failure }
      let onStop = host.state.update { state in
        state.unit.activeState = "inactive"
        state.unit.mainPID = 0
        return state.onStop
      }
      onStop()
    }
    func start(deadline: Instant) throws(Refusal) {
      let onStart = host.state.withLock { $0.onStart }
      onStart()
      let failure = host.state.update { state in
        state.starts += 1
        if state.startFailure == nil { state.unit.activeState = "active" }
        return state.startFailure
      }
      if let failure { throw failure }
    }
    func resetFailed(deadline: Instant) throws(Refusal) {
      host.state.update { $0.isAtStartLimit = false }
    }
    func change(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState? {
      host.state.wait(until: deadline) { $0.unit == state ? nil : $0.unit }
    }
    func rest(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState? {
      try change(after: state, deadline: deadline)
    }
  }

  struct Watch: FileWatchPort {
    let host: FakeHost
    /// Each agent on the host has its own look at every change.
    private let seen = Lock(0)
    init(host: FakeHost) { self.host = host }
    func watch(_ places: [String]) throws(Refusal) { host.state.update { $0.watched = places } }
    func wait(until deadline: Instant?) throws(Refusal) -> Bool {
      let isStirred: Bool? = host.state.wait(until: deadline) { state in
        seen.update { seen in
          defer { seen = state.stirs }
          return state.stirs > seen ? true : nil
        }
      }
      return isStirred ?? false
    }
    func wake() { host.state.update { $0.stirs += 1 } }
    func mark(of path: String) throws(Refusal) -> FileMark {
      let digest = try File(host: host).read(path).map(Digest.sha256)
      var mark =
        host.state.withLock { $0.marks[path] }
        ?? FileMark(digest: nil, mode: 0o640, userID: 0, groupID: 7300, inode: 1)
      mark.digest = digest
      return mark
    }
  }

  struct Journal: JournalPort, JournalSubscription {
    let host: FakeHost
    func cursor() throws(Refusal) -> String? {
      let onCursor = host.state.withLock { $0.onCursor }
      onCursor()
      return host.state.withLock { $0.cursor }
    }
    func follow(
      after cursor: String?, deliver: @escaping @Sendable (JournalEntry) -> Void
    ) throws(Refusal) -> any JournalSubscription {
      // A follower that comes late reads what has been written meanwhile.
      let entries = host.state.update { state -> [JournalEntry] in
        state.deliver.append(deliver)
        let before = cursor == state.cursor ? [] : state.linesBeforeCursor
        return before
          + (state.restarts == 0
            ? []
            : state.startLines.enumerated().map { index, line in
              JournalEntry(
                cursor: "new-\(index)", realtimeMicroseconds: 1, monotonicMicroseconds: 1,
                bootID: state.boot, invocationID: state.unit.invocationID, pid: state.unit.mainPID,
                priority: 6, identifier: "minio", message: line)
            })
      }
      for entry in entries { deliver(entry) }
      return self
    }
    func stop() {}
    func follow(
      directory: String, since: Int64, deliver: @escaping @Sendable (JournalEntry) -> Void,
      fail: @escaping @Sendable (String) -> Void
    ) throws(Refusal) -> any JournalSubscription {
      let lines = host.state.withLock { $0.logFiles[directory] }
      guard let lines else {
        fail("there is no such directory")
        return self
      }
      for line in lines {
        if let entry = JournalEntry(fileLine: line, received: Clock.realtimeMicroseconds()) {
          deliver(entry)
        }
      }
      return self
    }
    func page(_ request: JournalRequest) throws(Refusal) -> JournalPage {
      let onPage = host.state.withLock { $0.onPage }
      onPage()
      return host.state.update { state in
        state.journalRequests.append(request)
        let entries =
          state.journal
          ?? state.startLines.map { line in
            JournalEntry(
              cursor: "c", realtimeMicroseconds: 1, monotonicMicroseconds: 1, bootID: state.boot,
              invocationID: "old", pid: 100, priority: 6, identifier: "minio", message: line)
          }
        return JournalPage(entries: entries, cursor: "c", isLossy: state.isJournalLossy)
      }
    }
  }

  struct Process: ProcessPort {
    let host: FakeHost
    func environment(of pid: Int32) throws(Refusal) -> [EnvironmentVariable] {
      let isGone = host.state.update { state in
        if pid == 1 || state.looksAtNoProcess == 0 { return false }
        state.looksAtNoProcess -= 1
        return true
      }
      if isGone {
        throw Refusal(.file, "read /proc/\(pid)/environ: No such file or directory")
      }
      return host.state.withLock { pid == 1 ? $0.initial : $0.process }
    }
    func home(of user: String) -> String? { "/home/\(user)" }
    func bootID() -> String { host.state.withLock { $0.boot } }
  }

  struct Probe: ProbePort {
    let host: FakeHost
    func keyManagers(
      _ settings: KeyManagerSettings, surroundings: ServerSurroundings, deadline: Instant
    ) -> [EndpointReport] {
      host.state.update { $0.surroundings = surroundings }
      let given = host.state.withLock { $0.reports }
      if !given.isEmpty { return given }
      return settings.endpoints.map { Probe.fine($0.text) }
    }
    func keyManagers(
      at hosts: [HostPort], surroundings: ServerSurroundings, deadline: Instant
    ) -> [EndpointReport] { hosts.map { Probe.fine(Endpoint(host: $0.host, port: $0.port).text) } }
    func ownServer(_ server: ServerArguments, deadline: Instant) -> OwnServer {
      host.state.withLock { $0.ownServer }
    }
    func health(
      _ endpoint: HealthEndpoint, of server: ServerArguments, deadline: Instant
    ) -> HealthAnswer {
      host.state.update { state in
        state.healthQuestions.append(endpoint)
        return endpoint == .ready
          ? state.health.ready : state.health.cluster ?? .failed("no answer")
      }
    }
    func takesWrites(
      _ server: ServerArguments, as credentials: AccessCredentials, bucket: String, objects: Int,
      deadline: Instant
    ) -> WriteAnswer {
      host.state.update { state in
        state.writeQuestions.append((credentials, bucket, objects))
        return state.writes
      }
    }
    func kmsStatus(
      _ server: ServerArguments, as credentials: AccessCredentials, deadline: Instant
    ) -> ServerKMSAnswer {
      host.state.withLock { state in
        let key = state.process.last { $0.name == "MINIO_KMS_SSE_KEY" }?.value
        // A key that is in a file of its own is not looked up here.
        return state.kms ?? key.map { .defaultKey($0) } ?? .untold("not asked")
      }
    }
    static func fine(_ endpoint: String) -> EndpointReport {
      EndpointReport(
        endpoint: endpoint, address: "127.0.0.1",
        stages: ProbeStage.allCases.map {
          StageResult($0, .fine, milliseconds: 1, detail: "")
        })
    }
  }

  struct Witnesses: WitnessPort {
    let host: FakeHost
    func ask(
      _ witness: String, _ request: WitnessRequest, deadline: Instant
    ) throws(Refusal) -> ReverseReport {
      let report = host.state.update { state in
        state.questions.append((witness, request.nonce))
        return state.witnesses[witness]
      }
      guard let report else { throw Refusal(.unreachable, "connection refused") }
      return report
    }
  }

  struct Records: RecordPort {
    let host: FakeHost
    let incarnation: Int
    var directory: String { "/var/lib/keyturn" }
    func guardEvidence(of invocation: String) throws(Refusal) -> [UInt8]? {
      if host.state.withLock({ $0.unguarded.contains(invocation) }) { return nil }
      return JSON.encode(
        GuardEvidence(invocation: invocation, key: nil, realtimeMicroseconds: 0))
    }
    func load(_ name: String) throws(Refusal) -> [UInt8]? {
      let bytes = host.state.withLock { $0.records[name] }
      // What a disk that is broken left of it.
      if bytes == [] { throw Refusal(.validation, "read \(name): its checksum is wrong") }
      return bytes
    }
    func save(_ name: String, _ bytes: [UInt8]) throws(Refusal) {
      if host.state.withLock({ $0.incarnation }) != incarnation {
        throw Refusal(.failed, "the agent is dead")
      }
      if host.state.withLock({ $0.failingRecord }) == name {
        throw Refusal(.file, "write \(name): No space left on device")
      }
      let onSave = host.state.update { state in
        state.records[name] = bytes
        return state.onSave
      }
      onSave(name)
    }
    func remove(_ name: String) throws(Refusal) { host.state.update { $0.records[name] = nil } }
    func list(_ folder: String) throws(Refusal) -> [String] {
      if let failure = host.state.withLock({ $0.listFailure }) { throw failure }
      return host.state.withLock { state in
        state.records.keys.filter { $0.hasPrefix("\(folder)/") }
          .map { String($0.dropFirst(folder.utf8.count + 1)) }
      }
    }
  }
}
