// SPDX-License-Identifier: Apache-2.0
internal import Crypto
package import Model

/// What a rollout of kind `members` decides: the inventory that takes the place of the present one.
package struct InventoryChange: Sendable, Codable, Hashable {
  package let next: AgreedInventory
  /// The members until then, sorted.
  package let former: [String]
  /// Where those of them are that leave: who joins has them in no inventory.
  package let leavers: [Inventory.Node]
  /// Those of them that leave and are gone, so that nobody waits for them; sorted.
  package let without: [String]

  package init(from present: AgreedInventory, to inventory: Inventory, without: [String]) {
    next = present.next(inventory)
    former = present.inventory.memberNames
    leavers = present.inventory.nodes.filter { inventory.node(named: $0.name) == nil }
      .sorted { $0.name < $1.name }
    self.without = Set(without).sorted()
  }

  /// The members from then on, sorted.
  package var latter: [String] { next.inventory.memberNames }
  /// Who votes, sorted: all members before and after, but those that are gone.
  package var participants: [String] {
    Set(former + latter).subtracting(without).sorted()
  }
  package var joining: [String] { Set(latter).subtracting(former).sorted() }
  package var leaving: [String] { Set(former).subtracting(latter).sorted() }

  /// Why it can be no change; nil if it can.
  package var problem: String? {
    if let problem = next.problem { return problem }
    if next.number < 2 { return "it would be the first inventory" }
    if former.count > Limits.inventoryNodes || leavers.map(\.name) != leaving {
      return "its members before it are not whole"
    }
    if let node = leavers.first(where: { $0.agentPlace == nil }) {
      return "\(node.name), which leaves, has no address"
    }
    let staying = Set(former).intersection(latter)
    if let name = without.first(where: { !former.contains($0) }) {
      return "\(name) is named as gone, and the present inventory has no such node"
    }
    if let name = without.first(where: { staying.contains($0) }) {
      return
        "\(name) is named as gone, and the new inventory has it: a host that is replaced under its name joins with keyturn join first"
    }
    if 2 * (former.count - without.count) <= former.count {
      return
        "only \(former.count - without.count) of \(former.count) members would be left to decide, and more than half must: bring hosts back, or put others in their place under their names, which is no change of the inventory (docs/use/runbooks.md, \"Replace a node under its name\"); with so few hosts the servers cannot write either"
    }
    return nil
  }

  /// Names, numbers and digests, for the digest of the rollout.
  var fields: [String] {
    ["members", next.digest.hex, "\(former.count)"] + former + ["\(without.count)"] + without
      + leavers.flatMap { [$0.name, $0.agentPlace?.text ?? ""] }
  }
}

extension Inventory {
  /// What an agent takes only at its start, and a change of members cannot bring.
  package func fixedDifference(from other: Inventory) -> String? {
    if cluster != other.cluster { return "cluster" }
    if unit != other.unit { return "unit" }
    return environmentFile != other.environmentFile ? "environmentFile" : nil
  }
}
