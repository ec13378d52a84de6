// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import HTTP
import JSONCoding
import Model
import Rollout
import Testing
import Threads

/// Who may report the result of a rollout.
@Suite("A rollout's result", .timeLimit(.minutes(2)))
struct RolloutResultTests {
  private static let patient: CollectorTimes = {
    var times = CollectorTimes()
    times.silenceMilliseconds = 600_000
    return times
  }()
  private static let bob = Principal(cluster: "prod", role: .operator, name: "bob")
  private static let peer = Principal(cluster: "prod", role: .node, name: "minio-2")

  private func ended(failing: Bool = false) throws -> (Cluster, Rollout) {
    let cluster = Cluster([plainFile, plainFile], collectorTimes: Self.patient)
    if failing {
      for index in 0..<2 { cluster.failAtKeyManager(index, line: "FATAL Failed to connect to KMS") }
    }
    return (cluster, try cluster.coordinate(enabling).rollout)
  }

  private func tell(
    _ cluster: Cluster, _ rolloutResult: RolloutResult, as principal: Principal
  ) -> Int {
    cluster[0].send(
      "POST", "/v1/rollouts/\(rolloutResult.rollout)/result", JSON.encode(rolloutResult),
      as: principal
    ).status
  }

  @Test("an operator who did not create the rollout does not report its result")
  func stranger() throws {
    let (cluster, rollout) = try ended()
    let held = RolloutResult(rollout: rollout.id, kind: .held, reason: "so it is", by: "alice")
    #expect(tell(cluster, held, as: Self.bob) == 403)
    #expect(try cluster.view(0, rollout.id).rolloutResult == nil)
    #expect(cluster[0].agent.results.state.withLock { $0.open } != nil, "it goes on collecting")
  }

  @Test("nobody tells it in another's name")
  func name() throws {
    let (cluster, rollout) = try ended()
    for (by, principal) in [
      ("alice", Self.peer), ("node/minio-1", Self.peer), ("minio-2", Self.peer),
      ("node/minio-2", alice), ("bob", alice),
    ] {
      let told = RolloutResult(rollout: rollout.id, kind: .confirmed, by: by)
      #expect(tell(cluster, told, as: principal) == 403, "\(principal.name) as \(by)")
    }
    #expect(try cluster.view(0, rollout.id).rolloutResult == nil)
    let own = RolloutResult(rollout: rollout.id, kind: .confirmed, by: "node/minio-2")
    #expect(tell(cluster, own, as: Self.peer) == 200)
    #expect(try cluster.view(0, rollout.id).rolloutResult == own)
  }

  @Test("that all starts were confirmed is not taken where the own one was not")
  func ownFailure() throws {
    let (cluster, rollout) = try ended(failing: true)
    let confirmed = RolloutResult(rollout: rollout.id, kind: .confirmed, by: "alice")
    #expect(tell(cluster, confirmed, as: alice) != 200)
    #expect(try cluster.view(0, rollout.id).rolloutResult == nil)
    let held = RolloutResult(rollout: rollout.id, kind: .held, reason: "so it is", by: "alice")
    #expect(tell(cluster, held, as: alice) == 200)
    #expect(tell(cluster, confirmed, as: alice) != 200)
    #expect(try cluster.view(0, rollout.id).rolloutResult == held)
  }

  @Test("what a member says of a rollout that it was not asked about is not taken")
  func other() throws {
    var times = CollectorTimes()
    times.silenceMilliseconds = 20
    times.againMilliseconds = 20
    let cluster = Cluster([plainFile, plainFile], collectorTimes: times)
    let other = "00000000000000ff"
    let lies = Lock(0)
    cluster.network.hooks.update {
      $0.rewrite = { node, bytes in
        guard node == "minio-2", var view = try? JSON.decode(RolloutView.self, from: bytes) else {
          return bytes
        }
        view.rolloutResult = RolloutResult(rollout: other, kind: .confirmed, by: "node/minio-2")
        lies.update { $0 += 1 }
        return JSON.encode(view)
      }
    }
    let rollout = try cluster.rollout(enabling)
    #expect(try cluster.run(rollout, enabling).outcomes == [.confirmed, .confirmed])
    let agent = cluster[0].agent
    let isOver: Bool? = agent.results.state.wait(until: .inMilliseconds(20_000)) { state in
      state.open == nil && state.results.contains { $0.rolloutResult != nil } ? true : nil
    }
    #expect(isOver == true && lies.withLock { $0 } > 0)
    #expect(agent.results.kept(other) == nil)
    #expect(agent.results.kept(rollout.id)?.rolloutResult?.kind == .confirmed)
  }

  @Test("a reason is cut at its limit, and a name that is too long refused")
  func texts() throws {
    let (cluster, rollout) = try ended()
    var held = RolloutResult(rollout: rollout.id, kind: .held, reason: "so it is", by: "alice")
    held.rollback = String(repeating: "r", count: Limits.nameInMessageBytes + 1)
    #expect(tell(cluster, held, as: alice) == 400)
    held.rollback = String(repeating: "r", count: Limits.nameInMessageBytes)
    held.reason = String(repeating: "é", count: Limits.reasonBytes)
    #expect(tell(cluster, held, as: alice) == 200)
    let kept = try #require(try cluster.view(0, rollout.id).rolloutResult)
    #expect(kept.reason.utf8.count <= Limits.reasonBytes && kept.reason.hasSuffix("é..."))
    let outcome = try JSON.decode(
      Outcome.self,
      from: JSON.encode(Outcome(.failed, String(repeating: "x", count: Limits.reasonBytes + 1))))
    #expect(outcome.reason.utf8.count == Limits.reasonBytes)
    let whole = Outcome(.failed, String(repeating: "x", count: Limits.reasonBytes))
    #expect(try JSON.decode(Outcome.self, from: JSON.encode(whole)) == whole)
  }

  @Test("only a rollback takes another rollout back")
  func undoes() throws {
    let cluster = Cluster([plainFile])
    var rollout = try cluster.rollout(enabling)
    rollout.undoes = "00000000000000ff"
    let refusal = try cluster[0].prepare(rollout, enabling).refusal
    #expect(refusal?.message.contains("only a rollback takes another one back") == true)
  }

  @Test("what was told first stays, unless a rollback follows")
  func first() throws {
    let (cluster, rollout) = try ended()
    let held = RolloutResult(rollout: rollout.id, kind: .held, reason: "so it is", by: "alice")
    #expect(tell(cluster, held, as: alice) == 200)
    #expect(tell(cluster, held, as: alice) == 200, "repeated")
    let confirmed = RolloutResult(rollout: rollout.id, kind: .confirmed, by: "node/minio-2")
    #expect(tell(cluster, confirmed, as: Self.peer) != 200)
    #expect(try cluster.view(0, rollout.id).rolloutResult == held)
  }

  @Test(
    "a sum that cannot be drawn, for want of threads, is tried again after a pause, and then told")
  func cannotBeDrawn() {
    let node = Node()
    let (attempts, pauses) = (Lock(0), Lock(0))
    func run(untilAttempt last: Int) -> String? {
      attempts.update { $0 = 0 }
      pauses.update { $0 = 0 }
      return node.agent.summary.repeatedly(pause: { pauses.update { $0 += 1 } }) {
        () throws(Refusal) in
        let number = attempts.update { attempts in
          attempts += 1
          return attempts
        }
        if number < last { throw Refusal(.failed, "no thread for attempt \(number)") }
        return nil
      }
    }
    #expect(run(untilAttempt: .max) == "no thread for attempt 3")
    #expect(attempts.withLock { $0 } == 3 && pauses.withLock { $0 } == 2)
    #expect(run(untilAttempt: 2) == nil)
    #expect(attempts.withLock { $0 } == 2 && pauses.withLock { $0 } == 1)
    #expect(
      node.host.state.withLock { $0.lines.contains { $0.contains("no thread for attempt 1") } })
  }
}
