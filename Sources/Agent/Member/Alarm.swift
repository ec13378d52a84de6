// SPDX-License-Identifier: Apache-2.0
internal import Linux
internal import Model
internal import Threads

/// One timer, which each setting replaces. Its thread lives as long as something is set.
///
/// A setting has a number. Its time may come while another one is being made, so who acts on it asks
/// first, where nothing can be set meanwhile, whether it is still the last one.
final class Alarm: Sendable {
  private struct State {
    var setting = 0
    var instant: Instant?
    var isRunning = false
  }

  private let state = Lock(State())

  /// The last setting, also one that could not be made; 0 before the first.
  var last: Int { state.withLock { $0.setting } }

  /// Calls `body` with the setting's number at the instant, on a thread of its own, in place of what was
  /// set before. Does not block. The `body` of the first setting counts for all.
  func set(_ instant: Instant, _ body: @escaping @Sendable (_ setting: Int) -> Void) throws(Errno) {
    let isRunning = state.update { state in
      state.setting += 1
      state.instant = instant
      defer { state.isRunning = true }
      return state.isRunning
    }
    if isRunning { return }
    do throws(Errno) {
      try Thread.start("alarm") { [self] in
        while let (setting, instant) = next() {
          if wait(for: setting, until: instant) { body(setting) }
        }
      }
    } catch {
      state.update {
        $0.instant = nil
        $0.isRunning = false
      }
      throw error
    }
  }

  private func next() -> (setting: Int, instant: Instant)? {
    state.withLock { state in
      state.isRunning = state.instant != nil
      return state.instant.map { (state.setting, $0) }
    }
  }

  /// Whether the instant has come; false if another one was set meanwhile.
  private func wait(for setting: Int, until instant: Instant) -> Bool {
    let isReplaced =
      state.wait(until: instant) { $0.setting == setting ? nil : true } ?? false
    if isReplaced { return false }
    return state.withLock { state in
      guard state.setting == setting else { return false }
      state.instant = nil
      return true
    }
  }
}
