// SPDX-License-Identifier: Apache-2.0
import API
@testable import Agent
import Coordination
import HTTP
import JSONCoding
import Model
import Rollout
import Secrets
import ServerUnit
import Testing
import Threads

/// An operator's way to an agent in memory.
struct OperatorLink: AgentLink {
  let agent: Agent
  var isGone: @Sendable () -> Bool = { false }

  func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer {
    if isGone() { throw .unreachable("it is gone") }
    let response = agent.answer(request.message, from: alice)
    do throws(Refusal) { return try request.answer(in: response) } catch { throw .answered(error) }
  }
}

/// Sees nothing.
struct NoWatcher: RolloutWatcher, UndertakingObserver {
  func begins(_ rollout: Rollout) -> NoWatcher { self }
  func ended(_ rollout: Rollout, _ result: CoordinatorResult) {}
  mutating func changed(member: String, phase: Word<RolloutPhase>, detail: String) {}
  mutating func committed(inNanoseconds: Int64) {}
  mutating func tick() {}
  mutating func end() {}
}

extension Cluster {
  /// The clock bound of a loaded machine.
  private var inventory: Inventory {
    Inventory(
      cluster: "prod", nodes: names.map { .init(name: $0, address: $0) },
      timeouts: .init(prepareSeconds: 20, stopSeconds: 10, startSeconds: 20, settleSeconds: 0),
      clockBoundMilliseconds: 5_000)
  }

  var links: [any AgentLink] { nodes.map { OperatorLink(agent: $0.agent) } }

  /// A rollout with an operator's coordinator.
  func coordinate(
    _ changes: [SettingChange], rollback: RollbackPolicy? = .whenSafe
  ) throws -> (rollout: Rollout, result: CoordinatorResult) {
    let request = RolloutRequest(kind: .apply, changes: changes)
    let plan = ClusterPlan(
      rows: zip(names, links).map { name, link in
        do throws(LinkFailure) {
          return NodeAnswer(
            name: name,
            result: .success(
              try link.call(
                .plan(PlanRequest(request)), lane: .control, deadline: .inMilliseconds(20_000))))
        } catch { return NodeAnswer(name: name, result: .failure(error.refusal)) }
      })
    let rollout = try plan.rollout(
      id: Rollout.newID(), request, inventory: inventory, createdBy: "alice",
      realtimeMicroseconds: 1, rollback: rollback)
    var watcher = NoWatcher()
    let result = try RolloutRunner(
      rollout: rollout, request: request, seals: plan.seals, links: links,
      limits: CoordinatorLimits(inventory)
    ).run(Interruption(), &watcher)
    return (rollout, result)
  }

  func after(_ rollout: Rollout, _ result: CoordinatorResult) -> Undertaking.Aftermath {
    Undertaking(
      inventory, createdBy: "alice", members: zip(names, links).map { (name: $0, link: $1) }
    ).conclude(rollout, result.outcomes, Interruption(), NoWatcher())
  }

  /// What a node says of a rollout.
  func view(_ index: Int, _ id: String) throws -> RolloutView {
    try links[index].call(
      .follow(id: id, after: 0, waitMilliseconds: 0), lane: .following,
      deadline: .inMilliseconds(5_000))
  }

  /// Blocks until the result of the rollout is known on a node.
  func rolloutResult(_ index: Int, _ id: String) throws -> RolloutResult? {
    for _ in 0..<600 {
      if let rolloutResult = try view(index, id).rolloutResult { return rolloutResult }
      Clock.sleep(until: .inMilliseconds(50))
    }
    return nil
  }

  /// The server of a node ends at the Key Manager from now on, as long as its file names a key; then
  /// systemd tries again and again.
  func failAtKeyManager(_ index: Int, line: String) {
    let host = nodes[index].host
    host.state.update { state in
      state.journal = [
        JournalEntry(
          cursor: "c", realtimeMicroseconds: 1, monotonicMicroseconds: 1, bootID: "boot-1",
          invocationID: "new-1", pid: 101, priority: 6, identifier: "minio", message: line)
      ]
    }
    host.endsAtKeyManager(line)
  }
}

@Suite("After the commit")
struct AfterCommitTests {
  private static let line =
    "FATAL Failed to connect to KMS: failed to generate data key with KMS key: \"kms-1:7373\": "
    + "dial tcp 10.0.0.5:7373: connect: connection refused"
  private static let good = [
    "INFO: All MinIO sub-systems initialized successfully in 1s", "MinIO AIStor Server",
  ]
  /// Members wait for nobody.
  private static let impatient: CollectorTimes = {
    var times = CollectorTimes()
    times.silenceMilliseconds = 100
    times.againMilliseconds = 100
    return times
  }()
  /// They leave it to the coordinator.
  private static let patient: CollectorTimes = {
    var times = CollectorTimes()
    times.silenceMilliseconds = 600_000
    return times
  }()

  private func cluster(_ times: CollectorTimes) -> Cluster {
    let cluster = Cluster([plainFile, plainFile, plainFile], collectorTimes: times)
    for index in 0..<3 { cluster.failAtKeyManager(index, line: Self.line) }
    return cluster
  }

  /// systemd tries on, and what is gone back to will start.
  private func settleDown(_ cluster: Cluster) {
    for node in cluster.nodes {
      node.host.startsWell(Self.good)
    }
  }

  @Test("the coordinator rolls a first enablement back that failed everywhere at the Key Manager")
  func coordinatorRollsBack() throws {
    let cluster = cluster(Self.patient)
    let (rollout, result) = try cluster.coordinate(enabling)
    #expect(result.ending == .notConfirmed, "\(result)")
    settleDown(cluster)
    guard case .rolledBack(let back, let second) = cluster.after(rollout, result) else {
      Issue.record("it was not rolled back")
      return
    }
    #expect(second.ending == .confirmed, "\(second)")
    #expect(back.undoes == rollout.id && back.kind == .rollback)
    for (index, node) in cluster.nodes.enumerated() {
      #expect(node.host.state.withLock { $0["/etc/default/minio"] } == plainFile)
      let view = try cluster.view(index, rollout.id)
      #expect(view.outcome?.kind == .failed)
      #expect(view.rolloutResult?.kind == .rollingBack && view.rolloutResult?.rollback == back.id)
      #expect(try cluster.view(index, back.id).rolloutResult?.kind == .confirmed)
    }
  }

  @Test("one server that was confirmed with the new key holds everything")
  func hold() throws {
    let cluster = cluster(Self.patient)
    cluster[1].host.startsWell(Self.good)
    let (rollout, result) = try cluster.coordinate(enabling)
    let files = cluster.nodes.map { $0.host.state.withLock { $0.file } }
    guard case .held(let reason) = cluster.after(rollout, result) else {
      Issue.record("it was not held")
      return
    }
    #expect(reason.contains("is sealed"), "\(reason)")
    #expect(cluster.nodes.map { $0.host.state.withLock { $0.file } } == files)
    #expect(try cluster.view(0, rollout.id).rolloutResult?.kind == .held)
  }

  @Test("never means never")
  func never() throws {
    let cluster = cluster(Self.patient)
    let (rollout, result) = try cluster.coordinate(enabling, rollback: .never)
    guard case .held = cluster.after(rollout, result) else {
      Issue.record("it was not held")
      return
    }
    #expect(cluster.nodes.allSatisfy { $0.host.state.withLock { $0.stops } == 0 })
  }

  @Test("a rollout without faults is told to be confirmed, and nobody collects it any more")
  func confirmed() throws {
    let cluster = Cluster([plainFile, plainFile], collectorTimes: Self.patient)
    let (rollout, result) = try cluster.coordinate(enabling)
    guard case .confirmed = cluster.after(rollout, result) else {
      Issue.record("\(result)")
      return
    }
    for (index, node) in cluster.nodes.enumerated() {
      #expect(try cluster.view(index, rollout.id).rolloutResult?.kind == .confirmed)
      _ = node.agent.results.state.wait(until: .inMilliseconds(5_000)) {
        $0.open == nil ? true : nil
      }
      #expect(node.host.state.withLock { $0.records["collecting"] } == nil)
    }
  }

  @Test("without a coordinator the lowest member collects the outcomes and rolls back")
  func membersRollBack() throws {
    let cluster = cluster(Self.impatient)
    // The servers end at the Key Manager once, and start with the previous file.
    for node in cluster.nodes {
      let host = node.host
      host.state.update { state in
        state.onSave = { record in
          guard record == "collecting" else { return }
          host.startsWell(Self.good)
        }
      }
    }
    let (rollout, _) = try cluster.coordinate(enabling)
    for index in 0..<3 {
      let rolloutResult = try #require(try cluster.rolloutResult(index, rollout.id))
      #expect(
        rolloutResult.kind == .rollingBack && rolloutResult.by == "node/minio-1", "\(rolloutResult)"
      )
      let back = try #require(rolloutResult.rollback)
      #expect(try cluster.rolloutResult(index, back)?.kind == .confirmed)
      #expect(cluster[index].host.state.withLock { $0["/etc/default/minio"] } == plainFile)
      // Neither of two that might have summed it up restarts a server twice.
      #expect(cluster[index].host.state.withLock { $0.restarts } == 2)
    }
  }

  /// An agent dies between the record of its rollout's end and everything that follows from it: what its disk
  /// holds then. Begins before the rollout.
  private func recordsAtTheEnd(_ host: FakeNodeHost) -> Lock<[String: [UInt8]]> {
    let kept = Lock([String: [UInt8]]())
    host.state.update { state in
      state.onSave = { name in
        guard name == "rollout" else { return }
        let records = host.state.withLock { $0.records }
        kept.update { $0 = records }
      }
    }
    return kept
  }

  @Test("an agent that died just when its rollout had ended collects the outcomes afterwards")
  func diesAtTheEnd() throws {
    var cluster = Cluster([plainFile, plainFile, plainFile], collectorTimes: Self.patient)
    let kept = recordsAtTheEnd(cluster[0].host)
    let (rollout, _) = try cluster.coordinate(enabling)
    cluster[0].host.state.update { $0.records = kept.withLock { $0 } }
    cluster.collectorTimes = Self.impatient
    cluster.restart(0)
    for index in 0..<3 {
      let rolloutResult = try #require(try cluster.rolloutResult(index, rollout.id), "\(index)")
      #expect(rolloutResult.kind == .confirmed && rolloutResult.by == "node/minio-1")
    }
  }

  @Test("a later rollout that was aborted does not keep outcomes from being collected")
  func abortedLater() throws {
    var cluster = Cluster([plainFile, plainFile], collectorTimes: Self.patient)
    let (rollout, _) = try cluster.coordinate(enabling)
    let changes = [SettingChange(name: "MINIO_SITE_NAME", value: Secret("x"))]
    let later = try cluster.rollout(changes, id: "00000000000000bb")
    #expect(try cluster[0].prepare(later, changes).refusal == nil)
    _ = try cluster[0].decide(later, .abort)
    cluster.collectorTimes = Self.impatient
    cluster.restart(0)
    #expect(try cluster.rolloutResult(0, rollout.id)?.kind == .confirmed)
    #expect(try cluster.rolloutResult(1, rollout.id)?.kind == .confirmed)
  }

  @Test(
    "a rollout that is under way when the outcomes are in delays the sum, and does not prevent it")
  func busyWhenCollected() throws {
    var cluster = Cluster([plainFile], collectorTimes: Self.patient)
    let (rollout, _) = try cluster.coordinate(enabling)
    let changes = [SettingChange(name: "MINIO_SITE_NAME", value: Secret("x"))]
    let later = try cluster.rollout(changes, id: "00000000000000bb")
    cluster.collectorTimes = Self.impatient
    cluster.restart(0)
    #expect(try cluster[0].prepare(later, changes).refusal == nil)
    // Two rounds of questions, and the outcomes are in.
    Clock.sleep(until: .inMilliseconds(1_000))
    _ = try cluster[0].decide(later, .abort)
    #expect(try cluster.rolloutResult(0, rollout.id)?.kind == .confirmed)
  }

  @Test("the result of a rollout is collected again if it could not be written and is forgotten")
  func notWritten() throws {
    var cluster = Cluster([plainFile], collectorTimes: Self.patient)
    let (rollout, result) = try cluster.coordinate(enabling)
    cluster[0].host.failRecord("results")
    guard case .confirmed = cluster.after(rollout, result) else {
      Issue.record("\(result)")
      return
    }
    let agent = cluster[0].agent
    _ = agent.results.state.wait(until: .inMilliseconds(5_000)) { $0.open == nil ? true : nil }
    cluster[0].host.failRecord("")
    cluster.collectorTimes = Self.impatient
    cluster.restart(0)
    #expect(try cluster.rolloutResult(0, rollout.id)?.kind == .confirmed)
  }

  @Test(
    "a node's certificate may roll back the last rollout as its policy says, and ask for nothing else"
  )
  func nodeMay() throws {
    let cluster = cluster(Self.patient)
    let (rollout, _) = try cluster.coordinate(enabling)
    let peer = Principal(cluster: "prod", role: .node, name: "minio-2")
    func status(_ request: PlanRequest, _ principal: Principal = peer) -> Int {
      cluster[0].send("POST", "/v1/plan", JSON.encode(request), as: principal).status
    }
    let undo = PlanRequest(RolloutRequest(kind: .rollback, undoes: rollout.id))
    #expect(status(undo) == 200)
    let stranger = Principal(cluster: "prod", role: .node, name: "minio-9")
    #expect(status(undo, stranger) == 403)
    for request in [
      PlanRequest(RolloutRequest(kind: .rollback, undoes: "00000000000000ff")),
      PlanRequest(RolloutRequest(kind: .rollback, generation: 0)),
      PlanRequest(RolloutRequest(kind: .restart)),
      PlanRequest(RolloutRequest(kind: .apply, changes: enabling)),
    ] {
      #expect(status(request) == 403, "\(request.request.kind)")
    }
  }
}
