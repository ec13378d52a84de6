// SPDX-License-Identifier: Apache-2.0

/// How long a member waits before and while it recovers a rollout, milliseconds.
package struct RecoveryTimes: Sendable, Hashable {
  /// Silence of the coordinator until the first member takes a round.
  package var silenceMilliseconds = 3_000
  /// Later by this for each member before it in the list, so that as a rule only one tries.
  package var rankMilliseconds = 200
  /// The most that the jitter adds.
  package var jitterMilliseconds = 200
  /// For the answers to one question.
  package var answerMilliseconds = 1_000
  /// After the first round that came to nothing; doubled after each further one.
  package var firstPauseMilliseconds = 500
  /// The longest pause between two rounds.
  package var longestPauseMilliseconds = 8_000

  /// The defaults.
  package init() {}
}
