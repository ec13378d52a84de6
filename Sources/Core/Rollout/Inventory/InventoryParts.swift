// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

extension Inventory {
  /// Its parts, in a fixed order, each with the digest of what it says: two inventories with the same digests are the
  /// same cluster, and where one differs its name says in what.
  package var parts: [NamedDigest] {
    func part(_ name: String, _ fields: [String]) -> NamedDigest {
      NamedDigest(name: name, digest: .ofFields(["keyturn inventory 1", name] + fields))
    }
    let nodes = nodes.sorted { $0.name < $1.name }
    let hosts = keyManagers.sorted { $0.name < $1.name }
    return [
      part("cluster", [cluster]),
      part(
        "nodes",
        nodes.flatMap { [$0.name, $0.agentPlace?.text ?? "", $0.serverPlace?.text ?? ""] }),
      part("keyManagers", hosts.flatMap { [$0.name, $0.place?.text ?? ""] }),
      part("witness", hosts.flatMap { [$0.name, $0.witnessPlace?.text ?? ""] }),
      part("unit", [unit]), part("environmentFile", [environmentFile]),
      part(
        "timeouts",
        [
          timeouts.prepareSeconds, timeouts.stopSeconds, timeouts.startSeconds,
          timeouts.settleSeconds, timeouts.probeSeconds,
        ].map(String.init)),
      part("clockBoundMilliseconds", ["\(clockBoundMilliseconds)"]),
      part("rollback", [rollback.rawValue]),
      part("unverifiedDirection", [unverifiedDirection.rawValue]),
      part("outsideNodes", outsideNodes.sorted()),
      part("proposals", [rules.approval.rawValue, "\(rules.minimumIntervalSeconds)"]),
    ]
  }

  private var rules: ProposalRules { proposals ?? ProposalRules() }

  /// Over all of them: the same for the same cluster, however its file is written.
  package var contentDigest: Digest {
    // An agent that is older, and knows of no rules, agrees as long as there are none.
    let counted = parts.filter { $0.name != "proposals" || rules != ProposalRules() }
    return .ofFields(["keyturn inventory content 1"] + counted.map(\.digest.hex))
  }
}
