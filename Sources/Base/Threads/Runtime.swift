// SPDX-License-Identifier: Apache-2.0
internal import CLinux

/// A stand-in for the kernel's threads and clocks, in which each thread is a fiber and time is a number.
///
/// Everything in this module that blocks, or that differs from run to run, asks it where there is one. All its functions
/// are called on fibers of its own, one at a time.
package protocol SimulatedRuntime: AnyObject {
  /// Starts a fiber on the host of the caller.
  func start(_ name: String, _ body: @escaping @Sendable () -> Void)
  /// The clocks of the caller's host, nanoseconds (clock_gettime(2)).
  var boottimeNanoseconds: Int64 { get }
  var monotonicNanoseconds: Int64 { get }
  var realtimeNanoseconds: Int64 { get }
  /// A point at which other fibers may run.
  func pass()
  /// Blocks until ``wake(_:)`` is called with the same place, or the host's CLOCK_BOOTTIME is at the deadline (nil: no
  /// deadline).
  func park(at place: UnsafeRawPointer, until deadline: Int64?)
  /// The same for who waits for a lock, as long as it takes.
  func parkForLock(at place: UnsafeRawPointer)
  /// Makes every fiber that is parked there able to run.
  func wake(_ place: UnsafeRawPointer)
  func random() -> UInt64
}

package enum Runtime {
  private final class Box {
    let runtime: any SimulatedRuntime
    init(_ runtime: any SimulatedRuntime) { self.runtime = runtime }
  }

  /// The one that the calling kernel thread runs the fibers of; nil everywhere in a program that is installed.
  package static var simulated: (any SimulatedRuntime)? {
    guard let box = kt_runtime() else { return nil }
    return Unmanaged<Box>.fromOpaque(box).takeUnretainedValue().runtime
  }

  /// Runs `body`, in which the calling kernel thread may run fibers of `runtime`.
  package static func simulate<Result>(
    _ runtime: any SimulatedRuntime, _ body: () -> Result
  ) -> Result {
    let box = Unmanaged.passRetained(Box(runtime))
    kt_set_runtime(box.toOpaque())
    defer {
      kt_set_runtime(nil)
      box.release()
    }
    return body()
  }
}

/// The system's random numbers; those of the seed in a simulation.
package struct RandomNumbers: RandomNumberGenerator {
  private var system = SystemRandomNumberGenerator()

  package init() {}

  package mutating func next() -> UInt64 { Runtime.simulated?.random() ?? system.next() }

  package static func word() -> UInt64 {
    var numbers = Self()
    return numbers.next()
  }

  package static func integer(in range: ClosedRange<Int>) -> Int {
    var numbers = Self()
    return .random(in: range, using: &numbers)
  }
}
