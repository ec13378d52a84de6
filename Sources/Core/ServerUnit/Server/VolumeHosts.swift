// SPDX-License-Identifier: Apache-2.0
package import Model

/// The hosts that the server's arguments name: those it waits for at its start. They and the nodes of the inventory must
/// be the same, or a rollout restarts some of them without the others.
package struct VolumeHosts: Sendable, Hashable {
  /// Each host once, in their order, in lower case, with the port that is named first; empty where only local paths are
  /// named.
  package private(set) var places: [HostPort] = []
  package var names: [String] { places.map(\.host) }
  /// Why not all are known; nil if they are.
  package private(set) var problem: String?

  /// - Parameters:
  ///   - words: the arguments, such as `http://minio-{1...4}:9000/data{1...2}` or `/data`.
  ///   - port: that of a host which is named without one: the server's own.
  package init(_ words: [String], port: UInt16 = Inventory.defaultServerPort) {
    var seen: Set<String> = []
    for word in words {
      guard let scheme = word.firstRange(of: "://") else { continue }
      let authority = String(word[scheme.upperBound...].prefix { $0 != "/" })
      do throws(Ellipses.Problem) {
        let texts =
          Ellipses.occur(in: authority)
          ? try Ellipses.expand(authority, limit: Limits.inventoryNodes) : [authority]
        for text in texts {
          guard let place = HostPort(text, defaultPort: port) else {
            problem = "\"\(text)\" is not host or host:port"
            continue
          }
          let name = Self.plain(place.host)
          if !Self.isLocal(name), seen.insert(name).inserted {
            places.append(HostPort(host: name, port: place.port))
          }
        }
      } catch { problem = "the pattern in \(authority) \(error.message)" }
      if places.count > Limits.inventoryNodes {
        places = []
        problem = "more than \(Limits.inventoryNodes) hosts are named"
        return
      }
    }
  }

  private static func plain(_ host: String) -> String {
    let name = host.lowercased()
    return name.hasSuffix(".") ? String(name.dropLast()) : name
  }

  private static func isLocal(_ name: String) -> Bool {
    name == "localhost" || name == "::1" || name.hasPrefix("127.")
  }

  // MARK: beside the inventory

  /// What differs between the hosts and the nodes of an inventory.
  package struct Difference: Sendable, Hashable {
    /// Hosts that are no nodes.
    package var strangers: [String]
    /// Nodes that are not named.
    package var missing: [String]
    /// Whether no host is known by any name of a node: then they may be the same hosts under other names.
    package var isOfNames: Bool
  }

  /// Nil where both are the same, and where no hosts are named.
  ///
  /// A host is a node by the node's name, or by the host of its `address` or `server`. A name that is another's beginning
  /// up to a dot is the same: `minio-1` and `minio-1.example.net`.
  package func difference(from inventory: Inventory) -> Difference? {
    if names.isEmpty { return nil }
    let outside = Index(inventory.outsideNodes.map(Self.plain))
    let known = inventory.nodes.map(Self.names)
    let nodes = Index(known.joined().map(\.self))
    let hosts = Index(names)
    let strangers = names.filter { !nodes.matches($0) && !outside.matches($0) }
    let missing = zip(inventory.nodes, known).filter { _, names in
      !names.contains { hosts.matches($0) || outside.matches($0) }
    }.map(\.0.name)
    if strangers.isEmpty && missing.isEmpty { return nil }
    return Difference(
      strangers: strangers, missing: missing,
      isOfNames: strangers.count == names.count && names.count == inventory.nodes.count)
  }

  /// Whether the hosts are known, and the node is none of them: it may be an exception of the inventory.
  package func leavesOut(_ node: Inventory.Node) -> Bool {
    if names.isEmpty { return false }
    let hosts = Index(names)
    return !Self.names(of: node).contains(where: hosts.matches)
  }

  /// How many of them are no nodes of the inventory, exceptions included.
  func strangers(to inventory: Inventory) -> Int {
    let nodes = Index(inventory.nodes.flatMap(Self.names))
    return names.count { !nodes.matches($0) }
  }

  /// Every name that a node is known by.
  private static func names(of node: Inventory.Node) -> [String] {
    [node.name, node.agentPlace?.host, node.serverPlace?.host].compactMap(\.self).map(plain)
  }

  /// Names and all their beginnings up to a dot.
  private struct Index {
    private var whole: Set<String> = []
    private var beginnings: Set<String> = []

    init(_ names: [String]) {
      for name in names {
        whole.insert(name)
        beginnings.formUnion(Self.beginnings(of: name))
      }
    }

    func matches(_ name: String) -> Bool {
      whole.contains(name) || beginnings.contains(name)
        || Self.beginnings(of: name).contains(where: whole.contains)
    }

    /// None of an address: no part of one is a name.
    private static func beginnings(of name: String) -> [String] {
      let labels = name.split(separator: ".", omittingEmptySubsequences: false)
      if labels.count < 2 || name.contains(":") || labels.last?.allSatisfy(\.isNumber) == true {
        return []
      }
      return (1..<labels.count).map { labels.prefix($0).joined(separator: ".") }
    }
  }

  // MARK: what is said of it

  /// What stands against the hosts, beside the inventory.
  ///
  /// - Parameter whose: what names them, for example `MINIO_VOLUMES`.
  package func findings(_ inventory: Inventory, whose: String) -> [Finding] {
    func finding(_ severity: Severity, _ message: String, _ remedy: String) -> Finding {
      Finding(
        severity, rule: "volumes-inventory", message: message,
        remedy: remedy)
    }
    if let problem, !names.isEmpty || problem.contains("more than") {
      return [
        finding(
          .warning,
          "which hosts \(whose) names is not known, and they are not compared: \(problem)",
          "write the hosts as the server's documentation has them")
      ]
    }
    guard let difference = difference(from: inventory) else { return [] }
    if difference.isOfNames {
      return [
        finding(
          .warning,
          "\(whose) names \(Self.some(difference.strangers)), and no node of the inventory has one of these names",
          "give each node's name there as its \"server\" in the inventory")
      ]
    }
    let parts = [
      difference.strangers.isEmpty
        ? nil
        : "\(whose) names \(Self.some(difference.strangers)), which the inventory has not",
      difference.missing.isEmpty
        ? nil : "\(whose) does not name \(Self.some(difference.missing)), which the inventory has",
    ].compactMap(\.self)
    return [
      finding(
        .error, parts.joined(separator: "; "),
        "make the inventory and MINIO_VOLUMES the same nodes (docs/use/runbooks.md, \"Add a node\"), or name an exception in \"outsideNodes\" of the inventory"
      )
    ]
  }

  /// The first few, those that are alike together.
  private static func some(_ names: [String]) -> String {
    let shown = 64
    let text = NodeNames.folded(Array(names.prefix(shown)))
    return names.count > shown ? "\(text) and \(names.count - shown) more" : text
  }
}
