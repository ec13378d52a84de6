// SPDX-License-Identifier: Apache-2.0
import Glibc
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// What becomes of a rollout after its commit, and rollouts that the nodes begin by themselves. In
  /// this order: the cluster is encrypted by the third test.
  @Suite(.serialized, .lab(nodes: 5, keyManagers: 1))
  struct AfterCommitTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    /// Whether a node's file names a key.
    private func isEncrypted(_ node: String) throws -> Bool {
      try !lab.exec(node, "grep -c '^MINIO_KMS_SSE_KEY=' /etc/default/minio || :").hasPrefix("0")
    }

    /// Starts `apply`; returns when every node's server is held before its start, with the rollout's id.
    private func applyHeld(
      _ settings: String
    ) throws -> (process: BackgroundProcess, rollout: String) {
      try lab.hold()
      let apply = try lab.start(keyturn: "apply", "--yes", "--json", "--settings", settings)
      let nodes = Set(lab.nodes)
      let began = apply.wait(until: .inMilliseconds(60_000)) { lines in
        let starting = lines.compactMap { line -> String? in
          let event = try? Event(line.text)
          return event?.phase == "starting" ? event?.node : nil
        }
        return nodes.isSubset(of: starting)
      }
      try #require(began, "\(apply.lines.map(\.text))")
      let line = try #require(apply.lines.first { $0.text.contains("\"event\":\"rollout\"") })
      let id = try #require(line.text.split(separator: "\"id\":\"").last?.prefix(16))
      return (apply, String(id))
    }

    private func keyManagers(_ verb: String) throws {
      for host in lab.keyManagers { try lab.exec(host, "systemctl \(verb) minkms") }
    }

    private func expectPlain() throws {
      for node in lab.nodes {
        #expect(try !isEncrypted(node), "\(node)")
        #expect(
          try lab.properties(of: "minio", on: node, "ActiveState") == ["ActiveState": "active"],
          "\(node)")
        #expect(try lab.exec(node, "[ -e /var/lib/keyturn/hold ] || echo none") == "none\n")
      }
    }

    @Test("starts that all fail at the Key Manager are rolled back at one instant: exit 10")
    func rolledBack() throws {
      let (apply, _) = try applyHeld(lab.settings)
      try keyManagers("stop")
      try lab.release()
      let outcome = try apply.outcome()
      #expect(outcome.status == 10, "\(outcome.stdout)\(outcome.stderr)")
      #expect(!outcome.stdout.contains(lab.apiKey))
      let result = try #require(try outcome.events().last)
      #expect(result.outcome == "rolledBack" && result.nodes?.map(\.name) == lab.nodes)
      #expect(result.nodes?.allSatisfy { $0.outcome == "confirmed" } == true)
      try keyManagers("start")
      try expectPlain()
    }

    @Test("without its command line the nodes roll it back by themselves, and watch tells so")
    func membersRollBack() throws {
      let (apply, rollout) = try applyHeld(lab.settings)
      apply.signal(SIGKILL)
      try keyManagers("stop")
      try lab.release()
      let watch = try lab.keyturn("watch", rollout, "--json")
      #expect(watch.status == 10, "\(watch.stdout)\(watch.stderr)")
      try keyManagers("start")
      try expectPlain()
      // Also afterwards, and from the rollback's own end.
      #expect(try lab.keyturn("watch", rollout).status == 10)
      #expect(try lab.keyturn("watch").status == 0)
    }

    @Test("a start that got past the Key Manager with the new key holds everything: exit 9")
    func held() throws {
      let (apply, rollout) = try applyHeld(lab.settings)
      // Its drive cannot be used: the server ends after its first data key.
      try lab.exec("minio-2", "mv /var/lib/minio /var/lib/minio.away && touch /var/lib/minio")
      try lab.release()
      let outcome = try apply.outcome()
      #expect(outcome.status == 9, "\(outcome.stdout)\(outcome.stderr)")
      #expect((outcome.stdout + outcome.stderr).contains("not rolled back"), "\(outcome.stdout)")
      for node in lab.nodes { #expect(try isEncrypted(node), "\(node)") }
      #expect(try lab.keyturn("watch", rollout).status == 9)
      try lab.exec(
        "minio-2",
        """
        rm /var/lib/minio && mv /var/lib/minio.away /var/lib/minio
        systemctl reset-failed minio && systemctl start --no-block minio
        """
      )
    }
  }

  @Suite(.serialized, .lab(nodes: 5, keyManagers: 0))
  struct ProposalTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    private func settings(_ name: String) -> String { "MINIO_SITE_NAME=\(name)\n" }

    private func propose(_ node: String, _ settings: String, _ more: String = "") throws -> Event {
      let printed = try lab.exec(
        node, "keyturn propose --settings - --json \(more)", input: settings)
      return try Event(String(try #require(printed.split(separator: "\n").last)))
    }

    @Test(
      "five nodes driven only by propose, in any order, one withdrawing: one rollout, all confirmed"
    )
    func proposals() throws {
      let before = try lab.nodes.map { try lab.startCount(of: $0) }
      let order = lab.nodes.shuffled()
      print("in the order \(order)")
      for node in order.dropLast() {
        let event = try propose(node, settings("one"))
        #expect(event.outcome == "proposed" && event.changed == true, "\(event)")
      }
      try lab.exec(order[0], "keyturn propose --withdraw")
      #expect(try propose(order[4], settings("one")).outcome == "proposed")
      let proposals = try lab.keyturn("proposals")
      #expect(proposals.status == 0 && proposals.stdout.contains("none"), "\(proposals.stdout)")
      #expect(try lab.nodes.map { try lab.startCount(of: $0) } == before)

      let last = try propose(order[0], settings("one"), "--wait")
      #expect(last.exitCode == 0 && last.outcome == "confirmed", "\(last)")
      for (node, count) in zip(lab.nodes, before) {
        #expect(try lab.startCount(of: node) == count + 1, "\(node)")
        #expect(try lab.environment(of: node).contains("MINIO_SITE_NAME=one"), "\(node)")
        let again = try propose(node, settings("one"))
        #expect(again.outcome == "inForce" && again.changed == false, "\(node): \(again)")
      }
      #expect(
        try lab.exec(order[1], "stat -c '%a %U' /run/keyturn /run/keyturn/agent.sock")
          == "700 root\n600 root\n")
    }

    @Test("--wait says that nothing changed for what is in force, as often as it is asked")
    func waitsForNothing() throws {
      for node in lab.nodes.dropLast() { _ = try propose(node, settings("calm")) }
      let last = try propose(lab.nodes[4], settings("calm"), "--wait")
      #expect(last.exitCode == 0 && last.outcome == "confirmed" && last.changed == true, "\(last)")
      for node in lab.nodes + lab.nodes {
        let again = try propose(node, settings("calm"), "--wait")
        #expect(again.exitCode == 0 && again.outcome == "inForce", "\(node): \(again)")
        #expect(again.changed == false, "\(node): \(again)")
      }
    }

    @Test("settings whose start fails are rolled out once; each run is red until a person says so")
    func failsOnce() throws {
      try lab.exec(
        "minio-2",
        "echo 'once fatal it does not start \(UInt64.random(in: 0...(.max)))' >/run/standin-minio")
      for node in lab.nodes.dropLast() { _ = try propose(node, settings("bad")) }
      let first = try propose(lab.nodes[4], settings("bad"), "--wait || :")
      #expect(first.exitCode == 10, "\(first)")
      let after = try lab.nodes.map { try lab.startCount(of: $0) }
      for _ in 0..<3 {
        for node in lab.nodes {
          let red = try propose(node, settings("bad"), "--wait || :")
          #expect(red.exitCode == 10 && red.outcome == "notConfirmed", "\(node): \(red)")
          #expect(red.changed == false, "\(node): \(red)")
        }
      }
      // The first member would have begun by now.
      Clock.sleep(until: .inMilliseconds(5_000))
      #expect(try lab.nodes.map { try lab.startCount(of: $0) } == after)
      let proposals = try lab.keyturn("proposals")
      #expect(proposals.stdout.contains("start not confirmed"), "\(proposals.stdout)")
      let digest = try #require(
        proposals.stderr.split(separator: "--retry ").last?.prefix { $0.isHexDigit })
      let retry = try lab.keyturn("proposals", "--retry", String(digest))
      #expect(retry.status == 0, "\(retry.stdout)\(retry.stderr)")
      for node in lab.nodes.dropLast() { _ = try propose(node, settings("bad")) }
      let last = try propose(lab.nodes[4], settings("bad"), "--wait")
      #expect(last.exitCode == 0 && last.outcome == "confirmed", "\(last)")
    }

    @Test("proposals wait for an operator's approval, and for their interval, on real hosts")
    func approvalAndInterval() throws {
      let interval = 25
      try lab.agree {
        $0.proposals = ProposalRules(approval: .operator, minimumIntervalSeconds: interval)
      }
      defer { try? lab.agree { $0.proposals = nil } }
      func counts() throws -> [Int] { try lab.nodes.map { try lab.startCount(of: $0) } }
      func wait(_ node: String, _ more: String) throws -> Event {
        let printed = try lab.exec(node, "keyturn proposals --wait --json \(more) || :")
        return try Event(String(try #require(printed.split(separator: "\n").last)))
      }
      func approve() throws {
        let told = try lab.keyturn("proposals")
        #expect(told.stdout.contains("waits for approval"), "\(told.stdout)")
        let digest = try #require(
          told.stderr.split(separator: "proposals approve ").last?.prefix { $0.isHexDigit })
        let approved = try lab.keyturn("proposals", "approve", String(digest))
        #expect(approved.status == 0, "\(approved.stdout)\(approved.stderr)")
      }

      let before = try counts()
      for node in lab.nodes { _ = try propose(node, settings("approved")) }
      let waiting = try wait("minio-2", "--timeout 4")
      #expect(waiting.exitCode == 75 && waiting.outcome == "waiting", "\(waiting)")
      #expect(try counts() == before)
      #expect(try lab.keyturn("status").stderr.contains("wait for an operator's approval"))
      try approve()
      let done = try wait("minio-3", "--timeout 60")
      #expect(done.exitCode == 0 && done.outcome == "confirmed", "\(done)")
      let once = before.map { $0 + 1 }
      #expect(try counts() == once)
      let confirmed = Clock.now()

      // One approval is for one rollout, and the next one has to wait besides, also for an agent that was restarted.
      for node in lab.nodes { _ = try propose(node, settings("approved-too")) }
      try approve()
      try lab.exec("minio-1", "systemctl restart keyturnd")
      let deferred = try lab.keyturn("proposals")
      #expect(deferred.stdout.contains("not before "), "\(deferred.stdout)")
      #expect(try counts() == once)
      let second = try wait("minio-4", "--timeout 120")
      #expect(second.exitCode == 0 && second.outcome == "confirmed", "\(second)")
      #expect(try counts() == before.map { $0 + 2 })
      // The first one's restart was some seconds before it was confirmed.
      #expect(Clock.now().milliseconds(since: confirmed) > (interval - 10) * 1_000)
      let none = try wait("minio-5", "")
      #expect(none.exitCode == 0 && none.outcome == "inForce", "\(none)")
    }

    @Test("the same apply twice is one rollout; another one meanwhile is told whose it is: exit 75")
    func joined() throws {
      let before = try lab.nodes.map { try lab.startCount(of: $0) }
      let file = try lab.file("two.env", settings("two"))
      try lab.hold()
      let first = try lab.start(keyturn: "apply", "--yes", "--json", "--settings", file)
      let nodes = Set(lab.nodes)
      let began = first.wait(until: .inMilliseconds(60_000)) { lines in
        nodes.isSubset(
          of: lines.compactMap { line -> String? in
            let event = try? Event(line.text)
            return event?.phase == "starting" ? event?.node : nil
          })
      }
      try #require(began, "\(first.lines.map(\.text))")
      let other = try lab.keyturn(
        "apply", "--yes", "--settings", lab.file("three.env", settings("three")))
      #expect(other.status == 75, "\(other.stdout)\(other.stderr)")
      #expect(other.stderr.contains("(apply by "), "\(other.stderr)")
      let second = try lab.start(keyturn: "apply", "--yes", "--settings", file)
      let joins = second.wait(until: .inMilliseconds(30_000)) { lines in
        lines.contains { $0.text.contains("starting") }
      }
      #expect(joins, "\(second.lines.map(\.text))")
      try lab.release()
      #expect(try first.outcome().status == 0)
      #expect(try second.outcome().status == 0)
      for (node, count) in zip(lab.nodes, before) {
        #expect(try lab.startCount(of: node) == count + 1, "\(node)")
      }
      #expect(try lab.keyturn("watch").status == 0)
    }
  }
}
