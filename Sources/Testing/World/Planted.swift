// SPDX-License-Identifier: Apache-2.0

/// A host that breaks the contract of a port, or of its threads. Each must be found: a check that cannot fail checks nothing.
package enum Planted: String, CaseIterable, Sendable {
  /// What the member has promised is not kept, and the agent is told that it is.
  case promiseForgotten
  /// A record that was written is not durable: a power cut undoes it.
  case recordNotSynced
  /// Another content is put in place than what was staged.
  case otherFileInstalled
  /// The file is written in place, in two steps, and not renamed over.
  case writtenInPlace
  /// A directory's sync does nothing: a power cut undoes the rename.
  case syncIgnored
  /// What was staged and is not wanted any more stays.
  case discardIgnored
  /// A key proof is said to have opened, whatever the key.
  case proofNotOpened
  /// A lock is taken in the agent's log, while another thread that holds it logs.
  case deadlock
  /// A thread that waits for a value is not always woken when that has changed.
  case wakeUpLost
}
