// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension LabTests {
  /// Generations on real disks: what is kept, shown and gone back to.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 1))
  struct HistoryTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    private func digests() throws -> [String: String] {
      try lab.onEachNode("sha256sum </etc/default/minio")
    }

    /// Beside encryption a second change, and what the files were before it.
    private func changeTwice() throws -> [String: String] {
      try lab.encrypt()
      let encrypted = try digests()
      let other = try lab.file("other.env", "MINIO_BROWSER=off\n")
      #expect(try lab.keyturn("apply", "--yes", "--settings", other).status == 0)
      return encrypted
    }

    @Test(
      "two changes are three generations; diff shows identities; rollback brings the bytes back")
    func history() throws {
      let encrypted = try changeTwice()
      let history = try lab.keyturn("history")
      #expect(history.status == 0 && history.stderr.isEmpty, "\(history.stdout)\(history.stderr)")
      let rows = history.stdout.split(separator: "\n").dropFirst()
      #expect(rows.map { $0.prefix { $0 != " " } } == ["2", "1", "0"])
      #expect(rows.allSatisfy { $0.hasSuffix("minio-[1-3]") })
      #expect(rows.first?.contains("2 (current) ") == true)

      // That no output has the API key is looked at in keyturn(_:).
      let diff = try lab.keyturn("diff", "0", "1", "--exit-code")
      #expect(diff.status == 1)
      #expect(diff.stdout.hasPrefix("minio-[1-3]: different\n"))
      #expect(diff.stdout.contains("  +MINIO_KMS_API_KEY=h1:"))
      #expect(diff.stdout.contains("  +MINIO_KMS_SSE_KEY=\(lab.setting("MINIO_KMS_SSE_KEY"))\n"))
      #expect(try lab.keyturn("diff", "2", "--exit-code").status == 0)
      #expect(try lab.keyturn("diff", "7").status == 5)

      let modes = try lab.onEachNode("stat -c '%a %U:%G' /var/lib/keyturn/generations/*")
      #expect(modes.values.allSatisfy { $0 == String(repeating: "600 root:root\n", count: 3) })

      let back = try lab.keyturn("rollback", "--yes", "--json")
      #expect(back.status == 0, "\(back.stdout)")
      #expect(
        try back.events().last?.nodes?.map(\.outcome) == lab.nodes.map { _ in "confirmed" })
      #expect(try digests() == encrypted)
      for node in lab.nodes {
        #expect(try !lab.environment(of: node).contains { $0.hasPrefix("MINIO_BROWSER=") })
      }
      #expect(try lab.keyturn("history").stdout.contains("3 (current) "))
      #expect(try lab.keyturn("diff", "1", "3", "--exit-code").status == 0)

      // A rollback that changes nothing touches nothing.
      let before = try lab.footprint()
      let same = try lab.keyturn("rollback", "1", "--yes")
      #expect(same.status == 0 && same.stdout.contains("nothing to do"))
      try lab.expectUntouched(since: before)
    }

    @Test("back to before encryption is refused by the guard, and nothing is touched")
    func guarded() throws {
      try lab.encrypt()
      let before = try lab.footprint()
      let outcome = try lab.keyturn("rollback", "0", "--yes")
      #expect(outcome.status == 6, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("\"\(lab.setting("MINIO_KMS_SSE_KEY"))\" is sealed"))
      try lab.expectUntouched(since: before)
    }

    @Test("an edit by hand is marked, shown, and undone by a rollback to the generation it was")
    func drift() throws {
      _ = try changeTwice()
      let confirmed = try digests()
      try lab.exec("minio-2", "echo MINIO_BROWSER=on >>/etc/default/minio")
      let history = try lab.keyturn("history")
      #expect(history.stdout.contains(" (current, DRIFT) "))
      #expect(history.stderr.contains("minio-2: the file is not generation"))
      #expect(try lab.keyturn("rollback", "--yes").status == 0)
      #expect(try digests() == confirmed)
      #expect(try lab.keyturn("history").stderr.isEmpty)
    }

    @Test("a node that lost a generation, or has it damaged, is named; the others are not touched")
    func missing() throws {
      _ = try changeTwice()
      let file = "/var/lib/keyturn/generations/00000001"
      try lab.exec("minio-3", "mv \(file) /root/kept")
      defer { _ = try? lab.exec("minio-3", "mv /root/kept \(file)") }
      let before = try lab.footprint()
      #expect(try lab.keyturn("history").stderr.contains("minio-3: no generation 1: "))
      let missing = try lab.keyturn("rollback", "1", "--yes")
      #expect(missing.status == 8, "\(missing.stdout)\(missing.stderr)")
      #expect(missing.stderr.contains("minio-3: it has no generation 1"))
      try lab.exec("minio-3", "sed 's/off/on /; $s/.$/x/' /root/kept >\(file); chmod 600 \(file)")
      let history = try lab.keyturn("history")
      #expect(history.status == 3 && history.stdout.contains("DAMAGED"))
      let damaged = try lab.keyturn("rollback", "1", "--yes")
      #expect(damaged.status == 5, "\(damaged.stdout)\(damaged.stderr)")
      #expect(damaged.stderr.contains("checksum"))
      try lab.expectUntouched(since: before)
    }
  }
}
