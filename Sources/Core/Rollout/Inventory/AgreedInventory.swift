// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

/// The inventory that the members of a cluster have agreed on: one of a chain, each with the digest of the one before
/// (docs/development/members.md).
package struct AgreedInventory: Sendable, Codable, Hashable {
  /// 1 for the first, which every agent takes from its file.
  @Bounded<Bounds.Count> package private(set) var number: Int
  /// The digests of those before it, the newest last, at most ``keptDigests``.
  package private(set) var predecessors: [Digest]
  package private(set) var inventory: Inventory
  /// The nodes that earlier ones had and this one has not, sorted, at most ``Limits/inventoryNodes``.
  package private(set) var retired: [String]

  /// Who was away for more changes than these cannot prove any more what follows from its own.
  package static let keptDigests = 64

  /// The first of a cluster.
  package init(first inventory: Inventory) {
    _number = Bounded(wrappedValue: 1)
    predecessors = []
    self.inventory = inventory
    self.inventory.number = nil
    retired = []
  }

  /// The one that follows with another content.
  package func next(_ inventory: Inventory) -> AgreedInventory {
    var next = self
    next.number = number + 1
    next.predecessors = (predecessors + [digest]).suffix(Self.keptDigests)
    next.inventory = inventory
    next.inventory.number = nil
    let present = Set(inventory.memberNames)
    next.retired = Set(retired + self.inventory.memberNames).subtracting(present).sorted()
      .suffix(Limits.inventoryNodes)
    return next
  }

  /// Over everything in it.
  package var digest: Digest {
    .ofFields(
      ["keyturn agreed inventory 1", "\(number)", "\(predecessors.count)"]
        + predecessors.map(\.hex) + inventory.countedParts.map(\.digest.hex) + retired)
  }

  /// What a rollout and an answer name it by.
  package var reference: InventoryReference {
    InventoryReference(number: number, digest: digest, content: inventory.contentDigest)
  }

  /// Whether it follows from `other`, directly or over some in between.
  package func follows(_ other: AgreedInventory) -> Bool {
    number > other.number && predecessors.contains(other.digest)
  }

  /// What is wrong with what a record or a peer says; nil if nothing is.
  package var problem: String? {
    if number < 1 { return "its number is \(number)" }
    if predecessors.count > Self.keptDigests || retired.count > Limits.inventoryNodes {
      return "it lists more predecessors or retired nodes than there can be"
    }
    if let name = retired.first(where: { Name.problem(in: $0) != nil }) {
      return
        "the retired node \"\(name.cut(toBytes: Limits.nameInMessageBytes))\" has no name of a node"
    }
    return inventory.problems().first
  }
}

/// One agreed inventory, without what is in it.
package struct InventoryReference: Sendable, Codable, Hashable {
  @Bounded<Bounds.Count> package var number: Int
  /// ``AgreedInventory/digest``.
  package var digest: Digest
  /// ``Inventory/contentDigest``.
  package var content: Digest

  package init(number: Int, digest: Digest, content: Digest) {
    _number = Bounded(wrappedValue: number)
    self.digest = digest
    self.content = content
  }

  /// For people.
  package var text: String { "number \(number) (\(content.hex.prefix(12)))" }
}

extension InventoryReference {
  /// What is wrong where a node has `own` and is asked under this one; nil if they are the same.
  package func difference(from own: InventoryReference) -> String? {
    if self == own { return nil }
    if number == own.number {
      return
        "its inventory \(own.text) has another content than the other's \(text): see which is right with keyturn inventory show"
    }
    return number > own.number
      ? "its inventory is \(own.text), and the cluster's \(text): it takes that from the other nodes, within a minute"
      : "the inventory of whoever asks is \(text), and this node's \(own.text): that is newer"
  }
}
