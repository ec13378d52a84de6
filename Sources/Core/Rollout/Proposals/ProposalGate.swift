// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

/// What keeps a rollout back of settings that all members propose: what the inventory asks for, and what this member
/// knows of it (docs/development/protocol.md, "Proposals").
package struct ProposalGate: Sendable, Hashable {
  package enum Obstacle: Sendable, Hashable {
    /// No operator has approved these settings here.
    case approval
    /// The last such rollout is too recent, until then.
    case interval(until: Instant)
  }

  private let needsApproval: Bool
  private let intervalMilliseconds: Int
  private let approved: Digest?
  private let lastRollout: Instant?

  /// - Parameters:
  ///   - approved: the settings that an operator has approved.
  ///   - lastRollout: when the last rollout of a proposal was; nil if there was none.
  package init(
    _ rules: ProposalRules? = nil, approved: Digest? = nil, lastRollout: Instant? = nil
  ) {
    needsApproval = rules?.approval == .operator
    let seconds = min(
      max(0, rules?.minimumIntervalSeconds ?? 0), Limits.proposalIntervalSeconds)
    intervalMilliseconds = seconds * 1_000
    self.approved = approved
    self.lastRollout = lastRollout
  }

  /// - Parameter tolerance: by how much the members may differ in when the last rollout was, milliseconds.
  package func obstacle(
    to digest: Digest, at now: Instant, tolerance: Int = 0
  ) -> Obstacle? {
    if needsApproval, approved != digest { return .approval }
    guard intervalMilliseconds > 0, let lastRollout else { return nil }
    let until = lastRollout.advanced(byMilliseconds: intervalMilliseconds)
    return now.advanced(byMilliseconds: tolerance) < until ? .interval(until: until) : nil
  }
}
