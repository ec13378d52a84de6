// SPDX-License-Identifier: Apache-2.0
internal import Linux
internal import Threads

/// The same work for every element at once.
package enum FanOut {
  /// Runs `body` for each element, and returns the results in the elements' order. Blocks until the
  /// last is there.
  ///
  /// - Parameter atOnce: how many at a time; nil for all, each on a thread of its own, so that one
  ///   dead node delays nobody else.
  package static func map<Element: Sendable, Result: Sendable>(
    _ elements: [Element], atOnce: Int? = nil, _ body: @escaping @Sendable (Element) -> Result
  ) -> [Result] {
    let results = Lock([Result?](repeating: nil, count: elements.count))
    let left = Lock((next: 0, missing: elements.count))
    let work: @Sendable () -> Void = {
      while let index = left.withLock({ (left) -> Int? in
        guard left.next < elements.count else { return nil }
        defer { left.next += 1 }
        return left.next
      }) {
        let result = body(elements[index])
        results.withLock { $0[index] = result }
        left.update { $0.missing -= 1 }
      }
    }
    for _ in 0..<min(elements.count, atOnce ?? elements.count) {
      do throws(Errno) {
        try Thread.start("fan-out", work)
      } catch {
        work()  // no more threads to be had: one after the other, then
      }
    }
    _ = left.wait(until: nil) { $0.missing == 0 ? true : nil }
    return results.withLock { $0.compactMap(\.self) }
  }
}
