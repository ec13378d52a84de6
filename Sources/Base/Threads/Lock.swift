// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc
package import Model

/// A value that one thread at a time may touch, over a pthread mutex and a condition variable.
///
/// A function is kept in a struct, never as the value itself: each access to a generic value wraps it once more, and a
/// call of it overflows the stack in the end (Swift 6.3).
///
/// Not `Synchronization.Mutex`: the thread sanitizer of Swift 6.3 reports false races on it.
package final class Lock<Value>: Sendable {
  // Proof: all three are heap memory of this object, initialised once in init, destroyed in deinit; the mutex makes every
  // access to `value` exclusive. `value` is no property of its type: no check of exclusivity spans a switch of fibers.
  private nonisolated(unsafe) let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private nonisolated(unsafe) let condition: UnsafeMutablePointer<pthread_cond_t>
  private nonisolated(unsafe) let value: UnsafeMutablePointer<Value>
  /// The mutex of a simulation, whose fibers share one kernel thread.
  private nonisolated(unsafe) var isHeld = false

  package init(_ value: sending Value) {
    self.value = .allocate(capacity: 1)
    self.value.initialize(to: value)
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    condition = .allocate(capacity: 1)
    condition.initialize(to: pthread_cond_t())
    let (first, second) = (pthread_mutex_init(mutex, nil), kt_cond_init_monotonic(condition))
    precondition(first == 0 && second == 0, "a mutex could not be made")
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
    value.deinitialize(count: 1)
    value.deallocate()
  }

  /// Runs `body` with the value. May block while another thread has it; `body` must be short.
  package func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    lock()
    defer { unlock() }
    return try body(&value.pointee)
  }

  /// Changes the value and wakes every thread that waits in ``wait(until:_:)``.
  package func update<Result>(_ body: (inout Value) -> Result) -> Result {
    lock()
    defer {
      if let simulated = Runtime.simulated {
        simulated.wake(condition)
      } else {
        pthread_cond_broadcast(condition)
      }
      unlock()
    }
    return body(&value.pointee)
  }

  /// Blocks until `body` returns a result, asking it again after each ``update(_:)``, or until the
  /// deadline (nil).
  package func wait<Result>(until deadline: Instant?, _ body: (inout Value) -> Result?) -> Result? {
    lock()
    defer { unlock() }
    while true {
      if let result = body(&value.pointee) { return result }
      let left = deadline.map { $0.nanoseconds.subtractingClamped(Clock.now().nanoseconds) }
      if let left, left <= 0 { return nil }
      if let simulated = Runtime.simulated {
        unlock()
        simulated.park(at: condition, until: deadline?.nanoseconds)
        lock()
      } else if let left {
        let wake = kt_monotonic_nanoseconds().addingClamped(left)
        var time = timespec(tv_sec: Int(wake / 1_000_000_000), tv_nsec: Int(wake % 1_000_000_000))
        pthread_cond_timedwait(condition, mutex, &time)
      } else {
        pthread_cond_wait(condition, mutex)
      }
    }
  }

  private func lock() {
    guard let simulated = Runtime.simulated else {
      pthread_mutex_lock(mutex)
      return
    }
    simulated.pass()
    while isHeld { simulated.parkForLock(at: mutex) }
    isHeld = true
  }

  private func unlock() {
    guard let simulated = Runtime.simulated else {
      pthread_mutex_unlock(mutex)
      return
    }
    isHeld = false
    simulated.wake(mutex)
  }
}

/// The value of a lock that guards only the order of those who take it.
///
/// Not `Void`: for a property without a size the compiler names the object's own address, and the
/// thread sanitizer takes its accesses for writes of the object's header.
package struct Turn: Sendable {
  private var place: UInt8 = 0

  package init() {}
}
