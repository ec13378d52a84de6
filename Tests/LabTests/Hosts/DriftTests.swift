// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// Drift on a real host: seen at once, told once, counted, not repaired.
  @Suite(.serialized, .lab(nodes: 2, keyManagers: 1))
  struct DriftTests {
    let lab: Lab
    private static let node = "minio-1"
    private static let file = "/etc/default/minio"

    private static let edited = "4a1888d3292d4122a1461c9b82874261"
    private static let gone = "ba85b74afda8461fb22d57c1e2a1ffa4"

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// An entry of the agent's in the journal, with its time in microseconds of CLOCK_MONOTONIC.
    private struct Entry: Decodable {
      var MESSAGE: String
      var PRIORITY: String
      var KEYTURN_KIND: String
      var KEYTURN_FILE: String
      var __MONOTONIC_TIMESTAMP: String
      var microseconds: Int64 { Int64(__MONOTONIC_TIMESTAMP) ?? 0 }
    }

    private func entries(_ id: String) throws -> [Entry] {
      try lab.exec(
        Self.node, "journalctl -q _SYSTEMD_UNIT=keyturnd.service MESSAGE_ID=\(id) -o json || true"
      ).split(separator: "\n").map { try JSON.decode(Entry.self, from: Array($0.utf8)) }
    }

    /// The entries, as soon as there are so many.
    private func entries(_ id: String, count: Int) throws -> [Entry] {
      let deadline = Instant.inMilliseconds(10_000)
      while true {
        let found = try entries(id)
        if found.count >= count || Clock.now() >= deadline { return found }
      }
    }

    private func metrics() throws -> String {
      try lab.run(
        """
        curl -fsS --cacert \(lab.credentials)/ca.pem --cert \(lab.credentials)/cert.pem \
          --key \(lab.credentials)/key.pem https://\(Self.node):7377/metrics
        """)
    }

    @Test("mv of another file over it: in status and journal within a second, once, and counted")
    func moved() throws {
      let before = try entries(Self.edited).count
      try lab.exec(
        Self.node,
        "cp -p \(Self.file) /run/good; cp -p \(Self.file) \(Self.file).new; echo '# x' >>\(Self.file).new"
      )
      let moved = Int64(Clock.monotonicMicroseconds())
      try lab.exec(Self.node, "mv \(Self.file).new \(Self.file)")
      let seen = try entries(Self.edited, count: before + 1)
      try #require(seen.count == before + 1)
      let entry = seen[before]
      print("drift, from before mv's start to the journal: \(entry.microseconds - moved) µs")
      #expect(entry.microseconds - moved <= 1_000_000)
      #expect(entry.PRIORITY == "4" && entry.KEYTURN_KIND == "edited")
      #expect(entry.KEYTURN_FILE == Self.file)
      #expect(entry.MESSAGE.contains("another file was put in its place"))
      let status = try lab.keyturn("status")
      #expect(status.stdout.contains("file changed"))
      let check = try lab.keyturn("check", "--strict")
      #expect(check.status == 1 && check.stderr.contains("drift: \(Self.file)"))
      let counted = try metrics()
      #expect(counted.contains("keyturn_drift{kind=\"edited\"} 1\n"))
      #expect(counted.contains("keyturn_drift_total{kind=\"edited\"} "))
      #expect(counted.contains("keyturn_sealed 1\n"))

      // A restarted agent knows what was confirmed, and what it has told.
      try lab.exec(Self.node, "systemctl restart keyturnd")
      #expect(try lab.keyturn("status").stdout.contains("file changed"))

      let gone = try entries(Self.gone).count
      try lab.exec(Self.node, "cat /run/good >\(Self.file)")
      #expect(try entries(Self.gone, count: gone + 1).count >= gone + 1)
      #expect(try entries(Self.edited).count == before + 1)
      let after = try lab.keyturn("status", "--json")
      #expect(!after.stdout.contains("\"fileChanged\":true"), "\(after.stdout)")
      // Another inode than the confirmed one: a note, and no drift for a strict check.
      #expect(try lab.keyturn("check", "--strict").status == 0)
      #expect(try metrics().contains("keyturn_drift{kind=\"edited\"} 0\n"))
    }

    @Test("a hand edit of the SSE key is an error before anybody restarts the server")
    func key() throws {
      let id = "da661bd4a07a4dd0ba609da4cb592754"
      let before = try entries(id).count
      try lab.exec(
        Self.node,
        """
        cp -p \(Self.file) /run/good
        sed -i 's/^MINIO_KMS_SSE_KEY=.*/MINIO_KMS_SSE_KEY="another-key"/' \(Self.file)
        """)
      let seen = try entries(id, count: before + 1)
      #expect(seen.count == before + 1 && seen.last?.PRIORITY == "3")
      let status = try lab.keyturn("status")
      #expect(status.status == 1 && status.stdout.contains("START WOULD BE REFUSED"))
      #expect(status.stderr.contains("the start guard would refuse"))
      try lab.exec(Self.node, "cp -p /run/good \(Self.file)")
      #expect(try lab.keyturn("status").status == 0)
    }

    @Test(
      "mode, unit after daemon-reload, and a process older than its file are told; an own restart clears all"
    )
    func others() throws {
      let directory = "/etc/systemd/system/minio.service.d"
      let unit = "471924178a804abb98fd2937a2c31942"
      let before = try entries(unit).count
      try lab.exec(
        Self.node,
        """
        chmod 644 \(Self.file)
        printf '[Service]\\nEnvironment=GOGC=50\\n' >\(directory)/y.conf && systemctl daemon-reload
        """)
      #expect(try entries(unit, count: before + 1).count == before + 1)
      let status = try lab.keyturn("status")
      #expect(status.stdout.contains("mode or owner: \(Self.file)"))
      #expect(status.stdout.contains("unit changed"))
      try lab.onEachNode("echo MINIO_BROWSER=off >>\(Self.file)")
      #expect(try lab.keyturn("status").stdout.contains("process differs: MINIO_BROWSER"))
      let restart = try lab.keyturn("restart", "--yes")
      #expect(restart.status == 0, "\(restart.stdout)\(restart.stderr)")
      let after = try lab.keyturn("check", "--strict")
      #expect(after.status == 0, "\(after.stdout)\(after.stderr)")
    }

    @Test("at rest the watch takes no processor time worth speaking of")
    func rest() throws {
      let script =
        "cat /proc/$(systemctl show keyturnd -P MainPID)/task/*/schedstat | { s=0; while read -r n _; do s=$((s + n)); done; echo $s; }"
      func nanoseconds() throws -> Int {
        Int(try lab.exec(Self.node, script).filter(\.isNumber)) ?? 0
      }
      // A young process is looked at more often, 15 s long.
      let age =
        "echo $(($(cut -d. -f1 /proc/uptime) - $(systemctl show minio -P ExecMainStartTimestampMonotonic) / 1000000))"
      while (Int(try lab.exec(Self.node, age).filter(\.isNumber)) ?? 0) < 17 {
        Clock.sleep(until: .inMilliseconds(500))
      }
      let before = try nanoseconds()
      // As long as a poll every second or so would need to show.
      let end = Clock.now().advanced(byMilliseconds: 5_000)
      Clock.sleep(until: end)
      let used = try nanoseconds() - before
      #expect(used < 20_000_000, "\(used) ns in 5 s")
    }
  }
}
