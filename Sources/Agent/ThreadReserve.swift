// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Threads

/// What waits for a thread where the host gives none.
final class ThreadReserve: Sendable {
  /// Something that a rollout hangs on.
  struct Work: Sendable {
    var name: String
    /// Whether it may take long, or can do nothing without threads: it gets one of its own, or waits for it.
    var isLong: Bool
    var body: @Sendable () -> Void
    /// When a thread is to be asked for again.
    fileprivate var due = Clock.now()

    init(_ name: String, isLong: Bool, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.isLong = isLong
      self.body = body
    }
  }

  private struct State {
    var waiting: [Work] = []
    var isClosed = false
  }

  private static let againMilliseconds = 1_000

  private let state = Lock(State())

  func post(_ work: Work) { state.update { $0.waiting.append(work) } }

  /// The same after a pause.
  func postpone(_ work: Work) {
    var work = work
    work.due = .inMilliseconds(Self.againMilliseconds)
    post(work)
  }

  /// Lets who takes end.
  func close() { state.update { $0.isClosed = true } }

  /// Blocks until something is to be done; nil once it is closed. What is short or urgent comes before what is long.
  func take() -> Work? {
    while true {
      let due = state.withLock { state in state.waiting.map(\.due).min() }
      let taken: Work?? = state.wait(until: due) { state in
        if state.isClosed { return .some(nil) }
        let now = Clock.now()
        let ready = state.waiting.indices.filter { state.waiting[$0].due <= now }
        guard let index = ready.first(where: { !state.waiting[$0].isLong }) ?? ready.first else {
          return nil
        }
        return state.waiting.remove(at: index)
      }
      if let taken { return taken }
    }
  }
}
