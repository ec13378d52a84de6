internal import LinuxIO

/// The way from a signal to the command that runs. Safe from any thread.
public final class Interruption: Sendable {
  private struct State {
    var handler: (@Sendable () -> Void)?
    var isUsed = false
  }
  private let state = Lock(State())

  /// Nobody listens yet.
  public init() {}

  /// Tells the command that it shall end. False if nobody listens, or it was told before: then the
  /// process should exit at once.
  public func interrupt() -> Bool {
    let handler: (@Sendable () -> Void)? = state.withLock { state in
      if state.isUsed { return nil }
      state.isUsed = state.handler != nil
      return state.handler
    }
    handler?()
    return handler != nil
  }

  /// Runs `body`; an interruption meanwhile calls `handler`, on the thread of the signal.
  public func handled<Result>(
    by handler: @escaping @Sendable () -> Void, _ body: () -> Result
  ) -> Result {
    state.withLock { $0.handler = handler }
    defer { state.withLock { $0.handler = nil } }
    return body()
  }
}
