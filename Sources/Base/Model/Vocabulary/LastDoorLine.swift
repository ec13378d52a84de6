// SPDX-License-Identifier: Apache-2.0

/// The line by which the last door, `keyturn guard`, says in the server's journal that it refuses a
/// start.
package enum LastDoorLine {
  /// What it begins with; why, and what to do, follow.
  package static let head = "keyturn: the last door: this start is refused: "
}
