// SPDX-License-Identifier: Apache-2.0
internal import API
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
  private(set) var manager: SimulatedProcess
  private(set) var boot = 1
  /// Whether its power is gone.
  private(set) var isOff = false
  /// Where whoever waits for something here is parked.
  let changed = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)

  /// Two locks that are taken in the wrong order: see ``Planted``.
  private let twoLocks = (Lock(0), Lock(0))

  /// Whether the agent is killed at its next call.
  var isDoomed = false

  // The disk.
  var files: [String: [UInt8]]
  /// What was there before a rename that is not durable yet: the file, nil if there was none, and what was staged.
  var unsynced: [String: (file: [UInt8]?, tag: String, staged: [UInt8])] = [:]
  var staged: [String: (path: String, bytes: [UInt8])] = [:]
  var records: [String: [UInt8]] = [:]
  /// What records were before writes that are not durable, nil in it for none: see ``Planted``.
  var unsyncedRecords: [String: [UInt8]?] = [:]
  /// So many times a file changed: what the agent's file watch looks at.
  var stirs = 0
  /// Why nothing can be written; nil if it can.
  var diskFailure: String?

  /// Whether what the member has promised was written, and its agent was told that it was not.
  var isPromiseUnknown = false

  /// Names of records that cannot be read: their checksums are wrong.
  var damaged: Set<String> = []
  /// The record of the member that ``promised`` has read last.
  private var lastRead: (bytes: [UInt8], record: ParticipantRecord?)?

  // systemd, and the server.
  var unit: UnitState
  var environment: [EnvironmentVariable] = []
  var job = 0
  var starts = 0
  /// How the server ends with a region, by its name.
  var badRegions: [String: BadStart] = [:]
  var journal: [JournalEntry] = []
  /// What the start guard has left, by its path.
  var evidence: [String: [UInt8]] = [:]
  /// Whether the bus does not answer.
  var isBusAway = false
  /// The keys with which the server may have encrypted something.
  var encryptedWith: Set<String> = []

  /// What the world knows of it.
  var history = HostHistory()

  /// /etc/keyturn/inventory.json: of a host that is to join with itself in it.
  private(set) var inventory: Inventory

  init(_ name: String, _ world: World, clock: SimulatedClock) {
    self.name = name
    inventory = world.inventory.including(name)
    self.world = world
    self.clock = clock
    changed.initialize(to: 0)
    files = [Self.environmentFile: Array(world.firstFile.utf8)]
    manager = SimulatedProcess("systemd@\(name)", clock)
    unit = Self.freshUnit(Self.identity(name, 0, 0))
    environment = Self.variables(files[Self.environmentFile] ?? [])
  }

  deinit { changed.deallocate() }

  /// Takes two locks, in an order that is drawn.
  func logsTwice() {
    let locks = world.draw(2) == 0 ? twoLocks : (twoLocks.1, twoLocks.0)
    locks.0.withLock { _ in
      // A line takes its time: another thread's comes meanwhile, now and then.
      take(upTo: 1_000)
      locks.1.withLock { $0 += 1 }
    }
  }

  var bootID: String { identity(0) }

  /// The invocation of a start, and with 0 the boot: 32 hexadecimal digits, as systemd's.
  func identity(_ start: Int) -> String { Self.identity(name, boot, start) }

  private static func identity(_ name: String, _ boot: Int, _ start: Int) -> String {
    String(Digest.sha256(Array("\(name) \(boot) \(start)".utf8)).hex.prefix(32))
  }

  /// A call of the agent's comes in here, or goes back: other fibers may run, and in some runs the agent is killed just
  /// now.
  func enter() {
    world.runtime.pass()
    guard let program, world.runtime.process === program, world.isStormy else { return }
    if isDoomed, world.chance(64) {
      loseHost()
    } else if isDoomed || world.runtime.random() & 65_535 < world.faults.killsOf65536 {
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
        node: name, inventory: inventory, version: AgentVersion("world"), ports: ports())
      // As the daemon does, it answers nobody before it goes on with what it was in.
      agent.start()
      self.agent = agent
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
    isPromiseUnknown = false
    world.killed(self)
    program = nil
    agent = nil
    isDoomed = false
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

  /// Its power goes in the middle of a call of its agent's, which does not return, and comes back later.
  private func loseHost() {
    isDoomed = false
    world.runtime.spawn("power", in: world.outside) { [self] in
      powerCut()
      world.pause(upToMilliseconds: 10_000)
      bootUp()
    }
    while true { world.runtime.park(at: changed, until: nil) }
  }

  /// Power is gone: what was not made durable is lost.
  func powerCut() {
    world.trace("\(name): power cut")
    if promised?.active != nil { world.reached.insert(.powerCutInRollout) }
    for (path, before) in unsynced.sorted(by: { $0.key < $1.key }) where world.chance(128) {
      files[path] = before.file
      staged[before.tag] = (path, before.staged)
    }
    for (name, before) in unsyncedRecords { records[name] = before }
    (unsynced, unsyncedRecords) = ([:], [:])
    isOff = true
    world.runtime.kill(manager)
    killAgent(reviving: false)
    loseServer()
    stir()
  }

  /// Another host takes the name: with the file that hosts are installed with, and an empty state directory.
  func replace() {
    if promised?.active != nil { world.reached.insert(.replacedInRollout) }
    powerCut()
    world.trace("\(name): replaced")
    files = [Self.environmentFile: Array(world.firstFile.utf8)]
    (staged, records, damaged, encryptedWith) = ([:], [:], [], [])
    inventory = world.agreedNow.inventory.including(name)
    history = HostHistory()
    history.isReplaced = true
  }

  /// Power is back: another boot, the agent, then the server.
  func bootUp() {
    guard isOff else { return }
    world.trace("\(name): boots")
    isOff = false
    boot += 1
    clock.bootOffset = 1_000_000_000 - world.runtime.now
    manager = SimulatedProcess("systemd@\(name)", clock)
    history.isProposing = false
    startAgent(isBoot: true)
  }

  // MARK: what the checks look at

  /// What the member has promised, as its disk says; nil before its first start.
  var promised: ParticipantRecord? {
    // What the agent cannot read it does not go by.
    guard !damaged.contains("rollout"), let bytes = records["rollout"] else { return nil }
    // It is asked for at every event, and changes seldom.
    if let lastRead, lastRead.bytes == bytes { return lastRead.record }
    let record = try? JSON.decode(ParticipantRecord.self, from: bytes)
    lastRead = (bytes, record)
    return record
  }

  /// The key that is sealed here; nil if none.
  var sealedKey: String? {
    let record = SealRecord(cluster: nil) { file throws(Refusal) in records[file.rawValue] }
    guard case .sealed(let seal) = record else { return nil }
    return seal.keyName
  }
}

extension Inventory {
  /// The same with one node more, if it is not there.
  fileprivate func including(_ name: String) -> Inventory {
    var inventory = self
    if node(named: name) == nil { inventory.nodes.append(.init(name: name, address: name)) }
    inventory.outsideNodes.removeAll { $0 == name }
    return inventory
  }
}

/// What the world has seen of a host, whoever runs on it.
struct HostHistory {
  /// Whether a command of configuration management runs there.
  var isProposing = false
  /// Restarts of the server that each rollout asked for, by the boot and its id.
  var restarts: [String: Int] = [:]
  /// The rollouts on which it has voted yes, by their ids.
  var votes: Set<String> = []
  /// The rollouts without a restart that were confirmed here, by their ids.
  var looks: Set<String> = []
  /// The highest epoch that a record of its member has had.
  var epoch: UInt64 = 0
  /// The highest number of an inventory that it has gone by.
  var inventory = 0
  /// The committed rollout that has ended here last, by its id.
  var ended: String?
  /// What configuration management has handed to this node, by its digest.
  var handed: Set<Digest> = []
  /// Proposals whose rollout was not confirmed here, with that rollout's id.
  var failed: [Digest: String] = [:]
  /// What configuration management was told last that this node proposes.
  var proposal = ProposalTold.unknown
  /// Whether somebody has edited its file by hand.
  var isEdited = false
  /// Whether another host has taken its name, or a record was damaged.
  var isReplaced = false
  /// Whether nobody has touched it but its agents.
  var isUntouched: Bool { !isEdited && !isReplaced }
}

/// What somebody was told that a node proposes.
enum ProposalTold: Hashable {
  /// A command about it is under way, or was killed.
  case unknown
  case nothing
  /// Settings, by their digest.
  case settings(Digest)
}
