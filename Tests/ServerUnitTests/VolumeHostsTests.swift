// SPDX-License-Identifier: Apache-2.0
import Model
import ServerUnit
import Testing

@Suite("The hosts in MINIO_VOLUMES")
struct VolumeHostsTests {
  @Test(
    "each host is found once, whatever pools, patterns and ports there are",
    arguments: [
      ("/data", []), ("/data{1...4} /mnt", []),
      ("http://minio-{1...3}:9000/data", ["minio-1", "minio-2", "minio-3"]),
      (
        "http://minio-{1...2}/d{1...4} https://minio-{3...4}.example.net:9000/d",
        [
          "minio-1", "minio-2", "minio-3.example.net", "minio-4.example.net",
        ]
      ),
      ("http://minio-{01...03}:90{00...01}/d", ["minio-01", "minio-02", "minio-03"]),
      ("http://rack{1...2}-n{1...2}/d", ["rack1-n1", "rack2-n1", "rack1-n2", "rack2-n2"]),
      (
        "http://10.0.0.{1...2}:9000/d http://[fd00::1]:9000/d", ["10.0.0.1", "10.0.0.2", "fd00::1"]
      ),
      ("http://Minio-1./d http://minio-1/e", ["minio-1"]),
      ("http://localhost:9000/d http://127.0.0.1/d", []),
    ])
  func names(_ value: String, _ names: [String]) {
    let hosts = VolumeHosts(value.split(separator: " ").map(String.init))
    #expect(hosts.names == names && hosts.problem == nil)
  }

  @Test("a pattern is expanded up to the inventory's limit, and not beyond")
  func limit() {
    #expect(VolumeHosts(["http://n{1...4096}/d"]).names.count == 4_096)
    for word in [
      "http://n{1...4097}/d", "http://n{1...999999999}/d", "http://n{1...100}-{1...100}/d",
      "http://n{1...}/d", "http://n{a...c}/d",
    ] {
      let hosts = VolumeHosts([word])
      #expect(hosts.names.isEmpty && hosts.problem != nil, "\(word)")
    }
    let many = VolumeHosts(["http://a{1...4096}/d", "http://b{1...4096}/d"])
    #expect(many.names.isEmpty && many.problem == "more than 4096 hosts are named")
  }

  private static func inventory(
    _ nodes: [(String, String)], outside: [String] = []
  ) -> Inventory {
    Inventory(
      cluster: "prod", nodes: nodes.map { .init(name: $0.0, address: $0.1) }, outsideNodes: outside)
  }

  private static let three = inventory((1...3).map { ("minio-\($0)", "minio-\($0).example.net") })

  struct Row: Sendable {
    var volumes: String
    var inventory: Inventory
    var severity: Severity?
    var says: String

    init(_ volumes: String, _ inventory: Inventory, _ severity: Severity?, _ says: String = "") {
      self.volumes = volumes
      self.inventory = inventory
      self.severity = severity
      self.says = says
    }
  }

  @Test(
    "a host that one has and the other lacks is an error that names it",
    arguments: [
      Row("http://minio-{1...3}:9000/d", three, nil),
      Row("http://minio-{1...3}.example.net/d", three, nil),
      Row("http://minio-{1...3}.example/d", three, nil),
      Row("/data", three, nil),
      Row(
        "http://minio-{1...4}/d", three, .error,
        "MINIO_VOLUMES names minio-4, which the inventory has not"),
      Row(
        "http://minio-{1...2}/d", three, .error,
        "MINIO_VOLUMES does not name minio-3, which the inventory has"),
      Row(
        "http://minio-{2...6}/d", three, .error,
        "MINIO_VOLUMES names minio-[4-6], which the inventory has not; MINIO_VOLUMES does not name minio-1, which the inventory has"
      ),
      Row(
        "http://minio-{1...3}.other.net/d", inventory([("minio-1.example.net", "10.0.0.1")]),
        .error,
        "minio-[1-3].other.net"),
      Row(
        "http://minio-{1...4}/d",
        inventory((1...3).map { ("minio-\($0)", "m\($0)") }, outside: ["minio-4.example.net"]), nil),
      Row(
        "http://minio-{1...2}/d",
        inventory((1...3).map { ("minio-\($0)", "m\($0)") }, outside: ["minio-3"]), nil),
      // By its address, and by no part of one.
      Row("http://10.0.0.{1...2}/d", inventory([("a", "10.0.0.1"), ("b", "10.0.0.2:7000")]), nil),
      Row(
        "http://10.0.0.1/d http://10.0.0.12/d", inventory([("a", "10.0.0.1"), ("b", "10.0.0")]),
        .error,
        "10.0.0.12"),
      // Other names throughout, and as many: perhaps the same hosts.
      Row(
        "http://10.0.0.{1...3}/d", three, .warning,
        "no node of the inventory has one of these names"),
      Row("http://10.0.0.{1...4}/d", three, .error, "10.0.0.1"),
      Row("http://n{1...}/d http://minio-1/d", three, .warning, "is not known"),
    ])
  func inventories(_ row: Row) {
    let hosts = VolumeHosts(row.volumes.split(separator: " ").map(String.init))
    let findings = hosts.findings(row.inventory, whose: "MINIO_VOLUMES")
    #expect(findings.first?.severity == row.severity, "\(findings.map(\.message))")
    #expect(findings.first?.message.contains(row.says) ?? true, "\(findings.map(\.message))")
    #expect(findings.allSatisfy { $0.refusal == .validation })
  }

  @Test("a node is known by the host of its server too")
  func server() {
    var inventory = Self.three
    for index in inventory.nodes.indices {
      inventory.nodes[index].server = "10.0.0.\(index + 1):9000"
    }
    #expect(VolumeHosts(["http://10.0.0.{1...3}/d"]).difference(from: inventory) == nil)
  }
}
