// SPDX-License-Identifier: Apache-2.0
package import Model

/// The same work on several things at once.
package enum Parallel {
  /// Blocks until `body` has returned for each of `items`, or until the deadline: nil for those
  /// that are not done then. Each `body` must itself end at about the deadline.
  ///
  /// - Parameter atOnce: how many threads, the calling one included; nil for one each, so that one
  ///   dead host delays no other.
  package static func map<Item: Sendable, Result: Sendable>(
    _ items: [Item], thread name: String, atOnce: Int? = nil, until deadline: Instant?,
    _ body: @escaping @Sendable (Item) -> Result
  ) -> [Result?] {
    let state = Lock(
      (next: 0, missing: items.count, results: [Result?](repeating: nil, count: items.count)))
    @Sendable func work() {
      while let index = state.withLock({ state -> Int? in
        guard state.next < items.count else { return nil }
        defer { state.next += 1 }
        return state.next
      }) {
        let result = body(items[index])
        state.update { state in
          state.results[index] = result
          state.missing -= 1
        }
      }
    }
    // If the host gives no more threads, those that there are do the work.
    for _ in 1..<max(1, min(items.count, atOnce ?? items.count)) {
      guard (try? Thread.start(name, work)) != nil else { break }
    }
    work()
    _ = state.wait(until: deadline) { $0.missing == 0 ? true : nil }
    return state.withLock { $0.results }
  }

  /// The same without a deadline.
  package static func map<Item: Sendable, Result: Sendable>(
    _ items: [Item], atOnce: Int? = nil, _ body: @escaping @Sendable (Item) -> Result
  ) -> [Result] {
    map(items, thread: "fan-out", atOnce: atOnce, until: nil, body).compactMap(\.self)
  }
}
