// SPDX-License-Identifier: Apache-2.0
import Coordination
import Model
@testable import Operator
import Testing
import Threads

@Suite("keyturn pki issue")
struct PKIIssueTests {
  static let inventory = """
    {"cluster": "prod", "nodes": [{"name": "minio-1", "address": "m-1.example.net:7400"},
     {"name": "minio-2", "address": "10.0.0.2"}],
     "keyManagers": [{"name": "kms-1", "address": "kms-1", "witness": "kms-1.example.net"},
     {"name": "kms-2", "address": "kms-2"}]}
    """

  private func run(
    _ arguments: String, _ workshop: FakeWorkshop = FakeWorkshop()
  ) -> (code: ExitCode, host: FakeCommandHost) {
    Sample.run(
      arguments, [], files: ["./inventory.json": Self.inventory], workshop: workshop)
  }

  @Test("--all writes a file for each node and each witness, with its address, for a day")
  func all() {
    let workshop = FakeWorkshop()
    let (code, host) = run("pki issue --all", workshop)
    #expect(code == .done, "\(host.errors)")
    let issued = workshop.issuer.issued.withLock { $0 }
    #expect(issued.map(\.file) == ["./pki/minio-1.join", "./pki/minio-2.join", "./pki/kms-1.join"])
    #expect(issued.map(\.role) == [.node, .node, .witness])
    #expect(issued.map(\.addresses) == [["m-1.example.net"], ["10.0.0.2"], ["kms-1.example.net"]])
    #expect(issued.allSatisfy { $0.days == 1 })
    #expect(host.errors.contains("delete it here and there"))
  }

  @Test("--join writes it for some, and refuses a name that the inventory lacks before any")
  func some() {
    let workshop = FakeWorkshop()
    let joined = run("pki issue --join minio-2 kms-1 --days 3 --out /x", workshop)
    #expect(joined.code == .done)
    #expect(joined.host.errors.contains("keyturn pki issue --replace kms-1 revokes them"))
    let issued = workshop.issuer.issued.withLock { $0 }
    #expect(issued.map(\.file) == ["/x/minio-2.join", "/x/kms-1.join"])
    #expect(issued.allSatisfy { $0.days == 3 })
    for name in ["minio-9", "kms-2"] {
      let other = FakeWorkshop()
      let (code, host) = run("pki issue --join minio-1 \(name)", other)
      #expect(code == .validationRefused)
      #expect(host.errors.contains("no node and no witness \(name), only"), "\(host.errors)")
      #expect(other.issuer.issued.withLock { $0.isEmpty })
    }
  }

  @Test("pki init gives a person a certificate and each host a file at once, or does nothing")
  func atOnce() {
    let workshop = FakeWorkshop()
    let (code, host) = run("pki init --cluster prod --operator alice --all", workshop)
    #expect(code == .done, "\(host.errors)")
    let issued = workshop.issuer.issued.withLock { $0 }
    #expect(
      issued.map(\.file) == [
        "./pki/alice", "./pki/minio-1.join", "./pki/minio-2.join", "./pki/kms-1.join",
      ])
    #expect(issued.map(\.role) == [.operator, .node, .node, .witness])
    #expect(issued.map(\.days) == [nil, 1, 1, 1])
    // What cannot be done is known before there is an authority.
    for (arguments, files, code) in [
      ("--cluster other --all", [:], ExitCode.badConfiguration),
      ("--cluster prod --all", ["./pki/minio-2.join": "old"], .failed),
      ("--cluster prod --all --inventory none.json", [:], .badConfiguration),
      ("--cluster prod --all --operator alice", ["./pki/alice/cert.pem": "old"], .failed),
      ("--cluster prod --operator alice", ["./pki/alice/ca.pem": "old"], .failed),
      ("--cluster prod", ["./pki/ca.pem": "old"], .failed),
      ("--cluster prod --all", ["./pki/revocations.json": "{}"], .failed),
      ("--cluster prod --operator ca.pem", [:], .validationRefused),
    ] {
      let none = FakeWorkshop()
      let (ended, told) = Sample.run(
        "pki init \(arguments)", [],
        files: ["./inventory.json": Self.inventory].merging(files) { $1 }, workshop: none)
      #expect(ended == code, "\(arguments): \(told.errors)")
      #expect(!told.output.contains("the authority of"), "\(told.output)")
      #expect(none.issuer.issued.withLock(\.isEmpty))
      #expect(told.errors.contains("nothing was written") || code == .badConfiguration)
    }
    #expect(workshop.issuer.noted.withLock { $0 } == 1, "nothing is revoked yet")
    for place in ["./pki", "./pki/alice"] {
      let host = FakeCommandHost(foreignHolds: [place: "everybody can write \(place)"])
      let keyturn = Keyturn(
        host: host, network: FakeNetwork(agents: []), workshop: FakeWorkshop(),
        local: FakeLocalAgent(), stores: FakeStores(), newcomer: FakeNewcomer(),
        interruption: Interruption(), version: "test")
      let code = keyturn.code(["pki", "init", "--cluster", "prod", "--operator", "alice"])
      #expect(code == .failed && host.errors.contains("everybody can write"), "\(host.errors)")
      #expect(!host.output.contains("the authority of"))
    }
    let alone = FakeWorkshop()
    #expect(run("pki init --cluster prod", alone).code == .done)
    #expect(alone.issuer.issued.withLock(\.isEmpty))
  }

  @Test("a file that is there is named, and none is written")
  func existing() {
    let workshop = FakeWorkshop()
    let (code, host) = Sample.run(
      "pki issue --all", [],
      files: ["./inventory.json": Self.inventory, "./pki/minio-2.join": "old"],
      workshop: workshop)
    #expect(code == .failed && host.errors.contains("there is ./pki/minio-2.join already"))
    #expect(workshop.issuer.issued.withLock(\.isEmpty))
  }

  @Test("an authority of another cluster than the inventory's is refused")
  func otherCluster() {
    var workshop = FakeWorkshop()
    workshop.issuer.cluster = "test"
    let (code, host) = run("pki issue --all", workshop)
    #expect(code == .badConfiguration && host.errors.contains("the cluster \"test\""))
    #expect(workshop.issuer.issued.withLock { $0.isEmpty })
  }

  @Test(
    "what does not go together is a matter of usage",
    arguments: [
      "pki issue", "pki issue --role node", "pki issue --name a", "pki issue --all --join a",
      "pki issue --all --role node", "pki issue --join a --address b",
      "pki issue --role node --name a", "pki issue --role witness --name a",
      "pki issue --all --days 8",
    ])
  func usage(_ arguments: String) { #expect(run(arguments).code == .usage) }

  @Test("one holder gets three files, for as long as its role has or --days says")
  func one() {
    let workshop = FakeWorkshop()
    #expect(run("pki issue --role operator --name alice", workshop).code == .done)
    #expect(run("pki issue --role node --name n --address a --days 9", workshop).code == .done)
    let issued = workshop.issuer.issued.withLock { $0 }
    #expect(issued.map(\.file) == ["./pki/alice", "./pki/n"])
    #expect(issued.map(\.days) == [nil, 9])
  }

  @Test("--replace revokes before it issues, and gives the list to all others")
  func replaced() {
    let agents = ["minio-1", "minio-2", "kms-1"].map { FakeAgent($0) }
    var workshop = FakeWorkshop()
    func run(_ arguments: String, _ agents: [FakeAgent], files: [String: String] = [:])
      -> (code: ExitCode, host: FakeCommandHost)
    {
      Sample.run(
        arguments, agents,
        files: ["./inventory.json": Self.inventory].merging(files) { $1 }, workshop: workshop)
    }
    let (code, host) = run(
      "pki issue --replace minio-2", agents, files: ["./pki/minio-2.join": "of last time"])
    #expect(code == .done, "\(host.errors)")
    #expect(workshop.issuer.added.withLock { $0 } == ["node/minio-2"])
    #expect(workshop.issuer.issued.withLock { $0.map(\.file) } == ["./pki/minio-2.join, replaced"])
    #expect(agents.map { $0.installed.withLock { $0 } } == [["a list"], [], ["a list"]])
    // Who does not have it is told; the file is there. The list is not lost, so nobody is waited for.
    workshop.issuer.list = Revocations(cluster: "prod")
    let silent = [FakeAgent("minio-1", .unreachable), FakeAgent("minio-2"), FakeAgent("kms-1")]
    let partly = run("pki issue --replace minio-2", silent)
    #expect(partly.code == .unknown)
    #expect(partly.host.errors.contains("1 of 2 do not have the list"), "\(partly.host.errors)")
    #expect(workshop.issuer.issued.withLock(\.count) == 2)
    #expect(run("pki issue --replace minio-9", agents).code == .validationRefused)
    #expect(run("pki issue --replace minio-1 --join minio-2", agents).code == .usage)
    #expect(workshop.issuer.added.withLock(\.count) == 2)
  }
}
