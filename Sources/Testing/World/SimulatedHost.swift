// SPDX-License-Identifier: Apache-2.0
internal import Agent
internal import Crypto
internal import Fibers
internal import JSONCoding
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import Threads

/// A host of the world: its disk, its service manager with the server's unit, its journal, its clock, and the agent that
/// runs on it now. What is here outlives the agent.
///
/// Only fibers of one kernel thread touch it, so nothing is locked; what waits for a change parks at ``changed``.
final class SimulatedHost: @unchecked Sendable {
  static let environmentFile = "/etc/default/minio"

  let name: String
  let world: World
  let clock: SimulatedClock
  /// The agent's program; nil while it does not run.
  private(set) var program: SimulatedProcess?
  private(set) var agent: Agent?
  /// The service manager; another one after each boot.
  private var manager: SimulatedProcess
  private(set) var boot = 1
  /// Whether its power is gone.
  private(set) var isOff = false
  /// Where whoever waits for something here is parked.
  let changed = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)

  /// Two locks that are taken in the wrong order: see ``Planted``.
  private let twoLocks = (Lock(0), Lock(0))

  // The disk.
  var files: [String: [UInt8]]
  /// What was there before a rename that is not durable yet: the file, nil if there was none, and what was staged.
  var unsynced: [String: (file: [UInt8]?, tag: String, staged: [UInt8])] = [:]
  var staged: [String: (path: String, bytes: [UInt8])] = [:]
  var records: [String: [UInt8]] = [:]
  /// So many times a file changed: what the agent's file watch looks at.
  var stirs = 0
  /// Why nothing can be written; nil if it can.
  var diskFailure: String?

  // systemd.
  var unit: UnitState
  var environment: [EnvironmentVariable] = []
  private var job = 0
  /// Digests of files with which the server ends before it is ready.
  var unstartable: Set<Digest> = []
  var journal: [JournalEntry] = []

  /// Restarts of the server that each rollout asked for, by the boot and its id.
  var restarts: [String: Int] = [:]

  init(_ name: String, _ world: World, file: String, clock: SimulatedClock) {
    self.name = name
    self.world = world
    self.clock = clock
    changed.initialize(to: 0)
    files = [Self.environmentFile: Array(file.utf8)]
    manager = SimulatedProcess("systemd@\(name)", clock)
    unit = UnitState(
      id: "minio.service", activeState: "active", subState: "running", mainPID: 100,
      invocationID: Self.identity(name, 0, 0, 0)
    ) {
      $0.user = "minio-user"
      $0.environmentFiles = [.init(path: Self.environmentFile, isOptional: true)]
      $0.execStart = ["/usr/local/bin/minio", "server", "$MINIO_OPTS", "$MINIO_VOLUMES"]
      $0.startPre = [.init(words: ["/usr/local/bin/keyturn", "guard"], flags: ["privileged"])]
      $0.restart = "always"
      $0.unsetEnvironment = LoaderVariables.all
    }
    environment = Self.variables(files[Self.environmentFile] ?? [])
  }

  deinit { changed.deallocate() }

  /// Takes two locks, in an order that is drawn.
  func logsTwice() {
    let locks = world.draw(2) == 0 ? twoLocks : (twoLocks.1, twoLocks.0)
    locks.0.withLock { _ in locks.1.withLock { $0 += 1 } }
  }

  var bootID: String { Self.identity(name, boot, 0, 0) }

  /// 32 hexadecimal digits, as systemd's.
  private static func identity(_ name: String, _ boot: Int, _ job: Int, _ attempt: Int) -> String {
    String(Digest.sha256(Array("\(name) \(boot) \(job) \(attempt)".utf8)).hex.prefix(32))
  }

  /// A call of the agent's comes in here, or goes back: other fibers may run, and in some runs the agent is killed just
  /// now.
  func enter() {
    world.runtime.pass()
    guard let program, world.runtime.process === program, world.isStormy else { return }
    if world.runtime.random() & 65_535 < world.faults.killsOf65536 {
      killAgent(reviving: true)
    }
  }

  /// Wakes all who wait for something here.
  func stir() { world.runtime.wake(changed) }

  /// Blocks a fiber of this host for a drawn time, up to so many microseconds.
  func take(upTo microseconds: Int64) {
    let nanoseconds = Int64(world.runtime.random() % UInt64(microseconds * 1_000 + 1))
    Clock.sleep(until: Instant(nanoseconds: Clock.now().nanoseconds + nanoseconds))
  }

  /// What systemd makes of a simple file.
  static func variables(_ file: [UInt8]) -> [EnvironmentVariable] {
    String(decoding: file, as: UTF8.self).split(separator: "\n").compactMap { line in
      guard !line.hasPrefix("#"), let equals = line.firstIndex(of: "=") else { return nil }
      let value = line[line.index(after: equals)...].filter { $0 != "\"" }
      return EnvironmentVariable(name: String(line[..<equals]), value: String(value))
    }
    .sorted { $0.name < $1.name }
  }

  // MARK: the agent

  /// Starts the agent's program.
  ///
  /// - Parameter isBoot: the host has just started: the server starts when the agent is ready.
  func startAgent(isBoot: Bool = false) {
    guard program == nil, !isOff else { return }
    let process = SimulatedProcess("keyturnd@\(name)", clock)
    program = process
    world.runtime.spawn("main", in: process) { [self] in
      let agent = Agent(
        node: name, inventory: world.inventory, version: "world", ports: ports())
      self.agent = agent
      agent.start()
      agent.catchUp(until: .inMilliseconds(10_000))
      if isBoot, unit.mainPID == 0 { startServer() }
      do throws(Refusal) { try agent.watch() } catch {
        world.violate("\(name): the agent's watches did not start: \(error.message)")
      }
    }
    // systemd does not wait for it longer than that.
    if isBoot {
      world.runtime.spawn("boot", in: manager) { [self] in
        Clock.sleep(until: .inMilliseconds(30_000))
        if unit.mainPID == 0, unit.invocationID.isEmpty { startServer() }
      }
    }
  }

  /// Ends the agent's program as SIGKILL does. From one of its own fibers it does not return.
  ///
  /// - Parameter reviving: systemd starts it again.
  func killAgent(reviving: Bool) {
    guard let process = program else { return }
    world.trace("\(name): agent killed")
    world.killed(self)
    program = nil
    agent = nil
    if reviving {
      world.runtime.spawn("revive", in: manager) { [self] in
        // RestartSec= of keyturnd.service.
        Clock.sleep(until: .inMilliseconds(1_000))
        take(upTo: world.draw(2) == 0 ? 100_000 : 4_000_000)
        startAgent()
      }
    }
    // Whoever waits for its answer hears that the connection is gone.
    stir()
    world.runtime.kill(process)
  }

  /// Power is gone: what was not made durable is lost.
  func powerCut() {
    world.trace("\(name): power cut")
    if promised?.active != nil { world.reached.insert(.powerCutInRollout) }
    for (path, before) in unsynced.sorted(by: { $0.key < $1.key }) where world.chance(128) {
      files[path] = before.file
      staged[before.tag] = (path, before.staged)
    }
    unsynced = [:]
    isOff = true
    world.runtime.kill(manager)
    killAgent(reviving: false)
    unit.activeState = "inactive"
    unit.subState = "dead"
    unit.mainPID = 0
    unit.invocationID = ""
    unit.job = nil
    environment = []
    journal = []
    stir()
  }

  /// Power is back: another boot, the agent, then the server.
  func bootUp() {
    guard isOff else { return }
    world.trace("\(name): boots")
    isOff = false
    boot += 1
    clock.bootOffset = 1_000_000_000 - world.runtime.now
    manager = SimulatedProcess("systemd@\(name)", clock)
    startAgent(isBoot: true)
  }

  // MARK: the server

  /// Stops the server if it runs, and starts it: a job of the service manager's.
  func restartServer() {
    let job = newJob()
    world.runtime.spawn("job-\(job)", in: manager) { [self] in
      if self.job != job { return }
      if unit.mainPID != 0 {
        unit.activeState = "deactivating"
        unit.subState = "stop-sigterm"
        stir()
        take(upTo: world.faults.stopMicroseconds)
        if self.job != job { return }
        end()
      }
      start(job)
    }
  }

  /// Stops the server: a job of the service manager's, which goes on if its caller is killed. Blocks until it has
  /// stopped, or the deadline has come (false).
  func stopServer(until deadline: Instant) -> Bool {
    let job = newJob()
    world.runtime.spawn("job-\(job)", in: manager) { [self] in
      if unit.mainPID != 0 {
        unit.activeState = "deactivating"
        stir()
        take(upTo: world.faults.stopMicroseconds)
        if self.job != job { return }
        end()
      }
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
    world.runtime.spawn("job-\(job)", in: manager) { [self] in start(job) }
  }

  /// Takes the place of the job before.
  private func newJob() -> Int {
    job += 1
    unit.job = .init(id: UInt32(job), path: "/org/freedesktop/systemd1/job/\(job)")
    stir()
    return job
  }

  private func end() {
    unit.mainPID = 0
    environment = []
    stir()
  }

  private func start(_ job: Int) {
    var attempt = 0
    while self.job == job {
      attempt += 1
      let file = files[Self.environmentFile] ?? []
      unit.invocationID = Self.identity(name, boot, job, attempt)
      unit.mainPID = Int32(1_000 + job * 10 + attempt)
      unit.execMainPID = unit.mainPID
      unit.execMainStartMonotonicMicroseconds = Clock.monotonicMicroseconds()
      unit.execMainStartRealtimeMicroseconds = UInt64(max(0, Clock.realtimeMicroseconds()))
      unit.activeState = "activating"
      unit.subState = "start"
      environment = Self.variables(file)
      stir()
      take(upTo: 300_000)
      if self.job != job { return }
      if !unstartable.contains(Digest.sha256(file)) {
        write("INFO: All MinIO sub-systems initialized successfully in 1s")
        unit.activeState = "active"
        unit.subState = "running"
        unit.job = nil
        write("MinIO AIStor Server")
        stir()
        return
      }
      write("FATAL Unable to initialize config system: Invalid environment variable")
      end()
      unit.activeState = "activating"
      unit.subState = "auto-restart"
      unit.job = nil
      stir()
      Clock.sleep(until: .inMilliseconds(5_000))
    }
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

  /// Whether the server takes requests.
  var isServing: Bool { unit.activeState == "active" && unit.mainPID != 0 }

  // MARK: what the checks look at

  /// What the member has promised, as its disk says; nil before its first start.
  var promised: ParticipantRecord? {
    records["rollout"].flatMap { try? JSON.decode(ParticipantRecord.self, from: $0) }
  }
}
