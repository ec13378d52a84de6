// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

/// The layout of docs/facts.md, "Two environment files": little in the file that systemd reads, the
/// rest in the server's own.
private let configPath = "/etc/minio/config.env"
private func twoFiles(
  _ config: String? = "MINIO_ROOT_USER=\"admin\"\n", more: String = ""
) -> FakeNodeHost {
  let host = FakeNodeHost(
    file: "MINIO_VOLUMES=\"/data\"\nMINIO_CONFIG_ENV_FILE=\(configPath)\n\(more)")
  host.state.update { $0[configPath] = config }
  return host
}
private let browser = [SettingChange(name: "MINIO_BROWSER", value: Secret("off"))]

@Suite("Agent: the file that wins")
struct EditTargetTests {
  @Test("in the layout of two files a rollout replaces the server's own, and seals what is in it")
  func rollout() throws {
    let node = Node(twoFiles())
    let before = node.host.state.withLock { $0.file }
    #expect(try node.plan(enabling).path == configPath)
    #expect(try node.apply(enabling)?.kind == .confirmed)
    node.host.state.withLock { state in
      #expect(state.file == before)
      #expect(state[configPath]?.contains("MINIO_KMS_SSE_KEY=\"key-1\"") == true)
    }
    let status = node.agent.status()
    #expect(status.seal?.keyName == "key-1")
    #expect(status.generation?.path == configPath)
    #expect(status.runningKey == "key-1")
    #expect(status.drift.isEmpty)
    let other = [SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("key-2"))]
    #expect(try node.plan(other).refusal?.code == .guarded)
    // A restart is of the file that the last generation is of.
    #expect(try node.plan([], kind: .restart).path == configPath)
  }

  @Test("a variable stays in the file that has it; new ones go with it")
  func home() throws {
    let host = twoFiles(more: "MINIO_BROWSER=on\n")
    let node = Node(host)
    #expect(try node.plan(browser).path == "/etc/default/minio")
    let plan = try node.plan(
      browser + [SettingChange(name: "MINIO_SITE_REGION", value: Secret("eu"))])
    #expect(plan.path == "/etc/default/minio")
    #expect(plan.refusal == nil)
    #expect(plan.difference.count == 3)
    // What is fulfilled already, wherever, needs no file.
    let done = [SettingChange(name: "MINIO_ROOT_USER", value: Secret("admin"))]
    #expect(try node.plan(browser + done).path == "/etc/default/minio")
    #expect(try node.plan(done).difference.isEmpty)
  }

  @Test("without a file of the server's own, new variables go into the inventory's file")
  func fallback() throws {
    #expect(try Node(twoFiles(nil)).plan(browser).path == "/etc/default/minio")
    #expect(try Node().plan(browser).path == "/etc/default/minio")
  }

  @Test("of two definitions the one that wins is edited")
  func winner() throws {
    let node = Node(twoFiles("MINIO_BROWSER=on\n", more: "MINIO_BROWSER=x\n"))
    let plan = try node.plan(browser)
    #expect(plan.path == configPath)
    #expect(plan.refusal == nil)
  }

  @Test("a file of a pattern is edited like any other")
  func pattern() throws {
    let host = FakeNodeHost(file: plainFile)
    host.state.update { state in
      state.unit.environmentFiles.append(.init(path: "/etc/minio/*.env"))
      state["/etc/minio/a.env"] = "MINIO_BROWSER=x\n"
      state["/etc/minio/b.env"] = "MINIO_BROWSER=on\n"
    }
    let node = Node(host)
    #expect(try node.plan(browser).path == "/etc/minio/b.env")
    #expect(try node.apply(browser)?.kind == .confirmed)
    #expect(host.state.withLock { $0["/etc/minio/b.env"] } == "MINIO_BROWSER=\"off\"\n")
  }

  @Test("settings of two files, or one to be removed from two, are refused with both places")
  func two() throws {
    let node = Node(twoFiles("MINIO_A=1\nMINIO_B=1\n", more: "MINIO_B=2\nMINIO_C=3\n"))
    let changes = ["MINIO_A", "MINIO_C"].map { SettingChange(name: $0, value: Secret("9")) }
    for changes in [changes, [SettingChange(name: "MINIO_B", value: nil)]] {
      let refusal = try node.plan(changes).refusal
      #expect(refusal?.code == .validation)
      #expect(refusal?.message.contains("\(configPath) line ") == true)
      #expect(refusal?.message.contains("/etc/default/minio line ") == true)
    }
    #expect(try node.plan([SettingChange(name: "MINIO_C", value: nil)]).refusal == nil)
  }

  @Test("a setting whose place is no file is refused with the place and what to do")
  func noFile() throws {
    let places: [(@Sendable (inout FakeNodeHost.State) -> Void, String)] = [
      ({ $0.manager.environment.append("MINIO_BROWSER=on") }, "systemctl unset-environment"),
      (
        { state in
          state.unit.passEnvironment = ["MINIO_BROWSER"]
          state.initial = [EnvironmentVariable(name: "MINIO_BROWSER", value: "on")]
        }, "remove it from PassEnvironment="
      ),
      ({ $0.unit.environment = ["MINIO_BROWSER=on"] }, "remove it from Environment="),
    ]
    for (change, advice) in places {
      let node = Node()
      node.host.state.update { change(&$0) }
      for value in [Secret("off"), nil] {
        let plan = try node.plan([SettingChange(name: "MINIO_BROWSER", value: value)])
        #expect(plan.refusal?.code == .validation)
        #expect(plan.refusal?.message.contains(advice) == true, "\(plan.refusal?.message ?? "")")
      }
    }
  }

  @Test("a setting that UnsetEnvironment= takes away again is refused")
  func unset() throws {
    let node = Node()
    node.host.state.update { $0.unit.unsetEnvironment += ["MINIO_BROWSER"] }
    let plan = try node.plan(browser)
    #expect(plan.refusal?.code == .validation)
    #expect(plan.refusal?.message.contains("UnsetEnvironment=") == true)
  }

  @Test("a change that makes the server read another file, which overrides it, is refused")
  func newConfig() throws {
    let node = Node()
    node.host.state.update { $0[configPath] = "# mine\nMINIO_BROWSER=on\n" }
    let plan = try node.plan(
      browser + [SettingChange(name: "MINIO_CONFIG_ENV_FILE", value: Secret(configPath))])
    #expect(plan.refusal?.code == .validation)
    #expect(plan.refusal?.message.contains("\(configPath), MINIO_BROWSER, line 2") == true)
  }

  @Test("a vote for another file than the one that wins now is a no")
  func otherPath() throws {
    let node = Node(twoFiles())
    var rollout = try node.rollout(enabling)
    rollout.contents[0].path = "/etc/default/minio"
    let refusal = try node.prepare(rollout, enabling).refusal
    #expect(refusal?.code == .vote)
    #expect(refusal?.message.contains(configPath) == true)
    #expect(node.host.state.withLock { $0.staged.isEmpty })
  }

  @Test("a file that the server's user cannot read is refused, unless its capabilities read all")
  func unreadable() throws {
    let node = Node(twoFiles())
    node.host.state.update { $0.obstacles[configPath] = "the file (mode 600) cannot be read" }
    let refusal = try node.plan(browser).refusal
    #expect(refusal?.code == .file)
    #expect(refusal?.message.contains("mode 600") == true)
    #expect(try node.plan([], kind: .restart).refusal?.code == .file)
    // CAP_DAC_OVERRIDE
    node.host.state.update { $0.unit.ambientCapabilities = 2 }
    #expect(try node.plan(browser).refusal == nil)
  }

  @Test("a file that cannot be replaced is refused in the plan already; one that stays is not")
  func irreplaceable() throws {
    let node = Node(twoFiles())
    node.host.state.update {
      $0.replaceFailures[configPath] = Refusal(.file, "write into /etc/minio: read-only")
    }
    #expect(try node.plan(browser).refusal == Refusal(.file, "write into /etc/minio: read-only"))
    #expect(try node.plan([], kind: .restart).refusal == nil)
  }

  @Test("a new file that the server reads is its user's; one that systemd reads is root's")
  func owner() throws {
    let own = FakeNodeHost(file: "")
    own.state.update { state in
      state.file = nil
      state.unit.environmentFiles = [.init(path: "/etc/default/minio-unit")]
      state["/etc/default/minio-unit"] = "MINIO_CONFIG_ENV_FILE=\(configPath)\n"
    }
    for (host, file, user) in [
      (own, configPath, "minio-user"), (FakeNodeHost(file: ""), "/etc/default/minio", nil),
    ] {
      let node = Node(host, environmentFile: file)
      host.state.update { $0.files[file] = nil }
      let rollout = try node.rollout(enabling)
      #expect(rollout.contents.first?.path == file)
      #expect(try node.prepare(rollout, enabling).refusal == nil)
      #expect(host.state.withLock { $0.owners[file]?.user } == user)
    }
  }

  @Test("what a dead agent staged beside any file of the environment is removed at the start")
  func orphans() {
    let host = twoFiles()
    host.state.update { $0.staged["00000000000000ee"] = .init(path: configPath, bytes: [1]) }
    _ = Node(host)
    #expect(host.state.withLock { $0.staged.isEmpty })
  }

  @Test("a sealed key that UnsetEnvironment= takes away is refused, and that is what is said")
  func guardedUnset() throws {
    let node = Node()
    try node.apply(enabling)
    node.host.state.update { $0.unit.unsetEnvironment += ["MINIO_KMS_SSE_KEY"] }
    let refusal = try node.plan([], kind: .restart).refusal
    #expect(refusal?.code == .guarded)
    #expect(refusal?.message.hasPrefix("UnsetEnvironment= of minio.service takes") == true)
  }

  @Test("the key in a running server's own file is in force although nothing was sealed yet")
  func runningConfig() throws {
    let node = Node(
      twoFiles(enabling.map { "\($0.name)=\"\($0.value?.reveal() ?? "")\"\n" }.joined()))
    let other = [SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("key-2"))]
    #expect(try node.plan(other).refusal?.code == .guarded)
  }
}

@Suite("Agent: explain")
struct ExplainTests {
  private func explain(_ node: Node, _ name: String?) -> HTTPResponse {
    node.send("GET", "/v1/explain", query: name.map { [(name: "name", value: $0)] } ?? [])
  }

  @Test("every place of a variable is told in order, secrets as identities")
  func answer() throws {
    let node = Node(
      twoFiles("# c\nMINIO_KMS_API_KEY=\(apiKey)\n", more: "MINIO_KMS_API_KEY=hunter22\n"))
    let response = explain(node, "MINIO_KMS_API_KEY")
    let text = String(decoding: response.body, as: UTF8.self)
    #expect(!text.contains(apiKey) && !text.contains("hunter22"))
    let answer = try JSON.decode(ExplainAnswer.self, from: response.body)
    #expect(
      answer.definitions == [
        ExplainedDefinition(
          place: "/etc/default/minio", line: 3, value: "<redacted>", effect: .overridden, reason: ""
        ),
        ExplainedDefinition(
          place: configPath, line: 2, value: identity, effect: .wins, reason: ""),
      ])
    #expect(answer.winner?.place == configPath)
  }

  @Test("a variable that is set nowhere is told so, with the name that was meant")
  func unknown() throws {
    let answer = try JSON.decode(
      ExplainAnswer.self, from: explain(Node(), "MINIO_KMS_SSE_KYE").body)
    #expect(answer.definitions.isEmpty && answer.winner == nil)
    #expect(answer.suggestion == "MINIO_KMS_SSE_KEY")
  }

  @Test("what cannot be a variable's name is refused")
  func malformed() {
    let node = Node()
    for name in [nil, "", "A B", "1A", "MINIO_\u{e9}", String(repeating: "A", count: 257)] {
      #expect(explain(node, name).status == 400, "\(name ?? "nil")")
    }
    #expect(explain(node, String(repeating: "A", count: 256)).status == 200)
  }
}
