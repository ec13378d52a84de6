// SPDX-License-Identifier: Apache-2.0
package import Model
internal import Rollout
internal import Threads

/// The inventory that this node goes by: the agreed one, or the file's as long as nothing was voted on with it.
final class InventoryKeeper: Sendable {
  private struct State {
    var agreed: AgreedInventory
    var isRecorded = false
    /// Whether this life of the state directory has voted with it, or taken it from the others.
    var isRemembered = false
    var incarnation: Incarnation?
    /// Whether somebody has edited the file since, and not to what was agreed on.
    var isFileEdited = false
    /// What the file says otherwise, and an agent takes only at its start: the two do not go together.
    var conflict: String?
    /// The record says something that cannot be read: it is not written over.
    var isDamaged = false
    /// What the change that is voted on, or was decided and is not done yet, would bring.
    var coming: InventoryChange?
    /// That the cluster has another inventory, without this node; for a node that is not a member yet.
    var isStranger = false
  }

  let node: String
  /// As it was read at the start.
  let file: Inventory
  private let records: Records
  private let state: Lock<State>

  init(of node: String, file: Inventory, _ records: Records) {
    self.node = node
    self.file = file
    self.records = records
    state = Lock(State(agreed: AgreedInventory(first: file)))
  }

  /// Goes by the record from now on; once, at the start.
  ///
  /// - Parameters:
  ///   - recorded: nil where there is none.
  ///   - isDamaged: there is one, and it cannot be read.
  ///   - active: the rollout that the member is in.
  func resume(
    _ recorded: KeptInventory?, incarnation: Incarnation?, isDamaged: Bool, active: Rollout?
  ) {
    state.update { state in
      state.incarnation = incarnation
      if let recorded {
        (state.agreed, state.isRecorded) = (recorded.agreed, true)
        state.isRemembered = incarnation != nil && recorded.incarnation == incarnation
        state.isFileEdited =
          file.contentDigest != recorded.file
          && file.contentDigest != recorded.agreed.inventory.contentDigest
        state.conflict = recorded.agreed.inventory.fixedDifference(from: file)
      }
      state.isDamaged = isDamaged
      state.coming = active?.change
    }
  }

  /// The inventory that counts now.
  var current: Inventory { state.withLock { $0.agreed.inventory } }
  var agreed: AgreedInventory { state.withLock { $0.agreed } }
  var reference: InventoryReference { agreed.reference }
  /// Whether it was ever voted with: from then on the file does not count.
  var isRecorded: Bool { state.withLock { $0.isRecorded } }
  /// Whether the cluster has let this node go: it takes part in nothing any more.
  var isRetired: Bool {
    state.withLock { $0.isRecorded && $0.agreed.inventory.node(named: node) == nil }
  }
  var isRemembered: Bool { state.withLock { $0.isRemembered } }
  var isDamaged: Bool { state.withLock { $0.isDamaged } }
  var isStranger: Bool { state.withLock { $0.isStranger && !$0.isRecorded } }

  /// Where another node is asked, a joining one too, and one that leaves until it has left.
  func node(named name: String) -> Inventory.Node? {
    state.withLock { state in
      // What was agreed on works; what is to come nobody but its operator has tried.
      state.agreed.inventory.node(named: name)
        ?? state.coming?.next.inventory.node(named: name)
        ?? state.coming?.leavers.first { $0.name == name }
    }
  }

  /// All other nodes of the inventory, those behind this one first: when all nodes ask all others, no agent is asked by
  /// everybody at once. Of a node that has left none.
  var peers: [String] {
    let all = current.memberNames
    guard all.contains(node) else { return [] }
    return all.filter { $0 > node } + all.filter { $0 < node }
  }

  // MARK: changes

  /// Makes the inventory durable with which this node is about to vote yes for the first time. Blocks on the disk.
  func record() throws(Refusal) {
    let now = state.withLock { $0 }
    if now.isRemembered || now.isDamaged { return }
    try save(now.agreed, now.incarnation)
    state.update { state in
      if state.agreed == now.agreed { (state.isRecorded, state.isRemembered) = (true, true) }
    }
  }

  /// A change is voted on: who joins by it is known from now on.
  func expect(_ change: InventoryChange) { state.update { $0.coming = change } }
  /// The rollout has ended here, whatever it came to.
  func expectNothing() { state.update { $0.coming = nil } }

  /// Goes by this one from now on, durably. Blocks on the disk.
  ///
  /// - Returns: whether it was another one before.
  @discardableResult
  func adopt(_ next: AgreedInventory) throws(Refusal) -> Bool {
    let (isDone, incarnation) = state.withLock {
      ($0.isRemembered && $0.agreed == next, $0.incarnation)
    }
    if isDone { return false }
    try save(next, incarnation)
    state.update { state in
      (state.agreed, state.isRecorded, state.isStranger) = (next, true, false)
      state.isFileEdited = false
      state.isRemembered = true
      state.isDamaged = false
    }
    return true
  }

  private func save(_ agreed: AgreedInventory, _ incarnation: Incarnation?) throws(Refusal) {
    try records.inventory.save(
      KeptInventory(agreed: agreed, incarnation: incarnation, file: file.contentDigest))
  }

  func note(isStranger: Bool) { state.update { $0.isStranger = isStranger } }

  // MARK: what is to be said of it

  /// What status says.
  func findings() -> [Finding] {
    let state = state.withLock { $0 }
    let number = state.agreed.number
    if state.isRecorded, state.agreed.inventory.node(named: node) == nil {
      return [
        Finding(
          .error, rule: "node-retired", refusal: .notPermitted,
          message:
            "\(node) was retired: inventory number \(number) of \(state.agreed.inventory.cluster) has it not; its agent takes part in nothing, and its server was left as it is",
          remedy: "stop the server and keyturnd here, or docs/use/runbooks.md, \"Take a node back\""
        )
      ]
    }
    if state.isStranger, !state.isRecorded {
      return [
        Finding(
          .warning, rule: "node-not-a-member", refusal: .vote,
          message: "the other nodes have an inventory without \(node): it is no member yet",
          remedy: "keyturn inventory apply at the operator's, with the inventory that has it")
      ]
    }
    if let conflict = state.conflict {
      return [
        Finding(
          .error, rule: "inventory-file-conflict", refusal: .configuration,
          message:
            "\"\(conflict)\" in the inventory's file on \(node) is another one than the nodes have agreed on (number \(number)), and the agent was started with it: it votes on nothing",
          remedy: "docs/use/runbooks.md, \"Change the inventory\"")
      ]
    }
    guard state.isFileEdited else { return [] }
    return [
      Finding(
        .warning, rule: "inventory-file-differs", refusal: .configuration,
        message:
          "somebody has edited the inventory's file on \(node), and what the nodes have agreed on (number \(number)) is what counts",
        remedy: "keyturn inventory show makes a file of it; keyturn inventory apply changes it")
    ]
  }

  /// Why this node votes on nothing; nil if it may.
  var obstacle: Refusal? {
    if let finding = findings().first(where: { $0.rule == "inventory-file-conflict" }) {
      return Refusal(.configuration, finding.statement)
    }
    guard isRetired else { return nil }
    return Refusal(
      .vote,
      "\(node) was retired: inventory number \(agreed.number) of the cluster has it not")
  }
}

extension Agent {
  /// What the nodes have agreed on, as a state directory has it; nil if nothing, or if that cannot be read. Blocks on
  /// the disk.
  package static func agreedInventory(in records: any RecordPort) -> Inventory? {
    do throws(Refusal) {
      return try Records(port: records).inventory.load()?.agreed.inventory
    } catch {
      return nil
    }
  }
}
