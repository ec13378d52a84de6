// SPDX-License-Identifier: Apache-2.0

/// What a certificate of the cluster's CA entitles its holder to.
package enum Role: String, Sendable, Codable, Hashable, CaseIterable {
  /// The agent on an AIStor node.
  case node
  /// The agent on a Key Manager host.
  case witness
  /// A person or pipeline that may plan and roll out.
  case `operator`
  /// A person or program that may only look.
  case observer
}

/// Who is at the other end of a connection, as its certificate says: the URI name
/// `keyturn://CLUSTER/ROLE/NAME` in the subject alternative names.
package struct Principal: Sendable, Codable, Hashable {
  package var cluster: String
  package var role: Role
  /// The holder's name; for a node its name in the inventory.
  package var name: String

  package init(cluster: String, role: Role, name: String) {
    self.cluster = cluster
    self.role = role
    self.name = name
  }

  /// The creator as a rollout and its records name it: the name of an operator, `ROLE/NAME` for any
  /// other role. No name has a slash in it, so a node is never taken for the operator of the same
  /// name.
  package var author: String { role == .operator ? name : "\(role.rawValue)/\(name)" }

  /// `keyturn://CLUSTER/ROLE/NAME`.
  package var uri: String { "keyturn://\(cluster)/\(role.rawValue)/\(name)" }

  /// The principal in such a URI; nil if it is not exactly of that form.
  package init?(uri: String) {
    let scheme = "keyturn://"
    guard uri.hasPrefix(scheme) else { return nil }
    let parts = uri.dropFirst(scheme.count).split(
      separator: "/", omittingEmptySubsequences: false
    ).map(String.init)
    guard parts.count == 3, let role = Role(rawValue: parts[1]),
      Name.problem(in: parts[0]) == nil, Name.problem(in: parts[2]) == nil
    else { return nil }
    self.init(cluster: parts[0], role: role, name: parts[2])
  }
}

/// The priority of a certificate's holder on a server. The lowest gives way first.
package enum Standing: Int, Sendable, Hashable, CaseIterable, Comparable {
  /// It may only look.
  case observer
  /// A node or a witness of the inventory.
  case member
  /// It may plan and roll out.
  case `operator`

  package static func < (one: Standing, other: Standing) -> Bool { one.rawValue < other.rawValue }
}
