// SPDX-License-Identifier: Apache-2.0
internal import API
internal import JSONCoding
internal import Model
internal import Rollout
internal import Secrets
internal import Threads

/// `keyturn join`: makes this host a node, or a Key Manager's host a witness, with a file of `keyturn pki issue`.
struct JoinCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "FILE", as: .text) var file: String
    @Option("replace", help: "put the file's inventory and credentials in place of other ones")
    var replaces: Bool
    @Option(
      "any-address", help: "also where the inventory's address is none of this host's (NAT)")
    var isAnyAddress: Bool
  }

  static let rule = CommandRule(
    name: "join",
    summary: "make this host a node or a witness of the cluster, with a file of pki issue",
    details: """
      On the host itself, as root, once the programs and units are installed. FILE is NAME.join of keyturn pki issue
      --all or --join, for this host alone: it is refused where the inventory's address of NAME is none of this host's.
      Puts the inventory into /etc/keyturn/inventory.json, the credentials into /etc/keyturn/credentials and the list of
      revoked certificates into the agent's state, starts the
      agent and enables it, has the server's unit call the start guard if a package has brought that, then looks whether it answers, what it finds of its own host, whether the other agents and the
      Key Managers can be reached, and whether inventories and clocks agree. The server is not touched. What is in place
      already stays; run it again after a mistake. Other files than FILE's are refused without --replace, and a host with
      a seal or an inventory of another cluster always.

      Hosts that have not joined yet are warnings. Exit 3: the host has joined, and something is wrong on it or with it.

      The certificate in FILE is good for a day, or as long as pki issue --days says. Run keyturn pki renew NAME at the
      operator's before: the agent then has a key of its own. Delete FILE.
      """,
    examples: [
      ("keyturn join minio-5.join", "on minio-5"),
      ("keyturn join --replace minio-4.join", "on a host that takes the name of one that was lost"),
    ],
    exitCodes: [.done, .failed, .unknown, .validationRefused, .notPermitted])

  let context: CommandContext
  let options: Options

  private static let inventoryPath = "/etc/keyturn/inventory.json"
  private static let credentials = Cluster.agentCredentials
  /// How long the agent may take to answer after its start, milliseconds.
  static let startMilliseconds = 20_000
  static let lookMilliseconds = 5_000

  /// What the host becomes.
  struct Newcomer {
    var principal: Principal
    var join: JoinFile
    /// What the list of revoked certificates in the file says.
    var revocations: Revocations?
  }

  func run() throws(Refusal) -> CommandResult {
    guard context.host.isRoot else {
      throw Refusal(
        .notPermitted,
        "join writes into /etc/keyturn and starts keyturnd: run it as root on the host itself")
    }
    let newcomer = try read()
    try checkHost(newcomer)
    var isChanged = try putInPlace(newcomer)
    if try putRevocations(newcomer) { isChanged = true }
    try useDropIn(newcomer)
    // Also where nothing was written now: an attempt before may have been interrupted. A restart loses nothing.
    try context.newcomer.startAgent()
    return try look(newcomer, isChanged: isChanged)
  }

  /// All that can be known before the first file is written.
  private func checkHost(_ newcomer: Newcomer) throws(Refusal) {
    let nothing = "; nothing was changed"
    if let obstacle = try context.newcomer.agentObstacle() {
      throw Refusal(.failed, obstacle + nothing)
    }
    let (principal, inventory) = (newcomer.principal, newcomer.join.inventory)
    if !options.isAnyAddress, let place = Self.place(of: principal, in: inventory) {
      let isHere: Bool
      do throws(Refusal) {
        isHere = try context.newcomer.isHere(
          place, deadline: .inMilliseconds(Self.lookMilliseconds))
      } catch {
        throw Refusal(
          .validation,
          "whether this host is \(principal.name) is not known: \(error.message); see that the inventory's address can be looked up here\(nothing)"
        )
      }
      guard isHere else {
        throw Refusal(
          .validation,
          "\(options.file) is for \(principal.name), which the inventory has at \(place.host), and that is none of this host's addresses: take this host's own file (--any-address where it is behind a translation of addresses)\(nothing)"
        )
      }
    }
    try checkCluster(newcomer)
  }

  /// A host takes its seal and its promises with it: it does not change its cluster.
  private func checkCluster(_ newcomer: Newcomer) throws(Refusal) {
    let cluster = newcomer.join.inventory.cluster
    let state = try Cluster.agentState(context.host)
    func refuse(_ other: String, _ where: String) -> Refusal {
      Refusal(
        .validation,
        "this host is of cluster \(other) (\(`where`)), and \(options.file) is for cluster \(cluster); if it has left \(other) for good, stop keyturnd and remove \(state) and /etc/keyturn; nothing was changed"
      )
    }
    if let content = try context.host.read(
      Self.inventoryPath, limitBytes: Limits.inventoryFileBytes),
      let inventory = try? JSON.decode(Inventory.self, from: content.bytes),
      inventory.cluster != cluster
    {
      throw refuse(inventory.cluster, Self.inventoryPath)
    }
    let path = "\(state)/\(SealFile.seal.rawValue)"
    if let bytes = try context.host.record(path),
      let seal = try? JSON.decode(Seal.self, from: bytes),
      seal.cluster != cluster
    {
      throw refuse(seal.cluster, path)
    }
  }

  // MARK: the file

  private func read() throws(Refusal) -> Newcomer {
    let path = options.file
    guard
      let content = try context.host.read(
        path, limitBytes: Limits.joinFileBytes)
    else { throw Refusal(.failed, "there is no file \(path); check the path") }
    if (content.mode ?? 0) & 0o077 != 0 {
      throw Refusal(
        .validation,
        "\(path) holds a key and can be read by others than its owner: take it as read, ask for another one (keyturn pki issue --join NAME) and copy that with mode 0600"
      )
    }
    if let hold = try context.host.foreignHold(on: path) {
      throw Refusal(
        .validation,
        "\(path): \(hold), who could have changed it: copy it as root into a directory of root's; nothing was changed"
      )
    }
    do throws(Refusal) {
      let join = try JoinFile(content.bytes)
      let facts = try context.workshop.describe(Array(join.certificate.utf8))
      guard let principal = facts.principal, principal.cluster == join.inventory.cluster,
        Self.place(of: principal, in: join.inventory) != nil
      else {
        throw Refusal(
          .validation,
          "its certificate (\(facts.principal?.uri ?? facts.subject)) is for no node and no witness of its inventory"
        )
      }
      if facts.validUntilMicroseconds <= Clock.realtimeMicroseconds() {
        throw Refusal(
          .validation,
          "its certificate expired on \(CalendarTime.text(microseconds: facts.validUntilMicroseconds)): ask for another file, keyturn pki issue --join \(principal.name), and look at this host's clock"
        )
      }
      if facts.validFromMicroseconds > Clock.realtimeMicroseconds() {
        throw Refusal(
          .validation,
          "its certificate is valid only from \(CalendarTime.text(microseconds: facts.validFromMicroseconds)): the clock of this host or of the authority's is wrong"
        )
      }
      let revocations = try context.workshop.verify(join)
      // By the list in the file, and by what the others have told this host's agent since.
      for list in [revocations, keptRevocations(join)?.list] {
        if let revoked = list?.revoked(
          principal, validFrom: facts.validFromMicroseconds / 1_000_000)
        {
          throw Refusal(.validation, revoked.text)
        }
      }
      return Newcomer(principal: principal, join: join, revocations: revocations)
    } catch { throw Refusal(error.code, "\(path): \(error.message); nothing was changed") }
  }

  /// Where the inventory says that it is reached.
  static func place(of principal: Principal, in inventory: Inventory) -> HostPort? {
    switch principal.role {
    case .node: inventory.node(named: principal.name)?.agentPlace
    case .witness: inventory.keyManager(named: principal.name)?.witnessPlace
    case .operator, .observer: nil
    }
  }

  // MARK: into place

  /// Whether anything was written. All is read before the first file is written.
  private func putInPlace(_ newcomer: Newcomer) throws(Refusal) -> Bool {
    let join = newcomer.join
    let directory = Self.credentials
    let files: [(path: String, bytes: [UInt8], mode: UInt32)] = [
      ("\(directory)/key.pem", join.key.withBytes(Array.init), 0o600),
      ("\(directory)/cert.pem", Array(join.certificate.utf8), 0o644),
      ("\(directory)/ca.pem", Array(join.authority.utf8), 0o644),
      (Self.inventoryPath, join.inventory.fileBytes, 0o644),
    ]
    var missing: [(path: String, bytes: [UInt8], mode: UInt32)] = []
    var other: [String] = []
    for file in files {
      let now = try context.host.read(file.path, limitBytes: Limits.inventoryFileBytes)
      let isSame =
        now?.bytes == file.bytes
        || file.path == Self.inventoryPath && now.map { isSameInventory($0, join) } ?? false
      if isSame, now?.mode.map({ $0 & ~file.mode == 0 }) ?? false { continue }
      missing.append(file)
      if now != nil, !isSame { other.append(file.path) }
    }
    if !other.isEmpty, !options.replaces {
      throw Refusal(
        .validation,
        "this host has other files already\(try holder()): \(other.joined(separator: ", ")); if they may go, keyturn join --replace \(options.file); nothing was changed"
      )
    }
    for file in missing { try context.newcomer.put(file.path, file.bytes, mode: file.mode) }
    let name = newcomer.principal.name
    context.console.line(
      missing.isEmpty
        ? "\(name): inventory and credentials are in place already"
        : "\(name): inventory and credentials are in \(Self.inventoryPath) and \(directory)")
    return !missing.isEmpty
  }

  /// What was revoked until now: an agent that starts with no list takes all of it. Whether it was written. An agent that
  /// has a list already keeps it if this is no newer one, or would take something back.
  private func putRevocations(_ newcomer: Newcomer) throws(Refusal) -> Bool {
    guard let signed = newcomer.join.revocations, let new = newcomer.revocations else {
      return false
    }
    if let (kept, known) = keptRevocations(newcomer.join) {
      if known.number > new.number || new.lacks(of: known) != nil { return false }
      if kept == signed || known.number == new.number && known != new { return false }
    }
    try context.newcomer.putRecord(revocationsPath(), JSON.encode(signed))
    context.console.line(
      "\(newcomer.principal.name): list \(new.number) of revoked certificates is in place")
    return true
  }

  private func revocationsPath() throws(Refusal) -> String {
    "\(try Cluster.agentState(context.host))/revocations"
  }

  /// The list that the host's agent has; nil if there is none, or if no agent uses it: it cannot be read, or no CA that
  /// the host is to trust has signed it.
  private func keptRevocations(
    _ join: JoinFile
  ) -> (signed: SignedRevocations, list: Revocations)? {
    guard let bytes = try? context.host.record(revocationsPath()),
      let signed = try? JSON.decode(SignedRevocations.self, from: bytes),
      let list = try? context.workshop.verify(
        signed, of: join.inventory.cluster, by: join.authority)
    else { return nil }
    return (signed, list)
  }

  /// The start guard before the server, or what takes rights from a witness.
  private func useDropIn(_ newcomer: Newcomer) throws(Refusal) {
    let isNode = newcomer.principal.role == .node
    let unit = isNode ? newcomer.join.inventory.unit : "keyturnd.service"
    guard let path = try context.newcomer.use(isNode ? .startGuard : .witness, for: unit) else {
      return
    }
    context.console.line(
      isNode
        ? "\(newcomer.principal.name): each start of \(unit) goes through the start guard (\(path))"
        : "\(newcomer.principal.name): the agent has only the rights of a witness (\(path))")
  }

  private func isSameInventory(_ content: ReadContent, _ join: JoinFile) -> Bool {
    (try? JSON.decode(Inventory.self, from: content.bytes)) == join.inventory
  }

  /// Whose credentials are here, for people; empty if that is not known.
  private func holder() throws(Refusal) -> String {
    guard
      let content = try context.host.read(
        "\(Self.credentials)/cert.pem", limitBytes: Limits.certificateFileChainBytes),
      let principal = (try? context.workshop.describe(content.bytes))?.principal
    else { return "" }
    return ", of \(principal.uri)"
  }
}

extension Inventory {
  /// As a file, for people too.
  var fileBytes: [UInt8] { JSON.encode(self, pretty: true) + [0x0A] }
}
