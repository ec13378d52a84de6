// SPDX-License-Identifier: Apache-2.0
// The API between `keyturn` and `keyturnd`: HTTPS (TLS 1.3, mutual), HTTP/1.1, JSON. docs/development/api.md
// describes it.
//
//   GET  /v1/status                       observer, operator, node    -> NodeStatus
//   GET  /v1/clock                        operator, node              -> ClockReading
//   POST /v1/plan                         operator, node PlanRequest  -> PlanAnswer
//   POST /v1/rollouts?wait=MS             operator, node PrepareRequest -> VoteAnswer (when the checks have ended)
//   POST /v1/rollouts/ID/promise          node       PromiseRequest   -> ReplyAnswer
//   POST /v1/rollouts/ID/accept           operator, node AcceptRequest -> ReplyAnswer
//   POST /v1/rollouts/ID/decision         operator, node DecisionRequest -> ReplyAnswer
//   POST /v1/rollouts/ID/resolve          operator                    -> DoubtAnswer
//   POST /v1/rollouts/ID/result       operator, node RolloutResult   -> RolloutResult
//   GET  /v1/rollouts                     observer, operator, node    -> RolloutsAnswer
//   GET  /v1/rollouts/ID?after=N&wait=MS  observer, operator, node    -> RolloutView (a long poll)
//   GET  /v1/generations                  observer, operator          -> HistoryAnswer
//   GET  /v1/generations/N/diff?to=M      observer, operator          -> DiffAnswer
//   POST /v1/check?timeout=MS             observer, operator          -> CheckAnswer
//   GET  /v1/explain?name=KEY             observer, operator          -> ExplainAnswer
//   GET  /v1/logs?...                     observer, operator          -> LogsAnswer (a long poll)
//   GET  /v1/seal                         observer, operator, node    -> SealView
//   POST /v1/seal/recover                 operator                    -> SealRecovery
//   GET  /v1/proposals                      observer, operator, node    -> ProposalsView
//   POST /v1/proposals                      node       MemberProposal  -> ProposalsView
// Witnesses: APIWitness.swift.
//
// What is refused is answered with an HTTP status from 400 on and an ErrorAnswer; what is not even HTTP, with text.

package import Crypto
package import Model
package import Rollout
package import Secrets

/// What goes wrong between programs: bounded kinds, a message for people.
package struct ErrorAnswer: Sendable, Codable, Hashable {
  /// What kind of no it is.
  package var kind: RefusalCode
  /// What was attempted, what happened, what to do.
  package var message: String

  package init(kind: RefusalCode, message: String) {
    self.kind = kind
    self.message = message
  }
}

/// A proposal on the wire. The only place where a value of a setting is encoded.
package struct WireChange: Sendable, Codable {
  package var change: SettingChange

  package var name: String { change.name }

  private enum Key: String, CodingKey { case name, value }

  /// The proposal on the wire.
  package init(_ change: SettingChange) { self.change = change }

  /// `{"name":...,"value":...}`, without a value to remove the variable.
  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    change = SettingChange(
      name: try fields.decode(String.self, forKey: .name),
      value: try fields.decodeIfPresent(String.self, forKey: .value).map(Secret.init))
  }

  /// `{"name":...,"value":...}`, without a value to remove the variable.
  package func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Key.self)
    try fields.encode(change.name, forKey: .name)
    try fields.encodeIfPresent(change.value?.reveal(), forKey: .value)
  }
}

/// What is asked of a node: validated and checked against its file, its unit and its Key Managers.
package struct PlanRequest: Sendable, Codable {
  /// Apply, restart or rollback.
  package var kind: RolloutKind
  /// The generation to go back to, for a rollback; nil otherwise.
  @BoundedIfPresent<Bounds.Generation> package var generation: Int?
  /// The proposals; empty for a restart.
  package var changes: [WireChange]
  /// Whether the server may create the SSE key at its first start.
  package var createKey: Bool
  /// For a rollback without a generation: the id of the rollout whose files are to be taken back.
  package var undo: String?
  /// The members that a rollout would have, as the caller's inventory says; nil if it does not tell.
  package var members: [String]?

  package init(
    kind: RolloutKind, generation: Int? = nil, changes: [WireChange], createKey: Bool,
    undo: String? = nil, members: [String]? = nil
  ) {
    self.members = members
    self.undo = undo
    self.kind = kind
    self.generation = generation
    self.changes = changes
    self.createKey = createKey
  }
}

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

  package init(
    node: String, path: String, before: Digest?, after: Digest?, difference: [String],
    restartNeeded: Bool, restartReason: String, findings: [Finding], refusal: Refusal?,
    environment: [NamedDigest], environmentDigest: Digest, epoch: UInt64,
    activeRollout: String?, generation: Int, isLastGeneration: Bool = false, seal: Seal?,
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
    self.isLastGeneration = isLastGeneration
    self.seal = seal
    self.key = key
    self.lifted = lifted
    self.keyManager = keyManager
  }
}

/// A node's clock at an exchange.
package struct ClockReading: Sendable, Codable, Hashable {
  /// When the request was read, the node's CLOCK_BOOTTIME.
  package var received: Instant
  /// When the answer was written, the node's CLOCK_BOOTTIME.
  package var sent: Instant
  /// The boot that both belong to.
  package var bootID: String
  /// CLOCK_REALTIME at ``sent``, microseconds since 1970-01-01 UTC; only for merging logs.
  @Bounded<Bounds.WallMicroseconds> package var realtimeMicroseconds: Int64

  package init(received: Instant, sent: Instant, bootID: String, realtimeMicroseconds: Int64) {
    self.received = received
    self.sent = sent
    self.bootID = bootID
    self.realtimeMicroseconds = realtimeMicroseconds
  }
}

/// A request for a vote.
package struct PrepareRequest: Sendable, Codable {
  package var rollout: Rollout
  /// The generation to go back to, for a rollback; nil otherwise.
  @BoundedIfPresent<Bounds.Generation> package var generation: Int?
  /// The proposals, the same for every node.
  package var changes: [WireChange]
  /// Whether the server may create the SSE key at its first start.
  package var createKey: Bool
  /// What each member said of its seal when it was asked for its plan. Each judges itself by it, and
  /// its own by its records as they are now.
  package var seals: [SealView]

  package init(
    rollout: Rollout, generation: Int? = nil, changes: [WireChange], createKey: Bool,
    seals: [SealView]
  ) {
    self.seals = seals
    self.rollout = rollout
    self.generation = generation
    self.changes = changes
    self.createKey = createKey
  }
}

package struct VoteAnswer: Sendable, Codable, Hashable {
  /// The digest of the rollout that was voted on.
  package var rollout: Digest
  /// The no; nil for yes.
  package var refusal: Refusal?
  /// Digest of the MINIO_* variables that the node will run with; nil for no.
  package var environmentDigest: Digest?
  /// Digest of ``PlanAnswer/keyManager``; nil for no, or if nothing was told.
  package var keyManagerDigest: Digest?
  /// There is no vote yet: ask again. Only for who asked with `wait`.
  package var isPending: Bool?

  package init(
    rollout: Digest, refusal: Refusal?, environmentDigest: Digest?, keyManagerDigest: Digest? = nil,
    isPending: Bool? = nil
  ) {
    self.isPending = isPending
    self.rollout = rollout
    self.refusal = refusal
    self.environmentDigest = environmentDigest
    self.keyManagerDigest = keyManagerDigest
  }
}

/// A request not to accept anything of a lower ballot.
package struct PromiseRequest: Sendable, Codable, Hashable {
  /// The rollout's epoch, or a higher one: a member that has not voted yet never will.
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  package var ballot: Ballot

  /// The incarnation that it is for, as the rollout lists it.
  package var incarnation: Incarnation?

  package init(epoch: UInt64, incarnation: Incarnation?, ballot: Ballot) {
    self.epoch = epoch
    self.incarnation = incarnation
    self.ballot = ballot
  }
}

/// A request to accept a proposal.
package struct AcceptRequest: Sendable, Codable, Hashable {
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  package var proposal: BallotValue

  /// The incarnation that it is for, as the rollout lists it.
  package var incarnation: Incarnation?

  package init(epoch: UInt64, incarnation: Incarnation?, proposal: BallotValue) {
    self.epoch = epoch
    self.incarnation = incarnation
    self.proposal = proposal
  }
}

/// A decision told to a member.
package struct DecisionRequest: Sendable, Codable, Hashable {
  /// The rollout's epoch, or a higher one.
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  package var decision: Decision
  /// When to act, the member's CLOCK_BOOTTIME; nil for abort, and for a commit that is to be acted on
  /// at once.
  package var instant: Instant?
  /// The boot of the member that the instant belongs to.
  package var bootID: String
  /// Why it was aborted; empty for commit.
  package var reason: String

  /// The incarnation that it is for, as the rollout lists it.
  package var incarnation: Incarnation?

  package init(
    epoch: UInt64, incarnation: Incarnation?, decision: Decision, instant: Instant?,
    bootID: String, reason: String
  ) {
    self.epoch = epoch
    self.incarnation = incarnation
    self.decision = decision
    self.instant = instant
    self.bootID = bootID
    self.reason = reason
  }
}

/// A member's answer to accept and decision.
package enum ReplyKind: String, Sendable, Codable, Hashable {
  /// Nothing of a lower ballot will be accepted; with what was accepted before.
  case promised
  case accepted
  /// Commit is known here.
  case committed
  /// A higher ballot was promised.
  case outranked
  /// The rollout has ended here.
  case ended
  /// No yes was given here, and none will be.
  case neverVoted
  /// No answer: it was asked in the place of another incarnation.
  case replaced
}

/// A member's answer to accept and decision.
package struct ReplyAnswer: Sendable, Codable, Hashable {
  package var reply: ReplyKind
  /// How the rollout ended here, if it has.
  package var outcome: Outcome?
  /// What was accepted before, to a promise.
  package var proposal: BallotValue?
  /// What was promised before, if it outranks.
  package var ballot: Ballot?

  package init(
    reply: ReplyKind, outcome: Outcome? = nil, proposal: BallotValue? = nil, ballot: Ballot? = nil
  ) {
    self.reply = reply
    self.outcome = outcome
    self.proposal = proposal
    self.ballot = ballot
  }

  /// The protocol's reply on the wire.
  package init(_ reply: ParticipantReply) {
    switch reply {
    case .promised(let proposal): self.init(reply: .promised, proposal: proposal)
    case .accepted: self.init(reply: .accepted)
    case .outranked(let ballot): self.init(reply: .outranked, ballot: ballot)
    case .committed: self.init(reply: .committed)
    case .ended(let outcome): self.init(reply: .ended, outcome: outcome)
    case .neverVoted: self.init(reply: .neverVoted)
    case .replaced: self.init(reply: .replaced)
    }
  }

  /// The protocol's reply; nil if what belongs to it is missing.
  package var participantReply: ParticipantReply? {
    switch reply {
    case .promised: .promised(proposal)
    case .accepted: .accepted
    case .outranked: ballot.map { .outranked($0) }
    case .committed: .committed
    case .ended: outcome.map { .ended($0) }
    case .neverVoted: .neverVoted
    case .replaced: .replaced
    }
  }
}
