// SPDX-License-Identifier: Apache-2.0
package import Model
package import Rollout

/// What is to be known of a rollout beside its steps.
package struct RolloutHead: Sendable, Codable, Hashable {
  /// The rollout's id.
  package var id: String
  /// Its epoch.
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  /// What it does.
  package var kind: RolloutKind
  /// The number that the files become.
  @Bounded<Bounds.Generation> package var generation: Int
  /// Who created it.
  package var createdBy: String

  /// A head; see the properties.
  package init(
    id: String, epoch: UInt64, kind: RolloutKind, generation: Int, createdBy: String
  ) {
    self.id = id
    self.epoch = epoch
    self.kind = kind
    self.generation = generation
    self.createdBy = createdBy
  }

  /// The head of a rollout.
  package init(_ rollout: Rollout) {
    self.init(
      id: rollout.id, epoch: rollout.epoch, kind: rollout.kind, generation: rollout.generation,
      createdBy: rollout.createdBy)
  }
}

/// One step of a rollout on one member.
package struct RolloutEvent: Sendable, Codable, Hashable {
  /// 1 for the first; grows by one.
  @Bounded<Bounds.Count> package var sequence: Int
  /// When, microseconds since 1970-01-01 UTC of the node.
  @Bounded<Bounds.WallMicroseconds> package var realtimeMicroseconds: Int64
  /// When, CLOCK_BOOTTIME of the node on the boot ``RolloutView/bootID``; nil on another one.
  package var instant: Instant?
  /// `preparing`, `checked`, `prepared`, `refused`, `accepted`, `armed`, `installed`, `restarting`,
  /// `stopping`, `starting`, `waitingForPeers`, `waitingForDrives`, `waitingForQuorum`,
  /// `initialising`, `ready`, `serving`, `confirmed`, `failed`, `timedOut`, `aborted`.
  package var phase: String
  /// What it waits for, or why; for people, redacted.
  package var detail: String

  /// A step; see the properties.
  package init(
    sequence: Int, realtimeMicroseconds: Int64, instant: Instant? = nil, phase: String,
    detail: String
  ) {
    self.sequence = sequence
    self.realtimeMicroseconds = realtimeMicroseconds
    self.instant = instant
    self.phase = phase
    self.detail = detail
  }
}

/// A rollout as one member sees it.
package struct RolloutView: Sendable, Codable, Hashable {
  /// The rollout's id.
  package var id: String
  /// Steps after the one that was asked for.
  package var events: [RolloutEvent]
  /// What happened at the instant, once it has.
  package var report: RestartReport?
  /// How it ended here, once it has.
  package var outcome: Outcome?
  /// What rollout it is; nil from an agent that does not tell.
  package var rollout: RolloutHead?
  /// The boot that the instants belong to.
  package var bootID: String?
  /// The instant that was agreed, CLOCK_BOOTTIME of the node on that boot. It means the same moment
  /// on every member, and so puts their steps on one axis. Nil without a commit, and where the
  /// commit was acted on at once.
  package var instant: Instant?
  /// What became of it when all outcomes were in, as far as this member was told.
  package var rolloutResult: RolloutResult?

  /// A view; see the properties.
  package init(
    id: String, events: [RolloutEvent], report: RestartReport?, outcome: Outcome?,
    rollout: RolloutHead? = nil, bootID: String? = nil, instant: Instant? = nil,
    rolloutResult: RolloutResult? = nil
  ) {
    self.id = id
    self.events = events
    self.report = report
    self.outcome = outcome
    self.rollout = rollout
    self.bootID = bootID
    self.instant = instant
    self.rolloutResult = rolloutResult
  }
}

/// One of the rollouts that a member has kept a timeline of.
package struct RolloutEntry: Sendable, Codable, Hashable {
  /// What rollout it is.
  package var rollout: RolloutHead
  /// When it began here, microseconds since 1970-01-01 UTC of the node.
  @Bounded<Bounds.WallMicroseconds> package var beganMicroseconds: Int64
  /// How it ended here; nil while it has not.
  package var outcome: Outcome?

  /// An entry; see the properties.
  package init(rollout: RolloutHead, beganMicroseconds: Int64, outcome: Outcome?) {
    self.rollout = rollout
    self.beganMicroseconds = beganMicroseconds
    self.outcome = outcome
  }
}

/// The rollouts that a member has kept a timeline of, the newest first.
package struct RolloutsAnswer: Sendable, Codable, Hashable {
  /// The node's name.
  package var node: String
  /// The rollouts.
  package var rollouts: [RolloutEntry]

  /// An answer; see the properties.
  package init(node: String, rollouts: [RolloutEntry]) {
    self.node = node
    self.rollouts = rollouts
  }
}
