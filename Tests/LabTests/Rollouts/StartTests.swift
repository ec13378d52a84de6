// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// What happens between the restart and its end. Each test leaves the cluster confirmed.
  @Suite(.serialized, .lab(nodes: 4, keyManagers: 2))
  struct StartTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    private func restartHeld() throws -> BackgroundProcess {
      try lab.startHeld("restart", "--yes", "--json")
    }

    @Test("Key Managers that go away in between: exit 9, each FATAL line shown within 250 ms")
    func fatalStart() throws {
      let restart = try restartHeld()
      for host in lab.keyManagers { try lab.exec(host, "systemctl stop minkms") }
      let released = Clock.monotonicMicroseconds()
      try lab.release()
      let outcome = try restart.outcome()
      #expect(outcome.status == 9, "\(outcome.stdout)\(outcome.stderr)")
      #expect(!outcome.stdout.contains(lab.apiKey))

      var latencies: [Int64] = []
      for node in lab.nodes {
        let logged = try fatalLine(of: node, after: released)
        let text = try #require(
          logged.message.split(separator: "\n").first { $0.contains("FATAL") })
        #expect(text.contains("KMS"))
        let line = try #require(
          restart.lines.first { line in
            guard let event = try? Event(line.text) else { return false }
            return event.event == "phase" && event.node == node && event.phase == "failed"
          }, "\(node)")
        #expect(try Event(line.text).detail?.contains("Failed to connect to KMS") == true)
        let offset = Clock.now().nanoseconds / 1000 - Int64(Clock.monotonicMicroseconds())
        latencies.append(line.arrived.nanoseconds / 1000 - offset - logged.microseconds)
      }
      latencies.sort()
      print("FATAL line to operator, microseconds: \(latencies)")
      #expect(latencies[latencies.count / 2] <= 250_000, "\(latencies) microseconds")
      let result = try #require(try outcome.events().last)
      #expect(result.exitCode == 9 && result.nodes?.map(\.name) == lab.nodes)
      #expect(result.nodes?.allSatisfy { $0.outcome == "failed" } == true)

      for host in lab.keyManagers { try lab.exec(host, "systemctl start minkms") }
      try lab.onEachNode("systemctl reset-failed minio; systemctl --no-block restart minio")
      try lab.onEachNode("systemctl start minio")
      #expect(try lab.keyturn("restart", "--yes").status == 0)
    }

    private func fatalLine(
      of node: String, after start: UInt64
    ) throws -> (message: String, microseconds: Int64) {
      struct Entry: Decodable {
        var MESSAGE: String
        var __MONOTONIC_TIMESTAMP: String
      }
      let journal = try lab.exec(
        node, "journalctl -q -u minio -o json --output-fields=MESSAGE | grep FATAL")
      let entries = try journal.split(separator: "\n").map { line in
        let entry = try JSON.decode(Entry.self, from: Array(line.utf8))
        return (entry.MESSAGE, Int64(entry.__MONOTONIC_TIMESTAMP) ?? 0)
      }
      return try #require(entries.first { $0.1 > Int64(start) }, "\(node)")
    }

    @Test("more restarts in a row than the unit's start limit allows are all confirmed")
    func startLimit() throws {
      let limit = try lab.properties(of: "minio", on: "minio-1", "StartLimitBurst")
      let count = try #require(Int(limit["StartLimitBurst"] ?? ""))
      for _ in 0...count {
        let outcome = try lab.keyturn("restart", "--yes")
        #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      }
    }

    @Test("an agent that is restarted while it watches a start loses nothing")
    func agentRestarted() throws {
      let restart = try restartHeld()
      let before = try lab.properties(of: "keyturnd", on: "minio-2", "MainPID")
      try lab.exec("minio-2", "systemctl restart keyturnd")
      #expect(try lab.properties(of: "keyturnd", on: "minio-2", "MainPID") != before)
      try lab.release()
      let outcome = try restart.outcome()
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      let result = try #require(try outcome.events().last)
      #expect(result.nodes?.map(\.name) == lab.nodes)
      #expect(result.nodes?.allSatisfy { $0.outcome == "confirmed" } == true)
    }

    @Test("a host that crashes after the commit comes up again with the same server as the others")
    func hostCrashed() throws {
      let restart = try restartHeld()
      try lab.perform("crash", "minio-4")
      try lab.release(except: "minio-4")
      // Its server starts with the host, after its agent; the hold was in memory only.
      try lab.perform("boot", "minio-4")
      let outcome = try restart.outcome()
      let result = try #require(try outcome.events().last)
      let others = try #require(result.nodes?.filter { $0.name != "minio-4" })
      #expect(others.allSatisfy { $0.outcome == "confirmed" }, "\(outcome.stdout)")
      let status = try lab.keyturn("status", "--json")
      #expect(status.status == 0)
      let plan = try lab.keyturn("plan", "--settings", lab.settings)
      #expect(plan.status == 0 && plan.stdout.contains("nothing to do"), "\(plan.stdout)")
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)\(status.stdout)")
    }
  }
}
