// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import Model
import Rollout
import Secrets
import Testing
import Threads

/// What was decided is carried out, whatever comes in between.
@Suite("A committed rollout goes on", .timeLimit(.minutes(2)))
struct CarryOnTests {
  @Test(
    "where the host gives no thread for the instant, the watch, or what follows from the outcomes",
    arguments: ["instant", "watch", "collect"])
  func noThread(name: String) throws {
    let node = Node()
    node.host.state.update { $0.refusedThreads = [name] }
    let rollout = try node.rollout(enabling)
    #expect(try node.prepare(rollout, enabling).refusal == nil)
    #expect(try node.decide(rollout, .commit).reply == .committed)
    let isTold: Bool? = node.host.state.wait(until: .inMilliseconds(20_000)) { state in
      state.lines.contains { $0.contains("reserve") } ? true : nil
    }
    #expect(isTold == true)
    // What takes long waits for a thread of its own.
    if name != "instant" { node.host.state.update { $0.refusedThreads = [] } }
    #expect(try node.outcome(rollout)?.kind == .confirmed)
    #expect(node.host.state.withLock { $0.restarts } == 1)
  }

  @Test(
    "where what follows from one rollout's outcomes waits for a thread, the next one's instant does not"
  )
  func urgentFirst() throws {
    var times = CollectorTimes()
    times.silenceMilliseconds = 600_000
    let node = Node(collectorTimes: times)
    node.host.state.update { $0.refusedThreads = ["collect", "instant"] }
    #expect(try node.apply(enabling)?.kind == .confirmed)
    let changes = [SettingChange(name: "MINIO_SITE_NAME", value: Secret("x"))]
    let next = try node.rollout(changes, id: "00000000000000bb")
    #expect(try node.prepare(next, changes).refusal == nil)
    _ = try node.decide(next, .commit)
    let isRestarted: Bool? = node.host.state.wait(until: .inMilliseconds(10_000)) {
      $0.restarts == 2 ? true : nil
    }
    #expect(isRestarted == true)
  }

  @Test("where there is no thread for what all have proposed, it is proposed and tried again")
  func noThreadForProposals() throws {
    let node = Node()
    node.host.state.update { $0.refusedThreads = ["proposal"] }
    let request = RolloutRequest(kind: .apply, changes: enabling)
    let response = node.agent.answerLocally(
      HTTPRequest("POST", "/v1/proposal", body: JSON.encode(request)))
    #expect(response.status == 200, "\(String(decoding: response.body, as: UTF8.self))")
    let isTold: Bool? = node.host.state.wait(until: .inMilliseconds(20_000)) { state in
      state.lines.contains { $0.contains("is tried again") } ? true : nil
    }
    #expect(isTold == true)
    let begins: Bool? = node.agent.proposals.state.wait(until: .inMilliseconds(20_000)) { state in
      var later = state.proposals
      let effects = later.handle(.woke, at: .inMilliseconds(600_000))
      return effects.contains { if case .begin = $0 { true } else { false } } ? true : nil
    }
    #expect(begins == true)
  }

  @Test("a node that has another name since its vote says that nothing was restarted, and is free")
  func renamed() throws {
    let host = FakeNodeHost(file: plainFile)
    let first = Node(host)
    let rollout = try first.rollout(enabling)
    #expect(try first.prepare(rollout, enabling).refusal == nil)
    try first.recordCommit(of: rollout)
    let renamed = Node(host, name: "minio-9", of: ["minio-9"])
    let isFree: Bool? = renamed.agent.rollouts.state.wait(until: .inMilliseconds(20_000)) { state in
      state.participant.record.active == nil ? true : nil
    }
    #expect(isFree == true)
    let outcome = renamed.agent.status().lastOutcome
    #expect(outcome?.kind == .failed)
    #expect(outcome?.reason.contains("another name") == true, "\(outcome?.reason ?? "")")
    #expect(host.state.withLock { $0.restarts } == 0)
  }
}
