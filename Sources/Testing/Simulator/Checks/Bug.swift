// SPDX-License-Identifier: Apache-2.0

/// A mistake that the simulator's shell can make, to show that it would be found. The machines are
/// the product's: for a mistake of a machine, the shell falsifies its inputs or effects.
package enum Bug: String, Sendable, CaseIterable {
  /// A reply leaves before the record that it depends on is written.
  case sendBeforePersist
  /// A record is written, but not made durable before the reply.
  case persistWithoutSync
  /// The coordinator counts one acceptance that was not given.
  case majorityOneShort
  /// A recovering member counts one promise that was not given.
  case recoveryMajorityOneShort
  /// The coordinator aborts when it gets no majority in time.
  case abortAfterAccept
  /// The coordinator takes silence for a yes.
  case silenceIsYes
  /// A member votes on an epoch that it has seen already.
  case epochNotChecked
  /// A member that has not voted says so, and can vote afterwards.
  case neverVotedWithoutFence
  /// A member accepts a lower ballot than it has promised.
  case ballotNotChecked
  /// A promise leaves out what was accepted before.
  case promiseForgetsAccepted
  /// A member that was restarted does not arm what its record says.
  case timerLostOnRestart
  /// A member in doubt never wakes.
  case noRecovery
  /// The instant of another boot is waited for.
  case instantOfAnotherBoot
  /// After a crash between restart and record the unit is restarted again.
  case doubleRestartAfterCrash
  /// A member installs and restarts when it accepts.
  case restartOnAccept
  /// The file is written in place, not renamed over.
  case fileWrittenInPlace
  /// The directory is not synced after the rename.
  case renameNotSynced
  /// The seal is written after the record that ends the rollout.
  case sealAfterTheEnd
  /// The previous file comes back even where a server may have encrypted with the new key.
  case rollbackRemovesKey
  /// An unknown end is reported as an abort.
  case unknownReportedAsAbort
  /// A rollout is promoted when a majority has confirmed.
  case confirmedByMajority
  /// A member that was restarted does not go on collecting outcomes.
  case collectingForgotten
  /// That outcomes are to be collected is written after the record that ends the rollout.
  case collectingAfterTheEnd
  /// A proposal that was rolled out is ended after the record that ends the rollout.
  case proposalAfterTheEnd
  /// A member gives the result up if another rollout runs when the outcomes are known.
  case sumGivenUp
  /// Two members roll back: a lower one that answers is ignored, and so is what came since.
  case undoneTwice
  /// A member whose host was replaced answers in the place of the one that has voted.
  case replacedAnswers
  /// What holds a server for a rollback is removed before the server is started again.
  case holdRemovedFirst
  /// A member takes anybody's message, and the last one, for the result of a rollout.
  case anybodyReports
  /// A member that was restarted goes on as coordinator in round 0.
  case roundZeroAgain
  /// A proposal is begun before every member has said that it holds it.
  case begunBeforeAllHold
  /// A withdrawal is answered and not taken.
  case withdrawalForgotten
  /// A proposal whose rollout was not confirmed is still proposed.
  case failedSettingsStay
}
