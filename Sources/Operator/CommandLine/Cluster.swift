// SPDX-License-Identifier: Apache-2.0
internal import Coordination
internal import JSONCoding
internal import Model

/// The cluster that a command works with, and the way to it.
struct Cluster: Sendable {
  let inventory: Inventory
  let connections: AgentConnections
  /// Whom the links refuse; nil where that is not known.
  var revoked: Revocations?
  /// The CAs of the credentials, PEM.
  let authorities: String
  /// What is wrong with the inventory and harmless.
  let warnings: [String]
  /// Which inventory it is, where none was named.
  let notes: [String]

  var names: [String] { inventory.nodes.map(\.name) }

  /// The result of a command that touched nothing.
  var untouched: [NodeResult] { names.map { NodeResult(name: $0, outcome: .untouched) } }

  /// The nodes in the order of the inventory, with the way to each.
  var members: [(name: String, link: any AgentLink)] {
    zip(names, connections.links).map { (name: $0, link: $1) }
  }

  /// A rollout with this command as its coordinator; plans are in the order of the inventory.
  var undertaking: Undertaking {
    Undertaking(inventory, createdBy: connections.principal.author, members: members)
  }

  /// Reads inventory and credentials from where the options, the environment or the defaults say.
  ///
  /// - Parameter file: an inventory in place of the options'.
  static func read(
    _ options: ClusterOptions, named file: String? = nil, _ host: any CommandHost,
    _ network: any AgentNetwork, revoked: Revocations? = nil
  ) throws(Refusal) -> Cluster {
    let (inventory, warnings, notes): (Inventory, [String], [String])
    do throws(Refusal) {
      (inventory, warnings, notes) = try readInventory(file ?? options.inventory, host)
    } catch { throw Refusal(.configuration, error.message) }
    return try connect(
      inventory, options, host, network, warnings: warnings, notes: notes, revoked: revoked)
  }

  /// Reads the credentials, for an inventory that is known.
  static func connect(
    _ inventory: Inventory, _ options: ClusterOptions, _ host: any CommandHost,
    _ network: any AgentNetwork, warnings: [String] = [], notes: [String] = [],
    revoked: Revocations? = nil
  ) throws(Refusal) -> Cluster {
    let credentials: CredentialFiles
    do throws(Refusal) {
      credentials = try readCredentials(options, host)
    } catch { throw Refusal(.configuration, error.message) }
    let connections = try network.open(inventory, credentials, revoked: revoked)
    guard connections.principal.cluster == inventory.cluster else {
      throw Refusal(
        .configuration,
        "the certificate is for the cluster \"\(connections.principal.cluster)\", the inventory describes \"\(inventory.cluster)\"; use the credentials of that cluster"
      )
    }
    return Cluster(
      inventory: inventory, connections: connections, revoked: revoked,
      authorities: String(decoding: credentials.authority, as: UTF8.self),
      warnings: warnings + connections.warnings,
      notes: notes)
  }

  /// In the working directory, which may be anywhere.
  private static let stray = "./inventory.json"

  /// Reads the inventory from where `named`, the environment or the defaults say.
  static func readInventory(
    _ named: String?, _ host: any CommandHost
  ) throws(Refusal) -> (Inventory, warnings: [String], notes: [String]) {
    let chosen = named ?? host.variable("KEYTURN_INVENTORY")
    let places = chosen.map { [$0] } ?? [stray, "/etc/keyturn/inventory.json"]
    var left: [String] = []
    for path in places {
      guard let content = try host.read(path, limitBytes: Limits.inventoryFileBytes) else {
        continue
      }
      let isStray = chosen == nil && path == stray
      if isStray, let problem = try mistrust(host) {
        left.append(problem)
        continue
      }
      let inventory = try parse(content.bytes, path)
      let note =
        "the inventory is \(stray) of the working directory, cluster \(inventory.cluster); --inventory or $KEYTURN_INVENTORY names another"
      return (inventory, left + warnings(content.bytes, inventory, path), isStray ? [note] : [])
    }
    let reasons = left.map { "; \($0)" }.joined()
    throw Refusal(
      .configuration,
      "there is no inventory at \(places.joined(separator: " or ")); name it with --inventory FILE or $KEYTURN_INVENTORY (inventory.example.json shows one)\(reasons)"
    )
  }

  /// Why root does not use the inventory of the working directory; nil if it does. The inventory
  /// says which agents root's commands go to.
  private static func mistrust(_ host: any CommandHost) throws(Refusal) -> String? {
    if !host.isRoot { return nil }
    return try host.foreignHold(on: stray).map {
      "\(stray) is not taken: \($0); name it with --inventory if it is meant"
    }
  }

  private static func parse(_ bytes: [UInt8], _ path: String) throws(Refusal) -> Inventory {
    let inventory: Inventory
    if bytes.isEmpty {
      throw Refusal(
        .configuration,
        "\(path) is empty: a shell empties the file that output is redirected to before the command reads it; remove \(path) or name another inventory with --inventory, and redirect to another file"
      )
    }
    do throws(JSONFailure) {
      inventory = try JSON.decode(Inventory.self, from: bytes)
    } catch {
      throw Refusal(.configuration, "\(path) is not an inventory: \(error)")
    }
    let problems = inventory.problems()
    if !problems.isEmpty {
      throw Refusal(.configuration, "\(path): " + problems.joined(separator: "; "))
    }
    return inventory
  }

  /// A mistyped field is ignored, and its default may be unwanted.
  private static func warnings(
    _ bytes: [UInt8], _ inventory: Inventory, _ path: String
  ) -> [String] {
    JSON.ignored(in: bytes, by: inventory).map { field in
      let meant = WordList.nearest(to: field.name, among: field.siblings)
      return "\(path): \(field.place) is not a field of an inventory and is ignored; "
        + (meant.map { "did you mean \($0)?" } ?? "docs/use/file-formats.md lists them")
    }
  }

  /// The directory of the certificate, its key and the CA.
  static func credentials(_ options: ClusterOptions, _ host: any CommandHost) -> String {
    options.credentials ?? host.variable("KEYTURN_CREDENTIALS") ?? agentCredentials
  }

  /// Where the agent of a host has its files.
  static let agentCredentials = "/etc/keyturn/credentials"
  /// Where it keeps what has come over the links in place of them, unless it says otherwise.
  static let agentState = "/var/lib/keyturn"
  /// Where it says so while it runs (`keyturnd --state`, `StateDirectory=` of its unit).
  static let agentStatePlace = "/run/keyturn/state"

  /// The state directory of the host's agent.
  static func agentState(_ host: any CommandHost) throws(Refusal) -> String {
    guard let told = try host.read(agentStatePlace, limitBytes: Limits.pathBytes) else {
      return agentState
    }
    if let hold = try host.foreignHold(on: agentStatePlace) {
      throw Refusal(
        .configuration,
        "\(agentStatePlace), which says where the agent of this host has its state, is not used: \(hold); restart keyturnd, or name other credentials with --credentials"
      )
    }
    let path = String(decoding: told.bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    if path.hasPrefix("/") { return path }
    throw Refusal(
      .configuration,
      "\(agentStatePlace) does not say where the agent of this host has its state: restart keyturnd, or name other credentials with --credentials"
    )
  }

  /// The state directory of the host's agent where its own files are used: it may have another certificate since, and
  /// trust another CA. Only root gets there.
  private static func state(
    for directory: String, _ host: any CommandHost
  ) throws(Refusal) -> String? {
    var directory = directory[...]
    while directory.hasSuffix("/") { directory.removeLast() }
    return host.isRoot && directory == agentCredentials ? try agentState(host) : nil
  }

  private static func readCredentials(
    _ options: ClusterOptions, _ host: any CommandHost
  ) throws(Refusal) -> CredentialFiles {
    let directory = credentials(options, host)
    func read(_ name: String) throws(Refusal) -> ReadContent {
      let path = "\(directory)/\(name)"
      if let content = try host.read(path, limitBytes: Limits.recordFileBytes) { return content }
      throw Refusal(
        .configuration,
        "there is no \(path); name the directory with --credentials DIR or $KEYTURN_CREDENTIALS (keyturn pki issue --role operator makes one)"
      )
    }
    let key = try read("key.pem")
    if (key.mode ?? 0) & 0o077 != 0 {
      throw Refusal(
        .configuration,
        "\(directory)/key.pem can be read by others than its owner; chmod 600 it")
    }
    return CredentialFiles(
      authority: try read("ca.pem").bytes, certificate: try read("cert.pem").bytes, key: key.bytes,
      state: try state(for: directory, host))
  }
}
