// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Secrets
internal import Threads

// The three steps.

extension PKIRotateCommand {
  // MARK: trust in both

  func begin(_ former: AuthorityCertificate) throws(Refusal) -> CommandResult {
    let known = try context.workshop.authorityCertificate(in: nextDirectory)
    if let known { try check(known, former) }
    let cluster = try cluster(revoked: nil)
    // By what is there already: before anything is made it must be the right CA.
    let before = look(cluster, CAChange(former: former, next: known ?? former))
    if before.answers.isEmpty {
      _ = tellSilent(before)
      throw Refusal(
        before.silent.first?.refusal.code ?? .unreachable,
        "no agent says which CAs it trusts; nothing was made and nothing was changed")
    }
    guard before.answers.contains(where: { $0.answer.trusted.contains(former.key) }) else {
      throw Refusal(
        .validation,
        "no agent trusts the CA in \(directory): the change is finished, or it is another cluster's; name the CA in use with --pki; nothing was changed"
      )
    }
    try requireNoOther(before, former, known)
    let passphrase = try context.passphrase(
      ofAuthority: directory, in: options.certificate.passphraseFile)
    let signer = try context.workshop.authority(in: directory, passphrase: passphrase)
    let issuer = try nextIssuer(passphrase, of: former.cluster, isThere: known != nil)
    let change = CAChange(former: former, next: issuer.certificate)
    // From now on whoever gets a certificate trusts both.
    for authority in [signer, issuer] { try authority.giveTrust(in: change.both) }
    try trust(change.both)

    let look = look(cluster, change)
    if let obstacle = look.obstacle(to: change.both) { throw obstacle }
    let after = try give(change.both, signer, look, cluster)
    let silent = tellSilent(after)
    let missing = silent + after.trustingOthers(than: change.both).map(\.name)
    guard missing.isEmpty else {
      return result(
        after, .unknown, isChanged: true,
        "\(missing.count) of \(after.rows.count) do not trust both CAs: \(NodeNames.folded(missing)); run it again once they answer"
      )
    }
    let isMoved = try moveOwn(issuer, change)
    let unlisted = try sendRevocations(issuer, to: try self.cluster(revokedBy: issuer))
    let revoked = try issuer.revoked()
    let now = self.look(try self.cluster(revoked: revoked), change, revoked)
    if let ended = unfinished(now, unlisted) { return ended }
    return toldOfPeople(
      now,
      isChanged: known == nil || isMoved || !look.trustingOthers(than: change.both).isEmpty)
  }

  /// Before anything is made or written: no other change of the CA is under way, which this one would break.
  private func requireNoOther(
    _ look: CAChangeLook, _ former: AuthorityCertificate, _ known: AuthorityCertificate?
  ) throws(Refusal) {
    let change = [former, known].compactMap(\.self)
    let others = look.trustingMore(than: change)
    if known == nil, !others.isEmpty {
      throw Refusal(
        .validation,
        "\(NodeNames.folded(others)): trusts a CA that is not in \(directory), and there is no \(nextDirectory): a change of the CA is under way; name the new one's directory with --new, and the other's with --pki; nothing was made and nothing was changed"
      )
    }
    if let obstacle = look.obstacle(to: change) ?? look.wrongNumbers(without: []) {
      throw obstacle
    }
    let own = try context.workshop.describe(ownCertificate()).principal
    // This command itself may have had one of that CA until a moment ago.
    let people = look.people(context.now, ofOthersThan: change, without: []).filter {
      $0.isLast || $0.role != own?.role || $0.name != own?.name
    }
    if !people.isEmpty {
      throw Refusal(
        .validation,
        "\(people.map(\.text).joined(separator: ", ")): seen with a certificate of a CA that would be trusted no more: give them another one first, or see that who says so is to be believed\(Self.waiting(people)); nothing was made and nothing was changed"
      )
    }
    let certificate = try ownCertificate()
    for authority in change where try context.workshop.isIssued(certificate, by: authority) {
      return
    }
    throw Refusal(
      .validation,
      "\(ownPath) is of neither CA, and would be refused: use one of the CA in \(directory) first (keyturn pki issue --role operator); nothing was made and nothing was changed"
    )
  }

  /// The new CA, ready to sign; made if it is not there.
  private func nextIssuer(
    _ passphrase: Secret?, of cluster: String, isThere: Bool
  ) throws(Refusal) -> any CertificateIssuer {
    if !isThere {
      try context.workshop.makeAuthority(
        cluster: cluster, directory: nextDirectory, days: nil, passphrase: passphrase)
      context.console.event("authority", ["cluster": cluster, "out": nextDirectory])
      context.console.line("the new CA of \(cluster) is in \(nextDirectory)")
    }
    let needsOne = try context.workshop.needsPassphrase(authority: nextDirectory)
    if needsOne, passphrase == nil {
      return try context.authority(nextDirectory, passphraseFile: nil)
    }
    return try context.workshop.authority(
      in: nextDirectory, passphrase: needsOne ? passphrase : nil)
  }

  /// What this command's own connections trust.
  private func trust(_ authorities: [AuthorityCertificate]) throws(Refusal) {
    let bytes = Array(authorities.map(\.pem).joined().utf8)
    let now = try context.host.read(trustPath, limitBytes: Limits.recordFileBytes)
    if now?.bytes == bytes { return }
    try context.workshop.replace(trustPath, bytes)
    context.console.line(
      "\(trustPath): trusts \(authorities.count == 2 ? "both CAs" : "the new CA")")
  }

  /// Gives a list of CAs to all that answer and trust other ones, and looks what came of it.
  private func give(
    _ target: [AuthorityCertificate], _ signer: any CertificateIssuer, _ look: CAChangeLook,
    _ cluster: Cluster
  ) throws(Refusal) -> CAChangeLook {
    let holders = look.trustingOthers(than: target)
    if holders.isEmpty { return look }
    let list = try signer.sign(
      Authorities(
        cluster: signer.cluster, number: look.number(of: target, without: options.without),
        certificates: target.map(\.pem)))
    let failures = Parallel.map(holders, atOnce: Limits.renewalsAtOnce) { holder -> Refusal? in
      do throws(Refusal) {
        _ = try holder.ask(.trust(list))
        return nil
      } catch { return error }
    }
    context.console.errors(
      zip(holders, failures).map { (name: $0.name, message: $1?.message) })
    return self.look(cluster, look.change)
  }

  /// The certificate that this command uses, for the same key: one file, which is replaced in one step. All hosts trust
  /// both CAs, so it is taken everywhere.
  private func moveOwn(_ issuer: any CertificateIssuer, _ change: CAChange) throws(Refusal) -> Bool
  {
    let own = try ownCertificate()
    if try context.workshop.isIssued(own, by: change.next) { return false }
    let principal = try context.cluster(options.cluster, warns: false).connections.principal
    let certificate = try issuer.reissue(own, of: principal, days: nil, former: change.former)
    try context.workshop.replace(ownPath, Array(certificate.utf8))
    context.console.line("\(ownPath): \(principal.uri) has a certificate of the new CA")
    return true
  }

  private func ownCertificate() throws(Refusal) -> [UInt8] {
    guard let own = try context.host.read(ownPath, limitBytes: Limits.certificateFileChainBytes)
    else { throw Refusal(.configuration, "there is no \(ownPath)") }
    return own.bytes
  }

  private func toldOfPeople(_ look: CAChangeLook, isChanged: Bool) -> CommandResult {
    let people = othersUsingFormer(look)
    for person in people where person.isLast {
      context.console.message(
        .warning,
        "\(person.text) uses a certificate of the old CA, and trusts that alone: keyturn pki issue --pki \(nextDirectory) --role \(person.role.rawValue) --name \(person.name) --out DIR makes another one; put its three files in place of the old"
      )
    }
    let silent = tellSilent(look)
    guard silent.isEmpty else {
      return result(
        look, .unknown, isChanged: isChanged,
        "\(NodeNames.folded(silent)) did not answer again: run it again")
    }
    if !look.showingFormer.isEmpty {
      context.console.message(
        .note,
        "next: \(people.isEmpty ? "other certificates for all people and programs that were not seen, then " : "that, then ")keyturn pki rotate-ca --issue"
      )
      return result(
        look, .done, isChanged: isChanged,
        "all \(look.rows.count) agents and witnesses trust both CAs")
    }
    context.console.message(.note, "next: keyturn pki rotate-ca --finish")
    return result(
      look, .done, isChanged: isChanged,
      "all \(look.rows.count) agents and witnesses show certificates of the new CA")
  }

  /// People besides this command, and other programs that use its certificate; not those who were revoked.
  private func othersUsingFormer(_ look: CAChangeLook) -> [CAChangeLook.Person] {
    let people = look.people(context.now, without: options.without).filter { !look.isRevoked($0) }
    guard let own = try? ownCertificate(), let facts = try? context.workshop.describe(own) else {
      return people
    }
    let switched =
      facts.validFromMicroseconds / 1_000_000 + Revocations.beginsBeforeIssue + Self.clockSeconds
    let principal = facts.principal
    return people.filter { person in
      person.role != principal?.role || person.name != principal?.name || person.at > switched
    }
  }

  /// By how much clocks may differ, and until when this command may have used its former certificate.
  private static let clockSeconds: Int64 = 10

  private func refuseWhilePeople(_ look: CAChangeLook, _ then: String) throws(Refusal) {
    let people = othersUsingFormer(look).filter { !options.without.contains($0.name) }
    if people.isEmpty { return }
    let others =
      people.contains(where: \.isLast)
      ? "; give each another one (keyturn pki issue --pki \(nextDirectory)), or give them up with --without, or the host that says so, if it is not to be believed"
      : ""
    throw Refusal(
      .validation,
      "certificates of the old CA are in use, and \(then): \(people.map(\.text).joined(separator: ", "))\(others)\(Self.waiting(people)); no host was changed"
    )
  }

  /// What there is to do about those who have another certificate already.
  private static func waiting(_ people: [CAChangeLook.Person]) -> String {
    let names = people.filter { !$0.isLast }.map(\.name)
    if names.isEmpty { return "" }
    return
      "; \(names.joined(separator: ", ")): has shown another one since: run it again two minutes after that time, when no other program can be seen with the old one"
  }

  private func requireOwn(_ change: CAChange) throws(Refusal) {
    if try context.workshop.isIssued(ownCertificate(), by: change.next) { return }
    throw Refusal(
      .validation,
      "\(ownPath) is not of the new CA: keyturn pki rotate-ca puts another one there; no host was changed"
    )
  }

  // MARK: certificates

  func issue(_ change: CAChange) throws(Refusal) -> CommandResult {
    let issuer = try context.authority(
      nextDirectory, passphraseFile: options.certificate.passphraseFile)
    // Whoever answers with a stolen key must not get a new certificate for it.
    let cluster = try cluster(revokedBy: issuer)
    let look = look(cluster, change, try issuer.revoked())
    try requireAll(look)
    try requireOwn(change)
    let late = look.withoutNext.filter { !options.without.contains($0) }
    if !late.isEmpty {
      throw Refusal(
        .validation,
        "\(NodeNames.folded(late)) does not trust the new CA, and would refuse its certificates: keyturn pki rotate-ca first; no host was changed"
      )
    }
    if !look.showingFormer.isEmpty {
      try refuseWhilePeople(look, "may trust that one alone")
    }
    let days = options.certificate.days
    let holders = look.showingFormer
    let failures = Parallel.map(holders, atOnce: Limits.renewalsAtOnce) { holder -> Refusal? in
      do throws(Refusal) {
        let certificate = try issuer.renew(
          holder.request(), of: holder.principal, days: days, former: change.former)
        _ = try holder.install(certificate)
        return nil
      } catch { return error }
    }
    context.console.errors(zip(holders, failures).map { (name: $0.name, message: $1?.message) })
    let unlisted = try sendRevocations(issuer, to: cluster)
    let after = self.look(cluster, change)
    let missing = Set(
      tellSilent(after) + after.showingFormer.map(\.name) + after.withFormerList + unlisted
    ).subtracting(options.without).sorted()
    guard missing.isEmpty else {
      return result(
        after, .unknown, isChanged: true,
        "\(missing.count) of \(after.rows.count) do not have everything of the new CA: \(NodeNames.folded(missing)); run it again"
      )
    }
    context.console.message(.note, "next: keyturn pki rotate-ca --finish")
    return result(
      after, .done, isChanged: !holders.isEmpty,
      "all \(after.answers.count) agents and witnesses show certificates of the new CA")
  }

  // MARK: the old one out

  func finish(_ change: CAChange) throws(Refusal) -> CommandResult {
    let issuer = try context.authority(
      nextDirectory, passphraseFile: options.certificate.passphraseFile)
    let cluster = try cluster(revokedBy: issuer)
    let look = look(cluster, change, try issuer.revoked())
    try requireAll(look)
    try requireOwn(change)
    let late = Set(look.withoutNext + look.showingFormer.map(\.name))
      .subtracting(options.without).sorted()
    if !late.isEmpty {
      throw Refusal(
        .validation,
        "\(NodeNames.folded(late)) still depends on the old CA (its certificate or its trust): keyturn pki rotate-ca --issue first; no host was changed"
      )
    }
    try refuseWhilePeople(look, "would be refused")
    // What was revoked since with the old one's directory, which is not used after this: also where hosts have the list
    // that the old CA signed. Nobody who lacks it may be left behind.
    let unlisted = try sendRevocations(issuer, to: cluster)
    if let ended = unfinished(look, unlisted) { return ended }
    let after = try give([change.next], issuer, look, cluster)
    let missing =
      tellSilent(after)
      + after.trustingOthers(than: [change.next]).map(\.name).filter {
        !options.without.contains($0)
      }
    guard missing.isEmpty else {
      return result(
        after, .unknown, isChanged: true,
        "\(missing.count) of \(after.rows.count) still trust the old CA: \(NodeNames.folded(missing)); run it again"
      )
    }
    try issuer.giveTrust(in: [change.next])
    try trust([change.next])
    context.console.message(
      .note,
      "the CA of \(change.next.cluster) is in \(nextDirectory) from now on: put it in the place of \(directory), keep a copy of its ca-key.pem, and destroy that of the old"
    )
    return result(
      after, .done, isChanged: true,
      "the old CA is trusted no more by \(after.answers.count) agents and witnesses")
  }
}

extension CommandContext {
  /// Seconds since 1970-01-01 UTC.
  var now: Int64 { Clock.realtimeMicroseconds() / 1_000_000 }
}
