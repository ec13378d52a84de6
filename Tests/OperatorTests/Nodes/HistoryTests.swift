// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import Model
@testable import Operator
@testable import Rollout
import Testing

@Suite("Operator: history", .timeLimit(.minutes(1))) struct HistoryTests {
  private func agents(_ make: (String) -> FakeAgent = { FakeAgent($0) }) -> [FakeAgent] {
    Sample.names.map(make)
  }

  /// Four agents, the third as given.
  private func agents(third: FakeAgent) -> [FakeAgent] {
    Sample.names.map { $0 == third.name ? third : FakeAgent($0) }
  }

  private func third(
    _ contents: [(number: Int, text: String)] = [(0, "found"), (1, "a"), (2, "b")],
    file: String? = nil, rollout: String = "00000000000000a", problem: Int? = nil
  ) -> FakeAgent {
    FakeAgent(
      "minio-3",
      history: .sample("minio-3", contents, file: file, rollout: rollout, problem: problem))
  }

  private func expectUntouched(
    _ agents: [FakeAgent], at location: SourceLocation = #_sourceLocation
  ) {
    #expect(
      agents.allSatisfy { $0.restarts == 0 && !$0.isActive && $0.request == nil },
      sourceLocation: location)
  }

  // MARK: history

  @Test("history is one table, the newest first, nodes that have the same together")
  func table() {
    let (code, host) = Sample.run("history", agents())
    #expect(code == .done)
    func row(_ head: String, _ text: String) -> String {
      "\(head) \(Digest.ofFields([text]).hex.prefix(12)) minio-[1-4]"
    }
    let rows = host.lines.map { $0.split(separator: " ").joined(separator: " ") }
    let expected: [String] = [
      "GENERATION CONFIRMED BY KIND ROLLOUT DIGEST NODES",
      row("2 (current) 2023-11-14T22:15:20Z alice apply 00000000000000a2", "b"),
      row("1 2023-11-14T22:14:20Z alice apply 00000000000000a1", "a"),
      row("0 2023-11-14T22:13:20Z - found 00000000000000a1", "found"),
    ]
    #expect(rows == expected)
    #expect(host.errors.isEmpty)
  }

  @Test("drift is marked, with the command that shows it")
  func drift() {
    let (code, host) = Sample.run("history", agents(third: third(file: "edited")))
    #expect(code == .done)
    #expect(host.lines[1].hasPrefix("2 (current) ") && host.lines[1].hasSuffix("minio-[1-2,4]"))
    #expect(host.lines[2].hasPrefix("2 (current, DRIFT) ") && host.lines[2].hasSuffix("minio-3"))
    #expect(host.errors.contains("minio-3: the file is not generation 2: keyturn diff 2"))
  }

  @Test("gaps of a member that joined later are said")
  func gaps() {
    let (code, host) = Sample.run("history", agents(third: third([(2, "b")])))
    #expect(code == .done)
    #expect(host.errors.contains("minio-3: no generation 0-1: not in the cluster then"))
    #expect(host.lines.count == 4)
  }

  @Test("a damaged record is a row of its own, exit 3")
  func damaged() {
    let (code, host) = Sample.run("history", agents(third: third(problem: 1)))
    #expect(code == .unknown)
    #expect(host.output.contains("DAMAGED"))
    #expect(host.errors.contains("minio-3: its checksum is wrong"))
  }

  @Test("an unreachable node: the others' history, exit 3; without any generation it says so")
  func unreachable() {
    let (code, host) = Sample.run("history", agents(third: FakeAgent("minio-3", .unreachable)))
    #expect(code == .unknown)
    #expect(host.output.contains("minio-[1-2,4]"))
    #expect(host.errors.contains("minio-3: connect to"))
    let none = Sample.run("history", agents { FakeAgent($0, history: .sample($0, [])) })
    #expect(none.code == .done && none.host.output.contains("no generation yet"))
  }

  @Test("for programs history is one event for each node")
  func json() {
    let (_, host) = Sample.run("history --json", agents(third: third(problem: 1)))
    #expect(host.lines.count { $0.contains("\"event\":\"history\"") } == 4)
    #expect(host.lines[2].contains("\"problem\":\"its checksum is wrong\""))
    #expect(host.lines[0].contains("\"current\":2"))
    #expect(host.lines[0].contains("\"confirmedAt\":\"2023-11-14T22:13:20.000Z\""))
    #expect(host.lines.last?.contains("\"event\":\"result\"") == true)
  }

  // MARK: diff

  @Test("diff shows equal differences once; exit 0, with --exit-code 1 if anything differs")
  func diff() {
    let same = FakeAgent("minio-3", diff: .success(.sample("minio-3", same: true)))
    let (code, host) = Sample.run("diff 1 2", agents(third: same))
    #expect(code == .done)
    #expect(
      host.lines == [
        "minio-[1-2,4]: different", "  -MINIO_BROWSER=on", "  +MINIO_BROWSER=off",
        "minio-3: no difference",
      ])
    #expect(Sample.run("diff 1 2 --exit-code", agents(third: same)).code == .failed)
    let alike = agents { FakeAgent($0, diff: .success(.sample($0, same: true))) }
    #expect(Sample.run("diff 1 --exit-code", alike).code == .done)
  }

  @Test("files that differ in comments only, and one that is gone, are said to be different")
  func diffForm() {
    var comments = DiffAnswer.sample("minio-3")
    comments.difference = []
    var gone = comments
    gone.to = nil
    var moved = comments
    moved.toPath = "/etc/minio/config.env"
    for (answer, text) in [
      (comments, "no variable differs"), (gone, "there is no file now"),
      (moved, "no variable differs; comments, order or form do: /etc/default/minio, then "),
    ] {
      let agents = agents(third: FakeAgent("minio-3", diff: .success(answer)))
      let (code, host) = Sample.run("diff 1 --exit-code", agents)
      #expect(code == .failed && host.output.contains("minio-3: \(text)"))
    }
  }

  @Test("a node that lacks the generation: exit 3; all of them: 5; an unreachable one: 3")
  func diffMissing() {
    let missing = Result<DiffAnswer, LinkFailure>.failure(
      .answered(Refusal(.validation, "it has no generation 9")))
    let one = Sample.run("diff 9 --exit-code", agents(third: FakeAgent("minio-3", diff: missing)))
    #expect(one.code == .unknown)
    #expect(one.host.errors.contains("minio-3: it has no generation 9"))
    let all = Sample.run("diff 9", agents { FakeAgent($0, diff: missing) })
    #expect(all.code == .validationRefused)
    #expect(all.host.errors == "keyturn: error: minio-[1-4]: it has no generation 9\n")
    #expect(
      Sample.run("diff 9", agents(third: FakeAgent("minio-3", .unreachable))).code == .unknown)
    #expect(Sample.run("diff 9", []).code == .unknown)
  }

  @Test(
    "what is no generation is a matter of usage",
    arguments: ["diff", "diff x", "diff 1 -- -2", "diff 1 2 3", "diff 100000000", "rollback x"])
  func usage(_ arguments: String) {
    let agents = agents()
    #expect(Sample.run(arguments, agents).code == .usage)
    expectUntouched(agents)
  }

  // MARK: rollback

  @Test("rollback takes the generation before, as a rollout with a new number")
  func rollback() {
    let agents = agents { name in
      var plan = PlanAnswer.sample(name)
      (plan.generation, plan.isLastGeneration) = (2, true)
      return FakeAgent(name, plan: plan)
    }
    let (code, host) = Sample.run("rollback --yes", agents)
    #expect(code == .done)
    #expect(host.output.contains("back to generation 1: confirmed 2023-11-14T22:14:20Z"))
    for agent in agents {
      #expect(agent.restarts == 1)
      #expect(agent.request?.request.generation == 1)
      #expect(agent.request?.rollout.kind == .rollback)
      #expect(agent.request?.rollout.generation == 3)
      #expect(agent.request?.request.changes.isEmpty == true)
    }
  }

  /// The numbers with their content, what the file is, and what to go back to.
  private static let cases: [([(number: Int, text: String)], String, Int?)] = [
    ([(0, "found"), (1, "a"), (2, "b")], "b", 1),
    ([(0, "found"), (1, "a"), (2, "b")], "a start that failed", 2),
    ([(1, "a"), (2, "b"), (3, "b")], "b", 1),
    ([(0, "found"), (1, "a")], "a", 0),
    ([(1, "a")], "a", nil),
    ([], "a", nil),
  ]

  @Test("without a number it is the newest that is not what the files are", arguments: 0..<6)
  func previous(_ index: Int) {
    let (contents, file, expected) = Self.cases[index]
    let rows = Sample.names.map {
      NodeAnswer(name: $0, result: .success(HistoryAnswer.sample($0, contents, file: file)))
    }
    #expect(ClusterGenerations(rows: rows).previous == expected)
  }

  @Test("without a number, one that a node lacks is passed over")
  func passedOver() {
    // Its start was not confirmed with generation 3, whose file it has.
    let contents = [(number: 1, text: "a"), (2, "b"), (3, "c")]
    let rows = Sample.names.map {
      NodeAnswer(
        name: $0,
        result: .success(
          HistoryAnswer.sample(
            $0, $0 == "minio-3" ? Array(contents.dropLast()) : contents, file: "c")))
    }
    #expect(ClusterGenerations(rows: rows).previous == 2)
  }

  @Test("a node that lacks it, has it damaged or from another rollout is named; nothing touched")
  func rollbackRefused() {
    for (agent, code, text) in [
      (third([(2, "b")]), ExitCode.voteRefused, "minio-3: it has no generation 1 (it has 2)"),
      (third([]), .voteRefused, "minio-3: it has no generation 1 (none at all)"),
      (third(problem: 1), .validationRefused, "minio-3: its checksum is wrong"),
      (third(rollout: "00000000000000b"), .voteRefused, "rollout 00000000000000b1"),
      (FakeAgent("minio-3", .unreachable), .unreachable, "minio-3: connect to"),
    ] {
      let agents = agents(third: agent)
      let (exit, host) = Sample.run("rollback 1 --yes", agents)
      #expect(exit == code, "\(host.errors)")
      #expect(host.errors.contains("nothing was touched: minio-3: "))
      #expect(host.errors.contains(text), "\(host.errors)")
      expectUntouched(agents)
    }
  }

  @Test("with nothing to go back to: exit 8, a row for every node")
  func nothing() {
    let agents = agents { FakeAgent($0, history: .sample($0, [])) }
    let (code, host) = Sample.run("rollback --yes --json", agents)
    #expect(code == .voteRefused)
    #expect(host.lines.last?.contains("\"minio-4\",\"outcome\":\"untouched\"") == true)
    expectUntouched(agents)
  }

  @Test("the guard's no is the rollback's, exit 6")
  func guarded() {
    let agents = agents {
      FakeAgent($0, plan: .sample($0, refusal: Refusal(.guarded, "the key is sealed")))
    }
    #expect(Sample.run("rollback 0 --yes", agents).code == .guardRefused)
    expectUntouched(agents)
  }

  @Test("it asks first")
  func question() {
    let agents = agents()
    #expect(Sample.run("rollback", agents, answer: "no").code == .failed)
    #expect(Sample.run("rollback", agents).code == .usage)
    expectUntouched(agents)
    #expect(Sample.run("rollback", agents, answer: "prod").code == .done)
  }

  @Test("a restart makes a generation only where a file is not the last one")
  func restart() {
    func next(_ kind: RolloutKind, _ numbers: [Int], last: [Bool]) -> Int {
      ClusterPlan(
        rows: zip(Sample.names, zip(numbers, last)).map { name, node in
          var answer = PlanAnswer.sample(name)
          (answer.generation, answer.isLastGeneration) = node
          return NodeAnswer(name: name, result: .success(answer))
        }
      ).nextGeneration(kind)
    }
    #expect(next(.restart, [2, 2], last: [true, true]) == 2)
    #expect(next(.restart, [2, 2], last: [true, false]) == 3)
    #expect(next(.restart, [2, 1], last: [true, true]) == 3)
    #expect(next(.restart, [0, 0], last: [false, false]) == 1)
    #expect(next(.apply, [2, 1], last: [true, true]) == 3)
    #expect(next(.rollback, [2, 2], last: [true, true]) == 3)
  }
}
