// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// Whether the cluster is alive and one, as each command and the metrics say it.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 2))
  struct HealthTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// A metric of a node's, as soon as it has this value, or as it is after 10 s.
    private func metric(_ name: String, of node: String, is value: Int) throws -> Bool {
      let deadline = Instant.inMilliseconds(10_000)
      repeat {
        let text = try lab.run(
          """
          curl -fsS --cacert \(lab.credentials)/ca.pem --cert \(lab.credentials)/cert.pem \
            --key \(lab.credentials)/key.pem https://\(node):7377/metrics
          """)
        if text.contains("\n\(name) \(value)\n") { return true }
      } while Clock.now() < deadline
      return false
    }

    /// status, check, check --strict and check --nagios.
    private func exits() throws -> [Int32] {
      try [["status"], ["check"], ["check", "--strict"], ["check", "--nagios"]].map {
        try lab.keyturn($0).status
      }
    }

    /// In each state of the table status, check, check --nagios, plan and metrics say the same.
    @Test(
      "in every state all agree, name the node, and what they name mends it",
      arguments: HealthState.all)
    func agree(_ state: HealthState) throws {
      let node = "minio-2"
      try lab.exec(node, state.broken)
      var isMended = false
      defer { if !isMended, let undo = state.undo { _ = try? lab.exec(node, undo) } }
      try said(state)
      let plan = try lab.keyturn("plan", "--settings", lab.settings)
      #expect(plan.status == state.plan, "\(plan.stdout)\(plan.stderr)")
      for (name, value) in state.metrics {
        #expect(try metric(name, of: node, is: value), "\(name)")
      }
      switch state.mend {
      case .onNode(let script): try lab.exec(node, script)
      case .keyturn(let arguments):
        let words = arguments.map { $0 == "FILE" ? lab.settings : $0 }
        let mended = try lab.keyturn(words)
        #expect(mended.status == 0, "\(words): \(mended.stdout)\(mended.stderr)")
      }
      isMended = true
      let deadline = Instant.inMilliseconds(20_000)
      while try exits() != [0, 0, 0, 0], Clock.now() < deadline {}
      #expect(try exits() == [0, 0, 0, 0])
      if state.exits == HealthState.wrong {
        #expect(try metric("keyturn_server_ready", of: node, is: 1))
      }
    }

    /// The exit codes, and what all of them name.
    private func said(_ state: HealthState) throws {
      var exits: [Int32] = []
      for command in [["status"], ["check"], ["check", "--strict"], ["check", "--nagios"]] {
        let outcome = try lab.keyturn(command)
        exits.append(outcome.status)
        let text = outcome.stdout + outcome.stderr
        #expect(text.contains(state.says), "\(command): \(text)")
      }
      #expect(exits == state.exits)
    }

    @Test(
      "one of two Key Managers is down: status has it from its own look, check from another one")
    func keyManager() throws {
      try lab.exec("kms-2", "systemctl stop minkms")
      defer { _ = try? lab.exec("kms-2", "systemctl start minkms") }
      let checked = try Array(exits().dropFirst())
      #expect(checked == [1, 1, 2], "\(checked)")
      let deadline = Instant.inMilliseconds(80_000)
      while try lab.keyturn("status").status == 0, Clock.now() < deadline {}
      let status = try lab.keyturn("status")
      #expect(
        status.status == 1 && status.stderr.contains("links to the Key Managers fail: "),
        "\(status.stderr)")
      try lab.exec("kms-2", "systemctl start minkms")
      // A node that has seen a link fail looks again after some 10 s.
      let mended = Instant.inMilliseconds(30_000)
      while try exits() != [0, 0, 0, 0], Clock.now() < mended {}
      #expect(try exits() == [0, 0, 0, 0])
    }

    @Test(
      "all Key Managers are down: wrong everywhere, the plan is refused, and the servers run on")
    func allKeyManagers() throws {
      for host in lab.keyManagers { try lab.exec(host, "systemctl stop minkms") }
      defer { for host in lab.keyManagers { _ = try? lab.exec(host, "systemctl start minkms") } }
      let checked = try lab.keyturn("check", "--nagios")
      #expect(checked.status == 2 && checked.stdout.contains("minio-[1-3]: "), "\(checked.stdout)")
      #expect(try lab.keyturn("check").status == 1)
      #expect(try lab.keyturn("restart", "--yes").status == 7)
      #expect(try metric("keyturn_server_ready", of: "minio-2", is: 1))
      for host in lab.keyManagers { try lab.exec(host, "systemctl start minkms") }
      let mended = Instant.inMilliseconds(40_000)
      while try exits() != [0, 0, 0, 0], Clock.now() < mended {}
      #expect(try exits() == [0, 0, 0, 0])
    }

    @Test("a node that is off is unknown, and so is the plan; once it is on again all is well")
    func off() throws {
      try lab.perform("crash", "minio-3")
      #expect(try exits() == HealthState.unknown)
      let status = try lab.keyturn("status")
      #expect(status.stderr.contains("minio-3: "), "\(status.stderr)")
      #expect(try lab.keyturn("plan", "--settings", lab.settings).status == 4)
      try lab.perform("boot", "minio-3")
      let booted = Instant.inMilliseconds(60_000)
      while try exits() != [0, 0, 0, 0], Clock.now() < booted {}
      #expect(try exits() == [0, 0, 0, 0])
    }

    @Test("a node that does not answer is unknown, not wrong")
    func unanswered() throws {
      try lab.perform("cut", "minio-3")
      defer { _ = try? lab.perform("heal", "minio-3") }
      #expect(try exits() == HealthState.unknown)
    }
  }
}
