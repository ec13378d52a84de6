// SPDX-License-Identifier: Apache-2.0
import API
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing
import Threads

@Suite("keyturn inventory")
struct InventoryTests {
  private static func inventory(
    _ names: [String], witness: Bool = true, startSeconds: Int = 300
  ) -> Inventory {
    Inventory(
      cluster: "prod", nodes: names.map { .init(name: $0, address: $0) },
      keyManagers: [.init(name: "kms-1", address: "kms-1", witness: witness ? "kms-1" : nil)],
      timeouts: .init(startSeconds: startSeconds))
  }

  private let three = ["minio-1", "minio-2", "minio-3"]

  /// Agents that go by the inventory of three nodes, and those that are to join.
  private func agents(joining: [String] = [], file: [String] = []) -> [FakeAgent] {
    let agreed = AgreedInventory(first: Self.inventory(three))
    return (three + joining).map { name in
      let agent = FakeAgent(name)
      agent.agreed.update {
        $0 = joining.contains(name) ? AgreedInventory(first: Self.inventory(file)) : agreed
      }
      return agent
    } + [FakeAgent("kms-1")]
  }

  private func run(
    _ arguments: String, _ agents: [FakeAgent], file: Inventory
  ) -> (code: ExitCode, host: FakeCommandHost) {
    Sample.run(
      arguments, agents,
      files: ["./inventory.json": String(decoding: JSON.encode(file), as: UTF8.self)])
  }

  @Test("show prints what the nodes go by, whatever the file says")
  func show() throws {
    let (code, host) = run(
      "inventory show", agents(), file: Self.inventory(Array(three.prefix(2))))
    #expect(code == .done, "\(host.errors)")
    let printed = try JSON.decode(Inventory.self, from: Array(host.output.utf8))
    var expected = Self.inventory(three)
    expected.number = 1
    #expect(printed == expected)
    #expect(host.errors.contains("this command's file says something else"))
  }

  @Test("diff tells nodes, Key Managers and settings that differ")
  func diff() {
    var other = Self.inventory(["minio-1", "minio-2", "minio-4"], startSeconds: 60)
    other.nodes[1].address = "10.0.0.2:7400"
    let (code, host) = run(
      "inventory diff", agents(joining: ["minio-4"], file: three + ["minio-4"]), file: other)
    #expect(code == .done, "\(host.errors)")
    for line in [
      "- node minio-2, agent minio-2:7377, server minio-2:9000",
      "+ node minio-2, agent 10.0.0.2:7400, server 10.0.0.2:9000",
      "- node minio-3, agent minio-3:7377, server minio-3:9000",
      "+ node minio-4, agent minio-4:7377, server minio-4:9000",
      "- timeouts.startSeconds 300", "+ timeouts.startSeconds 60",
    ] {
      #expect(host.output.contains(line + "\n"), "\(host.output)")
    }
    #expect(!host.output.contains("kms-1"))
  }

  @Test("apply has all vote, and gives the witnesses the inventory; no server is restarted")
  func apply() {
    let four = three + ["minio-4"]
    let agents = agents(joining: ["minio-4"], file: four)
    let (code, host) = run("inventory apply --yes", agents, file: Self.inventory(four))
    #expect(code == .done, "\(host.output)\(host.errors)")
    #expect(host.output.contains("+ node minio-4"))
    #expect(host.output.contains("inventory number 2, 4 nodes: minio-[1-4]"))
    #expect(host.output.contains("joined: minio-4"))
    let change = agents[0].request?.rollout.change
    #expect(change?.joining == ["minio-4"] && change?.next.number == 2)
    #expect(agents.prefix(4).allSatisfy { $0.request?.rollout.restartsServers == false })
    #expect(agents[4].agreed.withLock { $0 } == change?.next)
  }

  @Test("what is agreed on already is not voted on again, and witnesses that were away get it")
  func nothing() {
    let agents = agents()
    let (code, host) = run("inventory apply --yes", agents, file: Self.inventory(three))
    #expect(code == .done && host.output.contains("nothing to do"), "\(host.errors)")
    #expect(agents.allSatisfy { $0.request == nil })
    let second = AgreedInventory(first: Self.inventory(["minio-1", "minio-2"])).next(
      Self.inventory(three))
    for agent in agents.prefix(3) { agent.agreed.update { $0 = second } }
    #expect(run("inventory apply --yes", agents, file: Self.inventory(three)).code == .done)
    agents[1].agreed.update { $0 = AgreedInventory(first: Self.inventory(three)) }
    let (code2, told) = run("inventory apply --yes", agents, file: Self.inventory(three))
    #expect(code2 == .unknown && told.output.contains("not known of minio-2"), "\(told.output)")
    #expect(agents[3].agreed.withLock { $0 } == second)
  }

  @Test("a node that leaves and does not answer is named with the way to leave it out")
  func gone() {
    let agreed = AgreedInventory(first: Self.inventory(three))
    let agents =
      ["minio-1", "minio-2"].map { FakeAgent($0) } + [FakeAgent("minio-3", .unreachable)]
    for agent in agents { agent.agreed.update { $0 = agreed } }
    let file = Self.inventory(["minio-1", "minio-2"], witness: false)
    let (code, host) = run("inventory apply --yes", agents, file: file)
    #expect(code == .unreachable)
    #expect(host.errors.contains("--without minio-3"), "\(host.errors)")
    #expect(agents.allSatisfy { $0.request == nil })
    let (again, told) = run("inventory apply --yes --without minio-3", agents, file: file)
    #expect(again == .done, "\(told.output)\(told.errors)")
    #expect(told.output.contains("retired: minio-3"))
    #expect(agents[0].request?.rollout.members == ["minio-1", "minio-2"])
    // Again it is nothing to do; with another name it is a mistake.
    if let next = agents[0].request?.rollout.change?.next {
      for agent in agents { agent.agreed.update { $0 = next } }
    }
    let (twice, same) = run("inventory apply --yes --without minio-3", agents, file: file)
    #expect(twice == .done && same.output.contains("nothing to do"), "\(same.errors)")
    let (mistyped, _) = run("inventory apply --yes --without minio-4", agents, file: file)
    #expect(mistyped == .validationRefused)
    for agent in agents { agent.agreed.update { $0 = agreed } }
    // One that stays cannot be left out, and neither can half of all.
    let (few, lost) = run(
      "inventory apply --yes --without minio-2 --without minio-3", agents,
      file: Self.inventory(["minio-1"], witness: false))
    #expect(few == .validationRefused)
    #expect(lost.errors.contains("Replace a node under its name"), "\(lost.errors)")
    let (refused, why) = run(
      "inventory apply --yes --without minio-3", agents, file: Self.inventory(three))
    #expect(refused == .validationRefused && why.errors.contains("the new inventory has it"))
  }

  @Test("MINIO_VOLUMES of the nodes that stay is held against the new inventory, and its pools")
  func volumes() {
    let agreed = AgreedInventory(first: Self.inventory(three))
    func told(_ volumes: String, outside: [String] = []) -> String {
      let agents =
        ["minio-1", "minio-2"].map { name in
          FakeAgent(
            name,
            explained: ExplainAnswer(
              node: name, name: "MINIO_VOLUMES",
              definitions: [
                ExplainedDefinition(
                  place: "/etc/default/minio", line: 1, value: volumes, effect: .wins, reason: "")
              ], suggestion: nil))
        } + [FakeAgent("minio-3", .unreachable)]
      for agent in agents { agent.agreed.update { $0 = agreed } }
      var file = Self.inventory(["minio-1", "minio-2"], witness: false)
      file.outsideNodes = outside
      let (code, host) = run("inventory apply --yes --without minio-3", agents, file: file)
      #expect(code == .done, "\(host.output)\(host.errors)")
      return host.errors
    }
    let forgotten = told("http://minio-{1...3}:9000/data")
    #expect(
      forgotten.contains(
        "minio-[1-2]: with this inventory every rollout is refused (exit 5): MINIO_VOLUMES names minio-3"
      ), "\(forgotten)")
    #expect(forgotten.contains("keeps 2 of its 3 hosts"), "\(forgotten)")
    let said = told("http://minio-{1...3}:9000/data", outside: ["minio-3"])
    #expect(!said.contains("every rollout is refused") && said.contains("keeps 2 of its 3 hosts"))
    let shrunk = told("http://minio-{1...2}:9000/data")
    #expect(!shrunk.contains("MINIO_VOLUMES") && !shrunk.contains("hosts:"), "\(shrunk)")
  }

  @Test("what agents take only at their start, a no, and a seal that differs: nothing is changed")
  func refused() {
    var other = Self.inventory(three)
    other.unit = "other.service"
    let (code, host) = run("inventory apply --yes", agents(), file: other)
    #expect(code == .validationRefused && host.errors.contains("unit is another one"))
    let file = Self.inventory(three, startSeconds: 60)
    let agreed = AgreedInventory(first: Self.inventory(three))
    let sealed = [
      FakeAgent("minio-1"), FakeAgent("minio-2", sealed: Sample.seal), FakeAgent("minio-3"),
    ]
    for agent in sealed { agent.agreed.update { $0 = agreed } }
    let (guarded, told) = run("inventory apply --yes", sealed, file: file)
    #expect(guarded == .guardRefused && told.errors.contains("its seal is another one"))
    #expect(sealed.allSatisfy { $0.request == nil })
    let voters = [
      FakeAgent("minio-1"), FakeAgent("minio-2", .votesNo(Refusal(.vote, "not now"))),
      FakeAgent("minio-3"),
    ]
    for agent in voters { agent.agreed.update { $0 = agreed } }
    let (no, words) = run("inventory apply --yes", voters, file: file)
    #expect(no == .voteRefused, "\(words.errors)")
    #expect(words.errors.contains("nothing was changed: minio-2: not now"))
  }

  @Test("an old file undoes nothing: its number is another, or it has none and nodes would leave")
  func base() {
    let agents = agents()
    let second = AgreedInventory(first: Self.inventory(["minio-1", "minio-2"])).next(
      Self.inventory(three))
    for agent in agents.prefix(3) { agent.agreed.update { $0 = second } }
    var file = Self.inventory(["minio-1", "minio-2"])
    let (none, told) = run("inventory apply --yes", agents, file: file)
    #expect(none == .voteRefused && told.errors.contains("minio-3 would leave"), "\(told.errors)")
    file.number = 1
    let (old, words) = run("inventory apply --yes", agents, file: file)
    #expect(old == .voteRefused && words.errors.contains("made from inventory number 1"))
    #expect(agents.allSatisfy { $0.request == nil })
    file.number = 2
    #expect(run("inventory apply --yes", agents, file: file).code == .done)
    #expect(agents[0].request?.rollout.change?.next.inventory.number == nil)
  }

  @Test("a node that answers is not left out as gone")
  func alive() {
    let agents = agents()
    let (code, host) = run(
      "inventory apply --yes --without minio-3", agents,
      file: Self.inventory(["minio-1", "minio-2"]))
    #expect(code == .validationRefused && host.errors.contains("and answers"), "\(host.errors)")
  }

  @Test("one node alone makes nobody believe that the cluster goes by something else")
  func liar() {
    let agents = agents()
    let second = AgreedInventory(first: Self.inventory(three)).next(
      Self.inventory(three, startSeconds: 60))
    for agent in agents.prefix(3) { agent.agreed.update { $0 = second } }
    agents[0].agreed.update {
      $0 = second.next(Self.inventory(["minio-1"])).next(Self.inventory(["minio-1"]))
    }
    let (code, host) = run("inventory show", agents, file: Self.inventory(three))
    #expect(code == .done && host.errors.contains("inventory number 2"), "\(host.errors)")
    // Only the one that is to join answers, with what is to come in its file.
    let joining = [FakeAgent("minio-4")]
    joining[0].agreed.update { $0 = AgreedInventory(first: Self.inventory(three + ["minio-4"])) }
    let (alone, _) = run(
      "inventory apply --yes", joining, file: Self.inventory(three + ["minio-4"]))
    #expect(alone == .voteRefused)
  }

  @Test("without a terminal and without --yes nothing is asked of the nodes but what they go by")
  func unasked() {
    let agents = agents()
    let (code, host) = run(
      "inventory apply", agents, file: Self.inventory(three, startSeconds: 60))
    #expect(code == .usage && host.errors.contains("give --yes"))
    #expect(agents.allSatisfy { $0.request == nil })
  }

  @Test("nodes whose files differ before the first vote are told, and none is taken for right")
  func files() {
    let agents = agents()
    agents[2].agreed.update {
      $0 = AgreedInventory(first: Self.inventory(three, startSeconds: 5))
    }
    let (code, host) = run("inventory show", agents, file: Self.inventory(three))
    #expect(code == .voteRefused)
    #expect(host.errors.contains("(minio-[1-2] "), "\(host.errors)")
  }
}
