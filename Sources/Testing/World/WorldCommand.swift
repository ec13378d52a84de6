// SPDX-License-Identifier: Apache-2.0
internal import API
import Coordination
internal import Fibers
internal import Glibc
internal import HTTP
internal import JSONCoding
internal import Rollout
internal import S3
internal import Model
internal import Operator
internal import Secrets
internal import Threads

/// The installed `keyturn` on a host of the world: an operator's machine, or a node.
///
/// Only fibers of the world's one kernel thread touch it, so nothing is locked.
final class WorldCommand: CommandHost, AgentNetwork, LocalAgent, @unchecked Sendable {
  private let world: World
  /// Whose certificate it has, and the machine's name in the network; nil on a node.
  private let name: String
  /// The node that it runs on; nil on an operator's machine.
  private let host: SimulatedHost?
  private let files: [String: String]
  private let variables: [String: String]
  let interruption = Interruption()
  /// Of what it printed on standard output, the events of `--json`.
  private(set) var events: [Event] = []

  /// An operator's machine.
  init(world: World, name: String, files: [String: String]) {
    (self.world, self.name, self.files, host) = (world, name, files, nil)
    variables = ["KEYTURN_INVENTORY": "/etc/keyturn/inventory.json"]
  }

  /// A node.
  init(host: SimulatedHost, files: [String: String] = [:], variables: [String: String]) {
    (world, name, self.host) = (host.world, host.name, host)
    (self.files, self.variables) = (files, variables)
  }

  /// Blocks until it has ended; its exit status.
  func run(_ arguments: [String]) -> Int32 {
    Keyturn(
      host: self, network: self, workshop: NoWorkshop(), local: self, stores: NoStores(),
      newcomer: NoNewcomer(),
      interruption: interruption,
      version: "world"
    ).run(arguments)
  }

  /// One event of `--json`.
  struct Event: Decodable {
    var event: String
    var id: String?
  }

  // MARK: files and streams

  func read(_ path: String, limitBytes: Int) throws(Refusal) -> ReadContent? {
    if let text = files[path] { return ReadContent(bytes: Array(text.utf8), mode: 0o600) }
    return host?.files[path].map { ReadContent(bytes: $0, mode: 0o640) }
  }

  func record(_ path: String) throws(Refusal) -> [UInt8]? {
    let directory = "/var/lib/keyturn/"
    guard let host, path.hasPrefix(directory) else { return nil }
    return try host.record(String(path.dropFirst(directory.utf8.count)))
  }

  func isDirectory(_ path: String) throws(Refusal) -> Bool { host != nil }
  func place(of path: String, user: String?) throws(Refusal) -> ConfigFilePlace {
    ConfigFilePlace(path: path, steps: [path], exists: host?.files[path] != nil)
  }
  func leaveEvidence(_ path: String, _ bytes: [UInt8]) throws(Refusal) {
    host?.evidence[path] = bytes
  }
  func create(_ path: String, _ bytes: [UInt8]) throws(Refusal) {
    throw Refusal(.failed, "write \(path): Read-only file system")
  }

  func write(_ text: String, to stream: OutputStream) -> Bool {
    world.checkNoSecret(text, "\(name): the output of a command")
    for line in text.split(separator: "\n") {
      if stream == .standardOutput,
        let event = try? JSON.decode(Event.self, from: Array(line.utf8))
      {
        events.append(event)
      }
      world.trace("\(name): \(line)")
    }
    return true
  }

  var outputFailure: String? { nil }
  func terminal(_ stream: OutputStream) -> TerminalSize? { nil }
  func ask(_ question: String) -> String? { nil }
  func askSecret(_ question: String) -> Secret? { nil }
  var isRoot: Bool { host != nil }
  func foreignHold(on path: String) throws(Refusal) -> String? { nil }
  func variable(_ name: String) -> String? { variables[name] }

  // MARK: agents

  func open(
    _ inventory: Inventory, _ credentials: CredentialFiles, revoked: Revocations?
  ) throws(Refusal) -> AgentConnections {
    let principal = Principal(cluster: World.cluster, role: .operator, name: name)
    return AgentConnections(
      certificate: OwnCertificate(principal: principal, validFrom: 0, validUntil: .max / 2),
      links: inventory.memberNames.map { node in
        WorldLink(network: world.network, caller: name, principal: principal, node: node)
      })
  }

  /// Through the agent's socket, on a node.
  func ask(
    _ request: HTTPRequest, socket: String, deadline: Instant
  ) throws(Refusal) -> HTTPResponse {
    guard let host, let response = world.network.askLocally(host, request, deadline) else {
      throw Refusal(.unreachable, "connect to \(socket): Connection refused")
    }
    return response
  }
}

private struct NoStores: S3Network {
  func open(_ authorities: S3Authorities) throws(Refusal) -> any S3Link {
    throw Refusal(.failed, "no S3 server is here")
  }
  func local(unit: String) throws(Refusal) -> LocalS3Server {
    throw Refusal(.failed, "no S3 server is here")
  }
}

private struct NoNewcomer: JoiningHost {
  func put(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(Refusal) {}
  func putRecord(_ path: String, _ bytes: [UInt8]) throws(Refusal) {}
  func use(_ dropIn: DropIn, for unit: String) throws(Refusal) -> String? { nil }
  func startAgent() throws(Refusal) {}
  func agentObstacle() throws(Refusal) -> String? { nil }
  func isHere(_ place: HostPort, deadline: Instant) throws(Refusal) -> Bool { true }
  func obstacle(connecting place: HostPort, deadline: Instant) -> String? { nil }
}

private struct NoWorkshop: CertificateWorkshop {
  func makeAuthority(
    cluster: String, directory: String, days: Int?, passphrase: Secret?
  ) throws(Refusal) {}
  func needsPassphrase(authority: String) throws(Refusal) -> Bool { false }
  func authority(
    in directory: String, passphrase: Secret?
  ) throws(Refusal) -> any CertificateIssuer {
    throw Refusal(.failed, "no certificates are made here")
  }
  func authorityCertificate(in directory: String) throws(Refusal) -> AuthorityCertificate? { nil }
  func isIssued(
    _ certificate: [UInt8], by authority: AuthorityCertificate
  ) throws(Refusal) -> Bool { false }
  func replace(_ path: String, _ certificates: [UInt8]) throws(Refusal) {}
  func verify(_ file: JoinFile) throws(Refusal) -> Revocations? { nil }
  func verify(
    _ list: SignedRevocations, of cluster: String, by authorities: String
  ) throws(Refusal) -> Revocations {
    throw Refusal(.failed, "no lists are read here")
  }
  func describe(_ certificate: [UInt8]) throws(Refusal) -> CertificateFacts {
    throw Refusal(.failed, "no certificates are read here")
  }
}
