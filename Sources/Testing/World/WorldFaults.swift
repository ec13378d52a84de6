// SPDX-License-Identifier: Apache-2.0
internal import Fibers
internal import Model
internal import Threads

/// What goes wrong in a run, drawn from its seed.
struct WorldFaults {
  var networkMicroseconds: Int64 = 500
  var lossOf256: UInt64 = 0
  var diskMicroseconds: Int64 = 300
  /// How long the server takes to stop, at the most.
  var stopMicroseconds: Int64 = 400_000
  var crashes = 0
  /// Of 65,536 calls of an agent to its host, in how many it is killed.
  var killsOf65536: UInt64 = 0
  var powerCuts = 0
  var cuts = 0
  var dyingOperators = 0
  /// Of the rollouts, those with a file that some hosts cannot start with.
  var badStarts = 0
  var fullDisks = 0
  /// How many settings configuration management has, one after the other; 0 without it.
  var proposals = 0
  /// Whether the settings enable encryption.
  var enables = false

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
    powerCuts = draw(2)
    cuts = draw(3)
    dyingOperators = draw(2)
    badStarts = draw(2)
    fullDisks = draw(2)
    proposals = draw(2)
    enables = numbers.next() % 2 == 0
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

  /// Ends every fault; none begins any more.
  func heal() {
    trace("everything heals")
    isStormy = false
    network.cuts = []
    faults.lossOf256 = 0
    faults.networkMicroseconds = min(faults.networkMicroseconds, 2_000)
    for host in hosts {
      host.diskFailure = nil
      host.bootUp()
      host.startAgent()
    }
  }
}
