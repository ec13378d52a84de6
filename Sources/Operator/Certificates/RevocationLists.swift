// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Threads

// The list of revoked certificates between the authority's directory and the hosts.

/// Of the commands that sign by that list.
struct RevocationOptions: OptionGroup {
  @Option(
    "without", takes: "NAME", isList: true,
    help: "where revocations.json was lost: do not wait for what this host knows of it", as: .name)
  var without: [String]
}

/// Of the commands that add to that list.
struct RevokingOptions: OptionGroup {
  @Option(
    "clock-is-right",
    help: "an entry of the list is ahead of this machine's clock, which is the right one")
  var trustsClock: Bool
  var known = RevocationOptions()
}

extension CommandContext {
  /// The cluster, with links that refuse whom the authority's list revokes: as the hosts know it, where that list was
  /// lost or is older.
  func cluster(
    _ options: ClusterOptions, revokedBy issuer: any CertificateIssuer,
    _ known: RevocationOptions
  ) throws(Refusal) -> Cluster {
    let cluster = try cluster(options, revoked: issuer.revoked())
    guard try takeBackRevocations(from: cluster, issuer, known) else { return cluster }
    return try self.cluster(options, warns: false, revoked: issuer.revoked())
  }

  /// Before anything is signed: that this is the CA that the hosts trust.
  ///
  /// - Parameters:
  ///   - replacing: hosts that are not waited for.
  ///   - doubting: those that are to be revoked, whose word does not count.
  func takeBackRevocations(
    from cluster: Cluster, _ issuer: any CertificateIssuer, _ known: RevocationOptions,
    replacing: [String] = [], doubting: [String] = []
  ) throws(Refusal) -> Bool {
    try requireTrust(in: issuer, cluster, without: replacing + doubting + known.without)
    let names = cluster.certificateHolders.map(\.name)
    if let stranger = known.without.first(where: { !names.contains($0) }) {
      throw Refusal(
        .validation,
        "--without \(stranger): the inventory has no node and no witness of that name, only \(NodeNames.folded(names)); nothing was done"
      )
    }
    return try takeBackRevocations(from: cluster, issuer, without: known.without + replacing)
  }

  /// After a change of the CA the old one's directory signs what nobody takes. Refused only where somebody answers, and
  /// nobody who does trusts it: beside an honest host one that lies holds up nothing, and `--without` leaves it out.
  private func requireTrust(
    in issuer: any CertificateIssuer, _ cluster: Cluster, without: [String]
  ) throws(Refusal) {
    let answers = Parallel.ask(
      .authorities,
      of: (cluster.members + cluster.connections.witnesses).filter { !without.contains($0.name) },
      milliseconds: Self.answerMilliseconds
    ).compactMap(\.answer)
    let key = issuer.certificate.key
    if answers.isEmpty || answers.contains(where: { $0.trusted.contains(key) }) { return }
    throw Refusal(
      .validation,
      "no agent that answers trusts the CA of --pki (./pki if left out): a change of the CA is finished, and the new one's directory is to take its place (mv pki pki-old && mv pki-new pki), or it is another cluster's; name the CA in use with --pki; nothing was signed"
    )
  }

  /// Takes back what the hosts' lists have and the authority's lacks, so that no list goes out that they refuse, or that
  /// has forgotten somebody. Whether it lacked anything. Where there is no list all hosts must answer, as each may be
  /// the one that knows whom it revoked: nothing is signed, and nothing taken back, until they do.
  ///
  /// - Parameter without: those that are not waited for.
  func takeBackRevocations(
    from cluster: Cluster, _ issuer: any CertificateIssuer, without: [String]
  ) throws(Refusal) -> Bool {
    let rows = Parallel.ask(
      .revocations, of: cluster.members + cluster.connections.witnesses,
      milliseconds: Self.answerMilliseconds)
    let wasLost = try issuer.revoked() == nil
    let silent = rows.filter { $0.answer == nil && !without.contains($0.name) }
    if wasLost, !silent.isEmpty {
      tellFailures(silent)
      let names = silent.map(\.name)
      throw Refusal(
        .unreachable,
        "there is no revocations.json beside the authority's key, and whether there is a list on \(NodeNames.folded(names)) is not known: put the copy of it there, run this again once they answer (an agent older than this command cannot), or do without what they know with --without \(names.joined(separator: " ")); nothing was signed"
      )
    }
    var seen: [SignedRevocations] = []
    var isChanged = false
    var isKnown = rows.allSatisfy { $0.answer != nil }
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
        isKnown = false
        console.message(
          .warning,
          "the list of revoked certificates of \(row.name) is not taken back: \(error.message)")
      }
    }
    // From now on "none" and "lost" are told apart.
    if wasLost, isKnown { try issuer.noteNothingRevoked() }
    return isChanged
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
        "\(failed.count) of \(rows.count) do not have the list and still take what is revoked: \(NodeNames.folded(failed)); once they run they take it from nodes that have it, and keyturn pki revoke sends it again"
      console.message(.error, message)
      result.message = message
    }
    return result
  }
}
