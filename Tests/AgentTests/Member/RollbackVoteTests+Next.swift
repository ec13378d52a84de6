// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

/// What becomes of a hold when another rollout comes.
extension RollbackVoteTests {
  private static let changes = [SettingChange(name: "MINIO_SITE_NAME", value: Secret("x"))]

  /// The next rollout, voted on.
  private func votedNext(_ node: Node) throws -> Rollout {
    let next = try node.rollout(Self.changes, id: "00000000000000cc")
    #expect(try node.prepare(next, Self.changes).refusal == nil)
    return next
  }

  /// A node whose server could not be started again after the rollback's abort.
  private func owingNode() throws -> Node {
    let node = try failedNode()
    let rollout = try undoing(node)
    #expect(try node.prepare(rollout, []).refusal == nil)
    node.host.state.update { $0.startFailure = Refusal(.unit, "start minio.service: timed out") }
    _ = try node.decide(rollout, .abort)
    #expect(node.waitForStarts(1))
    return node
  }

  private func hold(_ node: Node) throws -> StartHold? {
    try StartHold.read(node.host.state.withLock { $0.records[StartHold.record] })
  }

  @Test(
    "a start that is owed stays owed when the next rollout cannot be put in place, or its restart is not taken",
    arguments: [true, false])
  func owedAndFailed(isEdited: Bool) throws {
    let node = try owingNode()
    let next = try votedNext(node)
    node.host.state.update {
      if isEdited {
        $0["/etc/default/minio"] = "MINIO_SITE_NAME=by-hand\n"
      } else {
        $0.restartFailure = Refusal(.unit, "restart: timed out")
      }
    }
    _ = try node.decide(next, .commit)
    #expect(try node.outcome(next)?.kind == .failed)
    node.host.state.update { $0.startFailure = nil }
    let isUp: Bool? = node.host.state.wait(until: .inMilliseconds(20_000)) {
      $0.unit.activeState == "active" ? true : nil
    }
    #expect(isUp == true)
    #expect(node.waitForNoHold())
  }

  @Test("a start that is owed is paid by the next rollout's restart")
  func owedAndRestarted() throws {
    let node = try owingNode()
    let next = try votedNext(node)
    let held = Lock(Bool?.none)
    let host = node.host
    host.state.update { state in
      state.onRestart = { state in
        let isHeld = state.records[StartHold.record] != nil
        held.update { $0 = isHeld }
      }
    }
    _ = try node.decide(next, .commit)
    #expect(try node.outcome(next)?.kind == .confirmed)
    #expect(held.withLock { $0 } == true, "it is owed until the restart is taken")
    #expect(node.waitForNoHold())
  }

  /// A node on which a rollback was committed and could not be put in place.
  private func standingNode() throws -> Node {
    let node = try failedNode()
    let rollout = try undoing(node)
    #expect(try node.prepare(rollout, []).refusal == nil)
    let file = node.host.state.withLock { $0["/etc/default/minio"] }
    node.host.state.update { $0["/etc/default/minio"] = "MINIO_KMS_SSE_KEY=by-hand\n" }
    _ = try node.decide(rollout, .commit)
    #expect(try node.outcome(rollout)?.kind == .failed)
    node.host.state.update { $0["/etc/default/minio"] = file }
    return node
  }

  @Test(
    "what a committed rollback holds stays held when the next rollout is not put in place either")
  func standingAndNotInPlace() throws {
    let node = try standingNode()
    let before = try hold(node)
    let next = try votedNext(node)
    node.host.state.update { $0["/etc/default/minio"] = "MINIO_KMS_SSE_KEY=by-hand\n" }
    _ = try node.decide(next, .commit)
    #expect(try node.outcome(next)?.kind == .failed)
    #expect(try hold(node) == before && before?.isReleasing == false)
    node.agent.holds.releaseIfAborted()
    _ = Node(node.host)
    #expect(try hold(node) == before)
    #expect(node.host.state.withLock { $0.starts } == 0)
  }

  @Test(
    "what a committed rollback holds lets the next rollout's start through, and is gone after it")
  func standingAndRestarted() throws {
    let node = try standingNode()
    let next = try votedNext(node)
    let releasing = Lock(Bool?.none)
    node.host.state.update { state in
      state.onRestart = { state in
        let hold = try? StartHold.read(state.records[StartHold.record])
        releasing.update { $0 = hold?.isReleasing }
      }
    }
    _ = try node.decide(next, .commit)
    #expect(try node.outcome(next)?.kind == .confirmed)
    #expect(releasing.withLock { $0 } == true)
    #expect(node.waitForNoHold())
  }
}
