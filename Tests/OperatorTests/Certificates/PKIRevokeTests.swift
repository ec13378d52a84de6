// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing
import Threads

@Suite("keyturn pki revoke")
struct PKIRevokeTests {
  private func run(
    _ arguments: String, _ agents: [FakeAgent], _ workshop: FakeWorkshop = FakeWorkshop(),
    answer: String? = nil, files: [String: String] = [:]
  ) -> (code: ExitCode, host: FakeCommandHost) {
    Sample.run(
      arguments, agents,
      files: files.merging(["./inventory.json": PKIIssueTests.inventory]) { $1 }, answer: answer,
      workshop: workshop)
  }

  private var agents: [FakeAgent] { ["minio-1", "minio-2", "kms-1"].map { FakeAgent($0) } }

  @Test("the holders are added, and every agent and witness gets the list")
  func revoked() {
    let (agents, workshop) = (agents, FakeWorkshop())
    let (code, host) = run("pki revoke --yes --role operator bob eve", agents, workshop)
    #expect(code == .done, "\(host.errors)")
    #expect(workshop.issuer.added.withLock { $0 } == ["operator/bob", "operator/eve"])
    #expect(agents.allSatisfy { $0.installed.withLock { $0 } == ["a list"] })
    #expect(host.output.contains("keyturn://prod/operator/bob: added to the list"))
    #expect(host.output.contains("3 agents and witnesses have the list"))
  }

  @Test("it asks first: nothing is revoked without a terminal, or by another answer")
  func asked() {
    for (answer, code) in [(nil, ExitCode.usage), ("bob", .failed), ("prod", .done)] {
      let (agents, workshop) = (agents, FakeWorkshop())
      let ended = run("pki revoke --role operator bob", agents, workshop, answer: answer)
      #expect(ended.code == code, "\(ended.host.errors)")
      #expect(workshop.issuer.added.withLock(\.count) == (code == .done ? 1 : 0))
      #expect(agents.allSatisfy { $0.installed.withLock(\.isEmpty) == (code != .done) })
      if code == .usage { #expect(ended.host.errors.contains("give --yes")) }
    }
  }

  @Test("a name that nothing knows is warned of: no inventory, no certificate here, none seen")
  func strangers() {
    func warns(_ arguments: String, _ workshop: FakeWorkshop = FakeWorkshop(), files: [String] = [])
      -> Bool
    {
      let agents = agents
      agents[1].people.update {
        $0 = [.init(role: .observer, name: "eve", authority: .sha256([]), at: 1, validUntil: 2)]
      }
      let ended = run(
        "pki revoke --yes \(arguments)", agents, workshop,
        files: Dictionary(uniqueKeysWithValues: files.map { ($0, "PEM") }))
      #expect(ended.code == .done, "\(ended.host.errors)")
      return ended.host.errors.contains("see that the name is right")
    }
    #expect(warns("--role operator bob") && warns("--role operator eve"))
    #expect(!warns("--role observer eve"))
    #expect(warns("--role node minio-9") && !warns("--role node minio-1"))
    var bobs = FakeWorkshop()
    bobs.facts.principal = Principal(cluster: "prod", role: .operator, name: "bob")
    #expect(!warns("--role operator bob", bobs, files: ["./pki/bob/cert.pem"]))
    #expect(warns("--role observer bob", bobs, files: ["./pki/bob/cert.pem"]))
  }

  @Test("a node that was retired, or is named outside, is none that is mistyped")
  func retired() throws {
    let inventory = try JSON.decode(Inventory.self, from: Array(PKIIssueTests.inventory.utf8))
    var before = inventory
    before.nodes.append(Inventory.Node(name: "minio-5", address: "minio-5"))
    let agents = agents
    agents[1].agreed.update { $0 = AgreedInventory(first: before).next(inventory) }
    func warning(_ name: String) -> String {
      let ended = run("pki revoke --yes --role node \(name)", agents)
      #expect(ended.code == .done, "\(ended.host.errors)")
      return ended.host.errors
    }
    #expect(!warning("minio-5").contains("see that the name is right"))
    let other = warning("minio-6")
    #expect(other.contains("no node minio-6, only minio-[1-2], and none of that name"), "\(other)")
    #expect(other.contains("see that the name is right"))
  }

  /// The commands that sign for a cluster, or revoke there.
  private static let signing = [
    "pki revoke", "pki revoke --yes --role operator bob", "pki issue --replace minio-1",
    "pki renew", "pki renew minio-1",
  ]

  @Test(
    "a CA that nobody trusts any more signs nothing, and adds nothing to its list",
    arguments: signing)
  func replaced(_ arguments: String) {
    var workshop = FakeWorkshop()
    workshop.issuer.key = .sha256([1])
    workshop.issuer.list = Revocations(cluster: "prod")
    let agents = agents
    agents[0].revocations.update { $0 = Self.list(3) }
    let (code, host) = run(arguments, agents, workshop)
    #expect(code == .validationRefused, "\(host.errors)")
    #expect(host.errors.contains("no agent that answers trusts the CA of --pki"))
    #expect(workshop.issuer.added.withLock(\.isEmpty))
    #expect(workshop.issuer.takenBack.withLock(\.isEmpty))
    #expect(workshop.issuer.issued.withLock(\.isEmpty))
    #expect(workshop.issuer.renewed.withLock(\.isEmpty))
    #expect(agents.allSatisfy { $0.installed.withLock(\.isEmpty) })
  }

  @Test("who is revoked is not asked whether the CA is the right one")
  func doubted() {
    var workshop = FakeWorkshop()
    workshop.issuer.key = .sha256([1])
    workshop.issuer.list = Revocations(cluster: "prod")
    let agents = [
      FakeAgent("minio-1"), FakeAgent("minio-2", .unreachable), FakeAgent("kms-1", .unreachable),
    ]
    #expect(run("pki revoke --yes --role node minio-1", agents, workshop).code == .unknown)
    #expect(workshop.issuer.added.withLock(\.count) == 1)
  }

  @Test("without a name the list is sent again, and nothing is added")
  func again() {
    let (agents, workshop) = (agents, FakeWorkshop())
    #expect(run("pki revoke", agents, workshop).code == .done)
    #expect(workshop.issuer.added.withLock(\.isEmpty))
    #expect(agents.allSatisfy { $0.installed.withLock(\.count) == 1 })
    var none = FakeWorkshop()
    none.issuer.hasList = false
    let other = self.agents
    #expect(run("pki revoke", other, none).code == .done)
    #expect(other.allSatisfy { $0.installed.withLock(\.isEmpty) })
    // From then on it is known that there is none; not where one was refused.
    #expect(none.issuer.noted.withLock { $0 } == 1)
    other[0].revocations.update { $0 = Self.list(9, by: "by nobody") }
    _ = run("pki revoke", other, none)
    #expect(none.issuer.noted.withLock { $0 } == 1)
  }

  @Test(
    "where the list is lost and somebody is silent nothing is signed, and nothing taken back, unless that is said",
    arguments: signing)
  func silent(_ arguments: String) {
    let workshop = FakeWorkshop()
    let agents = [FakeAgent("minio-1"), FakeAgent("minio-2", .unreachable), FakeAgent("kms-1")]
    agents[0].revocations.update { $0 = Self.list(3) }
    // Again and again: what was heard first is not taken for all.
    for _ in 1...2 {
      let (code, host) = run(arguments, agents, workshop)
      #expect(code == .unreachable, "\(host.errors)")
      #expect(host.errors.contains("whether there is a list on minio-2 is not known"))
      #expect(host.errors.contains("--without minio-2"))
    }
    #expect(workshop.issuer.takenBack.withLock(\.isEmpty))
    #expect(workshop.issuer.added.withLock(\.isEmpty))
    #expect(workshop.issuer.renewed.withLock(\.isEmpty))
    #expect(agents.allSatisfy { $0.installed.withLock(\.isEmpty) })
    let stranger = run(arguments + " --without minio-9", agents, workshop)
    #expect(stranger.code == .validationRefused && stranger.host.errors.contains("minio-9"))
    let without = run(arguments + " --without minio-2", agents, workshop)
    #expect(!without.host.errors.contains("is not known"), "\(without.host.errors)")
    #expect(workshop.issuer.takenBack.withLock { $0.map(\.number) } == [3])
    #expect(workshop.issuer.noted.withLock { $0 } == 0)
  }

  @Test("where there is a list silence is no obstacle; the host that is replaced need not answer")
  func known() {
    var workshop = FakeWorkshop()
    workshop.issuer.list = Revocations(cluster: "prod")
    let agents = [FakeAgent("minio-1"), FakeAgent("minio-2", .unreachable), FakeAgent("kms-1")]
    #expect(run("pki renew minio-1", agents, workshop).code == .done)
    #expect(run("pki revoke --yes --role operator bob", agents, workshop).code == .unknown)
    let lost = FakeWorkshop()
    let (code, host) = run("pki issue --replace minio-2", agents, lost)
    #expect(code == .done, "\(host.errors)")
  }

  @Test("that this clock is the right one is handed on, and is for what revokes")
  func clock() {
    for arguments in ["pki revoke --yes --role operator bob", "pki issue --replace minio-1"] {
      let workshop = FakeWorkshop()
      _ = run(arguments, agents, workshop)
      _ = run(arguments + " --clock-is-right", agents, workshop)
      #expect(workshop.issuer.trust.withLock { $0 } == [false, true])
    }
    #expect(run("pki issue --all --clock-is-right", agents).code == .usage)
    #expect(run("pki issue --join minio-1 --without minio-2", agents).code == .usage)
  }

  private static func list(_ number: Int, by signature: String = "signed") -> SignedRevocations {
    let list = Revocations(
      cluster: "prod", number: number,
      entries: [.init(role: .node, name: "minio-1", issuedUntil: 5)])
    return SignedRevocations(
      list: String(decoding: JSON.encode(list), as: UTF8.self), signature: signature)
  }

  @Test(
    "a list that this machine has lost comes back from the agents before anything is added to it",
    arguments: [
      "pki revoke --yes --role operator bob", "pki revoke", "pki issue --replace minio-1",
    ])
  func lost(_ arguments: String) {
    let (agents, workshop) = (agents, FakeWorkshop())
    agents[0].revocations.update { $0 = Self.list(9, by: "by nobody") }
    agents[1].revocations.update { $0 = Self.list(3) }
    agents[2].revocations.update { $0 = Self.list(3) }
    let (code, host) = run(arguments, agents, workshop)
    #expect(code == .done, "\(host.errors)")
    #expect(workshop.issuer.takenBack.withLock { $0.map(\.number) } == [3])
    #expect(host.errors.contains("has taken back what minio-2 knows: number 3, 1 holder"))
    #expect(
      host.errors.contains(
        "the list of revoked certificates of minio-1 is not taken back: it is not signed"))
    // What is there already is not told.
    let again = run(arguments, agents, workshop)
    #expect(!again.host.errors.contains("has taken back"), "\(again.host.errors)")
  }

  @Test(
    "where what the agents know cannot be kept here, nothing is signed",
    arguments: ["pki revoke --yes --role operator bob", "pki issue --replace minio-1", "pki renew"])
  func notKept(_ arguments: String) {
    let (agents, workshop) = (agents, FakeWorkshop())
    agents[1].revocations.update { $0 = Self.list(3, by: "disk") }
    let (code, host) = run(arguments, agents, workshop)
    #expect(code == .failed && host.errors.contains("the disk is full"), "\(host.errors)")
    #expect(workshop.issuer.added.withLock { $0.isEmpty })
  }

  @Test("renewing refuses by the list that the agents have, where this machine's was lost")
  func lostWhileRenewing() throws {
    let (agents, workshop) = (agents, FakeWorkshop())
    agents[1].revocations.update { $0 = Self.list(3) }
    let network = FakeNetwork(agents: agents)
    let host = FakeCommandHost(
      files: Sample.files.merging(["./inventory.json": PKIIssueTests.inventory]) { $1 },
      variables: ["KEYTURN_INVENTORY": "./inventory.json"])
    let keyturn = Keyturn(
      host: host, network: network, workshop: workshop, local: FakeLocalAgent(),
      stores: FakeStores(), newcomer: FakeNewcomer(), interruption: Interruption(),
      version: "test")
    #expect(keyturn.code(["pki", "renew"]) == .done, "\(host.errors)")
    #expect(network.revoked.withLock { $0 }?.number == 3)
    #expect(host.errors.contains("has taken back what minio-2 knows"))
  }

  @Test("hosts that do not answer are named as those that still take what is revoked")
  func unreachable() {
    let agents = [FakeAgent("minio-1"), FakeAgent("minio-2", .unreachable), FakeAgent("kms-1")]
    var workshop = FakeWorkshop()
    workshop.issuer.list = Revocations(cluster: "prod")
    let (code, host) = run("pki revoke --yes --role node minio-1", agents, workshop)
    #expect(code == .unknown)
    #expect(host.errors.contains("1 of 3 do not have the list"), "\(host.errors)")
  }

  @Test(
    "the command's own holder, an authority of another cluster, half of the options: nobody is asked"
  )
  func refused() {
    let (agents, workshop) = (agents, FakeWorkshop())
    let own = run("pki revoke --role operator alice", agents, workshop)
    #expect(own.code == .validationRefused)
    #expect(own.host.errors.contains("keyturn pki issue --pki ./pki --role operator --name rescue"))
    #expect(own.host.errors.contains("--credentials ./pki/rescue"), "\(own.host.errors)")
    var other = FakeWorkshop()
    other.issuer.cluster = "test"
    #expect(run("pki revoke --yes --role operator bob", agents, other).code == .badConfiguration)
    #expect(run("pki revoke bob", agents).code == .usage)
    #expect(run("pki revoke --role operator", agents).code == .usage)
    #expect(workshop.issuer.added.withLock(\.isEmpty))
    #expect(agents.allSatisfy { $0.installed.withLock(\.isEmpty) })
  }
}
