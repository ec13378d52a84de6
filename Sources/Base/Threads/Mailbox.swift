// SPDX-License-Identifier: Apache-2.0
package import Model

/// A bounded queue between threads.
package final class Mailbox<Element: Sendable>: Sendable {
  private struct State {
    var elements: [Element] = []
    var closed = false
  }
  private let state = Lock(State())
  private let capacity: Int

  package init(capacity: Int) { self.capacity = capacity }

  /// Appends; false if the queue is full or closed. Never blocks for long.
  @discardableResult
  package func post(_ element: Element) -> Bool {
    state.update { state in
      if state.closed || state.elements.count >= capacity { return false }
      state.elements.append(element)
      return true
    }
  }

  /// Appends; blocks while the queue is full, until the deadline (nil: as long as it takes). False
  /// if it is closed or the deadline has come.
  @discardableResult
  package func post(_ element: Element, until deadline: Instant?) -> Bool {
    let posted: Bool? = state.wait(until: deadline) { state in
      if state.closed { return false }
      if state.elements.count >= capacity { return nil }
      state.elements.append(element)
      return true
    }
    // Wakes those who wait for an element; the wait above holds no other thread up.
    state.update { _ in }
    return posted ?? false
  }

  package var isClosed: Bool { state.withLock { $0.closed } }

  /// Ends the queue: what is in it can still be taken, nothing more is accepted.
  package func close() { state.update { $0.closed = true } }

  /// Blocks until there is an element, the queue is closed and empty (nil), or the deadline has
  /// come (nil).
  package func take(until deadline: Instant? = nil) -> Element? {
    var wasFull = false
    let taken: Element?? = state.wait(until: deadline) { state in
      if !state.elements.isEmpty {
        wasFull = state.elements.count >= capacity
        return .some(state.elements.removeFirst())
      }
      return state.closed ? .some(nil) : nil
    }
    if wasFull { state.update { _ in } }
    return taken ?? nil
  }
}
