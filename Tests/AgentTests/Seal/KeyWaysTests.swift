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
import StartWatch
import Testing
import Threads

/// Another key by a way that the environment file does not show: refused by the key guard, or told of the running
/// server.
@Suite("Other ways to another key", .timeLimit(.minutes(2)))
struct KeyWaysTests {
  private static let config = "/etc/minio/config.env"
  private static let byConfig = [
    SettingChange(name: "MINIO_CONFIG_ENV_FILE", value: Secret(config))
  ]

  private func confirmed() throws -> Node {
    let node = Node()
    node.host.state.update { $0.kms = .untold("403") }
    #expect(try node.apply(enabling)?.kind == .confirmed)
    return node
  }

  private func status(_ node: Node) throws -> NodeStatus {
    try JSON.decode(NodeStatus.self, from: node.send("GET", "/v1/status").body)
  }

  private func point(to path: String) -> [SettingChange] {
    [SettingChange(name: "MINIO_CONFIG_ENV_FILE", value: Secret(path))]
  }

  @Test(
    "on a sealed node a second file where others can put one is refused by the key guard",
    arguments: [
      "/tmp/minio.env", "/var/tmp/minio.env", "/dev/shm/minio.env", "/run/user/1000/minio.env",
      "/proc/self/environ", "/dev/stdin", "/etc/minio/none.env",
    ])
  func places(path: String) throws {
    let node = try confirmed()
    if path != "/etc/minio/none.env" { node.host.state.update { $0[path] = "MINIO_X=1\n" } }
    let refusal = try #require(node.plan(point(to: path)).refusal)
    #expect(refusal.code == .guarded, "\(refusal)")
    #expect(refusal.message.contains(path))
  }

  @Test("the same for the rollout that would seal the first key")
  func first() throws {
    let node = Node()
    node.host.state.update { $0["/tmp/minio.env"] = "MINIO_X=1\n" }
    let refusal = try #require(node.plan(enabling + point(to: "/tmp/minio.env")).refusal)
    #expect(refusal.code == .guarded)
    // Without a key it is nobody's business; a file that no two processes find the same is an error all the same.
    #expect(try node.plan(point(to: "/tmp/minio.env")).refusal == nil)
    #expect(try node.plan(point(to: "/proc/self/environ")).refusal?.code == .validation)
  }

  @Test("a file that leads to such a place, or that somebody else may write, is refused")
  func foreign() throws {
    let node = try confirmed()
    node.host.state.update { $0[Self.config] = "MINIO_X=1\n" }
    #expect(try node.plan(Self.byConfig).refusal == nil)
    let steps = [Self.config, "/tmp/x"]
    node.host.state.update { $0.places[Self.config] = .init(path: Self.config, steps: steps) }
    #expect(try node.plan(Self.byConfig).refusal?.code == .guarded)
    node.host.state.update {
      $0.places[Self.config] = .init(path: Self.config, foreign: "group 7 may write /etc/minio")
    }
    let refusal = try #require(node.plan(Self.byConfig).refusal)
    #expect(refusal.code == .guarded && refusal.message.contains("group 7 may write /etc/minio"))
  }

  @Test(
    "a unit that gives the server another tree there, or a session with variables, is refused",
    arguments: [
      UnitSandbox(mounts: ["/etc/minio"]), UnitSandbox(inaccessible: ["-/etc/minio/config.env"]),
      UnitSandbox(root: "/srv"), UnitSandbox(pamName: "login"),
    ])
  func sandbox(sandbox: UnitSandbox) throws {
    let node = try confirmed()
    node.host.state.update { state in
      state[Self.config] = "MINIO_X=1\n"
      state.unit.sandbox = sandbox
    }
    #expect(try node.plan(Self.byConfig).refusal?.code == .guarded)
  }

  @Test("the running server with another key in its environment is an error at the next look")
  func environment() throws {
    let node = try confirmed()
    node.host.state.update { state in
      state.process = state.process.map {
        $0.name == "MINIO_KMS_SSE_KEY" ? .init(name: $0.name, value: "another-key") : $0
      }
    }
    let item = try #require(status(node).drift.items?.first { $0.kind == .runningKey })
    #expect(item.severity == .error && item.message.contains("\"another-key\""))
    let finding = try #require(status(node).findings.first { $0.rule == "running-key" })
    #expect(finding.severity == .error && finding.refusal == .guarded)
  }

  @Test("another key in the file that the server sees, and the host does not, is an error")
  func seen() throws {
    let node = try confirmed()
    node.host.state.update { state in
      state[Self.config] = "MINIO_X=1\n"
      state.process.append(.init(name: "MINIO_CONFIG_ENV_FILE", value: Self.config))
    }
    #expect(try status(node).drift.items?.contains { $0.kind == .runningKey } == false)
    node.host.state.update {
      $0.seen[Self.config] = Array("MINIO_KMS_SSE_KEY=another-key\n".utf8)
    }
    let item = try #require(status(node).drift.items?.first { $0.kind == .runningKey })
    #expect(item.severity == .error && item.message.contains("\(Self.config) line 1"))
  }

  @Test("a file that was changed after the start, or is gone, leaves the key unknown: a warning")
  func changed() throws {
    let node = try confirmed()
    node.host.state.update { state in
      state[Self.config] = "MINIO_X=1\n"
      state.process.append(.init(name: "MINIO_CONFIG_ENV_FILE", value: Self.config))
      state.changed[Self.config] = Clock.realtimeMicroseconds() + 1_000_000
    }
    let item = try #require(status(node).drift.items?.first { $0.kind == .runningKey })
    #expect(item.severity == .warning && item.message.contains("changed after its start"))
    node.host.state.update { $0[Self.config] = nil }
    let gone = try #require(status(node).drift.items?.first { $0.kind == .runningKey })
    #expect(gone.severity == .warning && gone.message.contains("is not there"))
  }

  @Test(
    "the watch tells of another key in use at once, with its id, also while a file cannot be read")
  func told() throws {
    let node = try confirmed()
    try node.agent.drift.watch()
    node.host.state.update { state in
      state.readFailure = Refusal(.file, "read: Input/output error")
      state.process = state.process.map {
        $0.name == "MINIO_KMS_SSE_KEY" ? .init(name: $0.name, value: "another-key") : $0
      }
      state.stirs += 1
    }
    let event = node.host.state.wait(until: .inMilliseconds(20_000)) { state in
      state.events.first { $0.id == DriftKind.runningKey.messageID }
    }
    #expect(event?.priority == .error)
    let metrics = node.send("GET", "/metrics").body
    #expect(
      String(decoding: metrics, as: UTF8.self).contains("keyturn_drift{kind=\"runningKey\"} 1\n"))
  }

  /// A start that goes well but for what `change` makes of it.
  private func start(_ change: @escaping @Sendable (inout FakeNodeHost.State) -> Void) throws
    -> Outcome?
  {
    let node = try confirmed()
    node.host.state.update { $0.onRestart = change }
    return try node.apply([], id: "00000000000000ab", kind: .restart)
  }

  @Test("a start that the server itself says uses another key is never confirmed")
  func ownWord() throws {
    let outcome = try start { $0.kms = .defaultKey("another-key") }
    #expect(outcome?.kind == .failed)
    #expect(outcome?.reason.contains("encrypts with the key \"another-key\"") == true)
  }

  @Test("a start that the start guard has left no evidence of is never confirmed")
  func unguarded() throws {
    let outcome = try start { $0.unguarded = [$0.unit.invocationID] }
    #expect(outcome?.kind == .failed && outcome?.reason.contains("did not run") == true)
  }

  @Test("neither word nor evidence is missed by a first start that seals the key")
  func firstStart() throws {
    for change in [
      { $0.kms = .defaultKey("another-key") }, { $0.unguarded = [$0.unit.invocationID] },
    ] as [@Sendable (inout FakeNodeHost.State) -> Void] {
      let node = Node()
      node.host.state.update { $0.onRestart = change }
      #expect(try node.apply(enabling)?.kind == .failed)
      #expect(node.host.state.withLock { $0.records["seal"] } == nil)
    }
  }

  @Test("a server that tells nothing is judged by environment and files, and the outcome says so")
  func untold() throws {
    let outcome = try start { $0.kms = .untold("403") }
    #expect(outcome?.kind == .confirmed)
    let text = "the sealed key by its environment and files only, as it does not tell (403)"
    #expect(outcome?.reason.contains(text) == true, "\(outcome?.reason ?? "")")
  }

  @Test("its own word tells the key's name where the file was changed since, and not the enclave")
  func wordDecides() throws {
    let node = Node()
    #expect(try node.apply(enabling)?.kind == .confirmed)
    node.host.state.update { state in
      state[Self.config] = "MINIO_X=1\n"
      state.process.append(.init(name: "MINIO_CONFIG_ENV_FILE", value: Self.config))
      state.changed[Self.config] = Clock.realtimeMicroseconds() + 1_000_000
    }
    let items = try status(node).drift.items?.filter { $0.kind == .runningKey } ?? []
    #expect(items.count == 1 && items.first?.severity == .warning)
    #expect(items.first?.message.contains("and not its enclave") == true)
    node.host.state.update { $0.kms = .defaultKey("another") }
    node.agent.member.key.forgetWord()
    let others = try status(node).drift.items?.filter { $0.kind == .runningKey } ?? []
    #expect(others.count == 1 && others.first?.severity == .error)
  }
}
