internal import LinuxIO

/// The same work for every element at once.
public enum FanOut {
  /// Runs `body` for each element on a thread of its own, and returns the results in the elements'
  /// order. Blocks until the last is there; there is no window, so that one dead node delays nobody
  /// else.
  public static func map<Element: Sendable, Result: Sendable>(
    _ elements: [Element], _ body: @escaping @Sendable (Element) -> Result
  ) -> [Result] {
    let results = Lock([Result?](repeating: nil, count: elements.count))
    let missing = Lock(elements.count)
    for (index, element) in elements.enumerated() {
      let work: @Sendable () -> Void = {
        let result = body(element)
        results.withLock { $0[index] = result }
        missing.update { $0 -= 1 }
      }
      do throws(Errno) {
        try Thread.start("fan-out", work)
      } catch {
        work()  // no more threads to be had: one after the other, then
      }
    }
    _ = missing.wait(until: nil) { $0 == 0 ? true : nil }
    return results.withLock { $0.compactMap(\.self) }
  }
}
