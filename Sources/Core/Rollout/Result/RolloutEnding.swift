// SPDX-License-Identifier: Apache-2.0
package import Model

/// How a rollout ended, as its coordinator knows it.
package enum RolloutEnding: Sendable, Hashable {
  /// Nothing was touched, and why.
  case aborted(Refusal)
  /// Committed, and every start was confirmed.
  case confirmed
  /// Committed, and at least one start was not confirmed.
  case notConfirmed
  /// Committed; no start is known to have failed, but some outcomes are not known.
  case outcomesUnknown
  /// The decision is not known.
  case undecided

  /// How a committed rollout with these outcomes ended.
  package init(committed outcomes: [MemberOutcome]) {
    let kinds = outcomes.map(\.outcome.kind)
    self =
      if kinds.allSatisfy({ $0 == .confirmed }) {
        .confirmed
      } else if kinds.allSatisfy({ $0 == .confirmed || $0 == .unknown }) {
        .outcomesUnknown
      } else {
        .notConfirmed
      }
  }

  /// Why nothing was touched; nil if it was not aborted.
  package var refusal: Refusal? {
    if case .aborted(let refusal) = self { refusal } else { nil }
  }

  /// Nil when it is not known.
  package var decision: Decision? {
    switch self {
    case .aborted: .abort
    case .confirmed, .notConfirmed, .outcomesUnknown: .commit
    case .undecided: nil
    }
  }
}
