// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// What differs between two inventories, for people: `+` for what comes, `-` for what goes.
struct InventoryLines {
  let lines: [String]

  init(from old: Inventory, to new: Inventory) {
    var lines: [String] = []
    func compare<Value: Equatable>(
      _ what: String, _ old: [(name: String, value: Value)], _ new: [(name: String, value: Value)],
      _ text: (Value) -> String
    ) {
      for (name, value) in old {
        guard let other = new.first(where: { $0.name == name })?.value else {
          lines.append("- \(what) \(name)\(text(value))")
          continue
        }
        if other != value {
          lines += ["- \(what) \(name)\(text(value))", "+ \(what) \(name)\(text(other))"]
        }
      }
      for (name, value) in new where !old.contains(where: { $0.name == name }) {
        lines.append("+ \(what) \(name)\(text(value))")
      }
    }
    func nodes(_ inventory: Inventory) -> [(name: String, value: [String])] {
      inventory.nodes.map { node in
        let server = node.serverPlace?.text ?? ""
        return (node.name, [node.agentPlace?.text ?? node.address, server])
      }
    }
    func hosts(_ inventory: Inventory) -> [(name: String, value: [String])] {
      inventory.keyManagers.map { host in
        (host.name, [host.place?.text ?? host.address, host.witnessPlace?.text ?? ""])
      }
    }
    compare("node", nodes(old), nodes(new)) { ", agent \($0[0]), server \($0[1])" }
    compare("Key Manager", hosts(old), hosts(new)) {
      ", \($0[0])" + ($0[1].isEmpty ? "" : ", witness \($0[1])")
    }
    compare("", Self.settings(old), Self.settings(new)) { " \($0)" }
    self.lines = lines.map { $0.replacingDoubleBlank }
  }

  private static func settings(_ inventory: Inventory) -> [(name: String, value: String)] {
    let timeouts = inventory.timeouts
    return [
      ("unit", inventory.unit), ("environmentFile", inventory.environmentFile),
      ("timeouts.prepareSeconds", "\(timeouts.prepareSeconds)"),
      ("timeouts.stopSeconds", "\(timeouts.stopSeconds)"),
      ("timeouts.startSeconds", "\(timeouts.startSeconds)"),
      ("timeouts.settleSeconds", "\(timeouts.settleSeconds)"),
      ("timeouts.probeSeconds", "\(timeouts.probeSeconds)"),
      ("clockBoundMilliseconds", "\(inventory.clockBoundMilliseconds)"),
      ("rollback", inventory.rollback.rawValue),
      ("unverifiedDirection", inventory.unverifiedDirection.rawValue),
      ("outsideNodes", inventory.outsideNodes.sorted().joined(separator: ", ")),
      ("proposals.approval", (inventory.proposals?.approval ?? .none).rawValue),
      (
        "proposals.minimumIntervalSeconds",
        "\(inventory.proposals?.minimumIntervalSeconds ?? 0)"
      ),
    ]
  }
}

extension String {
  /// `-  unit` of a kind without a word.
  fileprivate var replacingDoubleBlank: String {
    hasPrefix("-  ") || hasPrefix("+  ") ? String(prefix(2) + dropFirst(3)) : self
  }
}
