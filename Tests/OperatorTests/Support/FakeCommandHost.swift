// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import HTTP
import JSONCoding
import Model
@testable import Operator
import Rollout
import Secrets
import Threads

/// A process in memory: files, an environment, and everything that was written.
final class FakeCommandHost: CommandHost {
  private struct State {
    var output = ""
    var errors = ""
    var both = ""
    var questions: [String] = []
    var created: [String: String] = [:]
    var evidence: [String: [UInt8]] = [:]
  }
  private let state = Lock(State())
  private let files: [String: ReadContent]
  /// Directories without a file in them.
  private let directories: Set<String>
  private let answer: String?
  private let variables: [String: String]
  private let size: TerminalSize?
  /// What others may write on the way to a file.
  private let foreign: [String: String]
  /// No evidence can be left.
  private let evidenceFailure: String?
  /// Files that change while the command runs.
  private let live: @Sendable (String) -> String?
  /// Who else could change a file, by its path.
  private let foreignHolds: [String: String]

  init(
    files: [String: String] = [:], directories: Set<String> = [], mode: UInt32 = 0o600,
    modes: [String: UInt32] = [:], answer: String? = nil, variables: [String: String] = [:],
    terminal: TerminalSize? = nil,
    foreign: [String: String] = [:], evidenceFailure: String? = nil,
    isRoot: Bool = false, foreignHolds: [String: String] = [:], outputFailure: String? = nil,
    live: @escaping @Sendable (String) -> String? = { _ in nil }
  ) {
    self.live = live
    self.outputFailure = outputFailure
    self.foreign = foreign
    self.evidenceFailure = evidenceFailure
    self.isRoot = isRoot
    self.foreignHolds = foreignHolds
    self.directories = directories
    self.files = Dictionary(
      uniqueKeysWithValues: files.map {
        ($0, ReadContent(bytes: Array($1.utf8), mode: modes[$0] ?? mode))
      })
    self.answer = answer
    self.variables = variables
    size = terminal
  }

  var output: String { state.withLock { $0.output } }
  var errors: String { state.withLock { $0.errors } }
  /// Both streams, as a terminal gets them.
  var both: String { state.withLock { $0.both } }
  var lines: [String] { output.split(separator: "\n").map(String.init) }

  func read(_ path: String, limitBytes: Int) throws(Refusal) -> ReadContent? {
    if let text = live(path) { return ReadContent(bytes: Array(text.utf8), mode: 0o600) }
    guard let content = files[path] else { return nil }
    if content.bytes.count > limitBytes { throw Refusal(.failed, "\(path) is too large") }
    return content
  }
  func record(_ path: String) throws(Refusal) -> [UInt8]? {
    guard let content = files[path] else { return nil }
    if content.bytes.starts(with: "DAMAGED".utf8) {
      throw Refusal(.failed, "read \(path): its checksum is wrong.")
    }
    return content.bytes
  }
  func place(of path: String, user: String?) throws(Refusal) -> ConfigFilePlace {
    ConfigFilePlace(
      path: path, steps: [path], exists: files[path] != nil, foreign: foreign[path])
  }
  /// What the start guard has left, by its path.
  var evidence: [String: [UInt8]] { state.withLock { $0.evidence } }
  func leaveEvidence(_ path: String, _ bytes: [UInt8]) throws(Refusal) {
    if let evidenceFailure { throw Refusal(.failed, evidenceFailure) }
    state.update { $0.evidence[path] = bytes }
  }
  func isDirectory(_ path: String) throws(Refusal) -> Bool {
    directories.contains(path) || files.keys.contains { $0.hasPrefix(path + "/") }
  }
  /// What was written into files, by their paths.
  var created: [String: String] { state.withLock { $0.created } }
  func create(_ path: String, _ bytes: [UInt8]) throws(Refusal) {
    if files[path] != nil { throw Refusal(.failed, "write \(path): File exists") }
    state.withLock { $0.created[path] = String(decoding: bytes, as: UTF8.self) }
  }
  func write(_ text: String, to stream: OutputStream) -> Bool {
    state.withLock { state in
      state.both += text
      switch stream {
      case .standardOutput: state.output += text
      case .standardError: state.errors += text
      }
    }
    return true
  }
  let outputFailure: String?
  func terminal(_ stream: OutputStream) -> TerminalSize? { size }
  /// What was asked on the terminal.
  var questions: [String] { state.withLock { $0.questions } }
  func ask(_ question: String) -> String? {
    state.update { state in
      state.questions.append(question)
      state.both += "\(question)\(answer ?? "")\n"
    }
    return answer
  }
  func askSecret(_ question: String) -> Secret? { answer.map(Secret.init) }
  let isRoot: Bool
  func foreignHold(on path: String) throws(Refusal) -> String? { foreignHolds[path] }
  func variable(_ name: String) -> String? { variables[name] }
}

/// Agents in memory.
struct FakeNetwork: AgentNetwork {
  let agents: [FakeAgent]
  var cluster = "prod"
  var validUntil = Int64.max / 2
  var role = Role.operator
  var name = "alice"
  /// The list that the links were opened with.
  let revoked = Lock<Revocations?>(nil)
  /// The state directory that they were opened with.
  let states = Lock([String?]())
  /// What is to be told of that.
  var warnings: [String] = []

  func open(
    _ inventory: Inventory, _ credentials: CredentialFiles, revoked: Revocations?
  ) throws(Refusal) -> AgentConnections {
    self.revoked.update { $0 = revoked }
    states.update { $0.append(credentials.state) }
    return AgentConnections(
      certificate: OwnCertificate(
        principal: Principal(cluster: cluster, role: role, name: name),
        validFrom: validUntil - 90 * 86_400, validUntil: validUntil),
      links: inventory.nodes.map { agent($0.name) },
      witnesses: inventory.keyManagers.filter { $0.witness != nil }.map {
        (name: $0.name, link: agent($0.name))
      }, warnings: warnings)
  }

  private func agent(_ name: String) -> any AgentLink {
    agents.first { $0.name == name } ?? FakeAgent(name, .unreachable)
  }
}

/// A workshop that makes nothing.
struct FakeWorkshop: CertificateWorkshop {
  /// The passphrase that the authority was made with, and the one that it was used with.
  let passphrases = Lock<(made: Secret?, used: Secret?)>((nil, nil))
  var isEncrypted = false
  var issuer = FakeIssuer()
  /// What certificates say, in whatever text.
  var facts = CertificateFacts(
    principal: nil, subject: "CN=x", validFromMicroseconds: 0, validUntilMicroseconds: 0)

  func makeAuthority(
    cluster: String, directory: String, days: Int?, passphrase: Secret?
  ) throws(Refusal) { passphrases.update { $0.made = passphrase } }
  func needsPassphrase(authority: String) throws(Refusal) -> Bool { isEncrypted }
  func authority(
    in directory: String, passphrase: Secret?
  ) throws(Refusal) -> any CertificateIssuer {
    passphrases.update { $0.used = passphrase }
    return issuer
  }
  func authorityCertificate(in directory: String) throws(Refusal) -> AuthorityCertificate? {
    issuer.certificate
  }
  func isIssued(
    _ certificate: [UInt8], by authority: AuthorityCertificate
  ) throws(Refusal) -> Bool { true }
  func replace(_ path: String, _ certificates: [UInt8]) throws(Refusal) {}
  func describe(_ certificate: [UInt8]) throws(Refusal) -> CertificateFacts {
    facts
  }
  var mismatch: String?
  func verify(_ file: JoinFile) throws(Refusal) -> Revocations? {
    if let mismatch { throw Refusal(.validation, mismatch) }
    guard let list = file.revocations else { return nil }
    return try verify(list, of: file.inventory.cluster, by: file.authority)
  }
  func verify(
    _ list: SignedRevocations, of cluster: String, by authorities: String
  ) throws(Refusal) -> Revocations {
    try list.verified(cluster: cluster) { _, _ in list.signature != "strange" }
  }
}

/// An authority that signs nothing and keeps what it is asked for.
struct FakeIssuer: CertificateIssuer {
  var cluster = "prod"
  var certificate: AuthorityCertificate {
    AuthorityCertificate(cluster: cluster, pem: "ca", key: key)
  }
  /// Agents trust that of nothing.
  var key = Digest.sha256([])
  let issued = Lock([(role: Role, name: String, addresses: [String], days: Int?, file: String)]())
  let renewed = Lock([(principal: Principal, request: String, days: Int?)]())

  func issue(
    role: Role, name: String, addresses: [String], days: Int?, directory: String
  ) throws(Refusal) -> Principal {
    issued.update { $0.append((role, name, addresses, days, directory)) }
    return Principal(cluster: cluster, role: role, name: name)
  }
  func issueToJoin(
    _ inventory: Inventory, role: Role, name: String, addresses: [String], days: Int, file: String,
    replaces: Bool
  ) throws(Refusal) {
    issued.update {
      $0.append((role, name, addresses, days, replaces ? "\(file), replaced" : file))
    }
  }
  func renew(
    _ request: CertificateRequestAnswer, of principal: Principal, days: Int?,
    former: AuthorityCertificate?
  ) throws(Refusal) -> String {
    renewed.update { $0.append((principal, request.request, days)) }
    return "certificate of \(principal.name)"
  }
  func reissue(
    _ certificate: [UInt8], of principal: Principal, days: Int?, former: AuthorityCertificate
  ) throws(Refusal) -> String { "certificate of \(principal.name)" }
  func sign(_ authorities: Authorities) throws(Refusal) -> SignedAuthorities {
    SignedAuthorities(list: "", signature: "")
  }
  func giveTrust(in authorities: [AuthorityCertificate]) throws(Refusal) {}
  func adoptRevocations(of directory: String) throws(Refusal) -> Revocations? { nil }
  let added = Lock([String]())
  var list: Revocations?
  /// What came back from agents.
  let takenBack = Lock([Revocations]())
  func takeBack(_ list: SignedRevocations) throws(Refusal) -> Revocations? {
    if list.signature == "disk" { throw Refusal(.failed, "the disk is full") }
    if list.signature != "signed" { throw Refusal(.validation, "it is not signed") }
    guard let theirs = try? JSON.decode(Revocations.self, from: Array(list.list.utf8)),
      try revoked() != theirs
    else { return nil }
    takenBack.update { $0.append(theirs) }
    return theirs
  }
  /// How often it was noted that nothing is revoked.
  let noted = Lock(0)
  func noteNothingRevoked() throws(Refusal) { noted.update { $0 += 1 } }
  func revoked() throws(Refusal) -> Revocations? { takenBack.withLock(\.last) ?? list }
  var hasList = true
  private var signed: SignedRevocations { SignedRevocations(list: "a list", signature: "signed") }
  func revocations() throws(Refusal) -> SignedRevocations? { hasList ? signed : nil }
  /// Whether this clock was said to be the right one.
  let trust = Lock([Bool]())
  func revoke(
    _ holders: [(role: Role, name: String)], trustsClock: Bool
  ) throws(Refusal) -> SignedRevocations {
    added.update { $0 += holders.map { "\($0.role.rawValue)/\($0.name)" } }
    trust.update { $0.append(trustsClock) }
    return signed
  }
}

/// No agent on this host, or one that gives these answers in turn, the last one again and again.
final class FakeLocalAgent: LocalAgent {
  private let answers: Lock<[HTTPResponse]>
  let requests = Lock([HTTPRequest]())

  init(_ answers: [HTTPResponse] = []) { self.answers = Lock(answers) }

  func ask(
    _ request: HTTPRequest, socket: String, deadline: Instant
  ) throws(Refusal) -> HTTPResponse {
    requests.update { $0.append(request) }
    let answer = answers.update { $0.count > 1 ? $0.removeFirst() : $0.first }
    guard let answer else { throw Refusal(.unreachable, "connect to \(socket): nobody is there") }
    return answer
  }
}

/// A cluster of four nodes, with the files that `keyturn` reads.
enum Sample {
  static let apiKey = "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw"
  static let settings = """
    MINIO_KMS_SERVER=https://kms-1.example.net:7373,https://kms-2.example.net:7373
    MINIO_KMS_ENCLAVE=tenant-1
    MINIO_KMS_SSE_KEY=primary-key
    MINIO_KMS_API_KEY=\(apiKey)

    """
  static let names = ["minio-1", "minio-2", "minio-3", "minio-4"]
  static let seal = Seal(
    cluster: "prod", keyName: "primary-key", enclave: "tenant-1", rollout: "0011223344556677",
    sealedAtMicroseconds: 0)

  static let files = [
    "./inventory.json": """
    {"cluster": "prod", "nodes": [\(names.map { #"{"name": "\#($0)", "address": "\#($0)"}"# }.joined(separator: ","))],
     "timeouts": {"prepareSeconds": 1, "stopSeconds": 1, "startSeconds": 1}}
    """,
    "/etc/keyturn/credentials/ca.pem": "ca",
    "/etc/keyturn/credentials/cert.pem": "cert",
    "/etc/keyturn/credentials/key.pem": "key",
    "kms.env": settings,
  ]

  /// Runs a command line against agents; the host has what was written.
  static func run(
    _ arguments: String, _ agents: [FakeAgent], files more: [String: String] = [:],
    mode: UInt32 = 0o600, modes: [String: UInt32] = [:], answer: String? = nil,
    cluster: String = "prod",
    terminal: TerminalSize? = nil, variables: [String: String] = [:],
    interruption: Interruption = Interruption(), local: FakeLocalAgent = FakeLocalAgent(),
    validUntil: Int64 = .max / 2, workshop: FakeWorkshop = FakeWorkshop(), role: Role = .operator,
    name: String = "alice", outputFailure: String? = nil, stores: FakeStores = FakeStores(),
    newcomer: FakeNewcomer = FakeNewcomer(), isRoot: Bool = false
  ) -> (code: ExitCode, host: FakeCommandHost) {
    let host = FakeCommandHost(
      files: files.merging(more) { $1 }, mode: mode, modes: modes, answer: answer,
      variables: ["KEYTURN_INVENTORY": "./inventory.json"].merging(variables) { $1 },
      terminal: terminal, isRoot: isRoot, outputFailure: outputFailure)
    let keyturn = Keyturn(
      host: host,
      network: FakeNetwork(
        agents: agents, cluster: cluster, validUntil: validUntil, role: role, name: name),
      workshop: workshop, local: local, stores: stores, newcomer: newcomer,
      interruption: interruption, version: "test")
    return (keyturn.code(arguments.split(separator: " ").map(String.init)), host)
  }
}

extension Sample {
  /// One agent for each node.
  static func agents(_ make: (String) -> FakeAgent = { FakeAgent($0) }) -> [FakeAgent] {
    names.map(make)
  }

  /// Four agents, the third as given.
  static func agents(third: FakeAgent) -> [FakeAgent] {
    names.map { $0 == third.name ? third : FakeAgent($0) }
  }
}

extension Keyturn {
  /// What it exits with; Nagios' codes are among the numbers too.
  func code(_ arguments: [String]) -> ExitCode {
    let status = run(arguments)
    guard let code = ExitCode(rawValue: status) else { fatalError("exit status \(status)") }
    return code
  }
}

/// A host that joins: what is put there is kept.
struct FakeNewcomer: JoiningHost {
  let files = Lock([String: (text: String, mode: UInt32)]())
  let starts = Lock(0)
  var startFailure: String?
  /// Why a place cannot be connected to, by its text.
  var obstacles: [String: String] = [:]

  func put(_ path: String, _ bytes: [UInt8], mode: UInt32) throws(Refusal) {
    files.update { $0[path] = (String(decoding: bytes, as: UTF8.self), mode) }
  }
  /// The agent's records that were written.
  let records = Lock([String: [UInt8]]())
  func putRecord(_ path: String, _ bytes: [UInt8]) throws(Refusal) {
    records.update { $0[path] = bytes }
  }
  /// The drop-ins that are used, by their units.
  let dropIns = Lock([String: DropIn]())
  /// Whether packages have brought them.
  var hasDropIns = false
  func use(_ dropIn: DropIn, for unit: String) throws(Refusal) -> String? {
    if !hasDropIns || dropIns.withLock({ $0[unit] != nil }) { return nil }
    dropIns.update { $0[unit] = dropIn }
    return "/etc/systemd/system/\(unit).d/\(dropIn.name)"
  }
  func startAgent() throws(Refusal) {
    if let startFailure { throw Refusal(.failed, startFailure) }
    starts.update { $0 += 1 }
  }
  var isInstalled = true
  func agentObstacle() throws(Refusal) -> String? { isInstalled ? nil : "no unit" }
  /// The addresses of this host; nil where every one is.
  var addresses: [String]?
  func isHere(_ place: HostPort, deadline: Instant) throws(Refusal) -> Bool {
    if place.host == "unknown" { throw Refusal(.failed, "look up unknown: no such host") }
    return addresses?.contains(place.host) ?? true
  }
  func obstacle(connecting place: HostPort, deadline: Instant) -> String? {
    obstacles[place.text]
  }
}
