// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import JSONCoding
import Model
@testable import Operator
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

  private static func workshop(_ role: Role, _ name: String, days: Int64 = 1) -> FakeWorkshop {
    var workshop = FakeWorkshop()
    let now = Clock.realtimeMicroseconds()
    workshop.facts = CertificateFacts(
      principal: Principal(cluster: "prod", role: role, name: name), subject: "CN=\(name)",
      validFromMicroseconds: now, validUntilMicroseconds: now + days * 86_400_000_000)
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
      #expect(code == .unknown, "the clocks of the fakes are another one: \(host.errors)")
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
      #expect(host.errors.contains("clock of minio-1"), "\(host.errors)")
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
    #expect(second.starts.withLock { $0 } == 1)

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
    #expect(code == .unknown)
    #expect(host.errors.contains("the Key Manager kms-2 cannot be reached: connection refused"))
    #expect(host.errors.contains("minio-1 cannot be reached"))
    #expect(host.errors.contains("minio-2 has joined, but "))
  }
}
