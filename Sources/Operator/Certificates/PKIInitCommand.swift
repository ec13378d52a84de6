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
    var certificate = CertificateOptions()
  }

  static let rule = CommandRule(
    name: "pki init",
    summary: "make the certificate authority of a cluster",
    details: """
      Writes ca.pem and ca-key.pem (mode 0600). Never overwrites a file, nor writes into a directory that others can
      change. With a passphrase the key is encrypted (PKCS#8, AES-256), and pki issue asks for it.
      """,
    examples: [
      ("keyturn pki init --cluster prod", "writes ./pki/ca.pem and key"),
      ("keyturn pki init --cluster prod --passphrase", "the key encrypted"),
    ],
    exitCodes: [.done, .failed])

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let (cluster, directory) = (options.cluster, options.directory ?? CertificateOptions.directory)
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
    return CommandResult(.done, isChanged: true)
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
