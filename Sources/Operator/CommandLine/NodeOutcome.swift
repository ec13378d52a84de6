// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout

/// What a command came to on one node, in one word.
enum NodeOutcome: String, Sendable, Hashable, Encodable {
  // Of a look.
  case reachable, unreachable, unknown, fine, failed
  case same, different, set, unset
  // Of a plan, and of a command that changes one thing.
  case changes, unchanged, refused, recovered, taken
  // Of a rollout; a start that was not confirmed is `failed`, `timedOut` or `unknown`.
  case confirmed, timedOut, aborted
  /// Its start was not watched to its end: the previous files came back.
  case brokenOff
  /// It has voted yes and does not know the decision.
  case inDoubt
  /// The new file is in place, and its start has not ended.
  case committed
  /// It was not asked, or holds no vote.
  case untouched
  // Of a proposal.
  case none, waiting, rollingOut, inForce, notConfirmed, unapproved, deferred
  // Of the seal.
  case renewed
  case sealed, pending, lifted, unusable
  case notSealed = "not sealed"

  init(_ outcome: Outcome) {
    if outcome.isBrokenOff {
      self = .brokenOff
      return
    }
    self =
      switch outcome.kind {
      case .confirmed: .confirmed
      case .failed: .failed
      case .timedOut: .timedOut
      case .aborted: .aborted
      case .unknown: .unknown
      }
  }

  init(_ phase: ProposalPhase) {
    self =
      switch phase {
      case .none: .none
      case .waiting: .waiting
      case .rollingOut: .rollingOut
      case .inForce: .inForce
      case .refused: .refused
      case .notConfirmed: .notConfirmed
      case .unapproved: .unapproved
      case .deferred: .deferred
      }
  }

  init(_ code: RefusalCode) { self = code == .unreachable ? .unreachable : .refused }
}
