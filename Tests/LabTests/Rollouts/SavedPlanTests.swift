// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension LabTests {
  /// A plan in a file, and hosts on which something changes before it is applied.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 1))
  struct SavedPlanTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    private static let program = "/usr/local/bin/minio"

    private func running() throws -> [String: String] {
      try lab.onEachNode("systemctl show minio -p InvocationID,ExecMainPID,NRestarts")
    }

    private func digests() throws -> [String: String] {
      try lab.onEachNode("sha256sum </etc/default/minio")
    }

    /// Each change of the hosts, what is said of it, and how it is undone.
    private static let changes: [(make: String, says: String, undo: String)] = [
      (
        "cp -p /etc/default/minio /root/kept && echo '# by hand' >>/etc/default/minio",
        "the environment file is another one", "mv /root/kept /etc/default/minio"
      ),
      (
        """
        mkdir -p /etc/systemd/system/minio.service.d && systemctl daemon-reload
        printf '[Service]\\nEnvironment=MINIO_SITE_REGION=here\\n' \
        >/etc/systemd/system/minio.service.d/90-here.conf && systemctl daemon-reload
        """, "the server's unit is another one",
        "rm /etc/systemd/system/minio.service.d/90-here.conf && systemctl daemon-reload"
      ),
      (
        "cp -p \(program) \(program).kept && cp -p \(program) \(program).new "
          + "&& printf 'another' >>\(program).new && mv \(program).new \(program)",
        "the MinIO program is another one", "mv \(program).kept \(program)"
      ),
    ]

    @Test(
      "what has changed since the plan is named and nothing is touched; what still holds is done")
    func savedPlan() throws {
      let settings = try lab.settings(adding: "MINIO_BROWSER=off\n")
      let plan = lab.directory.path("change.plan")
      let saved = try lab.keyturn("plan", "--settings", settings, "--out", plan)
      #expect(saved.status == 0, "\(saved.stdout)\(saved.stderr)")
      let mode = try lab.run("stat -c %a \(plan)")
      #expect(mode == "600\n")
      #expect(try lab.run("grep -c \(lab.setting("MINIO_KMS_API_KEY")) \(plan) || true") == "0\n")

      let (before, invocations) = (try digests(), try running())
      func apply(_ more: String...) throws -> Subprocess.Outcome {
        try lab.keyturn(["apply", "--yes", "--settings", settings, "--plan", plan] + more)
      }
      func isRefused(_ text: String, _ outcome: Subprocess.Outcome) throws {
        #expect(outcome.status == 8, "\(text): \(outcome.stdout)\(outcome.stderr)")
        #expect(outcome.stderr.contains(text), "\(outcome.stderr)")
        #expect(outcome.stderr.contains("nothing was touched: the plan of \(plan)"))
        #expect(try running() == invocations)
      }
      for change in Self.changes {
        for node in lab.nodes { try lab.exec(node, change.make) }
        let changed = try digests()
        try isRefused("minio-[1-3]: \(change.says)", apply())
        #expect(try digests() == changed)
        for node in lab.nodes { try lab.exec(node, change.undo) }
        #expect(try digests() == before)
      }
      try isRefused("made without --restart", apply("--restart"))
      // Another operator, and an inventory of another content.
      try lab.run(
        "keyturn pki issue --pki \(lab.pki) --role operator --name other --out \(lab.directory.path("other"))"
      )
      try isRefused(
        "and you are other", apply("--credentials", lab.directory.path("other")))
      let inventory = try lab.file(
        "other.json",
        try lab.run("sed '0,/{/s//{\"clockBoundMilliseconds\": 77,/' \(lab.inventory)"))
      try isRefused("your inventory is another one", apply("--inventory", inventory))

      let done = try apply()
      #expect(done.status == 0, "\(done.stdout)\(done.stderr)")
      #expect(done.stderr.contains("3 of 3 starts confirmed"))
      let again = try apply()
      #expect(again.status == 0 && again.stdout.contains("nothing to do"), "\(again.stderr)")

      // Another rollout came in between.
      let later = lab.directory.path("later.plan")
      let removal = try lab.keyturn("plan", "--unset", "MINIO_BROWSER", "--out", later)
      #expect(removal.status == 0, "\(removal.stderr)")
      let between = try lab.keyturn(
        "apply", "--yes", "--settings", try lab.file("region.env", "MINIO_SITE_REGION=here\n"))
      #expect(between.status == 0, "\(between.stderr)")
      let stale = try lab.keyturn(
        "apply", "--yes", "--unset", "MINIO_BROWSER", "--plan", later)
      #expect(stale.status == 8)
      #expect(stale.stderr.contains("the last generation was \"1\" and is \"2\""))
    }
  }
}
