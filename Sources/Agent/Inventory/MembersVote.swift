// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Model
internal import Rollout
internal import Threads

// The vote on a change of members, and what follows from its commit. No file and no server is touched.

extension Member {
  /// The checks of a vote on a change. Each node that is a member verifies that the new inventory follows from its own,
  /// so who joins can rely on what they all say.
  func check(_ change: InventoryChange, _ vote: VoteUnderWay) throws(Refusal) -> PreparedFacts {
    let rollout = vote.rollout
    if let problem = Self.problem(with: rollout, change) {
      throw Refusal(.vote, "the change of members is refused by \(site.node): \(problem)")
    }
    let own = site.inventories.agreed
    if let field = change.next.inventory.fixedDifference(from: own.inventory) {
      throw Refusal(
        .vote,
        "\(field) is what \(site.node) was started with, and no change of the inventory brings another one: docs/use/runbooks.md, \"Change the inventory\""
      )
    }
    if change.former.contains(site.node) {
      if let difference = rollout.inventory?.difference(from: own.reference) {
        throw Refusal(.vote, "\(site.node): \(difference)")
      }
      guard
        change
          == InventoryChange(from: own, to: change.next.inventory, without: change.without)
      else {
        throw Refusal(
          .vote, "the new inventory does not follow from number \(own.number) of \(site.node)")
      }
      // The vote of one that is gone is made up for by the memory of those that are left.
      if !change.without.isEmpty, !site.inventories.isRemembered {
        throw Refusal(
          .vote,
          "\(site.node) has voted with no inventory yet since its state directory is new, so it may not decide without \(NodeNames.folded(change.without)): after any rollout or change in which all take part it may; before the first one put a file without the node on all hosts and restart keyturnd"
        )
      }
    } else if site.inventories.isRecorded, !change.next.follows(own) {
      throw Refusal(
        .vote,
        "\(site.node) goes by inventory number \(own.number), from which the new one does not follow: it belongs to another cluster, or its state is not to be used here (docs/use/runbooks.md, \"Take a node back\")"
      )
    }
    if let last = rollouts.now.record.lastCommitted, summary.isCollecting(last.rollout.id) {
      throw Refusal(
        .busy,
        "\(site.node): the result of rollout \(last.rollout.id) is still to come, and its files may be taken back: keyturn watch \(last.rollout.id)"
      )
    }
    if let problem = problem(withSeal: rollout, isJoining: !change.former.contains(site.node)) {
      throw problem
    }
    if change.former.contains(site.node) {
      try vote.act { () throws(Refusal) in try site.inventories.record() }
    }
    try vote.change {
      $0.vote?.seen = VoteAnswer(
        rollout: rollout.digest, refusal: nil, environmentDigest: nil)
    }
    return PreparedFacts(invocation: "", journalCursor: nil, staged: false)
  }

  private static func problem(with rollout: Rollout, _ change: InventoryChange) -> String? {
    if let problem = change.problem { return problem }
    if rollout.members != change.participants { return "its members are others than the change's" }
    let next = change.next.digest
    for content in rollout.contents {
      if content.incarnation == nil || content.after != next
        || content.path != MemberContent.inventory
      {
        return "what it says of \(content.member) is not what the change brings"
      }
    }
    if change.next.inventory.cluster != rollout.cluster {
      return "its inventory is of another cluster"
    }
    return nil
  }

  /// Who joins takes the cluster's seal with the commit, and brings none of its own.
  private func problem(withSeal rollout: Rollout, isJoining: Bool) -> Refusal? {
    let record = seals.record()
    if let problem = record.problem {
      return Refusal(
        .guarded, "the record \"seal\" of \(site.node): \(problem); keyturn seal recover first")
    }
    let own = record.seal
    if own?.digest == rollout.seal?.digest || isJoining && own == nil { return nil }
    return Refusal(
      .guarded,
      own == nil
        ? "the others are sealed with \(rollout.seal?.text ?? ""), and \(site.node) is not: keyturn seal show, keyturn seal recover \(site.node)"
        : "\(site.node) is sealed with \(own?.text ?? ""), and the others \(rollout.seal.map { "with \($0.text)" } ?? "are not"): keyturn seal show"
    )
  }

  /// The change is decided: goes by the new inventory from now on. Blocks until that is durable, on a thread of its own.
  func adopt(_ change: InventoryChange, _ active: ActiveRollout, _ instant: Instant) {
    let id = active.rollout.id
    insist(id, .waiting) { () throws(Refusal) in try site.inventories.adopt(change.next) }
    let now = Clock.now()
    perform(
      .restarted(
        id: id, RestartReport(planned: min(instant, now), issued: now, previousInvocation: "")))
  }

  /// A change has ended here, whatever it came to.
  func ended(_ change: InventoryChange, _ finished: FinishedRollout) {
    site.inventories.expectNothing()
    if finished.outcome.kind == .aborted { return }
    let retired = site.inventories.findings().first { $0.rule == "node-retired" }
    site.log(
      retired == nil ? .notice : .error,
      retired?.message
        ?? "inventory number \(change.next.number) is in force: \(change.latter.count) nodes")
    proposals.membersChanged()
  }

  /// The seal that the members have is this node's too.
  func keepChange(
    _ finished: FinishedRollout, _ turn: borrowing MemberTurn
  ) throws(Refusal) {
    try seals.confirm(finished, turn)
  }
}

extension Agent {
  /// GET /v1/inventory. Another node needs nothing of it but the inventory.
  func inventoryAnswer(to role: Role) -> InventoryAnswer {
    let (inventories, record) = (site.inventories, rollouts.now.record)
    let (agreed, isRecorded) = (inventories.agreed, inventories.isRecorded)
    if role == .node {
      return InventoryAnswer(
        node: node, agreed: agreed, isRecorded: isRecorded, epoch: 0, incarnation: nil, active: nil,
        seal: nil, refusal: nil, version: site.version,
        revocations: credentials?.revocations)
    }
    let seal = seals.record()
    return InventoryAnswer(
      node: node, agreed: agreed, isRecorded: isRecorded, epoch: record.highestEpoch,
      incarnation: incarnation,
      active: record.active.map { ActiveSummary($0.rollout, sinceMicroseconds: nil) },
      seal: seal.seal,
      refusal: damage.refusal ?? (inventories.isRetired ? nil : inventories.obstacle),
      version: site.version, revocations: credentials?.revocations)
  }
}
