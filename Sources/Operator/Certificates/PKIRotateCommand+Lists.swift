// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Threads

// The list of revoked certificates during a change of the CA.

extension PKIRotateCommand {
  /// All agents and witnesses, with links that refuse whom the new CA's list revokes: with what was revoked since with
  /// the old one's directory, and what the hosts know and both have lost.
  func cluster(revokedBy issuer: any CertificateIssuer) throws(Refusal) -> Cluster {
    try adoptRevocations(issuer)
    let cluster = try cluster(revoked: issuer.revoked())
    guard try context.takeBackRevocations(from: cluster, issuer, without: options.without) else {
      return cluster
    }
    return try self.cluster(revoked: issuer.revoked())
  }

  private func adoptRevocations(_ issuer: any CertificateIssuer) throws(Refusal) {
    guard let list = try issuer.adoptRevocations(of: directory) else { return }
    context.console.message(
      .note,
      "\(nextDirectory)/revocations.json has taken over what \(directory)/revocations.json revokes: number \(list.number), \(list.entries.count) \(list.entries.count == 1 ? "holder" : "holders")"
    )
  }

  /// Gives all hosts the list of revoked certificates as the new CA signs it: an agent that is started once the old one
  /// is out uses no other. Who did not take it, and is not given up.
  func sendRevocations(
    _ issuer: any CertificateIssuer, to cluster: Cluster
  ) throws(Refusal) -> [String] {
    try adoptRevocations(issuer)
    guard let list = try issuer.revocations() else { return [] }
    let rows = Parallel.ask(
      .revoke(list), of: cluster.members + cluster.connections.witnesses,
      milliseconds: CommandContext.answerMilliseconds
    ).filter { !options.without.contains($0.name) }
    context.tellFailures(rows)
    return rows.filter { $0.answer == nil }.map(\.name)
  }

  /// The end of a step that some did not get the list in; nil if all have it.
  func unfinished(_ look: CAChangeLook, _ unlisted: [String]) -> CommandResult? {
    if unlisted.isEmpty { return nil }
    return result(
      look, .unknown, isChanged: true,
      "\(unlisted.count) of \(look.rows.count) did not take the list of revoked certificates: \(NodeNames.folded(unlisted)); run it again"
    )
  }
}
