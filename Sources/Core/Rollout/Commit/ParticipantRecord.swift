// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

/// What a member knows of its own when it votes yes; part of its durable record.
package struct PreparedFacts: Sendable, Codable, Hashable {
  /// The unit's invocation when the member voted; empty if it was not running.
  package var invocation: String
  /// The journal's cursor when the member voted; nil if the journal was empty.
  package var journalCursor: String?
  /// Whether a file is staged; false where only the process is to be restarted.
  package var staged: Bool
  /// The environment that the server must run with, which was voted on, sorted by name.
  package var environment: [NamedDigest]?

  package init(
    invocation: String, journalCursor: String?, staged: Bool, environment: [NamedDigest]? = nil
  ) {
    self.invocation = invocation
    self.journalCursor = journalCursor
    self.staged = staged
    self.environment = environment
  }
}

/// A proposal that a member has accepted.
package struct BallotValue: Sendable, Codable, Hashable {
  package var ballot: Ballot
  package var decision: Decision
  /// When to act, in this member's CLOCK_BOOTTIME; nil for abort.
  package var instant: Instant?
  /// The boot of this member that the instant belongs to.
  package var bootID: String

  package init(ballot: Ballot, decision: Decision, instant: Instant?, bootID: String) {
    self.ballot = ballot
    self.decision = decision
    self.instant = instant
    self.bootID = bootID
  }
}

/// Where a member is in the rollout that it is in.
package enum ParticipantStage: Sendable, Codable, Hashable {
  /// Voted yes; waits for a proposal.
  case prepared
  /// Accepted a proposal; waits for the decision.
  case accepted(BallotValue)
  /// Knows commit; acts at the instant.
  case committed(instant: Instant, bootID: String)
  /// Restarted; the start is being watched.
  case watching(RestartReport)
}

/// The rollout that a member is in.
package struct ActiveRollout: Sendable, Codable, Hashable {
  package var rollout: Rollout
  /// What the member knew when it voted.
  package var facts: PreparedFacts
  /// The highest ballot that it has promised to.
  package var promised: Ballot
  /// Where it is.
  package var stage: ParticipantStage
}

/// The rollout that a member was in last.
package struct FinishedRollout: Sendable, Codable, Hashable {
  package var rollout: Rollout
  package var outcome: Outcome
  /// What happened at the instant; nil if nothing did.
  package var report: RestartReport?
  /// The environment that was voted on (``PreparedFacts/environment``): what a server that is confirmed later must run
  /// with. Nil in a record that was written before it was kept, and where nothing was committed.
  package var environment: [NamedDigest]?
}

/// What a member must not forget: one durable record, replaced as a whole.
package struct ParticipantRecord: Sendable, Codable, Hashable {
  /// The highest epoch that the member has seen.
  @Bounded<Bounds.Epoch> package var highestEpoch: UInt64
  package var active: ActiveRollout?
  /// The rollout that it was in last.
  package var last: FinishedRollout?
  /// The last one that was committed: later ones that were aborted must not make it forgotten while
  /// another member is still in doubt of it.
  package var lastCommitted: FinishedRollout?
  /// The last change of members that has ended here: no file and no server has to do with it, so it is not among the
  /// others. Nil in a record that was written before there were any.
  package var lastChange: FinishedRollout?
  /// The ids of the last ones that were committed, the newest last: a member that was left out, and is still in doubt of
  /// one, must not be told that no yes was given. Nil in a record that was written before they were kept.
  package private(set) var committed: [String]?
  /// The ids of the last ones that were aborted, the newest last: a member that is still in doubt of one is told so,
  /// and not that no yes was given. Nil in a record that was written before they were kept.
  package private(set) var aborted: [String]?

  /// The record of a member that has never been in a rollout.
  package init() { highestEpoch = 0 }

  /// What it remembers of a rollout that has ended here; nil if nothing.
  package func finished(_ id: String) -> FinishedRollout? {
    [last, lastCommitted, lastChange].lazy.compactMap(\.self).first { $0.rollout.id == id }
  }

  /// How many aborted rollouts are remembered by their ids.
  static let abortedCount = 16
  /// The same of committed ones.
  static let committedCount = 64

  /// Remembers that a rollout was committed.
  mutating func noteCommitted(_ id: String) {
    committed = ((committed ?? []).filter { $0 != id } + [id]).suffix(Self.committedCount)
  }

  /// Remembers how a rollout has ended here.
  mutating func end(_ finished: FinishedRollout) {
    active = nil
    let isCommitted = finished.outcome.kind != .aborted
    if isCommitted {
      noteCommitted(finished.rollout.id)
    } else {
      noteAborted(finished.rollout.id)
    }
    if finished.rollout.change != nil {
      lastChange = finished
    } else {
      last = finished
      if isCommitted { lastCommitted = finished }
    }
  }

  /// Remembers that a rollout was aborted.
  mutating func noteAborted(_ id: String) {
    aborted = ((aborted ?? []).filter { $0 != id } + [id]).suffix(Self.abortedCount)
  }
}
