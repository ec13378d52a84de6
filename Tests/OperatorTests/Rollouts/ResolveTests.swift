// SPDX-License-Identifier: Apache-2.0
import Model
@testable import Operator
import Rollout
import Testing
import Threads

@Suite("keyturn resolve", .timeLimit(.minutes(1))) struct ResolveTests {
  private static let rollout = Rollout(
    id: "00000000000000aa", epoch: 4, kind: .restart, cluster: "prod", generation: 1, seal: nil,
    contents: Sample.names.map {
      MemberContent(
        member: $0, incarnation: .sample, path: "/etc/default/minio", before: nil, after: nil)
    },
    createdBy: "bob", prepareMilliseconds: 1_000, stopMilliseconds: 1_000,
    startMilliseconds: 1_000)
  private static let proposal = BallotValue(
    ballot: .coordinator, decision: .commit, instant: Instant(nanoseconds: 1), bootID: "boot")
  private static let command = "resolve 00000000000000aa"

  /// Four agents whose coordinator got as far as this before it was killed.
  private func agents(
    prepared: Int, accepted: Int = 0, committed: Int = 0,
    _ make: (String) -> FakeAgent = { FakeAgent($0) }
  ) -> [FakeAgent] {
    let agents = Sample.names.map(make)
    for agent in agents { agent.peers.update { $0 = agents.filter { $0 !== agent } } }
    let key = Self.rollout.key(for: "minio-1")
    for agent in agents.prefix(prepared) { agent.take(.prepare(Self.rollout)) }
    for agent in agents.prefix(accepted) { agent.take(.accept(key, Self.proposal)) }
    for agent in agents.prefix(committed) {
      agent.take(
        .decided(key, .commit, instant: Self.proposal.instant, bootID: "boot", reason: ""))
    }
    return agents
  }

  @Test("killed before it proposed commit: aborted, nobody restarts", arguments: [1, 3, 4])
  func abort(prepared: Int) {
    let agents = agents(prepared: prepared)
    #expect(Sample.run(Self.command, agents).code == .done)
    #expect(agents.allSatisfy { $0.restarts == 0 && !$0.isActive })
  }

  @Test(
    "killed after a member accepted or learned commit: everyone restarts, once",
    arguments: [(1, 0), (3, 0), (4, 0), (4, 1), (4, 3)])
  func commit(accepted: Int, committed: Int) {
    let agents = agents(prepared: 4, accepted: accepted, committed: committed)
    #expect(Sample.run(Self.command, agents).code == .done)
    #expect(agents.allSatisfy { $0.restarts == 1 && !$0.isActive })
  }

  @Test("a commit that some have finished is finished by the rest, also after an aborted rollout")
  func forgotten() {
    let agents = agents(prepared: 4, accepted: 3, committed: 3)
    var later = Self.rollout
    later.id = "00000000000000bb"
    later.epoch = 5
    for agent in agents.prefix(3) {
      agent.take(.prepare(later))
      agent.take(
        .decided(later.key(for: "minio-1"), .abort, instant: nil, bootID: "", reason: "busy"))
    }
    #expect(Sample.run(Self.command, agents).code == .done)
    #expect(agents.map(\.restarts) == [1, 1, 1, 1])
  }

  @Test("another member was at it, and was killed too: a higher round goes through")
  func again() {
    let agents = agents(prepared: 4)
    for agent in agents.prefix(2) {
      agent.take(.promise(Self.rollout.key(for: "minio-1"), Ballot(round: 7, proposer: "minio-4")))
    }
    #expect(Sample.run(Self.command, agents).code == .done)
    #expect(agents.allSatisfy { $0.restarts == 0 && !$0.isActive })
  }

  @Test("a majority suffices: the others end, and the one that is away is told so, exit 3")
  func majority() {
    let agents = agents(prepared: 4, accepted: 2) {
      FakeAgent($0, $0 == "minio-3" ? .unreachable : .none)
    }
    let (code, host) = Sample.run(Self.command, agents)
    #expect(code == .unknown)
    #expect(agents.map(\.restarts) == [1, 1, 0, 1])
    #expect(host.errors.contains("rollout 00000000000000aa was committed"), "\(host.output)")
    #expect(host.output.contains("minio-[1-2,4]: confirmed"), "\(host.output)")
    #expect(host.output.contains("minio-3: unknown: "), "\(host.output)")
    #expect(host.output.contains("learns from the others"), "\(host.output)")
  }

  @Test("what happened is told for each node: aborted with the reason, or that it had not voted")
  func told() {
    let agents = agents(prepared: 3)
    let (code, host) = Sample.run(Self.command, agents)
    #expect(code == .done)
    #expect(host.errors.contains("was aborted: no file was replaced, no server restarted"))
    #expect(
      host.output.contains("minio-[1-3]: aborted: the coordinator went away"), "\(host.output)")
    #expect(host.output.contains("minio-4: untouched: not part of this rollout"), "\(host.output)")
  }

  @Test("a start that fails afterwards is exit 9")
  func failed() {
    let agents = agents(prepared: 4, accepted: 2) {
      FakeAgent($0, $0 == "minio-2" ? .failsToStart("FATAL no") : .none)
    }
    let (code, host) = Sample.run(Self.command, agents)
    #expect(code == .notConfirmed)
    #expect(host.output.contains("FATAL no"))
    #expect(host.output.contains("keyturn logs --rollout 00000000000000aa --errors"))
    #expect(
      host.output.contains("  in force  what the rollout brings, on minio-[1-4], unless"),
      "\(host.output)")
    #expect(host.output.contains("keyturn watch 00000000000000aa"), "\(host.output)")
  }

  @Test("checks that run on: exit 3, with who has not voted, and nothing was touched")
  func checking() {
    let agents = agents(prepared: 2) {
      FakeAgent($0, $0 == "minio-1" || $0 == "minio-2" ? .votesAfterAbort : .none)
    }
    let began = Clock.now()
    let (code, host) = Sample.run(Self.command, agents)
    #expect(code == .unknown)
    #expect(
      host.errors.contains(
        "rollout 00000000000000aa is not voted on yet: the checks of minio-[1-2] run still"),
      "\(host.errors)")
    #expect(host.output.contains("minio-[3-4]: untouched: not part of"), "\(host.output)")
    #expect(host.output.contains("keyturn resolve 00000000000000aa"), "\(host.output)")
    #expect(agents.allSatisfy { $0.restarts == 0 })
    // As long as a vote may take, which is 1 s there, and the answers.
    #expect(Clock.now().milliseconds(since: began) >= 1_000)
  }

  @Test("checks that end while it waits: a yes is resolved, and after a no there is nothing to do")
  func checked() {
    for isYes in [true, false] {
      let first = Lock<FakeAgent?>(nil)
      let agents = agents(prepared: 1) { name in
        FakeAgent(
          name, name == "minio-1" ? .votesAfterAbort : .none,
          onStatus: { count in
            guard name == "minio-1", count == 2, let agent = first.withLock({ $0 }) else {
              return .well
            }
            if !isYes { agent.refused.update { $0 = Self.rollout.id } }
            let facts = PreparedFacts(invocation: "i", journalCursor: nil, staged: true)
            agent.take(
              .assessed(
                Self.rollout, isYes ? .success(facts) : .failure(Refusal(.vote, "too late"))))
            return .well
          })
      }
      first.update { $0 = agents[0] }
      let (code, host) = Sample.run(Self.command, agents)
      first.update { $0 = nil }
      #expect(code == .done, "\(isYes): \(host.errors)")
      #expect(agents.allSatisfy { $0.restarts == 0 && !$0.isActive })
      #expect(
        host.errors.contains(isYes ? "was aborted" : "has no vote: no node is in doubt"),
        "\(host.errors)")
      if !isYes { #expect(host.output.contains("minio-1: refused: it voted no: too late")) }
    }
  }

  @Test("a rollout that no node knows is an error; one that has ended is not")
  func nothing() {
    let (code, host) = Sample.run(Self.command, agents(prepared: 0))
    #expect(code == .validationRefused)
    #expect(host.errors.contains("no node knows rollout 00000000000000aa"), "\(host.errors)")
    let ended = agents(prepared: 4, accepted: 4, committed: 4)
    #expect(Sample.run(Self.command, ended).code == .done)
    #expect(Sample.run(Self.command, ended).code == .done)
    // Who does not answer may know it.
    let (unknown, _) = Sample.run(
      Self.command,
      agents(prepared: 0) { FakeAgent($0, $0 == "minio-3" ? .unreachable : .none) })
    #expect(unknown == .unknown)
  }
}
