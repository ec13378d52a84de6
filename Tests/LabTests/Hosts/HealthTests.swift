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
      try Self.commands.map { try lab.keyturn($0).status }
    }

    /// In each state of the table status, check, check --nagios, plan and metrics say the same.
    @Test(
      "in every state all agree, name the node, and what they name mends it",
      arguments: HealthState.all)
    func agree(_ state: HealthState) throws {
      try perform(state.broken)
      var isMended = false
      defer { if !isMended, let undo = state.undo { try? perform(undo) } }
      let known = Instant.inMilliseconds(state.knownMilliseconds)
      while try !isKnown(state), Clock.now() < known {}
      try said(state)
      let plan = try lab.keyturn("plan", "--settings", lab.settings)
      #expect(plan.status == state.plan, "\(plan.stdout)\(plan.stderr)")
      for (name, value) in state.metrics {
        #expect(try metric(name, of: Self.node, is: value), "\(name)")
      }
      try perform(state.mend)
      isMended = true
      // A host boots, or a link that has failed is looked at again after some 10 s.
      let deadline = Instant.inMilliseconds(60_000)
      while try exits() != [0, 0, 0, 0], Clock.now() < deadline {}
      #expect(try exits() == [0, 0, 0, 0])
      if state.exits == HealthState.wrong {
        #expect(try metric("keyturn_server_ready", of: Self.node, is: 1))
      }
    }

    private static let node = "minio-2"

    private func perform(_ act: HealthState.Act) throws {
      switch act {
      case .onNode(let script): try lab.exec(Self.node, script)
      case .onHosts(let hosts, let script): for host in hosts { try lab.exec(host, script) }
      case .both(let first, let second):
        try perform(first)
        try perform(second)
      case .host(let command): try lab.perform(command, Self.node)
      case .keyturn(let arguments):
        let words = arguments.map { $0 == "FILE" ? lab.settings : $0 }
        let outcome = try lab.keyturn(words)
        #expect(outcome.status == 0, "\(words): \(outcome.stdout)\(outcome.stderr)")
      }
    }

    /// Whether all of them know it.
    private func isKnown(_ state: HealthState) throws -> Bool {
      try Self.commands.allSatisfy {
        let outcome = try lab.keyturn($0)
        return (outcome.stdout + outcome.stderr).contains(state.says)
      }
    }

    private static let commands = [
      ["status"], ["check"], ["check", "--strict"], ["check", "--nagios"],
    ]

    /// The exit codes, and what all of them name.
    private func said(_ state: HealthState) throws {
      var exits: [Int32] = []
      for command in Self.commands {
        let outcome = try lab.keyturn(command)
        exits.append(outcome.status)
        let text = outcome.stdout + outcome.stderr
        #expect(text.contains(state.says), "\(command): \(text)")
      }
      #expect(exits == state.exits)
    }

    @Test("a node that does not answer is unknown, not wrong")
    func unanswered() throws {
      try lab.perform("cut", "minio-3")
      defer { _ = try? lab.perform("heal", "minio-3") }
      #expect(try exits() == HealthState.unknown)
    }
  }
}
