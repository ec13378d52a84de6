// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

/// What a node makes of a plan. Nothing was changed.
package struct PlanAnswer: Sendable, Codable, Hashable {
  package var node: String
  /// The file that the plan edits: the one that wins on this node.
  package var path: String
  /// Digest of the file as it is; nil if there is none.
  package var before: Digest?
  /// Digest of the file as it would be; equal to ``before`` if nothing in it would change.
  package var after: Digest?
  /// The change, one line each, `-NAME=value` and `+NAME=value`, secrets as identities.
  package var difference: [String]
  /// Whether the running server would have another environment, or is not running.
  package var restartNeeded: Bool
  /// Why it is needed, for people; empty if it is not.
  package var restartReason: String
  /// Why a rollout that only changes files would have to restart this server (``RunningServer/whyRestart``); empty if
  /// it need not. Nil from an agent that is older and knows no such rollout.
  package var whyRestart: String?
  /// What the checks found, worst first.
  package var findings: [Finding]
  /// The no, if the node would vote no.
  package var refusal: Refusal?
  /// The MINIO_* variables that all nodes must have alike, as AIStor compares them, sorted by name.
  package var environment: [NamedDigest]
  /// Digest over ``environment``.
  package var environmentDigest: Digest
  /// The highest epoch that the node has seen.
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  /// The rollout that the node is in.
  package var activeRollout: String?
  /// The number of the last generation; 0 if there is none.
  @Bounded<Bounds.Generation> package var generation: Int
  /// Whether the file is that generation, byte for byte.
  package var isLastGeneration: Bool
  /// The seal; nil if no start with a key was ever confirmed.
  package var seal: Seal?
  /// The values of MINIO_KMS_SSE_KEY and MINIO_KMS_ENCLAVE that the server would run with; nil
  /// without a key.
  package var key: KeyIdentity?
  /// The digest of the seal that was lifted, while there is no other.
  package var lifted: Digest?
  /// What the node says of its seal: the coordinator tells every member what all say.
  package var sealView: SealView?
  /// The same as ``key``, of the files as they are: what a rollback would take away.
  package var currentKey: KeyIdentity?
  /// The rollout that the node is in, for who wants the same.
  package var active: ActiveSummary?
  /// What the Key Managers told of themselves and of the SSE key, for people; alike on all nodes.
  /// Nil if nothing was told.
  package var keyManager: String?
  /// The life of the node's state directory, which the rollout lists. An agent that does not say it is older.
  package var incarnation: Incarnation?

  /// The agent's; nil from one that is older and does not tell.
  package var version: AgentVersion?
  /// The inventory that the node goes by. An agent that does not say it is older.
  package var inventory: InventoryReference?
  /// The server's programs; nil if they are not known, and from an agent that is older.
  package var programs: ServerPrograms?
  /// Of what the unit adds to the server's environment and start, and the files it consists of; nil if it is not known,
  /// and from an agent that is older.
  package var unit: Digest?
  /// The identity at the Key Manager that goes out of use; nil if none does, and from an agent that is older.
  package var identities: IdentityChange?
  /// Whether a key comes into force where none has been sealed: what is written from then on needs it.
  package var enablesEncryption: Bool { seal == nil && key != nil && key != currentKey }

  package init(
    node: String, path: String, before: Digest?, after: Digest?, difference: [String],
    restartNeeded: Bool, restartReason: String, findings: [Finding], refusal: Refusal?,
    environment: [NamedDigest], environmentDigest: Digest, epoch: UInt64,
    activeRollout: String?, generation: Int, seal: Seal?,
    key: KeyIdentity?, lifted: Digest? = nil, sealView: SealView? = nil,
    currentKey: KeyIdentity? = nil, active: ActiveSummary? = nil, keyManager: String? = nil,
    incarnation: Incarnation? = nil
  ) {
    self.incarnation = incarnation
    self.sealView = sealView
    self.currentKey = currentKey
    self.active = active
    self.node = node
    self.path = path
    self.before = before
    self.after = after
    self.difference = difference
    self.restartNeeded = restartNeeded
    self.restartReason = restartReason
    self.findings = findings
    self.refusal = refusal
    self.environment = environment
    self.environmentDigest = environmentDigest
    self.epoch = epoch
    self.activeRollout = activeRollout
    self.generation = generation
    isLastGeneration = false
    self.seal = seal
    self.key = key
    self.lifted = lifted
    self.keyManager = keyManager
  }
}

/// The rollout that a node is in, for who would begin another: is it the same, and whose is it?
package struct ActiveSummary: Sendable, Codable, Hashable {
  package var id: String
  package var kind: RolloutKind
  package var createdBy: String
  /// What it comes to (``Rollout/plan``).
  package var plan: Digest
  /// Since when the node is in it, microseconds since 1970-01-01 UTC; nil if its agent was restarted
  /// in between.
  @BoundedIfPresent<Bounds.WallMicroseconds> package var sinceMicroseconds: Int64?
  /// Whether it restarts no server; nil for no.
  package var withoutRestart: Bool?

  package init(_ rollout: Rollout, sinceMicroseconds: Int64?) {
    id = rollout.id
    kind = rollout.kind
    createdBy = rollout.createdBy
    plan = rollout.plan
    withoutRestart = rollout.withoutRestart
    self.sinceMicroseconds = sinceMicroseconds
  }
}

extension ActiveSummary {
  /// `0d07a7a0593ac303 (apply by alice, since 12:00:00)`, the time of day in UTC.
  package var text: String {
    var text = "\(id) (\(kind.rawValue) by \(createdBy)"
    if let sinceMicroseconds {
      let seconds = (sinceMicroseconds / 1_000_000) % 86_400
      func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
      text += ", since \(two(seconds / 3_600)):\(two(seconds / 60 % 60)):\(two(seconds % 60)) UTC"
    }
    return text + ")"
  }
}
