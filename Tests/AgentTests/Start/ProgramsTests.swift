// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import ServerUnit
import Testing
import Threads

@Suite("Agent: the server's program", .timeLimit(.minutes(1)))
struct ProgramsTests {
  private static let old = "RELEASE.2025-01-01T00-00-00Z"
  private static let new = "RELEASE.2025-09-07T16-13-09Z"

  /// A node whose server runs the old program.
  private func node() -> Node {
    let host = FakeNodeHost(file: plainFile)
    host.state.update { state in
      state.program = .init(inode: 1, text: "old", releases: [Self.old])
      state.runningProgram = .init(inode: 1, text: "old", releases: [Self.old])
    }
    return Node(host)
  }

  private func install(_ node: Node, _ text: String = "new", inode: UInt64 = 2) {
    // A release that the program was made to know of is older than its own.
    node.host.state.update {
      $0.program = .init(inode: inode, text: text, releases: [Self.old, Self.new, "RELEASE.x"])
    }
  }

  private func items(_ node: Node) -> [DriftItem] {
    (node.agent.status().drift.items ?? []).filter { $0.kind == .binary }
  }

  @Test("the program that a start would run and the one that runs are told with their releases")
  func told() throws {
    let node = node()
    #expect(items(node).isEmpty)
    let report = try #require(node.agent.status().report?.programs)
    #expect(report.installed == report.running && report.installed?.release == Self.old)
    #expect(report.installed?.digest == .ofFields(["old"]))
    install(node)
    let plan = try node.plan([])
    #expect(plan.programs?.installed?.release == Self.new)
    #expect(plan.programs?.change == "\(Self.old) -> \(Self.new)")
    // A package alone restarts nothing.
    #expect(!plan.restartNeeded)
  }

  @Test("a replaced program is drift until a rollout has started it; the same bytes are a note")
  func drift() throws {
    let node = node()
    #expect(try node.apply(enabling)?.kind == .confirmed)
    install(node)
    #expect(items(node).map(\.severity) == [.warning])
    #expect(items(node)[0].message.hasSuffix("is now: \(Self.old) -> \(Self.new)"))
    install(node, "old", inode: 3)
    #expect(items(node).map(\.severity) == [.note])
    node.host.state.update { $0.program = nil }
    #expect(
      items(node).map(\.message) == ["/usr/local/bin/minio is gone: the next start would fail"])
    let gone = try node.plan([]).findings.filter { $0.rule == "program-gone" }
    #expect(gone.map(\.severity) == [.error] && gone.map(\.refusal) == [.unit])
    install(node)
    #expect(try !node.plan([]).findings.contains { $0.rule == "program-gone" })
    #expect(try node.apply([], id: "00000000000000ab", kind: .restart)?.kind == .confirmed)
    #expect(items(node).isEmpty)
  }

  @Test("a file is read once, and again when it has changed")
  func once() throws {
    let node = node()
    for _ in 0..<3 { _ = node.agent.status() }
    #expect(node.host.state.withLock { $0.programReads } == 1)
    install(node)
    for _ in 0..<3 { _ = try node.plan([]) }
    #expect(node.host.state.withLock { $0.programReads } == 2)
  }

  @Test("a program that was replaced between plan and vote is a no")
  func vote() throws {
    let node = node()
    let rollout = try node.rollout(enabling)
    let planned = try #require(try node.plan(enabling).programs?.installed?.digest)
    install(node)
    let request = PrepareRequest(
      rollout: rollout, request: RolloutRequest(kind: .apply, changes: enabling),
      seals: node.seals.withLock { $0 }, program: planned)
    let answer = try JSON.decode(
      VoteAnswer.self, from: node.send("POST", "/v1/rollouts", JSON.encode(request)).body)
    #expect(answer.refusal?.code == .vote)
    #expect(answer.refusal?.message.contains("is another one than when the plan was made") == true)
  }

  @Test(
    "a script, a wrapper and another file system are not judged",
    arguments: [
      ["/usr/local/bin/start"], ["/bin/sh", "-c", "minio server"], ["minio", "server"], [],
    ])
  func unknown(_ command: [String]) throws {
    let node = node()
    node.host.state.update { $0.unit.execStart = command }
    #expect(node.agent.status().report?.programs == nil)
    let script = self.node()
    script.host.state.update { $0.program?.isNative = false }
    #expect(script.agent.status().report?.programs == nil)
    let elsewhere = self.node()
    elsewhere.host.state.update { $0.unit.sandbox.root = "/srv" }
    #expect(elsewhere.agent.status().report?.programs == nil)
  }

  @Test("a program that cannot be read is a warning in the plan, and no difference")
  func unreadable() throws {
    let node = node()
    node.host.state.update { $0.programFailure = Refusal(.file, "it took too long") }
    let plan = try node.plan([])
    #expect(plan.programs?.installed == nil)
    #expect(plan.findings.contains { $0.rule == "program-unreadable" && $0.severity == .warning })
  }
}
