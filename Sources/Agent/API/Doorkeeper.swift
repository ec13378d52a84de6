// SPDX-License-Identifier: Apache-2.0
internal import API
package import HTTP
package import Model
internal import Rollout

/// Who may stay connected to an agent, and how large a body is read.
package struct Doorkeeper: Sendable {
  private let inventories: InventoryKeeper
  private let refusals: RefusalCounts

  init(_ inventories: InventoryKeeper, _ refusals: RefusalCounts = RefusalCounts()) {
    self.inventories = inventories
    self.refusals = refusals
  }

  /// What a certificate's holder is owed here; throws if there is nothing that it may do.
  package func standing(of principal: Principal) throws(Refusal) -> Standing {
    let inventory = inventories.current
    guard principal.cluster == inventory.cluster else {
      throw Refusal(
        .notPermitted,
        "the certificate of \(principal.name) is for cluster \(principal.cluster), this is \(inventory.cluster)"
      )
    }
    switch principal.role {
    case .operator: return .operator
    case .observer: return .observer
    case .node: return isMember(principal) ? .member : .observer
    case .witness:
      guard inventory.keyManager(named: principal.name)?.witness == nil else { return .member }
      throw Refusal(
        .notPermitted,
        "\(principal.name) is no witness in this node's inventory, number \(inventories.agreed.number); keyturn inventory apply brings another one"
      )
    }
  }

  func isMember(_ principal: Principal) -> Bool {
    inventories.node(named: principal.name) != nil
  }

  /// What a node may ask that is no member: one that is to join looks around, one that has left learns it, and either
  /// may be in doubt of a rollout that it took part in, or collect how that ended.
  private static let strangers: [Route] = [
    .inventory, .clock, .promise, .accept, .decide, .follow,
  ]

  /// Throws for a node that is no member, and asks as one.
  func permit(_ route: Route, to principal: Principal) throws(Refusal) {
    if principal.role != .node || isMember(principal) || Self.strangers.contains(route) { return }
    let agreed = inventories.agreed
    let isRetired = agreed.retired.contains(principal.name)
    throw Refusal(
      .notPermitted,
      isRetired
        ? "\(principal.name) was retired: inventory number \(agreed.number) has it not"
        : "\(principal.name) is no node of this node's inventory, number \(agreed.number); keyturn inventory apply brings another one"
    )
  }

  /// How large the body of a request may be, bytes; throws if the caller may not ask this, or nobody
  /// may. What is refused here is counted: it is answered without the agent.
  package func bodyLimit(
    of request: HTTPRequest, from principal: Principal
  ) throws(Refusal) -> Int {
    do throws(Refusal) { return try limit(of: request, from: principal) } catch {
      refusals.note(.request, error.code)
      throw error
    }
  }

  private func limit(
    of request: HTTPRequest, from principal: Principal
  ) throws(Refusal) -> Int {
    guard let route = Route.of(request, to: .agent)?.route else { throw Route.unknown(request) }
    try route.permit(principal)
    try permit(route, to: principal)
    return route.bodyBytes
  }
}
