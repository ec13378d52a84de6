// SPDX-License-Identifier: Apache-2.0
package import Model

/// Whom a witness serves, and how often. It decides where to connect: what a caller says does not.
///
/// It serves the nodes of its own inventory, each by the name in its certificate, and only to
/// connect back to that node. A burst of ``Limits/witnessBurst`` questions of one node is taken,
/// then one every ``Limits/witnessRefillMilliseconds``.
package struct WitnessAdmission: Sendable {
  /// Why a caller was refused. The values are labels of a metric.
  package enum Refused: String, Sendable, Codable, Hashable, CaseIterable {
    /// Its certificate is of another cluster.
    case cluster
    /// Its role may not ask this.
    case role
    /// Its name is none of the inventory's nodes.
    case unknownNode
    /// What it asked for is not what a witness does, or names something.
    case request
    /// It asks too often.
    case rate
    /// There was no room for it in time.
    case busy
  }

  private struct Bucket: Sendable {
    /// When the burst is whole again.
    var fullAt: Instant
  }

  private var inventory: Inventory
  private var buckets: [String: Bucket] = [:]
  package private(set) var served = 0
  /// How many were refused, for each reason.
  package private(set) var refused: [Refused: Int] = [:]
  /// Whose refusal is in the log already: each caller once for each reason.
  private var told: Set<String> = []

  /// The admission of a witness with this inventory.
  package init(_ inventory: Inventory) { self.inventory = inventory }

  /// Serves the nodes of this one from now on.
  package mutating func goBy(_ inventory: Inventory) { self.inventory = inventory }

  /// The node that a caller may have connected to: itself.
  package mutating func admit(
    _ principal: Principal, at now: Instant
  ) -> Result<Inventory.Node, Refused> {
    guard principal.cluster == inventory.cluster else { return .failure(.cluster) }
    guard principal.role == .node else { return .failure(.role) }
    guard let node = inventory.node(named: principal.name) else { return .failure(.unknownNode) }
    // A bucket that is whole again after fullAt: each question puts that off by one refill.
    let burst = Limits.witnessBurst * Limits.witnessRefillMilliseconds
    let fullAt = max(buckets[node.name]?.fullAt ?? now, now)
      .advanced(byMilliseconds: Limits.witnessRefillMilliseconds)
    guard fullAt.milliseconds(since: now) <= burst else { return .failure(.rate) }
    buckets[node.name] = Bucket(fullAt: fullAt)
    return .success(node)
  }

  package mutating func countServed() { served += 1 }

  /// Counts a refusal.
  ///
  /// - Returns: whether it is to be logged, which each caller's is once for each reason.
  package mutating func count(_ reason: Refused, of principal: Principal) -> Bool {
    refused[reason, default: 0] += 1
    guard told.count < Limits.witnessRemembered else { return false }
    return told.insert("\(principal.uri) \(reason.rawValue)").inserted
  }
}

extension WitnessAdmission.Refused: Error {}
