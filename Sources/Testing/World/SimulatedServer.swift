// SPDX-License-Identifier: Apache-2.0
internal import Agent
internal import Fibers
internal import Model
internal import Operator
internal import Secrets
internal import ServerUnit
internal import Threads

/// How a start of the server goes wrong.
enum BadStart: CaseIterable {
  /// It ends before it has asked a Key Manager.
  case beforeKeyManager
  /// No Key Manager lets it have a key.
  case withoutKeyManager
  /// Only the first one is without a Key Manager; the next ones, systemd's own, come as far as to encrypt.
  case withoutKeyManagerAtFirst
  /// It ends afterwards: it may have encrypted something.
  case afterKeyManager
  /// It says nothing more, and is never ready.
  case hangs
}

/// The service manager of a host, and the server's unit.
extension SimulatedHost {
  static func freshUnit(_ invocation: String) -> UnitState {
    UnitState(
      id: "minio.service", activeState: "active", subState: "running", mainPID: 100,
      invocationID: invocation
    ) {
      $0.user = "minio-user"
      $0.environmentFiles = [.init(path: environmentFile, isOptional: true)]
      $0.execStart = ["/usr/local/bin/minio", "server", "$MINIO_OPTS", "$MINIO_VOLUMES"]
      $0.startPre = [.init(words: ["/usr/local/bin/keyturn", "guard"], flags: ["privileged"])]
      $0.restart = "always"
      $0.unsetEnvironment = LoaderVariables.all
    }
  }

  /// What systemd makes of a simple file.
  static func variables(_ file: [UInt8]) -> [EnvironmentVariable] {
    var values: [String: String] = [:]
    for line in String(decoding: file, as: UTF8.self).split(separator: "\n") {
      guard !line.hasPrefix("#"), let equals = line.firstIndex(of: "=") else { continue }
      // The last of several counts.
      values[String(line[..<equals])] = line[line.index(after: equals)...].filter { $0 != "\"" }
    }
    return values.sorted { $0.key < $1.key }.map { EnvironmentVariable(name: $0, value: $1) }
  }

  /// What the file says now.
  var fileVariables: [EnvironmentVariable] { Self.variables(files[Self.environmentFile] ?? []) }

  /// Whether the server takes requests.
  var isServing: Bool { unit.activeState == "active" && unit.mainPID != 0 }

  /// Power is gone.
  func loseServer() {
    unit = Self.freshUnit("")
    unit.activeState = "inactive"
    unit.subState = "dead"
    unit.mainPID = 0
    environment = []
    evidence = [:]
    journal = []
  }

  /// Stops the server if it runs, and starts it: a job of the service manager's.
  func restartServer() {
    let job = newJob()
    runJob(job) { [self] in if stop(job) { start(job) } }
  }

  /// Stops the server: a job of the service manager's, which goes on if its caller is killed. Blocks until it has
  /// stopped, or the deadline has come (false).
  func stopServer(until deadline: Instant) -> Bool {
    let job = newJob()
    runJob(job) { [self] in
      guard stop(job) else { return }
      unit.activeState = "inactive"
      unit.subState = "dead"
      unit.job = nil
      stir()
    }
    while self.job == job, unit.activeState != "inactive" {
      if Clock.now() >= deadline { return false }
      world.runtime.park(at: changed, until: deadline.nanoseconds)
    }
    return true
  }

  func startServer() {
    let job = newJob()
    runJob(job) { [self] in start(job) }
  }

  /// The server dies by itself, and systemd starts it again.
  func serverDies() {
    guard isServing, unit.job == nil else { return }
    world.trace("\(name): the server dies")
    let job = self.job
    end()
    unit.nRestarts += 1
    runJob(job) { [self] in if awaitsRestart(job) { start(job) } }
  }

  /// Takes the place of the job before.
  private func newJob() -> Int {
    job += 1
    unit.job = .init(id: UInt32(job), path: "/org/freedesktop/systemd1/job/\(job)")
    unit.nRestarts = 0
    stir()
    return job
  }

  private func runJob(_ job: Int, _ body: @escaping @Sendable () -> Void) {
    world.runtime.spawn("job-\(job)", in: manager) { [self] in if self.job == job { body() } }
  }

  /// False if another job took its place.
  private func stop(_ job: Int) -> Bool {
    if unit.mainPID == 0 { return true }
    unit.activeState = "deactivating"
    unit.subState = "stop-sigterm"
    stir()
    take(upTo: world.faults.stopMicroseconds)
    if self.job != job { return false }
    end()
    return true
  }

  private func end() {
    unit.mainPID = 0
    environment = []
    stir()
  }

  /// What Restart= waits for; false if another job took its place.
  private func awaitsRestart(_ job: Int) -> Bool {
    unit.activeState = "activating"
    unit.subState = "auto-restart"
    unit.job = nil
    stir()
    Clock.sleep(until: .inMilliseconds(world.faults.restartMilliseconds))
    return self.job == job
  }

  private func start(_ job: Int) {
    repeat {
      if attempt(job) { return }
      if self.job != job { return }
      end()
      unit.nRestarts += 1
    } while awaitsRestart(job)
  }

  /// One start; true if it has come to an end that systemd leaves alone.
  private func attempt(_ job: Int) -> Bool {
    starts += 1
    let given = fileVariables
    unit.invocationID = identity(starts)
    unit.activeState = "activating"
    unit.subState = "start-pre"
    unit.execMainPID = 0
    stir()
    let status = WorldCommand(
      host: self,
      variables: Self.given(given, invocation: unit.invocationID)
    ).run(["guard"])
    if self.job != job { return true }
    unit.startPre[0].exitCode = 1
    unit.startPre[0].exitStatus = status
    if status != 0 {
      world.reached.insert(.startRefused)
      return false
    }
    world.started(on: self, given)
    unit.mainPID = Int32(1_000 + starts)
    unit.execMainPID = unit.mainPID
    unit.execMainStartMonotonicMicroseconds = Clock.monotonicMicroseconds()
    unit.execMainStartRealtimeMicroseconds = UInt64(max(0, Clock.realtimeMicroseconds()))
    unit.subState = "start"
    environment = given
    stir()
    take(upTo: 300_000)
    if self.job != job { return true }
    func value(_ name: String) -> String? { given.last { $0.name == name }?.value }
    var bad = value("MINIO_REGION").flatMap { badRegions[$0] }
    let key = value("MINIO_KMS_SSE_KEY")
    if bad == .hangs { return true }
    if bad == .beforeKeyManager {
      write("FATAL Unable to initialize config system: Invalid environment variable")
      return false
    }
    if bad == .withoutKeyManagerAtFirst, unit.nRestarts == 0 { bad = .withoutKeyManager }
    if key != nil, bad == .withoutKeyManager || !world.keyManagerIsUp {
      write("FATAL Failed to connect to KMS: dial tcp 192.0.2.1:7373: connect: connection refused")
      return false
    }
    if let key { encryptedWith.insert(key) }
    write("INFO: All MinIO sub-systems initialized successfully in 1s")
    if bad == .afterKeyManager {
      write("FATAL Unable to start the server: listen tcp :9000: bind: address already in use")
      return false
    }
    unit.activeState = "active"
    unit.subState = "running"
    unit.job = nil
    write("MinIO AIStor Server")
    stir()
    return true
  }

  /// The environment of the unit's commands.
  private static func given(
    _ variables: [EnvironmentVariable], invocation: String
  ) -> [String: String] {
    var given = Dictionary(variables.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    given["INVOCATION_ID"] = invocation
    given["USER"] = "minio-user"
    return given
  }

  private func write(_ line: String) {
    journal.append(
      JournalEntry(
        cursor: "s=1;i=\(journal.count + 1);b=\(bootID)",
        realtimeMicroseconds: Clock.realtimeMicroseconds(),
        monotonicMicroseconds: Clock.monotonicMicroseconds(), bootID: bootID,
        invocationID: unit.invocationID, pid: unit.mainPID, priority: 6, identifier: "minio",
        message: line))
    stir()
  }
}
