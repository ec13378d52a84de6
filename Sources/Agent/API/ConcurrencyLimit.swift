// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Threads

/// Lets so many do a thing at once; whoever else comes waits for a turn.
final class ConcurrencyLimit: Sendable {
  /// Pages of the journal that are made ready for observers at once.
  static let observersPages = 2
  /// How long an observer's page may wait for its turn, milliseconds.
  static let observersPageMilliseconds = 10_000

  private let limit: Int
  private let taken = Lock(0)

  init(limit: Int) { self.limit = limit }

  /// What `body` returns; nil if no turn came until the deadline. Blocks until then, and while `body` runs.
  func take<Result>(until deadline: Instant, _ body: () -> Result) -> Result? {
    let hasTurn = taken.wait(until: deadline) { [limit] taken -> Bool? in
      guard taken < limit else { return nil }
      taken += 1
      return true
    }
    guard hasTurn == true else { return nil }
    defer { taken.update { $0 -= 1 } }
    return body()
  }
}
