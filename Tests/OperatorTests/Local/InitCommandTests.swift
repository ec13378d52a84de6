// SPDX-License-Identifier: Apache-2.0
import Coordination
import JSONCoding
import Model
@testable import Operator
import Testing

@Suite("keyturn init")
struct InitCommandTests {
  /// The inventory that is written, and what else came.
  private func run(
    _ arguments: [String], files: [String: String] = [:]
  ) throws -> (code: ExitCode, host: FakeCommandHost, inventory: Inventory?) {
    let host = FakeCommandHost(files: files)
    let keyturn = Keyturn(
      host: host, network: FakeNetwork(agents: []), workshop: FakeWorkshop(),
      local: FakeLocalAgent(), stores: FakeStores(), newcomer: FakeNewcomer(),
      interruption: .init(), version: "test")
    let code = keyturn.code(["init", "--cluster", "prod"] + arguments)
    let text = host.created["./inventory.json"] ?? (host.output.hasPrefix("{") ? host.output : nil)
    let inventory = try text.map { try JSON.decode(Inventory.self, from: Array($0.utf8)) }
    return (code, host, inventory)
  }

  @Test("pools, patterns and ports become nodes, endpoints Key Managers, and the file can be used")
  func whole() throws {
    let (code, host, inventory) = try run([
      "--volumes",
      "https://minio-{1...3}.example.net:9443/data{1...4} https://minio-{04...05}.example.net/data",
      "--kms-server", "https://kms-{1...2}.example.net:7373,https://[fd00::1]:7373",
    ])
    #expect(code == .done, "\(host.errors)")
    let made = try #require(inventory)
    #expect(made.problems().isEmpty && made.cluster == "prod")
    #expect(made.nodes.map(\.name) == ["minio-1", "minio-2", "minio-3", "minio-04", "minio-05"])
    #expect(made.nodes[0].address == "minio-1.example.net:7377")
    #expect(made.nodes.map { $0.serverPlace?.port } == [9443, 9443, 9443, 9000, 9000])
    #expect(
      made.keyManagers.map(\.address) == [
        "kms-1.example.net:7373", "kms-2.example.net:7373", "[fd00::1]:7373",
      ])
    #expect(made.keyManagers.map(\.name) == ["kms-1", "kms-2", "kms-3"])
    #expect(made.keyManagers.allSatisfy { $0.witness == nil })
    #expect(host.errors.contains("give --witnesses"), "\(host.errors)")
    let witnessed = try run([
      "--witnesses", "--volumes", "http://minio-{1...2}/d", "--kms-server",
      "https://kms-{1...2}.example.net:7400",
    ])
    #expect(
      witnessed.inventory?.keyManagers.map(\.witness) == [
        "kms-1.example.net:7377", "kms-2.example.net:7377",
      ])
    #expect(!witnessed.host.errors.contains("--witnesses"))
    #expect(host.output.contains("5 nodes (minio-[1-3],"), "\(host.output)")
    #expect(host.output.contains("3 Key Managers"))
  }

  @Test("a node's file gives both values, and its path where it is another than the usual one")
  func file() throws {
    let text = """
      MINIO_VOLUMES="http://a.x:9000/d http://b.x:9000/d"
      MINIO_KMS_SERVER=https://k.x:7373
      MINIO_ROOT_PASSWORD=secret-password
      """
    let (code, host, inventory) = try run([], files: ["/etc/default/minio": text])
    #expect(code == .done && inventory?.nodes.map(\.name) == ["a", "b"])
    #expect(inventory?.keyManagers.map(\.name) == ["k"])
    #expect(inventory?.environmentFile == "/etc/default/minio")
    #expect(!(host.output + host.errors + host.created.values.joined()).contains("secret"))
    let other = try run(
      ["--environment", "/etc/minio/config.env", "--kms-server", "https://o.x:7373", "--out", "-"],
      files: ["/etc/minio/config.env": text])
    #expect(other.inventory?.environmentFile == "/etc/minio/config.env")
    #expect(other.inventory?.keyManagers.map(\.name) == ["o"])
    #expect(other.host.created.isEmpty)
  }

  @Test(
    "names that the first label does not tell apart are whole hosts, and what is no name is numbered",
    arguments: [
      ("http://n.a:9000/d http://n.b:9000/d", ["n.a", "n.b"]),
      ("http://10.0.0.{1...2}:9000/d", ["10.0.0.1", "10.0.0.2"]),
      ("http://[fd00::1]:9000/d http://[fd00::2]:9000/d", ["node-1", "node-2"]),
      ("http://kms.x/d http://b.x/d", ["kms", "b"]),
    ])
  func names(_ volumes: String, _ names: [String]) throws {
    let inventory = try run(["--volumes", volumes]).inventory
    #expect(inventory?.nodes.map(\.name) == names)
    #expect(inventory?.problems() == [])
    let beside = try run(["--volumes", volumes, "--kms-server", "https://kms.y:7373"]).inventory
    #expect(beside?.problems() == [], "a Key Manager may be called as a node is")
  }

  @Test(
    "what names no hosts, or names them wrongly, is refused, and nothing is written",
    arguments: [
      (["--volumes", "/data{1...4}"], "names no host but this one"),
      (["--volumes", "http://n{4...1}:9000/d"], "counts down"),
      (["--volumes", "http://n{1...99999}:9000/d"], "more than 4096 hosts"),
      (["--volumes", "http://a:b:1/d"], "is not host or host:port"),
      (["--volumes", "http://a/d", "--kms-server", "ftp://k"], "MINIO_KMS_SERVER: "),
      (["--volumes", "http://a/d", "--witnesses"], "--witnesses: no Key Manager is known"),
      (["--environment", "volumes", "--witnesses"], "give --kms-server VALUE, or leave"),
      (["--environment", "/no"], "there is no file /no"),
      (["--environment", "empty"], "has no MINIO_VOLUMES"),
    ])
  func refused(_ arguments: [String], _ words: String) throws {
    let (code, host, inventory) = try run(
      arguments, files: ["empty": "A=b\n", "volumes": "MINIO_VOLUMES=http://a/d\n"])
    #expect(code == .validationRefused || code == .failed)
    #expect(inventory == nil && host.created.isEmpty)
    #expect(host.errors.contains(words), "\(host.errors)")
  }

  @Test("an existing file is not overwritten; two sources are a matter of usage")
  func existing() throws {
    let there = try run(["--volumes", "http://a/d"], files: ["./inventory.json": "mine"])
    #expect(there.code == .failed && there.host.errors.contains("File exists"))
    #expect(try run(["--volumes", "http://a/d", "--environment", "f"]).code == .usage)
    #expect(try run(["--volumes", "http://a/d"]).host.errors.contains("no Key Manager is known"))
  }
}
