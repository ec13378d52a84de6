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

/// What an agent finds on its disk when the one before has died.
@Suite("Agent: after one that died")
struct AgentAfterDeathTests {
  @Test("an agent that was restarted after the vote remembers it and removes no staged file")
  func restartedAfterVote() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    _ = try node.prepare(rollout, enabling)
    // Alone it would be the majority that ends it.
    var patient = RecoveryTimes()
    patient.silenceMilliseconds = 3_600_000
    let again = Node(node.host, times: patient, settles: false)
    #expect(again.agent.status().activeRollout == rollout.id)
    #expect(node.host.state.withLock { $0.staged.count } == 1)
    _ = try again.decide(rollout, .commit)
    #expect(try again.outcome(rollout)?.kind == .confirmed)
    #expect(node.host.state.withLock { $0.restarts } == 1)
  }

  /// How far the agent got before it died.
  enum Progress: CaseIterable { case committed, ordered, restarted }

  @Test(
    "an agent that was restarted between commit and restart does what is left, once",
    arguments: Progress.allCases)
  func restartedAfterCommit(_ progress: Progress) throws {
    let host = FakeNodeHost(file: plainFile)
    let first = Node(host)
    let rollout = try first.rollout(enabling)
    _ = try first.prepare(rollout, enabling)
    try first.recordCommit(of: rollout)
    if progress != .committed {
      // It had installed and ordered the restart, and died before it could write so.
      let file = FakeNodeHost.File(host: host)
      if let content = rollout.content(of: "minio-1"), let after = content.after {
        try file.install(at: content.path, tag: rollout.id, before: content.before, after: after)
      }
    }
    switch progress {
    case .committed: break
    case .ordered:
      // systemd is still stopping the server.
      let isTaken = Lock(false)
      host.state.update { state in
        state.unit.activeState = "deactivating"
        state.unit.job = .init(id: 7, path: "/org/freedesktop/systemd1/job/7")
        state.onWait = {
          let isFirst = isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
          }
          guard isFirst else { return }
          host.state.update { $0.unit.job = nil }
          try? FakeNodeHost.Unit(host: host).restart(deadline: .inMilliseconds(1))
        }
      }
    case .restarted: try FakeNodeHost.Unit(host: host).restart(deadline: .inMilliseconds(1))
    }
    let second = Node(host)
    #expect(try second.outcome(rollout)?.kind == .confirmed)
    #expect(host.state.withLock { $0.restarts } == 1)
  }

  @Test("what was decided comes to its end also where the record of the incarnation is damaged")
  func damagedIncarnation() throws {
    let host = FakeNodeHost(file: plainFile)
    let first = Node(host)
    let rollout = try first.rollout(enabling)
    _ = try first.prepare(rollout, enabling)
    try first.recordCommit(of: rollout)
    host.state.update { $0.records["incarnation"] = [] }
    let second = Node(host)
    #expect(try second.outcome(rollout)?.kind == .confirmed)
    #expect(second.agent.status().generation?.number == rollout.generation)
    #expect(second.agent.status().activeRollout == nil)
  }

  @Test("an agent that resumes its watch after a reboot does not wait for the old boot's instant")
  func watchOnAnotherBoot() throws {
    let host = FakeNodeHost(file: plainFile)
    let first = Node(host)
    let rollout = try first.rollout([], kind: .restart)
    _ = try first.prepare(rollout, [])
    // The old boot had lasted for days: its instants are far ahead of this boot's clock.
    let instant = Clock.now().advanced(byMilliseconds: 86_400_000)
    let report = RestartReport(planned: instant, issued: instant, previousInvocation: "old")
    try first.recordCommit(
      of: rollout, at: instant, boot: "boot-0", then: .restarted(id: rollout.id, report))
    try FakeNodeHost.Unit(host: host).restart(deadline: .inMilliseconds(1))
    #expect(try Node(host).outcome(rollout)?.kind == .confirmed)
    #expect(host.state.withLock { $0.restarts } == 1)
  }

  @Test("a file staged by an agent that died before its vote is removed at the next start")
  func orphan() {
    let host = FakeNodeHost(file: plainFile)
    host.state.update {
      $0.staged["00000000000000ee"] = .init(path: "/etc/default/minio", bytes: [1])
    }
    _ = Node(host)
    #expect(host.state.withLock { $0.staged.isEmpty })
  }

  @Test("a damaged record is reported and refuses every rollout, and is not replaced")
  func damaged() throws {
    let host = FakeNodeHost(file: plainFile)
    host.state.update { $0.records["rollout"] = Array("nonsense".utf8) }
    let node = Node(host)
    #expect(node.agent.status().findings.contains { $0.rule == "damaged-record" })
    let request = PlanRequest(RolloutRequest(kind: .restart))
    #expect(node.send("POST", "/v1/plan", JSON.encode(request)).status == 500)
    #expect(host.state.withLock { $0.records["rollout"] } == Array("nonsense".utf8))
  }

  @Test("a rollout of a protocol that this version does not speak is left as it is, by name")
  func newerProtocol() throws {
    let host = FakeNodeHost(file: plainFile)
    let first = Node(host)
    let rollout = try first.rollout(enabling)
    #expect(try first.prepare(rollout, enabling).refusal == nil)
    host.state.update { state in
      let text = String(decoding: state.records["rollout"] ?? [], as: UTF8.self)
      let newer = text.replacing("\"kind\":\"apply\"", with: "\"kind\":\"apply\",\"protocol\":2")
      state.records["rollout"] = Array(newer.utf8)
    }
    let record = host.state.withLock { $0.records["rollout"] }
    let older = Node(host, settles: false)
    let finding = older.agent.status().findings.first { $0.rule == "damaged-record" }
    #expect(finding?.message.contains("protocol 2, and this program speaks") == true)
    #expect(finding?.message.contains("install the Keyturn that began it") == true)
    #expect(host.state.withLock { $0.records["rollout"] } == record)
    #expect(host.state.withLock { $0.staged.count } == 1)
  }

  @Test("a rollout that has ended keeps no agent of another protocol from its record")
  func endedByNewerProtocol() throws {
    let host = FakeNodeHost(file: plainFile)
    try Node(host).apply(enabling)
    host.state.update { state in
      let text = String(decoding: state.records["rollout"] ?? [], as: UTF8.self)
      let newer = text.replacing(
        "\"kind\":\"apply\"", with: "\"kind\":\"apply\",\"protocol\":7")
      #expect(newer != text)
      state.records["rollout"] = Array(newer.utf8)
    }
    let other = Node(host, settles: false)
    #expect(!other.agent.status().findings.contains { $0.rule == "damaged-record" })
    #expect(try other.plan([]).refusal == nil)
  }

  @Test("of a rollout that its damaged record has lost a node tells no outcome from its timeline")
  func lostRollout() throws {
    let host = FakeNodeHost(file: plainFile)
    let first = Node(host, settles: false)
    let rollout = try first.rollout(enabling, settleMilliseconds: 60_000)
    #expect(try first.prepare(rollout, enabling).refusal == nil)
    _ = try first.decide(rollout, .commit)
    // What it writes last before the end of the settle time.
    let isKept = host.state.wait(until: .inMilliseconds(20_000)) { state in
      let record = String(decoding: state.records["rollout"] ?? [], as: UTF8.self)
      let hasTimeline = state.records.keys.contains { $0.hasPrefix("timelines/") }
      return hasTimeline && record.contains("\"watching\"") ? true : nil
    }
    try #require(isKept == true)
    let path = "/v1/rollouts/\(rollout.id)"
    #expect(first.send("GET", path).status == 200)
    host.state.update { $0.records["rollout"] = Array("nonsense".utf8) }
    // Who collects outcomes would take an answer for that of a member that works the result out.
    let refusal = try Node(host, settles: false).send("GET", path).refusal()
    #expect(refusal.message.contains("\"rollout\""), "\(refusal.message)")
  }
}
