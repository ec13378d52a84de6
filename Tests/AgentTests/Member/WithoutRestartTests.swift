// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import Crypto
import HTTP
import JSONCoding
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

/// A rollout that puts files right and leaves the servers running.
@Suite("Agent: rollouts without a restart") struct WithoutRestartTests {
  private static let path = "/etc/default/minio"
  private static let settings = [SettingChange(name: "MINIO_BROWSER", value: Secret("off"))]
  private static let id = "00000000000000bb"

  /// A node whose server a rollout has confirmed, and whose file somebody has edited since.
  private static func edited(_ file: String = plainFile) throws -> Node {
    let node = Node(FakeNodeHost(file: file))
    #expect(try node.apply(settings)?.kind == .confirmed)
    node.host.state.update {
      $0[path] = $0[path]?.replacing("MINIO_BROWSER=\"off\"", with: "MINIO_BROWSER=\"on\"")
    }
    return node
  }

  private static func rollout(
    _ node: Node, _ changes: [SettingChange] = settings, kind: RolloutKind = .apply,
    to earlier: Int? = nil
  ) throws -> Rollout {
    var rollout = try node.rollout(changes, id: id, kind: kind, to: earlier)
    rollout.withoutRestart = true
    return rollout
  }

  /// The whole way of a rollout that restarts nothing.
  private static func putRight(_ node: Node) throws -> (rollout: Rollout, outcome: Outcome?) {
    let rollout = try rollout(node)
    #expect(try node.prepare(rollout, settings).refusal == nil)
    _ = try node.decide(rollout, .commit)
    return (rollout, try node.outcome(rollout))
  }

  @Test("the file is put right, the server runs on, and what it is found to run with is confirmed")
  func putsRight() throws {
    let node = try Self.edited()
    #expect(!node.agent.status().drift.isEmpty)
    let plan = try node.plan(Self.settings)
    #expect(plan.before != plan.after && !plan.restartNeeded && plan.whyRestart == "")
    let invocation = node.host.state.withLock { $0.unit.invocationID }
    let (rollout, outcome) = try Self.putRight(node)
    #expect(outcome?.kind == .confirmed, "\(outcome?.reason ?? "")")
    #expect(outcome?.reason == "healthy, not restarted")
    node.host.state.withLock { state in
      #expect(state.restarts == 1 && state.unit.invocationID == invocation)
      #expect(state[Self.path]?.contains("MINIO_BROWSER=\"off\"") == true)
      #expect(state.synced.contains(Self.path) && state.staged.isEmpty)
    }
    let status = node.agent.status()
    #expect(status.drift.isEmpty && status.generation?.number == 2)
    #expect(status.generation?.withoutRestart == true && status.lastWithoutRestart == true)
    let view = try JSON.decode(
      RolloutView.self, from: node.send("GET", "/v1/rollouts/\(rollout.id)").body)
    let phases = view.events.compactMap(\.phase.known)
    #expect(phases.contains(.installed) && !phases.contains(.restarting), "\(phases)")
    #expect(view.rollout?.withoutRestart == true)
  }

  @Test(
    "a variable of the confirmed file that was deleted by hand, and the process still has, asks for a restart"
  )
  func deletedVariable() throws {
    let node = Node(FakeNodeHost(file: plainFile + "HTTPS_PROXY=\"http://proxy:3128\"\n"))
    #expect(try node.apply(Self.settings)?.kind == .confirmed)
    node.host.state.update {
      $0[Self.path] = $0[Self.path]?.replacing("HTTPS_PROXY=\"http://proxy:3128\"\n", with: "")
    }
    #expect(try node.plan(Self.settings).whyRestart?.contains("HTTPS_PROXY") == true)
  }

  @Test("a lost file comes back by a generation, and the server runs on")
  func lostFile() throws {
    let node = Node()
    try node.apply(Self.settings)
    let file = node.host.state.withLock { $0[Self.path] }
    node.host.state.update { $0[Self.path] = nil }
    #expect(try node.plan([], kind: .rollback, to: 1).whyRestart == "")
    let rollout = try Self.rollout(node, [], kind: .rollback, to: 1)
    #expect(try node.prepare(rollout, [], to: 1).refusal == nil)
    _ = try node.decide(rollout, .commit)
    #expect(try node.outcome(rollout)?.kind == .confirmed)
    #expect(node.host.state.withLock { $0[Self.path] } == file)
    #expect(node.host.state.withLock { $0.restarts } == 1)
  }

  @Test("a server that would have to be restarted is a no, whatever the coordinator says")
  func refused() throws {
    let cases: [(why: String, change: @Sendable (inout FakeNodeHost.State) -> Void)] = [
      (
        "the running server has other values of MINIO_BROWSER",
        { $0.process.removeAll { $0.name == "MINIO_BROWSER" } }
      ),
      ("the server is not running", { $0.unit.activeState = "activating" }),
      (
        "the running server has other values of HTTPS_PROXY",
        { $0[Self.path]?.append("HTTPS_PROXY=http://proxy:3128\n") }
      ),
    ]
    for (why, change) in cases {
      let node = try Self.edited()
      let asked = try Self.rollout(node)
      node.host.state.update { change(&$0) }
      let plan = try node.plan(Self.settings)
      #expect(plan.whyRestart == why && plan.restartReason == why && plan.restartNeeded)
      // The plan was made before.
      var rollout = asked
      rollout.contents[0].before = plan.before
      rollout.contents[0].after = plan.after
      let refusal = try node.prepare(rollout, Self.settings).refusal
      #expect(refusal?.code == .vote)
      #expect(
        refusal?.message
          == "the rollout restarts no server, and the one of minio-1 would have to be by now: \(why); plan again"
      )
    }
  }

  @Test("what was never confirmed is restarted")
  func neverConfirmed() throws {
    let node = Node()
    let file = [SettingChange(name: "MINIO_ROOT_USER", value: Secret("admin"))]
    node.host.state.update { $0[Self.path]?.append("MINIO_ROOT_USER=\"admin\"\n") }
    #expect(try node.plan(file).whyRestart == "no rollout has confirmed a start of it yet")
  }

  @Test("what the server reads by itself is known only while it stays as it was at the start")
  func ownFile() throws {
    let config = "/etc/minio/config.env"
    let file = plainFile + "MINIO_CONFIG_ENV_FILE=\"\(config)\"\n"
    let host = FakeNodeHost(file: file)
    host.state.update { $0[config] = "MINIO_SITE_NAME=a\n" }
    let node = Node(host)
    try node.apply(Self.settings)
    #expect(try node.plan(Self.settings).whyRestart == "")
    // A comment in the file that the server has read.
    host.state.update {
      $0[config]?.append("# edited\n")
      $0.changed[config] = Clock.realtimeMicroseconds() + 1_000_000
    }
    let why = try node.plan(Self.settings).whyRestart
    #expect(why?.hasPrefix("the server reads \(config) by itself") == true, "\(why ?? "")")
  }

  @Test("a coordinator that says so of what needs a restart is refused")
  func contradiction() throws {
    let node = try Self.edited()
    var rollouts = [try Self.rollout(node, [], kind: .restart), try Self.rollout(node)]
    rollouts[1].seal = Seal(
      cluster: "prod", keyName: "key-1", enclave: "", rollout: Self.id, sealedAtMicroseconds: 1)
    for rollout in rollouts {
      let refusal = try node.prepare(rollout, rollout.kind == .restart ? [] : Self.settings).refusal
      #expect(
        refusal
          == Refusal(
            .vote, "the rollout says that it restarts no server, and what it does needs it"))
    }
  }

  @Test(
    "an agent that dies between the rename and the look goes on with the look, and restarts nothing"
  )
  func dies() throws {
    for isRenamed in [false, true] {
      let node = try Self.edited()
      let rollout = try Self.rollout(node)
      #expect(try node.prepare(rollout, Self.settings).refusal == nil)
      let report = RestartReport(
        planned: Instant(nanoseconds: 1), issued: Clock.now(), previousInvocation: "new-1")
      try node.recordCommit(
        of: rollout, then: isRenamed ? .restarted(id: rollout.id, report) : nil)
      if isRenamed {
        node.host.state.update { state in
          if let staged = state.staged.removeValue(forKey: rollout.id) {
            state.files[Self.path] = staged.bytes
          }
        }
      }
      let after = Node(node.host)
      #expect(try after.outcome(rollout)?.kind == .confirmed)
      node.host.state.withLock { state in
        #expect(state.restarts == 1 && state.staged.isEmpty)
        #expect(state[Self.path]?.contains("MINIO_BROWSER=\"off\"") == true)
      }
    }
  }

  @Test("a server that is restarted meanwhile with the edited file is not confirmed")
  func restartedMeanwhile() throws {
    let node = try Self.edited()
    let rollout = try Self.rollout(node)
    #expect(try node.prepare(rollout, Self.settings).refusal == nil)
    node.host.state.update { state in
      state.unit.invocationID = "by hand"
      state.process = FakeNodeHost.started(state)
    }
    _ = try node.decide(rollout, .commit)
    let outcome = try node.outcome(rollout)
    #expect(outcome?.kind == .unknown)
    #expect(outcome?.reason.hasPrefix("the server was started again after the vote") == true)
    #expect(node.host.state.withLock { $0.restarts } == 1)
  }

  @Test("a unit that was edited since the start is drift still")
  func unitDrift() throws {
    let node = try Self.edited()
    node.host.state.update { $0.unit.dropIns.append("/etc/systemd/system/minio.service.d/50.conf") }
    #expect(try Self.putRight(node).outcome?.kind == .confirmed)
    #expect(node.agent.status().drift.items?.map(\.kind) == [.unit])
  }

  @Test("what all nodes propose is put right without a restart too")
  func proposed() throws {
    let cluster = Cluster([plainFile, plainFile, plainFile])
    func isInForce() -> Bool {
      for _ in 0..<600 {
        if cluster.nodes.allSatisfy({ $0.agent.proposals.view().phase == .inForce }) { return true }
        Clock.sleep(until: .inMilliseconds(50))
      }
      return false
    }
    for node in cluster.nodes { _ = try propose(node.agent, Proposed.other) }
    #expect(isInForce())
    cluster[1].host.state.update {
      $0[Self.path] = $0[Self.path]?.replacing("MINIO_SITE_NAME=\"x\"", with: "MINIO_SITE_NAME=y")
    }
    _ = try propose(cluster[1].agent, Proposed.other)
    let isMended = cluster[1].host.state.wait(until: .inMilliseconds(30_000)) { state in
      state[Self.path]?.contains("MINIO_SITE_NAME=\"x\"") == true ? true : nil
    }
    #expect(isMended == true && isInForce())
    for node in cluster.nodes { #expect(node.host.state.withLock { $0.restarts } == 1) }
  }
}

extension String {
  /// The text with the first occurrence of a part replaced.
  fileprivate func replacing(_ part: String, with other: String) -> String {
    firstRange(of: part).map { replacingSubrange($0, with: other) } ?? self
  }

  private func replacingSubrange(_ range: Range<String.Index>, with other: String) -> String {
    var text = self
    text.replaceSubrange(range, with: other)
    return text
  }
}
