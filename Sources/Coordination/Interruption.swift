// SPDX-License-Identifier: Apache-2.0
package import Model
internal import Threads

/// The way from a signal to the command that runs. Safe from any thread.
package final class Interruption: Sendable {
  private struct State {
    var handler: (@Sendable () -> Void)?
    /// When the command was told.
    var told: Instant?
  }
  private let state = Lock(State())

  /// A signal that comes so soon after the first is the same one: timeout(1) and its like send it to
  /// the process and then to its process group.
  private static let echoMilliseconds: Int64 = 100

  /// Nobody listens yet.
  package init() {}

  /// Tells the command that it must end. False if nobody listens, or it was told before, by another
  /// signal than this one: then the process should exit at once.
  package func interrupt() -> Bool { interrupt(at: Clock.now()) }

  /// The same, of a signal that came then.
  package func interrupt(at now: Instant) -> Bool {
    let (handler, isEcho) = state.withLock { state -> ((@Sendable () -> Void)?, Bool) in
      if let told = state.told {
        return (nil, now.milliseconds(since: told) < Self.echoMilliseconds)
      }
      if state.handler != nil { state.told = now }
      return (state.handler, false)
    }
    handler?()
    return handler != nil || isEcho
  }

  /// Runs `body`; an interruption meanwhile calls `handler`, on the thread of the signal.
  package func handled<Result>(
    by handler: @escaping @Sendable () -> Void, _ body: () -> Result
  ) -> Result {
    state.withLock { $0.handler = handler }
    defer { state.withLock { $0.handler = nil } }
    return body()
  }
}
