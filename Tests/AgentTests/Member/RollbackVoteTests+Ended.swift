// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import JSONCoding
import KeyManager
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

/// What a vote's checks do on the host when the vote has ended before them.
extension RollbackVoteTests {
  /// As long as what must not happen is waited for.
  private static let boundMilliseconds = 1_000

  @Test("a vote that was ended while it waits for the journal does not stop the server")
  func endedBeforeStop() throws {
    let node = try failedNode()
    let rollout = try undoing(node)
    node.host.state.update { state in
      state.onPage = {
        _ = try? node.decide(rollout, .abort)
        node.agent.holds.releaseIfAborted()
      }
    }
    #expect(try node.prepare(rollout, []).refusal?.code == .vote)
    #expect(node.waitForNoHold())
    #expect(node.host.state.withLock { $0.stops } == 0)
    #expect(node.host.state.withLock { $0.unit.activeState } == "activating")
  }

  @Test("a vote that was ended while it stops the server has it started again after the stop")
  func endedWhileStopping() throws {
    let node = try failedNode()
    let host = node.host
    let rollout = try undoing(node)
    host.state.update { state in
      state.onStopping = {
        // systemd has taken the job, and the unit does not show it yet.
        host.state.update { $0.unit.activeState = "active" }
        _ = try? node.decide(rollout, .abort)
        // As the end of another vote does.
        node.agent.holds.releaseIfAborted()
        _ = host.state.wait(until: .inMilliseconds(Self.boundMilliseconds)) {
          $0.records[StartHold.record] == nil ? true : nil
        }
      }
    }
    #expect(try node.prepare(rollout, []).refusal?.code == .vote)
    #expect(node.waitForNoHold())
    #expect(host.state.withLock { $0.starts } == 1)
    #expect(host.state.withLock { $0.unit.activeState } == "active")
  }

  @Test("a hold that is no longer the vote's own is a no, and nothing is stopped")
  func notItsHold() throws {
    let node = try failedNode()
    let host = node.host
    let rollout = try undoing(node)
    let other = StartHold(
      rollout: "00000000000000cc", key: nil, wasUp: false, isReleasing: true)
    host.state.update { state in
      state.onPage = { host.state.update { $0.records[StartHold.record] = JSON.encode(other) } }
    }
    #expect(try node.prepare(rollout, []).refusal?.code == .guarded)
    #expect(host.state.withLock { $0.stops } == 0)
  }

  @Test(
    "what an ended vote does late comes before the next vote's checks, not between them",
    arguments: ["before it keeps the file", "when it has staged"])
  func endedVoteIsLate(place: String) throws {
    let node = Node()
    let host = node.host
    // A file that was changed by hand is kept as the file before the rollout.
    let changes = [SettingChange(name: "MINIO_SITE_NAME", value: Secret("x"))]
    #expect(try node.apply(changes)?.kind == .confirmed)
    host.state.update { $0["/etc/default/minio"]?.append("MINIO_BROWSER=\"off\"\n") }
    let more = [SettingChange(name: "MINIO_SITE_NAME", value: Secret("y"))]
    let first = try node.rollout(more, id: "00000000000000bb")
    var second = first
    second.id = "00000000000000cc"
    second.epoch += 1
    let next = second

    let (isThere, answer) = (Lock(false), Lock(VoteAnswer?.none))
    let hook: @Sendable () -> Void = {
      let isFirst = isThere.update { isThere in
        defer { isThere = true }
        return !isThere
      }
      if !isFirst { return }
      _ = answer.wait(until: .inMilliseconds(Self.boundMilliseconds)) { $0 }
    }
    host.state.update { state in
      if place == "when it has staged" { state.onStage = hook } else { state.onCursor = hook }
    }
    let isOver = Lock(false)
    try Thread.start("first") {
      _ = try? node.prepare(first, more)
      isOver.update { $0 = true }
    }
    _ = isThere.wait(until: .inMilliseconds(20_000)) { $0 ? true : nil }
    #expect(try node.decide(first, .abort).reply == .neverVoted)
    try Thread.start("next") {
      let vote = try? node.prepare(next, more)
      answer.update { $0 = vote }
    }
    let vote = try #require(answer.wait(until: .inMilliseconds(20_000)) { $0 })
    _ = isOver.wait(until: .inMilliseconds(20_000)) { $0 ? true : nil }
    #expect(vote.refusal == nil && vote.environmentDigest != nil, "\(vote)")
    // Asked again, as by a coordinator that lost the answer.
    let again = try node.prepare(next, more)
    #expect(again.refusal == nil && again.environmentDigest == vote.environmentDigest, "\(again)")
    let kept = host.state.withLock { $0.records.keys.filter { $0.hasPrefix("before/") } }
    #expect(kept.contains("before/\(next.id)") && !kept.contains("before/\(first.id)"), "\(kept)")
  }
}
