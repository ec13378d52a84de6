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

  /// The parts that a digest is over. A part that older agents do not know counts only where it says something: they
  /// agree as long as it does not, and what was agreed on before it came keeps its digest.
  var countedParts: [NamedDigest] {
    parts.filter { $0.name != "proposals" || rules != ProposalRules() }
  }

  /// Over all of them: the same for the same cluster, however its file is written.
  package var contentDigest: Digest {
    .ofFields(["keyturn inventory content 1"] + countedParts.map(\.digest.hex))
  }
}
