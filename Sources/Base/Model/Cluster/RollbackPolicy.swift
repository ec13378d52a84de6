// SPDX-License-Identifier: Apache-2.0

/// What becomes of a committed rollout whose starts were not all confirmed.
package enum RollbackPolicy: String, Sendable, Codable, Hashable, CaseIterable {
  /// The files of before are rolled out again, unless a server may have encrypted with a key that
  /// they do not have.
  case whenSafe = "when-safe"
  /// Everything is held as it is.
  case never
}
