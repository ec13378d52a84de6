// SPDX-License-Identifier: Apache-2.0
import Model
@testable import Rollout
import Testing

private let rollout = exampleRollout()
private let key = rollout.key(for: "a")
private let facts = PreparedFacts(invocation: "old", journalCursor: nil, staged: true)
private let commit = BallotValue(
  ballot: .coordinator, decision: .commit, instant: Instant(nanoseconds: 5), bootID: "boot")
private let moment = Moment(
  now: Instant(nanoseconds: 1_000_000_000), bootID: "boot", jitterMilliseconds: 0)
private let first = Ballot(round: 1, proposer: "a")

/// Member a, in doubt, when the coordinator has been silent for too long.
private func asking(accepted: Bool = false) -> Participant {
  var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
  _ = participant.handle(.prepare(rollout), at: moment)
  _ = participant.handle(.assessed(rollout, .success(facts)), at: moment)
  if accepted { _ = participant.handle(.accept(key, commit), at: moment) }
  _ = participant.handle(.woke, at: moment)
  return participant
}

extension Participant {
  fileprivate mutating func hear(
    _ name: String, _ question: RecoveryQuestion, _ reply: ParticipantReply
  ) -> [ParticipantEffect] {
    handle(.answered(member: name, key, question, reply), at: moment)
  }
}

extension [ParticipantEffect] {
  /// What the other members are asked.
  fileprivate var questions: [RecoveryQuestion] {
    compactMap { if case .ask(_, _, let question) = $0 { question } else { nil } }
  }
}

@Suite("Recovery")
struct RecoveryTests {
  @Test("the own promise is durable before anybody is asked, and the wake stands before both")
  func order() {
    var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
    _ = participant.handle(.prepare(rollout), at: moment)
    _ = participant.handle(.assessed(rollout, .success(facts)), at: moment)
    let effects = participant.handle(.woke, at: moment)
    #expect(participant.record.active?.promised == first)
    #expect(
      effects == [
        .wake(moment.now.advanced(byMilliseconds: 1_000)), .persist(participant.record),
        .ask(member: "b", key, .promise(first)), .ask(member: "c", key, .promise(first)),
      ])
  }

  @Test("nothing accepted among a majority: abort, accepted by a majority, then told to all")
  func abort() {
    var participant = asking()
    let abort = BallotValue(ballot: first, decision: .abort, instant: nil, bootID: "")
    #expect(
      participant.hear("b", .promise(first), .promised(nil)).questions
        == [.accept(abort), .accept(abort)])
    #expect(participant.record.active?.stage == .accepted(abort))
    let effects = participant.hear("c", .accept(abort), .accepted)
    #expect(participant.record.active == nil)
    #expect(participant.record.last?.outcome.kind == .aborted)
    #expect(effects.questions.count == 2)
  }

  @Test("what one of the majority has accepted is proposed; nobody else's instant is kept")
  func commitAccepted() {
    for own in [true, false] {
      var participant = asking(accepted: own)
      let effects = participant.hear("c", .promise(first), .promised(own ? nil : commit))
      let proposal = BallotValue(ballot: first, decision: .commit, instant: nil, bootID: "")
      #expect(effects.questions == [.accept(proposal), .accept(proposal)])
      _ = participant.hear("b", .accept(proposal), .accepted)
      #expect(
        participant.record.active?.stage == .committed(instant: moment.now, bootID: "boot"),
        "acts at once, and remembers when that was")
    }
  }

  @Test("the proposal of the highest ballot counts, in whichever order the promises come")
  func highest() {
    let five = exampleRollout(members: ["a", "b", "c", "d", "e"])
    let later = BallotValue(
      ballot: Ballot(round: 1, proposer: "e"), decision: .abort, instant: nil, bootID: "")
    for replies in [[commit, later], [later, commit]] {
      var recovery = Recovery(member: "a", rollout: five, times: RecoveryTimes())
      let ballot = recovery.begin(above: later.ballot)
      #expect(ballot == Ballot(round: 2, proposer: "a"))
      #expect(recovery.promised("a", ballot, nil) == nil)
      #expect(recovery.promised("b", ballot, replies[0]) == nil)
      #expect(recovery.promised("b", ballot, replies[0]) == nil, "twice is once")
      #expect(recovery.promised("c", ballot, replies[1])?.decision == .abort)
    }
  }

  @Test(
    "who knows the decision ends it at once",
    arguments: [
      (.committed, .commit), (.ended(Outcome(.confirmed, "")), .commit),
      (.ended(Outcome(.failed, "")), .commit), (.ended(Outcome(.aborted, "")), .abort),
    ] as [(ParticipantReply, Decision)])
  func known(reply: ParticipantReply, decision: Decision) {
    var participant = asking()
    let effects = participant.hear("c", .promise(first), reply)
    #expect((participant.record.active == nil) == (decision == .abort))
    for case .decide(let told, _) in effects.questions { #expect(told == decision) }
    #expect(effects.questions.count == 2)
  }

  @Test("who never voted counts for abort, when all have answered")
  func neverVoted() {
    var participant = asking()
    #expect(participant.hear("b", .promise(first), .neverVoted) == [], "c may know more")
    let abort = BallotValue(ballot: first, decision: .abort, instant: nil, bootID: "")
    #expect(
      participant.hear("c", .promise(first), .neverVoted).questions
        == [.accept(abort), .accept(abort)])
    #expect(participant.record.active?.stage == .accepted(abort))
    let effects = participant.hear("b", .accept(abort), .neverVoted)
    #expect(participant.record.last?.outcome.kind == .aborted)
    #expect(effects.questions.count == 2)
  }

  @Test("who never voted completes a majority when the time for answers is over, and not before")
  func neverVotedInTime() {
    var participant = asking()
    #expect(participant.hear("b", .promise(first), .neverVoted) == [])
    let abort = BallotValue(ballot: first, decision: .abort, instant: nil, bootID: "")
    #expect(participant.handle(.woke, at: moment).questions == [.accept(abort), .accept(abort)])
    _ = participant.hear("b", .accept(abort), .neverVoted)
    #expect(participant.record.last?.outcome.kind == .aborted)
  }

  @Test("one that never voted ends nothing by itself")
  func neverVotedAlone() {
    let five = exampleRollout(members: ["a", "b", "c", "d", "e"])
    var recovery = Recovery(member: "a", rollout: five, times: RecoveryTimes())
    let ballot = recovery.begin(above: .coordinator)
    #expect(recovery.promised("a", ballot, nil) == nil)
    #expect(recovery.neverVoted("b", ballot) == nil)
    #expect(recovery.unheard() == nil)
    #expect(recovery.neverVoted("c", ballot) == nil)
    #expect(recovery.unheard()?.decision == .abort)
  }

  @Test("beside an accepted commit it counts nothing: a majority must really hold that")
  func contradiction() {
    var participant = asking(accepted: true)
    #expect(participant.hear("b", .promise(first), .neverVoted) == [])
    #expect(
      participant.handle(.woke, at: moment) == [.wake(moment.now.advanced(byMilliseconds: 500))],
      "it tries again later")
    _ = participant.handle(.woke, at: moment)
    let second = Ballot(round: 2, proposer: "a")
    _ = participant.hear("b", .promise(second), .neverVoted)
    let proposal = BallotValue(ballot: second, decision: .commit, instant: nil, bootID: "")
    #expect(
      participant.hear("c", .promise(second), .promised(nil)).questions
        == [.accept(proposal), .accept(proposal)])
    #expect(participant.hear("b", .accept(proposal), .neverVoted) == [], "it holds no commit")
    _ = participant.hear("c", .accept(proposal), .accepted)
    #expect(
      participant.record.active?.stage == .committed(instant: moment.now, bootID: "boot"))
  }

  @Test("a majority that never voted ends it even where a commit was accepted: none was decided")
  func majorityNeverVoted() {
    var participant = asking(accepted: true)
    #expect(participant.hear("b", .promise(first), .neverVoted) == [])
    let abort = BallotValue(ballot: first, decision: .abort, instant: nil, bootID: "")
    #expect(
      participant.hear("c", .promise(first), .neverVoted).questions
        == [.accept(abort), .accept(abort)])
    _ = participant.hear("c", .accept(abort), .neverVoted)
    #expect(participant.record.last?.outcome.kind == .aborted)
  }

  @Test("who was replaced since its vote has not answered, and status can say so")
  func replaced() {
    var participant = asking()
    #expect(participant.hear("b", .promise(first), .replaced) == [])
    #expect(participant.hear("c", .promise(first), .replaced) == [])
    _ = participant.handle(.woke, at: moment)
    #expect(participant.record.active?.stage == .prepared)
    #expect(participant.doubt?.missing == ["b", "c"])
    #expect(participant.doubt?.replaced == ["b", "c"])
  }

  @Test("who has lost its incarnation ends what the others have ended, and tells each of them once")
  func lostIncarnation() {
    let outcome = Outcome(.aborted, "gone")
    var participant = Participant(member: "a", incarnation: nil, record: asking().record)
    _ = participant.handle(.started, at: moment)
    _ = participant.handle(.woke, at: moment)
    let told = RecoveryQuestion.decide(.abort, reason: "gone")
    let second = Ballot(round: 2, proposer: "a")
    #expect(participant.hear("b", .promise(second), .ended(outcome)).questions == [told, told])
    #expect(participant.record.active == nil)
    #expect(participant.record.last?.outcome == outcome)
    #expect(participant.hear("b", told, .ended(outcome)) == [])
    #expect(participant.hear("c", told, .ended(outcome)) == [])
  }

  @Test("heartbeats do not put off who has lost its incarnation: it can be told nothing")
  func heardWithoutIncarnation() {
    for incarnation in [life, nil] {
      var record = ParticipantRecord()
      record.active = ActiveRollout(
        rollout: rollout, facts: facts, promised: .coordinator, stage: .prepared)
      var participant = Participant(member: "a", incarnation: incarnation, record: record)
      _ = participant.handle(.started, at: moment)
      let isPutOff = !participant.handle(.heard(id: rollout.id), at: moment).isEmpty
      #expect(isPutOff == (incarnation != nil))
    }
  }

  @Test("each member is asked in the name of the incarnation that the rollout lists for it")
  func addressees() {
    var other = rollout
    other.contents[1].incarnation = Incarnation(random: 3, 4)
    var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
    _ = participant.handle(.prepare(other), at: moment)
    _ = participant.handle(.assessed(other, .success(facts)), at: moment)
    var asked: [String: Incarnation?] = [:]
    for case .ask(let member, let key, _) in participant.handle(.woke, at: moment) {
      asked[member] = key.addressee
    }
    #expect(asked == ["b": Incarnation(random: 3, 4), "c": life])
  }

  @Test("a message that names a higher epoch than the rollout's own means the rollout all the same")
  func higherEpoch() {
    var participant = asking(accepted: true)
    let higher = RolloutKey(id: rollout.id, epoch: 9, addressee: life)
    let effects = participant.handle(.promise(higher, Ballot(round: 2, proposer: "b")), at: moment)
    #expect(effects.last == .reply(.promised(commit)))
  }

  @Test("outranked it gives way, and comes back with a higher round")
  func outranked() {
    var participant = asking()
    let other = Ballot(round: 4, proposer: "c")
    #expect(
      participant.hear("c", .promise(first), .outranked(other))
        == [.wake(moment.now.advanced(byMilliseconds: 500))])
    #expect(participant.hear("b", .promise(first), .promised(nil)) == [], "a late promise")
    let effects = participant.handle(.woke, at: moment)
    let next = Ballot(round: 5, proposer: "a")
    #expect(effects.questions == [.promise(next), .promise(next)])
  }

  @Test("without a majority it changes nothing, tries again with growing pauses, and says so")
  func noMajority() {
    var participant = asking()
    var pauses: [Int] = []
    for _ in 0..<7 {
      for case .wake(let instant) in participant.handle(.woke, at: moment) {
        pauses.append(instant.milliseconds(since: moment.now))
      }
      _ = participant.handle(.woke, at: moment)
    }
    #expect(pauses == [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
    #expect(participant.doubt?.attempts == 7)
    #expect(participant.doubt?.missing == ["b", "c"])
    #expect(participant.record.active?.stage == .prepared)
  }

  @Test("a heartbeat of the coordinator, and another proposer, put the own attempt off")
  func putOff() {
    var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
    _ = participant.handle(.prepare(rollout), at: moment)
    _ = participant.handle(.assessed(rollout, .success(facts)), at: moment)
    let later = Moment(
      now: moment.now.advanced(byMilliseconds: 2_000), bootID: "boot", jitterMilliseconds: 9)
    #expect(
      participant.handle(.heard(id: rollout.id), at: later)
        == [.wake(later.now.advanced(byMilliseconds: 3_009))])
    let effects = participant.handle(
      .promise(key, Ballot(round: 1, proposer: "b")), at: later)
    #expect(effects.contains(.wake(later.now.advanced(byMilliseconds: 509))))
    #expect(participant.handle(.heard(id: "00000000000000ff"), at: later) == [])
  }

  @Test("asked to, it begins at once; who is not in doubt does nothing")
  func resolve() {
    var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
    #expect(participant.handle(.resolve(id: rollout.id), at: moment) == [])
    _ = participant.handle(.prepare(rollout), at: moment)
    _ = participant.handle(.assessed(rollout, .success(facts)), at: moment)
    let effects = participant.handle(.resolve(id: rollout.id), at: moment)
    #expect(effects.questions == [.promise(first), .promise(first)])
    #expect(participant.handle(.resolve(id: rollout.id), at: moment) == [], "it is at it")
  }

  @Test("answers to another rollout's questions are ignored")
  func stale() {
    var participant = asking()
    let other = RolloutKey(id: "00000000000000ff", epoch: 1, addressee: life)
    let before = participant
    #expect(
      participant.handle(
        .answered(member: "b", other, .promise(first), .neverVoted), at: moment) == [])
    #expect(participant == before)
  }

  @Test("one member alone is its own majority")
  func alone() {
    let one = exampleRollout(members: ["a"])
    var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
    _ = participant.handle(.prepare(one), at: moment)
    _ = participant.handle(.assessed(one, .success(facts)), at: moment)
    _ = participant.handle(.woke, at: moment)
    #expect(participant.record.last?.outcome.kind == .aborted)
  }
}

@Suite("Coordinator: without a majority")
struct CoordinatorSupersededTests {
  private static func superseded() -> Coordinator {
    var coordinator = Coordinator(rollout: rollout)
    _ = coordinator.handle(.start, at: moment.now)
    for name in rollout.members {
      let sample = ClockSample(
        requestSent: moment.now, requestReceived: moment.now, answerSent: moment.now,
        answerReceived: moment.now, bootID: "boot")
      _ = coordinator.handle(.clock(member: name, sample), at: moment.now)
      _ = coordinator.handle(.vote(member: name, .yes, environment: nil), at: moment.now)
    }
    let effects = coordinator.handle(.fired(.accept), at: moment.now)
    for name in rollout.members {
      guard effects.contains(.follow(member: name)) else {
        Issue.record("it does not follow \(name)")
        continue
      }
    }
    return coordinator
  }

  @Test("it follows what the members make of it: abort is reported as abort")
  func aborted() {
    var coordinator = Self.superseded()
    for name in ["a", "b"] {
      _ = coordinator.handle(.ended(member: name, Outcome(.aborted, "gone")), at: moment.now)
    }
    let effects = coordinator.handle(
      .ended(member: "c", Outcome(.aborted, "gone")), at: moment.now)
    guard case .finished(let result)? = effects.last else {
      Issue.record("it has not ended: \(effects)")
      return
    }
    #expect(result.decision == .abort && result.ending.refusal?.code == .unreachable)
  }

  @Test(
    "it follows what the members make of it: commit is told to all and followed",
    arguments: [
      .committed(member: "b"), .ended(member: "b", Outcome(.failed, "")),
      .restarted(
        member: "b",
        RestartReport(planned: moment.now, issued: moment.now, previousInvocation: "")),
    ] as [CoordinatorInput])
  func committed(input: CoordinatorInput) {
    var coordinator = Self.superseded()
    let decided = coordinator.handle(input, at: moment.now).count {
      if case .decide(_, .commit, _, _, _) = $0 { true } else { false }
    }
    #expect(decided == 3)
  }

  @Test("a majority that accepts late is a majority still")
  func late() {
    var coordinator = Self.superseded()
    _ = coordinator.handle(.accepted(member: "a"), at: moment.now)
    let effects = coordinator.handle(.accepted(member: "b"), at: moment.now)
    #expect(effects.contains { if case .committed = $0 { true } else { false } })
  }

  @Test("as many outranked as leave no majority: it does not wait for its timer")
  func outranked() {
    var coordinator = Self.superseded()
    _ = coordinator.handle(.outranked(member: "a"), at: moment.now)
    #expect(coordinator.handle(.fired(.recover), at: moment.now).count == 1)
  }
}
