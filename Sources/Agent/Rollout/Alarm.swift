internal import LinuxIO
internal import Model

/// One timer, which each setting replaces. Its thread lives as long as something is set.
final class Alarm: Sendable {
  private struct State {
    var instant: Instant?
    var isRunning = false
  }

  private let state = Lock(State())

  /// Calls `body` at the instant, on a thread of its own, in place of what was set before. Does not
  /// block. The `body` of the first setting counts for all.
  func set(_ instant: Instant, _ body: @escaping @Sendable () -> Void) throws(Errno) {
    let isRunning = state.update { state in
      state.instant = instant
      defer { state.isRunning = true }
      return state.isRunning
    }
    if isRunning { return }
    do throws(Errno) {
      try Thread.start("alarm") { [self] in
        while let instant = next() { if wait(until: instant) { body() } }
      }
    } catch {
      state.update { $0 = State() }
      throw error
    }
  }

  private func next() -> Instant? {
    state.withLock { state in
      state.isRunning = state.instant != nil
      return state.instant
    }
  }

  /// Whether the instant has come; false if another one was set meanwhile.
  private func wait(until instant: Instant) -> Bool {
    let isReplaced = state.wait(until: instant) { $0.instant == instant ? nil : true } ?? false
    if isReplaced { return false }
    return state.withLock { state in
      guard state.instant == instant else { return false }
      state.instant = nil
      return true
    }
  }
}
