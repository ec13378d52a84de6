// SPDX-License-Identifier: Apache-2.0
import API
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing

/// What is said of a rollout that puts files right and restarts no server.
@Suite(.timeLimit(.minutes(1))) struct WithoutRestartTests {
  /// Every server runs with what is wanted; the files of some are to be put right.
  private func agents(_ make: (String) -> FakeAgent.Fault = { _ in .none }) -> [FakeAgent] {
    Sample.names.map { name in
      FakeAgent(
        name, make(name), plan: .sample(name, changes: name == "minio-3", isKept: true))
    }
  }

  private struct ResultLine: Decodable {
    var outcome: String
    var restarted: Bool?
    var restarts: Bool?
    var skewMilliseconds: Double?
    var issueSkewMilliseconds: Double?
  }

  private func result(_ host: FakeCommandHost) throws -> ResultLine {
    try JSON.decode(ResultLine.self, from: Array(try #require(host.lines.last).utf8))
  }

  @Test("plan says that no server would be restarted, and with --restart that all would be")
  func plan() throws {
    let (code, host) = Sample.run("plan --settings kms.env", agents())
    #expect(code == .done)
    #expect(host.output.contains("the server runs with it already"))
    #expect(!host.output.contains("restart needed"))
    #expect(
      host.output.hasSuffix(
        "all 4 nodes would take part; no server would be restarted, as every one runs with what its file then says; nothing was changed\n"
      ))
    #expect(
      try result(Sample.run("plan --settings kms.env --json", agents()).host).restarts == false)
    let forced = Sample.run("plan --settings kms.env --restart", agents()).host
    #expect(forced.output.contains("all 4 nodes would take part and restart at one instant"))
    #expect(
      try result(Sample.run("plan --settings kms.env --restart --json", agents()).host).restarts
        == true)
  }

  @Test("a node that needs a restart restarts all, and says why")
  func onlyOne() {
    let agents = Sample.names.map { name in
      var plan = PlanAnswer.sample(name, changes: name == "minio-3", isKept: true)
      if name == "minio-1" { plan.whyRestart = "its last start was not confirmed" }
      return FakeAgent(name, plan: plan)
    }
    let host = Sample.run("plan --settings kms.env", agents).host
    #expect(host.output.contains("  restart needed: its last start was not confirmed\n"))
    #expect(host.output.contains("and restart at one instant"))
  }

  @Test("apply puts the files right, restarts nothing and says so")
  func apply() throws {
    let agents = agents()
    let (code, host) = Sample.run("apply --settings kms.env --yes", agents)
    #expect(code == .done)
    #expect(agents.allSatisfy { $0.restarts == 0 && $0.request?.rollout.withoutRestart == true })
    #expect(host.output.contains("all nodes voted yes; the files are replaced in"))
    #expect(host.errors.contains("4 of 4 nodes confirmed; no server was restarted\n"))
    #expect(
      host.output.contains(
        "  in force  the new file, generation 1, on minio-[1-4]; the servers run on, with"))
    #expect(!host.output.contains("skew") && !host.output.contains("restarts issued"))
    let told = try result(Sample.run("apply --settings kms.env --yes --json", self.agents()).host)
    #expect(told.restarted == false && told.skewMilliseconds == nil)
    #expect(told.issueSkewMilliseconds == nil)
  }

  @Test("with --restart apply restarts them all the same, also where nothing differs")
  func forced() throws {
    for changes in [true, false] {
      let agents = Sample.names.map { name in
        FakeAgent(name, plan: .sample(name, changes: changes, isKept: true))
      }
      let (code, host) = Sample.run("apply --settings kms.env --restart --yes --json", agents)
      #expect(code == .done)
      #expect(agents.allSatisfy { $0.restarts == 1 })
      #expect(try result(host).restarted == true)
    }
  }

  @Test("nothing to do restarts nothing, and says so")
  func nothing() throws {
    let agents = Sample.names.map { FakeAgent($0, plan: .sample($0, changes: false)) }
    let told = try result(Sample.run("apply --settings kms.env --yes --json", agents).host)
    #expect(told.outcome == "nothingToDo" && told.restarted == false)
  }

  @Test("the question says what is done")
  func question() {
    let agents = agents()
    let (code, host) = Sample.run("apply --settings kms.env", agents, answer: "prod")
    #expect(code == .done)
    #expect(
      host.questions == [
        "This replaces files of prod and restarts no server. Type prod to go on: "
      ])
  }

  @Test("what was not confirmed is not rolled back, and no restart is offered")
  func held() {
    let agents = agents { $0 == "minio-2" ? .failsToStart("no answer") : .none }
    let (code, host) = Sample.run("apply --settings kms.env --yes", agents)
    #expect(code == .notConfirmed)
    #expect(agents.allSatisfy { $0.restarts == 0 })
    let text = host.output + host.errors
    #expect(text.contains("3 of 4 nodes confirmed, 1 not confirmed; no server was restarted"))
    #expect(text.contains("not rolled back: no server was restarted"))
    #expect(!text.contains("keyturn restart") && !text.contains("keyturn rollback"))
  }
}
