// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import KeyManager
internal import Model

/// The key proofs of a cluster as evidence: each once, with the nodes that keep it and those that have opened it.
struct KeyProofTable {
  struct Row: Sendable, Hashable {
    var proof: KeyProof
    /// Which nodes keep it.
    var nodes: [String]
    /// How long ago it opened last, seconds, by node; without those where it has not since the agent's start.
    var opened: [String: Int]
    /// Through which Key Managers.
    var keyManagers: [String]
  }

  /// The oldest first.
  let rows: [Row]

  /// - Parameters:
  ///   - answers: of the nodes by their names in the inventory.
  ///   - seals: the digests of the seals that are shown: what belongs to another one is none.
  init(_ answers: [(name: String, answer: KeyProofsAnswer)], of seals: Set<Digest>) {
    var rows: [Row] = []
    for (name, answer) in answers {
      for proof in answer.proofs.all where seals.contains(proof.binding.seal) {
        if !rows.contains(where: { $0.proof == proof }) {
          rows.append(Row(proof: proof, nodes: [], opened: [:], keyManagers: []))
        }
        for index in rows.indices where rows[index].proof == proof {
          rows[index].nodes.append(name)
          rows[index].opened[name] = answer.status?.openedSecondsAgo
          for keyManager in answer.status?.openedThrough ?? []
          where !rows[index].keyManagers.contains(keyManager) {
            rows[index].keyManagers.append(keyManager)
          }
        }
      }
    }
    self.rows = rows.sorted {
      ($0.proof.madeAt, $0.proof.digest) < ($1.proof.madeAt, $1.proof.digest)
    }
  }

  func tell(_ console: Console) {
    for row in rows { console.event("keyProof", Self.fields(row)) }
    if rows.isEmpty { return }
    console.table(
      ["KEY PROOF", "VERSION", "MADE", "BY", "KEPT BY", "OPENED", "THROUGH"], rows.map(Self.cells))
  }

  private static func cells(_ row: Row) -> [String] {
    let ages = row.opened.values.sorted()
    let opened =
      switch (ages.first, ages.last) {
      case (let first?, let last?) where first < last: "\(first) to \(last) s ago"
      case (let first?, _): "\(first) s ago"
      default: "not yet"
      }
    let silent = row.nodes.filter { row.opened[$0] == nil }
    return [
      String(row.proof.digest.hex.prefix(12)), "\(row.proof.version)",
      CalendarTime.text(microseconds: row.proof.madeAt), row.proof.madeBy,
      NodeNames.folded(row.nodes),
      silent.isEmpty || ages.isEmpty ? opened : "\(opened), not on \(NodeNames.folded(silent))",
      row.keyManagers.joined(separator: ", "),
    ]
  }

  private static func fields(_ row: Row) -> JSONObject {
    [
      "digest": row.proof.digest.hex, "version": Int(row.proof.version),
      "madeBy": row.proof.madeBy, "madeAtMicroseconds": row.proof.madeAt, "nodes": row.nodes,
      "openedSecondsAgo": row.nodes.map { node in
        ["node": node, "seconds": row.opened[node]] as JSONObject
      },
      "keyManagers": row.keyManagers,
    ]
  }
}
