// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

/// What a rollout does to each member.
package enum RolloutKind: String, Sendable, Codable, Hashable {
  /// Installs a new environment file and restarts.
  case apply
  /// Restarts with the file as it is.
  case restart
  /// Installs the file of an earlier generation and restarts.
  case rollback
  /// Puts another inventory in the place of the present one; no file and no server is touched.
  case members
}

/// What one member holds before and must hold after the commit.
package struct MemberContent: Sendable, Codable, Hashable {
  package var member: String
  /// What stands for the file in a change of members: the digests are those of the agreed inventories.
  package static let inventory = "inventory"
  /// The file that the digests are of: the one that wins on this member.
  package var path: String
  /// Digest of the file from which the plan was made; nil where there was none.
  package var before: Digest?
  /// Digest of the file after the commit; equal to ``before`` where only the process is restarted.
  package var after: Digest?
  /// The life of the member's state directory whose vote is asked for: another one has not given it, and answers
  /// nothing about the rollout. Nil only in a record that was written before rollouts said so.
  package var incarnation: Incarnation?

  package init(
    member: String, incarnation: Incarnation?, path: String, before: Digest?, after: Digest?
  ) {
    self.incarnation = incarnation
    self.member = member
    self.path = path
    self.before = before
    self.after = after
  }
}

/// One rollout: everything the members vote on. Values of settings are not in it, only digests.
package struct Rollout: Sendable, Codable, Hashable {
  /// 16 lower-case hexadecimal digits, chosen at random by the coordinator.
  package var id: String
  /// The fence: 1 + the highest epoch that any member has seen.
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  package var kind: RolloutKind
  package var cluster: String
  /// The number of the generation that the files become once they are confirmed, the same on all
  /// members: 1 + the highest that any member has, or for a restart the last one.
  @Bounded<Bounds.Generation> package var generation: Int
  /// What is sealed by the first start that is confirmed; nil if the members run without a key, or
  /// have sealed one already.
  package var seal: Seal?
  /// What each member holds before and after, sorted by the member's name.
  package var contents: [MemberContent]
  /// The name in the certificate of whoever created it.
  package var createdBy: String
  /// How long a member may take to check and vote, milliseconds.
  @Bounded<Bounds.Milliseconds> package var prepareMilliseconds: Int
  /// How long the unit may take to stop, milliseconds.
  @Bounded<Bounds.Milliseconds> package var stopMilliseconds: Int
  /// How long the start may take until all of it is good, milliseconds.
  @Bounded<Bounds.Milliseconds> package var startMilliseconds: Int
  /// How long it must stay good before it is confirmed, milliseconds.
  @Bounded<Bounds.Milliseconds> package var settleMilliseconds: Int
  /// What becomes of it if not every start is confirmed; nil for ``RollbackPolicy/never``.
  package var rollback: RollbackPolicy?
  /// The id of the rollout whose files are taken back; only of a rollback that nobody asked for by
  /// a generation's number.
  package var undoes: String?
  /// The digest of the settings that it brings (``RolloutRequest/proposal(cluster:)``); nil for a restart or a rollback.
  package var proposal: Digest?
  /// Whether it only puts files right: every server runs with what they then say, and goes on running. Nil for no. An
  /// agent that does not know it computes another ``digest``, and so never gives a yes that counts.
  package var withoutRestart: Bool?
  /// What it is for; nil if nobody said. An agent that does not know it computes another ``digest``.
  package var occasion: RolloutOccasion?
  /// The inventory under which its members are these; nil if one of them does not tell its own. An agent that does not
  /// know it computes another ``digest``.
  package var inventory: InventoryReference?
  /// What becomes of the inventory; of kind ``RolloutKind/members`` only.
  package var change: InventoryChange?
  /// What it is carried out by; nil for the first version. An agent that does not know it computes another ``digest``.
  package var `protocol`: RolloutProtocol?

  package init(
    id: String, epoch: UInt64, kind: RolloutKind, cluster: String, generation: Int, seal: Seal?,
    contents: [MemberContent], createdBy: String, prepareMilliseconds: Int, stopMilliseconds: Int,
    startMilliseconds: Int, settleMilliseconds: Int = 10_000, rollback: RollbackPolicy? = nil,
    undoes: String? = nil, proposal: Digest? = nil, withoutRestart: Bool = false,
    occasion: RolloutOccasion? = nil, inventory: InventoryReference? = nil,
    change: InventoryChange? = nil
  ) {
    self.inventory = inventory
    self.change = change
    self.occasion = occasion
    self.id = id
    self.epoch = epoch
    self.kind = kind
    self.cluster = cluster
    self.generation = generation
    self.seal = seal
    self.contents = contents.sorted { $0.member < $1.member }
    self.createdBy = createdBy
    self.prepareMilliseconds = prepareMilliseconds
    self.stopMilliseconds = stopMilliseconds
    self.startMilliseconds = startMilliseconds
    self.settleMilliseconds = settleMilliseconds
    self.rollback = rollback
    self.undoes = undoes
    self.proposal = proposal
    self.withoutRestart = withoutRestart ? true : nil
  }

  /// Whether every member restarts its server at the instant.
  package var restartsServers: Bool { withoutRestart != true }

  /// How long after the instant a member knows at the latest how it ended, milliseconds.
  package var watchMilliseconds: Int { stopMilliseconds + startMilliseconds + settleMilliseconds }

  /// By id and epoch, which tell all rollouts apart.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(id)
    hasher.combine(epoch)
  }

  package var members: [String] { contents.map(\.member) }

  /// What `member` holds before and after; nil if it is not a member.
  package func content(of member: String) -> MemberContent? {
    contents.first { $0.member == member }
  }

  /// How many members are a majority.
  package var majority: Int { contents.count / 2 + 1 }

  /// What a yes is a yes to: a digest over all fields, length-prefixed.
  package var digest: Digest {
    var fields = [
      restartsServers ? "keyturn rollout 5" : "keyturn rollout 6 without restart", id,
      String(epoch), kind.rawValue, cluster, createdBy,
      String(prepareMilliseconds), String(stopMilliseconds), String(startMilliseconds),
      String(settleMilliseconds),
      String(generation), seal?.digest.hex ?? "", rollback?.rawValue ?? "", undoes ?? "",
      proposal?.hex ?? "",
    ]
    for content in contents {
      fields += [
        content.member, content.incarnation?.hex ?? "", content.path, content.before?.hex ?? "",
        content.after?.hex ?? "",
      ]
    }
    if let occasion {
      fields += ["occasion", occasion.note ?? "", occasion.isRotation == true ? "rotation" : ""]
    }
    if let inventory { fields += ["inventory", inventory.digest.hex] }
    if let change { fields += change.fields }
    if let `protocol` { fields += ["protocol", String(`protocol`.number)] }
    return .ofFields(fields)
  }
}

/// Commit or abort: one value per rollout, never changed once chosen.
package enum Decision: String, Sendable, Codable, Hashable {
  /// Every member voted yes: install and restart at the instant.
  case commit
  /// Nothing is touched anywhere.
  case abort
}

/// A proposal's rank. Round 0 belongs to the coordinator alone (Gray and Lamport, 2006).
package struct Ballot: Sendable, Codable, Hashable, Comparable {
  /// 0 for the coordinator's own proposal, higher for recovery.
  package var round: UInt32
  /// Who proposes; breaks ties.
  package var proposer: String

  package init(round: UInt32, proposer: String) {
    self.round = round
    self.proposer = proposer
  }

  package static let coordinator = Ballot(round: 0, proposer: "")

  /// By round, then by proposer.
  package static func < (a: Ballot, b: Ballot) -> Bool {
    (a.round, a.proposer) < (b.round, b.proposer)
  }
}
