// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension LabTests {
  /// Files that are put right while the servers run on.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 1))
  struct WithoutRestartTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    private func invocations() throws -> [String: String] {
      try lab.onEachNode("systemctl show minio -p InvocationID,ExecMainPID,NRestarts")
    }

    private func digests() throws -> [String: String] {
      try lab.onEachNode("sha256sum </etc/default/minio")
    }

    @Test("a hand edit is healed and no server restarts; --restart restarts them all")
    func handEdit() throws {
      let settings = try lab.settings(adding: "MINIO_BROWSER=off\n")
      let first = try lab.keyturn("apply", "--yes", "--settings", settings)
      #expect(first.status == 0, "\(first.stdout)\(first.stderr)")
      let (confirmed, running) = (try digests(), try invocations())
      try lab.exec("minio-2", "sed -i '/^MINIO_BROWSER=/s/off/on/' /etc/default/minio")
      #expect(try digests() != confirmed)
      let plan = try lab.keyturn("plan", "--settings", settings)
      #expect(plan.status == 0, "\(plan.stdout)\(plan.stderr)")
      #expect(plan.stdout.contains("no server would be restarted"), "\(plan.stdout)")

      let outcome = try lab.keyturn("apply", "--yes", "--settings", settings)
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("3 of 3 nodes confirmed; no server was restarted"))
      #expect(try digests() == confirmed)
      #expect(try invocations() == running)
      let status = try lab.keyturn("status")
      #expect(status.status == 0, "\(status.stdout)\(status.stderr)")
      #expect(status.stdout.contains("confirmed, no restart"), "\(status.stdout)")
      #expect(try lab.keyturn("history").stdout.contains("apply, no restart"))

      try lab.exec("minio-2", "sed -i '/^MINIO_BROWSER=/d' /etc/default/minio")
      let forced = try lab.keyturn("apply", "--restart", "--yes", "--settings", settings)
      #expect(forced.status == 0, "\(forced.stdout)\(forced.stderr)")
      #expect(forced.stderr.contains("3 of 3 starts confirmed"))
      let after = try invocations()
      for (node, before) in running { #expect(after[node] != before, "\(node)") }
    }

    @Test("a lost file comes back by its generation, and no server restarts")
    func lostFile() throws {
      try lab.encrypt()
      let (confirmed, running) = (try digests(), try invocations())
      try lab.exec("minio-3", "mv /etc/default/minio /root/lost")
      let back = try lab.keyturn("rollback", "--yes")
      #expect(back.status == 0, "\(back.stdout)\(back.stderr)")
      #expect(back.stderr.contains("no server was restarted"), "\(back.stderr)")
      #expect(try digests() == confirmed)
      #expect(try invocations() == running)
    }

    @Test("what every node proposes heals a hand edit without a restart")
    func proposed() throws {
      try lab.encrypt()
      let text = "MINIO_SITE_NAME=lab\n"
      for node in lab.nodes {
        try lab.exec(
          node,
          "keyturn propose --settings - \(node == lab.nodes.last ? "--wait --timeout 120" : "")",
          input: text)
      }
      let (confirmed, running) = (try digests(), try invocations())
      try lab.exec(
        "minio-1", "sed -i 's|^MINIO_SITE_NAME=.*|MINIO_SITE_NAME=other|' /etc/default/minio")
      try lab.exec("minio-1", "keyturn propose --settings - --wait --timeout 120", input: text)
      #expect(try digests() == confirmed)
      #expect(try invocations() == running)
    }
  }
}
