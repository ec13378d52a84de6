// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import JSONCoding
import Model
@testable import Operator
import Rollout
import Secrets
import Testing
import Threads

@Suite("keyturn join")
struct JoinTests {
  private static let key = "the-key-that-nobody-may-see"
  private static let paths = ["ca.pem", "cert.pem", "key.pem"].map {
    "/etc/keyturn/credentials/\($0)"
  }

  private static func file(_ change: (String) -> String = { $0 }) throws -> String {
    let inventory = try JSON.decode(Inventory.self, from: Array(PKIIssueTests.inventory.utf8))
    let join = JoinFile(
      inventory: inventory, authority: "new ca", certificate: "new cert", key: Secret(key))
    return change(String(decoding: join.bytes, as: UTF8.self))
  }

  /// - Parameter seconds: when the certificate begins, from now.
  private static func workshop(
    _ role: Role, _ name: String, days: Int64 = 1, from seconds: Int64 = -300,
    mismatch: String? = nil
  ) -> FakeWorkshop {
    var workshop = FakeWorkshop()
    workshop.mismatch = mismatch
    let now = Clock.realtimeMicroseconds()
    workshop.facts = CertificateFacts(
      principal: Principal(cluster: "prod", role: role, name: name), subject: "CN=\(name)",
      validFromMicroseconds: now + seconds * 1_000_000,
      validUntilMicroseconds: now + days * 86_400_000_000)
    return workshop
  }

  private func run(
    _ file: String, _ workshop: FakeWorkshop, arguments: String = "join j.join",
    agents: [FakeAgent]? = nil, newcomer: FakeNewcomer = FakeNewcomer(),
    files: [String: String]? = nil, mode: UInt32 = 0o600, isRoot: Bool = true
  ) throws -> (code: ExitCode, host: FakeCommandHost) {
    var there = files ?? [:]
    there["j.join"] = file
    let host = FakeCommandHost(files: there, mode: mode, isRoot: isRoot)
    let names = ["minio-1", "minio-2", "kms-1"]
    let keyturn = Keyturn(
      host: host, network: FakeNetwork(agents: agents ?? names.map { FakeAgent($0) }),
      workshop: workshop, local: FakeLocalAgent(), stores: FakeStores(), newcomer: newcomer,
      interruption: Interruption(), version: "test")
    let code = keyturn.code(arguments.split(separator: " ").map(String.init))
    #expect(!(host.output + host.errors).contains(Self.key))
    return (code, host)
  }

  @Test("inventory and credentials are put in place with their modes, then the agent is started")
  func joins() throws {
    for (role, name) in [(Role.node, "minio-2"), (.witness, "kms-1")] {
      let newcomer = FakeNewcomer()
      let (code, host) = try run(Self.file(), Self.workshop(role, name), newcomer: newcomer)
      // The clocks of the fakes stand at 1970.
      #expect(code == (role == .node ? .unknown : .done), "\(host.errors)")
      let files = newcomer.files.withLock { $0 }
      #expect(files.keys.sorted() == (Self.paths + ["/etc/keyturn/inventory.json"]).sorted())
      #expect(files["/etc/keyturn/credentials/key.pem"]?.text == Self.key)
      #expect(files["/etc/keyturn/credentials/key.pem"]?.mode == 0o600)
      #expect(files["/etc/keyturn/inventory.json"]?.mode == 0o644)
      let inventory = try JSON.decode(
        Inventory.self, from: Array((files["/etc/keyturn/inventory.json"]?.text ?? "").utf8))
      #expect(inventory.problems().isEmpty && inventory.node(named: "minio-2") != nil)
      #expect(newcomer.starts.withLock { $0 } == 1)
      #expect(host.output.contains("\(name): the agent runs and answers"))
      #expect(host.errors.contains("keyturn pki renew \(name)"))
      #expect(host.errors.contains("clock of minio-1") == (role == .node), "\(host.errors)")
    }
  }

  @Test(
    "the drop-in that a package has brought is used: a node's for the server, a witness's for itself"
  )
  func dropIns() throws {
    let units = [
      (Role.node, "minio-2", "minio.service", DropIn.startGuard),
      (.witness, "kms-1", "keyturnd.service", .witness),
    ]
    for (role, name, unit, dropIn) in units {
      var newcomer = FakeNewcomer()
      newcomer.hasDropIns = true
      let (_, host) = try run(Self.file(), Self.workshop(role, name), newcomer: newcomer)
      #expect(newcomer.dropIns.withLock { $0 } == [unit: dropIn])
      #expect(host.output.contains("/etc/systemd/system/\(unit).d/\(dropIn.name)"))
      let again = try run(Self.file(), Self.workshop(role, name), newcomer: newcomer)
      #expect(!again.host.output.contains(dropIn.name), "what is used already is not told")
    }
  }

  @Test("what is in place already is not written again; other files are refused without --replace")
  func again() throws {
    let (newcomer, file) = (FakeNewcomer(), try Self.file())
    _ = try run(file, Self.workshop(.node, "minio-2"), newcomer: newcomer)
    let there = newcomer.files.withLock { $0.mapValues(\.text) }
    let second = FakeNewcomer()
    let (_, host) = try run(
      file, Self.workshop(.node, "minio-2"), newcomer: second, files: there)
    #expect(second.files.withLock(\.isEmpty) && host.output.contains("in place already"))
    #expect(second.starts.withLock { $0 } == 1, "an attempt before may have been interrupted")

    var other = there
    other["/etc/keyturn/credentials/key.pem"] = "another"
    let third = FakeNewcomer()
    let refused = try run(
      file, Self.workshop(.node, "minio-2"), newcomer: third, files: other)
    #expect(refused.code == .validationRefused)
    #expect(refused.host.errors.contains("credentials/key.pem; if they may go"))
    #expect(third.files.withLock(\.isEmpty) && third.starts.withLock { $0 } == 0)
    _ = try run(
      file, Self.workshop(.node, "minio-2"), arguments: "join --replace j.join", newcomer: third,
      files: other)
    #expect(Array(third.files.withLock { $0.keys }) == ["/etc/keyturn/credentials/key.pem"])
  }

  @Test(
    "files that are none, expired, for nobody of their inventory, or open to others are refused")
  func refused() throws {
    let file = try Self.file()
    let node = Self.workshop(.node, "minio-2")
    for (text, workshop, mode, words) in [
      ("{}", node, 0o600, "it is no join file"),
      (
        try Self.file { $0.replacing("\"keyturnJoin\":1", with: "\"keyturnJoin\":2") }, node, 0o600,
        "version 2"
      ),
      (try Self.file { $0.replacing("minio-1", with: "minio-2") }, node, 0o600, "given twice"),
      (file, Self.workshop(.node, "minio-2", days: -1), 0o600, "expired on"),
      (file, Self.workshop(.node, "minio-2", from: 60), 0o600, "valid only from"),
      (
        file, Self.workshop(.node, "minio-2", mismatch: "the own key does not"), 0o600,
        "the own key does not"
      ),
      (file, Self.workshop(.node, "minio-9"), 0o600, "no node and no witness"),
      (file, Self.workshop(.operator, "alice"), 0o600, "no node and no witness"),
      (file, node, 0o640, "can be read by others"),
    ] as [(String, FakeWorkshop, UInt32, String)] {
      let newcomer = FakeNewcomer()
      let (code, host) = try run(text, workshop, newcomer: newcomer, mode: mode)
      #expect(code == .validationRefused && host.errors.contains(words), "\(host.errors)")
      #expect(newcomer.files.withLock(\.isEmpty) && newcomer.starts.withLock { $0 } == 0)
    }
    #expect(try run(file, node, isRoot: false).code == .notPermitted)
  }

  @Test(
    "another host's file, a host of another cluster, a host without the unit: nothing is written")
  func otherHosts() throws {
    let file = try Self.file()
    let workshop = Self.workshop(.node, "minio-2")
    func refused(
      _ words: String, files: [String: String]? = nil, arguments: String = "join --replace j.join",
      _ change: (inout FakeNewcomer) -> Void = { _ in }
    ) throws {
      var newcomer = FakeNewcomer()
      change(&newcomer)
      let (code, host) = try run(
        file, workshop, arguments: arguments, newcomer: newcomer, files: files)
      #expect(code == .validationRefused || code == .failed)
      #expect(host.errors.contains(words) && host.errors.contains("nothing was changed"))
      #expect(newcomer.files.withLock(\.isEmpty) && newcomer.starts.withLock { $0 } == 0)
    }
    try refused("at 10.0.0.2, and that is none of this host's addresses") {
      $0.addresses = ["10.0.0.9"]
    }
    try refused("no unit") { $0.isInstalled = false }
    let other = PKIIssueTests.inventory.replacing("prod", with: "test")
    try refused("this host is of cluster test", files: ["/etc/keyturn/inventory.json": other])
    let seal = Seal(
      cluster: "test", keyName: "k", enclave: "e", rollout: "0011223344556677",
      sealedAtMicroseconds: 0)
    try refused(
      "this host is of cluster test",
      files: ["/var/lib/keyturn/seal": String(decoding: JSON.encode(seal), as: UTF8.self)])
    var newcomer = FakeNewcomer()
    newcomer.addresses = []
    let forced = try run(
      file, workshop, arguments: "join --any-address j.join", newcomer: newcomer)
    #expect(!forced.host.errors.contains("nothing was changed"))
    #expect(newcomer.files.withLock(\.count) == 4)
  }

  @Test("an inventory that says the same stays as it is; a key that others can read is put right")
  func inPlace() throws {
    let (newcomer, file) = (FakeNewcomer(), try Self.file())
    _ = try run(file, Self.workshop(.node, "minio-2"), newcomer: newcomer)
    var there = newcomer.files.withLock { $0.mapValues(\.text) }
    there["/etc/keyturn/inventory.json"] = PKIIssueTests.inventory
    let second = FakeNewcomer()
    _ = try run(file, Self.workshop(.node, "minio-2"), newcomer: second, files: there)
    #expect(second.files.withLock(\.isEmpty))
    let third = FakeNewcomer()
    let host = FakeCommandHost(
      files: there.merging(["j.join": file]) { $1 }, mode: 0o600, modes: [Self.paths[2]: 0o644],
      isRoot: true)
    let keyturn = Keyturn(
      host: host, network: FakeNetwork(agents: ["minio-1", "minio-2"].map { FakeAgent($0) }),
      workshop: Self.workshop(.node, "minio-2"), local: FakeLocalAgent(), stores: FakeStores(),
      newcomer: third, interruption: Interruption(), version: "test")
    _ = keyturn.code(["join", "j.join"])
    #expect(Array(third.files.withLock { $0.keys }) == [Self.paths[2]])
  }

  @Test("an agent that does not start, and links that do not work, are told")
  func problems() throws {
    var newcomer = FakeNewcomer()
    newcomer.startFailure = "systemctl enable failed"
    let failed = try run(Self.file(), Self.workshop(.node, "minio-2"), newcomer: newcomer)
    #expect(failed.code == .failed && failed.host.errors.contains("systemctl enable failed"))
    newcomer = FakeNewcomer()
    newcomer.obstacles = ["kms-2:7373": "connection refused"]
    let (code, host) = try run(
      Self.file(), Self.workshop(.node, "minio-2"),
      agents: [FakeAgent("minio-1", .unreachable), FakeAgent("minio-2"), FakeAgent("kms-1")],
      newcomer: newcomer)
    #expect(code == .done, "hosts that have not joined yet are no error: \(host.errors)")
    #expect(host.errors.contains("the Key Manager kms-2 cannot be reached: connection refused"))
    #expect(host.errors.contains("minio-1 cannot be reached"))
    #expect(host.output.contains("minio-2: the agent runs and answers"))
  }

  @Test(
    "an agent that refuses the host is told as one that runs: how it is started is not the matter")
  func refusedByOwn() throws {
    let no = Refusal(.notPermitted, "the certificate was revoked")
    let (code, host) = try run(
      Self.file(), Self.workshop(.node, "minio-2"),
      agents: [FakeAgent("minio-1"), FakeAgent("minio-2", .refuses(no)), FakeAgent("kms-1")])
    #expect(code == .failed)
    #expect(
      host.errors.contains(
        "the agent of minio-2 runs, and refuses this host: the certificate was revoked"),
      "\(host.errors)")
    #expect(!host.errors.contains("systemctl status"))
  }

  @Test(
    "the list of revoked certificates in the file becomes the agent's, unless it has a newer one or would lose something"
  )
  func revocations() throws {
    func signed(_ number: Int, _ names: [String], by ca: String = "good") -> SignedRevocations {
      let list = Revocations(
        cluster: "prod", number: number,
        entries: names.map { .init(role: .operator, name: $0, issuedUntil: 5) })
      return SignedRevocations(
        list: String(decoding: JSON.encode(list), as: UTF8.self), signature: ca)
    }
    let inventory = try JSON.decode(Inventory.self, from: Array(PKIIssueTests.inventory.utf8))
    let list = signed(3, ["bob"])
    let file = String(
      decoding: JoinFile(
        inventory: inventory, authority: "ca", certificate: "cert", key: Secret(Self.key),
        revocations: list
      ).bytes, as: UTF8.self)
    let path = "/var/lib/keyturn/revocations"
    for (kept, isTaken) in [
      (nil, true), (signed(2, []), true), (signed(3, ["bob"]), false), (signed(4, []), false),
      (signed(3, ["bob"], by: "next"), true), (signed(3, []), false),
      (signed(2, ["eve"]), false),
      // Of a CA that the host is to trust no more: no agent uses it.
      (signed(4, ["eve"], by: "strange"), true),
    ] as [(SignedRevocations?, Bool)] {
      let newcomer = FakeNewcomer()
      let record = kept.map { [path: String(decoding: JSON.encode($0), as: UTF8.self)] } ?? [:]
      let (_, host) = try run(
        file, Self.workshop(.node, "minio-2"), newcomer: newcomer, files: record)
      #expect(newcomer.records.withLock { $0[path] != nil } == isTaken, "\(host.errors)")
      if isTaken {
        #expect(newcomer.records.withLock { $0[path] } == JSON.encode(list))
        #expect(host.output.contains("minio-2: list 3 of revoked certificates is in place"))
      }
    }
    // The file's certificate is one that was revoked since: no second copy of it comes to life.
    let now = Clock.realtimeMicroseconds() / 1_000_000
    let since = Revocations(
      cluster: "prod", number: 4,
      entries: [
        .init(role: .operator, name: "bob", issuedUntil: 5),
        .init(role: .node, name: "minio-2", issuedUntil: now),
      ])
    for (kept, isRefused) in [("good", true), ("strange", false)] {
      let record = SignedRevocations(
        list: String(decoding: JSON.encode(since), as: UTF8.self), signature: kept)
      let newcomer = FakeNewcomer()
      let (code, host) = try run(
        file, Self.workshop(.node, "minio-2"), newcomer: newcomer,
        files: [path: String(decoding: JSON.encode(record), as: UTF8.self)])
      #expect(newcomer.starts.withLock { $0 } == (isRefused ? 0 : 1), "\(host.errors)")
      if isRefused {
        #expect(code == .validationRefused && newcomer.files.withLock(\.isEmpty))
        #expect(host.errors.contains("was revoked on 20"))
        #expect(host.errors.contains("keyturn pki issue --replace minio-2"))
        #expect(host.errors.contains("nothing was changed"))
      }
    }
    let damaged = FakeNewcomer()
    _ = try run(
      file, Self.workshop(.node, "minio-2"), newcomer: damaged, files: [path: "DAMAGED"])
    #expect(damaged.records.withLock { $0[path] != nil })
  }
}
