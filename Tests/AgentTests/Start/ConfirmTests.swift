// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

/// `keyturn confirm`: a server that got well after its start was not confirmed.
@Suite("Agent: confirm") struct ConfirmTests {
  /// A node whose start failed, and whose server somebody has started by hand since.
  private static func startedByHand() throws -> Node {
    let node = Node()
    node.host.endsAtKeyManager("FATAL Failed to connect to KMS: connection refused")
    #expect(try node.apply(enabling)?.kind == .failed)
    try held(node)
    node.host.startsWell(["INFO: All MinIO sub-systems initialized successfully in 1s"])
    node.host.state.update { state in
      (state.unit.activeState, state.unit.subState) = ("active", "running")
      state.unit.invocationID = "by hand"
      state.process = FakeNodeHost.started(state)
    }
    return node
  }

  /// Its coordinator reports the result.
  private static func held(_ node: Node, _ id: String = "00000000000000aa") throws {
    let result = RolloutResult(rollout: id, kind: .held, reason: "never", by: "alice")
    #expect(
      node.send("POST", "/v1/rollouts/\(id)/result", JSON.encode(result)).status == 200)
  }

  private static func ask(_ node: Node) -> HTTPResponse { node.send("POST", "/v1/confirm") }

  private static func confirm(_ node: Node) throws -> ConfirmAnswer {
    let response = ask(node)
    #expect(response.status == 200, "\(String(decoding: response.body, as: UTF8.self))")
    return try JSON.decode(ConfirmAnswer.self, from: response.body)
  }

  @Test("a server that was started by hand is confirmed: generation, seal and outcome, no restart")
  func byHand() throws {
    let node = try Self.startedByHand()
    let before = node.host.state.withLock { ($0.restarts, $0.starts, $0.file) }
    #expect(node.agent.status().seal == nil)
    let answer = try Self.confirm(node)
    #expect(answer.outcome.kind == .confirmed && !answer.wasConfirmed)
    #expect(
      answer.outcome.reason == "healthy, not restarted, asked by alice"
        && answer.rollout.generation == 1)
    let after = node.host.state.withLock { ($0.restarts, $0.starts, $0.file) }
    #expect(after == before)
    let status = node.agent.status()
    #expect(status.lastOutcome?.kind == .confirmed && status.generation?.number == 1)
    #expect(status.seal?.keyName == "key-1")
    let view = try JSON.decode(
      RolloutView.self, from: node.send("GET", "/v1/rollouts/\(answer.rollout.id)").body)
    #expect(view.outcome?.kind == .confirmed)
    #expect(view.events.last?.phase == .known(.confirmed))
    // Durable, and asked once more it is so already.
    let again = Node(node.host)
    #expect(again.agent.status().lastOutcome?.kind == .confirmed)
    #expect(try Self.confirm(again).wasConfirmed)
  }

  @Test("a server that runs with something else is not confirmed, and nothing is changed")
  func otherEnvironment() throws {
    let node = try Self.startedByHand()
    node.host.state.update { $0.process.removeAll { $0.name == "MINIO_KMS_ENCLAVE" } }
    let answer = try Self.confirm(node)
    #expect(answer.outcome.failure?.kind == .known(.otherEnvironment))
    #expect(answer.outcome.reason.contains("MINIO_KMS_ENCLAVE differs"))
    let status = node.agent.status()
    #expect(status.lastOutcome?.kind == .failed && status.seal == nil && status.generation == nil)
  }

  @Test(
    "it must run with what was voted on, also where another file gives it something else by now")
  func otherThanVoted() throws {
    let node = try Self.startedByHand()
    // The unit's own setting, and the server was started with it: file and process agree.
    node.host.state.update { state in
      state.unit.environment.append("MINIO_REGION=other")
      state.process = FakeNodeHost.started(state)
    }
    let answer = try Self.confirm(node)
    #expect(answer.outcome.failure?.kind == .known(.otherEnvironment))
    #expect(answer.outcome.reason.contains("MINIO_REGION differs"), "\(answer.outcome.reason)")
    #expect(node.agent.status().lastOutcome?.kind == .failed)
  }

  @Test("while the result is still worked out a rollback may follow: it is not the time")
  func open() throws {
    let node = Node()
    node.host.endsAtKeyManager("FATAL Failed to connect to KMS: connection refused")
    #expect(try node.apply(enabling)?.kind == .failed)
    let refusal = try Self.ask(node).refusal()
    #expect(refusal.code == .busy)
    #expect(refusal.message.contains("`keyturn watch 00000000000000aa`"), "\(refusal.message)")
    try Self.held(node)
    #expect(Self.ask(node).status != 409)
  }

  private static let directory = "/var/log/minio"

  /// A node whose server logs into files, and whose start is unknown since journald has lost lines of it.
  private static func unknown() throws -> Node {
    let host = FakeNodeHost(file: plainFile + "MINIO_OPTS=\"--log-dir \(directory)\"\n")
    host.state.update { state in
      state.startLines = []
      state.logFiles[directory] = [#"{"level":"INFO","message":"MinIO AIStor Server"}"#]
    }
    let node = Node(host)
    let rollout = try node.rollout(enabling, settleMilliseconds: 500)
    #expect(try node.prepare(rollout, enabling).refusal == nil)
    _ = try node.decide(rollout, .commit)
    let deliver = try #require(
      host.state.wait(until: .inMilliseconds(20_000)) { $0.deliver.isEmpty ? nil : $0.deliver })
    let entry = host.state.withLock { state in
      JournalEntry(
        cursor: "late", realtimeMicroseconds: Clock.realtimeMicroseconds(),
        monotonicMicroseconds: Clock.monotonicMicroseconds(), bootID: state.boot,
        invocationID: "journald", pid: 1, priority: 6, identifier: "systemd-journald",
        message: "Suppressed 12 messages from minio.service")
    }
    for body in deliver { body(entry) }
    let outcome = try #require(try node.outcome(rollout))
    #expect(outcome.kind == .unknown, "\(outcome.reason)")
    try held(node)
    return node
  }

  @Test(
    "a start that is unknown for lost lines is confirmed by what its log's files say since then")
  func logDirectory() throws {
    let node = try Self.unknown()
    #expect(node.agent.status().seal == nil)
    // Of a server that ran years ago.
    node.host.state.update {
      $0.logFiles[Self.directory]?.append(
        #"{"level":"ERROR","time":"2020-01-01T00:00:00Z","error":{"message":"Unable to initialize config, some features may be missing: EOF"}}"#
      )
    }
    let answer = try Self.confirm(node)
    #expect(answer.outcome.kind == .confirmed, "\(answer.outcome.reason)")
    #expect(answer.outcome.reason.contains("its lines read in \(Self.directory)"))
    let status = node.agent.status()
    #expect(status.seal?.keyName == "key-1" && status.generation?.number == 1)
  }

  @Test("a line of its log's files that the server is broken by is no confirmation")
  func brokenByItsLog() throws {
    let node = try Self.unknown()
    node.host.state.update {
      $0.logFiles[Self.directory]?.append(
        #"{"level":"ERROR","error":{"message":"Unable to initialize config, some features may be missing: EOF"}}"#
      )
    }
    let answer = try Self.confirm(node)
    #expect(answer.outcome.kind == .failed)
    #expect(answer.outcome.reason.contains("some features may be missing"))
    #expect(node.agent.status().seal == nil)
  }

  @Test("an agent that was restarted since compares with what was voted on, and confirms by it")
  func agentRestarted() throws {
    let first = try Self.startedByHand()
    // What it was told of the rollout's result is kept too.
    let second = Node(first.host)
    // File and process agree, and are not what was voted on.
    first.host.state.update { state in
      state.unit.environment.append("MINIO_REGION=other")
      state.process = FakeNodeHost.started(state)
    }
    let other = try Self.confirm(second)
    #expect(other.outcome.failure?.kind == .known(.otherEnvironment), "\(other.outcome.reason)")
    #expect(other.outcome.reason.contains("MINIO_REGION differs"))
    first.host.state.update { state in
      state.unit.environment.removeAll { $0 == "MINIO_REGION=other" }
      state.unit.invocationID = "by hand once more"
      state.process = FakeNodeHost.started(state)
    }
    let restarts = first.host.state.withLock { $0.restarts }
    let third = Node(first.host)
    let good = try Self.confirm(third)
    #expect(good.outcome.kind == .confirmed, "\(good.outcome.reason)")
    #expect(first.host.state.withLock { $0.restarts } == restarts)
    let status = third.agent.status()
    #expect(status.seal?.keyName == "key-1" && status.generation?.number == 1)
  }

  @Test("the timeline says that it is confirmed also where an aborted rollout has come since")
  func laterTimeline() throws {
    let node = try Self.startedByHand()
    let later = try node.rollout(enabling, id: "00000000000000bb", kind: .restart)
    #expect(try node.prepare(later, []).refusal == nil)
    _ = try node.decide(later, .abort)
    #expect(try Self.confirm(node).outcome.kind == .confirmed)
    let answer = try JSON.decode(
      RolloutsAnswer.self, from: node.send("GET", "/v1/rollouts").body)
    #expect(answer.rollouts.map { $0.outcome?.kind } == [.aborted, .confirmed])
  }

  @Test("the server from before the rollout is not confirmed, whatever it runs with")
  func notRestarted() throws {
    let node = try Self.startedByHand()
    let previous = try #require(
      node.agent.rollouts.now.record.lastCommitted?.report?.previousInvocation)
    node.host.state.update { $0.unit.invocationID = previous }
    let refusal = try Self.ask(node).refusal()
    #expect(refusal.code == .unit)
    #expect(refusal.message.contains("was not started since rollout 00000000000000aa"))
    #expect(node.agent.status().lastOutcome?.kind == .failed && node.agent.status().seal == nil)
  }

  @Test("a file that is not the rollout's is refused")
  func otherFile() throws {
    let node = try Self.startedByHand()
    node.host.state.update { $0.file?.append(contentsOf: Array("# edited\n".utf8)) }
    let refusal = try Self.ask(node).refusal()
    #expect(refusal.code == .file)
    #expect(refusal.message.contains("is not the one of rollout 00000000000000aa"))
    #expect(node.agent.status().lastOutcome?.kind == .failed)
  }

  @Test("without a rollout there is nothing to confirm; in one it is not the time")
  func standing() throws {
    let node = Node()
    #expect(try Self.ask(node).refusal().code == .validation)
    let rollout = try node.rollout(enabling)
    #expect(try node.prepare(rollout, enabling).refusal == nil)
    let refusal = try Self.ask(node).refusal()
    #expect(refusal.code == .busy && refusal.message.contains("keyturn watch \(rollout.id)"))
    let observer = Principal(cluster: "prod", role: .observer, name: "eve")
    #expect(node.send("POST", "/v1/confirm", as: observer).status == 403)
  }
}
