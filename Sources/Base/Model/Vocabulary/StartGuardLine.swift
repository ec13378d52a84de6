// SPDX-License-Identifier: Apache-2.0

/// The line by which the start guard, `keyturn guard`, says in the server's journal that it refuses
/// a start.
package enum StartGuardLine {
  /// What it begins with; why, and what to do, follow.
  package static let head = "keyturn: the start guard: this start is refused: "
}
