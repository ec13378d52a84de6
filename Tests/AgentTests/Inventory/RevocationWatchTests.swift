// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import Model
import Testing
import Threads

@Suite("a list of revoked certificates handed on by agents")
struct RevocationWatchTests {
  /// A list, which the CA has signed if its signature is "signed".
  final class ListCredentials: CredentialPort {
    let list = Lock<SignedRevocations?>(nil)
    /// What it says its number is, instead of the list's.
    let claim = Lock<Int?>(nil)
    let takings = Lock(0)

    init(_ list: SignedRevocations? = nil) { self.list.update { $0 = list } }

    private static func number(_ list: SignedRevocations) -> Int? {
      (try? JSON.decode(Revocations.self, from: Array(list.list.utf8)))?.number
    }
    var certificate: OwnCertificate {
      OwnCertificate(
        principal: Principal(cluster: "prod", role: .node, name: "minio-1"), validFrom: 0,
        validUntil: 1_900_000_000)
    }
    func request() throws(Refusal) -> CertificateRequestAnswer {
      throw Refusal(.failed, "there is no key here")
    }
    func install(_ certificate: String) throws(Refusal) {}
    var revocation: RevokedCertificate? { nil }
    var revocations: Int? {
      claim.withLock { $0 } ?? list.withLock { $0.flatMap(Self.number) }
    }
    var revocationList: SignedRevocations? { list.withLock { $0 } }
    func revoke(_ new: SignedRevocations) throws(Refusal) -> Int {
      guard new.signature == "signed", let number = Self.number(new) else {
        throw Refusal(.validation, "it is not signed")
      }
      list.update { $0 = new }
      takings.update { $0 += 1 }
      return number
    }
    var authorities: AuthoritiesAnswer {
      AuthoritiesAnswer(number: 0, trusted: [.sha256([])], own: .sha256([]))
    }
    func trust(_ list: SignedAuthorities) throws(Refusal) {}
  }

  private static func list(_ number: Int, by signature: String = "signed") -> SignedRevocations {
    SignedRevocations(
      list: String(
        decoding: JSON.encode(Revocations(cluster: "prod", number: number)), as: UTF8.self),
      signature: signature)
  }

  private let hosts = MemberHosts()

  /// Agents with these lists, all members.
  private func start(_ lists: [SignedRevocations?]) -> [ListCredentials] {
    let credentials = lists.map(ListCredentials.init)
    let numbers = Array(1...lists.count)
    for (number, its) in zip(numbers, credentials) { hosts.credentials[number] = its }
    hosts.start(all: numbers, file: numbers)
    return credentials
  }

  private var pulls: [String] {
    hosts.network.questions.withLock { $0.filter { $0.path == "GET /v1/revocations" }.map(\.node) }
  }

  @Test(
    "who was off while somebody was revoked takes the list from who has it, with its first look")
  func taken() {
    let credentials = start([Self.list(2), Self.list(2), nil, Self.list(1)])
    for number in [3, 4] { hosts[number].inventoryWatch.look() }
    #expect(credentials.allSatisfy { $0.revocationList == Self.list(2) })
    #expect(pulls.count == 2)
    // Nothing is asked for where nobody has a newer one.
    for number in 1...4 { hosts[number].inventoryWatch.look() }
    #expect(pulls.count == 2)
    let log = hosts.hosts["minio-3"]?.state.withLock { $0.lines } ?? []
    #expect(
      log.contains { $0.contains("list 2 of revoked certificates taken from minio-") }, "\(log)")
  }

  @Test("a member that says more than it has puts no other signature under the list in use")
  func claimed() {
    let credentials = start([Self.list(2), Self.list(2), Self.list(2)])
    credentials[0].claim.update { $0 = 999 }
    hosts[3].inventoryWatch.look()
    #expect(pulls == ["minio-1"])
    #expect(credentials[2].takings.withLock { $0 } == 0)
  }

  @Test("a list that is not signed is told once, and another one is taken")
  func unsigned() {
    let credentials = start([Self.list(9, by: "nobody"), Self.list(2), nil])
    for _ in 1...3 { hosts[3].inventoryWatch.look() }
    #expect(credentials[2].revocationList == Self.list(2))
    let log = hosts.hosts["minio-3"]?.state.withLock { $0.lines } ?? []
    let told = log.filter { $0.contains("of minio-1 is not taken: it is not signed") }
    #expect(told.count == 1, "\(log)")
  }

  @Test("an operator and a member get the list, nobody else does")
  func asked() throws {
    _ = start([Self.list(2), nil])
    func ask(_ role: Role, _ name: String, of number: Int = 1) -> HTTPResponse {
      hosts[number].answer(
        HTTPRequest("GET", "/v1/revocations"),
        from: Principal(cluster: "prod", role: role, name: name))
    }
    for (role, name) in [(Role.operator, "alice"), (.node, "minio-2")] {
      let answer = ask(role, name)
      #expect(try JSON.decode(KnownRevocations.self, from: answer.body).list == Self.list(2))
      #expect(String(decoding: ask(role, name, of: 2).body, as: UTF8.self) == "{}")
    }
    for (role, name) in [(Role.node, "minio-9"), (.observer, "eve"), (.witness, "kms-1")] {
      #expect(ask(role, name).status == 403, "\(role)")
    }
  }
}
