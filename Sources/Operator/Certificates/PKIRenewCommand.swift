// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Threads

/// `keyturn pki renew`: every agent and witness gets another certificate, for a new key of its own.
struct PKIRenewCommand: Command {
  struct Options: OptionGroup {
    @Option(operands: "NAME", as: .name) var names: [String]
    @Option("due", help: "only those in the last third of their life") var isDueOnly: Bool
    @Option("pki", takes: "DIR", help: "where the authority is; ./pki if left out", as: .text)
    var authority: String?
    var certificate = CertificateOptions()
    var known = RevocationOptions()
    var cluster = ClusterOptions()
  }

  static let rule = CommandRule(
    name: "pki renew",
    summary: "renew the certificates of agents and witnesses, over their links, without a restart",
    details: """
      For all nodes and witnesses of the inventory, or those that are named. Each makes a new key, which never leaves
      its host, and asks for a certificate of it. This command signs, with the authority's key, and the agent uses the
      new certificate from then on: no file is copied and no agent is restarted. The certificate before stays valid until
      its end. Run it again for those that did not answer.

      Who is on the list of revoked certificates gets none. Where revocations.json beside the authority's key was lost it
      takes back what the hosts have; all must answer then, or be named with --without.

      A certificate that has expired cannot be renewed, as its agent answers nobody: issue another one with pki issue.
      """,
    examples: [
      ("keyturn pki renew", "all, for 397 days"),
      ("keyturn pki renew --due", "what a timer would run"),
      ("keyturn pki renew minio-5", "one, for example after it has joined"),
    ],
    exitCodes: [.done, .failed, .unknown, .unreachable, .validationRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  private enum Outcome: Sendable {
    case renewed(until: Int64)
    case notDue(until: Int64)
    case failed(Refusal)
  }

  func run() throws(Refusal) -> CommandResult {
    let inventory = try Cluster.readInventory(options.cluster.inventory, context.host).0
    let issuer = try context.authority(
      options.authority ?? CertificateOptions.directory,
      passphraseFile: options.certificate.passphraseFile, of: inventory)
    // Whoever answers with a stolen key must not get a new certificate for it.
    let cluster = try context.cluster(options.cluster, revokedBy: issuer, options.known)
    let holders = try holders(of: cluster)
    let (days, isDueOnly) = (options.certificate.days, options.isDueOnly)
    let workshop = context.workshop
    let outcomes = Parallel.map(holders, atOnce: Limits.renewalsAtOnce) { holder -> Outcome in
      do throws(Refusal) {
        return try Self.renew(holder, issuer, days: days, isDueOnly: isDueOnly, workshop)
      } catch { return .failed(error) }
    }
    return tell(Array(zip(holders, outcomes)))
  }

  private func holders(of cluster: Cluster) throws(Refusal) -> [CertificateHolder] {
    let all = cluster.certificateHolders
    if options.names.isEmpty { return all }
    let unknown = options.names.filter { name in !all.contains { $0.principal.name == name } }
    guard unknown.isEmpty else {
      throw Refusal(
        .validation,
        "the inventory has no node and no witness \(unknown.joined(separator: ", ")), only \(NodeNames.folded(all.map(\.principal.name)))"
      )
    }
    return all.filter { options.names.contains($0.principal.name) }
  }

  private static func renew(
    _ holder: CertificateHolder, _ issuer: any CertificateIssuer, days: Int?, isDueOnly: Bool,
    _ workshop: any CertificateWorkshop
  ) throws(Refusal) -> Outcome {
    let request = try holder.request()
    if isDueOnly {
      let own = try workshop.describe(Array(request.certificate.utf8))
      let certificate = OwnCertificate(
        principal: holder.principal, validFrom: own.validFromMicroseconds / 1_000_000,
        validUntil: own.validUntilMicroseconds / 1_000_000)
      if !certificate.isDue(at: Clock.realtimeMicroseconds() / 1_000_000) {
        return .notDue(until: certificate.validUntil)
      }
    }
    let certificate = try issuer.renew(request, of: holder.principal, days: days, former: nil)
    return .renewed(until: try holder.install(certificate).validUntil)
  }

  private func tell(_ rows: [(holder: CertificateHolder, outcome: Outcome)]) -> CommandResult {
    var nodes: [NodeResult] = []
    for (holder, outcome) in rows {
      let name = holder.principal.name
      switch outcome {
      case .renewed(let until):
        context.console.line("\(name): renewed, valid until \(CalendarTime.text(seconds: until))")
        nodes.append(NodeResult(name: name, outcome: .renewed))
      case .notDue(let until):
        context.console.line("\(name): not due, valid until \(CalendarTime.text(seconds: until))")
        nodes.append(NodeResult(name: name, outcome: .unchanged))
      case .failed(let refusal):
        nodes.append(NodeResult(name: name, outcome: .unknown, reason: refusal.message))
      }
      context.console.event(
        "certificate", ["principal": holder.principal.uri, "outcome": Self.word(outcome)])
    }
    let failures = rows.compactMap { row -> (name: String, refusal: Refusal)? in
      guard case .failed(let refusal) = row.outcome else { return nil }
      return (row.holder.principal.name, refusal)
    }
    context.console.errors(failures.map { (name: $0.name, message: $0.refusal.message) })
    let isChanged = rows.contains { if case .renewed = $0.outcome { true } else { false } }
    if failures.isEmpty { return CommandResult(.done, nodes: nodes, isChanged: isChanged) }
    let codes = Set(failures.map(\.refusal.code))
    let isSilence = codes.contains(.unreachable)
    var result = CommandResult(
      codes.contains(.notPermitted) ? .notPermitted : isSilence ? .unknown : .failed,
      nodes: nodes, isChanged: isChanged)
    let message =
      "\(failures.count) of \(rows.count) certificates were not renewed: \(NodeNames.folded(failures.map(\.name)))"
      + (isSilence
        ? "; run it again once they answer (one whose certificate has expired or was revoked never does: docs/use/runbooks.md, \"Certificates\")"
        : "")
    context.console.message(.error, message)
    result.message = message
    return result
  }

  private static func word(_ outcome: Outcome) -> String {
    switch outcome {
    case .renewed: "renewed"
    case .notDue: "notDue"
    case .failed: "failed"
    }
  }
}
