// SPDX-License-Identifier: Apache-2.0
internal import CFibers
internal import Model
internal import Threads

/// Threads, locks and clocks as a function of a seed: each thread is a fiber of one kernel thread, and time moves only when
/// no fiber can run.
///
/// At every lock, wait and sleep it may switch to another fiber that can run, drawn from the seed. So a race between two
/// threads of a program is in some seed, and a state in which nothing can run any more is seen. Only the kernel thread that
/// runs it, and the fibers on that thread, touch it.
package final class FiberRuntime: SimulatedRuntime, @unchecked Sendable {
  /// Why a run ended.
  package enum End: Hashable, Sendable {
    /// The time that was asked for has come.
    case time
    /// No fiber can run, and none waits for a time: with what is parked, and where.
    case stuck([String])
    /// The time does not move: a program that waits by asking again and again.
    case spinning(String)
    /// The world has seen enough: why.
    case givenUp(String)
  }

  /// The world's time, nanoseconds.
  package private(set) var now: Int64 = 0
  private var numbers: SplitMix
  /// Of 256 points at which it could switch, at how many it does.
  private let switchiness: UInt64
  /// Of 65,536 such points, at how many the fiber stands still for a time, as a thread that gets no processor.
  private let hesitation: UInt64
  private var stacks: [UnsafeMutableRawPointer] = []
  private var ready: [Fiber] = []
  private var parked: [UnsafeRawPointer: [Fiber]] = [:]
  private var timers = TimerQueue()
  private var current: Fiber?
  /// Where ``run(until:)`` goes on. A cell, as the fibers' are: no access to a property spans a switch.
  private let scheduler = SavedStack()
  private var spareStacks: [UnsafeMutableRawPointer] = []
  private var finished: Fiber?
  /// Every switch so far, in order: two runs of a seed must have the same.
  package private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
  package private(set) var switches = 0
  /// The fiber that has gone on for so long without waiting for anything.
  private var spinner: Fiber?
  /// A planted fault: of 4 fibers that are to be woken one sleeps on.
  package var losesWakeUps = false
  private var reasonToGiveUp: String?
  /// After how many points at which it could have switched that is taken for an endless loop.
  private static let spinLimit = 1_000_000

  package init(seed: UInt64) {
    numbers = SplitMix(seed)
    switchiness = [0, 16, 64, 160][Int(numbers.next() % 4)]
    hesitation = [0, 100, 1_000, 6_000][Int(numbers.next() % 4)]
  }

  // MARK: for the world

  /// Starts the first fiber of a process, or another one.
  package func spawn(
    _ name: String, in process: SimulatedProcess, _ body: @escaping @Sendable () -> Void
  ) {
    let fiber = Fiber(name, of: process, body) { [unowned self] in
      finished = current
      leave()
    }
    fiber.prepare(on: spareStacks.popLast() ?? makeStack())
    ready.append(fiber)
  }

  /// Runs fibers until the world's time is `end`, or nothing can run any more.
  package func run(until end: Int64) -> End {
    while true {
      if let reasonToGiveUp { return .givenUp(reasonToGiveUp) }
      if let spinner { return .spinning("\(spinner.process.name)/\(spinner.name)") }
      if let fiber = takeReady() {
        switches += 1
        note(fiber)
        current = fiber
        kt_fiber_switch(scheduler.cell, fiber.saved.cell.pointee)
        current = nil
        if let finished {
          self.finished = nil
          free(finished)
        }
        continue
      }
      guard let timer = timers.first else {
        let stuck = parked.values.joined().filter(\.process.isAlive)
          .map { "\($0.process.name)/\($0.name)" }
        return .stuck(stuck.sorted())
      }
      if timer.time > end {
        now = end
        return .time
      }
      timers.removeFirst()
      let fiber = timer.fiber
      if !fiber.process.isAlive || fiber.waits != timer.waits { continue }
      now = max(now, timer.time)
      unpark(fiber)
    }
  }

  private func makeStack() -> UnsafeMutableRawPointer {
    let stack = Fiber.makeStack()
    stacks.append(stack)
    return stack
  }

  /// Gives the stacks back: no fiber runs again. What the fibers that have not ended hold is never released.
  package func close() {
    for stack in stacks { Fiber.freeStack(stack) }
    (stacks, spareStacks, ready, parked) = ([], [], [], [:])
    (current, spinner, finished) = (nil, nil, nil)
    timers = TimerQueue()
  }

  /// The fibers of living processes that wait for a lock since so long, nanoseconds of the world.
  package func waitingForLocks(since age: Int64) -> [String] {
    parked.values.joined()
      .filter { $0.process.isAlive && now - ($0.waitsForLockSince ?? now) > age }
      .map { "\($0.process.name)/\($0.name)" }.sorted()
  }

  /// Ends the run; a fiber that calls it never runs again.
  package func giveUp(_ reason: String) {
    reasonToGiveUp = reason
    leave()
  }

  /// Adds to the digest of the run.
  package func note(_ text: some Sequence<UInt8>) {
    for byte in Array(text) { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
  }

  /// The process of the fiber that runs; nil outside of all.
  package var process: SimulatedProcess? { current?.process }

  /// Ends the process, whose fiber may be the one that runs: then this does not return.
  package func kill(_ process: SimulatedProcess) {
    process.kill()
    if current?.process === process { leave() }
  }

  // MARK: for the programs

  package func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
    guard let process else { fatalError("a thread was started outside of every process") }
    spawn(name, in: process, body)
  }

  package var boottimeNanoseconds: Int64 { process?.clock.boottime(at: now) ?? now }
  package var monotonicNanoseconds: Int64 { boottimeNanoseconds }
  package var realtimeNanoseconds: Int64 { process?.clock.realtime(at: now) ?? now }

  package func pass() {
    guard let current else { return }
    current.passes += 1
    if current.passes > Self.spinLimit { spinner = current }
    // Nothing switches here again.
    if !current.process.isAlive || spinner != nil || reasonToGiveUp != nil { leave() }
    if hesitation > 0, numbers.next() & 65_535 < hesitation {
      // Mostly less than a millisecond; now and then seconds, past any deadline of a question.
      let most: UInt64 = numbers.next() & 63 == 0 ? 3_000_000_000 : 1_000_000
      let time = now + Int64(numbers.next() % most)
      return wait(at: UnsafeRawPointer(Unmanaged.passUnretained(current).toOpaque()), until: time)
    }
    if ready.isEmpty || numbers.next() & 255 >= switchiness { return }
    ready.append(current)
    leave()
  }

  package func park(at place: UnsafeRawPointer, until deadline: Int64?) {
    current?.passes = 0
    wait(at: place, until: deadline.flatMap { current?.process.clock.world(ofBoottime: $0) })
  }

  package func parkForLock(at place: UnsafeRawPointer) {
    current?.waitsForLockSince = now
    current?.passes = 0
    wait(at: place, until: nil)
    current?.waitsForLockSince = nil
  }

  /// - Parameter time: of the world.
  private func wait(at place: UnsafeRawPointer, until time: Int64?) {
    guard let current else { fatalError("the world waits outside of every fiber") }
    current.waits += 1
    current.place = place
    parked[place, default: []].append(current)
    if let time {
      timers.insert(.init(time: max(time, now), order: timers.next(), fiber: current))
    }
    leave()
  }

  package func wake(_ place: UnsafeRawPointer) {
    guard let fibers = parked.removeValue(forKey: place) else { return }
    for fiber in fibers {
      // Who waits for a lock is spared: it would be a deadlock, which is another fault.
      if losesWakeUps, fiber.waitsForLockSince == nil, numbers.next() & 3 == 0 {
        parked[place, default: []].append(fiber)
        continue
      }
      fiber.place = nil
      fiber.waits += 1
      ready.append(fiber)
    }
  }

  package func random() -> UInt64 { numbers.next() }

  // MARK: switching

  /// Goes back to ``run(until:)``; returns when it switches here again.
  private func leave() {
    guard let current else { return }
    kt_fiber_switch(current.saved.cell, scheduler.cell.pointee)
  }

  private func takeReady() -> Fiber? {
    while !ready.isEmpty {
      let index = ready.count == 1 ? 0 : Int(numbers.next() % UInt64(ready.count))
      ready.swapAt(index, ready.count - 1)
      let fiber = ready.removeLast()
      if fiber.process.isAlive { return fiber }
      // What it holds is lost with it, as with a killed process.
      free(fiber)
    }
    return nil
  }

  private func unpark(_ fiber: Fiber) {
    guard let place = fiber.place else { return }
    fiber.place = nil
    fiber.waits += 1
    parked[place]?.removeAll { $0 === fiber }
    if parked[place]?.isEmpty ?? false { parked[place] = nil }
    ready.append(fiber)
  }

  private func free(_ fiber: Fiber) {
    if let stack = fiber.stack { spareStacks.append(stack) }
  }

  private func note(_ fiber: Fiber) {
    note(fiber.process.name.utf8)
    note(fiber.name.utf8)
    digest = (digest ^ UInt64(bitPattern: now)) &* 0x100_0000_01b3
  }
}

/// The numbers of a seed (SplitMix64, Steele et al. 2014).
package struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  package init(_ seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}
