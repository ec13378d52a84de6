// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension LabTests {
  /// What leaves every server running, and what restarts them all, on eight nodes.
  @Suite(.serialized, .lab(nodes: 8, keyManagers: 1))
  struct EightNodesTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    private func invocations() throws -> [String: String] {
      try lab.onEachNode("systemctl show minio -p InvocationID,ExecMainPID,NRestarts")
    }

    @Test("a repair of files only restarts no server")
    func repair() throws {
      let settings = try lab.settings(adding: "MINIO_BROWSER=off\n")
      try #require(lab.keyturn("apply", "--yes", "--settings", settings).status == 0)
      let (files, running) = (
        try lab.onEachNode("sha256sum </etc/default/minio"), try invocations()
      )
      try lab.exec("minio-3", "sed -i 's/^MINIO_BROWSER=.*/MINIO_BROWSER=on/' /etc/default/minio")
      try lab.exec("minio-6", "echo '# by hand' >>/etc/default/minio")
      try lab.exec("minio-8", "rm /etc/default/minio")
      // A lost file comes back by its generation, the others with it.
      let outcome = try lab.keyturn("rollback", "--yes", "-m", "by hand")
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("8 of 8 nodes confirmed; no server was restarted"))
      try lab.exec("minio-3", "sed -i 's/^MINIO_BROWSER=.*/MINIO_BROWSER=on/' /etc/default/minio")
      let applied = try lab.keyturn("apply", "--yes", "--settings", settings)
      #expect(applied.status == 0, "\(applied.stdout)\(applied.stderr)")
      #expect(applied.stderr.contains("8 of 8 nodes confirmed; no server was restarted"))
      #expect(try lab.onEachNode("sha256sum </etc/default/minio") == files)
      #expect(try invocations() == running)
    }

    @Test(
      "another program on all nodes is started by one restart at one instant, and the skew is told")
    func upgrade() throws {
      let release = "RELEASE.2030-01-01T00-00-00Z"
      try lab.onEachNode(
        """
        p=/usr/local/bin/minio; cp -p $p $p.new && printf '\(release)' >>$p.new && mv $p.new $p
        """)
      let before = try invocations()
      let outcome = try lab.keyturn("restart", "--yes", "--json")
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      let result = try #require(try outcome.events().last { $0.event == "result" })
      let skew = try #require(result.skewMilliseconds)
      #expect(skew < 5_000, "\(skew) ms")
      #expect(result.nodes?.map(\.outcome) == Array(repeating: "confirmed", count: 8))
      let after = try invocations()
      for (node, old) in before { #expect(after[node] != old, "\(node)") }
      let status = try lab.keyturn("status")
      #expect(status.status == 0, "\(status.stderr)")
      #expect(
        status.stdout.split(separator: "\n").count { $0.contains("2030-01-01T00-00-00Z") } == 8)
      let shown = try lab.keyturn("show")
      #expect(shown.stdout.contains("start"), "\(shown.stdout)")
    }
  }
}
