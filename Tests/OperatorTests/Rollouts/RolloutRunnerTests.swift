// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Model
@testable import Operator
import Rollout
import Testing
import Threads

@Suite(.timeLimit(.minutes(1))) struct RolloutRunnerTests {
  private struct Watcher: RolloutWatcher {
    var phases: [String] = []
    mutating func changed(member: String, phase: Word<RolloutPhase>, detail: String) {
      phases.append("\(member) \(phase.text) \(detail)")
    }
    mutating func committed(inNanoseconds: Int64) { phases.append("committed") }
    mutating func tick() {}
  }

  private func run(
    _ agents: [FakeAgent], _ interruption: Interruption = Interruption()
  ) throws -> (result: CoordinatorResult, phases: [String]) {
    let rollout = Rollout(
      id: "00112233445566ff", epoch: 4, kind: .apply, cluster: "prod", generation: 1, seal: nil,
      contents: agents.map {
        MemberContent(
          member: $0.name, incarnation: .sample, path: "/etc/default/minio", before: nil, after: nil
        )
      },
      createdBy: "alice", prepareMilliseconds: 2_000, stopMilliseconds: 100,
      startMilliseconds: 300)
    var limits = CoordinatorLimits()
    limits.leastLeadMilliseconds = 1
    limits.outcomeGraceMilliseconds = 100
    limits.decideMilliseconds = 300
    let runner = RolloutRunner(
      rollout: rollout, request: RolloutRequest(kind: rollout.kind, undoes: rollout.undoes),
      seals: [], links: agents, limits: limits)
    var watcher = Watcher()
    let result = try runner.run(interruption, &watcher)
    return (result, watcher.phases)
  }

  private func agents(_ fault: FakeAgent.Fault = .none) -> [FakeAgent] {
    [FakeAgent("minio-1"), FakeAgent("minio-2"), FakeAgent("minio-3", fault)]
  }

  @Test("all vote yes: every member restarts once and is confirmed, and the skew is known")
  func commit() throws {
    let agents = agents()
    let (result, phases) = try run(agents)
    #expect(result.ending == .confirmed)
    #expect(result.decision == .commit)
    #expect(result.outcomes.map(\.outcome.kind) == [.confirmed, .confirmed, .confirmed])
    #expect(agents.map(\.restarts) == [1, 1, 1])
    #expect(result.skewNanoseconds.map { $0 < 50_000_000 } == true)
    #expect(phases.contains("committed"))
    for agent in agents {
      #expect(phases.contains("\(agent.name) prepared "))
      // The step that ends the timeline says what the outcome says.
      #expect(phases.count { $0 == "\(agent.name) confirmed " } == 1)
    }
  }

  @Test("without faults each member is asked as often, however many they are: the work is O(N)")
  func messages() throws {
    for count in [3, 9, 27] {
      let agents = (1...count).map { FakeAgent("minio-\($0)") }.sorted { $0.name < $1.name }
      #expect(try run(agents).result.ending == .confirmed)
      for agent in agents { #expect((12...20).contains(agent.calls), "\(agent.calls)") }
    }
  }

  @Test("one votes no: nobody restarts, nobody stays in the rollout, the reason is the result")
  func no() throws {
    let agents = agents(.votesNo(Refusal(.keyManager, "kms-1:7373: tls failed")))
    let (result, _) = try run(agents)
    #expect(result.ending.refusal?.code == .keyManager)
    #expect(result.decision == .abort)
    #expect(result.outcomes.map(\.outcome.kind) == [.aborted, .aborted, .aborted])
    #expect(result.outcomes[2].outcome.reason == "kms-1:7373: tls failed")
    #expect(agents.map(\.restarts) == [0, 0, 0])
    #expect(agents.map(\.isActive) == [false, false, false])
  }

  @Test("one is unreachable: nobody restarts, nobody stays in the rollout")
  func unreachable() throws {
    let agents = agents(.unreachable)
    let (result, _) = try run(agents)
    #expect(result.ending.refusal?.code == .unreachable)
    #expect(agents.map(\.restarts) == [0, 0, 0])
    #expect(agents.map(\.isActive) == [false, false, false])
  }

  private static let busy = LinkFailure.answered(
    Refusal(.busy, "too many requests are being served"))

  @Test(
    "a vote that is not known, the yes of it perhaps given, is told of the abort",
    arguments: [
      FakeAgent.Fault.clockFailsAfterVote(busy), .voteIsLost(busy),
      .voteIsLost(.unreachable("connection reset")),
    ])
  func voteIsNotKnown(fault: FakeAgent.Fault) throws {
    let agents = agents(fault)
    let (result, _) = try run(agents)
    #expect(result.decision == .abort)
    if case .voteIsLost(.unreachable) = fault {
      #expect(result.ending.refusal?.code == .unreachable)
    } else {
      #expect(result.ending.refusal?.code == .busy)
      #expect(result.summary.contains("too many requests are being served"), "\(result.summary)")
    }
    #expect(agents.map(\.restarts) == [0, 0, 0])
    #expect(agents.map(\.isActive) == [false, false, false])
  }

  @Test("one is gone after the commit: the others are confirmed, its state is unknown")
  func gone() throws {
    let (result, _) = try run(agents(.goneAfterCommit))
    #expect(result.ending == .outcomesUnknown)
    #expect(result.outcomes.map(\.outcome.kind) == [.confirmed, .confirmed, .unknown])
    #expect(result.skewNanoseconds == nil)
  }

  @Test("one start fails: its line is shown with its name, and the result is not confirmed")
  func failed() throws {
    let (result, phases) = try run(agents(.failsToStart("FATAL Failed to connect to KMS")))
    #expect(result.ending == .notConfirmed)
    #expect(result.outcomes[2].outcome.reason == "FATAL Failed to connect to KMS")
    #expect(phases.contains("minio-3 failed FATAL Failed to connect to KMS"))
  }

  @Test("interrupted while a member is still checking: the abort overtakes its vote")
  func cancelBefore() throws {
    let interruption = Interruption()
    let agents = [
      FakeAgent("minio-1"),
      FakeAgent("minio-2", .votesAfterAbort, onPrepare: { _ = interruption.interrupt() }),
    ]
    let (result, _) = try run(agents, interruption)
    #expect(result.ending.refusal?.code == .failed)
    #expect(result.decision == .abort)
    #expect(agents.map(\.restarts) == [0, 0])
    #expect(agents.map(\.isActive) == [false, false])
  }

  @Test("interrupted after the commit: all restart all the same, and the result says unknown")
  func cancelAfter() throws {
    let interruption = Interruption()
    let agents = [
      FakeAgent("minio-1", .neverStarts, onCommit: { _ = interruption.interrupt() }),
      FakeAgent("minio-2", .neverStarts),
    ]
    let (result, _) = try run(agents, interruption)
    #expect(result.ending == .outcomesUnknown)
    #expect(result.decision == .commit)
    #expect(result.outcomes.allSatisfy { $0.outcome.reason.contains("go on by themselves") })
  }

  @Test(
    "whenever a signal ends the command, it says how the rollout is followed; afterwards nothing")
  func lastWords() throws {
    let interruption = Interruption()
    let words = Lock([String?]())
    let note: @Sendable () -> Void = { words.update { $0.append(interruption.lastWords) } }
    let agents = [FakeAgent("minio-1", onPrepare: note, onCommit: note)]
    let inventory = Inventory(
      cluster: "prod", nodes: [.init(name: "minio-1", address: "minio-1")])
    let undertaking = Undertaking(
      inventory, createdBy: "alice", members: agents.map { (name: $0.name, link: $0) })
    let request = RolloutRequest(kind: .restart)
    let plan = undertaking.ask(request)
    let observer = Noting(note: note)
    let end = try undertaking.run(request, on: plan, interruption, observer)
    let told = words.withLock { $0 }
    // As it begins, at the commit, at its end; a slow machine is asked again in between.
    #expect(told.count >= 3)
    #expect(
      told.allSatisfy { $0?.contains("keyturn watch \(end.rollout.id) follows it") == true },
      "\(told)")
    #expect(interruption.lastWords == nil)
    // No handler is left either: the next signal ends the process.
    #expect(!interruption.interrupt())
  }

  @Test("a second interruption is not taken: the process must exit at once")
  func twice() throws {
    let interruption = Interruption()
    let began = Clock.now()
    #expect(!interruption.interrupt(at: began))
    let answers = interruption.handled(by: {}) {
      [0, 100].map { interruption.interrupt(at: began.advanced(byMilliseconds: $0)) }
    }
    #expect(answers == [true, false])
  }

  @Test("a signal that comes twice at once, as from timeout(1), is one interruption")
  func echo() throws {
    let interruption = Interruption()
    let began = Clock.now()
    let told = Lock(0)
    let answers = interruption.handled(by: { told.update { $0 += 1 } }) {
      [0, 0, 99, 100].map { interruption.interrupt(at: began.advanced(byMilliseconds: $0)) }
    }
    #expect(answers == [true, true, true, false])
    #expect(told.withLock { $0 } == 1)
  }
}

/// Calls `note` as a rollout begins and ends.
private struct Noting: UndertakingObserver {
  struct Watcher: RolloutWatcher {
    mutating func changed(member: String, phase: Word<RolloutPhase>, detail: String) {}
    mutating func committed(inNanoseconds: Int64) {}
    mutating func tick() {}
  }
  let note: @Sendable () -> Void

  func begins(_ rollout: Rollout) -> Watcher {
    note()
    return Watcher()
  }
  func ended(_ rollout: Rollout, _ result: CoordinatorResult) { note() }
}
