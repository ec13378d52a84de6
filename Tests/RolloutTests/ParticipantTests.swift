// SPDX-License-Identifier: Apache-2.0
import Crypto
import Model
@testable import Rollout
import Testing

/// The state directory of every member.
let life = Incarnation(random: 1, 2)

/// A rollout of three members, as the tests use it.
func exampleRollout(
  id: String = "00000000000000aa", epoch: UInt64 = 1, members: [String] = ["a", "b", "c"]
) -> Rollout {
  let before = Digest.sha256([1])
  let after = Digest.sha256([2])
  return Rollout(
    id: id, epoch: epoch, kind: .apply, cluster: "prod", generation: 1, seal: nil,
    contents: members.map {
      MemberContent(
        member: $0, incarnation: life, path: "/etc/default/minio", before: before, after: after)
    },
    createdBy: "alice", prepareMilliseconds: 1_000, stopMilliseconds: 2_000,
    startMilliseconds: 3_000)
}

private let facts = PreparedFacts(invocation: "old", journalCursor: "s=1", staged: true)
private let instant = Instant(nanoseconds: 5_000)
private let proposal = BallotValue(
  ballot: .coordinator, decision: .commit, instant: instant, bootID: "boot")
private let report = RestartReport(
  planned: instant, issued: Instant(nanoseconds: 5_100), previousInvocation: "old")

private let moment = Moment(
  now: Instant(nanoseconds: 1_000_000_000), bootID: "boot", jitterMilliseconds: 7)
/// When member a, the first of the list, becomes impatient.
private let impatient = moment.now.advanced(byMilliseconds: 3_007)

extension Participant {
  fileprivate mutating func handle(_ input: ParticipantInput) -> [ParticipantEffect] {
    handle(input, at: moment)
  }
}

/// A member after the given inputs.
private func member(after inputs: [ParticipantInput]) -> Participant {
  var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
  for input in inputs { _ = participant.handle(input) }
  return participant
}

private func prepared(_ rollout: Rollout) -> [ParticipantInput] {
  [.prepare(rollout), .assessed(rollout, .success(facts))]
}
private func committed(_ rollout: Rollout) -> [ParticipantInput] {
  prepared(rollout) + [
    .accept(rollout.key(for: "a"), proposal),
    .decided(rollout.key(for: "a"), .commit, instant: instant, bootID: "boot", reason: ""),
  ]
}

@Suite("Participant")
struct ParticipantTests {
  let rollout = exampleRollout()

  @Test("a start that was not confirmed can be confirmed later, while nothing else is under way")
  func confirmedLater() {
    var participant = member(after: committed(rollout))
    let good = Outcome(.confirmed, "healthy for 10 s, not restarted")
    func confirm(_ id: String = "00000000000000aa", _ outcome: Outcome? = nil)
      -> [ParticipantEffect]
    {
      participant.handle(.confirmed(id: id, outcome ?? good))
    }
    #expect(confirm() == [])
    _ = participant.handle(.restarted(id: rollout.id, report))
    #expect(confirm() == [])
    _ = participant.handle(.watched(id: rollout.id, Outcome(.timedOut, "waits for peers")))
    #expect(confirm("00000000000000bb") == [])
    #expect(confirm(rollout.id, Outcome(.failed, "no")) == [])
    let next = exampleRollout(id: "00000000000000bb", epoch: 2)
    _ = participant.handle(.prepare(next))
    #expect(confirm() == [])
    _ = participant.handle(.assessed(next, .failure(Refusal(.vote, "no"))))
    guard let before = participant.record.lastCommitted else {
      Issue.record("nothing was committed")
      return
    }
    var after = before
    after.outcome = good
    #expect(confirm() == [.amend(after), .persist(participant.record)])
    #expect(participant.record.lastCommitted == after && participant.record.last == after)
    #expect(confirm() == [])
  }

  @Test("the fault-free path persists each promise before the answer that makes it")
  func faultFreePath() {
    var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
    let first = participant.handle(.prepare(rollout))
    #expect(first == [.persist(participant.record), .assess(rollout)])
    let second = participant.handle(.assessed(rollout, .success(facts)))
    #expect(
      second == [.persist(participant.record), .wake(impatient), .vote(id: rollout.id, .yes)])
    let third = participant.handle(.accept(rollout.key(for: "a"), proposal))
    #expect(third == [.persist(participant.record), .wake(impatient), .reply(.accepted)])
    let fourth = participant.handle(
      .decided(rollout.key(for: "a"), .commit, instant: instant, bootID: "boot", reason: ""))
    guard let active = participant.record.active else {
      Issue.record("there is no active rollout")
      return
    }
    #expect(
      fourth == [
        .persist(participant.record), .arm(active, instant, bootID: "boot"), .reply(.committed),
      ])
    let fifth = participant.handle(.restarted(id: rollout.id, report))
    guard let watching = participant.record.active else {
      Issue.record("there is no active rollout")
      return
    }
    #expect(fifth == [.persist(participant.record), .watch(watching, report)])
    let sixth = participant.handle(.watched(id: rollout.id, Outcome(.confirmed, "")))
    // From the vote on: a rollback's vote looks at every start since.
    var since = report
    since.journalCursor = watching.facts.journalCursor
    let finished = FinishedRollout(
      rollout: rollout, outcome: Outcome(.confirmed, ""), report: since)
    #expect(sixth == [.keep(finished), .persist(participant.record), .conclude(finished)])
    #expect(participant.record.active == nil)
    #expect(participant.record.last == finished)
  }

  @Test("a stale epoch is refused and leaves the state unchanged", arguments: [0, 1] as [UInt64])
  func staleEpoch(epoch: UInt64) {
    var participant = member(
      after: prepared(rollout) + [
        .decided(rollout.key(for: "a"), .abort, instant: nil, bootID: "", reason: "no")
      ])
    let before = participant.record
    let effects = participant.handle(.prepare(exampleRollout(id: "00000000000000bb", epoch: epoch)))
    guard case .vote(_, .no(let refusal))? = effects.first else {
      Issue.record("it did not vote no: \(effects)")
      return
    }
    #expect(refusal.code == .vote)
    #expect(effects.count == 1)
    #expect(participant.record == before)
  }

  @Test("a second rollout is refused as busy, naming the one that is active")
  func secondRollout() {
    for inputs in [[.prepare(rollout)], prepared(rollout), committed(rollout)] {
      var participant = member(after: inputs)
      let before = participant.record
      let other = exampleRollout(id: "00000000000000bb", epoch: 9)
      let effects = participant.handle(.prepare(other))
      guard case .vote(other.id, .no(let refusal))? = effects.first, effects.count == 1 else {
        Issue.record("it did not vote no: \(effects)")
        return
      }
      #expect(refusal.code == .busy)
      #expect(refusal.message.contains(rollout.id))
      #expect(participant.record == before)
    }
  }

  @Test("a rollout without this member is refused")
  func notAMember() {
    var participant = Participant(member: "z", incarnation: life, record: ParticipantRecord())
    let effects = participant.handle(.prepare(rollout))
    guard case .vote(_, .no(let refusal))? = effects.first else {
      Issue.record("it did not vote no: \(effects)")
      return
    }
    #expect(refusal.code == .vote)
    #expect(participant.record == ParticipantRecord())
  }

  @Test("a rollout of another incarnation of this member, or of none, is refused and forgotten")
  func otherIncarnation() {
    for listed in [Incarnation(random: 3, 4), nil] {
      var other = rollout
      other.contents[0].incarnation = listed
      var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
      guard case .vote(_, .no(let refusal))? = participant.handle(.prepare(other)).first else {
        Issue.record("it did not vote no")
        return
      }
      #expect(refusal.code == .vote && refusal.message.contains("state directory"))
      #expect(participant.record == ParticipantRecord())
    }
    var unknown = Participant(member: "a", incarnation: nil, record: ParticipantRecord())
    guard case .vote(_, .no)? = unknown.handle(.prepare(rollout)).first else {
      Issue.record("it did not vote no")
      return
    }
  }

  @Test("a message for another incarnation is answered by saying so, and changes nothing")
  func messageForAnother() {
    let ballot = Ballot(round: 1, proposer: "b")
    for inputs in [[], [.prepare(rollout)], prepared(rollout), committed(rollout)] {
      for addressee in [Incarnation(random: 3, 4), nil] {
        // Who has the rollout in its record may go on with one that lists no incarnations.
        if addressee == nil, inputs.count > 1 { continue }
        var participant = member(after: inputs)
        let before = participant
        let key = RolloutKey(id: rollout.id, epoch: 9, addressee: addressee)
        for input: ParticipantInput in [
          .promise(key, ballot), .accept(key, proposal),
          .decided(key, .abort, instant: nil, bootID: "", reason: ""),
          .decided(key, .commit, instant: nil, bootID: "", reason: ""),
        ] {
          #expect(participant.handle(input) == [.reply(.replaced)])
          #expect(participant == before)
        }
      }
    }
  }

  @Test(
    "a rollout of a version that listed no incarnations is gone on with by who has it on record")
  func olderVersion() {
    var older = rollout
    for index in older.contents.indices { older.contents[index].incarnation = nil }
    var record = ParticipantRecord()
    record.highestEpoch = 1
    record.active = ActiveRollout(
      rollout: older, facts: facts, promised: .coordinator, stage: .prepared)
    var participant = Participant(member: "a", incarnation: life, record: record)
    _ = participant.handle(.started)
    let effects = participant.handle(
      .promise(older.key(for: "a"), Ballot(round: 1, proposer: "b")))
    #expect(effects.last == .reply(.promised(nil)))
    var questions = 0
    for case .ask(_, let key, _) in participant.handle(.resolve(id: older.id)) {
      #expect(key.addressee == nil)
      questions += 1
    }
    #expect(questions == 2)
  }

  @Test("prepare repeated is answered yes again without a second check")
  func repeatedPrepare() {
    var participant = member(after: prepared(rollout))
    #expect(participant.handle(.prepare(rollout)) == [.vote(id: rollout.id, .yes)])
    var assessing = member(after: [.prepare(rollout)])
    #expect(assessing.handle(.prepare(rollout)) == [])
  }

  @Test("a failed check removes what was staged and votes no")
  func failedCheck() {
    var participant = member(after: [.prepare(rollout)])
    let refusal = Refusal(.keyManager, "kms-1: refused")
    #expect(
      participant.handle(.assessed(rollout, .failure(refusal))) == [
        .discard(rollout), .vote(id: rollout.id, .no(refusal)),
      ])
    #expect(participant.record.active == nil)
  }

  @Test("a check that ends after the abort leaves nothing staged and promises nothing")
  func lateCheck() {
    var participant = member(after: [
      .prepare(rollout),
      .decided(rollout.key(for: "a"), .abort, instant: nil, bootID: "", reason: "late"),
    ])
    #expect(participant.handle(.assessed(rollout, .success(facts))) == [.discard(rollout)])
    #expect(participant.record.active == nil)
  }

  @Test("whatever is said of a rollout before its vote is fenced off, durably: the vote is no")
  func fence() {
    let inputs: [ParticipantInput] = [
      .promise(rollout.key(for: "a"), Ballot(round: 1, proposer: "b")),
      .accept(rollout.key(for: "a"), proposal),
      .decided(rollout.key(for: "a"), .abort, instant: nil, bootID: "", reason: "c is unreachable"),
      .decided(rollout.key(for: "a"), .commit, instant: nil, bootID: "", reason: ""),
    ]
    for input in inputs {
      var unheard = Participant(member: "a", incarnation: life, record: ParticipantRecord())
      let effects = unheard.handle(input)
      #expect(unheard.record.highestEpoch == rollout.epoch)
      #expect(effects == [.persist(unheard.record), .reply(.neverVoted)])
      var again = Participant(member: "a", incarnation: life, record: unheard.record)
      guard case .vote(rollout.id, .no)? = again.handle(.prepare(rollout)).first else {
        Issue.record("it did not vote no")
        continue
      }
      #expect(again.handle(input) == [.reply(.neverVoted)], "it is durable already")
    }
  }

  @Test("a message of an older rollout changes nothing for the one that is active")
  func olderRollout() {
    let newer = exampleRollout(id: "00000000000000bb", epoch: 5)
    var participant = member(after: prepared(newer))
    let before = participant
    #expect(
      participant.handle(.promise(rollout.key(for: "a"), Ballot(round: 1, proposer: "b")))
        == [.reply(.neverVoted)])
    #expect(participant == before)
  }

  @Test("who is asked for a promise before its vote says that it knows nothing, and votes no then")
  func promiseBeforeVote() {
    let ballot = Ballot(round: 1, proposer: "b")
    var assessing = member(after: [.prepare(rollout)])
    let effects = assessing.handle(.promise(rollout.key(for: "a"), ballot))
    guard case .vote(rollout.id, .no)? = effects.first else {
      Issue.record("it did not vote no: \(effects)")
      return
    }
    #expect(effects.last == .reply(.neverVoted))
    #expect(assessing.handle(.assessed(rollout, .success(facts))) == [.discard(rollout)])
    #expect(assessing.record.active == nil)
  }

  @Test("abort after the vote removes the staged file and is remembered")
  func abort() {
    for inputs in [
      prepared(rollout), prepared(rollout) + [.accept(rollout.key(for: "a"), proposal)],
    ] {
      var participant = member(after: inputs)
      let effects = participant.handle(
        .decided(rollout.key(for: "a"), .abort, instant: nil, bootID: "", reason: "b said no"))
      let finished = FinishedRollout(
        rollout: rollout, outcome: Outcome(.aborted, "b said no"), report: nil)
      #expect(
        effects == [
          .discard(rollout), .persist(participant.record), .conclude(finished),
          .reply(.ended(finished.outcome)),
        ])
      #expect(
        participant.handle(.accept(rollout.key(for: "a"), proposal))
          == [.reply(.ended(Outcome(.aborted, "b said no")))])
    }
  }

  @Test("the last 16 aborts are remembered by their ids, so that nobody stays in doubt of one")
  func rememberedAborts() {
    var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
    let rollouts = (1...17).map { number in
      exampleRollout(id: "00000000000000\(number < 10 ? "0" : "")\(number)", epoch: UInt64(number))
    }
    for rollout in rollouts {
      for input in prepared(rollout) { _ = participant.handle(input) }
      _ = participant.handle(
        .decided(rollout.key(for: "a"), .abort, instant: nil, bootID: "", reason: "no"))
    }
    let ballot = Ballot(round: 1, proposer: "b")
    #expect(
      participant.handle(.promise(rollouts[0].key(for: "a"), ballot)) == [.reply(.neverVoted)])
    guard
      case .reply(.ended(let outcome))? = participant.handle(
        .promise(rollouts[1].key(for: "a"), ballot)
      ).first
    else {
      Issue.record("it has forgotten the abort")
      return
    }
    #expect(outcome.kind == .aborted)
  }

  @Test("an abort that comes after commit is known changes nothing")
  func abortAfterCommit() {
    var participant = member(after: committed(rollout))
    let before = participant.record
    let effects = participant.handle(
      .decided(rollout.key(for: "a"), .abort, instant: nil, bootID: "", reason: ""))
    #expect(effects == [.reply(.committed)])
    #expect(participant.record == before)
  }

  @Test("checks that take too long are a no; a vote that was given is not taken back")
  func overdue() {
    let late = Refusal(.vote, "too late")
    var assessing = member(after: [.prepare(rollout)])
    #expect(
      assessing.handle(.overdue(id: rollout.id, late)) == [.vote(id: rollout.id, .no(late))])
    #expect(assessing.handle(.assessed(rollout, .success(facts))) == [.discard(rollout)])
    for inputs in [
      prepared(rollout), prepared(rollout) + [.accept(rollout.key(for: "a"), proposal)],
    ] {
      var participant = member(after: inputs)
      let before = participant.record
      #expect(participant.handle(.overdue(id: rollout.id, late)) == [])
      #expect(participant.record == before)
    }
  }

  @Test("an instant at which nothing could be done leaves nothing staged")
  func fireFailed() {
    var participant = member(after: committed(rollout))
    let effects = participant.handle(.fireFailed(id: rollout.id, Refusal(.file, "changed")))
    #expect(effects.first == .discard(rollout))
    #expect(participant.record.active == nil)
    #expect(participant.record.last?.outcome == Outcome(.failed, "changed"))
  }

  @Test("a decision of a rollout that was never voted on is not acted on")
  func unknownDecision() {
    var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
    let effects = participant.handle(
      .decided(rollout.key(for: "a"), .commit, instant: instant, bootID: "boot", reason: ""))
    #expect(effects == [.persist(participant.record), .reply(.neverVoted)])
  }

  @Test("commit repeated arms once; restarted repeated watches once")
  func repeated() {
    var participant = member(after: committed(rollout))
    #expect(
      participant.handle(
        .decided(rollout.key(for: "a"), .commit, instant: instant, bootID: "boot", reason: ""))
        == [.reply(.committed)])
    _ = participant.handle(.restarted(id: rollout.id, report))
    #expect(participant.handle(.restarted(id: rollout.id, report)) == [])
  }

  @Test("a promise to a higher ballot outranks the coordinator's proposal")
  func promise() {
    var participant = member(after: prepared(rollout))
    let higher = Ballot(round: 1, proposer: "b")
    let effects = participant.handle(.promise(rollout.key(for: "a"), higher))
    #expect(
      effects == [
        .persist(participant.record), .wake(moment.now.advanced(byMilliseconds: 507)),
        .reply(.promised(nil)),
      ])
    #expect(
      participant.handle(.accept(rollout.key(for: "a"), proposal)) == [.reply(.outranked(higher))])
  }

  @Test("a promise gives the proposal that was accepted before")
  func promiseAfterAccept() {
    var participant = member(after: prepared(rollout) + [.accept(rollout.key(for: "a"), proposal)])
    let effects = participant.handle(
      .promise(rollout.key(for: "a"), Ballot(round: 1, proposer: "b")))
    #expect(effects.last == .reply(.promised(proposal)))
  }

  @Test("after a restart of the agent a committed rollout is armed and a watched one watched again")
  func restartOfTheAgent() {
    let one = member(after: committed(rollout))
    var again = Participant(member: "a", incarnation: life, record: one.record)
    guard let active = one.record.active else {
      Issue.record("there is no active rollout")
      return
    }
    #expect(again.handle(.started) == [.arm(active, instant, bootID: "boot")])
    let two = member(after: committed(rollout) + [.restarted(id: rollout.id, report)])
    var watching = Participant(member: "a", incarnation: life, record: two.record)
    guard let watched = two.record.active else {
      Issue.record("there is no active rollout")
      return
    }
    #expect(watching.handle(.started) == [.watch(watched, report)])
  }

  @Test("after a restart of the agent a rollout in doubt is neither acted on nor forgotten")
  func inDoubt() {
    for inputs in [
      prepared(rollout), prepared(rollout) + [.accept(rollout.key(for: "a"), proposal)],
    ] {
      let before = member(after: inputs)
      var again = Participant(member: "a", incarnation: life, record: before.record)
      #expect(again.handle(.started) == [.wake(impatient)])
      #expect(again.record.active?.rollout == rollout)
    }
  }

  @Test("nothing but commit leads to an instant, in any order of inputs")
  func noRestartWithoutCommit() {
    // Every sequence of four inputs without a commit: none may arm or watch.
    let inputs: [ParticipantInput] = [
      .started, .prepare(rollout), .assessed(rollout, .success(facts)),
      .assessed(rollout, .failure(Refusal(.validation, ""))),
      .accept(rollout.key(for: "a"), proposal),
      .promise(rollout.key(for: "a"), Ballot(round: 2, proposer: "b")),
      .decided(rollout.key(for: "a"), .abort, instant: nil, bootID: "", reason: ""),
      .restarted(id: rollout.id, report), .watched(id: rollout.id, Outcome(.confirmed, "")),
    ]
    for code in 0..<(inputs.count * inputs.count * inputs.count * inputs.count) {
      var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
      var rest = code
      for _ in 0..<4 {
        for effect in participant.handle(inputs[rest % inputs.count]) {
          switch effect {
          case .arm, .watch: Issue.record("it acted without commit in sequence \(code)")
          default: break
          }
        }
        rest /= inputs.count
      }
    }
  }
}

@Suite("Participant: at the instant")
struct ParticipantFiringTests {
  private let rollout = exampleRollout()

  @Test("the invocation that runs before the restart takes the place of the vote's, durably, once")
  func firing() {
    var participant = member(after: committed(rollout))
    let input = ParticipantInput.firing(
      id: rollout.id, invocation: "crashed and back", journalCursor: "s=2")
    #expect(participant.handle(input) == [.persist(participant.record)])
    #expect(participant.record.active?.facts.invocation == "crashed and back")
    #expect(participant.record.active?.facts.journalCursor == "s=2")
    for inputs in [prepared(rollout), committed(rollout) + [.restarted(id: rollout.id, report)]] {
      var other = member(after: inputs)
      #expect(other.handle(input) == [])
    }
  }
}
