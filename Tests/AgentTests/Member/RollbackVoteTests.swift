// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Crypto
import HTTP
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

/// The vote on a rollback that takes a key away
/// (docs/decisions/0013-rollback-stops-before-its-vote.md).
@Suite("A rollback's vote")
struct RollbackVoteTests {
  static let refusedLine =
    "FATAL Failed to connect to KMS: failed to generate data key with KMS key: \"kms-1:7373\": "
    + "dial tcp 10.0.0.5:7373: connect: connection refused"
  static let peersLine =
    "INFO: Waiting for at least 3 remote servers with valid configuration to be online"
  static let failed = "00000000000000aa"

  static func entry(_ line: String, _ invocation: String, pid: Int32 = 101) -> JournalEntry {
    JournalEntry(
      cursor: "c", realtimeMicroseconds: 1, monotonicMicroseconds: 1, bootID: "boot-1",
      invocationID: invocation, pid: pid, priority: 6, identifier: "minio", message: line)
  }

  /// A node on which the first enablement was committed and failed at the Key Manager.
  func failedNode(lines: [JournalEntry]? = nil) throws -> Node {
    let node = Node()
    node.host.endsAtKeyManager(Self.refusedLine)
    let rollout = try node.rollout(enabling, id: Self.failed)
    #expect(try node.prepare(rollout, enabling).refusal == nil)
    _ = try node.decide(rollout, .commit)
    let outcome = try #require(try node.outcome(rollout))
    #expect(outcome.kind == .failed && outcome.passedKeyManager == false, "\(outcome)")
    node.host.state.update { state in
      state.unit.activeState = "activating"
      state.journal = lines ?? [Self.entry(Self.refusedLine, "new-1")]
    }
    node.host.startsWell([
      "INFO: All MinIO sub-systems initialized successfully in 1s", "MinIO AIStor Server",
    ])
    return node
  }

  /// The rollout that takes it back.
  func undoing(_ node: Node) throws -> Rollout {
    let request = PlanRequest(RolloutRequest(kind: .rollback, undoes: Self.failed))
    let plan = try JSON.decode(
      PlanAnswer.self, from: node.send("POST", "/v1/plan", JSON.encode(request)).body)
    #expect(plan.refusal == nil, "\(plan.refusal?.message ?? "")")
    #expect(plan.currentKey?.name == "key-1" && plan.key == nil)
    return Rollout(
      id: "00000000000000bb", epoch: plan.epoch + 1, kind: .rollback, cluster: "prod",
      generation: plan.generation + 1, seal: nil,
      contents: [
        MemberContent(
          member: "minio-1", incarnation: plan.incarnation, path: plan.path, before: plan.before,
          after: plan.after)
      ],
      createdBy: "alice", prepareMilliseconds: 5_000, stopMilliseconds: 5_000,
      startMilliseconds: 10_000, settleMilliseconds: 0, undoes: Self.failed)
  }

  @Test(
    "the server is stopped and held before the vote, and the previous file comes back at the commit"
  )
  func committed() throws {
    let node = try failedNode()
    let rollout = try undoing(node)
    #expect(rollout.contents[0].after == Digest.sha256(Array(plainFile.utf8)))
    #expect(try node.prepare(rollout, []).refusal == nil)
    let hold = try #require(
      try StartHold.read(node.host.state.withLock { $0.records[StartHold.record] }))
    #expect(hold == StartHold(rollout: rollout.id, key: nil, wasUp: true))
    #expect(node.host.state.withLock { $0.stops } == 1)
    #expect(node.agent.status().findings.contains { $0.rule == "starts-held" })

    _ = try node.decide(rollout, .commit)
    #expect(try node.outcome(rollout)?.kind == .confirmed)
    #expect(node.host.state.withLock { $0[("/etc/default/minio")] } == plainFile)
    #expect(node.host.state.withLock { $0.records[StartHold.record] } == nil)
    #expect(node.host.state.withLock { $0.starts } == 0)

    // What the server has printed of the key stays in the journal, though the key is in no file in force.
    let printed = String(apiKey.dropFirst(3))
    node.host.state.update { $0.journal = [Self.entry("refused: \(printed)", "new-1")] }
    let logs = String(decoding: node.send("GET", "/v1/logs").body, as: UTF8.self)
    #expect(logs.contains("refused: ") && !logs.contains(printed))
  }

  @Test("abort lets the server start again")
  func aborted() throws {
    let node = try failedNode()
    let rollout = try undoing(node)
    #expect(try node.prepare(rollout, []).refusal == nil)
    _ = try node.decide(rollout, .abort)
    #expect(node.waitForNoHold())
    #expect(node.host.state.withLock { $0.starts } == 1)
  }

  @Test("a start that fails after an abort is tried again, also by the agent's next start")
  func startFails() throws {
    let node = try failedNode()
    let rollout = try undoing(node)
    #expect(try node.prepare(rollout, []).refusal == nil)
    node.host.state.update { $0.startFailure = Refusal(.unit, "start minio.service: timed out") }
    _ = try node.decide(rollout, .abort)
    #expect(node.waitForStarts(1))
    #expect(
      node.agent.status().findings.contains { $0.rule == "server-down" && $0.severity == .error })
    let again = Node(node.host)
    #expect(again.waitForStarts(2))
    node.host.state.update { $0.startFailure = nil }
    #expect(again.waitForStarts(3))
    #expect(again.waitForNoHold())
    #expect(node.host.state.withLock { $0.unit.activeState } == "active")
    #expect(!again.agent.status().findings.contains { $0.rule == "server-down" })
  }

  @Test("a server that takes its time to start keeps no message about a rollout waiting")
  func startIsSlow() throws {
    let node = try failedNode()
    let rollout = try undoing(node)
    #expect(try node.prepare(rollout, []).refusal == nil)
    let (begun, done) = (Lock(false), Lock(false))
    node.host.state.update { state in
      state.onStart = {
        begun.update { $0 = true }
        _ = done.wait(until: .inMilliseconds(5_000)) { $0 ? true : nil }
      }
    }
    let told = Lock(false)
    try Thread.start("decide") {
      _ = try? node.decide(rollout, .abort)
      told.update { $0 = true }
    }
    #expect(begun.wait(until: .inMilliseconds(20_000)) { $0 ? true : nil } == true)
    let isTold: Bool? = told.wait(until: .inMilliseconds(2_000)) { $0 ? true : nil }
    #expect(isTold == true, "the abort is answered while the server starts")
    done.update { $0 = true }
    #expect(node.waitForNoHold())
  }

  @Test("an agent that died just when a rollback's start was confirmed holds nothing afterwards")
  func diesAtTheEnd() throws {
    let node = try failedNode()
    let host = node.host
    let rollout = try undoing(node)
    #expect(try node.prepare(rollout, []).refusal == nil)
    let kept = Lock([String: [UInt8]]())
    host.state.update { state in
      state.onSave = { name in
        guard name == "rollout" else { return }
        let records = host.state.withLock { $0.records }
        kept.update { $0 = records }
      }
    }
    _ = try node.decide(rollout, .commit)
    #expect(try node.outcome(rollout)?.kind == .confirmed)
    host.state.update { $0.records = kept.withLock { $0 } }
    let again = Node(host)
    #expect(again.waitForNoHold())
    #expect(!again.agent.status().findings.contains { $0.rule == "starts-held" })
  }

  @Test("a start that got past the Key Manager is a no, and the server is left alone")
  func passed() throws {
    let node = try failedNode(lines: [
      Self.entry(Self.refusedLine, "new-1"), Self.entry(Self.peersLine, "later", pid: 102),
    ])
    let rollout = try undoing(node)
    let refusal = try #require(try node.prepare(rollout, []).refusal)
    #expect(refusal.code == .guarded && refusal.message.contains("Waiting for at least 3"))
    #expect(node.waitForNoHold())
    #expect(node.host.state.withLock { $0.stops == 0 && $0.starts == 0 })
  }

  @Test("one that got past it just before the stop is a no, and the server starts again")
  func lastMoment() throws {
    let node = try failedNode()
    let host = node.host
    let late = Self.entry(Self.peersLine, "later", pid: 102)
    host.state.update { state in
      state.onStop = { host.state.update { $0.journal?.append(late) } }
    }
    let rollout = try undoing(node)
    #expect(try node.prepare(rollout, []).refusal?.code == .guarded)
    #expect(node.waitForNoHold())
    #expect(host.state.withLock { $0.starts } == 1)
  }

  @Test("a hold whose vote was never written is released by the agent's next start")
  func orphan() throws {
    let node = try failedNode()
    let hold = StartHold(rollout: "00000000000000bb", key: nil, wasUp: true)
    node.host.state.update { state in
      state.records[StartHold.record] = JSON.encode(hold)
      state.unit.activeState = "inactive"
    }
    let again = Node(node.host)
    #expect(again.waitForNoHold())
    #expect(node.host.state.withLock { $0.starts } == 1)
  }

  @Test(
    "a hold is released while the unit is still being stopped: a start is queued behind the stop")
  func orphanWhileStopping() throws {
    let node = try failedNode()
    let hold = StartHold(rollout: "00000000000000bb", key: nil, wasUp: true)
    node.host.state.update { state in
      state.records[StartHold.record] = JSON.encode(hold)
      state.unit.activeState = "deactivating"
    }
    let again = Node(node.host)
    #expect(again.waitForNoHold())
    #expect(node.host.state.withLock { $0.starts } == 1)
  }

  @Test("a stop that does not end in time is a no, and the server is started again behind it")
  func stopTimesOut() throws {
    let node = try failedNode()
    node.host.state.update { $0.stopFailure = Refusal(.unit, "stop minio.service: timed out") }
    let rollout = try undoing(node)
    #expect(try node.prepare(rollout, []).refusal?.code == .unit)
    #expect(node.waitForNoHold())
    #expect(node.host.state.withLock { $0.starts } == 1)
  }

  @Test(
    "a rollback that was committed and could not be put in place keeps its hold, until the next rollout"
  )
  func notInPlace() throws {
    let node = try failedNode()
    let rollout = try undoing(node)
    #expect(try node.prepare(rollout, []).refusal == nil)
    node.host.state.update { $0["/etc/default/minio"] = "MINIO_KMS_SSE_KEY=by-hand\n" }
    _ = try node.decide(rollout, .commit)
    #expect(try node.outcome(rollout)?.kind == .failed)
    #expect(node.host.state.withLock { $0.records[StartHold.record] } != nil)
    #expect(node.host.state.withLock { $0.starts } == 0)
    _ = Node(node.host)
    #expect(node.host.state.withLock { $0.records[StartHold.record] } != nil)
  }

  @Test("without the start guard no start could be kept from happening: no")
  func noDoor() throws {
    let node = try failedNode()
    node.host.state.update { $0.unit.startPre = [] }
    let rollout = try undoing(node)
    #expect(try node.prepare(rollout, []).refusal?.code == .unit)
    #expect(node.host.state.withLock { $0.stops } == 0)
  }

  @Test("a file that was changed by hand before the rollout comes back too")
  func changedByHand() throws {
    let node = Node()
    let byHand = plainFile + "MINIO_BROWSER=\"off\"\n"
    node.host.state.update { $0["/etc/default/minio"] = byHand }
    node.host.state.update { $0.startLines = ["FATAL something"] }
    let changes = [SettingChange(name: "MINIO_SITE_NAME", value: Secret("x"))]
    let first = try node.rollout(
      [SettingChange(name: "MINIO_SITE_NAME", value: Secret("y"))], id: "00000000000000a1")
    #expect(
      try node.prepare(first, [SettingChange(name: "MINIO_SITE_NAME", value: Secret("y"))]).refusal
        == nil)
    _ = try node.decide(first, .commit)
    #expect(try node.outcome(first)?.kind == .failed)
    let edited = byHand + "MINIO_DOMAIN=\"z\"\n"
    node.host.state.update { $0["/etc/default/minio"] = edited }
    let second = try node.rollout(changes, id: "00000000000000a2")
    #expect(try node.prepare(second, changes).refusal == nil)
    _ = try node.decide(second, .commit)
    #expect(try node.outcome(second)?.kind == .failed)
    let request = PlanRequest(RolloutRequest(kind: .rollback, undoes: second.id))
    let plan = try JSON.decode(
      PlanAnswer.self, from: node.send("POST", "/v1/plan", JSON.encode(request)).body)
    #expect(plan.refusal == nil)
    #expect(plan.after == Digest.sha256(Array(edited.utf8)))
    let stranger = PlanRequest(RolloutRequest(kind: .rollback, undoes: first.id))
    let no = try JSON.decode(
      PlanAnswer.self, from: node.send("POST", "/v1/plan", JSON.encode(stranger)).body)
    #expect(no.refusal?.code == .vote)
  }
}

extension Node {
  /// Blocks until the unit was started by itself so often.
  func waitForStarts(_ count: Int) -> Bool {
    let isStarted: Bool? = host.state.wait(until: .inMilliseconds(20_000)) {
      $0.starts >= count ? true : nil
    }
    return isStarted ?? false
  }

  /// Blocks until the record of the hold is gone.
  func waitForNoHold() -> Bool {
    let isGone: Bool? = host.state.wait(until: .inMilliseconds(20_000)) {
      $0.records[StartHold.record] == nil ? true : nil
    }
    return isGone ?? false
  }
}
