// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// What the members know of the key, when records get lost, and when there never were any. Each
  /// test leaves the cluster encrypted, sealed and at rest.
  @Suite(.serialized, .lab(nodes: 4, keyManagers: 1))
  struct SealTests {
    let lab: Lab
    private let record = "/var/lib/keyturn/seal"
    private let file = "/etc/default/minio"

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// As if Keyturn came to the cluster only now.
    private func forget() throws {
      try lab.onEachNode("systemctl stop keyturnd && find /var/lib/keyturn -mindepth 1 -delete")
    }

    /// What `keyturn seal show` or `status` says, once it says that.
    private func expect(
      _ words: [String], _ arguments: String, status: Int32,
      at location: SourceLocation = #_sourceLocation
    ) throws {
      let deadline = Instant.inMilliseconds(40_000)
      var said = ""
      while Clock.now() < deadline {
        let command = arguments.split(separator: " ").map(String.init)
        let outcome =
          try command.count == 1 ? lab.keyturn(command[0]) : lab.keyturn(command[0], command[1])
        said = "\(outcome.status): \(outcome.stdout)\(outcome.stderr)"
        if outcome.status == status, words.allSatisfy({ said.contains($0) }) { return }
        Clock.sleep(until: .inMilliseconds(500))
      }
      Issue.record("keyturn \(arguments): \(said)", sourceLocation: location)
    }

    private func other(_ value: String) throws -> String {
      try lab.file("other-\(value).env", "MINIO_BROWSER=\(value)\n")
    }

    /// The digest of the record on each node.
    private func records() throws -> Set<String> {
      Set(try lab.onEachNode("sha256sum \(record)").values)
    }

    @Test("a rollout seals the same record on every node")
    func same() throws {
      #expect(try records().count == 1)
      #expect(try lab.keyturn("seal", "show").status == 0)
    }

    @Test(
      "a cluster that runs encrypted is adopted; then its key is guarded, also while it is down")
    func adopted() throws {
      try forget()
      try lab.onEachNode("systemctl start keyturnd")
      try expect(["adopted", lab.setting("MINIO_KMS_SSE_KEY")], "seal show", status: 0)
      #expect(try records().count == 1)
      try lab.onEachNode("systemctl stop minio")
      let before = try lab.footprint()
      let changed = try lab.settings(["MINIO_KMS_SSE_KEY": "another-key"])
      let outcome = try lab.keyturn("apply", "--yes", "--settings", changed)
      #expect(outcome.status == 6, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("is sealed, since every server ran with it"))
      try lab.expectUntouched(since: before)
      #expect(try lab.keyturn("restart", "--yes").status == 0)
    }

    @Test("servers that run with different keys are not adopted and refused, until they agree")
    func differ() throws {
      try forget()
      // Two and two: each finds the peer that it needs to start.
      let others = ["minio-3", "minio-4"]
      let key = lab.setting("MINIO_KMS_SSE_KEY")
      func restart(_ key: String) throws {
        for node in others {
          try lab.exec(
            node,
            "sed -i 's/^MINIO_KMS_SSE_KEY=.*/MINIO_KMS_SSE_KEY=\"\(key)\"/' \(file) && systemctl restart --no-block minio"
          )
        }
        for node in others {
          try lab.exec(
            node,
            """
            for try in $(seq 300); do
              systemctl is-active -q minio && exit 0
              sleep 0.1
            done
            exit 1
            """)
        }
      }
      try restart("second-key")
      try lab.onEachNode("systemctl start keyturnd")
      try expect(
        ["run with different keys", "minio-3, minio-4: \"second-key\""], "status", status: 1)
      let before = try lab.footprint()
      let outcome = try lab.keyturn("apply", "--yes", "--settings", try other("off"))
      #expect(outcome.status == 6, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("second-key"))
      try lab.expectUntouched(since: before)
      try lab.onEachNode("test ! -e \(record)")
      try restart(key)
      try expect(["adopted", key], "seal show", status: 0)
      #expect(try records().count == 1)
      #expect(try lab.keyturn("apply", "--yes", "--settings", try other("on")).status == 0)
    }

    /// What happens to the record on one node.
    enum Loss: CaseIterable { case removed, altered, anotherKey }

    @Test(
      "a record that is removed or altered: that node refuses and says so, the command recovers it",
      arguments: Loss.allCases)
    func lost(_ loss: Loss) throws {
      let before = try records()
      let script =
        switch loss {
        case .removed: "rm \(record)"
        case .altered: "sed -i 's/\(lab.setting("MINIO_KMS_SSE_KEY"))/another-key/' \(record)"
        case .anotherKey:
          """
          tail -n +2 \(record) | sed 's/\(lab.setting("MINIO_KMS_SSE_KEY"))/another-key/' >/run/seal &&
          printf 'keyturn-record 1 sha256:%s\\n' $(sha256sum </run/seal | cut -c1-64) >\(record) &&
          cat /run/seal >>\(record)
          """
        }
      try lab.exec("minio-2", script)
      let status = try lab.keyturn("status")
      #expect(status.status == 1)
      #expect(status.stdout.contains("(SEAL: \(loss == .removed ? "MISSING" : "DAMAGED"))"))
      let footprint = try lab.footprint()
      let outcome = try lab.keyturn("apply", "--yes", "--settings", try other("off"))
      #expect(outcome.status == 6, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("keyturn seal recover minio-2"))
      try lab.exec("minio-2", "systemctl restart keyturnd")
      #expect(try lab.keyturn("restart", "--yes").status == 6)
      try lab.expectUntouched(since: footprint)
      #expect(try lab.keyturn("seal", "show").status == 1)

      let recovery = try lab.keyturn("seal", "recover", "minio-2")
      #expect(recovery.status == 0, "\(recovery.stdout)\(recovery.stderr)")
      #expect(try records() == before)
      #expect(try lab.keyturn("status").status == 0)
      #expect(try lab.keyturn("restart", "--yes").status == 0)
    }
  }
}
