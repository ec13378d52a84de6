// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Model
internal import Rollout

/// The record of the inventory that this node goes by.
struct KeptInventory: Sendable, Codable {
  var agreed: AgreedInventory
  /// The life of the state directory that has written it; nil for a witness, which votes on nothing.
  var incarnation: Incarnation?
  /// The digest of what the host's file said then: it may stay as it is, and whoever edits it later means something.
  var file: Digest?

  /// What is wrong with it on a node or a witness of this cluster; nil if nothing is.
  func problem(in cluster: String) -> String? {
    agreed.problem
      ?? (agreed.inventory.cluster == cluster ? nil : "it is of another cluster than \(cluster)")
  }
}
