// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Threads

/// What every command gets: output, files, the way to the agents.
struct CommandContext: Sendable {
  let console: Console
  let host: any CommandHost
  let network: any AgentNetwork
  let workshop: any CertificateWorkshop
  let interruption: Interruption
  let local: any LocalAgent
  let stores: any S3Network
  let newcomer: any JoiningHost

  /// For an answer that a node has at hand.
  static let answerMilliseconds = 5_000

  /// Reads inventory and credentials. Without `warns` nothing is printed, for output that is one
  /// object or one line.
  ///
  /// - Parameters:
  ///   - file: an inventory in place of the options'.
  ///   - revoked: whom the links refuse; nil where that is not known.
  func cluster(
    _ options: ClusterOptions, named file: String? = nil, warns: Bool = true,
    revoked: Revocations? = nil
  ) throws(Refusal) -> Cluster {
    let cluster = try Cluster.read(options, named: file, host, network, revoked: revoked)
    if !warns { return cluster }
    let now = Clock.realtimeMicroseconds() / 1_000_000
    for note in cluster.notes { console.message(.note, note) }
    for warning in cluster.warnings { console.message(.warning, warning) }
    if let finding = cluster.connections.certificate.finding(at: now) {
      console.message(finding.severity, finding.statement)
    }
    return cluster
  }

  /// Reads the inventory alone, without credentials.
  func inventory(_ named: String?) throws(Refusal) -> Inventory {
    let (inventory, warnings, notes) = try Cluster.readInventory(named, host)
    for note in notes { console.message(.note, note) }
    for warning in warnings { console.message(.warning, warning) }
    return inventory
  }

  /// Asks all nodes at once; blocks until each has answered or is out of time.
  func ask<Answer>(
    _ cluster: Cluster, _ request: AgentRequest<Answer>,
    milliseconds: Int = CommandContext.answerMilliseconds
  ) -> [NodeAnswer<Answer>] {
    Parallel.ask(request, of: cluster.members, milliseconds: milliseconds)
  }

  /// The end of a command for a reason of its own, told.
  func ended(
    _ code: ExitCode, _ message: String, nodes: [NodeResult] = []
  ) -> CommandResult {
    console.message(.error, message)
    return CommandResult(code, nodes: nodes, message: message)
  }

  /// Asks before something is done.
  ///
  /// - Parameters:
  ///   - what: what it does, as sentences.
  ///   - name: what must be typed to go on.
  ///   - nothing: what is so where it does not go on.
  /// - Returns: the command's result where it must not go on.
  func confirm(
    _ what: String, typing name: String, nothing: String = "nothing was changed",
    nodes: [NodeResult] = []
  ) -> CommandResult? {
    let answer = host.ask("\(what) Type \(name) to go on: ")
    if answer == name { return nil }
    if answer == nil {
      return ended(
        .usage, "\(nothing): there is no terminal to ask on; give --yes to go on unasked",
        nodes: nodes)
    }
    return ended(.failed, "\(nothing): the answer was not \"\(name)\"", nodes: nodes)
  }

  func tellFailures<Answer>(_ rows: [NodeAnswer<Answer>]) {
    console.errors(rows.map { (name: $0.name, message: $0.failure?.message) })
  }

  /// Writes a page into a new file, or prints it for `-`.
  func writePage(_ page: String, _ path: String) throws(Refusal) {
    if path == "-" {
      host.write(page, to: .standardOutput)
    } else {
      try host.create(path, Array(page.utf8))
      console.message(.note, "\(path) is written")
    }
  }

  /// A whole file, or standard input for `-`.
  func read(_ path: String) throws(Refusal) -> ReadContent {
    if let content = try host.read(path, limitBytes: Limits.environmentFileBytes) { return content }
    throw Refusal(.failed, "there is no file \(path); check the path")
  }
}
