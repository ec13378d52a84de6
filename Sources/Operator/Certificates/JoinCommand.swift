// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import JSONCoding
internal import Model
internal import Secrets
internal import Threads

/// `keyturn join`: makes this host a node, or a Key Manager's host a witness, with a file of `keyturn pki issue`.
struct JoinCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "FILE", as: .text) var file: String
    @Option("replace", help: "put the file's inventory and credentials in place of other ones")
    var replaces: Bool
  }

  static let rule = CommandRule(
    name: "join",
    summary: "make this host a node or a witness of the cluster, with a file of pki issue",
    details: """
      On the host itself, as root, once the programs and units are installed. FILE is NAME.join of keyturn pki issue
      --all or --join, for this host alone. Puts the inventory into /etc/keyturn/inventory.json and the credentials into
      /etc/keyturn/credentials, starts the agent and enables it, then looks whether the agent answers under the address
      that the inventory has for it, whether the other agents and the Key Managers can be reached from here, and whether
      the clocks agree. The server is not touched. What is in place already stays; run it again after a mistake.
      Other files than FILE's are refused without --replace.

      The key in FILE is good for a day. Run keyturn pki renew NAME at the operator's within it: the agent then has a
      key of its own. Delete FILE.
      """,
    examples: [
      ("keyturn join minio-5.join", "on minio-5"),
      ("keyturn join --replace minio-4.join", "on a host that takes the name of one that was lost"),
    ],
    exitCodes: [.done, .failed, .unknown, .validationRefused, .notPermitted])

  let context: CommandContext
  let options: Options

  private static let inventoryPath = "/etc/keyturn/inventory.json"
  private static let credentials = "/etc/keyturn/credentials"
  /// How long the agent may take to answer after its start, milliseconds.
  private static let startMilliseconds = 20_000
  private static let lookMilliseconds = 5_000

  /// What the host becomes.
  private struct Newcomer {
    var principal: Principal
    var join: JoinFile
  }

  func run() throws(Refusal) -> CommandResult {
    guard context.host.isRoot else {
      throw Refusal(
        .notPermitted,
        "join writes into /etc/keyturn and starts keyturnd: run it as root on the host itself")
    }
    let newcomer = try read()
    let isChanged = try putInPlace(newcomer)
    try context.newcomer.startAgent()
    return try look(newcomer, isChanged: isChanged)
  }

  // MARK: the file

  private func read() throws(Refusal) -> Newcomer {
    let path = options.file
    guard
      let content = try context.host.read(
        path, limitBytes: Limits.inventoryFileBytes + Limits.recordFileBytes)
    else { throw Refusal(.failed, "there is no file \(path); check the path") }
    if (content.mode ?? 0) & 0o077 != 0 {
      throw Refusal(
        .validation,
        "\(path) holds a key and can be read by others than its owner: take it as read, ask for another one (keyturn pki issue --join NAME) and copy that with mode 0600"
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
      return Newcomer(principal: principal, join: join)
    } catch { throw Refusal(error.code, "\(path): \(error.message); nothing was changed") }
  }

  /// Where the inventory says that it is reached.
  private static func place(of principal: Principal, in inventory: Inventory) -> HostPort? {
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
    // The key first: a certificate without its key would keep the agent from starting.
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
      if now?.bytes == file.bytes { continue }
      missing.append(file)
      if now != nil { other.append(file.path) }
    }
    if !other.isEmpty, !options.replaces {
      throw Refusal(
        .validation,
        "this host has other files already: \(other.joined(separator: ", ")); if they may go, keyturn join --replace \(options.file); nothing was changed"
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

  // MARK: looking

  private func look(_ newcomer: Newcomer, isChanged: Bool) throws(Refusal) -> CommandResult {
    let (principal, inventory) = (newcomer.principal, newcomer.join.inventory)
    let connections = try context.network.open(
      inventory,
      CredentialFiles(
        authority: Array(newcomer.join.authority.utf8),
        certificate: Array(newcomer.join.certificate.utf8),
        key: newcomer.join.key.withBytes(Array.init)))
    let links =
      zip(inventory.nodes.map(\.name), connections.links).map { (name: $0, link: $1) }
      + connections.witnesses
    if let problem = ownProblem(principal, links) {
      throw Refusal(
        .failed,
        "the agent of \(principal.name) does not answer under the address that the inventory has for it, \(Self.place(of: principal, in: inventory)?.text ?? ""): \(problem); it is started: systemctl status keyturnd"
      )
    }
    context.console.line("\(principal.name): the agent runs and answers")
    var problems = peerProblems(links.filter { $0.name != principal.name })
    if principal.role == .node { problems += keyManagerProblems(inventory) }
    for problem in problems {
      context.console.message(.warning, "from \(principal.name): \(problem)")
    }
    context.console.message(
      .note,
      "next: keyturn pki renew \(principal.name) at the operator's, within a day, gives it a key of its own; then delete \(options.file), here and there"
    )
    var result = CommandResult(
      problems.isEmpty ? .done : .unknown,
      nodes: [NodeResult(name: principal.name, outcome: .reachable)], isChanged: isChanged)
    if !problems.isEmpty {
      let message =
        "\(principal.name) has joined, but \(problems.count == 1 ? "one thing is" : "\(problems.count) things are") not as it must be for a rollout; keyturn check shows when it is"
      context.console.message(.warning, message)
      result.message = message
    }
    return result
  }

  private typealias Named = (name: String, link: any AgentLink)

  /// The agent has just been started: it is asked until it answers. A refusal is an answer: it is the right agent that
  /// says no.
  private func ownProblem(_ principal: Principal, _ links: [Named]) -> String? {
    guard let own = links.first(where: { $0.name == principal.name }) else {
      return "the inventory has no link to it"
    }
    let end = Instant.inMilliseconds(Self.startMilliseconds)
    while true {
      do throws(LinkFailure) {
        _ = try own.link.call(
          .clock(rollout: nil), lane: .control,
          deadline: min(end, .inMilliseconds(Self.lookMilliseconds)))
        return nil
      } catch {
        if case .answered = error { return nil }
        if Clock.now() >= end { return error.refusal.message }
      }
      Clock.sleep(until: min(end, .inMilliseconds(500)))
    }
  }

  /// Agents that do not answer, and those whose clock is another one.
  private func peerProblems(_ links: [Named]) -> [String] {
    let problems = Parallel.map(links, atOnce: Limits.peersAtOnce) { peer -> [String] in
      let before = Clock.realtimeMicroseconds()
      do throws(LinkFailure) {
        let reading = try peer.link.call(
          .clock(rollout: nil), lane: .control, deadline: .inMilliseconds(Self.lookMilliseconds))
        let after = Clock.realtimeMicroseconds()
        // Beyond what the question itself took.
        let behind = max(
          before - reading.realtimeMicroseconds, reading.realtimeMicroseconds - after)
        if behind <= Self.clockMicroseconds { return [] }
        return [
          "the clock of \(peer.name) and this host's differ by \(behind / 1_000_000) s: synchronise both"
        ]
      } catch {
        if case .answered = error { return [] }
        return ["\(peer.name) cannot be reached: \(error.refusal.message)"]
      }
    }
    return problems.flatMap(\.self)
  }

  /// Certificates are valid from five minutes ago; beyond a second something is wrong with a clock.
  private static let clockMicroseconds: Int64 = 1_000_000

  private func keyManagerProblems(_ inventory: Inventory) -> [String] {
    let newcomer = context.newcomer
    let problems = Parallel.map(inventory.keyManagers, atOnce: Limits.peersAtOnce) { host in
      guard let place = host.place else { return [String]() }
      let obstacle = newcomer.obstacle(
        connecting: place, deadline: .inMilliseconds(Self.lookMilliseconds))
      return obstacle.map { ["the Key Manager \(host.name) cannot be reached: \($0)"] } ?? []
    }
    return problems.flatMap(\.self)
  }
}

extension Inventory {
  /// As a file, for people too.
  fileprivate var fileBytes: [UInt8] { JSON.encode(self, pretty: true) + [0x0A] }
}
