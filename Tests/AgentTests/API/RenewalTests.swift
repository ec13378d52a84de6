// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Testing
import Threads

@Suite("a certificate renewed over the API")
struct RenewalTests {
  /// Takes any certificate but one.
  final class FakeCredentials: CredentialPort {
    let installed = Lock([String]())

    var certificate: OwnCertificate {
      OwnCertificate(
        principal: Principal(cluster: "prod", role: .node, name: "minio-1"), validFrom: 0,
        validUntil: 1_900_000_000)
    }
    func request() throws(Refusal) -> CertificateRequestAnswer {
      CertificateRequestAnswer(request: "a request", certificate: "in use")
    }
    func install(_ certificate: String) throws(Refusal) {
      if certificate == "wrong" { throw Refusal(.validation, "it is not of this CA") }
      installed.update { $0.append(certificate) }
    }
    /// The list of trusted CAs; its number is how many came.
    let trusted = Lock([SignedAuthorities]())
    var authorities: AuthoritiesAnswer {
      let count = trusted.withLock(\.count)
      let keys = [Digest.sha256([1]), .sha256([2])]
      return AuthoritiesAnswer(
        number: count, trusted: Array(keys.prefix(1 + count % 2)), own: keys[0])
    }
    func trust(_ list: SignedAuthorities) throws(Refusal) {
      if list.list == "wrong" { throw Refusal(.validation, "it is not signed") }
      trusted.update { $0.append(list) }
    }
    let lists = Lock([SignedRevocations]())
    var revocation: RevokedCertificate? { nil }
    var revocations: Int? { lists.withLock { $0.isEmpty ? nil : $0.count } }
    var revocationList: SignedRevocations? { lists.withLock(\.last) }
    func revoke(_ list: SignedRevocations) throws(Refusal) -> Int {
      lists.update {
        $0.append(list)
        return $0.count
      }
    }
  }

  private static let inventory = Inventory(
    cluster: "prod", nodes: [.init(name: "minio-1", address: "minio-1")],
    keyManagers: [.init(name: "kms-1", address: "kms-1", witness: "kms-1")])

  private typealias Ask = (String, [UInt8], Principal) -> HTTPResponse

  /// The agent and the witness, each with its credentials and where its log goes.
  private func servers() -> [(FakeCredentials, Lock<[String]>, Ask)] {
    let (first, second) = (FakeCredentials(), FakeCredentials())
    let (log, other) = (Lock([String]()), Lock([String]()))
    var ports = FakeNodeHost(file: plainFile).ports(
      peers: FakeNodeHost.NoPeers(), isForNewAgent: true)
    ports.log = { _, line in log.update { $0.append(line) } }
    let agent = Agent(
      node: "minio-1", inventory: Self.inventory, version: AgentVersion("test"), ports: ports,
      credentials: first)
    let witness = Witness(
      name: "kms-1", inventory: Self.inventory, records: FakeNodeHost(file: "").ports().records,
      version: "test", credentials: second,
      reach: NoReach(), peers: FakeNodeHost.NoPeers(),
      log: { _, line in other.update { $0.append(line) } })
    return [
      (first, log, { agent.answer(HTTPRequest("POST", $0, query: [], body: $1), from: $2) }),
      (second, other, { witness.answer(HTTPRequest("POST", $0, query: [], body: $1), from: $2) }),
    ]
  }

  private struct NoReach: ReachPort {
    func reach(
      _ node: Inventory.Node, nonce: Digest, deadline: Instant
    ) -> [ReverseAttempt] { [] }
  }

  @Test("an operator gets a request, and what it brings back is used, answered and logged")
  func renewed() throws {
    for (credentials, log, ask) in servers() {
      let request = ask("/v1/certificate/request", [], alice)
      #expect(
        try JSON.decode(CertificateRequestAnswer.self, from: request.body)
          == CertificateRequestAnswer(request: "a request", certificate: "in use"))
      let answer = ask(
        "/v1/certificate", JSON.encode(NewCertificate(certificate: "new")), alice)
      #expect(
        try JSON.decode(CertificateAnswer.self, from: answer.body).validUntil == 1_900_000_000)
      #expect(credentials.installed.withLock { $0 } == ["new"])
      #expect(log.withLock { $0 }.contains { $0.contains("renewed by alice: valid until 2030-") })
    }
  }

  @Test("a certificate that does not fit, or is too large, is refused, and none is installed")
  func refused() {
    for (credentials, _, ask) in servers() {
      for text in ["wrong", String(repeating: "x", count: Limits.certificateBytes + 1)] {
        let answer = ask(
          "/v1/certificate", JSON.encode(NewCertificate(certificate: text)), alice)
        #expect(answer.status == 400)
      }
      #expect(ask("/v1/certificate", Array("{}".utf8), alice).status == 400)
      #expect(credentials.installed.withLock(\.isEmpty))
    }
  }

  @Test("a list of revoked certificates is taken, answered with its number, and logged once")
  func revoked() throws {
    for (credentials, log, ask) in servers() {
      let list = SignedRevocations(list: "a list", signature: "signed")
      let answer = ask("/v1/revocations", JSON.encode(list), alice)
      #expect(try JSON.decode(RevocationsAnswer.self, from: answer.body).number == 1)
      #expect(credentials.lists.withLock { $0 } == [list])
      #expect(log.withLock { $0 }.contains { $0.contains("taken from alice") })
    }
  }

  @Test("a list of trusted CAs is taken, answered and logged; a wrong one is refused")
  func trusted() throws {
    for (credentials, log, ask) in servers() {
      let list = SignedAuthorities(list: "a list", signature: "signed")
      let answer = ask("/v1/authorities", JSON.encode(list), alice)
      let told = try JSON.decode(AuthoritiesAnswer.self, from: answer.body)
      #expect(told == credentials.authorities && told.number == 1)
      #expect(
        log.withLock { $0 }.contains { $0.contains("list 1 of trusted CAs taken from alice: ") })
      let wrong = SignedAuthorities(list: "wrong", signature: "signed")
      #expect(ask("/v1/authorities", JSON.encode(wrong), alice).status == 400)
      #expect(credentials.trusted.withLock { $0 } == [list])
    }
  }

  @Test("while two CAs are trusted the node says so, with the one of its certificate")
  func unfinished() throws {
    let credentials = FakeCredentials()
    #expect(credentials.authorities.finding == nil)
    try credentials.trust(SignedAuthorities(list: "", signature: ""))
    let finding = try #require(credentials.authorities.finding)
    #expect(finding.severity == .warning && finding.rule == "authority-change")
    let (one, two) = (Digest.sha256([1]).hex.prefix(12), Digest.sha256([2]).hex.prefix(12))
    #expect(finding.message.contains("\(one) and \(two) are trusted"))
    #expect(finding.message.contains("in use is of \(one)"))
  }

  @Test(
    "nobody but an operator of the cluster may ask for either",
    arguments: [
      Principal(cluster: "prod", role: .observer, name: "eve"),
      Principal(cluster: "prod", role: .node, name: "minio-1"),
      Principal(cluster: "prod", role: .witness, name: "kms-1"),
      Principal(cluster: "test", role: .operator, name: "alice"),
    ])
  func others(_ principal: Principal) {
    for (credentials, _, ask) in servers() {
      #expect(ask("/v1/certificate/request", [], principal).status == 403)
      let answer = ask(
        "/v1/certificate", JSON.encode(NewCertificate(certificate: "new")), principal)
      #expect(answer.status == 403 && credentials.installed.withLock(\.isEmpty))
      let list = JSON.encode(SignedRevocations(list: "a list", signature: "signed"))
      #expect(ask("/v1/revocations", list, principal).status == 403)
      #expect(credentials.lists.withLock(\.isEmpty))
      let trust = JSON.encode(SignedAuthorities(list: "a list", signature: "signed"))
      #expect(ask("/v1/authorities", trust, principal).status == 403)
      #expect(credentials.trusted.withLock(\.isEmpty))
    }
  }
}
