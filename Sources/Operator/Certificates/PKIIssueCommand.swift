// SPDX-License-Identifier: Apache-2.0
internal import Model

/// `keyturn pki issue`: issues certificates of the cluster's authority, one for a holder, or one for each host of the
/// inventory in a file to join with.
struct PKIIssueCommand: Command {
  struct Options: OptionGroup {
    @Option("role", takes: "ROLE", help: "what it entitles to", as: .word) var role: Role?
    @Option(
      "name", takes: "NAME",
      help: "a node's or Key Manager's name in the inventory, or a person's",
      as: .name)
    var name: String?
    @Option(
      "address", takes: "ADDRESS", isList: true,
      help: "host names and addresses; node and witness need one", as: .text)
    var addresses: [String]
    @Option("all", help: "a file to join with for each node and witness of the inventory")
    var isForAll: Bool
    @Option(
      "join", takes: "NAME", isList: true,
      help: "a file to join with for this node or witness of the inventory", as: .name)
    var joining: [String]
    @Option(
      "replace", takes: "NAME", isList: true,
      help: "the same for a host that takes the name of one before, whose certificates are revoked",
      as: .name)
    var replacing: [String]
    var cluster = ClusterOptions()
    @Option("pki", takes: "DIR", help: "where the authority is; ./pki if left out", as: .text)
    var authority: String?
    @Option(
      "out", takes: "DIR",
      help: "where to; a directory with the name beside the authority if left out", as: .text
    )
    var directory: String?
    var certificate = CertificateOptions()
    var revoking = RevokingOptions()

    var isToJoin: Bool { isForAll || !joining.isEmpty || !replacing.isEmpty }

    var problem: String? {
      if replacing.isEmpty, revoking.trustsClock || !revoking.known.without.isEmpty {
        return "--clock-is-right and --without are for --replace, which revokes"
      }
      if isToJoin {
        if [isForAll, !joining.isEmpty, !replacing.isEmpty].count(where: \.self) > 1 {
          return "--all, --join and --replace: give one of them"
        }
        if role != nil || name != nil || !addresses.isEmpty {
          return "--role, --name and --address are the inventory's with --all, --join and --replace"
        }
        if let days = certificate.days, days > OwnCertificate.joiningDays {
          return
            "--days \(days): a key that travels is good for \(OwnCertificate.joiningDays) days at the most"
        }
        return nil
      }
      guard let role, name != nil else {
        return "give --role and --name, or --all, or --join NAME, or --replace NAME"
      }
      guard addresses.isEmpty, role == .node || role == .witness else { return nil }
      return "a \(role.rawValue) needs --address, the names and addresses that it is reached at"
    }
  }

  static let rule = CommandRule(
    name: "pki issue",
    summary: "issue certificates of the cluster's authority",
    details: """
      Writes ca.pem, cert.pem and key.pem (mode 0600) into a directory of mode 0700. Cluster, role and name are
      in the certificate and are what the agents authorise by. ROLE is node, witness, operator or observer. An
      authority's key that others can read is refused. One with a passphrase has it asked for on the terminal.

      With --all or --join it writes one file for each host, NAME.join (mode 0600), beside the authority's. It holds the
      inventory, the CA, the list of revoked certificates, and a key with a certificate for a day; keyturn join takes it
      on that host. Copy it there and nowhere else. keyturn pki renew then replaces that key by one of the host's own.

      --replace is for a host that is installed again, or another one under its name: all certificates of that name until
      now are revoked first, the list is given to all other agents and witnesses, and the file takes the place of an
      earlier one. Exit 3: the file is written, and some do not have the list; keyturn pki revoke sends it again. What
      keyturn pki revoke says of a revocations.json that was lost, and of clocks, holds here too.

      A certificate is valid for 397 days for an agent, for 90 days for a person, for a day in a join file.
      """,
    examples: [
      ("keyturn pki issue --all", "for a new cluster: writes ./pki/NAME.join for each host"),
      ("keyturn pki issue --join minio-5", "for a host that is added"),
      ("keyturn pki issue --replace minio-4", "for a host that was lost, or is installed again"),
      ("keyturn pki issue --role operator --name alice", "for a person: writes ./pki/alice/"),
      (
        "keyturn pki issue --role node --name minio-1 --address minio-1.example.net 10.0.0.1",
        "for an agent, by hand: writes ./pki/minio-1/"
      ),
    ],
    exitCodes: [.done, .failed, .unknown, .unreachable, .validationRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  private var authority: String { options.authority ?? CertificateOptions.directory }

  func run() throws(Refusal) -> CommandResult {
    if options.isToJoin { return try issueToJoin() }
    guard let role = options.role, let name = options.name else {
      preconditionFailure("the options are checked")
    }
    let directory = options.directory ?? "\(authority)/\(name)"
    let issuer = try context.authority(
      authority, passphraseFile: options.certificate.passphraseFile)
    let principal = try issuer.issue(
      role: role, name: name, addresses: options.addresses,
      days: options.certificate.days, directory: directory)
    context.console.event("certificate", ["principal": principal.uri, "out": directory])
    context.console.line("\(principal.uri) is in \(directory)/ (ca.pem, cert.pem, key.pem)")
    return CommandResult(.done, isChanged: true)
  }

  private func issueToJoin() throws(Refusal) -> CommandResult {
    // Who cannot reach the others revokes nothing.
    let cluster = options.replacing.isEmpty ? nil : try context.cluster(options.cluster)
    let inventory: Inventory
    if let cluster {
      inventory = cluster.inventory
    } else {
      inventory = try context.inventory(options.cluster.inventory)
    }
    let hosts = try hosts(of: inventory)
    let issuer = try context.authority(
      authority, passphraseFile: options.certificate.passphraseFile, of: inventory)
    let files = JoinFiles(
      context: context, inventory: inventory, hosts: hosts,
      directory: options.directory ?? authority)
    if cluster == nil { try files.requireAbsent() }
    if let cluster {
      _ = try context.takeBackRevocations(
        from: cluster, issuer, options.revoking.known, replacing: hosts.map(\.name))
    }
    // First: what is issued afterwards counts, and each file has the list.
    let list =
      cluster == nil
      ? nil
      : try issuer.revoke(
        hosts.map { (role: $0.role, name: $0.name) }, trustsClock: options.revoking.trustsClock)
    try files.write(issuer, days: options.certificate.days, replaces: cluster != nil)
    if let cluster, let list {
      return context.send(
        list, to: cluster, without: hosts.map(\.name), isChanged: !hosts.isEmpty)
    }
    for name in options.joining {
      context.console.message(
        .note,
        "certificates that \(name) was given before stay valid: where another host takes that name, or a key was stolen, keyturn pki issue --replace \(name) revokes them"
      )
    }
    return CommandResult(.done, isChanged: !hosts.isEmpty)
  }

  /// The hosts that get a file.
  private func hosts(of inventory: Inventory) throws(Refusal) -> [JoinFiles.Host] {
    let all = JoinFiles.hosts(of: inventory)
    if options.isForAll { return all }
    let names = options.joining + options.replacing
    for name in names where !all.contains(where: { $0.name == name }) {
      throw Refusal(
        .validation,
        "the inventory has no node and no witness \(name), only \(NodeNames.folded(all.map(\.name))): add it there first"
      )
    }
    return all.filter { names.contains($0.name) }
  }
}
