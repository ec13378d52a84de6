// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// `keyturn pki revoke`: the certificates of a holder count no more, from now on.
struct PKIRevokeCommand: Command {
  struct Options: OptionGroup {
    @Option(operands: "NAME", as: .name) var names: [String]
    @Option(
      "role", takes: "ROLE", help: "whose certificates of that name, node for example", as: .word)
    var role: Role?
    @Option("pki", takes: "DIR", help: "where the authority is; ./pki if left out", as: .text)
    var authority: String?
    @Option(
      "passphrase-file", takes: "FILE",
      help: "the passphrase of the authority's key, from a file (0600); - is standard input",
      as: .text)
    var passphraseFile: String?
    @Option("yes", short: "y", help: "do not ask; needed where there is no terminal")
    var isUnasked: Bool
    var revoking = RevokingOptions()
    var cluster = ClusterOptions()

    var problem: String? {
      names.isEmpty == (role == nil)
        ? nil : "give NAME and --role together, or neither to send the list again"
    }
  }

  static let rule = CommandRule(
    name: "pki revoke",
    summary: "revoke all certificates of a holder that were issued until now",
    details: """
      For a certificate whose key was lost or stolen, and for people who leave. Adds NAME to the list of revoked
      certificates beside the authority's key (revocations.json), signs the list, and gives it to every agent and
      witness: they refuse the holder within a second, on open connections too, and after their next start. Certificates
      that are issued afterwards count. A node that is revoked needs another file to join with, and pki renew refuses it
      until then. What is revoked stays so, therefore it asks first. A rollout that has begun goes on. A name that is in
      no inventory and was not retired, that has no certificate in a directory of its name beside the authority, and that
      no agent has seen since its start, is warned of.

      The hosts' lists are asked for first: where revocations.json was lost, or is an older copy, it takes back what they
      have. Where it was lost all must answer, or be named with --without.

      An entry of the list that is up to a minute ahead of this machine's clock is waited for. One that is further ahead
      is refused: one of the two clocks was wrong. --clock-is-right goes on.

      Without a NAME the list is sent again, for hosts that did not answer: until then status and check name the nodes
      whose list is older.
      """,
    examples: [
      ("keyturn pki revoke --role operator alice", "her laptop is lost"),
      ("keyturn pki revoke", "send the list to hosts that were away"),
    ],
    exitCodes: [.done, .failed, .unknown, .unreachable, .validationRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let cluster = try context.cluster(options.cluster)
    let own = cluster.connections.principal
    let directory = options.authority ?? CertificateOptions.directory
    if let role = options.role, own.role == role, options.names.contains(own.name) {
      throw Refusal(
        .validation,
        "this command's own certificate is \(own.uri), and the agents would refuse it midway: revoke it with the credentials of another operator, or make one first: keyturn pki issue --pki \(directory) --role operator --name \(Self.rescue(own.name)), then run this again with --credentials \(directory)/\(Self.rescue(own.name)); nothing was revoked"
      )
    }
    tellStrangers(cluster, directory)
    if let role = options.role, !options.isUnasked,
      let result = context.confirm(
        "This revokes every certificate of \(role.rawValue) \(options.names.joined(separator: ", ")) that was issued until now, for good.",
        typing: cluster.inventory.cluster, nothing: "nothing was revoked")
    {
      return result
    }
    let issuer = try context.authority(
      directory, passphraseFile: options.passphraseFile, of: cluster.inventory)
    _ = try context.takeBackRevocations(
      from: cluster, issuer, options.revoking.known, doubting: options.names)
    let holders = options.role.map { role in options.names.map { (role: role, name: $0) } } ?? []
    guard
      let list = holders.isEmpty
        ? try issuer.revocations()
        : try issuer.revoke(holders, trustsClock: options.revoking.trustsClock)
    else {
      context.console.line(
        "nobody is on \(directory)/revocations.json, and no agent that answers has a list: as far as is known here no certificate was ever revoked"
      )
      return CommandResult(.done)
    }
    for holder in holders {
      context.console.line(
        "\(Principal(cluster: issuer.cluster, role: holder.role, name: holder.name).uri): added to the list, for every certificate that was issued until now"
      )
    }
    return context.send(list, to: cluster, isChanged: !holders.isEmpty)
  }

  /// A name for the certificate that one's own is revoked with.
  private static func rescue(_ own: String) -> String { own == "rescue" ? "rescue-2" : "rescue" }

  /// A name may be mistyped. Blocks while the agents are asked for a person, or for a node that may have left.
  private func tellStrangers(_ cluster: Cluster, _ directory: String) {
    guard let role = options.role else { return }
    let isPerson = role != .node && role != .witness
    let unknown = options.names.filter { name in
      switch role {
      case .node: cluster.inventory.node(named: name) == nil
      case .witness: cluster.inventory.keyManager(named: name) == nil
      default: !isIssued(role, name, in: directory)
      }
    }
    let seen = isPerson && !unknown.isEmpty ? people(cluster) : []
    let left = role == .node && !unknown.isEmpty ? retired(cluster) : []
    for name in unknown
    where !left.contains(name) && !seen.contains(where: { $0.role == role && $0.name == name }) {
      let missing =
        isPerson
        ? "no certificate of \(role.rawValue) \(name) is known: there is none in \(directory)/\(name), and no agent that answers has seen one since its start"
        : role == .node
          ? "the inventory has no node \(name), only \(NodeNames.folded(cluster.names)), and none of that name is known to have been retired"
          : "the inventory has no witness \(name)"
      context.console.message(.warning, "\(missing): see that the name is right")
    }
  }

  /// Nodes that have left the cluster, as the others have agreed.
  private func retired(_ cluster: Cluster) -> [String] {
    cluster.inventory.outsideNodes
      + context.ask(cluster, .inventory).flatMap { $0.answer?.agreed.retired ?? [] }
  }

  private func isIssued(_ role: Role, _ name: String, in directory: String) -> Bool {
    let path = "\(directory)/\(name)/cert.pem"
    guard
      let content = try? context.host.read(path, limitBytes: Limits.certificateFileChainBytes),
      let principal = try? context.workshop.describe(content.bytes).principal
    else { return false }
    return principal.role == role && principal.name == name
  }

  private func people(_ cluster: Cluster) -> [AuthoritiesAnswer.Person] {
    Parallel.ask(
      .authorities, of: cluster.members + cluster.connections.witnesses,
      milliseconds: CommandContext.answerMilliseconds
    ).flatMap { $0.answer?.people ?? [] }
  }
}
