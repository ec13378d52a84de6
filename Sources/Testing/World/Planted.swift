// SPDX-License-Identifier: Apache-2.0

/// A host that breaks the contract of a port. Each must be found: a check that cannot fail checks nothing.
package enum Planted: String, CaseIterable, Sendable {
  /// What the member has promised is not kept, and the agent is told that it is.
  case promiseForgotten
  /// Another content is put in place than what was staged.
  case otherFileInstalled
  /// A directory's sync does nothing: a power cut undoes the rename.
  case syncIgnored
  /// What was staged and is not wanted any more stays.
  case discardIgnored
  /// A key proof is said to have opened, whatever the key.
  case proofNotOpened
  /// A lock is taken in the agent's log, while another thread that holds it logs.
  case deadlock
}
