// SPDX-License-Identifier: Apache-2.0
internal import Agent
internal import Crypto
internal import Fibers
internal import Model
internal import TestSupport
internal import Rollout
internal import Threads

/// A cluster of real agents on simulated hosts, with operators and faults that a seed draws.
///
/// The agents, their coordinators and whatever they wait on are the code that is installed; what stands behind their ports
/// is simulated (docs/development/simulation.md).
package final class World: @unchecked Sendable {
  package struct Result: Sendable {
    package let violations: [String]
    package let digest: UInt64
    package let switches: Int
    package let trace: [String]
    /// What the run came to.
    package let reached: Set<RareState>
  }

  let runtime: FiberRuntime
  /// The first one.
  let inventory: Inventory
  /// Whether nodes join and leave.
  let changesMembers: Bool
  var inventories = SeenInventories()
  var faults: WorldFaults
  private(set) var network: WorldNetwork!
  private(set) var hosts: [SimulatedHost] = []
  private var numbers: SplitMix
  var violations: [String] = []
  private var lines: [String] = []
  private let keepsTrace: Bool
  let planted: Planted?
  var isInspected = false
  /// Whether faults may still happen.
  var isStormy = true
  /// Of what runs on no host: faults, messages under way, operators' order.
  let outside = SimulatedProcess(
    "world", SimulatedClock(bootOffset: 0, realOffset: 0, driftMillionths: 0))
  var reached: Set<RareState> = []
  var keyManagerIsUp = true
  /// The SSE key that all Key Managers have.
  var key = SimulatedKey()
  /// When they got another one of the same name, nanoseconds; nil while they have the right one.
  var keyIsWrongSince: Int64?
  /// What is known of the decision of each rollout.
  var decisions: [String: (decision: Decision, member: String)] = [:]
  /// Operators' programs, by their names.
  var operators: [String: SimulatedProcess] = [:]
  /// Of each rollout that was taken back, the rollout that did.
  var takenBack: [String: String] = [:]
  /// The digests of the files that hosts may have.
  var wholeFiles: Set<Digest> = []

  static let cluster = "prod"
  /// Faults come until then, seconds of the world; after it everything heals.
  private static let stormSeconds: Int64 = 60
  /// So long after it nobody is in doubt any more of a rollout that was under way. A coordinator that lives may have
  /// begun it just before, and waits 33 s for the vote that a member was not asked for.
  private static let doubtSeconds: Int64 = 36
  /// So long after it the cluster must be at rest.
  private static let healSeconds: Int64 = 240
  /// So long a rollout may last, until its result is known.
  private static let lateSeconds: Int64 = 150

  /// The environment file that hosts are installed with.
  var firstFile: String {
    """
    MINIO_VOLUMES="http://minio-{1...\(inventory.nodes.count + inventory.outsideNodes.count)}:9000/data"
    MINIO_ROOT_USER="admin"
    MINIO_ROOT_PASSWORD="password"

    """
  }

  init(seed: UInt64, keepsTrace: Bool, planted: Planted?) {
    var numbers = SplitMix(seed &* 0x2545_f491_4f6c_dd1d)
    runtime = FiberRuntime(seed: seed)
    faults = WorldFaults(&numbers)
    // Not drawn: the runs of all other seeds stay what they were.
    faults.isPutRight = seed % 5 == 4
    self.keepsTrace = keepsTrace
    self.planted = planted
    runtime.losesWakeUps = planted == .wakeUpLost
    changesMembers = seed % 7 == 3
    var count = [1, 2, 3, 3, 3, 4, 5][Int(numbers.next() % 7)]
    if changesMembers { count = max(2, min(count, 4)) + Self.outsiders }
    let names = (1...count).map { "minio-\($0)" }
    let outside = changesMembers ? Array(names.suffix(Self.outsiders)) : []
    inventory = Self.inventory(of: names.filter { !outside.contains($0) }, outside: outside)
    self.numbers = numbers
    network = WorldNetwork(self)
    wholeFiles = [.sha256(Array(firstFile.utf8))]
    for name in names {
      let clock = SimulatedClock(
        bootOffset: Int64(self.numbers.next() % 1_000_000_000_000),
        realOffset: 1_700_000_000_000_000_000 + Int64(self.numbers.next() % 2_000_000_000),
        driftMillionths: Int64(self.numbers.next() % 100) - 50)
      hosts.append(SimulatedHost(name, self, clock: clock))
    }
  }

  /// Runs one seed to its end.
  package static func run(
    seed: UInt64, keepsTrace: Bool = false, planted: Planted? = nil
  ) -> Result {
    let world = World(seed: seed, keepsTrace: keepsTrace, planted: planted)
    defer { world.runtime.close() }
    return Runtime.simulate(world.runtime) { world.run() }
  }

  private func run() -> Result {
    for host in hosts { host.startAgent() }
    spoilProposals()
    runtime.spawn("operators", in: outside) { [self] in sendOperators() }
    for host in hosts { runtime.spawn("management", in: outside) { [self] in manage(host) } }
    runtime.spawn("faults", in: outside) { [self] in storm() }
    if changesMembers { runtime.spawn("members", in: outside) { [self] in changeMembers() } }
    if faults.isLiedTo { runtime.spawn("stranger", in: outside) { [self] in lie() } }
    advance(toSecond: Self.stormSeconds)
    heal()
    let doubts = inDoubt()
    advance(toSecond: Self.stormSeconds + Self.doubtSeconds)
    for (host, rollout) in inDoubt() where doubts.contains(where: { $0 == (host, rollout) }) {
      violate("\(host) is in doubt of rollout \(rollout) for \(Self.doubtSeconds) s")
    }
    advance(toSecond: Self.stormSeconds + Self.healSeconds)
    // What somebody has begun late may last as long as its deadlines say.
    if hosts.contains(where: { $0.promised?.active != nil }) {
      advance(toSecond: Self.stormSeconds + Self.healSeconds + Self.lateSeconds)
    }
    if violations.isEmpty {
      runtime.spawn("inspection", in: outside) { [self] in inspect() }
      advance(toSecond: Self.stormSeconds + Self.healSeconds + 30)
      if !isInspected { violate("the agents did not answer when everything was at rest") }
    }
    return Result(
      violations: violations, digest: runtime.digest, switches: runtime.switches, trace: lines,
      reached: reached)
  }

  private func advance(toSecond second: Int64) {
    defer {
      for fiber in runtime.waitingForLocks(since: 30_000_000_000) {
        violate("\(fiber) waits for a lock for more than 30 s")
      }
    }
    switch runtime.run(until: second * 1_000_000_000) {
    case .time: break
    case .stuck(let fibers): violate("nothing can run: \(fibers.joined(separator: ", "))")
    case .spinning(let fiber): violate("\(fiber) runs without end")
    case .givenUp(let reason): violate(reason)
    }
  }

  func host(_ name: String) -> SimulatedHost? { hosts.first { $0.name == name } }

  func trace(_ line: String) {
    runtime.note(line.utf8)
    checkNoSecret(line, "a line of a log")
    guard keepsTrace else { return }
    let milliseconds = runtime.now / 1_000_000
    lines.append(
      "\(milliseconds / 1_000).\(String(milliseconds % 1_000 + 1_000).dropFirst()) \(line)")
  }

  /// Something that must hold does not.
  func violate(_ message: String) {
    trace("VIOLATION \(message)")
    violations.append(message)
  }

  // MARK: numbers

  func draw(_ count: Int) -> Int { Int(runtime.random() % UInt64(count)) }

  /// Of 256 times, how often it is true.
  func chance(_ of256: UInt64) -> Bool { of256 > 0 && runtime.random() & 255 < of256 }

  /// Blocks the fiber for a drawn time.
  func pause(upToMilliseconds most: Int) {
    Clock.sleep(until: .inMilliseconds(draw(most) + 1))
  }
}
