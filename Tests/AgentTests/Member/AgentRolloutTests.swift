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

@Suite("Agent: rollout")
struct AgentRolloutTests {
  @Test("commit installs, restarts once, confirms, seals the key and keeps the generation")
  func commit() throws {
    let node = Node()
    let outcome = try node.apply(enabling)
    #expect(outcome?.kind == .confirmed)
    let status = node.agent.status()
    #expect(status.seal?.keyName == "key-1")
    #expect(status.seal?.enclave == "store")
    #expect(status.generation?.number == 1)
    #expect(status.drift.isEmpty)
    #expect(status.runningKey == "key-1")
    node.host.state.withLock { state in
      #expect(state.restarts == 1)
      #expect(state.staged.isEmpty)
      #expect(String(decoding: state.file ?? [], as: UTF8.self).hasPrefix(plainFile))
      #expect(state.records["seal"] != nil)
    }
    #expect(!JSON.line(status).contains(apiKey))
  }

  @Test(
    "once sealed, the key changed, removed or emptied is refused on plan and vote, nothing touched",
    arguments: [Secret("key-2"), nil, Secret("")])
  func sealed(value: Secret?) throws {
    let node = Node()
    try node.apply(enabling)
    let before = node.host.state.withLock { ($0.file, $0.restarts) }
    let change = [SettingChange(name: "MINIO_KMS_SSE_KEY", value: value)]
    let plan = try node.plan(change)
    #expect(plan.refusal?.code == .guarded)
    let rollout = try node.rollout(change, id: "00000000000000bb")
    #expect(try node.prepare(rollout, change).refusal?.code == .guarded)
    let after = node.host.state.withLock { ($0.file, $0.restarts, $0.staged.isEmpty) }
    #expect(after.0 == before.0)
    #expect(after.1 == before.1)
    #expect(after.2)
  }

  @Test("a second definition in the file, and a restart with it, is refused once sealed")
  func secondDefinition() throws {
    let node = Node()
    try node.apply(enabling)
    node.host.state.update {
      $0.file?.append(contentsOf: Array("MINIO_KMS_SSE_KEY=\"key-1\"\n".utf8))
    }
    #expect(try node.plan([], kind: .restart).refusal?.code == .guarded)
  }

  @Test("a second definition anywhere else in the server's environment is refused once sealed")
  func secondSource() throws {
    let changes: [@Sendable (inout FakeNodeHost.State) -> Void] = [
      { state in
        state.files["/etc/minio/extra"] = Array("MINIO_KMS_SSE_KEY=key-2\n".utf8)
        state.unit.environmentFiles.append(.init(path: "/etc/minio/extra"))
      },
      { state in
        state.files["/etc/minio/before"] = Array("MINIO_KMS_SSE_KEY=key-1\n".utf8)
        state.unit.environmentFiles.insert(.init(path: "/etc/minio/before"), at: 0)
      },
      { $0.unit.environment = ["MINIO_KMS_SSE_KEY=key-2"] },
      { state in
        state.files["/etc/minio/config.env"] = Array("MINIO_KMS_SSE_KEY=key-2\n".utf8)
        state.file?.append(contentsOf: Array("MINIO_CONFIG_ENV_FILE=/etc/minio/config.env\n".utf8))
      },
    ]
    for change in changes {
      let node = Node()
      try node.apply(enabling)
      node.host.state.update { change(&$0) }
      let refusal = try node.plan([], kind: .restart).refusal
      #expect(refusal?.code == .guarded)
      #expect(refusal?.message.contains("it is defined in: ") == true)
    }
  }

  @Test("a running server's key is guarded although nothing was sealed yet")
  func adopted() throws {
    let file =
      plainFile
      + "MINIO_KMS_SERVER=\"https://kms-1.example.net:7373\"\nMINIO_KMS_ENCLAVE=\"store\"\nMINIO_KMS_SSE_KEY=\"key-9\"\nMINIO_KMS_API_KEY=\"\(apiKey)\"\n"
    let node = Node(FakeNodeHost(file: file))
    #expect(try node.plan(enabling).refusal?.code == .guarded)
  }

  @Test("abort leaves nothing behind")
  func abort() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    #expect(try node.prepare(rollout, enabling).refusal == nil)
    #expect(node.host.state.withLock { $0.staged.count } == 1)
    #expect(try node.decide(rollout, .abort).reply == .ended)
    node.host.state.withLock { state in
      #expect(state.staged.isEmpty)
      #expect(state.file == Array(plainFile.utf8))
      #expect(state.restarts == 0)
    }
  }

  @Test("a file that cannot be read is refused for that alone, whatever key is in force")
  func unreadable() throws {
    let node = Node()
    try node.apply(enabling)
    node.host.state.update { $0.readFailure = Refusal(.validation, "it is a symbolic link") }
    let plan = try node.plan([SettingChange(name: "MINIO_BROWSER", value: Secret("off"))])
    #expect(plan.refusal == Refusal(.validation, "it is a symbolic link"))
    #expect(!plan.restartNeeded && plan.difference.isEmpty)
  }

  @Test("a file that was changed after the plan is a no")
  func compareAndSwap() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    node.host.state.update { $0.file?.append(contentsOf: Array("# edited\n".utf8)) }
    #expect(try node.prepare(rollout, enabling).refusal?.code == .vote)
    #expect(node.host.state.withLock { $0.staged.isEmpty })
  }

  @Test("other settings than those of the plan are a no")
  func otherSettings() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    let other =
      enabling.dropLast(2) + [
        SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("key-3")), enabling[3],
      ]
    #expect(try node.prepare(rollout, Array(other)).refusal?.code == .vote)
  }

  @Test("a vote that cannot be made durable is a no, and nothing stays staged")
  func undurableVote() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    node.host.state.update { $0.failingRecord = "rollout" }
    #expect(try node.prepare(rollout, enabling).refusal?.code == .file)
    #expect(node.host.state.withLock { $0.staged.isEmpty })
    node.host.state.update { $0.failingRecord = nil }
    #expect(
      try node.prepare(rollout, enabling).refusal == nil, "the same rollout may be tried again")
  }

  @Test("a yes that cannot be made durable is a no, and the node is free for the next rollout")
  func undurableYes() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    node.host.state.update { state in
      let host = node.host
      state.onStage = { [weak host] in host?.failRecord("rollout") }
    }
    #expect(try node.prepare(rollout, enabling).refusal?.code == .file)
    #expect(node.host.state.withLock { $0.staged.isEmpty })
    node.host.state.update { state in
      state.failingRecord = nil
      state.onStage = {}
    }
    #expect(try node.apply(enabling, id: "00000000000000bb")?.kind == .confirmed)
  }

  @Test("the end is not told before it is durable")
  func undurableEnd() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    _ = try node.prepare(rollout, enabling)
    node.host.state.update { state in
      state.onSave = { [weak host = node.host] name in
        if name == "confirmed" { host?.failRecord("rollout") }
      }
    }
    _ = try node.decide(rollout, .commit)
    _ = node.host.state.wait(until: .inMilliseconds(10_000)) { state in
      state.lines.contains { $0.contains("write rollout") } ? true : nil
    }
    let response = node.send("GET", "/v1/rollouts/\(rollout.id)")
    #expect(try JSON.decode(RolloutView.self, from: response.body).outcome == nil)
    node.host.state.update { state in
      state.onSave = { _ in }
      state.failingRecord = nil
    }
    #expect(try node.outcome(rollout)?.kind == .confirmed)
    #expect(node.agent.status().activeRollout == nil)
  }

  @Test("a start is not over before its seal is durable")
  func undurableSeal() throws {
    let node = Node()
    node.host.state.update { $0.failingRecord = "seal" }
    let rollout = try node.rollout(enabling)
    _ = try node.prepare(rollout, enabling)
    _ = try node.decide(rollout, .commit)
    _ = node.host.state.wait(until: .inMilliseconds(10_000)) { state in
      state.lines.contains { $0.contains("write seal") } ? true : nil
    }
    #expect(node.agent.status().activeRollout == rollout.id)
    let (end, rule) = (Instant.inMilliseconds(10_000), "rollout-stuck")
    var stuck: Finding?
    while stuck == nil, Clock.now() < end {
      stuck = node.agent.status().findings.first { $0.rule == rule }
    }
    #expect(stuck?.severity == .error && stuck?.message.contains("write seal") == true)
    node.host.state.update { $0.failingRecord = nil }
    #expect(try node.outcome(rollout)?.kind == .confirmed)
    #expect(node.agent.status().seal?.keyName == "key-1")
    #expect(!node.agent.status().findings.contains { $0.rule == "rollout-stuck" })
  }

  @Test(
    "a restart without a new file touches nothing beside the file: its directory may be read-only")
  func restartOnly() throws {
    let node = Node()
    #expect(try node.apply([], kind: .restart)?.kind == .confirmed)
    #expect(node.host.state.withLock { $0.synced.isEmpty })
    #expect(try node.apply(enabling, id: "00000000000000bb")?.kind == .confirmed)
    #expect(node.host.state.withLock { $0.synced } == ["/etc/default/minio"])
  }

  @Test("what only drift is measured against does not keep a rollout from ending")
  func unconfirmedFiles() throws {
    let node = Node()
    node.host.failRecord("confirmed")
    #expect(try node.apply(enabling)?.kind == .confirmed)
    #expect(node.agent.status().generation?.number == 1)
  }

  @Test(
    "a file that was changed between vote and instant is not started with, nothing stays staged")
  func changedAfterVote() throws {
    for kind in [RolloutKind.apply, .restart] {
      let node = Node()
      let changes = kind == .apply ? enabling : []
      let rollout = try node.rollout(changes, kind: kind)
      #expect(try node.prepare(rollout, changes).refusal == nil)
      node.host.state.update { $0.file?.append(contentsOf: Array("# edited\n".utf8)) }
      _ = try node.decide(rollout, .commit)
      #expect(try node.outcome(rollout)?.kind == .failed)
      node.host.state.withLock { state in
        #expect(state.restarts == 0)
        #expect(state.staged.isEmpty)
      }
    }
  }

  @Test("the end of a vote that was aborted meanwhile leaves alone what the next one stages")
  func abortedVoteEndsLate() throws {
    let node = Node()
    let first = try node.rollout(enabling)
    var second = first
    second.id = "00000000000000bb"
    second.seal?.rollout = second.id
    second.epoch += 1
    let next = second
    let hasStaged = Lock(false)
    node.host.state.update { state in
      state.onStage = {
        if hasStaged.withLock({ $0 }) { return }
        hasStaged.update { $0 = true }
        // The first one's checks end while the next one's wait for their turn.
        _ = node.agent.rollouts.state.wait(until: .inMilliseconds(20_000)) {
          $0.participant.assessing == next ? true : nil
        }
      }
    }
    try Thread.start("first") { _ = try? node.prepare(first, enabling) }
    _ = hasStaged.wait(until: .inMilliseconds(20_000)) { $0 ? true : nil }
    #expect(try node.decide(first, .abort).reply == .neverVoted)
    #expect(try node.prepare(next, enabling).refusal == nil)
    let staged = node.host.state.wait(until: .inMilliseconds(20_000)) { state in
      state.staged.keys.sorted() == [next.id] ? true : nil
    }
    #expect(staged == true)
    _ = try node.decide(next, .commit)
    #expect(try node.outcome(next)?.kind == .confirmed)
  }

  @Test("a file that cannot be staged is a no")
  func unstageable() throws {
    let node = Node()
    let rollout = try node.rollout(enabling)
    node.host.state.update { $0.stageFailure = Refusal(.file, "read-only file system") }
    #expect(try node.prepare(rollout, enabling).refusal?.code == .file)
  }

  @Test("a fatal line is the outcome, redacted")
  func fatal() throws {
    let node = Node()
    node.host.state.update { state in
      state.startLines = [
        "FATAL Failed to connect to KMS: failed to generate data key with KMS key: \(apiKey)"
      ]
    }
    let outcome = try node.apply(enabling)
    #expect(outcome?.kind == .failed)
    #expect(outcome?.reason.contains("FATAL Failed to connect to KMS") == true)
    #expect(outcome?.reason.contains(apiKey) == false)
    #expect(outcome?.failure?.reason.contains(apiKey) == false)
    #expect(node.agent.status().seal == nil)
  }

  @Test("restart restarts without a change of the file")
  func restart() throws {
    let node = Node()
    #expect(try node.apply([], kind: .restart)?.kind == .confirmed)
    node.host.state.withLock { state in
      #expect(state.restarts == 1)
      #expect(state.file == Array(plainFile.utf8))
    }
  }

  @Test("earlier failed starts do not make the start limit refuse the rollout's")
  func startLimit() throws {
    let node = Node()
    node.host.state.update { $0.isAtStartLimit = true }
    let outcome = try node.apply([], kind: .restart)
    #expect(outcome?.kind == .confirmed)
  }

  @Test("a unit that crashed and came back between vote and instant is restarted all the same")
  func crashedInBetween() throws {
    for late in [false, true] {
      let node = Node()
      let rollout = try node.rollout(enabling)
      _ = try node.prepare(rollout, enabling)
      // It died with a fatal line, which stands in the journal after the vote's cursor.
      node.host.state.update { state in
        state.unit.invocationID = "crashed"
        state.cursor = "later"
        state.linesBeforeCursor = [
          JournalEntry(
            cursor: "last words", realtimeMicroseconds: 1, monotonicMicroseconds: 1,
            bootID: state.boot, invocationID: "old", pid: 100, priority: 3, identifier: "minio",
            message: "FATAL Unable to start the server: out of memory")
        ]
      }
      let instant = Clock.now().advanced(byMilliseconds: late ? -5_000 : 0)
      let request = DecisionRequest(
        epoch: rollout.epoch, incarnation: node.agent.incarnation, decision: .commit,
        instant: instant, bootID: "boot-1", reason: "")
      _ = node.send("POST", "/v1/rollouts/\(rollout.id)/decision", JSON.encode(request))
      #expect(try node.outcome(rollout)?.kind == .confirmed)
      #expect(node.host.state.withLock { $0.restarts } == 1)
    }
  }
}
