// SPDX-License-Identifier: Apache-2.0

/// What a node knows of its running server beside the environment that a rollout wants: whether a rollout that only
/// puts files right may leave it running. Pure.
package struct RunningServer: Sendable, Hashable {
  /// Whether its unit is active with a main process.
  package var isUp: Bool
  /// Names of the MINIO_* variables that it has otherwise than wanted, sorted.
  package var differing: [String]
  /// The same of all other variables.
  package var otherDiffering: [String]
  /// Why it is not known for certain what it runs with; nil if it is.
  package var doubt: String?
  /// How the last committed rollout ended on the node; nil if there was none.
  package var lastOutcome: OutcomeKind?

  package init(
    isUp: Bool, differing: [String] = [], otherDiffering: [String] = [], doubt: String? = nil,
    lastOutcome: OutcomeKind? = nil
  ) {
    self.isUp = isUp
    self.differing = differing
    self.otherDiffering = otherDiffering
    self.doubt = doubt
    self.lastOutcome = lastOutcome
  }

  /// Why a start would bring what is wanted of MinIO and is not in force; empty if all of it is.
  package var reason: String {
    if !isUp { return "the server is not running" }
    return differing.isEmpty ? "" : Self.otherValues(differing)
  }

  /// Why it must be restarted where its file changes; empty if it runs with exactly what the file then says, and its
  /// start was confirmed.
  package var whyRestart: String {
    if !reason.isEmpty { return reason }
    if !otherDiffering.isEmpty { return Self.otherValues(otherDiffering) }
    if let doubt { return doubt }
    switch lastOutcome {
    case .confirmed: return ""
    case nil: return "no rollout has confirmed a start of it yet"
    case .failed, .timedOut, .unknown, .aborted: return "its last start was not confirmed"
    }
  }

  private static func otherValues(_ names: [String]) -> String {
    "the running server has other values of \(names.joined(separator: ", "))"
  }
}
