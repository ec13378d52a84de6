// SPDX-License-Identifier: Apache-2.0

/// The cluster as its operator describes it, and as its nodes have agreed on it.
///
/// An agent finds itself in it by the name in its certificate.
package struct Inventory: Sendable, Codable, Hashable {
  package struct Node: Sendable, Codable, Hashable {
    /// Its name; the one in its certificate.
    package var name: String
    /// `host:port` of its agent; the port is 7377 if it is left out.
    package var address: String
    /// `host:port` of its MinIO server, the port 9000 if it is left out; nil for port 9000 of the
    /// agent's host. Witnesses connect to it.
    package var server: String?

    package init(name: String, address: String, server: String? = nil) {
      self.name = name
      self.address = address
      self.server = server
    }

    /// Where its agent is; nil if that is no address.
    package var agentPlace: HostPort? {
      HostPort(address, defaultPort: Inventory.defaultAgentPort)
    }

    /// Where its MinIO server is; nil if that is no address.
    package var serverPlace: HostPort? {
      if let server { return HostPort(server, defaultPort: Inventory.defaultServerPort) }
      return agentPlace.map { HostPort(host: $0.host, port: Inventory.defaultServerPort) }
    }
  }

  package struct KeyManagerHost: Sendable, Codable, Hashable {
    package var name: String
    /// `host:port` of the Key Manager; the port is 7373 if it is left out.
    package var address: String
    /// `host:port` of its witness, an agent that tells whether the nodes can be reached from there;
    /// the port is 7377 if it is left out. Nil: it has none.
    package var witness: String?

    package init(name: String, address: String, witness: String? = nil) {
      self.name = name
      self.address = address
      self.witness = witness
    }

    /// Where the Key Manager is; nil if that is no address.
    package var place: HostPort? {
      HostPort(address, defaultPort: Inventory.defaultKeyManagerPort)
    }

    /// Where its witness is; nil if it has none.
    package var witnessPlace: HostPort? {
      witness.flatMap { HostPort($0, defaultPort: Inventory.defaultAgentPort) }
    }
  }

  /// What a reverse path from a Key Manager that no witness has verified means for a rollout.
  package enum UnverifiedDirection: String, Sendable, Codable, Hashable, CaseIterable {
    case warn
    case refuse
    /// Nothing is said of it; a reverse path that fails refuses all the same.
    case ignore
  }

  /// How long each part of a rollout may take.
  package struct Timeouts: Sendable, Codable, Hashable {
    /// Preflight and vote of one member.
    package var prepareSeconds: Int
    /// Stop of the unit after the instant.
    package var stopSeconds: Int
    /// Start of the unit until all of it is good.
    package var startSeconds: Int
    /// How long it must stay good before it is confirmed.
    package var settleSeconds: Int
    /// One probe of one Key Manager endpoint.
    package var probeSeconds: Int

    package init(
      prepareSeconds: Int = 30, stopSeconds: Int = 90, startSeconds: Int = 300,
      settleSeconds: Int = 10, probeSeconds: Int = 5
    ) {
      self.prepareSeconds = prepareSeconds
      self.stopSeconds = stopSeconds
      self.startSeconds = startSeconds
      self.settleSeconds = settleSeconds
      self.probeSeconds = probeSeconds
    }

    /// Every field may be left out.
    package init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      self.init()
      try fields.decode(into: &prepareSeconds, forKey: .prepareSeconds)
      try fields.decode(into: &stopSeconds, forKey: .stopSeconds)
      try fields.decode(into: &startSeconds, forKey: .startSeconds)
      try fields.decode(into: &settleSeconds, forKey: .settleSeconds)
      try fields.decode(into: &probeSeconds, forKey: .probeSeconds)
    }
  }

  /// The cluster's name; the one in every certificate.
  package var cluster: String
  package var nodes: [Node]
  package var keyManagers: [KeyManagerHost]
  package var unit: String
  /// The environment file that Keyturn writes, absolute.
  package var environmentFile: String
  package var timeouts: Timeouts
  /// The largest error of the clock estimate with which an instant is agreed, milliseconds.
  package var clockBoundMilliseconds: Int
  /// What follows an `apply` whose starts are not all confirmed.
  package var rollback: RollbackPolicy
  package var unverifiedDirection: UnverifiedDirection
  /// Hosts that MINIO_VOLUMES names and that are no nodes here, or nodes that it does not name: exceptions from the rule
  /// that both are the same hosts.
  package var outsideNodes: [String]
  /// Nil where nothing is waited for.
  package var proposals: ProposalRules?
  /// Of a file: the number of the agreed inventory that it was made from (`keyturn inventory show`); nil where that is
  /// not known. It is no part of what the nodes agree on.
  @BoundedIfPresent<Bounds.Count> package var number: Int?

  /// Ports where the inventory names none; the Key Manager's is from docs/facts.md, "The documented
  /// procedure".
  package static let defaultAgentPort: UInt16 = 7377
  package static let defaultKeyManagerPort: UInt16 = 7373
  package static let defaultServerPort: UInt16 = 9000

  package init(
    cluster: String, nodes: [Node], keyManagers: [KeyManagerHost] = [],
    unit: String = "minio.service", environmentFile: String = "/etc/default/minio",
    timeouts: Timeouts = Timeouts(), clockBoundMilliseconds: Int = 50,
    rollback: RollbackPolicy = .whenSafe, unverifiedDirection: UnverifiedDirection = .warn,
    outsideNodes: [String] = [], proposals: ProposalRules? = nil
  ) {
    self.proposals = proposals
    _number = BoundedIfPresent(wrappedValue: nil)
    self.outsideNodes = outsideNodes
    self.rollback = rollback
    self.cluster = cluster
    self.nodes = nodes
    self.keyManagers = keyManagers
    self.unit = unit
    self.environmentFile = environmentFile
    self.timeouts = timeouts
    self.clockBoundMilliseconds = clockBoundMilliseconds
    self.unverifiedDirection = unverifiedDirection
  }

  /// `cluster` and `nodes` must be there, the rest has defaults.
  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      cluster: try fields.decode(String.self, forKey: .cluster),
      nodes: try fields.decode([Node].self, forKey: .nodes))
    try fields.decode(into: &keyManagers, forKey: .keyManagers)
    try fields.decode(into: &unit, forKey: .unit)
    try fields.decode(into: &environmentFile, forKey: .environmentFile)
    try fields.decode(into: &timeouts, forKey: .timeouts)
    try fields.decode(into: &clockBoundMilliseconds, forKey: .clockBoundMilliseconds)
    try fields.decodeWord(into: &rollback, forKey: .rollback)
    try fields.decodeWord(into: &unverifiedDirection, forKey: .unverifiedDirection)
    try fields.decode(into: &outsideNodes, forKey: .outsideNodes)
    proposals = try fields.decodeIfPresent(ProposalRules.self, forKey: .proposals)
    _number = try fields.decode(BoundedIfPresent<Bounds.Count>.self, forKey: .number)
  }

  /// The members of a rollout: the nodes' names, sorted.
  package var memberNames: [String] { nodes.map(\.name).sorted() }

  package func node(named name: String) -> Node? { nodes.first { $0.name == name } }

  package func keyManager(named name: String) -> KeyManagerHost? {
    keyManagers.first { $0.name == name }
  }

  package func problems() -> [String] {
    var problems: [String] = []
    if let problem = Name.problem(in: cluster) {
      problems.append("cluster \"\(cluster)\": \(problem)")
    }
    if nodes.isEmpty { problems.append("nodes: there is none") }
    if nodes.count > Limits.inventoryNodes {
      problems.append("nodes: \(nodes.count), \(Limits.inventoryNodes) are allowed")
    }
    if keyManagers.count > Limits.inventoryKeyManagers {
      problems.append(
        "keyManagers: \(keyManagers.count), \(Limits.inventoryKeyManagers) are allowed")
    }
    let hosts =
      nodes.map { (kind: "node", name: $0.name, address: $0.address, port: Self.defaultAgentPort) }
      + keyManagers.map {
        (kind: "Key Manager", name: $0.name, address: $0.address, port: Self.defaultKeyManagerPort)
      }
    var names: Set<String> = []
    var addresses: Set<String> = []
    for host in hosts {
      if let problem = Name.problem(in: host.name) {
        problems.append("\(host.kind) \"\(host.name)\": \(problem)")
      }
      if !names.insert(host.name).inserted {
        problems.append("\(host.kind) \"\(host.name)\": the name is given twice")
      }
      guard let address = HostPort(host.address, defaultPort: host.port) else {
        problems.append(
          "\(host.kind) \"\(host.name)\": address \"\(host.address)\" is not host or host:port")
        continue
      }
      if !addresses.insert(address.text).inserted {
        problems.append("\(host.kind) \"\(host.name)\": address \(address.text) is given twice")
      }
    }
    // A witness may share its Key Manager's host, and a server its agent's: only the form counts.
    for node in nodes where node.agentPlace != nil && node.serverPlace == nil {
      problems.append(
        "node \"\(node.name)\": server \"\(node.server ?? "")\" is not host or host:port")
    }
    for host in keyManagers {
      guard let witness = host.witness else { continue }
      guard let place = host.witnessPlace else {
        problems.append(
          "Key Manager \"\(host.name)\": witness \"\(witness)\" is not host or host:port")
        continue
      }
      if !addresses.insert(place.text).inserted {
        problems.append("Key Manager \"\(host.name)\": witness \(place.text) is given twice")
      }
    }
    if outsideNodes.count > Limits.inventoryNodes {
      problems.append(
        "outsideNodes: \(outsideNodes.count), \(Limits.inventoryNodes) are allowed")
    }
    for host in outsideNodes.prefix(Limits.inventoryNodes)
    where HostPort(host, defaultPort: 1)?.host != host {
      problems.append("outsideNodes: \"\(host)\" is not the name or address of a host")
    }
    if !unit.hasSuffix(".service") || unit.contains("/") {
      problems.append("unit \"\(unit)\": it must be the name of a .service")
    }
    if !environmentFile.hasPrefix("/") || environmentFile.hasSuffix("/") {
      problems.append(
        "environmentFile \"\(environmentFile)\": it must be an absolute path of a file")
    }
    for (name, seconds) in [
      ("prepareSeconds", timeouts.prepareSeconds), ("stopSeconds", timeouts.stopSeconds),
      ("startSeconds", timeouts.startSeconds), ("probeSeconds", timeouts.probeSeconds),
    ] where !(1...86_400).contains(seconds) {
      problems.append("timeouts.\(name): \(seconds) is not in 1...86400")
    }
    // 0 is allowed: then a start is confirmed as soon as it is healthy.
    if !(0...3_600).contains(timeouts.settleSeconds) {
      problems.append("timeouts.settleSeconds: \(timeouts.settleSeconds) is not in 0...3600")
    }
    if !(1...10_000).contains(clockBoundMilliseconds) {
      problems.append("clockBoundMilliseconds: \(clockBoundMilliseconds) is not in 1...10000")
    }
    return problems + [proposals?.problem].compactMap(\.self)
  }
}

extension KeyedDecodingContainer {
  /// Leaves `value` as it is if there is no such field.
  func decode<Value: Decodable>(into value: inout Value, forKey key: Key) throws {
    value = try decodeIfPresent(Value.self, forKey: key) ?? value
  }

  /// The same for one of a few words, which the error lists.
  func decodeWord<Word: RawRepresentable<String> & CaseIterable>(
    into value: inout Word, forKey key: Key
  ) throws {
    guard let text = try decodeIfPresent(String.self, forKey: key) else { return }
    guard let word = Word(rawValue: text) else {
      let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
      throw DecodingError.dataCorruptedError(
        forKey: key, in: self, debugDescription: "is none of \(words)")
    }
    value = word
  }
}

/// What follows a committed rollout whose starts were not all confirmed.
package enum RollbackPolicy: String, Sendable, Codable, Hashable, CaseIterable {
  /// The previous files are rolled out again, unless a server may have encrypted with a key that
  /// they lack.
  case whenSafe = "when-safe"
  /// Nothing is rolled back; the new files stay.
  case never
}
