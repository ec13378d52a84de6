// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Secrets
import Threads

/// A cluster whose hosts and operator trust CAs and show certificates of them, to change the CA of. A CA is a letter. The
/// rules of the agents are theirs (`HostCredentials`); what may not happen is looked at after every step.
final class FakeCAs: AgentNetwork, CertificateWorkshop, Sendable {
  struct Host: Hashable {
    var number = 0
    var trusted: Set<String> = ["a"]
    var own = "a"
    /// The CA that signed its list of revoked certificates.
    var list: String? = "a"
    /// Does not answer.
    var isSilent = false
    var people: [AuthoritiesAnswer.Person] = []
    /// Why it takes no list of revoked certificates.
    var listProblem: String?
  }
  struct State {
    var hosts = ["minio-1": Host(), "minio-2": Host(), "kms-1": Host()]
    /// The files of authorities and of the operator's credentials.
    var files = ["./pki/ca.pem": "a", "creds/ca.pem": "a", "creds/cert.pem": "a"]
    /// The command is killed before the step after so many.
    var stepsLeft = Int.max
    var violations: [String] = []
    var steps = 0
    /// How many lists of revoked certificates hosts have taken.
    var lists = 0
    /// Whom the new CA's list revokes.
    var revoked: [Revocations.Entry] = []
    /// Whether the old CA's directory has a list.
    var hasFormerList = true
  }
  let state = Lock(State())

  static let inventory = PKIIssueTests.inventory

  static func key(_ ca: String) -> Digest { .sha256(Array(ca.utf8)) }
  static func certificate(_ ca: String) -> AuthorityCertificate {
    AuthorityCertificate(cluster: "prod", pem: ca, key: key(ca))
  }

  /// One step of the command that the world outside sees: it happens, or the command is dead.
  func step<Result>(_ body: (inout State) throws(Refusal) -> Result) throws(Refusal) -> Result {
    try state.withLock { (state) throws(Refusal) in
      guard state.stepsLeft > 0 else { throw Refusal(.failed, "killed") }
      state.stepsLeft -= 1
      state.steps += 1
      let result = try body(&state)
      state.violations += Self.refusedConnections(state)
      return result
    }
  }

  /// Who would refuse whom now.
  private static func refusedConnections(_ state: State) -> [String] {
    let own = state.files["creds/cert.pem"] ?? ""
    let trust = state.files["creds/ca.pem"] ?? ""
    var refused: [String] = []
    for (name, host) in state.hosts {
      for (other, its) in state.hosts where !host.trusted.contains(its.own) {
        refused.append("\(name) refuses \(other)")
      }
      if !host.trusted.contains(own) { refused.append("\(name) refuses the operator") }
      if !trust.contains(host.own) { refused.append("the operator refuses \(name)") }
      // After its next start.
      if let list = host.list, !host.trusted.contains(list) {
        refused.append("\(name) uses no list of revoked certificates any more")
      }
    }
    return refused
  }

  // MARK: hosts

  private struct Link: AgentLink {
    let cas: FakeCAs
    let name: String

    func call<Answer>(
      _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
    ) throws(LinkFailure) -> Answer {
      do throws(Refusal) {
        guard let answer = try cas.answer(request, name) as? Answer else {
          preconditionFailure("the request and its answer fit")
        }
        return answer
      } catch {
        if error.code == .unreachable { throw .unreachable(error.message) }
        throw .answered(error)
      }
    }
  }

  func open(
    _ inventory: Inventory, _ credentials: CredentialFiles, revoked: Revocations?
  ) throws(Refusal) -> AgentConnections {
    AgentConnections(
      certificate: OwnCertificate(
        principal: Principal(cluster: "prod", role: .operator, name: "alice"), validFrom: 0,
        validUntil: .max / 2),
      links: inventory.nodes.map { Link(cas: self, name: $0.name) },
      witnesses: inventory.keyManagers.filter { $0.witness != nil }.map {
        (name: $0.name, link: Link(cas: self, name: $0.name))
      })
  }

  private func answer<Answer>(
    _ request: AgentRequest<Answer>, _ name: String
  ) throws(Refusal) -> any Sendable {
    try step { (state) throws(Refusal) -> any Sendable in
      guard var host = state.hosts[name], !host.isSilent else {
        throw Refusal(.unreachable, "connect to \(name): refused")
      }
      defer { state.hosts[name] = host }
      switch request.route {
      case .inventory:
        guard let inventory = try? JSON.decode(Inventory.self, from: Array(Self.inventory.utf8))
        else { preconditionFailure("the inventory is one") }
        return InventoryAnswer(
          node: name, agreed: AgreedInventory(first: inventory), isRecorded: false, epoch: 0,
          incarnation: nil, active: nil, seal: nil, refusal: nil)
      case .revocations: return KnownRevocations(list: nil)
      case .authorities: return Self.told(host)
      case .trust:
        guard let list = request.body as? SignedAuthorities,
          let new = try? JSON.decode(Authorities.self, from: Array(list.list.utf8))
        else { preconditionFailure("it is a list") }
        let cas = Set(new.certificates)
        guard host.trusted.contains(list.signature), cas.contains(host.own),
          host.list.map(cas.contains) ?? true,
          new.number > host.number || (new.number == host.number && cas == host.trusted)
        else { throw Refusal(.validation, "it does not take \(new) signed by \(list.signature)") }
        (host.number, host.trusted) = (new.number, cas)
        return Self.told(host)
      case .requestCertificate:
        return CertificateRequestAnswer(request: "request", certificate: host.own)
      case .installCertificate:
        guard let new = request.body as? NewCertificate, host.trusted.contains(new.certificate)
        else { throw Refusal(.validation, "it is of no trusted CA") }
        host.own = new.certificate
        return CertificateAnswer(validUntil: 0)
      case .revoke:
        guard let list = request.body as? SignedRevocations, host.trusted.contains(list.signature)
        else { throw Refusal(.validation, "it is signed by no trusted CA") }
        if let problem = host.listProblem { throw Refusal(.validation, problem) }
        host.list = list.signature
        state.lists += 1
        return RevocationsAnswer(number: 1)
      default: preconditionFailure("\(request.route) is not asked for")
      }
    }
  }

  private static func told(_ host: Host) -> AuthoritiesAnswer {
    AuthoritiesAnswer(
      number: host.number, trusted: host.trusted.sorted().map(key), own: key(host.own),
      revocations: host.list.map(key), people: host.people)
  }

  // MARK: the operator's machine

  func makeAuthority(
    cluster: String, directory: String, days: Int?, passphrase: Secret?
  ) throws(Refusal) {
    try step { $0.files["\(directory)/ca.pem"] = "b" }
  }
  func needsPassphrase(authority: String) throws(Refusal) -> Bool { false }
  func authority(
    in directory: String, passphrase: Secret?
  ) throws(Refusal) -> any CertificateIssuer {
    guard let certificate = try authorityCertificate(in: directory) else {
      throw Refusal(.failed, "there is no CA in \(directory)")
    }
    return Issuer(cas: self, directory: directory, certificate: certificate)
  }
  func authorityCertificate(in directory: String) throws(Refusal) -> AuthorityCertificate? {
    state.withLock { $0.files["\(directory)/ca.pem"] }.map(Self.certificate)
  }
  func describe(_ certificate: [UInt8]) throws(Refusal) -> CertificateFacts {
    CertificateFacts(
      principal: Principal(cluster: "prod", role: .operator, name: "alice"), subject: "",
      validFromMicroseconds: 1_000_000_000_000, validUntilMicroseconds: .max)
  }
  func isIssued(
    _ certificate: [UInt8], by authority: AuthorityCertificate
  ) throws(Refusal) -> Bool { String(decoding: certificate, as: UTF8.self) == authority.pem }
  func replace(_ path: String, _ certificates: [UInt8]) throws(Refusal) {
    try step { $0.files[path] = String(decoding: certificates, as: UTF8.self) }
  }
  func verify(_ file: JoinFile) throws(Refusal) -> Revocations? { nil }
  func verify(
    _ list: SignedRevocations, of cluster: String, by authorities: String
  ) throws(Refusal) -> Revocations { throw Refusal(.validation, "it is not signed") }

  struct Issuer: CertificateIssuer {
    let cas: FakeCAs
    let directory: String
    let certificate: AuthorityCertificate
    var cluster: String { "prod" }

    func issue(
      role: Role, name: String, addresses: [String], days: Int?, directory: String
    ) throws(Refusal) -> Principal { Principal(cluster: cluster, role: role, name: name) }
    func issueToJoin(
      _ inventory: Inventory, role: Role, name: String, addresses: [String], days: Int,
      file: String, replaces: Bool
    ) throws(Refusal) {}
    func renew(
      _ request: CertificateRequestAnswer, of principal: Principal, days: Int?,
      former: AuthorityCertificate?
    ) throws(Refusal) -> String {
      guard [certificate.pem, former?.pem].contains(request.certificate) else {
        throw Refusal(.failed, "it was not issued by this CA")
      }
      return certificate.pem
    }
    func reissue(
      _ certificate: [UInt8], of principal: Principal, days: Int?, former: AuthorityCertificate
    ) throws(Refusal) -> String { self.certificate.pem }
    func sign(_ authorities: Authorities) throws(Refusal) -> SignedAuthorities {
      SignedAuthorities(
        list: String(decoding: JSON.encode(authorities), as: UTF8.self),
        signature: certificate.pem)
    }
    func giveTrust(in authorities: [AuthorityCertificate]) throws(Refusal) {
      try cas.step { $0.files["\(directory)/trusted.pem"] = authorities.map(\.pem).joined() }
    }
    private var path: String { "\(directory)/revocations.json" }
    func adoptRevocations(of directory: String) throws(Refusal) -> Revocations? {
      try cas.step { state in
        if state.files[path] == "list" || !state.hasFormerList { return nil }
        state.files[path] = "list"
        return Revocations(cluster: cluster)
      }
    }
    func takeBack(_ list: SignedRevocations) throws(Refusal) -> Revocations? { nil }
    func revoked() throws(Refusal) -> Revocations? {
      cas.state.withLock { state in
        state.files[path].map { _ in Revocations(cluster: cluster, entries: state.revoked) }
      }
    }
    func noteNothingRevoked() throws(Refusal) { try cas.step { $0.files[path] = "nobody" } }
    func revocations() throws(Refusal) -> SignedRevocations? {
      SignedRevocations(list: "list", signature: certificate.pem)
    }
    func revoke(
      _ holders: [(role: Role, name: String)], trustsClock: Bool
    ) throws(Refusal) -> SignedRevocations {
      SignedRevocations(list: "list", signature: certificate.pem)
    }
  }

  // MARK: a command

  /// Runs it, killed after some steps.
  func run(
    _ arguments: String, steps: Int = .max, inventory: String = FakeCAs.inventory
  ) -> (code: ExitCode, host: FakeCommandHost) {
    state.update { $0.stepsLeft = steps }
    let files = state.withLock { $0.files }
    let host = FakeCommandHost(
      files: Sample.files.merging(files) { $1 }.merging([
        "./inventory.json": inventory, "creds/key.pem": "key",
      ]) { $1 },
      variables: ["KEYTURN_INVENTORY": "./inventory.json", "KEYTURN_CREDENTIALS": "creds"],
      live: { path in self.state.withLock { $0.files[path] } })
    let keyturn = Keyturn(
      host: host, network: self, workshop: self, local: FakeLocalAgent(), stores: FakeStores(),
      newcomer: FakeNewcomer(), interruption: Interruption(), version: "test")
    return (keyturn.code(arguments.split(separator: " ").map(String.init)), host)
  }
}
