// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import Crypto
import HTTP
import JSONCoding
import Linux
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

/// What must hold of proposals when something goes wrong around them.
@Suite("Proposals, when something is wrong", .serialized)
struct ProposalFaultTests {
  /// Blocks until the condition holds; whether it did within 30 s.
  private func comes(_ condition: () -> Bool) -> Bool {
    let deadline = Instant.inMilliseconds(30_000)
    while Clock.now() < deadline {
      if condition() { return true }
      Clock.sleep(until: .inMilliseconds(20))
    }
    return condition()
  }

  @Test("a refusal keeps its kind from the coordinator to the proposal: a clock that is not known")
  func clock() throws {
    let cluster = Cluster([plainFile, plainFile])
    // A round trip of 200 ms: the clock is known to 100 ms, and 50 ms are allowed.
    cluster.network.hooks.update { hooks in
      hooks.onQuestion = { _, path in
        if path == "/v1/clock" { Clock.sleep(until: .inMilliseconds(200)) }
      }
    }
    for node in cluster.nodes { _ = try propose(node.agent) }
    #expect(comes { cluster[0].agent.proposals.view().refusal != nil })
    let refusal = cluster[0].agent.proposals.view().refusal
    #expect(refusal?.code == .clock, "\(refusal as Any)")
  }

  // MARK: a withdrawal

  @Test(
    "a proposal that is withdrawn while its rollout's checks run gets a no, and nothing restarts")
  func withdrawnInChecks() throws {
    let cluster = Cluster([plainFile, plainFile])
    let host = cluster[1].host
    let withdrawn = Lock<HTTPResponse?>(nil)
    let agent = cluster[1].agent
    // The last of the checks: the file is staged, the vote is not written yet.
    host.state.update { state in
      state.onStage = {
        let answer = agent.answerLocally(HTTPRequest("POST", "/v1/proposal/withdraw"))
        withdrawn.update { $0 = $0 ?? answer }
      }
    }
    for node in cluster.nodes { _ = try propose(node.agent) }
    #expect(comes { withdrawn.withLock { $0 } != nil })
    let answer = try #require(withdrawn.withLock { $0 })
    let view = try JSON.decode(ProposalsView.self, from: answer.body)
    #expect(answer.status == 200 && view.isChanged && view.own.digest == nil)
    #expect(comes { cluster.nodes.allSatisfy { $0.agent.isAtRest } })
    #expect(comes { cluster[0].agent.proposals.view().refusal != nil })
    #expect(cluster[0].agent.proposals.view().refusal?.message.contains("was withdrawn") == true)
    for node in cluster.nodes {
      #expect(node.host.state.withLock { $0.restarts } == 0)
      #expect(node.host.state.withLock { $0["/etc/default/minio"] } == plainFile)
      #expect(node.host.state.withLock { $0.staged.isEmpty })
    }
  }

  @Test("after this node's vote a withdrawal is refused, and names the rollout that is under way")
  func withdrawnAfterVote() throws {
    let cluster = Cluster([plainFile, plainFile])
    let answers = Lock([HTTPResponse]())
    let agent = cluster[1].agent
    cluster[1].host.state.update { state in
      state.onRestart = { _ in
        let answer = Lock<HTTPResponse?>(nil)
        // The host's state is taken here: another thread asks.
        do throws(Errno) {
          try Thread.start("withdraw") {
            answer.update { $0 = agent.answerLocally(HTTPRequest("POST", "/v1/proposal/withdraw")) }
            if let given = answer.withLock({ $0 }) { answers.update { $0.append(given) } }
          }
        } catch { Issue.record("\(error)") }
      }
    }
    for node in cluster.nodes { _ = try propose(node.agent) }
    #expect(comes { answers.withLock { !$0.isEmpty } })
    let answer = try #require(answers.withLock { $0.first })
    let no = try answer.refusal()
    #expect(answer.status == 400 && no.code == .busy, "\(no)")
    #expect(no.message.contains("is under way"), "\(no)")
    #expect(comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().phase == .inForce } })
  }

  // MARK: what a node has lost

  @Test(
    "a node that was installed again, and counts from the beginning, is heard", arguments: [0, 1])
  func reimaged(index: Int) throws {
    var cluster = Cluster([plainFile, plainFile])
    // Its serial is 3 in the life before.
    _ = try propose(cluster[index].agent, Proposed.other)
    _ = try local(cluster[index].agent, "POST", "/v1/proposal/withdraw")
    _ = try propose(cluster[index].agent, Proposed.other)
    #expect(
      comes { cluster[1 - index].agent.proposals.view().rows[index].statement != nil || index == 0 }
    )
    cluster[index].host.state.update { $0.records = [:] }
    cluster.restart(index)
    for node in cluster.nodes { _ = try propose(node.agent) }
    #expect(comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().phase == .inForce } })
  }

  @Test("a node whose record of its proposal is damaged is heard when it proposes again")
  func damagedProposal() throws {
    var cluster = Cluster([plainFile, plainFile])
    _ = try propose(cluster[1].agent, Proposed.other)
    _ = try local(cluster[1].agent, "POST", "/v1/proposal/withdraw")
    _ = try propose(cluster[1].agent, Proposed.other)
    cluster[1].host.state.update { $0.records["proposal"] = [] }
    cluster.restart(1)
    // The first member hears that nothing is held there any more.
    #expect(comes { cluster[0].agent.proposals.view().rows[1].statement?.digest == nil })
    #expect(cluster.rules(1).contains("damaged-record"))
    for node in cluster.nodes { _ = try propose(node.agent) }
    #expect(comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().phase == .inForce } })
    #expect(!cluster.rules(1).contains("damaged-record"))
  }

  @Test(
    "a damaged record takes no other with it, and status names it",
    arguments: ["results", "collecting", "confirmed", "drift"])
  func oneDamaged(name: String) throws {
    var cluster = Cluster([plainFile, plainFile])
    let digest = try #require(try propose(cluster[1].agent).own.digest)
    cluster[1].host.state.update { $0.records[name] = [] }
    cluster.restart(1)
    #expect(cluster[1].agent.proposals.view().own.digest == digest)
    let finding = try #require(
      cluster[1].agent.status().findings.first { $0.rule == "damaged-record" })
    #expect(finding.message.contains(name) && finding.severity == .warning, "\(finding)")
    #expect(finding.remedy?.isEmpty == false)
    #expect(try cluster[1].plan(enabling).refusal == nil)
  }

  @Test("each of several damaged records is a finding of its own")
  func allDamaged() throws {
    let host = FakeNodeHost(file: plainFile)
    let names = [
      "rollout", "incarnation", "confirmed", "drift", "results", "proposal", "collecting",
    ]
    host.state.update { state in for name in names { state.records[name] = [] } }
    let findings = Node(host).agent.status().findings.filter { $0.rule == "damaged-record" }
    for name in names {
      #expect(findings.filter { $0.message.contains("read \(name):") }.count == 1, "\(name)")
    }
    #expect(findings.filter { $0.severity == .error }.count == 2)
  }

  // MARK: what was not confirmed

  /// Both nodes hold the settings and one of them fails to start with them; blocks until it is rolled back
  /// everywhere.
  private func failing() throws -> (cluster: Cluster, failure: ProposalFailure) {
    let cluster = Cluster([plainFile, plainFile])
    cluster.failOnce(1)
    for node in cluster.nodes { _ = try propose(node.agent, Proposed.other) }
    #expect(
      comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().failure?.rollback != nil } })
    #expect(comes { cluster.nodes.allSatisfy { $0.agent.isAtRest } })
    #expect(
      comes {
        cluster.nodes.allSatisfy { $0.agent.proposals.view().failure?.ending == .rolledBack }
      })
    return (cluster, try #require(cluster[0].agent.proposals.view().failure))
  }

  private func restarts(_ cluster: Cluster) -> [Int] {
    cluster.nodes.map { $0.host.state.withLock { $0.restarts } }
  }

  /// What both nodes are handed again, run after run, and what each of them says.
  private func proposeAgain(_ cluster: Cluster) throws -> [ProposalsView] {
    try (0..<3).flatMap { _ in try cluster.nodes.map { try propose($0.agent, Proposed.other) } }
  }

  @Test(
    "settings whose start failed are not begun again by any run, also when the first member is replaced",
    arguments: [false, true])
  func failedAndRestarted(isReplaced: Bool) throws {
    var (cluster, _) = try failing()
    let before = restarts(cluster)
    for view in try proposeAgain(cluster) {
      #expect(view.phase == .notConfirmed && !view.isChanged, "\(view)")
      #expect(view.failure?.ending == .rolledBack && view.own.digest == nil, "\(view)")
    }
    if isReplaced { cluster[0].host.state.update { $0.records = [:] } }
    cluster.restartAll()
    let views = try proposeAgain(cluster)
    #expect(views.last?.phase == .notConfirmed)
    // The one that was replaced knows of nothing, and waits for the other, which does.
    #expect(views[0].phase == (isReplaced ? .waiting : .notConfirmed))
    Clock.sleep(until: .inMilliseconds(Proposals.quietMilliseconds + 500))
    #expect(restarts(cluster) == before)
  }

  @Test("an operator's rollout of other settings lets nothing that failed be proposed again")
  func operatorsRollout() throws {
    let (cluster, first) = try failing()
    let rollout = try cluster.coordinate([
      SettingChange(name: "MINIO_BROWSER", value: Secret("off"))
    ]).rollout
    let told = RolloutResult(rollout: rollout.id, kind: .confirmed, by: alice.author)
    for node in cluster.nodes {
      let path = "/v1/rollouts/\(rollout.id)/result"
      #expect(node.send("POST", path, JSON.encode(told)).status == 200)
      let view = try propose(node.agent, Proposed.other)
      #expect(view.phase == .notConfirmed && view.failure?.digest == first.digest, "\(view)")
    }
  }

  @Test(
    "settings that fail in turns are each tried once, and an operator allows one of them again",
    arguments: [false, true])
  func turns(isRestarted: Bool) throws {
    var (cluster, first) = try failing()
    let second = RolloutRequest(
      kind: .apply, changes: [SettingChange(name: "MINIO_SITE_NAME", value: Secret("y"))])
    cluster.failOnce(0)
    for node in cluster.nodes { _ = try propose(node.agent, second) }
    #expect(
      comes {
        cluster.nodes.allSatisfy {
          let failure = $0.agent.proposals.view().failure
          return failure?.digest != first.digest && failure?.ending == .rolledBack
            && $0.agent.isAtRest
        }
      })
    let before = restarts(cluster)
    if isRestarted { cluster.restartAll() }
    for request in [Proposed.other, second, Proposed.other] {
      for node in cluster.nodes {
        let view = try propose(node.agent, request)
        #expect(view.phase == .notConfirmed && view.own.digest == nil, "\(view)")
        #expect(view.failure?.digest == request.proposal(cluster: "prod"), "\(view)")
      }
    }
    Clock.sleep(until: .inMilliseconds(Proposals.quietMilliseconds + 500))
    #expect(restarts(cluster) == before)
    // The agents before are still there in this test, and would contradict those after.
    if isRestarted { return }
    let retry = JSON.encode(ProposalRetry(digest: String(first.digest.hex.prefix(12))))
    for node in cluster.nodes {
      #expect(node.send("POST", "/v1/proposals/retry", retry).status == 200)
      #expect(node.agent.proposals.view().phase == .none)
      #expect(try propose(node.agent, second).phase == .notConfirmed)
    }
    for node in cluster.nodes { _ = try propose(node.agent, Proposed.other) }
    #expect(
      comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().phase == .inForce } },
      "\(cluster.nodes.map { $0.agent.proposals.view() })")
    // Another generation is in force by now.
    #expect(comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().failure == nil } })
  }

  @Test("of settings that others have followed it becomes known too how they ended")
  func laterEnding() throws {
    let agent = Node().agent
    let (older, newer) = (Digest.sha256([1]), Digest.sha256([2]))
    func failure(_ digest: Digest, _ rollout: String, _ rollback: String?) -> ProposalFailure {
      ProposalFailure(
        digest: digest, rollout: rollout, ending: .notConfirmed, reason: "no", rollback: rollback)
    }
    try agent.proposals.keep { record in
      record.remember(failure(older, "00000000000000a1", nil))
      record.remember(failure(newer, "00000000000000b1", "00000000000000b2"))
    }
    func known(_ digest: Digest) -> ProposalFailure? {
      agent.proposals.state.withLock { $0.record.failure(of: digest) }
    }
    agent.proposals.ended(
      RolloutResult(
        rollout: "00000000000000a1", kind: .rollingBack, rollback: "00000000000000a2", by: "alice"))
    #expect(known(older)?.rollback == "00000000000000a2")
    agent.proposals.ended(
      RolloutResult(rollout: "00000000000000a2", kind: .confirmed, by: "alice"))
    #expect(known(older)?.ending == .rolledBack && known(newer)?.ending == .notConfirmed)
    agent.proposals.ended(
      RolloutResult(rollout: "00000000000000b2", kind: .held, by: "alice"))
    #expect(known(newer)?.ending == .rolledBackUnhealthy && known(older)?.ending == .rolledBack)
    // The last one stays what is told.
    #expect(agent.proposals.view().failure?.digest == newer)
  }

  @Test(
    "what was not confirmed can be given up: nothing is proposed then, and the same is refused all the same"
  )
  func givenUp() throws {
    var (cluster, failure) = try failing()
    let before = restarts(cluster)
    for node in cluster.nodes {
      #expect(node.agent.proposals.view().phase == .notConfirmed)
      let view = try local(node.agent, "POST", "/v1/proposal/withdraw")
      #expect(view.isChanged && view.phase == .none && view.own.digest == nil, "\(view)")
      #expect(view.failure?.digest == failure.digest)
      let again = try local(node.agent, "POST", "/v1/proposal/withdraw")
      #expect(!again.isChanged && again.phase == .none, "\(again)")
    }
    cluster.restartAll()
    #expect(cluster.nodes.allSatisfy { $0.agent.proposals.view().phase == .none })
    for view in try proposeAgain(cluster) { #expect(view.phase == .notConfirmed, "\(view)") }
    Clock.sleep(until: .inMilliseconds(Proposals.quietMilliseconds + 500))
    #expect(restarts(cluster) == before)
  }

  @Test("a person who says so has it rolled out again: by digest, or by a rollout of their own")
  func retried() throws {
    let (cluster, failure) = try failing()
    let retry = JSON.encode(ProposalRetry(digest: String(failure.digest.hex.prefix(12))))
    for node in cluster.nodes {
      let response = node.send("POST", "/v1/proposals/retry", retry)
      #expect(response.status == 200)
      #expect(try JSON.decode(ProposalsView.self, from: response.body).isChanged)
    }
    let observer = Principal(cluster: "prod", role: .observer, name: "o")
    #expect(cluster[0].send("POST", "/v1/proposals/retry", retry, as: observer).status == 403)
    for node in cluster.nodes { _ = try propose(node.agent, Proposed.other) }
    #expect(comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().phase == .inForce } })
    #expect(comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().failure == nil } })
  }

  @Test(
    "settings that an operator has rolled out since, and were confirmed, are in force when proposed"
  )
  func applied() throws {
    let (cluster, _) = try failing()
    let (rollout, result) = try cluster.coordinate(Proposed.other.changes)
    #expect(result.ending == .confirmed, "\(result)")
    _ = cluster.after(rollout, result)
    for node in cluster.nodes {
      let view = try propose(node.agent, Proposed.other)
      #expect(view.phase == .inForce && !view.isChanged && view.failure == nil, "\(view)")
    }
  }

  @Test(
    "other settings are taken as ever, and the failed ones are refused as long as those are not confirmed"
  )
  func others() throws {
    let (cluster, _) = try failing()
    #expect(try propose(cluster[0].agent).phase == .waiting)
    let view = try propose(cluster[0].agent, Proposed.other)
    #expect(view.phase == .notConfirmed && view.own.digest == nil, "\(view)")
    for node in cluster.nodes { _ = try propose(node.agent) }
    #expect(comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().phase == .inForce } })
    #expect(comes { cluster.nodes.allSatisfy { $0.agent.proposals.view().failure == nil } })
  }

  @Test("a record of a failure from before there were reasons is read")
  func oldRecord() throws {
    let digest = Digest.sha256([1])
    let json =
      #"{"statement":{"serial":2,"isInForce":false},"failed":{"digest":"\#(digest.hex)","rollout":"00000000000000aa"}}"#
    let host = FakeNodeHost(file: plainFile)
    host.state.update { $0.records["proposal"] = Array(json.utf8) }
    let view = Node(host).agent.proposals.view()
    #expect(view.phase == .notConfirmed && view.failure?.ending == .notConfirmed)
    #expect(view.failure?.digest == digest)
  }

  @Test("a member does not vote for other settings than the proposal that a rollout says it is of")
  func otherSettings() throws {
    let cluster = Cluster([plainFile, plainFile])
    for node in cluster.nodes { _ = try propose(node.agent) }
    let first = Principal(cluster: "prod", role: .node, name: "minio-1")
    var rollout = try cluster.rollout(enabling)
    rollout.createdBy = first.author
    for proposal in [nil, Digest.sha256([9])] {
      rollout.proposal = proposal
      let request = PrepareRequest(
        rollout: rollout,
        request: RolloutRequest(kind: rollout.kind, changes: enabling, undoes: rollout.undoes),
        seals: [])
      let response = cluster[1].send("POST", "/v1/rollouts", JSON.encode(request), as: first)
      let vote = try JSON.decode(VoteAnswer.self, from: response.body)
      #expect(vote.refusal?.message.contains("other settings") == true, "\(vote)")
    }
  }
}

extension Cluster {
  /// The next start of a node's server ends with a fatal line; those after it go well.
  func failOnce(_ index: Int) {
    let host = nodes[index].host
    let good = host.state.withLock { $0.startLines }
    host.endsAtKeyManager("FATAL it does not start")
    host.state.update { state in
      let failing = state.onRestart
      state.onRestart = { state in
        failing(&state)
        state.onRestart = { state in
          state.startLines = good
          state.unit.activeState = "active"
          state.unit.subState = "running"
        }
      }
    }
  }
}
