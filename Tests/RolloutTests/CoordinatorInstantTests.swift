// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@testable import Rollout

private let rollout = exampleRollout()
private let start = Instant(nanoseconds: 1_000_000_000)

private func sample(at now: Instant = start, offset: Int = 0) -> ClockSample {
  let there = Instant(
    nanoseconds: now.advanced(byMilliseconds: offset).nanoseconds + 500_000)
  return ClockSample(
    requestSent: now, requestReceived: there, answerSent: there,
    answerReceived: now.advanced(byMilliseconds: 1), bootID: "boot")
}

/// A coordinator that has proposed commit at the start.
private func proposed() -> (Coordinator, [CoordinatorEffect]) {
  var coordinator = Coordinator(rollout: rollout)
  var effects = coordinator.handle(.start, at: start)
  for name in rollout.members {
    _ = coordinator.handle(.clock(member: name, sample()), at: start)
    effects = coordinator.handle(.vote(member: name, .yes, environment: nil), at: start)
  }
  return (coordinator, effects)
}

/// The instant that each member is told with the decision, in milliseconds after the start.
private func decided(after milliseconds: Int) -> [Int] {
  var (coordinator, _) = proposed()
  let now = start.advanced(byMilliseconds: milliseconds)
  _ = coordinator.handle(.accepted(member: "a"), at: now)
  return coordinator.handle(.accepted(member: "b"), at: now).compactMap { effect in
    guard case .decide(_, .commit, let instant?, _, _) = effect else { return nil }
    return instant.milliseconds(since: start)
  }
}

@Suite("Coordinator: the instant")
struct CoordinatorInstantTests {
  @Test("it is the one that was proposed, where disks and network are as fast as they should be")
  func asProposed() {
    let (_, effects) = proposed()
    for case .accept(_, let proposal) in effects {
      #expect(proposal.instant?.milliseconds(since: start) == 250)
    }
    #expect(decided(after: 20) == [250, 250, 250])
  }

  @Test(
    "it is put off when it would be past before slow disks have written the decision down",
    arguments: [(90, 340), (130, 390), (300, 900), (2_000, 6_000)])
  func slowDisks(milliseconds: Int, instant: Int) {
    #expect(decided(after: milliseconds) == [instant, instant, instant])
  }

  @Test("a machine that stood still after the commit leaves the skew unknown, not wrong")
  func pauseAfterCommit() {
    for isPaused in [false, true] {
      var (coordinator, _) = proposed()
      for name in ["a", "b"] { _ = coordinator.handle(.accepted(member: name), at: start) }
      let later = start.advanced(byMilliseconds: 400)
      var result: CoordinatorResult?
      for name in rollout.members {
        let offset = isPaused && name == "b" ? -2_000 : 0
        _ = coordinator.handle(.clock(member: name, sample(at: later, offset: offset)), at: later)
        let report = RestartReport(
          planned: later, issued: later, previousInvocation: "old", started: later)
        _ = coordinator.handle(.restarted(member: name, report), at: later)
        for case .finished(let end) in coordinator.handle(
          .ended(member: name, Outcome(.confirmed, "")), at: later)
        { result = end }
      }
      #expect(result?.ending == .confirmed)
      #expect((result?.skewNanoseconds == nil) == isPaused)
    }
  }
}
