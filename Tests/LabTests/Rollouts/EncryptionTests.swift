// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// The cluster of the first test goes on encrypted; each test leaves it confirmed and at rest.
  @Suite(.serialized, .lab(nodes: 8, keyManagers: 2))
  struct EncryptionTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    @Test("apply turns encryption on with one restart of each node; then there is nothing to do")
    func encryption() throws {
      let starts = try lab.nodes.map { try lab.startCount(of: $0) }
      let outcome = try lab.keyturn("apply", "--yes", "--json", "--settings", lab.settings)
      #expect(outcome.status == 0, "\(outcome.stdout)")
      let result = try #require(try outcome.events().last)
      #expect(result.event == "result" && result.exitCode == 0 && result.outcome == "done")
      #expect(result.nodes?.map(\.name) == lab.nodes)
      #expect(result.nodes?.allSatisfy { $0.outcome == "confirmed" } == true)
      let skew = try #require(result.skewMilliseconds)
      #expect((0..<1000).contains(skew))

      let names = [
        "MINIO_KMS_SERVER", "MINIO_KMS_ENCLAVE", "MINIO_KMS_SSE_KEY", "MINIO_KMS_API_KEY",
      ]
      for (node, before) in zip(lab.nodes, starts) {
        let environment = try lab.environment(of: node)
        for name in names {
          #expect(environment.contains("\(name)=\(lab.setting(name))"), "\(node): \(name)")
        }
        #expect(try lab.startCount(of: node) == before + 1, "\(node)")
      }

      let after = try lab.footprint()
      for plan in [
        try lab.keyturn("plan", "--settings", lab.settings),
        try lab.keyturn("plan", "--settings", lab.settings, "--detailed-exitcode"),
      ] { #expect(plan.status == 0 && plan.stdout.contains("nothing to do")) }
      #expect(try lab.keyturn("apply", "--yes", "--settings", lab.settings).status == 0)
      try lab.expectUntouched(since: after)
    }

    /// What is tried with the key that the data is encrypted with.
    enum Tampering: CaseIterable {
      case changed, removed, emptied, definedTwice, definedTwiceAlike
    }

    @Test(
      "the SSE key can be neither changed, removed, emptied nor defined twice",
      arguments: Tampering.allCases)
    func keyGuard(_ tampering: Tampering) throws {
      try lab.encrypt()
      let before = try lab.footprint()
      let key = "MINIO_KMS_SSE_KEY"
      let outcome =
        switch tampering {
        case .changed:
          try lab.keyturn("apply", "--yes", "--settings", lab.settings([key: "another-key"]))
        case .removed: try lab.keyturn("apply", "--yes", "--unset", key)
        case .emptied: try lab.keyturn("apply", "--yes", "--settings", lab.settings([key: ""]))
        case .definedTwice:
          try lab.keyturn(
            "apply", "--yes", "--settings", lab.settings(adding: "\(key)=another-key\n"))
        case .definedTwiceAlike:
          try lab.keyturn(
            "apply", "--yes", "--settings", lab.settings(adding: "\(key)=\(lab.setting(key))\n"))
        }
      #expect(outcome.status == 6, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("\"\(lab.setting(key))\" is sealed"))
      #expect(outcome.stderr.contains("nothing was touched"))
      try lab.expectUntouched(since: before)
    }

    @Test("a second definition by hand in one node's file stops every rollout")
    func secondDefinition() throws {
      try lab.encrypt()
      let file = "/etc/default/minio"
      try lab.exec("minio-3", "cp -a \(file) /root/minio && echo MINIO_KMS_SSE_KEY=b >>\(file)")
      defer { _ = try? lab.exec("minio-3", "mv /root/minio \(file)") }
      let before = try lab.footprint()
      let other = try lab.file("other.env", "MINIO_BROWSER=off\n")
      for outcome in [
        try lab.keyturn("restart", "--yes"),
        try lab.keyturn("apply", "--yes", "--settings", other),
      ] {
        #expect(outcome.status == 6, "\(outcome.stdout)\(outcome.stderr)")
        #expect(outcome.stderr.contains("minio-3: MINIO_KMS_SSE_KEY"))
      }
      try lab.expectUntouched(since: before)
    }

    // MARK: unreachable

    @Test("with one agent stopped nothing is touched anywhere")
    func agentStopped() throws {
      try lab.encrypt()
      let before = try lab.footprint()
      let other = try lab.file("other.env", "MINIO_BROWSER=off\n")
      try lab.exec("minio-8", "systemctl stop keyturnd")
      defer { _ = try? lab.exec("minio-8", "systemctl start keyturnd") }
      let outcome = try lab.keyturn("apply", "--yes", "--json", "--settings", other)
      #expect(outcome.status == 4)
      let nodes = try #require(try outcome.events().last?.nodes)
      #expect(nodes.map(\.name) == lab.nodes)
      #expect(nodes.last?.outcome == "unreachable")
      #expect(nodes.dropLast().allSatisfy { $0.outcome == "untouched" })
      try lab.expectUntouched(since: before)
    }

    @Test("with one agent hanging nothing is touched anywhere, and the wait has an end")
    func agentHanging() throws {
      try lab.encrypt()
      let before = try lab.footprint()
      let other = try lab.file("other.env", "MINIO_BROWSER=off\n")
      let inventory = try lab.file(
        "inventory.json",
        try lab.run("sed 's/\"timeouts\": {/&\"prepareSeconds\": 1, /' \(lab.inventory)"))
      try lab.exec("minio-8", "systemctl kill -s STOP keyturnd")
      defer { _ = try? lab.exec("minio-8", "systemctl kill -s CONT keyturnd") }
      let began = Clock.now()
      let outcome = try lab.keyturn(
        "apply", "--yes", "--inventory", inventory, "--settings", other)
      // One second for the checks and five for the way; the rest is for a busy machine.
      #expect(Clock.now().milliseconds(since: began) < 15_000)
      #expect(outcome.status == 4, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("minio-8"))
      try lab.expectUntouched(since: before)
    }

    @Test("an agent that dies between plan and vote leaves nothing staged on the others")
    func agentDies() throws {
      try lab.encrypt()
      let before = try lab.footprint()
      let other = try lab.file("other.env", "MINIO_BROWSER=off\n")
      // The question comes after the plan; it is answered when the agent is gone.
      let answer = lab.directory.path("answer")
      try lab.run("mkfifo \(answer)")
      let apply = try lab.start(terminal: answer, keyturn: "apply", "--settings", other)
      #expect(
        apply.wait(until: .inMilliseconds(20_000)) {
          $0.contains { $0.text.contains("+MINIO_BROWSER=off") }
        })
      try lab.exec("minio-8", "systemctl stop keyturnd")
      defer { _ = try? lab.exec("minio-8", "systemctl start keyturnd") }
      try lab.run("echo lab >\(answer)")
      let outcome = try apply.outcome()
      #expect(outcome.status == 4, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stdout.contains("minio-8"))
      // Checks that the abort overtook may still be running: what they stage goes when they end.
      try lab.onEachNode(
        """
        for try in $(seq 100); do
          ls -A /etc/default | grep -q keyturn- || exit 0
          sleep 0.05
        done
        """)
      try lab.expectUntouched(since: before)
    }
  }
}
