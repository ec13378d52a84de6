// SPDX-License-Identifier: Apache-2.0
internal import EnvironmentFile
internal import JSONCoding
internal import KeyManager
internal import Model
internal import ServerUnit

/// `keyturn init`: makes the first inventory, from what the server's settings say already.
struct InitCommand: Command {
  struct Options: OptionGroup {
    @Option(
      "cluster", takes: "NAME", help: "what the cluster is called from now on", as: .name)
    var cluster: String
    @Option(
      "environment", takes: "FILE",
      help: "a node's environment file; /etc/default/minio if neither is given", as: .text)
    var environment: String?
    @Option(
      "volumes", takes: "VALUE", help: "the value of MINIO_VOLUMES, in place of a file", as: .text)
    var volumes: String?
    @Option(
      "kms-server", takes: "VALUE",
      help: "the value of MINIO_KMS_SERVER, if it is not in the file yet", as: .text)
    var keyManagers: String?
    @Option("witnesses", help: "a witness on the host of each Key Manager")
    var hasWitnesses: Bool
    @Option(
      "out", takes: "FILE", help: "a new file; ./inventory.json if left out, - prints it",
      as: .text)
    var file: String?

    var problem: String? {
      guard volumes != nil, environment != nil else { return nil }
      return "--volumes and --environment: give one of them"
    }
  }

  static let rule = CommandRule(
    name: "init",
    summary: "make the inventory of a cluster from MINIO_VOLUMES; needs no agent",
    details: """
      Writes an inventory with a node for each host of MINIO_VOLUMES, pools and patterns such as {1...16} expanded, and a
      Key Manager for each endpoint of MINIO_KMS_SERVER, with --witnesses with an agent on its host. A node's name is its host's up to the first dot, where that tells
      all of them apart, else the whole host. Everything else has its default, written out, to be changed with an
      editor. An existing file is not overwritten.
      """,
    examples: [
      ("keyturn init --cluster prod", "on a node, from /etc/default/minio"),
      (
        "keyturn init --cluster prod --volumes 'https://minio-{1...4}.example.net:9000/data{1...8}'",
        "anywhere"
      ),
      (
        "keyturn init --cluster prod --kms-server https://kms-{1...3}.example.net:7373",
        "before the Key Managers are in the file"
      ),
    ],
    exitCodes: [.done, .failed, .validationRefused])

  let context: CommandContext
  let options: Options

  private static let environmentPath = "/etc/default/minio"
  private static let volumesName = "MINIO_VOLUMES"

  func run() throws(Refusal) -> CommandResult {
    let inventory = try makeInventory()
    if let problem = inventory.problems().first {
      throw Refusal(
        .validation,
        "the inventory that \(Self.volumesName) makes cannot be used: \(problem); write it by hand (docs/use/file-formats.md)"
      )
    }
    let path = options.file ?? "./inventory.json"
    let text = String(decoding: JSON.encode(inventory, pretty: true), as: UTF8.self) + "\n"
    if path == "-" {
      context.host.write(text, to: .standardOutput)
    } else {
      try context.host.create(path, Array(text.utf8))
      context.console.line(
        "\(path): cluster \(inventory.cluster), \(Self.count(inventory.nodes.count, "node")) (\(NodeNames.folded(inventory.nodes.map(\.name)))), \(Self.count(inventory.keyManagers.count, "Key Manager"))"
      )
    }
    context.console.event(
      "inventory",
      [
        "file": path, "nodes": inventory.nodes.map(\.name),
        "keyManagers": inventory.keyManagers.map(\.name),
      ])
    if inventory.keyManagers.isEmpty {
      context.console.message(
        .note,
        "no Key Manager is known yet: give --kms-server, or add keyManagers to the file before encryption is enabled"
      )
    } else if !options.hasWitnesses {
      context.console.message(
        .note,
        "where an agent is to run on a Key Manager's host, to look at the reverse path, give --witnesses, or add \"witness\": \"HOST:\(Inventory.defaultAgentPort)\" beside its address"
      )
    }
    return CommandResult(.done, isChanged: path != "-")
  }

  private static func count(_ count: Int, _ what: String) -> String {
    "\(count == 0 ? "no" : "\(count)") \(what)\(count == 1 ? "" : "s")"
  }

  private func makeInventory() throws(Refusal) -> Inventory {
    let (volumes, server) = try values()
    let hosts = VolumeHosts(volumes.split(separator: " ").map(String.init))
    if let problem = hosts.problem {
      throw Refusal(.validation, "\(Self.volumesName): \(problem); nothing was written")
    }
    if hosts.places.isEmpty {
      throw Refusal(
        .validation,
        "\(Self.volumesName) (\(volumes)) names no host but this one: a server of one host needs an inventory by hand (docs/use/file-formats.md)"
      )
    }
    let endpoints = try server.map(Self.endpoints) ?? []
    if options.hasWitnesses, endpoints.isEmpty {
      throw Refusal(
        .validation,
        "--witnesses: no Key Manager is known whose host would have one: give --kms-server VALUE, or leave --witnesses out; nothing was written"
      )
    }
    let nodeNames = Self.names(hosts.places.map(\.host), "node", besides: [])
    let nodes = zip(nodeNames, hosts.places).map { name, place in
      Inventory.Node(
        name: name,
        address: HostPort(host: place.host, port: Inventory.defaultAgentPort).text,
        server: place.text)
    }
    let keyManagerNames = Self.names(endpoints.map(\.host), "kms", besides: Set(nodeNames))
    let keyManagers = zip(keyManagerNames, endpoints).map { name, endpoint in
      Inventory.KeyManagerHost(
        name: name, address: endpoint.target.text,
        witness: options.hasWitnesses
          ? HostPort(host: endpoint.host, port: Inventory.defaultAgentPort).text : nil)
    }
    var inventory = Inventory(cluster: options.cluster, nodes: nodes, keyManagers: keyManagers)
    if let path = options.environment, path.hasPrefix("/") { inventory.environmentFile = path }
    return inventory
  }

  private static func endpoints(_ server: String) throws(Refusal) -> [Endpoint] {
    do throws(Refusal) { return try Endpoint.expand(server) } catch {
      throw Refusal(error.code, "MINIO_KMS_SERVER: \(error.message); nothing was written")
    }
  }

  /// MINIO_VOLUMES, and MINIO_KMS_SERVER if there is one.
  private func values() throws(Refusal) -> (volumes: String, server: String?) {
    if let volumes = options.volumes { return (volumes, options.keyManagers) }
    let path = options.environment ?? Self.environmentPath
    guard let content = try context.host.read(path, limitBytes: Limits.environmentFileBytes) else {
      throw Refusal(
        .failed,
        "there is no file \(path): run the command on a node, copy the file from one and name it with --environment FILE, or give --volumes VALUE"
      )
    }
    let reading = EnvironmentDocument(content.bytes).systemd
    if let failure = reading.failure {
      throw Refusal(
        .validation, "systemd cannot read \(path): \(failure); keyturn lint \(path) says more")
    }
    guard let volumes = reading[Self.volumesName], !volumes.isEmpty else {
      throw Refusal(
        .validation,
        "\(path) has no \(Self.volumesName): name the file that has it with --environment FILE, or give --volumes VALUE"
      )
    }
    let server = options.keyManagers ?? reading["MINIO_KMS_SERVER"]
    return (volumes, server.flatMap { $0.isEmpty ? nil : $0 })
  }

  /// Names for hosts: up to the first dot where that tells them apart, else the whole host, else a word and a number.
  private static func names(
    _ hosts: [String], _ word: String, besides others: Set<String>
  ) -> [String] {
    let short = hosts.map { host in
      IPAddress(host) == nil ? String(host.prefix { $0 != "." }) : host
    }
    for names in [short, hosts]
    where Set(names).count == names.count && others.isDisjoint(with: names)
      && names.allSatisfy({ Name.problem(in: $0) == nil })
    {
      return names
    }
    return hosts.indices.map { "\(word)-\($0 + 1)" }
  }
}
