// SPDX-License-Identifier: Apache-2.0
package import API
internal import Crypto
package import Model
package import Rollout

/// What the nodes make of another inventory, and what follows. Pure.
package struct MembersPlan: Sendable {
  package enum Verdict: Sendable, Hashable {
    /// All who vote would.
    case ready
    /// The nodes have agreed on this content already.
    case nothingToDo
    case refused(Refusal)
  }

  package let wanted: Inventory
  /// The one that counts now.
  package let present: AgreedInventory
  package let change: InventoryChange
  /// One row for each node before and after the change.
  package let rows: [NodeAnswer<InventoryAnswer>]
  /// What the program that coordinates speaks.
  private let protocols: ProtocolRange

  package init(
    _ wanted: Inventory, instead present: AgreedInventory, without: [String],
    rows: [NodeAnswer<InventoryAnswer>], protocols: ProtocolRange = .own
  ) {
    self.protocols = protocols
    self.wanted = wanted
    self.present = present
    change = InventoryChange(from: present, to: wanted, without: without)
    self.rows = rows
  }

  /// The inventory that counts, of what nodes say: the highest that was voted with; before the first vote the one that
  /// each of its own nodes has in its file.
  ///
  /// - Throws: a refusal where that is not clear.
  package static func present(
    among answers: [InventoryAnswer]
  ) throws(Refusal) -> AgreedInventory {
    let answers = answers.filter { $0.agreed.problem == nil }
    let voted = answers.filter(\.isRecorded)
    if !voted.isEmpty {
      // One node alone may be damaged, or lie, or have been left out long ago.
      let known = Set(voted.map(\.agreed)).filter { candidate in
        let holders = voted.filter { $0.agreed == candidate || $0.agreed.follows(candidate) }
        return 2 * holders.count > voted.count
      }.max { $0.number < $1.number }
      guard let known else {
        let groups = NodeNames.grouped(
          voted.map { (name: $0.node, value: $0.agreed.reference) })
        let texts = groups.map { "\(NodeNames.folded($0.names)): \($0.value.text)" }
        throw Refusal(
          .vote,
          "the nodes that answer go by inventories that do not follow from one another (\(texts.joined(separator: "; "))): docs/use/trouble.md, \"Inventories that differ\""
        )
      }
      return known
    }
    // Who is not in what it has is no member of it; who joins has the one that is to come in its file.
    let candidates = Set(answers.map(\.agreed)).filter { candidate in
      let members = Set(candidate.inventory.memberNames)
      let theirs = answers.filter { members.contains($0.node) }
      return 2 * theirs.count > members.count && theirs.allSatisfy { $0.agreed == candidate }
    }
    guard let present = candidates.only else {
      let groups = NodeNames.grouped(
        answers.map { (name: $0.node, value: $0.agreed.inventory.contentDigest) })
      let texts = groups.map { "\(NodeNames.folded($0.names)) \($0.value.hex.prefix(12))" }
      throw Refusal(
        .vote,
        "the nodes have not agreed on an inventory yet, and which of their files counts is not clear (\(texts.joined(separator: ", "))): more than half of an inventory's nodes must answer, all of them with the same file; put the same file on those that are members already and restart keyturnd there"
      )
    }
    return present
  }

  /// What each who votes would say no with; nil where it would not.
  package var refusals: [(name: String, refusal: Refusal?)] {
    change.participants.map { name in (name, refusal(of: name)) }
  }

  package var verdict: Verdict {
    // Whoever is behind is told so, whatever is wanted.
    if wanted.contentDigest == present.inventory.contentDigest,
      // Who is named as gone and has left already: it was done before.
      change.without.allSatisfy(present.retired.contains)
    {
      return .nothingToDo
    }
    if let field = wanted.fixedDifference(from: present.inventory) {
      return .refused(
        Refusal(
          .validation,
          "\(field) is another one, and agents take that only at their start: docs/use/runbooks.md, \"Change the inventory\""
        ))
    }
    if let problem = change.problem { return .refused(Refusal(.validation, problem)) }
    // Whose agent tells what cannot be gets no vote anyway, and must not keep the others from going on.
    if let name = change.without.first(where: { name in
      answer(of: name)?.answer.map { $0.version.protocolProblem == nil } ?? false
    }) {
      return .refused(
        Refusal(
          .validation,
          "\(name) is named as gone, and answers: without --without it votes on its own retirement; stop keyturnd there if it must not"
        ))
    }
    if let difference = voters.map({ (name: $0.node, version: $0.version) })
      .protocolDifference(with: protocols)
    {
      return .refused(Refusal(.vote, difference))
    }
    if let difference = baseDifference { return .refused(Refusal(.vote, difference)) }
    let refusals = refusals
    if let code = refusals.compactMap({ $0.refusal?.code }).deciding {
      let groups = NodeNames.grouped(
        refusals.compactMap { name, refusal in
          refusal?.code == code ? (name: name, value: refusal?.message ?? "") : nil
        })
      return .refused(
        Refusal(
          code, groups.map { "\(NodeNames.folded($0.names)): \($0.value)" }.joined(separator: "; "))
      )
    }
    return .ready
  }

  /// An old file would undo what was agreed on since.
  private var baseDifference: String? {
    let way = "keyturn inventory show > FILE makes one of what the nodes go by, to be edited"
    if let number = wanted.number, number != present.number {
      return
        "the file was made from inventory number \(number), and the nodes go by number \(present.number): \(way)"
    }
    if wanted.number == nil, present.number > 1 {
      let leaving =
        change.leaving.isEmpty ? "" : "\(NodeNames.folded(change.leaving)) would leave, and "
      return
        "\(leaving)the file does not say (\"number\") which inventory it was made from, so it may be an old one; the nodes go by number \(present.number): \(way)"
    }
    return nil
  }

  /// Who of those that are members, and stay it, is silent or behind.
  package var behind: [String] {
    change.latter.filter { name in answer(of: name)?.answer?.agreed != present }
  }

  /// What those who vote say.
  private var voters: [InventoryAnswer] {
    change.participants.compactMap { answer(of: $0)?.answer }
  }

  private func answer(of name: String) -> NodeAnswer<InventoryAnswer>? {
    rows.first { $0.name == name }
  }

  private func refusal(of name: String) -> Refusal? {
    guard let row = answer(of: name) else {
      return Refusal(.unreachable, "it was not asked")
    }
    guard let answer = row.answer else {
      let failure = row.failure ?? Refusal(.unreachable, "no answer")
      if change.leaving.contains(name), failure.code == .unreachable {
        return Refusal(
          .unreachable,
          "\(failure.message); if its host is gone for good, --without \(name) leaves it out")
      }
      return failure
    }
    if answer.node != name {
      return Refusal(.configuration, "it answers as \(answer.node): check its address")
    }
    if let refusal = answer.refusal { return refusal }
    if let active = answer.active {
      return Refusal(
        .busy,
        "it is in rollout \(active.text): keyturn watch \(active.id), keyturn resolve \(active.id)")
    }
    guard answer.incarnation != nil else {
      return Refusal(.configuration, "it does not say which state directory it has")
    }
    if let problem = answer.version.protocolProblem {
      let way = change.leaving.contains(name) ? "; --without \(name) leaves it out" : ""
      return Refusal(.vote, problem + way)
    }
    if change.former.contains(name) {
      if let difference = present.reference.difference(from: answer.agreed.reference) {
        return Refusal(.vote, difference)
      }
      if answer.seal?.digest != seal?.digest {
        return Refusal(.guarded, "its seal is another one than other nodes': keyturn seal show")
      }
      return nil
    }
    if answer.isRecorded, !change.next.follows(answer.agreed) {
      return Refusal(
        .vote,
        "it has agreed on another inventory, number \(answer.agreed.number) of cluster \(answer.agreed.inventory.cluster), from which this one does not follow"
      )
    }
    if let own = answer.seal, own.digest != seal?.digest {
      return Refusal(.guarded, "it is sealed with \(own.text), which is not the cluster's seal")
    }
    return nil
  }

  /// The seal that the members have: of the first that answers, which the others are compared with.
  private var seal: Seal? {
    change.former.lazy.compactMap { answer(of: $0)?.answer }.first?.seal
  }

  /// What is too short for a rollout can be mended by a change.
  private static let leastPrepareSeconds = 30

  /// The rollout that brings it, of one epoch above all that any node has seen.
  ///
  /// - Throws: a refusal where those who vote have no protocol in common.
  package func rollout(id: String, createdBy: String) throws(Refusal) -> Rollout {
    let timeouts = present.inventory.timeouts
    let next = change.next.digest
    let answers = voters
    var rollout = Rollout(
      id: id, epoch: (answers.map(\.epoch).max() ?? 0) + 1, kind: .members,
      cluster: wanted.cluster, generation: 0, seal: seal,
      contents: answers.map { answer in
        MemberContent(
          member: answer.node, incarnation: answer.incarnation, path: MemberContent.inventory,
          before: change.former.contains(answer.node) ? present.digest : nil, after: next)
      },
      createdBy: createdBy,
      prepareMilliseconds: max(Self.leastPrepareSeconds, timeouts.prepareSeconds) * 1_000,
      stopMilliseconds: timeouts.stopSeconds * 1_000,
      startMilliseconds: timeouts.startSeconds * 1_000, settleMilliseconds: 0,
      withoutRestart: true, inventory: present.reference, change: change)
    rollout.protocol = try .agreed(
      by: answers.map { (name: $0.node, version: $0.version) }, with: protocols)
    return rollout
  }
}

extension Collection {
  /// The one element; nil if there are none or more.
  fileprivate var only: Element? { count == 1 ? first : nil }
}
