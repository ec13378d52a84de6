// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Threads

/// Tells the members of a committed rollout once a second that its coordinator is alive, so that
/// none of them works out the result itself (`Core/Rollout/Result/OutcomeCollector.swift`).
package final class CoordinatorHeartbeat: Sendable {
  private let rollout: String
  private let links: [any AgentLink]
  private let threads: Int
  private let state = Lock((isBegun: false, isOver: false))

  private static let intervalMilliseconds = 1_000

  /// - Parameter atOnce: how many members are told at a time; nil for all, so that a silent one
  ///   delays no other.
  package init(of rollout: String, to links: [any AgentLink], atOnce: Int? = nil) {
    self.rollout = rollout
    self.links = links
    threads = max(1, min(links.count, atOnce ?? links.count))
  }

  /// Begins, on new threads. Calling it again does nothing. Does not block.
  func begin() {
    let isFirst = state.update { state in
      defer { state.isBegun = true }
      return !state.isBegun && !state.isOver
    }
    guard isFirst else { return }
    for offset in 0..<threads {
      // Without a thread these members may work out the result too, and come to the same.
      _ = try? Thread.start("heartbeat") { [self] in
        let own = stride(from: offset, to: links.count, by: threads).map { links[$0] }
        repeat {
          for link in own where !state.withLock({ $0.isOver }) {
            _ = try? link.call(
              .clock(rollout: rollout), lane: .control,
              deadline: .inMilliseconds(Self.intervalMilliseconds))
          }
        } while state.wait(
          until: .inMilliseconds(Self.intervalMilliseconds), { $0.isOver ? true : nil }) == nil
      }
    }
  }

  /// Does not block.
  package func end() { state.update { $0.isOver = true } }
}
