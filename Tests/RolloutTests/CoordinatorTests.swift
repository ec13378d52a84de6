// SPDX-License-Identifier: Apache-2.0
import Crypto
import Model
@testable import Rollout
import Testing

private let rollout = exampleRollout()
private let environment = Digest.sha256([7])
private let start = Instant(nanoseconds: 1_000_000_000)

private func sample(offset: Int64 = 0, roundTrip: Int64 = 1_000_000) -> ClockSample {
  ClockSample(
    requestSent: start,
    requestReceived: Instant(nanoseconds: start.nanoseconds + roundTrip / 2 + offset),
    answerSent: Instant(nanoseconds: start.nanoseconds + roundTrip / 2 + offset),
    answerReceived: Instant(nanoseconds: start.nanoseconds + roundTrip), bootID: "boot")
}

/// A coordinator that has started and knows every clock.
private func started(limits: CoordinatorLimits = CoordinatorLimits()) -> Coordinator {
  var coordinator = Coordinator(rollout: rollout, limits: limits)
  _ = coordinator.handle(.start, at: start)
  for name in rollout.members {
    _ = coordinator.handle(.clock(member: name, sample()), at: start)
  }
  return coordinator
}

/// A coordinator whose members have all voted yes.
private func proposed() -> Coordinator {
  var coordinator = started()
  for name in rollout.members {
    _ = coordinator.handle(.vote(member: name, .yes, environment: environment), at: start)
  }
  return coordinator
}

private func committed() -> Coordinator {
  var coordinator = proposed()
  for name in rollout.members.prefix(2) {
    _ = coordinator.handle(.accepted(member: name), at: start)
  }
  return coordinator
}

extension [CoordinatorEffect] {
  fileprivate var result: CoordinatorResult? {
    for case .finished(let result) in self { return result }
    return nil
  }
  fileprivate var decisions: [Decision] {
    compactMap {
      if case .decide(_, let decision, _, _, _) = $0 { return decision }
      return nil
    }
  }
}

@Suite("Coordinator")
struct CoordinatorTests {
  @Test("it asks every member for its vote at once")
  func asks() {
    var coordinator = Coordinator(rollout: rollout)
    let effects = coordinator.handle(.start, at: start)
    #expect(
      effects.prefix(3) == [.prepare(member: "a"), .prepare(member: "b"), .prepare(member: "c")])
  }

  @Test("commit is proposed only when every member has voted yes")
  func everyVoteCounts() {
    var coordinator = started()
    for name in ["a", "b"] {
      let effects = coordinator.handle(
        .vote(member: name, .yes, environment: environment), at: start)
      #expect(effects == [.report(member: name, phase: .known(.prepared), detail: "")])
    }
    let effects = coordinator.handle(.vote(member: "c", .yes, environment: environment), at: start)
    let accepts = effects.filter { if case .accept = $0 { true } else { false } }
    #expect(accepts.count == 3)
  }

  @Test("a no aborts, tells those who may have prepared, and gives its own exit code")
  func no() {
    var coordinator = started()
    _ = coordinator.handle(.vote(member: "a", .yes, environment: environment), at: start)
    let effects = coordinator.handle(
      .vote(member: "b", .no(Refusal(.guarded, "sealed")), environment: nil), at: start)
    #expect(effects.decisions == [.abort, .abort])  // a has prepared, c may have
    _ = coordinator.handle(.acknowledged(member: "a"), at: start)
    let end = coordinator.handle(.acknowledged(member: "c"), at: start).result
    #expect(end?.ending.refusal?.code == .guarded)
    #expect(end?.decision == .abort)
    #expect(end?.outcomes.map(\.outcome.kind) == [.aborted, .aborted, .aborted])
    #expect(end?.outcomes[1].outcome.reason == "sealed")
  }

  @Test("a member that cannot be reached is a no, and is told too, since it may have voted: exit 4")
  func unreachable() {
    for isBack in [false, true] {
      var coordinator = started()
      let effects = coordinator.handle(.silent(member: "c", reason: "refused"), at: start)
      #expect(effects.decisions == [.abort, .abort, .abort])
      for name in ["a", "b"] { _ = coordinator.handle(.acknowledged(member: name), at: start) }
      let end = coordinator.handle(
        isBack ? .acknowledged(member: "c") : .silent(member: "c", reason: "refused"), at: start
      ).result
      #expect(end?.ending.refusal?.code == .unreachable)
      #expect(end?.summary.contains("could not be told") == !isBack)
      #expect(
        coordinator.handle(.fired(.decide), at: start) == [], "it had ended with the last answer")
    }
  }

  @Test("silence until the prepare deadline is a no: exit 4")
  func silence() {
    var coordinator = started()
    _ = coordinator.handle(.vote(member: "a", .yes, environment: environment), at: start)
    let effects = coordinator.handle(.fired(.prepare), at: start)
    #expect(effects.decisions == [.abort, .abort, .abort])
    let end = coordinator.handle(.fired(.decide), at: start).result
    #expect(end?.ending.refusal?.code == .unreachable)
    #expect(end?.summary.contains("b, c") == true)
  }

  @Test("members that were told something else of the Key Manager are an abort: exit 7")
  func keyManagers() {
    for digests in [[1, 1, 2], [1, nil, 1], [nil, nil, 1]] as [[UInt8?]] {
      var coordinator = started()
      var effects: [CoordinatorEffect] = []
      for (name, digest) in zip(["a", "b", "c"], digests) {
        let keyManager = digest.map { Digest.sha256([$0]) }
        effects = coordinator.handle(
          .vote(member: name, .yes, environment: environment, keyManager: keyManager), at: start)
      }
      #expect(effects.decisions == [.abort, .abort, .abort])
      for name in ["a", "b"] { _ = coordinator.handle(.acknowledged(member: name), at: start) }
      let end = coordinator.handle(.acknowledged(member: "c"), at: start).result
      #expect(end?.ending.refusal?.code == .keyManager)
    }
  }

  @Test("members with other MINIO_* variables are an abort")
  func environments() {
    var coordinator = started()
    for name in ["a", "b"] {
      _ = coordinator.handle(.vote(member: name, .yes, environment: environment), at: start)
    }
    let effects = coordinator.handle(
      .vote(member: "c", .yes, environment: Digest.sha256([8])), at: start)
    #expect(effects.decisions == [.abort, .abort, .abort])
    for name in ["a", "b"] { _ = coordinator.handle(.acknowledged(member: name), at: start) }
    let end = coordinator.handle(.acknowledged(member: "c"), at: start).result
    #expect(end?.ending.refusal?.code == .vote)
  }

  @Test(
    "a clock bound at the limit is good enough, one nanosecond more is not",
    arguments: [(100_000_000, true), (100_000_002, false)] as [(Int64, Bool)])
  func clockBound(roundTrip: Int64, good: Bool) {
    var coordinator = Coordinator(rollout: rollout)
    _ = coordinator.handle(.start, at: start)
    for name in rollout.members {
      let sample = sample(roundTrip: name == "b" ? roundTrip : 1_000)
      _ = coordinator.handle(.clock(member: name, sample), at: start)
      _ = name
    }
    var effects: [CoordinatorEffect] = []
    for name in rollout.members {
      effects = coordinator.handle(.vote(member: name, .yes, environment: environment), at: start)
    }
    #expect(effects.decisions.isEmpty == good)
  }

  @Test("the instant leaves room for the message and is given in each member's own clock")
  func instant() {
    var coordinator = Coordinator(rollout: rollout)
    _ = coordinator.handle(.start, at: start)
    let offsets: [String: Int64] = ["a": 0, "b": 5_000_000_000, "c": -7_000]
    for (name, offset) in offsets {
      let roundTrip: Int64 = name == "b" ? 80_000_000 : 1_000_000
      _ = coordinator.handle(
        .clock(member: name, sample(offset: offset, roundTrip: roundTrip)), at: start)
    }
    var effects: [CoordinatorEffect] = []
    for name in rollout.members {
      effects = coordinator.handle(.vote(member: name, .yes, environment: environment), at: start)
    }
    for case .accept(let name, let proposal) in effects {
      // Four times the worst round trip is more than 250 ms here.
      let wanted = start.nanoseconds + 320_000_000 + (offsets[name] ?? 0)
      #expect(proposal.instant?.nanoseconds == wanted)
    }
  }

  @Test("a majority of acceptances decides commit and tells everyone")
  func majority() {
    var coordinator = proposed()
    #expect(coordinator.handle(.accepted(member: "a"), at: start) == [])
    let effects = coordinator.handle(.accepted(member: "c"), at: start)
    #expect(effects.decisions == [.commit, .commit, .commit])
  }

  @Test("the same acceptance twice does not make a majority")
  func duplicateAcceptance() {
    var coordinator = proposed()
    _ = coordinator.handle(.accepted(member: "a"), at: start)
    #expect(coordinator.handle(.accepted(member: "a"), at: start) == [])
  }

  @Test("after commit was proposed it never aborts")
  func noAbortAfterProposal() {
    for input in [
      CoordinatorInput.silent(member: "a", reason: ""), .fired(.accept), .fired(.prepare), .cancel,
      .vote(member: "a", .no(Refusal(.busy, "")), environment: nil), .outranked(member: "b"),
      .fired(.beat), .fired(.recover),
    ] {
      var coordinator = proposed()
      let effects = coordinator.handle(input, at: start)
      #expect(!effects.decisions.contains(.abort))
      if let result = effects.result { #expect(result.ending == .undecided) }
    }
  }

  @Test("all starts confirmed, with the skew of the calls in the coordinator's clock")
  func confirmed() {
    var coordinator = committed()
    for (index, name) in rollout.members.enumerated() {
      let issued = Instant(nanoseconds: start.nanoseconds + Int64(index) * 1_500_000)
      _ = coordinator.handle(
        .restarted(
          member: name,
          RestartReport(
            planned: start, issued: issued, previousInvocation: "",
            started: issued.advanced(byMilliseconds: index * 10),
            writable: issued.advanced(byMilliseconds: 1_000 + index))), at: start)
    }
    var effects: [CoordinatorEffect] = []
    for name in rollout.members {
      effects = coordinator.handle(.ended(member: name, Outcome(.confirmed, "")), at: start)
    }
    #expect(effects.result?.ending == .confirmed)
    #expect(effects.result?.issueSkewNanoseconds == 3_000_000)
    #expect(effects.result?.skewNanoseconds == 23_000_000)
    #expect(effects.result?.writeOutageNanoseconds == 1_005_000_000)
  }

  @Test("the outage for writes is not known unless every server has told since when it takes them")
  func writeOutage() {
    var coordinator = committed()
    for (index, name) in rollout.members.enumerated() {
      _ = coordinator.handle(
        .restarted(
          member: name,
          RestartReport(
            planned: start, issued: start, previousInvocation: "", started: start,
            writable: index == 0 ? nil : start.advanced(byMilliseconds: 1_000))), at: start)
    }
    var effects: [CoordinatorEffect] = []
    for name in rollout.members {
      effects = coordinator.handle(.ended(member: name, Outcome(.confirmed, "")), at: start)
    }
    #expect(effects.result?.ending == .confirmed)
    #expect(effects.result?.writeOutageNanoseconds == nil)
  }

  @Test("a failed start outweighs an unknown outcome")
  func failures() {
    let cases: [([OutcomeKind], RolloutEnding)] = [
      ([.confirmed, .failed, .confirmed], .notConfirmed),
      ([.confirmed, .timedOut, .confirmed], .notConfirmed),
      ([.confirmed, .unknown, .confirmed], .outcomesUnknown),
      ([.unknown, .failed, .confirmed], .notConfirmed),
    ]
    for (kinds, ending) in cases {
      var coordinator = committed()
      var effects: [CoordinatorEffect] = []
      for (name, kind) in zip(rollout.members, kinds) {
        effects = coordinator.handle(.ended(member: name, Outcome(kind, "")), at: start)
      }
      #expect(effects.result?.ending == ending)
      #expect(effects.result?.outcomes.map(\.outcome.kind) == kinds)
    }
  }

  @Test("outcomes missing at the deadline are unknown, and the others are kept")
  func missingOutcomes() {
    var coordinator = committed()
    _ = coordinator.handle(.ended(member: "a", Outcome(.confirmed, "")), at: start)
    let result = coordinator.handle(.fired(.follow), at: start).result
    #expect(result?.outcomes.map(\.outcome.kind) == [.confirmed, .unknown, .unknown])
    #expect(result?.ending == .outcomesUnknown)
  }

  @Test("interrupted before the proposal it aborts")
  func cancelled() {
    var coordinator = started()
    _ = coordinator.handle(.vote(member: "a", .yes, environment: environment), at: start)
    #expect(coordinator.handle(.cancel, at: start).decisions == [.abort, .abort, .abort])
  }
}

@Suite("Coordinator: interrupted after the proposal")
struct CoordinatorCancelTests {
  @Test("it leaves only when every member has been told, so that none stays in doubt")
  func tellsFirst() {
    var coordinator = proposed()
    #expect(coordinator.handle(.cancel, at: start) == [])
    _ = coordinator.handle(.accepted(member: "a"), at: start)
    #expect(coordinator.handle(.accepted(member: "b"), at: start).decisions.count == 3)
    _ = coordinator.handle(.acknowledged(member: "a"), at: start)
    _ = coordinator.handle(.ended(member: "b", Outcome(.confirmed, "")), at: start)
    let result = coordinator.handle(.acknowledged(member: "c"), at: start).result
    #expect(result?.ending == .outcomesUnknown)
    #expect(result?.decision == .commit)
    #expect(result?.outcomes.map(\.outcome.kind) == [.unknown, .confirmed, .unknown])
  }
}
