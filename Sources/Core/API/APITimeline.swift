// SPDX-License-Identifier: Apache-2.0
package import Model
package import Rollout

/// What is to be known of a rollout beside its steps.
package struct RolloutHead: Sendable, Codable, Hashable {
  package var id: String
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  package var kind: RolloutKind
  /// The number that the files become.
  @Bounded<Bounds.Generation> package var generation: Int
  package var createdBy: String
  /// Whether it restarts no server; nil for no.
  package var withoutRestart: Bool?
  /// What it is for; nil if nobody said.
  package var occasion: RolloutOccasion?

  package init(
    id: String, epoch: UInt64, kind: RolloutKind, generation: Int, createdBy: String,
    withoutRestart: Bool? = nil, occasion: RolloutOccasion? = nil
  ) {
    self.occasion = occasion
    self.withoutRestart = withoutRestart
    self.id = id
    self.epoch = epoch
    self.kind = kind
    self.generation = generation
    self.createdBy = createdBy
  }

  package init(_ rollout: Rollout) {
    self.init(
      id: rollout.id, epoch: rollout.epoch, kind: rollout.kind, generation: rollout.generation,
      createdBy: rollout.createdBy, withoutRestart: rollout.withoutRestart,
      occasion: rollout.occasion)
  }

  /// `apply`, `rotate api-key`, or `apply, no restart`.
  package var kindText: String { kind.text(withoutRestart: withoutRestart, occasion) }

  /// What it is for, in its author's words; nil if nobody said.
  package var note: String? { occasion?.note }
}

extension RolloutKind {
  /// `apply`, `rotate api-key`, or `apply, no restart`.
  package func text(withoutRestart: Bool?, _ occasion: RolloutOccasion?) -> String {
    if self == .members { return rawValue }
    let name = occasion?.isRotation == true ? "rotate api-key" : rawValue
    return withoutRestart == true ? "\(name), no restart" : name
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
  package var phase: Word<RolloutPhase>
  /// What it waits for, or why; for people, redacted.
  package var detail: String

  package init(
    sequence: Int, realtimeMicroseconds: Int64, instant: Instant? = nil,
    phase: Word<RolloutPhase>,
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
  /// Its result when all outcomes were in, as far as this member was told.
  package var rolloutResult: RolloutResult?
  /// What it changes in the member's file, a line each, secrets as identities. Told to who asks for all steps; nil from
  /// an agent that does not tell.
  package var changes: [String]?
  /// Why its steps are not told: what the member has kept of them cannot be read. Nil where they are told.
  package var problem: String?

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
  package var rollout: RolloutHead
  /// When it began here, microseconds since 1970-01-01 UTC of the node.
  @Bounded<Bounds.WallMicroseconds> package var beganMicroseconds: Int64
  /// How it ended here; nil while it has not.
  package var outcome: Outcome?

  package init(rollout: RolloutHead, beganMicroseconds: Int64, outcome: Outcome?) {
    self.rollout = rollout
    self.beganMicroseconds = beganMicroseconds
    self.outcome = outcome
  }
}

/// The rollouts that a member has kept a timeline of, the newest first.
package struct RolloutsAnswer: Sendable, Codable, Hashable {
  package var node: String
  package var rollouts: [RolloutEntry]

  package init(node: String, rollouts: [RolloutEntry]) {
    self.node = node
    self.rollouts = rollouts
  }
}
