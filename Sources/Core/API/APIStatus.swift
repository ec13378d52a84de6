// SPDX-License-Identifier: Apache-2.0
package import Model
package import Rollout

/// One node at a glance.
package struct NodeStatus: Sendable, Codable, Hashable {
  package var node: String
  package var version: String
  /// ActiveState of the unit (systemd), for example `active`.
  package var activeState: String
  /// SubState of the unit, for example `running`.
  package var subState: String
  /// The unit's main process; 0 if there is none.
  package var mainPID: Int32
  package var invocation: String
  /// `MINIO_KMS_SSE_KEY` of the running process; nil if it has none.
  package var runningKey: String?
  /// The seal; nil if no start with a key was ever confirmed.
  package var seal: Seal?
  package var generation: Generation?
  package var drift: Drift
  /// The rollout that the node is in, and where: `prepared`, `accepted`, `committed`, `watching`.
  package var activeRollout: String?
  package var activeStage: Word<RolloutPhase>?
  /// What keeps the node from knowing the decision; nil unless it is prepared or accepted.
  package var doubt: Doubt?
  package var lastRollout: String?
  package var lastOutcome: Outcome?
  /// Whether that rollout restarted no server; nil for no.
  package var lastWithoutRestart: Bool?
  /// The highest epoch that the node has seen.
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  /// Anything that a person should look at: a damaged record, a unit that needs daemon-reload, an
  /// orphaned file.
  package var findings: [Finding]
  /// The node's own last look at its Key Managers; nil before the first.
  package var links: LinkSummary?
  /// What the cluster is judged by; nil from an agent that is older.
  package var report: NodeReport?
  /// The proofs of the sealed key; nil where none is sealed, and from an agent that is older.
  package var keyProofs: KeyProofStatus?

  package init(
    node: String, version: String, activeState: String, subState: String, mainPID: Int32,
    invocation: String, runningKey: String?, seal: Seal?, generation: Generation?, drift: Drift,
    activeRollout: String?, activeStage: Word<RolloutPhase>?, doubt: Doubt? = nil,
    lastRollout: String?,
    lastOutcome: Outcome?, lastWithoutRestart: Bool? = nil, epoch: UInt64, findings: [Finding],
    links: LinkSummary? = nil, report: NodeReport? = nil
  ) {
    self.lastWithoutRestart = lastWithoutRestart
    self.report = report
    self.node = node
    self.version = version
    self.activeState = activeState
    self.subState = subState
    self.mainPID = mainPID
    self.invocation = invocation
    self.runningKey = runningKey
    self.seal = seal
    self.generation = generation
    self.drift = drift
    self.activeRollout = activeRollout
    self.activeStage = activeStage
    self.doubt = doubt
    self.lastRollout = lastRollout
    self.lastOutcome = lastOutcome
    self.epoch = epoch
    self.findings = findings
    self.links = links
  }
}

/// A rollout that a node has voted yes on and whose decision it does not know.
package struct Doubt: Sendable, Codable, Hashable {
  /// How often the node has tried in vain to end it, with the others.
  @Bounded<Bounds.Count> package var attempts: Int
  /// Who did not answer the last time, sorted.
  package var missing: [String]
  /// Who has said that its state was lost since it voted: it cannot help to end it. Nil for nobody.
  package var replaced: [String]?

  package init(attempts: Int, missing: [String], replaced: [String]? = nil) {
    self.attempts = attempts
    self.missing = missing
    self.replaced = replaced
  }
}

/// What a node says when it is asked to end a rollout now.
package struct DoubtAnswer: Sendable, Codable, Hashable {
  package var node: String
  /// Where it is in the rollout, as ``NodeStatus/activeStage``; nil if it is not in it.
  package var stage: Word<RolloutPhase>?
  package var doubt: Doubt?

  package init(node: String, stage: Word<RolloutPhase>?, doubt: Doubt?) {
    self.node = node
    self.stage = stage
    self.doubt = doubt
  }
}

/// One stage of a probe of one Key Manager endpoint.
package struct ProbeStageAnswer: Sendable, Codable, Hashable {
  package var stage: Word<ProbeStage>
  package var verdict: Word<ProbeVerdict>
  @Bounded<Bounds.Milliseconds> package var milliseconds: Int
  package var detail: String

  package init(
    stage: Word<ProbeStage>, verdict: Word<ProbeVerdict>, milliseconds: Int, detail: String
  ) {
    self.stage = stage
    self.verdict = verdict
    self.milliseconds = milliseconds
    self.detail = detail
  }
}

/// A probe of one Key Manager endpoint from one node.
package struct ProbeAnswer: Sendable, Codable, Hashable {
  /// `host:port`.
  package var endpoint: String
  package var stages: [ProbeStageAnswer]

  package init(endpoint: String, stages: [ProbeStageAnswer]) {
    self.endpoint = endpoint
    self.stages = stages
  }
}

/// What a node's check came to.
package struct CheckAnswer: Sendable, Codable, Hashable {
  package var node: String
  package var endpoints: [ProbeAnswer]
  package var drift: Drift
  /// What the checks of file, unit and Key Managers found.
  package var findings: [Finding]
  /// The reverse path from every Key Manager; nil from an agent that does not know of it.
  package var back: [ReverseAnswer]?
  /// What the cluster is judged by; nil from an agent that is older.
  package var report: NodeReport?

  package init(
    node: String, endpoints: [ProbeAnswer], drift: Drift, findings: [Finding],
    back: [ReverseAnswer]? = nil, report: NodeReport? = nil
  ) {
    self.report = report
    self.node = node
    self.endpoints = endpoints
    self.drift = drift
    self.findings = findings
    self.back = back
  }
}

/// What came of the request to recover a seal.
package struct SealRecovery: Sendable, Codable, Hashable {
  package var node: String
  package var seal: Seal
  /// What was wrong; nil if it had this seal already.
  package var problem: String?

  package init(node: String, seal: Seal, problem: String?) {
    self.node = node
    self.seal = seal
    self.problem = problem
  }
}
