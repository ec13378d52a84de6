// SPDX-License-Identifier: Apache-2.0
package import Model
package import Rollout

/// What a node says of the inventory that it goes by, and of itself for a change of it.
package struct InventoryAnswer: Sendable, Codable, Hashable {
  package var node: String
  package var agreed: AgreedInventory
  /// Whether it was voted with; until then it is what the node's file says.
  package var isRecorded: Bool
  /// The highest epoch that the node has seen.
  @Bounded<Bounds.Epoch> package var epoch: UInt64
  /// The life of its state directory; nil if the record of it is damaged.
  package var incarnation: Incarnation?
  /// The rollout that the node is in.
  package var active: ActiveSummary?
  /// Its seal; nil if it has none that may be relied on.
  package var seal: Seal?
  /// Why it would vote on nothing; nil if it might.
  package var refusal: Refusal?
  /// The agent's; nil from one that is older and does not tell.
  package var version: AgentVersion?
  /// The number of its list of revoked certificates; nil without one, and from an older agent.
  @BoundedIfPresent<Bounds.Count> package var revocations: Int?

  package init(
    node: String, agreed: AgreedInventory, isRecorded: Bool, epoch: UInt64,
    incarnation: Incarnation?, active: ActiveSummary?, seal: Seal?, refusal: Refusal?,
    version: AgentVersion? = nil, revocations: Int? = nil
  ) {
    _revocations = BoundedIfPresent(wrappedValue: revocations)
    self.node = node
    self.agreed = agreed
    self.isRecorded = isRecorded
    self.epoch = epoch
    self.incarnation = incarnation
    self.active = active
    self.seal = seal
    self.refusal = refusal
    self.version = version
  }
}

/// What a witness goes by.
package struct WitnessInventory: Sendable, Codable, Hashable {
  package var witness: String
  /// The number of the agreed inventory; nil while it goes by its file.
  @BoundedIfPresent<Bounds.Count> package var number: Int?

  package init(witness: String, number: Int?) {
    self.witness = witness
    _number = BoundedIfPresent(wrappedValue: number)
  }
}

extension AgentRequest where Answer == InventoryAnswer {
  package static var inventory: Self { Self(.inventory) }
}
extension AgentRequest where Answer == WitnessInventory {
  /// Go by this one from now on.
  package static func goBy(_ inventory: AgreedInventory) -> Self {
    Self(.installInventory, body: inventory)
  }
}
