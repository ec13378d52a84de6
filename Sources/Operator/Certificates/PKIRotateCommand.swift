// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import Model
internal import Rollout
internal import Secrets
internal import Threads

/// `keyturn pki rotate-ca`: another CA takes the place of the cluster's, without a refused connection.
///
/// Two rules keep it so, whatever is broken off and in whatever order it is run: a host gets a certificate of the new CA
/// only while all hosts trust that, and a CA is taken from no host's trust while any host shows a certificate of it.
struct PKIRotateCommand: Command {
  struct Options: OptionGroup {
    @Option("issue", help: "second step: certificates of the new CA for all hosts")
    var issues: Bool
    @Option("finish", help: "last step: trust the new CA alone") var finishes: Bool
    @Option(
      "without", takes: "NAME", isList: true,
      help: "with --issue or --finish: a host or person that is given up, and is shut out",
      as: .name)
    var without: [String]
    @Option("pki", takes: "DIR", help: "where the CA in use is; ./pki if left out", as: .text)
    var authority: String?
    @Option(
      "new", takes: "DIR", help: "where the new CA is, or is made; DIR-new of --pki if left out",
      as: .text)
    var next: String?
    var certificate = CertificateOptions()
    var cluster = ClusterOptions()

    var problem: String? {
      if issues, finishes { return "--issue and --finish are two steps: give one of them" }
      if !issues, certificate.days != nil {
        return "--days is for the certificates of --issue"
      }
      return without.isEmpty || issues || finishes
        ? nil : "--without is for --issue and --finish: the first step shuts nobody out"
    }
  }

  static let rule = CommandRule(
    name: "pki rotate-ca",
    summary: "change the cluster's CA, step by step, without a refused connection",
    details: """
      For a CA that is near its end, or whose key may be known to others. Three steps; each finds out from all agents and
      witnesses what is left to do, can be broken off at any time, and is run again until it says that all are done.
      Rollouts go on meanwhile. The inventory must have all nodes that the cluster has.

      Without an option: makes the new CA in --new, with the passphrase of the one in use if that has one, and has every
      agent and witness trust both. Once all do, the certificate that this command uses is replaced by one of the new CA
      for the same key. It names the people who were seen with certificates of the old one: each needs another one
      (keyturn pki issue --pki ./pki-new) before the next step, as theirs trust the old CA alone. Who was revoked since is
      not named.

      With --issue every agent and witness gets a certificate of the new CA for a new key, as by pki renew. It is refused
      while one of them does not answer or does not trust both, or while people still use certificates of the old CA.

      With --finish the old CA is trusted no more. It is refused while one does not answer or shows a certificate of the
      old CA, and while people use one. Afterwards the new directory takes the place of the old.
      """,
    examples: [
      ("keyturn pki rotate-ca", "./pki-new is made, and all hosts trust both"),
      ("keyturn pki rotate-ca --issue", "all hosts show certificates of the new CA"),
      ("keyturn pki rotate-ca --finish", "the old CA is out"),
      (
        "keyturn pki rotate-ca --finish --without minio-4", "minio-4 is lost, and joins again later"
      ),
    ],
    exitCodes: [.done, .failed, .unknown, .unreachable, .validationRefused] + ExitCode.ownFault)

  let context: CommandContext
  let options: Options

  var directory: String { options.authority ?? CertificateOptions.directory }
  var nextDirectory: String {
    if let next = options.next { return next }
    var directory = directory
    while directory.count > 1, directory.hasSuffix("/") { directory.removeLast() }
    return directory + "-new"
  }
  var credentials: String { Cluster.credentials(options.cluster, context.host) }
  /// The certificate that this command connects with.
  var ownPath: String { "\(credentials)/cert.pem" }
  /// What this command trusts.
  var trustPath: String { "\(credentials)/ca.pem" }

  func run() throws(Refusal) -> CommandResult {
    guard let former = try context.workshop.authorityCertificate(in: directory) else {
      throw Refusal(
        .failed, "there is no \(directory)/ca.pem: name the directory of the CA in use with --pki")
    }
    let inventory = try Cluster.readInventory(options.cluster.inventory, context.host).0
    guard former.cluster == inventory.cluster else {
      throw Refusal(
        .configuration,
        "the CA in \(directory) is of the cluster \"\(former.cluster)\", the inventory describes \"\(inventory.cluster)\"; name the right directory with --pki; nothing was done"
      )
    }
    if !options.issues, !options.finishes { return try begin(former) }
    guard let next = try context.workshop.authorityCertificate(in: nextDirectory) else {
      throw Refusal(
        .validation,
        "there is no \(nextDirectory)/ca.pem: keyturn pki rotate-ca makes the new CA, and is the first step; --new names another directory"
      )
    }
    try check(next, former)
    let change = CAChange(former: former, next: next)
    return options.issues ? try issue(change) : try finish(change)
  }

  func check(
    _ next: AuthorityCertificate, _ former: AuthorityCertificate
  ) throws(Refusal) {
    if next.cluster == former.cluster, next.key != former.key { return }
    throw Refusal(
      .validation,
      next.key == former.key
        ? "\(nextDirectory) holds the same CA as \(directory): give the new one with --new; nothing was done"
        : "the CA in \(nextDirectory) is of the cluster \"\(next.cluster)\", that in \(directory) of \"\(former.cluster)\"; name the right directory with --new; nothing was done"
    )
  }

  // MARK: asking

  /// All agents and witnesses that the cluster has; refused where the inventory lacks one, which would be forgotten.
  func cluster(revoked: Revocations?) throws(Refusal) -> Cluster {
    let look = try InventoryLook(context, options.cluster)
    let own = look.cluster.inventory
    // What was voted with counts; until then each node's file.
    let voted = look.answers.filter(\.isRecorded).max { $0.agreed.number < $1.agreed.number }
    let missing = (voted.map { [$0] } ?? look.answers).map(\.agreed.inventory).flatMap { theirs in
      theirs.nodes.map(\.name).filter { own.node(named: $0) == nil }
        + theirs.keyManagers.filter { $0.witnessPlace != nil }.map(\.name).filter {
          own.keyManager(named: $0)?.witnessPlace == nil
        }
    }
    if !missing.isEmpty {
      throw Refusal(
        .validation,
        "this command's inventory lacks \(NodeNames.folded(Set(missing).sorted())), which would be forgotten: keyturn inventory show makes a file of the cluster's; no host was changed"
      )
    }
    return try context.cluster(options.cluster, warns: false, revoked: revoked)
  }

  func look(
    _ cluster: Cluster, _ change: CAChange, _ revoked: Revocations? = nil
  ) -> CAChangeLook {
    let holders = cluster.certificateHolders
    let rows = Parallel.map(holders, atOnce: Limits.renewalsAtOnce) { holder in
      Result { () throws(Refusal) in try holder.ask(.authorities) }
    }
    return CAChangeLook(
      rows: Array(zip(holders, rows)).map { CAChangeLook.Row(holder: $0, answer: $1) },
      change: change, revoked: revoked)
  }

  /// Who did not answer, told; those that are given up left out.
  func tellSilent(_ look: CAChangeLook) -> [String] {
    let silent = look.silent.filter { !options.without.contains($0.name) }
    context.console.errors(silent.map { (name: $0.name, message: $0.refusal.message) })
    return silent.map(\.name)
  }

  /// A refusal where a step must not be made without all hosts.
  func requireAll(_ look: CAChangeLook) throws(Refusal) {
    let known = look.rows.map(\.holder.name) + look.people(context.now, without: []).map(\.name)
    if let stranger = options.without.first(where: { !known.contains($0) }) {
      throw Refusal(
        .validation,
        "--without \(stranger): it is no node and no witness of the inventory, and nobody who was seen; no host was changed"
      )
    }
    if let wrong = look.wrongNumbers(without: options.without) { throw wrong }
    let silent = tellSilent(look)
    if silent.isEmpty { return }
    throw Refusal(
      .unreachable,
      "\(NodeNames.folded(silent)): what it trusts and shows is not known (an agent that knows no such request is older than this command: upgrade it first), and it could be shut out; run it again once it answers, or give it up with --without; no host was changed"
    )
  }

  func result(
    _ look: CAChangeLook, _ code: ExitCode, isChanged: Bool, _ message: String
  ) -> CommandResult {
    for row in look.rows {
      let answer = try? row.answer.get()
      context.console.event(
        "authorities", node: row.holder.name,
        [
          "number": answer?.number, "trusted": answer?.trusted.map(\.hex), "own": answer?.own?.hex,
        ])
    }
    let nodes = look.rows.map { row in
      switch row.answer {
      case .success: NodeResult(name: row.holder.name, outcome: .reachable)
      case .failure(let refusal):
        NodeResult(name: row.holder.name, outcome: .unknown, reason: refusal.message)
      }
    }
    if code == .done {
      context.console.line(message)
    } else {
      context.console.message(.error, message)
    }
    return CommandResult(code, nodes: nodes, isChanged: isChanged, message: message)
  }
}
