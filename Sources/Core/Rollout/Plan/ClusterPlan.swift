// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

/// What all nodes make of a plan, and what follows from it. Pure.
package struct ClusterPlan: Sendable {
  /// One row for each node of the inventory.
  package let rows: [NodeAnswer<PlanAnswer>]
  /// What the program that coordinates speaks.
  private let protocols: ProtocolRange

  package init(rows: [NodeAnswer<PlanAnswer>], protocols: ProtocolRange = .own) {
    self.rows = rows
    self.protocols = protocols
  }

  /// What follows.
  package enum Verdict: Sendable, Hashable {
    /// Every file is as wanted, and every server runs with it.
    case nothingToDo
    /// All nodes would take part.
    case ready
    /// Nothing can be touched; `tells` names the nodes whose own reason the refusal repeats.
    case refused(Refusal, tells: [String])

    /// Whether it repeats why this node says no.
    package func tells(of node: String) -> Bool {
      if case .refused(_, let names) = self { names.contains(node) } else { false }
    }
  }

  /// What each node says of its seal; every member is told what all say.
  package var seals: [SealView] { rows.compactMap { $0.answer?.sealView } }

  /// Why a node would say no when it is told what all say of their seals; nil if it would not.
  private func sealRefusal(_ answer: PlanAnswer) -> Refusal? {
    guard let own = answer.sealView else { return nil }
    return SealJudgement.refusal(
      own: own, record: SealRecord(own), key: answer.key,
      peers: seals.peers(of: own.node, members: rows.map(\.name).sorted()))
  }

  /// The identity that no node uses any more when this is in force: all change from one to one other. Nil if there is
  /// none.
  package var retiredIdentity: String? {
    let changes = Set(rows.map { $0.answer?.identities })
    guard changes.count == 1, let change = changes.first ?? nil else { return nil }
    return change.present
  }

  /// What each node says no with; nil where it does not.
  package var refusals: [(name: String, refusal: Refusal?)] {
    rows.map { row in
      switch row.result {
      case .failure(let refusal): return (row.name, refusal)
      case .success(let answer):
        // A seal that is not what it must be is the news, whatever else is wrong.
        let seal = sealRefusal(answer)
        if let seal, seal.code == .guarded { return (row.name, seal) }
        if let refusal = answer.refusal ?? seal { return (row.name, refusal) }
        if let active = answer.activeRollout {
          return (row.name, Refusal(.busy, "it is in rollout \(answer.active?.text ?? active)"))
        }
        if let problem = answer.version.protocolProblem {
          return (row.name, Refusal(.vote, problem))
        }
        return (row.name, nil)
      }
    }
  }

  /// What follows.
  ///
  /// - Parameter isRestart: a restart is what is asked for: there is always something to do.
  package func verdict(isRestart: Bool) -> Verdict {
    let refusals = refusals
    if let code = refusals.compactMap({ $0.refusal?.code }).deciding {
      let groups = NodeNames.grouped(
        refusals.compactMap { name, refusal in
          refusal?.code == code ? (name: name, value: refusal?.message ?? "") : nil
        })
      let others = NodeNames.folded(groups.dropFirst().flatMap(\.names))
      let first = groups.first.map { "\(NodeNames.folded($0.names)): \($0.value)" } ?? ""
      return .refused(
        Refusal(code, others.isEmpty ? first : "\(first) (for \(others) see above)"),
        tells: groups.first?.names ?? [])
    }
    let answers = rows.compactMap(\.answer)
    if let difference = answers.map({ (name: $0.node, version: $0.version) })
      .protocolDifference(with: protocols)
    {
      return .refused(Refusal(.vote, difference), tells: [])
    }
    if let difference = inventoryDifference {
      return .refused(Refusal(.vote, difference), tells: [])
    }
    if let difference = environmentDifference {
      return .refused(Refusal(.vote, difference), tells: [])
    }
    if let difference = programDifference {
      return .refused(Refusal(.vote, difference), tells: [])
    }
    if let difference = keyManagerDifference {
      return .refused(Refusal(.keyManager, difference), tells: [])
    }
    if !isRestart, answers.allSatisfy({ $0.before == $0.after && !$0.restartNeeded }) {
      return .nothingToDo
    }
    return .ready
  }

  /// Whether a rollout of this plan restarts the servers. It does not where only files are to be put right, and every
  /// server runs with what they then say already.
  ///
  /// - Parameter isForced: somebody asks for the restart.
  package func restartsServers(_ request: RolloutRequest, isForced: Bool) -> Bool {
    // What a rollout that is taken back has started is what its files are taken away from.
    if isForced || request.kind == .restart || request.undoes != nil { return true }
    return rows.contains { row in row.answer.map { restartCause(of: $0) != nil } ?? true }
  }

  /// Why a rollout cannot leave the server of a node running; nil if it can.
  package func restartCause(of answer: PlanAnswer) -> String? {
    guard let why = answer.whyRestart else {
      return "its agent is older than this program, and restarts in every rollout"
    }
    if !why.isEmpty { return why }
    return answer.key != nil && answer.seal == nil ? "a confirmed start seals its SSE key" : nil
  }

  /// Whether any file would become another.
  package var changesFiles: Bool {
    rows.contains { row in row.answer.map { $0.before != $0.after } ?? false }
  }

  /// The inventory that all nodes go by; nil if one of them does not tell.
  private var inventory: InventoryReference? {
    let told = rows.map { $0.answer?.inventory }
    return Set(told).count == 1 ? told.first ?? nil : nil
  }

  /// Which nodes go by which inventory, where they are not the same; nil if they are.
  var inventoryDifference: String? {
    let groups = NodeNames.grouped(
      rows.compactMap { row in row.answer?.inventory.map { (name: row.name, value: $0) } })
    guard groups.count > 1 else { return nil }
    let texts = groups.map { "\(NodeNames.folded($0.names)): \($0.value.text)" }
    return
      "the nodes do not go by the same inventory: \(texts.joined(separator: "; ")); keyturn inventory diff shows what differs"
  }

  /// AIStor's nodes wait for one another until their MINIO_* variables are alike: which are not,
  /// and where. Nil if all are.
  var environmentDifference: String? {
    let nodes = rows.compactMap(\.answer)
    guard Set(nodes.map(\.environmentDigest)).count > 1 else { return nil }
    let parts = VariableDifferences.clauses(
      nodes.map { (name: $0.node, variables: $0.environment) })
    let which = parts.isEmpty ? "their digests differ" : parts.joined(separator: "; ")
    return
      "the nodes would not run with the same MINIO_* variables and would wait for one another permanently: \(which); give all nodes the same with `keyturn apply --settings FILE` or `--unset NAME`"
  }

  /// AIStor's nodes do not start among others of another binary: which nodes have which. Nil if all that are known are
  /// the same.
  var programDifference: String? {
    ProgramDifference.text(
      rows.compactMap { row in
        row.answer.map { (name: row.name, program: $0.programs?.installed) }
      }
    ).map {
      "the nodes would not start with the same MinIO program, and MinIO AIStor refuses that: \($0); install the same package on all nodes"
    }
  }

  /// The digest of the program that every node would start; nil if it is not known of all.
  package var program: Digest? {
    let digests = rows.map { $0.answer?.programs?.installed?.digest }
    return Set(digests).count == 1 ? digests.first.flatMap(\.self) : nil
  }

  /// `release A -> B on 4 nodes`, a line for each change of the program that a restart would bring.
  package var programChanges: [String] {
    let changes = rows.compactMap { row in
      row.answer?.programs?.change.map { (name: row.name, value: $0) }
    }
    return NodeNames.grouped(changes).map { group in
      let nodes =
        group.names.count == rows.count
        ? NodeNames.counted(rows.count) : NodeNames.folded(group.names)
      return "release \(group.value) on \(nodes)"
    }
  }

  /// What the nodes were told by the Key Managers, where it is not the same; nil if it is.
  var keyManagerDifference: String? {
    let groups = NodeNames.grouped(
      rows.compactMap { row in row.answer.map { (name: row.name, value: $0.keyManager) } })
    guard groups.count > 1 else { return nil }
    let told = groups.map { "\(NodeNames.folded($0.names)): \($0.value ?? "nothing")" }
    return
      "the nodes were not told the same by the Key Managers: \(told.joined(separator: "; ")); they reach different ones: make names, routes and MINIO_KMS_SERVER agree, or wait until the Key Managers do"
  }

  /// One generation above all that any node has. A restart makes one only where a file is not the
  /// last one, or not all nodes have that: then what starts is new.
  func nextGeneration(_ kind: RolloutKind) -> Int {
    let answers = rows.compactMap(\.answer)
    let last = answers.map(\.generation).max() ?? 0
    let isKept = answers.allSatisfy { $0.isLastGeneration && $0.generation == last }
    return kind == .restart && isKept ? last : last + 1
  }

  /// What the rollout's first confirmed start seals; nil if a node is sealed already, or the servers
  /// would run without a key. Every node verifies it before it votes.
  ///
  /// - Throws: a refusal if it cannot be the same on all.
  func seal(
    cluster: String, rollout: String, realtimeMicroseconds: Int64
  ) throws(Refusal) -> Seal? {
    let answers = rows.compactMap(\.answer)
    guard let key = answers.first?.key, answers.allSatisfy({ $0.seal == nil }) else { return nil }
    for answer in answers where answer.key != key {
      throw Refusal(
        .vote,
        "\(answers[0].node) would run with key \(key.text), \(answer.node) with \(answer.key?.text ?? "none"); make the files alike first"
      )
    }
    let lifted = answers.filter { $0.lifted != nil }
    for answer in lifted where answer.lifted != lifted[0].lifted {
      throw Refusal(
        .guarded,
        "\(lifted[0].node) and \(answer.node) were sealed with different keys before their seals were lifted; see docs/use/seal.md, \"The seal\""
      )
    }
    return Seal(
      cluster: cluster, keyName: key.name, enclave: key.enclave, rollout: rollout,
      sealedAtMicroseconds: realtimeMicroseconds, previous: lifted.first?.lifted)
  }

  /// The rollout that this plan asks for, of one epoch above all that any node has seen.
  ///
  /// - Parameters:
  ///   - rollback: what is done if a start is not confirmed; nil for what the inventory says.
  ///   - forcesRestart: whether the servers are restarted also where none needs it.
  ///   - occasion: what it is for; nil if nobody said.
  /// - Throws: a refusal if the nodes' seals forbid it, or the answers are not the members'.
  package func rollout(
    id: String, _ request: RolloutRequest, inventory: Inventory, createdBy: String,
    realtimeMicroseconds: Int64, rollback: RollbackPolicy? = nil, forcesRestart: Bool = false,
    occasion: RolloutOccasion? = nil
  ) throws(Refusal) -> Rollout {
    let answers = rows.compactMap(\.answer)
    if let older = answers.first(where: { $0.incarnation == nil }) {
      throw Refusal(
        .configuration,
        "\(older.node) does not say which state directory it has: its agent is older than this program; install the same version everywhere"
      )
    }
    try checkNumbers(answers, realtimeMicroseconds)
    let isApply = request.kind == .apply
    var rollout = Rollout(
      id: id, epoch: (answers.map(\.epoch).max() ?? 0) + 1, kind: request.kind,
      cluster: inventory.cluster, generation: nextGeneration(request.kind),
      seal: try seal(
        cluster: inventory.cluster, rollout: id, realtimeMicroseconds: realtimeMicroseconds),
      contents: answers.map {
        MemberContent(
          member: $0.node, incarnation: $0.incarnation, path: $0.path, before: $0.before,
          after: $0.after)
      },
      createdBy: createdBy,
      prepareMilliseconds: inventory.timeouts.prepareSeconds * 1000,
      stopMilliseconds: inventory.timeouts.stopSeconds * 1000,
      startMilliseconds: inventory.timeouts.startSeconds * 1000,
      settleMilliseconds: inventory.timeouts.settleSeconds * 1000,
      rollback: isApply ? rollback ?? inventory.rollback : nil, undoes: request.undoes,
      proposal: isApply ? request.proposal(cluster: inventory.cluster) : nil,
      withoutRestart: !restartsServers(request, isForced: forcesRestart), occasion: occasion,
      inventory: self.inventory)
    rollout.protocol = try .agreed(
      by: answers.map { (name: $0.node, version: $0.version) }, with: protocols)
    guard rollout.members == inventory.memberNames else {
      throw Refusal(
        .configuration,
        "an agent answered by another name than the inventory has for it: \(rollout.members.joined(separator: ", ")); check the addresses in the inventory"
      )
    }
    return rollout
  }

  /// The highest epoch and generation decide the rollout's: whoever tells one that cannot be is named,
  /// since every other node would refuse what follows from it.
  private func checkNumbers(
    _ answers: [PlanAnswer], _ realtimeMicroseconds: Int64
  ) throws(Refusal) {
    let way = "see docs/use/trouble.md, \"A node that reports impossible numbers\""
    let highest = Limits.highestCounter(atRealtimeMicroseconds: realtimeMicroseconds)
    for answer in answers where answer.epoch >= highest {
      throw Refusal(
        .vote,
        "\(answer.node) has seen epoch \(answer.epoch), which no rollout can have had by now; \(way)"
      )
    }
    let generations = answers.map(\.generation).sorted()
    guard let last = generations.last, let above = generations.dropLast().last else { return }
    if last >= Limits.highestGeneration(above: above),
      let answer = answers.first(where: { $0.generation == last })
    {
      throw Refusal(
        .vote,
        "the last generation of \(answer.node) is \(last), that of every other node \(above) at most: the next number would be too high for them; \(way)"
      )
    }
  }
}

extension CoordinatorLimits {
  /// The defaults, with the bound on clocks that the inventory allows.
  package init(_ inventory: Inventory) {
    self.init()
    clockBoundNanoseconds = Int64(inventory.clockBoundMilliseconds) * 1_000_000
  }
}
