// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Threads

// The list of revoked certificates between the authority's directory and the hosts.

extension CommandContext {
  /// The cluster, with links that refuse whom the authority's list revokes: as the hosts know it, where that list was
  /// lost or is older.
  func cluster(
    _ options: ClusterOptions, revokedBy issuer: any CertificateIssuer
  ) throws(Refusal) -> Cluster {
    let cluster = try cluster(options, revoked: issuer.revoked())
    guard try takeBackRevocations(from: cluster, issuer).isChanged else { return cluster }
    return try self.cluster(options, warns: false, revoked: issuer.revoked())
  }

  /// Takes back what the hosts' lists have and the authority's lacks, so that no list goes out that they refuse, or that
  /// has forgotten somebody. Whether it lacked anything, and who gave no answer: an older agent cannot.
  func takeBackRevocations(
    from cluster: Cluster, _ issuer: any CertificateIssuer
  ) throws(Refusal) -> (isChanged: Bool, silent: [String]) {
    let rows = Parallel.ask(
      .revocations, of: cluster.members + cluster.connections.witnesses,
      milliseconds: Self.answerMilliseconds)
    var seen: [SignedRevocations] = []
    var isChanged = false
    for row in rows {
      guard let list = row.answer?.list, !seen.contains(list) else { continue }
      seen.append(list)
      do throws(Refusal) {
        guard let now = try issuer.takeBack(list) else { continue }
        isChanged = true
        console.message(
          .warning,
          "revocations.json beside the authority's key was lost or older, and has taken back what \(row.name) knows: number \(now.number), \(now.entries.count) \(now.entries.count == 1 ? "holder" : "holders"); keep it, and one copy of it"
        )
      } catch {
        // Not the host's fault: whoever is revoked must not get a certificate because a disk is full.
        guard error.code == .validation else { throw error }
        console.message(
          .warning,
          "the list of revoked certificates of \(row.name) is not taken back: \(error.message)")
      }
    }
    return (isChanged, rows.filter { $0.answer == nil }.map(\.name))
  }

  /// Gives a list of revoked certificates to all agents and witnesses but those `without`.
  func send(
    _ list: SignedRevocations, to cluster: Cluster, without: [String] = [], isChanged: Bool
  ) -> CommandResult {
    let rows = Parallel.ask(
      .revoke(list),
      of: (cluster.members + cluster.connections.witnesses).filter { !without.contains($0.name) },
      milliseconds: Self.answerMilliseconds)
    tellFailures(rows)
    for row in rows {
      console.event(
        "revocations", node: row.name, ["number": row.answer?.number, "taken": row.answer != nil])
    }
    let failed = rows.filter { $0.answer == nil }.map(\.name)
    var result = CommandResult.asked(rows) { _ in .taken }
    result.isChanged = isChanged
    if failed.isEmpty {
      console.line("\(rows.count) agents and witnesses have the list")
    } else {
      let message =
        "\(failed.count) of \(rows.count) do not have the list and still take what is revoked: \(NodeNames.folded(failed)); an agent takes it from the others once it runs, and keyturn pki revoke sends it again"
      console.message(.error, message)
      result.message = message
    }
    return result
  }
}
