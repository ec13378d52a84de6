// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import TestSupport
import Testing
import Threads

extension LabTests {
  /// That the word "confirmed" can be trusted whatever the server logs, and means that it takes writes.
  @Suite(.serialized, .lab(nodes: 4, keyManagers: 2))
  struct ServerTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.onEachNode("rm -f /run/standin-minio /tmp/standin-minio-*")
    }

    private static let options =
      "MINIO_OPTS=\"--certs-dir /etc/minio/certs --address :9000 --json\""

    /// From the next start on the servers log JSON lines.
    private func logJSON() throws {
      try lab.onEachNode("sed -i 's|^MINIO_OPTS=.*|\(Self.options)|' /etc/default/minio")
    }

    /// Before any seal: the first enablement, in the order of the file.
    @Test("with --json a first enablement with the Key Managers down is rolled back, exit 10")
    func firstEnablement() throws {
      try logJSON()
      try #require(try lab.keyturn("restart", "--yes").status == 0)
      let settings = try lab.settings()
      let apply = try lab.startHeld("apply", "--settings", settings, "--yes", "--json")
      for host in lab.keyManagers { try lab.exec(host, "systemctl stop minkms") }
      try lab.release()
      let outcome = try apply.outcome()
      #expect(outcome.status == 10, "\(outcome.stdout)\(outcome.stderr)")
      let running = try lab.onEachNode(
        "systemctl is-active minio; grep -c KMS /etc/default/minio || true")
      for (node, text) in running { #expect(text.hasPrefix("active"), "\(node): \(text)") }
      for host in lab.keyManagers { try lab.exec(host, "systemctl start minkms") }
    }

    @Test(
      "20 restarts of servers that log JSON, lines of the level FATAL among them, are confirmed")
    func json() throws {
      try lab.encrypt()
      try logJSON()
      try #require(try lab.keyturn("restart", "--yes").status == 0)
      // A load balancer's question, which a server that sees too few drives logs at that level.
      for node in lab.nodes {
        try lab.exec(node, "cat >/run/standin-minio", input: "miss-drives 700\n")
      }
      try lab.onEachNode("systemd-run -q --unit=balancer bash -c '\(Self.balancer)'")
      let since = Clock.realtimeMicroseconds() / 1_000_000
      for number in 1...20 {
        let outcome = try lab.keyturn("restart", "--yes", "--json")
        #expect(outcome.status == 0, "restart \(number): \(outcome.stdout)\(outcome.stderr)")
      }
      try lab.onEachNode("systemctl stop balancer")
      let counts = try lab.onEachNode(
        "journalctl -u minio -o cat --since=@\(since) | grep -c '\"level\":\"FATAL\"' || true")
      let lines = counts.values.compactMap { Int($0.filter { !$0.isWhitespace }) }
      #expect(lines.reduce(0, +) > 0, "\(counts)")
    }

    private static let balancer =
      "while :; do curl -sk -m 2 -o /dev/null https://$(hostname):9000/minio/health/cluster; sleep 0.05; done"

    @Test("a node that refuses writes delays the confirmation, and the outage is told")
    func refusesWrites() throws {
      try lab.encrypt()
      try lab.exec("minio-2", "cat >/run/standin-minio", input: "refuse-writes 4000\n")
      try lab.exec("minio-3", "cat >/run/standin-minio", input: "root-off\n")
      let outcome = try lab.keyturn("restart", "--yes", "--json")
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      let events = try outcome.events()
      #expect(
        events.contains {
          $0.node == "minio-2" && $0.detail == "it takes no writes yet: 503 SlowDownWrite"
        })
      let nodes = try #require(events.last?.nodes)
      func reason(_ node: String) -> String { nodes.first { $0.name == node }?.reason ?? "" }
      #expect(reason("minio-1").hasPrefix("healthy for "), "\(reason("minio-1"))")
      #expect(reason("minio-3").contains("(403 InvalidAccessKeyId)"), "\(reason("minio-3"))")
      #expect(!reason("minio-1").contains("as it does not tell"), "\(reason("minio-1"))")
      let byFiles = "the sealed key by its environment and files only"
      #expect(reason("minio-3").contains(byFiles), "\(reason("minio-3"))")
      let seconds = reason("minio-2").split(separator: " ").suffix(2).first.flatMap {
        Double($0)
      }
      #expect((seconds ?? 0) >= 4, "\(reason("minio-2"))")
      try lab.exec("minio-3", "rm /run/standin-minio")
      let told = try lab.keyturn("restart", "--yes")
      #expect(told.status == 0)
      #expect(told.stdout.contains("no writes for "), "\(told.stdout)")
    }
  }
}
