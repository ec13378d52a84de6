// SPDX-License-Identifier: Apache-2.0
package import HTTP
package import Model

/// Who may stay connected to an agent, and whose body is read: what can be known before a request is
/// there. The table of the API decides again on each request.
package struct Doorkeeper: Sendable {
  private let node: String
  private let inventory: Inventory

  /// The doorkeeper of a node with this inventory.
  package init(of node: String, _ inventory: Inventory) {
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
    guard request.method == "POST" else { return Limits.smallBodyBytes }
    let parts = request.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    let last = parts.last.map(String.init) ?? ""
    guard parts.first == "v1", let rule = Self.rules[BodyRule.Path(last, depth: parts.count)] else {
      throw Refusal(
        .validation, "there is no \(request.method) \(request.path) in this agent's API")
    }
    guard rule.roles.contains(principal.role) else {
      throw Refusal(
        .notPermitted,
        "the certificate of \(principal.name) has role \(principal.role.rawValue), this needs \(rule.roles.map(\.rawValue).joined(separator: " or ")): use the credentials of one"
      )
    }
    return rule.bytes
  }

  /// Who may send a body there, and how large it may be.
  private struct BodyRule {
    /// The last part of a path, and how many parts it has.
    struct Path: Hashable {
      var last: String
      var depth: Int
      init(_ last: String, depth: Int) { (self.last, self.depth) = (last, depth) }
    }
    var roles: [Role]
    var bytes = Limits.smallBodyBytes
  }

  /// What has a line for each member, or the settings, may be large; the rest is a few numbers.
  private static let rules: [BodyRule.Path: BodyRule] = [
    .init("plan", depth: 2): BodyRule(roles: [.operator, .node], bytes: Limits.httpBodyBytes),
    .init("rollouts", depth: 2): BodyRule(roles: [.operator, .node], bytes: Limits.httpBodyBytes),
    .init("result", depth: 4): BodyRule(roles: [.operator, .node]),
    .init("promise", depth: 4): BodyRule(roles: [.node]),
    .init("accept", depth: 4): BodyRule(roles: [.operator, .node]),
    .init("decision", depth: 4): BodyRule(roles: [.operator, .node]),
    .init("resolve", depth: 4): BodyRule(roles: [.operator]),
    .init("proposals", depth: 2): BodyRule(roles: [.node]),
    .init("retry", depth: 3): BodyRule(roles: [.operator]),
    .init("recover", depth: 3): BodyRule(roles: [.operator]),
    .init("check", depth: 2): BodyRule(roles: [.observer, .operator]),
  ]
}
