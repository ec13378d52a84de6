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
import Testing
import Threads

@Suite("Proposals")
struct ProposalKeeperTests {
  /// Blocks until the proposal of every node has come to a phase.
  private func wait(_ cluster: Cluster, for phase: ProposalPhase) -> [ProposalPhase] {
    var phases: [ProposalPhase] = []
    for _ in 0..<600 {
      phases = cluster.nodes.map { $0.agent.proposals.view().phase }
      if phases.allSatisfy({ $0 == phase }) { break }
      Clock.sleep(until: .inMilliseconds(50))
    }
    return phases
  }

  @Test("the nodes roll out by themselves what each was handed, once, when the last one has it")
  func agreed() throws {
    let cluster = Cluster([plainFile, plainFile, plainFile])
    let first = try propose(cluster[1].agent)
    #expect(first.isChanged && first.phase == .waiting)
    #expect(first.missing == ["minio-1", "minio-3"], "\(first.rows)")
    #expect(try propose(cluster[2].agent).missing == ["minio-1"])
    #expect(cluster.nodes.allSatisfy { $0.host.state.withLock { $0.restarts } == 0 })
    #expect(try propose(cluster[0].agent).missing == [])
    #expect(wait(cluster, for: .inForce) == [.inForce, .inForce, .inForce])
    for node in cluster.nodes {
      #expect(node.host.state.withLock { $0.restarts } == 1)
      #expect(node.host.state.withLock { $0["/etc/default/minio"]?.contains(apiKey) } == true)
    }
    let again = try propose(cluster[2].agent)
    #expect(!again.isChanged && again.phase == .inForce && again.rollout != nil)
  }

  @Test("one that withdraws, and one that wants something else, keep all from it")
  func disagreement() throws {
    let cluster = Cluster([plainFile, plainFile, plainFile])
    for node in cluster.nodes.dropFirst() { _ = try propose(node.agent) }
    #expect(try local(cluster[2].agent, "POST", "/v1/proposal/withdraw").isChanged)
    #expect(try propose(cluster[0].agent).missing == ["minio-3"])
    let view = try propose(cluster[2].agent, Proposed.other)
    #expect(view.differing == ["minio-1", "minio-2"])
    Clock.sleep(until: .inMilliseconds(Proposals.quietMilliseconds + 500))
    #expect(cluster.nodes.allSatisfy { $0.host.state.withLock { $0.restarts } == 0 })
    _ = try propose(cluster[2].agent)
    #expect(wait(cluster, for: .inForce) == [.inForce, .inForce, .inForce])
  }

  @Test("what could never be voted for is refused at once and not kept")
  func refused() throws {
    let node = Node()
    let change = SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("k"))
    let body = RolloutRequest(kind: .apply, changes: [change])
    let response = node.agent.answerLocally(
      HTTPRequest("POST", "/v1/proposal", body: JSON.encode(body)))
    #expect(response.status == 400)
    let no = try response.refusal()
    #expect(no.code == .validation)
    #expect(node.host.state.withLock { $0.records["proposal"] } == nil)
  }

  @Test("what a proposal would come to is told before it, kept nowhere, and told to no other node")
  func checked() throws {
    let cluster = Cluster([plainFile, plainFile])
    func check(_ index: Int, _ request: RolloutRequest = Proposed.request) throws -> ProposalCheck {
      let response = cluster[index].agent.answerLocally(
        HTTPRequest("POST", "/v1/proposal/check", body: JSON.encode(request)))
      #expect(!String(decoding: response.body, as: UTF8.self).contains(apiKey))
      return try JSON.decode(ProposalCheck.self, from: response.body)
    }
    let would = try check(1)
    #expect(!would.isHeld && !would.isInForce && would.refusal == nil && would.failure == nil)
    #expect(would.difference.contains("+MINIO_KMS_SSE_KEY=key-1"), "\(would.difference)")
    #expect(would.path == "/etc/default/minio" && !would.restartReason.isEmpty)
    #expect(cluster[1].host.state.withLock { $0.records["proposal"] } == nil)
    #expect(cluster[1].agent.proposals.own.digest == nil)
    #expect(
      cluster.network.questions.withLock { $0.filter { $0.path.hasSuffix("/proposals") } }.isEmpty)
    _ = try propose(cluster[1].agent)
    #expect(try check(1).isHeld && !check(1).isInForce)
    #expect(try !check(1, Proposed.other).isHeld)
    _ = try propose(cluster[0].agent)
    #expect(wait(cluster, for: .inForce) == [.inForce, .inForce])
    #expect(try check(0).isInForce && check(0).difference.isEmpty)
    // The sealed key stays.
    let key = SettingChange(name: "MINIO_KMS_SSE_KEY", value: Secret("key-2"))
    let refused = try check(0, RolloutRequest(kind: .apply, changes: [key]))
    #expect(refused.refusal?.code == .guarded && refused.obstacle == nil)
  }

  @Test("a proposal outlives the agent, and a node that is not a member is not heard")
  func durable() throws {
    var cluster = Cluster([plainFile, plainFile])
    _ = try propose(cluster[1].agent)
    cluster.restart(1)
    #expect(cluster[1].agent.proposals.view().own.digest != nil)
    let statement = MemberProposal(serial: 9, digest: .sha256([1]))
    let stranger = Principal(cluster: "prod", role: .node, name: "minio-7")
    let response = cluster[0].send("POST", "/v1/proposals", JSON.encode(statement), as: stranger)
    #expect(response.status == 403)
    _ = try propose(cluster[0].agent)
    #expect(wait(cluster, for: .inForce) == [.inForce, .inForce])
  }

  @Test("what cannot be written is not proposed")
  func notWritten() throws {
    let node = Node()
    node.host.failRecord("proposal")
    let response = node.agent.answerLocally(
      HTTPRequest("POST", "/v1/proposal", body: JSON.encode(Proposed.request)))
    #expect(response.status == 400)
    let own = node.agent.proposals.view().own
    #expect(own.serial == 0 && own.digest == nil)
  }

  @Test("what failed is not proposed again by an agent that died just when the rollout had ended")
  func diesAtTheEnd() throws {
    var cluster = Cluster([plainFile, plainFile])
    for index in 0..<2 { cluster.failAtKeyManager(index, line: "FATAL it does not start") }
    _ = try propose(cluster[1].agent)
    let host = cluster[1].host
    let kept = Lock([String: [UInt8]]())
    host.state.update { state in
      state.onSave = { name in
        guard name == "rollout" else { return }
        let records = host.state.withLock { $0.records }
        kept.update { $0 = records }
      }
    }
    let (rollout, _) = try cluster.coordinate(enabling, rollback: .never)
    host.state.update { $0.records = kept.withLock { $0 } }
    cluster.restart(1)
    let view = cluster[1].agent.proposals.view()
    #expect(view.own.digest == nil)
    #expect(view.phase == .notConfirmed && view.rollout == rollout.id)
  }

  @Test("a plan of what was withdrawn meanwhile does not bring the proposal back")
  func withdrawnMeanwhile() throws {
    let node = Node()
    _ = try propose(node.agent)
    let digest = try #require(node.agent.proposals.view().own.digest)
    _ = try local(node.agent, "POST", "/v1/proposal/withdraw")
    node.agent.proposals.intend(.found(digest))
    #expect(node.agent.proposals.view().own.digest == nil)
  }

  @Test("an operator's rollout of the same settings puts the proposals in force")
  func byOperator() throws {
    let cluster = Cluster([plainFile, plainFile])
    _ = try propose(cluster[1].agent)
    let (rollout, result) = try cluster.coordinate(enabling)
    #expect(result.ending == .confirmed, "\(result)")
    // Confirmed here, and nobody has said yet that it is everywhere.
    #expect(cluster[1].agent.proposals.view().phase == .rollingOut)
    _ = cluster.after(rollout, result)
    #expect(cluster[1].agent.proposals.view().phase == .inForce)
    #expect(try propose(cluster[0].agent).phase == .inForce)
  }

  @Test("no answer of an agent holds a value of what was proposed")
  func secret() throws {
    let cluster = Cluster([plainFile, plainFile])
    let view = try propose(cluster[0].agent)
    #expect(!String(decoding: JSON.encode(view), as: UTF8.self).contains(apiKey))
  }
}
