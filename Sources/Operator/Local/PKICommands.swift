// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Secrets
internal import Threads

/// What `pki init` and `pki issue` have in common.
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

/// `keyturn pki issue`: issues a certificate of the cluster's authority.
struct PKIIssueCommand: Command {
  struct Options: OptionGroup {
    @Option("role", takes: "ROLE", help: "what it entitles to", as: .word) var role: Role
    @Option(
      "name", takes: "NAME",
      help: "a node's or Key Manager's name in the inventory, or a person's",
      as: .name)
    var name: String
    @Option(
      "address", takes: "ADDRESS", isList: true,
      help: "host names and addresses; node and witness need one", as: .text)
    var addresses: [String]
    @Option("pki", takes: "DIR", help: "where the authority is; ./pki if left out", as: .text)
    var authority: String?
    @Option(
      "out", takes: "DIR",
      help: "where to; a directory with the name beside the authority if left out", as: .text
    )
    var directory: String?
    var certificate = CertificateOptions()

    var problem: String? {
      guard addresses.isEmpty, role == .node || role == .witness else { return nil }
      return "a \(role.rawValue) needs --address, the names and addresses that it is reached at"
    }
  }

  static let rule = CommandRule(
    name: "pki issue",
    summary: "issue a certificate of the cluster's authority",
    details: """
      Writes ca.pem, cert.pem and key.pem (mode 0600) into a directory of mode 0700. Cluster, role and name are
      in the certificate and are what the agents authorise by. ROLE is node, witness, operator or observer. An
      authority's key that others can read is refused. One with a passphrase has it asked for on the terminal.
      """,
    examples: [
      (
        "keyturn pki issue --role node --name minio-1 --address minio-1.example.net 10.0.0.1",
        "for an agent: writes ./pki/minio-1/"
      ),
      (
        "keyturn pki issue --role witness --name kms-1 --address kms-1.example.net",
        "for the agent of a Key Manager host"
      ),
      ("keyturn pki issue --role operator --name alice", "for a person"),
    ],
    exitCodes: [.done, .failed])

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let authority = options.authority ?? CertificateOptions.directory
    let directory = options.directory ?? "\(authority)/\(options.name)"
    let needsPassphrase = try context.workshop.needsPassphrase(authority: authority)
    let passphraseFile = options.certificate.passphraseFile
    if !needsPassphrase, passphraseFile != nil {
      context.console.message(.note, "\(authority)/ca-key.pem has no passphrase: none is read")
    }
    let principal = try context.workshop.issue(
      role: options.role, name: options.name, addresses: options.addresses,
      days: options.certificate.days, authority: authority,
      passphrase: needsPassphrase
        ? try context.passphrase(of: "\(authority)/ca-key.pem", in: passphraseFile) : nil,
      directory: directory)
    context.console.event("certificate", ["principal": principal.uri, "out": directory])
    context.console.line("\(principal.uri) is in \(directory)/ (ca.pem, cert.pem, key.pem)")
    return CommandResult(.done, isChanged: true)
  }
}

/// `keyturn pki show`: what a certificate says.
struct PKIShowCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "FILE", as: .text) var file: String
  }

  static let rule = CommandRule(
    name: "pki show",
    summary: "a certificate's role, holder and expiry",
    examples: [("keyturn pki show /etc/keyturn/credentials/cert.pem", "cluster, role, name")],
    exitCodes: [.done, .failed])

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let path = options.file
    let bytes = try context.read(path).bytes
    let facts: CertificateFacts
    do throws(Refusal) { facts = try context.workshop.describe(bytes) } catch {
      throw Refusal(error.code, "read \(path): \(error.message)")
    }
    let until = CalendarTime.text(microseconds: facts.validUntilMicroseconds)
    let left = Self.left(until: facts.validUntilMicroseconds, at: Clock.realtimeMicroseconds())
    context.console.event(
      "certificate",
      [
        "principal": facts.principal?.uri, "subject": facts.subject, "validUntil": until,
      ])
    context.console.line("subject      \(facts.subject)")
    context.console.line("entitles to  \(facts.principal?.uri ?? "nothing in Keyturn")")
    context.console.line(
      "valid until  \(ClusterGenerations.time(facts.validUntilMicroseconds)), \(left)")
    return CommandResult(.done)
  }

  /// `824 days left`, `less than a day left`, `expired 3 days ago`.
  static func left(until end: Int64, at now: Int64) -> String {
    let days = (end &- now) / 86_400_000_000
    let count = "\(days.magnitude) day\(days.magnitude == 1 ? "" : "s")"
    if end <= now { return days == 0 ? "expired today" : "expired \(count) ago" }
    return days == 0 ? "less than a day left" : "\(count) left"
  }
}

extension CommandContext {
  /// From a file or the terminal; never from an argument, which every process of the host can read.
  fileprivate func passphrase(of what: String, in path: String?) throws(Refusal) -> Secret {
    guard let path else {
      guard let typed = host.askSecret("passphrase of the authority's key: ") else {
        throw Refusal(
          .failed,
          "\(what) needs a passphrase and there is no terminal to ask on: give --passphrase-file FILE"
        )
      }
      return try Self.verified(typed)
    }
    let content = try read(path)
    if (content.mode ?? 0) & 0o077 != 0 {
      throw Refusal(
        .failed, "\(path) can be read by others than its owner: chmod 600 it, as it is a passphrase"
      )
    }
    var bytes = content.bytes[...]
    if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
    if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
    if bytes.contains(where: { $0 == UInt8(ascii: "\n") || $0 == 0 }) {
      throw Refusal(.failed, "\(path) is not one line: write the passphrase alone into it")
    }
    return try Self.verified(bytes.withUnsafeBytes(Secret.init))
  }

  private static func verified(_ passphrase: Secret) throws(Refusal) -> Secret {
    if Limits.passphraseBytes.contains(passphrase.count) { return passphrase }
    throw Refusal(
      .failed,
      "the passphrase has \(passphrase.count) bytes, \(Limits.passphraseBytes.lowerBound) to \(Limits.passphraseBytes.upperBound) are allowed"
    )
  }
}
