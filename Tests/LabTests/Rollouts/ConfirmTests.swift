// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// A server that gets well after its start was not confirmed.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 0))
  struct ConfirmTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    private func invocation(_ node: String) throws -> String? {
      try lab.properties(of: "minio", on: node, "InvocationID")["InvocationID"]
    }

    @Test("a server that gets well after its deadline is confirmed, and nothing is restarted")
    func late() throws {
      let inventory = try lab.file(
        "inventory.json",
        try lab.run(
          "sed 's/\"stopSeconds\": 30, \"startSeconds\": 60/\"stopSeconds\": 5, \"startSeconds\": 5/' \(lab.inventory)"
        ))
      let restart = try lab.startHeld("restart", "--yes", "--json", "--inventory", inventory)
      try lab.release(except: "minio-3")
      let outcome = try restart.outcome()
      #expect(outcome.status == 9, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stdout.contains("keyturn confirm "), "\(outcome.stdout)")
      let result = try #require(try outcome.events().last)
      #expect(result.nodes?.first { $0.name == "minio-3" }?.outcome == "timedOut")

      // Its server still waits.
      let early = try lab.keyturn("confirm", "minio-3")
      #expect(early.status == 9, "\(early.stdout)\(early.stderr)")
      try lab.release()
      // Waits for the start that is under way.
      try lab.exec("minio-3", "systemctl start minio")
      let before = try lab.nodes.map(invocation)
      for node in lab.nodes {
        let confirm = try lab.keyturn("confirm", node)
        #expect(confirm.status == 0, "\(node): \(confirm.stdout)\(confirm.stderr)")
      }
      #expect(try lab.nodes.map(invocation) == before)
      let status = try lab.keyturn("status", "--json")
      #expect(status.status == 0, "\(status.stdout)")
      let outcomes = try status.events().filter { $0.event == "status" }.map(\.lastOutcome)
      #expect(outcomes == ["confirmed", "confirmed", "confirmed"], "\(status.stdout)")
    }

    @Test("with --log-dir, and after the agent was away, the lines of its own start count")
    func logDirectory() throws {
      let settings = try lab.file(
        "log.env",
        "MINIO_OPTS=\"--certs-dir /etc/minio/certs --address :9000 --log-dir /var/log/minio\"\n")
      for node in lab.nodes { try lab.exec(node, "install -d -o minio-user /var/log/minio") }
      // The journal loses lines of the start, so that how it ended is unknown there.
      try lab.exec("minio-3", "echo 'wait-drives 4000' >/run/standin-minio")
      defer { _ = try? lab.exec("minio-3", "rm -f /run/standin-minio") }
      let apply = try lab.start(keyturn: "apply", "--yes", "--settings", settings, "--json")
      let waits = apply.wait(until: .inMilliseconds(30_000)) { lines in
        lines.contains { line in
          (try? Event(line.text)).map { $0.node == "minio-3" && $0.phase == "waitingForDrives" }
            ?? false
        }
      }
      try #require(waits, "\(apply.lines.map(\.text))")
      try lab.exec("minio-3", "systemctl restart systemd-journald")
      let outcome = try apply.outcome()
      let result = try #require(try outcome.events().last)
      let word = result.nodes?.first { $0.name == "minio-3" }?.outcome
      #expect(outcome.status == 3 && word == "unknown", "\(outcome.stdout)")
      try lab.exec("minio-3", "systemctl restart keyturnd; sleep 1")
      let before = try lab.nodes.map(invocation)
      let deadline = Instant.inMilliseconds(60_000)
      var confirm = try lab.keyturn("confirm", "minio-3")
      // The result is worked out by the members meanwhile.
      while confirm.status == 75, Clock.now() < deadline {
        confirm = try lab.keyturn("confirm", "minio-3")
      }
      #expect(confirm.status == 0, "\(confirm.stdout)\(confirm.stderr)")
      #expect(confirm.stdout.contains("its lines read in /var/log/minio"), "\(confirm.stdout)")
      #expect(try lab.nodes.map(invocation) == before)
    }

    @Test("a server whose file was edited since is refused, with the cause")
    func otherFile() throws {
      let restart = try lab.startHeld("restart", "--yes", "--json")
      try lab.exec("minio-2", "systemctl stop minio")
      try lab.release()
      #expect(try restart.outcome().status != 0)
      try lab.exec("minio-2", "systemctl start minio; echo '# edited' >>/etc/default/minio")
      let confirm = try lab.keyturn("confirm", "minio-2")
      #expect(confirm.status == 5, "\(confirm.stdout)\(confirm.stderr)")
      #expect(confirm.stderr.contains("is not the one of rollout"), "\(confirm.stderr)")
    }
  }
}
