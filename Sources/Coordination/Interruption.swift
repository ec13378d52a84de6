// SPDX-License-Identifier: Apache-2.0
package import Model
internal import Threads

/// The way from a signal to the command that runs. Safe from any thread.
package final class Interruption: Sendable {
  private struct State {
    var handler: (@Sendable () -> Void)?
    var lastWords: (@Sendable () -> String?)?
    var told: Instant?
  }
  private let state = Lock(State())

  /// A signal that comes so soon after the first is the same one: timeout(1) and its like send it
  /// to the process and then to its process group.
  private static let echoMilliseconds: Int64 = 100

  package init() {}

  /// Tells the command to end. False if no handler is set, or if the command was told before and
  /// this is no echo of that signal: then the process should exit at once.
  package func interrupt() -> Bool { interrupt(at: Clock.now()) }

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

  /// What to say when a signal ends the process now, a sentence without a line end; nil for nothing.
  package var lastWords: String? { state.withLock { $0.lastWords }?() }

  /// Runs `body`; an interruption meanwhile calls `handler`, on the signal's thread. Around and after it counts what
  /// did before.
  ///
  /// - Parameters:
  ///   - handler: nil for none: a signal ends the process at once.
  ///   - lastWords: what to say when a signal ends the process meanwhile; nil for what is said around it.
  package func handled<Result, Failure: Error>(
    by handler: (@Sendable () -> Void)?, lastWords: (@Sendable () -> String?)? = nil,
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let outer = state.withLock { state in
      defer { (state.handler, state.lastWords) = (handler, lastWords ?? state.lastWords) }
      return (state.handler, state.lastWords)
    }
    defer { state.withLock { ($0.handler, $0.lastWords) = outer } }
    return try body()
  }
}
