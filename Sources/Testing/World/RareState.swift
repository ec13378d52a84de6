// SPDX-License-Identifier: Apache-2.0

/// What a run came to. A share of seeds that never gets to one of these says nothing about it.
package enum RareState: String, CaseIterable, Sendable {
  case committed
  case aborted
  /// A rollback was committed.
  case rolledBack = "rolled back"
  /// A result that holds everything.
  case held
  /// A member brought what all nodes have proposed.
  case proposed
  case sealed
  /// The members have ended it with a commit, or an abort, without its coordinator.
  case recoveredCommit = "commit recovered"
  case recoveredAbort = "abort recovered"
  /// An agent was killed in this state.
  case killedPrepared = "killed when prepared"
  case killedAccepted = "killed when accepted"
  case killedCommitted = "killed when committed"
  case killedWatching = "killed when watching"
  case powerCutInRollout = "power cut in a rollout"
  /// The start guard has refused a start.
  case startRefused = "start refused"
  case rolledBackByItself = "rolled back by itself"
  case rollbackInDoubt = "rollback in doubt"
  /// An agent was killed while its server was held for a rollback.
  case killedHeld = "killed while held"
  /// A member has worked a rollout's result out in its coordinator's place.
  case collectedByMember = "collected by a member"
  /// A member has told another, in their coordinator's place, that it need not watch its start to the end.
  case brokenOffByMember = "broken off by a member"
  case withdrawn
  /// A rollout that restarts nothing was committed.
  case withoutRestart = "without a restart"
  /// The Key Managers had another key of the same name, after the right one was proven on every node.
  case keyExchanged = "key exchanged"
  /// Somebody who has no part in a rollout was told that he may not report its result.
  case strangerRefused = "stranger refused"
  /// What all have proposed was not confirmed on a node.
  case proposalFailed = "proposal failed"
  /// Another inventory was agreed on; a node has joined by it, has left, was left out of the vote as gone.
  case membersChanged = "members changed"
  case memberJoined = "member joined"
  case memberRetired = "member retired"
  case memberLeftOut = "member left out"
  case replacedInRollout = "replaced in a rollout"
}
