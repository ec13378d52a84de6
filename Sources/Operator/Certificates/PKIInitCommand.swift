// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Secrets
internal import Threads

/// What the commands that use the authority's key have in common.
struct CertificateOptions: OptionGroup {
  /// Where the authority is by default.
  static let directory = "./pki"

  @Option(
    "passphrase-file", takes: "FILE",
    help: "the passphrase of the authority's key, from a file (0600); - is standard input",
    as: .text)
  var passphraseFile: String?
  @Option(
    "days", takes: "DAYS", help: "how long it is valid", as: .number(of: "days", in: 1...36_500))
  var days: Int?
}

/// `keyturn pki init`: makes the authority of a cluster.
struct PKIInitCommand: Command {
  struct Options: OptionGroup {
    @Option("cluster", takes: "NAME", help: "the cluster's name, as in the inventory", as: .name)
    var cluster: String
    @Option("out", takes: "DIR", help: "where to; ./pki if left out", as: .text) var directory:
      String?
    @Option("passphrase", help: "encrypt the key with a passphrase that is asked for")
    var hasPassphrase: Bool
    @Option(
      "operator", takes: "NAME", help: "a certificate for this person too, as pki issue makes it",
      as: .name)
    var person: String?
    @Option("all", help: "a file to join with for each node and witness of the inventory too")
    var isForAll: Bool
    var files = ClusterOptions()
    var certificate = CertificateOptions()
  }

  static let rule = CommandRule(
    name: "pki init",
    summary: "make the certificate authority of a cluster",
    details: """
      Writes ca.pem, ca-key.pem (mode 0600) and revocations.json, a list of nobody. Where one file is there already
      nothing is written, nor into a directory that others can change. With a passphrase the key is encrypted (PKCS#8,
      AES-256), and pki issue asks for it.

      --operator and --all do at once what pki issue --role operator and pki issue --all do: all that a new cluster needs.
      The inventory is that of keyturn init.
      """,
    examples: [
      ("keyturn pki init --cluster prod", "writes ./pki/ca.pem and key"),
      ("keyturn pki init --cluster prod --passphrase", "the key encrypted"),
      (
        "keyturn pki init --cluster prod --operator alice --all",
        "for a new cluster: ./pki/alice/ too, and ./pki/NAME.join for each host"
      ),
    ],
    exitCodes: [.done, .failed, .validationRefused, .badConfiguration])

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let (cluster, directory) = (options.cluster, options.directory ?? CertificateOptions.directory)
    let joining = try joinFiles(directory)
    try requireAbsent(directory)
    let passphrase = try newPassphrase()
    try context.workshop.makeAuthority(
      cluster: cluster, directory: directory, days: options.certificate.days, passphrase: passphrase
    )
    context.console.event("authority", ["cluster": cluster, "out": directory])
    context.console.line("the authority of \(cluster) is in \(directory)/ca.pem and ca-key.pem")
    context.console.message(
      .note,
      "keep \(directory)/ca-key.pem off the nodes: with it\(passphrase == nil ? "" : " and its passphrase") anyone can issue any certificate"
    )
    let issuer = try context.workshop.authority(in: directory, passphrase: passphrase)
    try issuer.noteNothingRevoked()
    if let name = options.person {
      let person = "\(directory)/\(name)"
      let principal = try issuer.issue(
        role: .operator, name: name, addresses: [], days: nil, directory: person)
      context.console.event("certificate", ["principal": principal.uri, "out": person])
      context.console.line("\(principal.uri) is in \(person)/ (ca.pem, cert.pem, key.pem)")
    }
    try joining?.write(issuer, days: nil, replaces: false)
    return CommandResult(.done, isChanged: true)
  }

  /// Refuses where something is there already that would be written: all or nothing. What others could change is refused
  /// before the first file too.
  private func requireAbsent(_ directory: String) throws(Refusal) {
    let person = options.person.map { "\(directory)/\($0)" }
    var files = ["ca-key.pem", "ca.pem", "revocations.json"].map { "\(directory)/\($0)" }
    if let person, files.contains(person) || person.hasSuffix(".join") {
      throw Refusal(
        .validation, "--operator: \(person) is the name of a file; nothing was written")
    }
    if let person {
      files += ["key.pem", "cert.pem", "ca.pem"].map { "\(person)/\($0)" }
    }
    var existing: [String] = []
    for file in files
    where try context.host.read(file, limitBytes: Limits.certificateFileBytes) != nil {
      existing.append(file)
    }
    if !existing.isEmpty {
      throw Refusal(
        .failed,
        "there is \(existing.joined(separator: ", ")) already: name another directory with --out, or another person with --operator; nothing was written"
      )
    }
    for directory in [directory, person].compactMap(\.self) {
      if let problem = try context.host.foreignHold(on: directory) {
        throw Refusal(
          .failed,
          "\(problem): take that right away (chmod go-w), or name another directory with --out; nothing was written"
        )
      }
    }
  }

  /// What is to be written beside the authority, once it is clear that it can be; nil for nothing.
  private func joinFiles(_ directory: String) throws(Refusal) -> JoinFiles? {
    if !options.isForAll { return nil }
    let inventory = try context.inventory(options.files.inventory)
    guard inventory.cluster == options.cluster else {
      throw Refusal(
        .configuration,
        "the inventory describes the cluster \"\(inventory.cluster)\", and --cluster is \"\(options.cluster)\"; nothing was written"
      )
    }
    let files = JoinFiles(
      context: context, inventory: inventory, hosts: JoinFiles.hosts(of: inventory),
      directory: directory)
    try files.requireAbsent()
    return files
  }

  /// For the new authority's key, from a file or asked for twice; nil: no passphrase.
  private func newPassphrase() throws(Refusal) -> Secret? {
    let path = options.certificate.passphraseFile
    if path == nil, !options.hasPassphrase { return nil }
    let first = try context.passphrase(of: "the authority's key", in: path)
    if path != nil { return first }
    if context.host.askSecret("the same again: ") == first { return first }
    throw Refusal(.failed, "nothing was written: the two passphrases are not the same")
  }
}
