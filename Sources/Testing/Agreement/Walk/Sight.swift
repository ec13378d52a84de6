// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// What a walk came to: walks that never do say nothing of it.
package enum Sight: UInt32, CaseIterable, Sendable {
  case committed
  case aborted
  case recoveredCommit
  case recoveredAbort
  /// A ballot of the third round or a later one had its majority of promises.
  case thirdRound
  /// A coordinator was lost before, or after, it had proposed commit.
  case lostBefore
  case lostAfter
  case diedPrepared
  case diedAccepted
  case diedCommitted
  case replacedInRollout

  static let recovered: UInt32 = 1 << recoveredCommit.rawValue | 1 << recoveredAbort.rawValue
}

extension Walk {
  mutating func see(_ sight: Sight) { sights |= 1 << sight.rawValue }

  mutating func see(_ proposed: Outbox.Proposed) {
    if proposed.ballot == .coordinator { return }
    see(proposed.decision == .commit ? .recoveredCommit : .recoveredAbort)
    if proposed.ballot.round > 2 { see(.thirdRound) }
  }

  /// A member's agent has died.
  mutating func see(_ node: Node) {
    switch node.durable.active?.stage {
    case .prepared: see(.diedPrepared)
    case .accepted: see(.diedAccepted)
    case .committed, .watching: see(.diedCommitted)
    case nil: break
    }
  }
}
