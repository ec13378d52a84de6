// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Model
import Testing

@Suite struct InventoryTests {
  private static let right = Inventory(
    cluster: "prod",
    nodes: [
      Inventory.Node(name: "minio-2", address: "minio-2.example.net"),
      Inventory.Node(name: "minio-1", address: "192.0.2.1:7000"),
    ], keyManagers: [Inventory.KeyManagerHost(name: "kms-1", address: "[2001:db8::1]")])

  @Test("a right inventory has no problems, and its members are sorted")
  func noProblems() {
    #expect(Self.right.problems() == [])
    #expect(Self.right.memberNames == ["minio-1", "minio-2"])
    #expect(Self.right.node(named: "minio-1")?.address == "192.0.2.1:7000")
    #expect(Self.right.node(named: "kms-1") == nil)
  }

  @Test("a server is at port 9000 of its agent's host unless said otherwise, a witness at 7377")
  func places() {
    var node = Self.right.nodes[1]
    #expect(node.agentPlace?.text == "192.0.2.1:7000")
    #expect(node.serverPlace?.text == "192.0.2.1:9000")
    node.server = "10.0.0.1"
    #expect(node.serverPlace?.text == "10.0.0.1:9000")
    node.server = "[fd00::1]:9443"
    #expect(node.serverPlace?.text == "[fd00::1]:9443")
    var host = Self.right.keyManagers[0]
    #expect(host.place?.text == "[2001:db8::1]:7373" && host.witnessPlace == nil)
    host.witness = "kms-1"
    #expect(host.witnessPlace?.text == "kms-1:7377")
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var problem: String
    var change: @Sendable (inout Inventory) -> Void
    init(
      _ name: String, _ problem: String, _ change: @escaping @Sendable (inout Inventory) -> Void
    ) {
      testDescription = name
      self.problem = problem
      self.change = change
    }
  }

  @Test(
    "each thing that is wrong is one problem that names it",
    arguments: [
      Row("cluster", "cluster \"a/b\": only") { $0.cluster = "a/b" },
      Row("outside host", "outsideNodes: \"a:1\" is not the name or address of a host") {
        $0.outsideNodes = ["minio-9", "10.0.0.9", "a:1"]
      },
      Row("outside hosts", "outsideNodes: 4097, 4096 are allowed") {
        $0.outsideNodes = (1...4_097).map { "n\($0)" }
      },
      Row("no nodes", "nodes: there is none") { $0.nodes = [] },
      Row("node name", "node \"-x\": it must begin") { $0.nodes[0].name = "-x" },
      Row("name twice", "node \"minio-1\": the name is given twice") {
        $0.nodes[0].name = "minio-1"
      },
      Row("name of both kinds", "Key Manager \"minio-1\": the name is given twice") {
        $0.keyManagers[0].name = "minio-1"
      },
      Row("node address", "address \"a b\" is not host or host:port") {
        $0.nodes[0].address = "a b"
      },
      Row("address twice", "address minio-2.example.net:7377 is given twice") {
        $0.nodes[1].address = "minio-2.example.net:7377"
      },
      Row("Key Manager address", "address \"::1\" is not") { $0.keyManagers[0].address = "::1" },
      Row("server", "node \"minio-2\": server \"a b\" is not host or host:port") {
        $0.nodes[0].server = "a b"
      },
      Row("witness", "Key Manager \"kms-1\": witness \"::1\" is not host or host:port") {
        $0.keyManagers[0].witness = "::1"
      },
      Row("witness address twice", "witness minio-2.example.net:7377 is given twice") {
        $0.keyManagers[0].witness = "minio-2.example.net"
      },
      Row("unit", "unit \"minio\": it must be") { $0.unit = "minio" },
      Row("unit path", "unit \"/x/minio.service\"") { $0.unit = "/x/minio.service" },
      Row("file", "environmentFile \"minio\"") { $0.environmentFile = "minio" },
      Row("directory", "environmentFile \"/etc/\"") { $0.environmentFile = "/etc/" },
      Row("prepare", "timeouts.prepareSeconds: 0") { $0.timeouts.prepareSeconds = 0 },
      Row("stop", "timeouts.stopSeconds: -1") { $0.timeouts.stopSeconds = -1 },
      Row("settle", "timeouts.settleSeconds: 3601") { $0.timeouts.settleSeconds = 3_601 },
      Row("settle", "timeouts.settleSeconds: -1") { $0.timeouts.settleSeconds = -1 },
      Row("start", "timeouts.startSeconds: 86401") { $0.timeouts.startSeconds = 86_401 },
      Row("probe", "timeouts.probeSeconds: 0") { $0.timeouts.probeSeconds = 0 },
      Row("clock low", "clockBoundMilliseconds: 0") { $0.clockBoundMilliseconds = 0 },
      Row("clock high", "clockBoundMilliseconds: 10001") { $0.clockBoundMilliseconds = 10_001 },
      Row("too many nodes", "nodes: 4097, 4096 are allowed") {
        $0.nodes = (0...4096).map { Inventory.Node(name: "n\($0)", address: "n\($0)") }
      },
      Row("too many Key Managers", "keyManagers: 65, 64 are allowed") {
        $0.keyManagers = (0...64).map { .init(name: "k\($0)", address: "k\($0)") }
      },
    ])
  func problem(row: Row) throws {
    var inventory = Self.right
    row.change(&inventory)
    let problems = inventory.problems()
    try #require(problems.count == 1)
    #expect(problems[0].contains(row.problem))
  }

  @Test("what is allowed at the limits has no problems")
  func limits() {
    var inventory = Self.right
    inventory.nodes = (1...4096).map { .init(name: "n\($0)", address: "n\($0)") }
    inventory.keyManagers = (1...64).map { .init(name: "k\($0)", address: "k\($0)") }
    inventory.clockBoundMilliseconds = 10_000
    inventory.timeouts.startSeconds = 86_400
    #expect(inventory.problems() == [])
  }

  @Test("a node and a Key Manager may share a host, with different ports")
  func sharedHost() {
    var inventory = Self.right
    inventory.keyManagers[0].address = "minio-2.example.net"
    #expect(inventory.problems() == [])
  }

  @Test("cluster and nodes are enough, the rest has its defaults")
  func defaults() throws {
    let json = #"{"cluster":"c","nodes":[{"name":"n","address":"a"}],"timeouts":{"stopSeconds":7}}"#
    let inventory = try JSONDecoder().decode(Inventory.self, from: Data(json.utf8))
    var expected = Inventory(cluster: "c", nodes: [Inventory.Node(name: "n", address: "a")])
    expected.timeouts.stopSeconds = 7
    #expect(inventory == expected)
    #expect(inventory.unit == "minio.service")
    #expect(inventory.environmentFile == "/etc/default/minio")
    #expect(inventory.clockBoundMilliseconds == 50)
    #expect(inventory.timeouts.startSeconds == 300)
  }

  @Test(
    "what has no cluster or no nodes is not read",
    arguments: ["{}", #"{"cluster":"c"}"#, #"{"nodes":[]}"#, "[]", ""])
  func unreadable(json: String) {
    #expect(throws: (any Error).self) {
      try JSONDecoder().decode(Inventory.self, from: Data(json.utf8))
    }
  }

  @Test("an inventory goes there and back")
  func roundTrip() throws {
    let data = try JSONEncoder().encode(Self.right)
    #expect(try JSONDecoder().decode(Inventory.self, from: data) == Self.right)
  }

  @Test("what proposals wait for has defaults and bounds, and an unknown word is refused")
  func proposals() throws {
    func read(_ rules: String) throws -> Inventory {
      try JSONDecoder().decode(
        Inventory.self,
        from: Data(
          #"{"cluster":"prod","nodes":[{"name":"a","address":"a"}],"proposals":\#(rules)}"#.utf8))
    }
    #expect(try read("{}").proposals == ProposalRules())
    let both = try read(#"{"approval":"operator","minimumIntervalSeconds":3600}"#)
    #expect(both.proposals == ProposalRules(approval: .operator, minimumIntervalSeconds: 3_600))
    #expect(both.problems().isEmpty)
    for (seconds, isFine) in [(0, true), (2_592_000, true), (-1, false), (2_592_001, false)] {
      let problems = try read(#"{"minimumIntervalSeconds":\#(seconds)}"#).problems()
      #expect(problems.isEmpty == isFine, "\(problems)")
    }
    #expect(throws: (any Error).self) { try read(#"{"approval":"anybody"}"#) }
  }
}
