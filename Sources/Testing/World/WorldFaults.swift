// SPDX-License-Identifier: Apache-2.0
internal import Fibers
internal import Model
internal import Rollout
internal import TestSupport
internal import Threads

/// What a member's record says of a rollout that it is in.
enum RolloutStep: CaseIterable {
  case prepared, accepted, committed, watching
  /// Of a rollback, whose server is stopped and held before the vote.
  case rollbackPrepared, rollbackAccepted, rollbackCommitted
  /// The server is held for a rollback, whose vote may come.
  case held
  /// The file was just put in place, and systemd has just taken the restart.
  case installed, restarted
  /// Its part has just ended, after a commit.
  case ended

  /// What only a rollback after a failed start comes to.
  static let rollback: [Self] = [.rollbackPrepared, .rollbackAccepted, .rollbackCommitted, .held]

  init(_ active: ActiveRollout) {
    let isRollback = active.rollout.kind == .rollback
    self =
      switch active.stage {
      case .prepared: isRollback ? .rollbackPrepared : .prepared
      case .accepted: isRollback ? .rollbackAccepted : .accepted
      case .committed: isRollback ? .rollbackCommitted : .committed
      case .watching: .watching
      }
  }
}

/// What goes wrong in a run, drawn from its seed.
struct WorldFaults {
  var networkMicroseconds: Int64 = 500
  var lossOf256: UInt64 = 0
  var diskMicroseconds: Int64 = 300
  /// RestartSec= of the server's unit.
  var restartMilliseconds = 5_000
  /// How long the server takes to stop, at the most.
  var stopMicroseconds: Int64 = 400_000
  var crashes = 0
  /// Of 65,536 calls of an agent to its host, in how many it is killed.
  var killsOf65536: UInt64 = 0
  /// The step of a rollout after which an agent is killed at once, in half of the cases; nil for none.
  var killedAt: RolloutStep?
  var powerCuts = 0
  var cuts = 0
  var dyingOperators = 0
  /// Of the rollouts, those with a file that some hosts cannot start with.
  var badStarts = 0
  /// Whether the first enablement fails on all hosts before a server has a key, so that it is rolled back.
  var isDirected = false
  var fullDisks = 0
  /// Times at which the Key Managers are away.
  var outages = 0
  /// Times at which the bus of a host is away.
  var busOutages = 0
  /// Times at which a server dies by itself.
  var deaths = 0
  /// Times at which the file of a host is edited by hand.
  var handEdits = 0
  /// Whether operators find that somebody has edited a file after a rollout that was confirmed, and apply the same once
  /// more.
  var isPutRight = false
  /// Steps of the real-time clock of a host.
  var clockSteps = 0
  /// Hosts that are replaced by new ones, and agents that find a record damaged: fewer than half of all.
  var losses = 0
  /// Times at which the Key Managers have another key of the same name.
  var exchanges = 0
  /// How many settings configuration management has, one after the other; 0 without it.
  var proposals = 0
  /// Whether the settings enable encryption.
  var enables = false
  /// Of 256 commits, after how many their coordinator is killed as soon as a host knows.
  var coordinatorsKilledOf256: UInt64 = 0
  /// Whether somebody tells hosts what they must not believe.
  var isLiedTo = false

  /// Swarm: each kind is there or not, for a whole run.
  init(_ numbers: inout SplitMix) {
    func draw(_ most: UInt64) -> Int {
      numbers.next() % 2 == 0 ? 0 : Int(numbers.next() % most) + 1
    }
    networkMicroseconds = [200, 2_000, 200_000][Int(numbers.next() % 3)]
    lossOf256 = [0, 0, 8, 40][Int(numbers.next() % 4)]
    diskMicroseconds = [100, 5_000, 200_000][Int(numbers.next() % 3)]
    stopMicroseconds = [100_000, 400_000, 8_000_000][Int(numbers.next() % 3)]
    crashes = draw(4)
    killsOf65536 = [0, 0, 20, 100][Int(numbers.next() % 4)]
    if numbers.next() % 3 == 0 {
      killedAt = RolloutStep.allCases[Int(numbers.next() % UInt64(RolloutStep.allCases.count))]
    }
    powerCuts = draw(2)
    cuts = draw(3)
    dyingOperators = draw(2)
    badStarts = draw(2)
    fullDisks = draw(2)
    outages = draw(2)
    busOutages = draw(2)
    deaths = draw(3)
    handEdits = draw(2)
    clockSteps = draw(2)
    losses = numbers.next() % 3 == 0 ? 1 : 0
    proposals = draw(2)
    enables = numbers.next() % 2 == 0
    isLiedTo = numbers.next() % 4 == 0
    coordinatorsKilledOf256 = [0, 0, 128, 255][Int(numbers.next() % 4)]
    restartMilliseconds = [100, 1_000, 5_000][Int(numbers.next() % 3)]
    // A directed part: what rarely comes by chance.
    if numbers.next() % 4 == 0 {
      (isDirected, enables, proposals, dyingOperators) = (true, true, 0, 0)
      killedAt = RolloutStep.rollback[Int(numbers.next() % UInt64(RolloutStep.rollback.count))]
    }
    exchanges = enables ? draw(2) : 0
  }
}

extension World {
  /// Lets the faults of this run happen, in a drawn order.
  func storm() {
    var left: [() -> Void] = []
    for _ in 0..<faults.crashes { left.append { [self] in crash() } }
    for _ in 0..<faults.powerCuts { left.append { [self] in cutPower() } }
    for _ in 0..<faults.cuts { left.append { [self] in cutLink() } }
    for _ in 0..<faults.fullDisks { left.append { [self] in fillDisk() } }
    for _ in 0..<faults.outages { left.append { [self] in sendKeyManagersAway() } }
    for _ in 0..<faults.exchanges { left.append { [self] in exchangeKey() } }
    for _ in 0..<faults.busOutages { left.append { [self] in sendBusAway() } }
    for _ in 0..<faults.deaths { left.append { [self] in hosts[draw(hosts.count)].serverDies() } }
    for _ in 0..<faults.handEdits { left.append { [self] in editByHand() } }
    for _ in 0..<faults.clockSteps { left.append { [self] in stepClock() } }
    if hosts.count > 2 { for _ in 0..<faults.losses { left.append { [self] in loseState() } } }
    while !left.isEmpty {
      pause(upToMilliseconds: 30_000 / (left.count + 1))
      guard isStormy else { return }
      left.remove(at: draw(left.count))()
    }
  }

  private func crash() { hosts[draw(hosts.count)].killAgent(reviving: true) }

  private func cutPower() {
    let host = hosts[draw(hosts.count)]
    host.powerCut()
    pause(upToMilliseconds: 10_000)
    host.bootUp()
  }

  private func cutLink() {
    let ends = hosts.map(\.name) + ["operator-1", "operator-2", "operator-3"]
    let (first, second) = (ends[draw(hosts.count)], ends[draw(ends.count)])
    trace("nothing gets from \(second) to \(first)")
    network.cuts.insert([second, first])
    if draw(2) == 0 { network.cuts.insert([first, second]) }
  }

  private func fillDisk() {
    let host = hosts[draw(hosts.count)]
    trace("\(host.name): the disk is full")
    host.diskFailure = "No space left on device"
    pause(upToMilliseconds: 4_000)
    host.diskFailure = nil
  }

  private func sendKeyManagersAway() {
    trace("the Key Managers are away")
    keyManagerIsUp = false
    pause(upToMilliseconds: 8_000)
    keyManagerIsUp = true
  }

  /// The Key Managers come back from the wrong backup. Before every node has a key proof nobody could know.
  private func exchangeKey() {
    for _ in 0..<20 where !hosts.allSatisfy({ $0.records["proofs"] != nil }) {
      pause(upToMilliseconds: 2_000)
    }
    guard isStormy, hosts.allSatisfy({ $0.records["proofs"] != nil }) else { return }
    trace("the Key Managers have another key of the same name")
    reached.insert(.keyExchanged)
    (key.bytes, keyIsWrongSince) = (2, runtime.now)
    Clock.sleep(until: .inMilliseconds(Int(Self.voteNanoseconds / 1_000_000)))
    sendOperator("operator-of-exchange", ["restart"])
    pause(upToMilliseconds: 20_000)
    trace("the Key Managers have the right key again")
    (key.bytes, keyIsWrongSince) = (1, nil)
  }

  private func sendBusAway() {
    let host = hosts[draw(hosts.count)]
    trace("\(host.name): the bus is away")
    host.isBusAway = true
    pause(upToMilliseconds: 4_000)
    host.isBusAway = false
  }

  private func stepClock() {
    let host = hosts[draw(hosts.count)]
    trace("\(host.name): its clock is set")
    host.clock.realOffset += Int64(draw(4_000) - 2_000) * 1_000_000
  }

  /// A comment, or another key.
  private func editByHand() {
    let host = hosts[draw(hosts.count)]
    let edit = draw(2) == 0 ? "# edited\n" : "MINIO_KMS_SSE_KEY=key-3\n"
    let file = host.files[SimulatedHost.environmentFile] ?? []
    put(file + Array(edit.utf8), on: host, edit.dropLast())
  }

  /// Somebody gives what the rollouts bring another value in one file, by hand.
  func editRegion() {
    let host = hosts[draw(hosts.count)]
    let file = String(decoding: host.files[SimulatedHost.environmentFile] ?? [], as: UTF8.self)
    let lines = file.split(separator: "\n").filter { !$0.hasPrefix("MINIO_REGION=") }
    let edit: Substring = "MINIO_REGION=elsewhere"
    put(Array((lines + [edit, ""]).joined(separator: "\n").utf8), on: host, edit)
  }

  private func put(_ bytes: [UInt8], on host: SimulatedHost, _ edit: Substring) {
    trace("\(host.name): somebody edits the file: \(edit)")
    host.files[SimulatedHost.environmentFile] = bytes
    host.unsynced[SimulatedHost.environmentFile] = nil
    host.history.isEdited = true
    host.stirs += 1
    host.stir()
  }

  /// A new host takes the place of one, or one's agent cannot read a record any more.
  private func loseState() {
    let host = hosts[draw(hosts.count)]
    if draw(2) == 0 {
      host.replace()
      pause(upToMilliseconds: 5_000)
      host.bootUp()
    } else if let record = drawRecord(of: host) {
      trace("\(host.name): the record \(record) is damaged")
      host.damaged.insert(record)
      host.history.isReplaced = true
      host.killAgent(reviving: true)
    }
  }

  private func drawRecord(of host: SimulatedHost) -> String? {
    let names = host.records.keys.sorted()
    return names.isEmpty ? nil : names[draw(names.count)]
  }

  /// Ends every fault; none begins any more.
  func heal() {
    trace("everything heals")
    isStormy = false
    network.cuts = []
    keyManagerIsUp = true
    (key.bytes, keyIsWrongSince) = (1, nil)
    faults.lossOf256 = 0
    faults.networkMicroseconds = min(faults.networkMicroseconds, 2_000)
    for host in hosts {
      host.diskFailure = nil
      host.isBusAway = false
      host.bootUp()
      host.startAgent()
    }
  }
}
