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
  @BoundedIfPresent<Bounds.WallMicroseconds> public var sinceMicroseconds: Int64?

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

/// Settings whose rollout was committed and not confirmed on every node: what configuration management
/// proposes again is refused with this, until a person says otherwise.
public struct IntentFailure: Sendable, Codable, Hashable {
  /// The digest of the settings.
  public var digest: Digest
  /// The rollout of them.
  public var rollout: String
  /// How it ended: not confirmed, or rolled back with or without success.
  public var code: ExitCode
  /// Why, as far as this member was told; no secret in it.
  public var reason: String
  /// The rollout that took it back; nil if none did.
  public var rollback: String?

  /// A failure; see the properties.
  public init(
    digest: Digest, rollout: String, code: ExitCode, reason: String, rollback: String? = nil
  ) {
    self.digest = digest
    self.rollout = rollout
    self.code = code
    self.reason = reason
    self.rollback = rollback
  }

  /// A record of before there was a reason has the settings and the rollout only.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    digest = try container.decode(Digest.self, forKey: .digest)
    rollout = try container.decode(String.self, forKey: .rollout)
    code = try container.decodeIfPresent(ExitCode.self, forKey: .code) ?? .notConfirmed
    reason = try container.decodeIfPresent(String.self, forKey: .reason) ?? ""
    rollback = try container.decodeIfPresent(String.self, forKey: .rollback)
  }
}

/// Asks a node to take part again in a rollout of settings that were not confirmed.
public struct IntentRetry: Sendable, Codable, Hashable {
  /// How many hexadecimal digits name the settings.
  public static let digits = 8...64

  /// The first digits of the settings' digest.
  public var digest: String

  /// A request; see the properties.
  public init(digest: String) { self.digest = digest }

  /// Whether the digits are ones.
  public var isWellFormed: Bool {
    Self.digits.contains(digest.utf8.count)
      && digest.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }
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
  /// The last settings whose rollout was not confirmed, which are not begun again by themselves; nil if
  /// there are none, and from an agent of a version before there were any.
  public var failure: IntentFailure?
  /// What became of the last rollouts, as far as this member was told.
  public var settlements: [Settlement]
  /// Whether the request that this answers changed anything; false for one that only asks.
  public var isChanged: Bool

  /// A view; see the properties.
  public init(
    node: String, own: IntentStatement, phase: IntentPhase, rows: [IntentRow], rollout: String?,
    refusal: Refusal?, failure: IntentFailure? = nil, settlements: [Settlement] = [],
    isChanged: Bool = false
  ) {
    self.failure = failure
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
