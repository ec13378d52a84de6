// SPDX-License-Identifier: Apache-2.0

/// What must always hold.
package enum Rule: String, Sendable {
  case oneDecision = "one decision"
  case everyYes = "commit only after every member's yes"
  case onlyGrows = "epochs and ballots only grow, and what is decided stays"
  case durableFirst = "nothing is told or done before it is durable"
  case neverIsNever = "who has said that it never voted never does"
  case oneProposal = "one value for a ballot, and round 0 once"
  case carefulProposal = "commit is proposed with known clocks, equal settings and an instant ahead"
  case once = "one installation and one restart for a rollout"
  case sameEnd = "when all has healed, all members end with the same outcome"
  case cleanCommits = "what nothing disturbs is committed"
  case report = "the coordinator reports what happened"
}

/// Something that must always hold did not.
package struct Violation: Sendable, Hashable, CustomStringConvertible {
  package var rule: Rule
  package var text: String

  package var description: String { "\(rule.rawValue): \(text)" }
}
