// SPDX-License-Identifier: Apache-2.0
internal import Agreement
internal import Crypto
internal import Model
internal import Rollout

/// What survives the crash of a process, and how much of it the crash of a host.
struct SimulatedDisk: Hashable {
  var record = ParticipantRecord()
  /// What a host's crash leaves of the record; only where a bug omits the sync.
  var syncedRecord: ParticipantRecord?
  /// The content's number; -1 is torn.
  var file = 0
  /// What the file may be after a host's crash, if the rename was not synced.
  var unsynced: (Int, staged: Staged)?
  var staged: [Staged] = []
  /// The key that is sealed; 0 for none.
  var seal = 0
  /// The number of the last generation; 0 for none.
  var generation = 0
  var settled: [SimulatedResult] = []
  var collecting: SimulatedCollecting?
  var proposal = SimulatedProposal()
  var hold: Hold?

  /// Until the rollback ends, no server may start with another key than this one.
  struct Hold: Hashable {
    var rollout: Int
    var key: Int
    var wasUp: Bool
    var isReleasing = false
  }

  struct Staged: Hashable {
    var rollout: Int
    var content: Int
  }

  static func == (a: Self, b: Self) -> Bool {
    a.record == b.record && a.file == b.file && a.staged == b.staged && a.seal == b.seal
      && a.hold == b.hold
  }
  func hash(into hasher: inout Hasher) {
    hasher.combine(record)
    hasher.combine(file)
    hasher.combine(unsynced?.0)
    hasher.combine(staged)
    hasher.combine(seal)
    hasher.combine(hold)
  }
}

/// The server and its unit.
struct SimulatedUnit: Hashable {
  var isRunning = true
  var invocation = 1
  /// The content that the process was started with.
  var content = 0
  /// When, in the clock of the member's present boot.
  var started = Instant(nanoseconds: 0)
  /// The rollout that asked for this start; -1 for none.
  var rollout = -1
  /// How the start ends, and when.
  var outcome = Outcome(.confirmed, "")
  var endsAt: Int64 = 0
}

/// One member: its agent's shell, its host, its server.
struct SimulatedMember: Hashable {
  var participant: Participant
  var disk = SimulatedDisk()
  var unit = SimulatedUnit()
  var isUp = true
  /// The host has crashed, and its server was not started yet.
  var isBooting = false
  /// Counts the agent's runs.
  var run = 0
  /// Counts the host's.
  var boot = 0
  /// Counts the state directory's lives: how often the host was replaced.
  var life = 0
  var incarnation: Incarnation { World.incarnation(life) }
  var offset: Int64
  let rate: Int64
  var diskIsFullUntil: Int64 = 0
  /// The record that it was told to be durable.
  var known = ParticipantRecord()
  /// Keys that the server may have encrypted with, bits.
  var encrypted = 0
  /// What root knows of the member's proposal.
  var handed = Handed.holds(-1)
  /// The digests that were ever durable, by their serial.
  var said: [Digest?] = [nil]
  /// The rollout that it coordinated when it died; -1 for none. Only a bug uses it.
  var forgotten = -1

  // What a crash of the agent forgets.
  var request = -1
  var voters: [(rollout: Int, call: Int, attempt: Int)] = []
  var followers: [(rollout: Int, call: Int, attempt: Int)] = []
  var armed: (active: ActiveRollout, instant: Instant, bootID: String, isLate: Bool)?
  var unreported: (id: String, report: RestartReport)?
  var wakeSerial = 0
  /// Threads and timers that a crash ends; what was read of the disk at the start.
  var settled: [SimulatedResult] = []
  var collector: SimulatedCollector?
  var sums: [SimulatedSum] = []
  var collectSerial = 0
  var proposals: Proposals
  var proposal = SimulatedProposal()
  var proposalSerial = 0
  /// The proposal whose last rollout came to nothing; -1 for none.
  var refused = -1

  init(_ index: Int, _ options: Options, _ random: inout Random, key: Int) {
    participant = Participant(
      member: World.names[index], incarnation: World.incarnation(0), record: ParticipantRecord())
    proposals = Proposals(
      member: World.names[index], members: Array(World.names.prefix(options.members)), own: nil)
    offset = Int64(random.below(1 << 40))
    rate =
      options.driftPerMillion == 0
      ? 0 : Int64(random.pick(-options.driftPerMillion...options.driftPerMillion))
    if key != 0 { encrypted = 1 << key }
  }

  /// The member's clock at a true time.
  func clock(_ time: Int64) -> Instant {
    Instant(nanoseconds: time + time / 1_000_000 * rate + offset)
  }

  /// The true time at which its clock will show an instant.
  func time(_ instant: Instant) -> Int64 {
    var time = instant.nanoseconds - offset
    time -= time / 1_000_000 * rate
    while clock(time) < instant { time += 1_000 }
    return time
  }

  var bootID: String { World.boots[min(boot, World.boots.count - 1)] }

  static func == (a: Self, b: Self) -> Bool {
    a.participant == b.participant && a.disk == b.disk && a.unit == b.unit && a.isUp == b.isUp
      && a.boot == b.boot && a.request == b.request
  }
  func hash(into hasher: inout Hasher) {
    hasher.combine(participant)
    hasher.combine(disk)
    hasher.combine(unit)
    hasher.combine(isUp)
    hasher.combine(boot)
    hasher.combine(request)
    hasher.combine(voters.map(\.call))
    hasher.combine(followers.map(\.call))
    hasher.combine(armed?.active)
  }
}

extension World {
  private static let incarnations = (0..<9).map { Incarnation(random: 0, UInt64($0)) }
  /// Fewer than half of nine members are replaced.
  static func incarnation(_ life: Int) -> Incarnation { incarnations[life] }

  static let boots = (0..<64).map { "boot-\($0)" }

  func isRunning(_ m: Int) -> Bool {
    let unit = members[m].unit
    return unit.isRunning && (unit.outcome.kind == .confirmed || now < unit.endsAt)
  }

  mutating func moment(_ m: Int) -> Moment {
    Moment(
      now: members[m].clock(now), bootID: members[m].bootID,
      jitterMilliseconds: random.below(201))
  }

  /// Nil for a rollout that the simulator does not know.
  func rolloutIndex(_ id: String) -> Int? { histories.firstIndex { $0.rollout.id == id } }
}
