// SPDX-License-Identifier: Apache-2.0

/// Where a member is in a rollout, in the words of status, timelines and displays.
package enum RolloutPhase: String, Sendable, Hashable, CaseIterable {
  /// The coordinator has asked for its vote.
  case asked
  /// Its checks run.
  case preparing
  case checked
  /// It voted yes.
  case prepared
  /// It voted no, or why its vote is not known.
  case refused
  case unreachable
  /// It accepted commit, and does not know the decision.
  case accepted
  case committed
  /// It waits for the instant.
  case armed
  /// A step that a committed rollout needs is tried again before the restart.
  case waiting
  case restarting
  /// The file is in place, in a rollout that restarts nothing.
  case installed
  case stopping
  case stopped
  /// The replaced file's directory could not be made durable yet.
  case syncing
  case starting
  case watching
  case waitingForPeers
  case waitingForDrives
  case waitingForQuorum
  case initialising
  case ready
  case serving
  case takesWrites
  /// All is good, and must stay so for the settle time.
  case settling
  /// The seal could not be made durable yet.
  case sealing
  /// That the restart could not be done is not durable yet.
  case failing
  case confirmed
  case failed
  case timedOut
  /// How the start ends was not awaited, since the previous files come back.
  case brokenOff
  case aborted
  case unknown

  /// Known from the votes already.
  package var isOfVote: Bool {
    [.preparing, .checked, .prepared, .refused, .accepted].contains(self)
  }

  /// Whether a step that a committed rollout cannot do without has failed, and is tried again.
  package var isObstacle: Bool { [.waiting, .syncing, .sealing, .failing].contains(self) }

  /// Whether nothing of the rollout follows on this member.
  package var isEnd: Bool {
    [.confirmed, .failed, .timedOut, .brokenOff, .refused, .aborted, .unknown].contains(self)
  }
}
