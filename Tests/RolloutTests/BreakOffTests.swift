// SPDX-License-Identifier: Apache-2.0
import Crypto
import Model
@testable import Rollout
import Testing

private let start = Instant(nanoseconds: 1_000_000_000)
private let failed = Outcome(
  .failed, StartFailure(kind: .fatalLine, phase: .starting, reason: "FATAL x"))

@Suite("Rollout: starts that nobody waits for any more") struct BreakOffTests {
  private static let rollout = {
    var rollout = exampleRollout()
    rollout.rollback = .whenSafe
    return rollout
  }()

  /// A coordinator whose members all restart.
  private static func following(_ rollout: Rollout = rollout) -> Coordinator {
    var coordinator = Coordinator(rollout: rollout)
    _ = coordinator.handle(.start, at: start)
    for name in rollout.members {
      let sample = ClockSample(
        requestSent: start, requestReceived: start, answerSent: start, answerReceived: start,
        bootID: "boot")
      _ = coordinator.handle(.clock(member: name, sample), at: start)
      _ = coordinator.handle(.vote(member: name, .yes, environment: .sha256([7])), at: start)
    }
    for name in rollout.members { _ = coordinator.handle(.accepted(member: name), at: start) }
    return coordinator
  }

  private static func told(_ effects: [CoordinatorEffect]) -> [String] {
    effects.compactMap { if case .breakOff(let name, _) = $0 { name } else { nil } }
  }

  @Test("the first failed start breaks the others off, each once, and names itself")
  func breaksOff() {
    var coordinator = Self.following()
    let first = coordinator.handle(.ended(member: "b", failed), at: start)
    #expect(Self.told(first) == ["a", "c"])
    for case .breakOff(_, let reason) in first {
      #expect(reason == "b was not confirmed (FATAL x), and the previous files come back")
    }
    #expect(Self.told(coordinator.handle(.ended(member: "a", failed), at: start)) == [])
    let last = coordinator.handle(.ended(member: "c", Outcome(.confirmed, "")), at: start)
    #expect(last.contains { if case .finished = $0 { true } else { false } })
  }

  @Test("a confirmed start breaks nothing off, and a failed one does so after it")
  func afterConfirmed() {
    var coordinator = Self.following()
    let good = coordinator.handle(.ended(member: "a", Outcome(.confirmed, "")), at: start)
    #expect(Self.told(good) == [])
    #expect(Self.told(coordinator.handle(.ended(member: "b", failed), at: start)) == ["c"])
  }

  @Test("where it is not certain that the previous files come back every start is awaited")
  func awaited() {
    var cases: [(String, Rollout, Outcome)] = []
    func add(_ name: String, _ outcome: Outcome = failed, _ change: (inout Rollout) -> Void) {
      var rollout = Self.rollout
      change(&rollout)
      cases.append((name, rollout, outcome))
    }
    let wrongKey = Outcome(
      .failed, StartFailure(kind: .keyNotProven, phase: .settling, reason: "x"))
    add("never") { $0.rollback = .never }
    add("no policy") { $0.rollback = nil }
    add("a restart") { $0.kind = .restart }
    add("a rollback") { $0.kind = .rollback }
    add("no restart") { $0.withoutRestart = true }
    add("a key is sealed") {
      $0.seal = Seal(
        cluster: "prod", keyName: "k", enclave: "", rollout: $0.id, sealedAtMicroseconds: 1)
    }
    add("no file before") { $0.contents[2].before = nil }
    add("the same files") {
      for index in $0.contents.indices { $0.contents[index].after = $0.contents[index].before }
    }
    add("the key is another", wrongKey) { _ in }
    add("not known", Outcome(.unknown, "")) { _ in }
    add("aborted there", Outcome(.aborted, "")) { _ in }
    for (name, rollout, outcome) in cases {
      var coordinator = Self.following(rollout)
      let effects = coordinator.handle(.ended(member: "b", outcome), at: start)
      #expect(Self.told(effects) == [], "\(name)")
    }
  }

  @Test("what was broken off is no cause, and a failed one beside an unknown one neither")
  func cause() {
    let brokenOff = Outcome(.failed, StartFailure(kind: .brokenOff, phase: .settling, reason: "x"))
    #expect(brokenOff.phase == .brokenOff && brokenOff.word == "brokenOff")
    func cause(_ outcomes: Outcome...) -> String? {
      RollbackPolicy.whenSafe.certainCause(
        Self.rollout,
        zip(Self.rollout.members, outcomes).map { MemberOutcome(member: $0, outcome: $1) })
    }
    #expect(cause(brokenOff) == nil)
    #expect(cause(brokenOff, failed)?.hasPrefix("b was") == true)
    #expect(cause(failed, Outcome(.unknown, "")) == nil)
    // What was broken off does not keep the previous files away.
    let decision = RollbackPolicy.whenSafe.decide(
      Self.rollout,
      zip(Self.rollout.members, [brokenOff, failed, brokenOff]).map {
        MemberOutcome(member: $0, outcome: $1)
      }, key: nil, previousKey: nil)
    #expect(decision == .rollBack)
  }

  @Test("what a rollout is for belongs to what is voted on; one that says nothing is as before")
  func occasion() {
    var rollout = Self.rollout
    let plain = rollout.digest
    rollout.occasion = RolloutOccasion(note: "CHG-1")
    let noted = rollout.digest
    rollout.occasion = RolloutOccasion(note: "CHG-1", isRotation: true)
    #expect(Set([plain, noted, rollout.digest]).count == 3)
    #expect(RolloutOccasion().ifAny == nil)
    #expect(RolloutOccasion(isRotation: true).problem(in: .restart) != nil)
    #expect(RolloutOccasion(isRotation: true).problem(in: .apply) == nil)
  }

  @Test("a note is one line of at most 200 bytes that shows itself and no secret")
  func notes() {
    let api = "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw"
    let table = [
      (String(repeating: "n", count: Limits.noteBytes), true),
      (String(repeating: "n", count: Limits.noteBytes + 1), false),
      ("CHG-123: \u{fc}ber Nacht", true),
      ("", false), ("  ", false), ("a\nb", false), ("a\u{1B}[31mb", false), ("a\u{202E}b", false),
      ("the new key is \(api)", false),
    ]
    for (text, isGood) in table {
      #expect((RolloutOccasion.problem(ofNote: text) == nil) == isGood, "\(text.debugDescription)")
    }
  }
}
