// SPDX-License-Identifier: Apache-2.0
package import Model

/// The same work on several things at once, one thread each.
package enum InParallel {
  /// Blocks until `body` has returned for each of `items`, or until the deadline: nil for those
  /// that are not done then. Each `body` must come to its end by itself at about the deadline.
  package static func map<Item: Sendable, Result: Sendable>(
    _ items: [Item], thread name: String, until deadline: Instant,
    _ body: @escaping @Sendable (Item) -> Result
  ) -> [Result?] {
    let results = Lock<[Result?]>(items.map { _ in nil })
    @Sendable func work(_ index: Int) {
      let result = body(items[index])
      results.update { $0[index] = result }
    }
    for index in items.indices.dropFirst() {
      // Without a thread the work is done here, only not at the same time.
      if (try? Thread.start(name) { work(index) }) == nil { work(index) }
    }
    // The calling thread has nothing else to do.
    if !items.isEmpty { work(0) }
    return results.wait(until: deadline) { $0.allSatisfy { $0 != nil } ? $0 : nil }
      ?? results.withLock { $0 }
  }
}
