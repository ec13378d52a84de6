public import Model
public import Rollout

/// What is to be known of a rollout beside its steps.
public struct RolloutHead: Sendable, Codable, Hashable {
  /// The rollout's id.
  public var id: String
  /// Its epoch.
  @Bounded<Bounds.Epoch> public var epoch: UInt64
  /// What it does.
  public var kind: RolloutKind
  /// The number that the files become.
  @Bounded<Bounds.Generation> public var generation: Int
  /// Who created it.
  public var createdBy: String

  /// A head; see the properties.
  public init(
    id: String, epoch: UInt64, kind: RolloutKind, generation: Int, createdBy: String
  ) {
    self.id = id
    self.epoch = epoch
    self.kind = kind
    self.generation = generation
    self.createdBy = createdBy
  }

  /// The head of a rollout.
  public init(_ rollout: Rollout) {
    self.init(
      id: rollout.id, epoch: rollout.epoch, kind: rollout.kind, generation: rollout.generation,
      createdBy: rollout.createdBy)
  }
}

/// One step of a rollout on one member.
public struct RolloutEvent: Sendable, Codable, Hashable {
  /// 1 for the first; grows by one.
  @Bounded<Bounds.Count> public var sequence: Int
  /// When, microseconds since 1970-01-01 UTC of the node.
  @Bounded<Bounds.WallMicroseconds> public var realtimeMicroseconds: Int64
  /// When, CLOCK_BOOTTIME of the node on the boot ``RolloutView/bootID``; nil on another one.
  public var instant: Instant?
  /// `preparing`, `checked`, `prepared`, `refused`, `accepted`, `armed`, `installed`, `restarting`,
  /// `stopping`, `starting`, `waitingForPeers`, `waitingForDrives`, `waitingForQuorum`,
  /// `initialising`, `ready`, `serving`, `confirmed`, `failed`, `timedOut`, `aborted`.
  public var phase: String
  /// What it waits for, or why; for people, redacted.
  public var detail: String

  /// A step; see the properties.
  public init(
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
public struct RolloutView: Sendable, Codable, Hashable {
  /// The rollout's id.
  public var id: String
  /// Steps after the one that was asked for.
  public var events: [RolloutEvent]
  /// What happened at the instant, once it has.
  public var report: RestartReport?
  /// How it ended here, once it has.
  public var outcome: Outcome?
  /// What rollout it is; nil from an agent that does not tell.
  public var rollout: RolloutHead?
  /// The boot that the instants belong to.
  public var bootID: String?
  /// The instant that was agreed, CLOCK_BOOTTIME of the node on that boot. It means the same moment
  /// on every member, and so puts their steps on one axis. Nil without a commit, and where the
  /// commit was acted on at once.
  public var instant: Instant?
  /// What became of it when all outcomes were in, as far as this member was told.
  public var settlement: Settlement?

  /// A view; see the properties.
  public init(
    id: String, events: [RolloutEvent], report: RestartReport?, outcome: Outcome?,
    rollout: RolloutHead? = nil, bootID: String? = nil, instant: Instant? = nil,
    settlement: Settlement? = nil
  ) {
    self.id = id
    self.events = events
    self.report = report
    self.outcome = outcome
    self.rollout = rollout
    self.bootID = bootID
    self.instant = instant
    self.settlement = settlement
  }
}

/// One of the rollouts that a member has kept a timeline of.
public struct RolloutEntry: Sendable, Codable, Hashable {
  /// What rollout it is.
  public var rollout: RolloutHead
  /// When it began here, microseconds since 1970-01-01 UTC of the node.
  @Bounded<Bounds.WallMicroseconds> public var beganMicroseconds: Int64
  /// How it ended here; nil while it has not.
  public var outcome: Outcome?

  /// An entry; see the properties.
  public init(rollout: RolloutHead, beganMicroseconds: Int64, outcome: Outcome?) {
    self.rollout = rollout
    self.beganMicroseconds = beganMicroseconds
    self.outcome = outcome
  }
}

/// The rollouts that a member has kept a timeline of, the newest first.
public struct RolloutsAnswer: Sendable, Codable, Hashable {
  /// The node's name.
  public var node: String
  /// The rollouts.
  public var rollouts: [RolloutEntry]

  /// An answer; see the properties.
  public init(node: String, rollouts: [RolloutEntry]) {
    self.node = node
    self.rollouts = rollouts
  }
}
