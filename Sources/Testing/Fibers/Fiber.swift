// SPDX-License-Identifier: Apache-2.0
internal import CFibers
internal import Glibc

/// A simulated thread: a body on a stack of its own.
final class Fiber {
  /// Of each stack, bytes, as a thread of ours has; the page below it is never mapped.
  static let stackBytes = 512 << 10
  private static let guardBytes = 4096

  let name: String
  let process: SimulatedProcess
  /// Where it is parked; nil while it runs or can run.
  var place: UnsafeRawPointer?
  /// Since when it waits for a lock, nanoseconds of the world; nil if it does not.
  var waitsForLockSince: Int64?
  /// How often it could have been switched away from since it waited last.
  var passes = 0
  /// Goes up each time it is parked, so that a timer of an earlier wait is known.
  var waits = 0
  /// Where it goes on.
  let saved = SavedStack()
  private(set) var stack: UnsafeMutableRawPointer?
  private let body: @Sendable () -> Void
  private let atEnd: () -> Void

  init(
    _ name: String, of process: SimulatedProcess, _ body: @escaping @Sendable () -> Void,
    atEnd: @escaping () -> Void
  ) {
    self.name = name
    self.process = process
    self.body = body
    self.atEnd = atEnd
  }

  /// A new stack.
  static func makeStack() -> UnsafeMutableRawPointer {
    let bytes = stackBytes + guardBytes
    guard
      let base = mmap(
        nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      base != MAP_FAILED, mprotect(base, guardBytes, PROT_NONE) == 0
    else { fatalError("no memory for the stack of a fiber") }
    return base
  }

  static func freeStack(_ stack: UnsafeMutableRawPointer) { munmap(stack, stackBytes + guardBytes) }

  func prepare(on stack: UnsafeMutableRawPointer) {
    self.stack = stack
    saved.cell.pointee = kt_fiber_prepare(
      stack + Self.guardBytes + Self.stackBytes,
      { argument in
        guard let argument else { return }
        Unmanaged<Fiber>.fromOpaque(argument).takeUnretainedValue().run()
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  private func run() {
    body()
    atEnd()
    fatalError("a fiber went on after its end")
  }
}

/// A stack pointer in memory of its own.
final class SavedStack {
  let cell: UnsafeMutablePointer<UnsafeMutableRawPointer?>

  init() {
    cell = .allocate(capacity: 1)
    cell.initialize(to: nil)
  }

  deinit { cell.deallocate() }
}

/// What dies together: the fibers of one program on one host.
package final class SimulatedProcess: @unchecked Sendable {
  package let name: String
  package fileprivate(set) var isAlive = true
  package let clock: SimulatedClock

  package init(_ name: String, _ clock: SimulatedClock) {
    self.name = name
    self.clock = clock
  }

  /// Ends it: none of its fibers runs again, whatever they hold.
  package func kill() { isAlive = false }
}

/// The clocks of a host, as functions of the world's time, nanoseconds.
package final class SimulatedClock: @unchecked Sendable {
  /// CLOCK_BOOTTIME at the world's time 0: where this boot began.
  package var bootOffset: Int64
  /// CLOCK_REALTIME at the world's time 0.
  package var realOffset: Int64
  /// How much faster than the world it goes, parts of a million.
  package var driftMillionths: Int64

  package init(bootOffset: Int64, realOffset: Int64, driftMillionths: Int64) {
    self.bootOffset = bootOffset
    self.realOffset = realOffset
    self.driftMillionths = driftMillionths
  }

  func boottime(at world: Int64) -> Int64 {
    bootOffset + world + world / 1_000_000 * driftMillionths
  }

  func realtime(at world: Int64) -> Int64 { boottime(at: world) - bootOffset + realOffset }

  /// The first time of the world at which CLOCK_BOOTTIME is there.
  func world(ofBoottime time: Int64) -> Int64 {
    let (left, overflow) = time.subtractingReportingOverflow(bootOffset)
    if overflow || left > Int64.max / 4 { return Int64.max }
    if left <= 0 { return 0 }
    var world = left - left / (1_000_000 + driftMillionths) * driftMillionths
    while boottime(at: world) < time { world += 1_000 }
    return world
  }
}
