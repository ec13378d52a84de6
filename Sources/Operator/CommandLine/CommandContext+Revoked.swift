// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Threads

extension CommandContext {
  /// How long the nodes may take to tell what is revoked, milliseconds: each has the list at hand, and one that is silent
  /// is found by the command itself.
  private static let listMilliseconds = 2_000

  /// The cluster, with links that refuse whom the nodes' lists revoke. For commands that have nodes vote: who holds a
  /// stolen key of a node must neither vote nor get settings. Blocks while the nodes are asked for their lists.
  func clusterRefusingRevoked(
    _ options: ClusterOptions, named file: String? = nil
  ) throws(Refusal) -> Cluster {
    let cluster = try cluster(options, named: file)
    guard let revoked = revoked(in: cluster) else { return cluster }
    return try self.cluster(options, named: file, warns: false, revoked: revoked)
  }

  /// What any node's list revokes that is signed by a CA which this command trusts; nil for nobody.
  private func revoked(in cluster: Cluster) -> Revocations? {
    // Others have nodes vote on nothing, and are told so before a node is asked.
    guard cluster.connections.principal.role == .operator else { return nil }
    let rows = Parallel.ask(
      .revocations, of: cluster.members, milliseconds: Self.listMilliseconds)
    var seen: Set<SignedRevocations> = []
    var known: Revocations?
    for row in rows {
      guard let signed = row.answer?.list, seen.insert(signed).inserted else { continue }
      do throws(Refusal) {
        let list = try workshop.verify(
          signed, of: cluster.inventory.cluster, by: cluster.authorities)
        known = known?.merged(with: list) ?? list
      } catch {
        console.message(
          .warning,
          "whom the list of revoked certificates of \(row.name) names is not known here, and nobody is refused for it: \(error.message) — while the CA changes, have a certificate of the new one and its ca.pem issued (keyturn pki issue)"
        )
      }
    }
    return known.flatMap { $0.entries.isEmpty ? nil : $0 }
  }
}
