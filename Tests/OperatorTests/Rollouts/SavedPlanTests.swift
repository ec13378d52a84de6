// SPDX-License-Identifier: Apache-2.0
import API
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Secrets
import Testing

/// A plan in a file, and an `apply` that does exactly that or nothing.
@Suite(.timeLimit(.minutes(1))) struct SavedPlanTests {
  private func agents(
    _ change: (inout PlanAnswer) -> Void = { _ in }, only: String? = nil
  ) -> [FakeAgent] {
    Sample.names.map { name in
      var plan = PlanAnswer.sample(name)
      plan.unit = .ofFields(["unit"])
      plan.programs = ServerPrograms(
        installed: ServerProgram(digest: .ofFields(["a"])), running: nil)
      if only == nil || only == name { change(&plan) }
      return FakeAgent(name, plan: plan)
    }
  }

  private func saved(_ options: String = "") throws -> String {
    let (code, host) = Sample.run("plan --settings kms.env --out a.plan\(options)", agents())
    #expect(code == .done)
    #expect(host.errors.contains("the plan is saved in a.plan"))
    return try #require(host.created["a.plan"])
  }

  private func apply(
    _ plan: String, _ agents: [FakeAgent], _ command: String = "--settings kms.env",
    modes: [String: UInt32] = [:]
  ) -> (code: ExitCode, host: FakeCommandHost) {
    Sample.run(
      "apply --plan a.plan \(command) --yes", agents, files: ["a.plan": plan], modes: modes)
  }

  @Test("a plan that still holds is applied, and a second time there is nothing to do")
  func holds() throws {
    let plan = try saved()
    let agents = agents()
    #expect(apply(plan, agents).code == .done)
    #expect(agents.allSatisfy { $0.restarts == 1 })
    let again = Sample.names.map { FakeAgent($0, plan: .sample($0, changes: false)) }
    let (code, host) = apply(plan, again)
    #expect(code == .done && host.output.contains("nothing to do"))
  }

  @Test("it has no setting in it, and no digest that is alike in two plans of the same settings")
  func secrets() throws {
    let (first, second) = (try saved(), try saved())
    for text in [first, second] {
      #expect(!text.contains("tenant-1") && !text.contains("k1:"))
      #expect(text.contains("MINIO_KMS_ENCLAVE"))
    }
    func digests(_ text: String) throws -> Set<String> {
      let plan = try JSON.decode(SavedPlan.self, from: Array(text.utf8))
      return Set(
        [plan.settingsDigest]
          + plan.nodes.flatMap { node in
            ["file", "result", "unit", "program"].map { node.basis[$0] ?? "" }
          })
    }
    #expect(try digests(first).isDisjoint(with: digests(second)))
  }

  private static let changes: [(String, @Sendable (inout PlanAnswer) -> Void)] = [
    ("the environment file is another one", { $0.before = .ofFields(["edited"]) }),
    ("the environment that the server would get is another one", { $0.after = .ofFields(["x"]) }),
    (
      "the environment that the server would get is another one",
      { $0.environmentDigest = .ofFields(["x"]) }
    ),
    ("the last generation was \"0\" and is \"4\"", { $0.generation = 4 }),
    ("the server's unit is another one", { $0.unit = .ofFields(["edited"]) }),
    (
      "the MinIO program is another one",
      {
        $0.programs = ServerPrograms(
          installed: ServerProgram(digest: .ofFields(["b"])), running: nil)
      }
    ),
    (
      "the sealed key was \"none\" and is \"\(Sample.seal.keyName) in",
      { $0.seal = Sample.seal }
    ),
    (
      "what the Key Managers tell was \"\" and is \"kms: 2 nodes\"",
      { $0.keyManager = "kms: 2 nodes" }
    ),
    (
      "the node's inventory was \"not known\" and is \"number 2",
      {
        $0.inventory = InventoryReference(
          number: 2, digest: .ofFields([""]), content: .ofFields([""]))
      }
    ),
    ("the agent's state directory is another one", { $0.incarnation = Incarnation(random: 3, 4) }),
    (
      "what has to be agreed to was \"\" and is \"the pools\"",
      {
        $0.findings = [
          Finding(.warning, rule: "volumes-pools", message: "the pools", remedy: nil)
        ]
      }
    ),
    ("the server's unit is not known now", { $0.unit = nil }),
    (
      "why the server would have to restart was",
      { $0.restartReason = "its last start was not confirmed" }
    ),
  ]

  @Test(
    "whatever the plan rests on and is different is named, exit 8, and nothing is touched",
    arguments: changes.indices)
  func changed(_ index: Int) throws {
    let (text, change) = Self.changes[index]
    let agents = agents(change)
    let (code, host) = apply(try saved(), agents)
    #expect(code == .voteRefused, "\(host.errors)")
    #expect(host.errors.contains("minio-[1-4]: \(text)"), "\(host.errors)")
    #expect(host.errors.contains("nothing was touched: the plan of a.plan ("))
    #expect(agents.allSatisfy { $0.restarts == 0 && $0.request == nil })
  }

  @Test("the result names the nodes on which something is different")
  func result() throws {
    let agents = agents({ $0.before = .ofFields(["edited"]) }, only: "minio-2")
    let (code, host) = apply(try saved(), agents, "--settings kms.env --json")
    #expect(code == .voteRefused)
    let line = try #require(host.lines.last)
    #expect(line.contains("\"reason\":\"the environment file is another one\""))
    #expect(line.contains("1 thing is different; plan again"))
  }

  @Test("other settings, another operator, another inventory and other nodes are named")
  func others() throws {
    let plan = try saved()
    func said(_ plan: String, _ command: String = "--settings kms.env") -> String {
      let agents = agents()
      let (code, host) = apply(plan, agents, command)
      #expect(code == .voteRefused, "\(host.errors)")
      #expect(agents.allSatisfy { $0.request == nil })
      return host.errors
    }
    #expect(
      said(plan, "--unset MINIO_BROWSER").contains(
        "the plan does not set or remove MINIO_BROWSER"))
    #expect(
      said(plan, "--unset MINIO_BROWSER").contains("of the plan is not in the settings given"))
    #expect(said(plan, "--settings kms.env --create-key").contains("or another --create-key"))
    #expect(said(plan, "--settings kms.env --restart").contains("made without --restart"))
    #expect(said(plan, "--settings kms.env --change-pools").contains("made without --change-pools"))
    func edited(_ change: (inout SavedPlan) -> Void) throws -> String {
      var saved = try JSON.decode(SavedPlan.self, from: Array(plan.utf8))
      change(&saved)
      return JSON.line(saved)
    }
    #expect(
      said(try edited { $0.createdBy = "bob" }).contains("the plan was made by bob, and you are"))
    #expect(said(try edited { $0.cluster = "test" }).contains("the plan is of the cluster test"))
    #expect(
      said(try edited { $0.inventory = "00" }).contains("your inventory is another one"))
    #expect(said(try edited { $0.nodes.removeLast() }).contains("minio-4: it was not in the plan"))
    #expect(
      said(try edited { $0.nodes.append(.init(name: "minio-5", basis: [:])) }).contains(
        "minio-5: it is no node any more"))
  }

  @Test("settings are kept by choice, and then only its owner may read the file")
  func kept() throws {
    let plan = try saved(" --keep-settings")
    #expect(plan.contains("tenant-1"))
    let agents = agents()
    #expect(apply(plan, agents, "").code == .done)
    #expect(agents[0].request?.request.changes.contains { $0.name == "MINIO_KMS_ENCLAVE" } == true)
    let (code, host) = apply(plan, self.agents(), "", modes: ["a.plan": 0o640])
    #expect(code == .badConfiguration && host.errors.contains("chmod 600 it"))
    let without = apply(try saved(), self.agents(), "")
    #expect(without.code == .validationRefused)
    #expect(without.host.errors.contains("a.plan holds no settings"))
  }

  @Test("what a plan allows is said again, and nothing that the file says")
  func consent() throws {
    let plan = try saved(" --restart --change-pools --create-key")
    let (code, host) = apply(plan, agents())
    #expect(code == .voteRefused)
    for option in ["--restart", "--change-pools"] {
      #expect(host.errors.contains("the plan was made with \(option): give it again"))
    }
    #expect(host.errors.contains("or another --create-key"))
    let agents = agents()
    let all = "--settings kms.env --restart --change-pools --create-key"
    #expect(apply(plan, agents, all).code == .done)
    let request = try #require(agents[0].request)
    #expect(request.request.changesPools == true && request.request.createKey)
    #expect(request.rollout.withoutRestart != true)
  }

  @Test("a plan that restarts no server is not followed by a restart of all")
  func restarts() throws {
    func agents(_ why: String) -> [FakeAgent] {
      Sample.names.map { name in
        var plan = PlanAnswer.sample(name, changes: name == "minio-2", isKept: true)
        if name == "minio-1" { plan.whyRestart = why }
        return FakeAgent(name, plan: plan)
      }
    }
    let planned = Sample.run("plan --settings kms.env --out a.plan", agents(""))
    let plan = try #require(planned.host.created["a.plan"])
    let later = agents("its file was changed since its start")
    let (code, host) = apply(plan, later)
    #expect(code == .voteRefused)
    #expect(host.errors.contains("the plan restarts no server, and all would be restarted now"))
    #expect(host.errors.contains("minio-1: why the server would have to restart was"))
    #expect(later.allSatisfy { $0.request == nil })
  }

  @Test("where nothing is left to do it is still the same settings, cluster and person that count")
  func done() throws {
    let plan = try saved()
    let same = Sample.names.map { FakeAgent($0, plan: .sample($0, changes: false)) }
    let (code, host) = apply(plan, same, "--unset MINIO_BROWSER")
    #expect(code == .voteRefused && host.errors.contains("the plan does not set or remove"))
  }

  @Test("a file that somebody else has written is refused, and nothing in it ends the program")
  func hostile() throws {
    let plan = try JSON.decode(SavedPlan.self, from: Array(try saved().utf8))
    let changes: [(String, (inout SavedPlan) -> Void)] = [
      ("it names a node twice", { $0.nodes.append($0.nodes[0]) }),
      ("is no name of a node", { $0.nodes[0].name = "a\u{1B}[2J" }),
      (
        "more nodes or variables",
        { $0.nodes = (0...4_096).map { .init(name: "n\($0)", basis: [:]) } }
      ),
      ("which this program does not know", { $0.nodes[0].basis["moon"] = "full" }),
      ("a name in it is too long", { $0.createdBy = String(repeating: "a", count: 400) }),
    ]
    for (text, change) in changes {
      var other = plan
      change(&other)
      let agents = agents()
      let (code, host) = apply(JSON.line(other), agents)
      #expect(code == .badConfiguration && host.errors.contains(text), "\(host.errors)")
      #expect(agents.allSatisfy { $0.calls == 0 })
    }
    var large = plan
    large.nodes += ["a9223372036854775807", "a9223372036854775806"].map {
      .init(name: $0, basis: [:])
    }
    #expect(apply(JSON.line(large), agents()).code == .voteRefused)
  }

  @Test("what is no plan, or of another format, is refused before any node is asked")
  func unreadable() throws {
    let plan = try saved()
    for (text, words) in [
      ("{}", "is not a plan of keyturn plan --out"), ("", "is not a plan of keyturn plan --out"),
      (
        plan.replacing("keyturn plan 1", with: "keyturn plan 2"),
        "has the format \"keyturn plan 2\""
      ),
    ] {
      let agents = agents()
      let (code, host) = apply(text, agents)
      #expect(code == .badConfiguration && host.errors.contains(words), "\(host.errors)")
      #expect(agents.allSatisfy { $0.calls == 0 })
    }
    let missing = Sample.run("apply --plan b.plan --settings kms.env --yes", agents())
    #expect(missing.host.errors.contains("there is no plan b.plan"))
  }

  @Test(
    "a plan is not saved over another file, nor where the nodes refuse; one with nothing to do is")
  func saving() throws {
    let there = Sample.run(
      "plan --settings kms.env --out a.plan", agents(), files: ["a.plan": "mine"])
    #expect(there.code == .badConfiguration)
    #expect(there.host.errors.contains("the plan was not saved"))
    let refused = Sample.run(
      "plan --settings kms.env --out a.plan",
      agents({ $0.refusal = Refusal(.validation, "no") }, only: "minio-3"))
    #expect(refused.host.created.isEmpty)
    let same = Sample.run(
      "plan --settings kms.env --out a.plan",
      Sample.names.map { FakeAgent($0, plan: .sample($0, changes: false)) })
    #expect(same.code == .done && same.host.created["a.plan"] != nil)
  }
}
