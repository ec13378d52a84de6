// SPDX-License-Identifier: Apache-2.0
internal import API
package import HTTP
package import Model

/// Who may stay connected to an agent, and how large a body is read.
package struct Doorkeeper: Sendable {
  private let node: String
  private let inventory: Inventory

  init(of node: String, _ inventory: Inventory) {
    self.node = node
    self.inventory = inventory
  }

  /// What a certificate's holder is owed here; throws if there is nothing that it may do.
  package func standing(of principal: Principal) throws(Refusal) -> Standing {
    guard principal.cluster == inventory.cluster else {
      throw Refusal(
        .notPermitted,
        "the certificate of \(principal.name) is for cluster \(principal.cluster), this is \(inventory.cluster)"
      )
    }
    switch principal.role {
    case .operator: return .operator
    case .observer: return .observer
    case .node:
      guard inventory.node(named: principal.name) == nil else { return .member }
      throw Refusal(
        .notPermitted,
        "\(principal.name) is no node of the inventory of \(node); make the inventories the same on every host"
      )
    case .witness:
      guard inventory.keyManager(named: principal.name)?.witness == nil else { return .member }
      throw Refusal(
        .notPermitted,
        "\(principal.name) is no witness in the inventory of \(node); make the inventories the same on every host"
      )
    }
  }

  /// How large the body of a request may be, bytes; throws if the caller may not ask this, or nobody
  /// may.
  package func bodyLimit(
    of request: HTTPRequest, from principal: Principal
  ) throws(Refusal) -> Int {
    guard let route = Route.of(request, to: .agent)?.route else { throw Route.unknown(request) }
    try route.permit(principal)
    return route.bodyBytes
  }
}
