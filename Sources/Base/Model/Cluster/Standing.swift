// SPDX-License-Identifier: Apache-2.0

/// How much a server owes to the holder of a certificate. The lowest gives way first.
package enum Standing: Int, Sendable, Hashable, CaseIterable, Comparable {
  /// It may only look.
  case observer
  /// A node or a witness of the inventory.
  case member
  /// It may plan and roll out.
  case `operator`

  /// The order of the privileges.
  package static func < (one: Standing, other: Standing) -> Bool { one.rawValue < other.rawValue }
}
