// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import Crypto
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
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

  private func log(_ node: String) -> [String] {
    (hosts.hosts[node]?.state.withLock { $0.lines } ?? []).filter { $0.contains("is not taken") }
  }

  @Test(
    "why lists are not taken is told once for all that hand them on, and again once it has passed")
  func toldOnce() {
    let (one, other) = (Self.list(9, by: "nobody"), Self.list(8, by: "diverged"))
    let credentials = start([one, other, nil, one])
    for _ in 1...5 { hosts[3].inventoryWatch.look() }
    // Three hand on what is refused for one reason: by turns they are not news.
    #expect(log("minio-3").count == 1, "\(log("minio-3"))")
    // It passes: both have what is in use here.
    for index in [0, 1, 3] { credentials[index].list.update { $0 = nil } }
    hosts[3].inventoryWatch.look()
    for (index, list) in zip([0, 1, 3], [one, other, one]) {
      credentials[index].list.update { $0 = list }
    }
    for _ in 1...5 { hosts[3].inventoryWatch.look() }
    #expect(log("minio-3").count == 2, "\(log("minio-3"))")
  }

  // MARK: a witness

  /// The agents of nodes, as a witness asks them; nil is silent.
  private final class Nodes: PeerPort {
    let lists: Lock<[String: SignedRevocations?]>
    let asked = Lock([String]())
    init(_ lists: [String: SignedRevocations?]) { self.lists = Lock(lists) }

    func call<Answer>(
      _ request: AgentRequest<Answer>, to node: Inventory.Node, deadline: Instant
    ) throws(LinkFailure) -> Answer {
      let after = request.message.query(.after).flatMap { Int($0) } ?? -1
      asked.update { $0.append("\(node.name) \(request.route) \(after)") }
      guard let list = lists.withLock({ $0[node.name] }) else {
        throw .unreachable("connect to \(node.name): refused")
      }
      let known = KnownRevocations(list: (list?.claimedNumber ?? 0) > after ? list : nil)
      guard let answer = known as? Answer else { preconditionFailure("it asks for a list") }
      return answer
    }
  }

  private func witness(
    _ nodes: Nodes, _ credentials: ListCredentials?, of names: [String] = ["minio-1", "minio-2"]
  ) -> (Witness, Lock<[String]>) {
    let lines = Lock([String]())
    let witness = Witness(
      name: "kms-1",
      inventory: Inventory(
        cluster: "prod", nodes: names.map { .init(name: $0, address: $0) },
        keyManagers: [.init(name: "kms-1", address: "kms-1", witness: "kms-1")]),
      records: FakeNodeHost(file: "").ports().records, version: "test", credentials: credentials,
      reach: NoReach(), peers: nodes, log: { _, line in lines.update { $0.append(line) } })
    return (witness, lines)
  }

  private struct NoReach: ReachPort {
    func reach(
      _ node: Inventory.Node, nonce: Digest, deadline: Instant
    ) -> [ReverseAttempt] { [] }
  }

  @Test(
    "a witness that was off takes the list from a node that has it, and asks for later ones only")
  func witnessTakes() {
    let nodes = Nodes(["minio-1": Self.list(2)])
    let credentials = ListCredentials()
    let (witness, lines) = witness(nodes, credentials)
    for _ in 1...2 { witness.look() }
    #expect(credentials.revocationList == Self.list(2) && credentials.takings.withLock { $0 } == 1)
    let asked = nodes.asked.withLock { $0 }
    #expect(Set(asked.prefix(2)).isSuperset(of: ["minio-1 revocations 0"]))
    #expect(asked.suffix(2).sorted() == ["minio-1 revocations 2", "minio-2 revocations 2"])
    #expect(lines.withLock { $0 } == ["list 2 of revoked certificates taken from minio-1"])
  }

  @Test(
    "a witness takes nothing that the CA has not signed, tells it once, and asks a few nodes only")
  func witnessRefuses() {
    let names = (1...9).map { "minio-\($0)" }
    let nodes = Nodes(
      Dictionary(uniqueKeysWithValues: names.map { ($0, Self.list(9, by: "nobody")) }))
    let credentials = ListCredentials(Self.list(2))
    let (witness, lines) = witness(nodes, credentials, of: names)
    for _ in 1...4 { witness.look() }
    #expect(credentials.revocationList == Self.list(2))
    #expect(nodes.asked.withLock { $0.count } == 12)
    #expect(lines.withLock { $0.count } == 1, "\(lines.withLock { $0 })")
    // Without certificates there is nothing to ask for.
    let (plain, _) = self.witness(nodes, nil, of: names)
    plain.look()
    #expect(nodes.asked.withLock { $0.count } == 12)
  }

  @Test(
    "an operator, a member and a witness of the inventory get the list of an agent, nobody else")
  func asked() throws {
    _ = start([Self.list(2), nil])
    func ask(
      _ role: Role, _ name: String, of number: Int = 1, after: String? = nil
    ) -> HTTPResponse {
      hosts[number].answer(
        HTTPRequest(
          "GET", "/v1/revocations", query: after.map { [(name: "after", value: $0)] } ?? []),
        from: Principal(cluster: "prod", role: role, name: name))
    }
    for (role, name) in [(Role.operator, "alice"), (.node, "minio-2")] {
      for after in [nil, "1", "x"] {
        let answer = ask(role, name, after: after)
        #expect(try JSON.decode(KnownRevocations.self, from: answer.body).list == Self.list(2))
      }
      #expect(String(decoding: ask(role, name, after: "2").body, as: UTF8.self) == "{}")
      #expect(String(decoding: ask(role, name, of: 2).body, as: UTF8.self) == "{}")
    }
    for (role, name) in [(Role.node, "minio-9"), (.observer, "eve"), (.witness, "kms-9")] {
      #expect(ask(role, name).status == 403, "\(role)")
    }
    let agent = Agent(
      node: "minio-1",
      inventory: Inventory(
        cluster: "prod", nodes: [.init(name: "minio-1", address: "minio-1")],
        keyManagers: [.init(name: "kms-1", address: "kms-1", witness: "kms-1")]),
      version: AgentVersion("test"),
      ports: FakeNodeHost(file: plainFile).ports(isForNewAgent: true),
      credentials: ListCredentials(Self.list(2)))
    let answer = agent.answer(
      HTTPRequest("GET", "/v1/revocations", query: [(name: "after", value: "1")]),
      from: Principal(cluster: "prod", role: .witness, name: "kms-1"))
    #expect(try JSON.decode(KnownRevocations.self, from: answer.body).list == Self.list(2))
  }

  @Test("a witness hands the list to an operator alone: nodes have it from each other")
  func askedWitness() throws {
    let (witness, _) = witness(Nodes([:]), ListCredentials(Self.list(2)))
    func ask(_ role: Role, _ name: String) -> HTTPResponse {
      witness.answer(
        HTTPRequest("GET", "/v1/revocations"),
        from: Principal(cluster: "prod", role: role, name: name))
    }
    let answer = ask(.operator, "alice")
    #expect(try JSON.decode(KnownRevocations.self, from: answer.body).list == Self.list(2))
    for (role, name) in [(Role.node, "minio-1"), (.observer, "eve"), (.witness, "kms-1")] {
      #expect(ask(role, name).status == 403, "\(role)")
    }
  }
}
