// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Threads

/// Log lines that strangers can cause: one a second, and how many were left out.
final class RateLimitedLog: Sendable {
  private struct State {
    var quietUntil = Instant(nanoseconds: 0)
    var leftOut = 0
  }
  private let state = Lock(State())
  private let log: @Sendable (String) -> Void

  init(_ log: @escaping @Sendable (String) -> Void) { self.log = log }

  func write(_ line: String) {
    let leftOut: Int? = state.withLock { state in
      let now = Clock.now()
      guard now >= state.quietUntil else {
        state.leftOut += 1
        return nil
      }
      defer { state = State(quietUntil: now.advanced(byMilliseconds: 1_000)) }
      return state.leftOut
    }
    guard let leftOut else { return }
    log(leftOut == 0 ? line : "\(line) (and \(leftOut) more before)")
  }
}
