// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import Crypto
import JSONCoding
import KeyManager
import Linux
import Model
import TestSupport
import Rollout
import Secrets
import ServerUnit
import StartWatch
import Threads

/// A host in memory: it stands behind the agent's ports, and does what a good host does unless told
/// otherwise.
final class FakeNodeHost: Sendable {
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
    /// The SSE key of the Key Managers.
    var key = SimulatedKey()
    /// How often one was made.
    var proofsMade = 0
    /// Why none can be made; nil if one can.
    var proofFailure: Refusal?
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
    /// What it was started with; nil for what the unit says.
    var arguments: [String]?
    /// The server's program as a file, nil for none, and the one that runs.
    var program: FakeProgram? = FakeProgram(inode: 1, text: "minio")
    var runningProgram = FakeProgram(inode: 1, text: "minio")
    /// How often one was read, and why it cannot be.
    var programReads = 0
    var programFailure: Refusal?
    var restarts = 0
    /// What the journal holds, if not the lines of the start.
    var journal: [JournalEntry]?
    /// How often the unit was stopped, and started by itself.
    var stops = 0
    var starts = 0
    /// Called when the unit was stopped.
    var onStop: @Sendable () -> Void = {}
    /// Called when somebody begins to wait for a change of the unit.
    var onWait: @Sendable () -> Void = {}
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
    /// What they show.
    var witnessCertificates: [String: OwnCertificate] = [:]
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
    /// The messages with which rollouts have ended here.
    var ends: [AgentEvent] = []
    /// How many agents have been started on it.
    var incarnation = 0
  }

  let state: Lock<State>

  init(file: String) {
    var state = State()
    state.file = Array(file.utf8)
    state.process = FakeNodeHost.variables(file)
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
  static func started(_ state: State) -> [EnvironmentVariable] {
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
      event: { [self] event in
        let isEnd = event.fields.contains { $0.name == "KEYTURN_OUTCOME" }
        state.update { isEnd ? $0.ends.append(event) : $0.events.append(event) }
      },
      log: { [self] _, line in state.update { $0.lines.append(line) } })
  }

  struct NoPeers: PeerPort {
    func call<Answer>(
      _ request: AgentRequest<Answer>, to node: Inventory.Node, deadline: Instant
    ) throws(LinkFailure) -> Answer { throw .unreachable("connection refused") }
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
}

/// A file of a program.
struct FakeProgram: Sendable {
  var inode: UInt64
  /// What is in it.
  var text: String
  var releases: [String] = []
  var isNative = true
}
