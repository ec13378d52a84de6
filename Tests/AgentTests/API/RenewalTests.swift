// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import KeyManager
import Model
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
    let lists = Lock([SignedRevocations]())
    var revocation: String? { nil }
    var revocations: Int? { lists.withLock { $0.isEmpty ? nil : $0.count } }
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
      node: "minio-1", inventory: Self.inventory, version: "test", ports: ports, credentials: first)
    let witness = Witness(
      name: "kms-1", inventory: Self.inventory, records: FakeNodeHost(file: "").ports().records,
      version: "test", credentials: second,
      reach: NoReach(), log: { _, line in other.update { $0.append(line) } })
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
    }
  }
}
