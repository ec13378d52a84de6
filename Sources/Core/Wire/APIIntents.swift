public import Digests
public import Model
public import Rollout

/// The rollout that a node is in, for who would begin another: is it the same, and whose is it?
public struct ActiveSummary: Sendable, Codable, Hashable {
  /// Its id.
  public var id: String
  /// What it does.
  public var kind: RolloutKind
  /// Who created it.
  public var createdBy: String
  /// What it comes to (``Rollout/plan``).
  public var plan: Digest
  /// Since when the node is in it, microseconds since 1970-01-01 UTC; nil if its agent was restarted
  /// in between.
  public var sinceMicroseconds: Int64?

  /// A summary; see the properties.
  public init(_ rollout: Rollout, sinceMicroseconds: Int64?) {
    id = rollout.id
    kind = rollout.kind
    createdBy = rollout.createdBy
    plan = rollout.plan
    self.sinceMicroseconds = sinceMicroseconds
  }
}

/// What configuration management hands to its own node's agent, over the local socket. Holds secrets.
public struct IntentRequest: Sendable, Codable {
  /// The wishes.
  public var changes: [WireChange]
  /// Whether the server may create the SSE key at its first start.
  public var createKey: Bool

  /// A request; see the properties.
  public init(changes: [WireChange], createKey: Bool) {
    self.changes = changes
    self.createKey = createKey
  }
}

/// What one member is known to wish.
public struct IntentRow: Sendable, Codable, Hashable {
  /// The member's name.
  public var member: String
  /// What it said last; nil if nothing was heard of it.
  public var statement: IntentStatement?

  /// A row; see the properties.
  public init(member: String, statement: IntentStatement?) {
    self.member = member
    self.statement = statement
  }
}

/// Where the wish of a member stands.
public enum IntentPhase: String, Sendable, Codable, Hashable {
  /// It has none.
  case none
  /// Others are missing, or want something else.
  case waiting
  /// A rollout of it is under way.
  case rollingOut
  /// It is in the file and in the running server.
  case inForce
  /// The last rollout of it came to nothing; it is tried again.
  case refused
  /// The rollout of it was committed, and not every start was confirmed.
  case notConfirmed
}

/// The intents as one member knows them; whole only on the first of the members.
public struct IntentsView: Sendable, Codable, Hashable {
  /// The member that answers.
  public var node: String
  /// What it wishes itself.
  public var own: IntentStatement
  /// Where that stands.
  public var phase: IntentPhase
  /// One row for each member.
  public var rows: [IntentRow]
  /// The rollout that ``phase`` is of, if there is one.
  public var rollout: String?
  /// Why the last rollout of the wish came to nothing.
  public var refusal: Refusal?
  /// What became of the last rollouts, as far as this member was told.
  public var settlements: [Settlement]
  /// Whether the request that this answers changed anything; false for one that only asks.
  public var isChanged: Bool

  /// A view; see the properties.
  public init(
    node: String, own: IntentStatement, phase: IntentPhase, rows: [IntentRow], rollout: String?,
    refusal: Refusal?, settlements: [Settlement] = [], isChanged: Bool = false
  ) {
    self.settlements = settlements
    self.node = node
    self.own = own
    self.phase = phase
    self.rows = rows
    self.rollout = rollout
    self.refusal = refusal
    self.isChanged = isChanged
  }

  /// Who holds nothing, as far as this member knows.
  public var missing: [String] {
    rows.filter { $0.statement?.digest == nil }.map(\.member)
  }

  /// Who holds something else than this member.
  public var differing: [String] {
    rows.filter { $0.statement?.digest != nil && $0.statement?.digest != own.digest }.map(\.member)
  }
}
