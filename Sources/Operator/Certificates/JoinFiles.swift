// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The files to join with of hosts of an inventory, `NAME.join` in a directory.
struct JoinFiles {
  typealias Host = (role: Role, name: String, address: String)

  let context: CommandContext
  let inventory: Inventory
  let hosts: [Host]
  let directory: String

  /// How long a key may be good that travels in a file, days.
  private static let days = 1

  /// All nodes, then all witnesses; the address of each without its port.
  static func hosts(of inventory: Inventory) -> [Host] {
    inventory.nodes.compactMap { node in
      node.agentPlace.map { (role: .node, name: node.name, address: $0.host) }
    }
      + inventory.keyManagers.compactMap { host in
        host.witnessPlace.map { (role: .witness, name: host.name, address: $0.host) }
      }
  }

  private func file(_ host: Host) -> String { "\(directory)/\(host.name).join" }

  /// Refuses where there is one already.
  func requireAbsent() throws(Refusal) {
    var existing: [String] = []
    for host in hosts {
      let file = file(host)
      if try context.host.read(file, limitBytes: Limits.joinFileBytes) != nil {
        existing.append(file)
      }
    }
    if !existing.isEmpty {
      throw Refusal(
        .failed,
        "there is \(existing.joined(separator: ", ")) already: remove what has been used, or name those that are needed with keyturn pki issue --join NAME; nothing was written"
      )
    }
  }

  /// - Parameters:
  ///   - days: nil for the default.
  ///   - replaces: whether files that are there may go.
  func write(
    _ issuer: any CertificateIssuer, days: Int?, replaces: Bool
  ) throws(Refusal) {
    for host in hosts {
      let file = file(host)
      try issuer.issueToJoin(
        inventory, role: host.role, name: host.name, addresses: [host.address],
        days: days ?? Self.days, file: file, replaces: replaces)
      context.console.event(
        "joinFile",
        [
          "principal": Principal(cluster: inventory.cluster, role: host.role, name: host.name).uri,
          "file": file,
        ])
      context.console.line("\(file) is for \(host.name) alone")
    }
    context.console.message(
      .note,
      "each file holds a key: copy it to its host (mode 0600), run `keyturn join FILE` there as root, then delete it here and there"
    )
  }
}
