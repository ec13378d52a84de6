// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// Another key at the Key Managers after all nodes have voted yes, and before the instant: no look
  /// before the restart can find it.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 2, hasFaults: true))
  struct KeyProofVoteTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
      try lab.expect(["proof"], status: 0, [])
    }

    @Test(
      "a key that goes wrong between the votes and the instant: no start is confirmed, and it is an alarm",
      arguments: KeyFault.all)
    func fault(_ fault: KeyFault) throws {
      defer { do { try lab.mend() } catch { Issue.record(error) } }
      let inventory = try lab.file(
        "inventory.json",
        try lab.run("sed 's/\"startSeconds\": 60/\"startSeconds\": 15/' \(lab.inventory)"))
      let counts = try lab.nodes.map(lab.startCount)
      let file = try lab.file("fault", "coordinator.vote.accept hold\n")
      try lab.run("rm -f \(file).reached")
      let restart = try lab.start(
        fault: file, keyturn: "restart", "--yes", "--json", "--inventory", inventory)
      // All have voted, and nobody has been told the instant.
      try lab.run(
        "for k in $(seq 1500); do [ -e \(file).reached ] && exit 0; sleep 0.02; done; exit 1")
      #expect(try lab.nodes.map(lab.startCount) == counts)
      try lab.setFaults(fault.json, at: fault.hosts)
      try lab.run("rm \(file).reached")

      let outcome = try restart.outcome()
      print("\(fault.name): exit \(outcome.status)")
      #expect(outcome.status == 9, "\(outcome.stdout)\(outcome.stderr)")
      let result = try #require(try outcome.events().last)
      #expect(
        result.nodes?.contains { $0.outcome == "confirmed" } == false,
        "\(result.nodes.map { "\($0)" } ?? "")")
      for node in result.nodes ?? [] {
        #expect(node.reason.contains(".example.net:7373"), "\(node)")
      }
      #expect(try lab.nodes.map(lab.startCount) == counts.map { $0 + 1 })
      try lab.expect(["status"], status: 1, fault.alarm)

      try lab.mend()
      // The servers that could not read their own configuration do not try again.
      try lab.expect(["restart", "--yes"], status: 0, [])
      try lab.expect(["status"], status: 0, [])
      try lab.expect(["proof", "--now"], status: 0, [])
    }
  }
}
