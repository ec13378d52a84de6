// SPDX-License-Identifier: Apache-2.0
import Model
@testable import Rollout
import Testing

private func at(_ milliseconds: Int) -> Instant {
  Instant(nanoseconds: 0).advanced(byMilliseconds: milliseconds)
}
private let confirmed = Outcome(.confirmed, "", passedKeyManager: true)

@Suite("Outcomes without a coordinator")
struct OutcomeCollectorTests {
  private let rollout = exampleRollout()

  @Test("the lowest member that is reached works out the result; a higher one waits for it")
  func lowest() {
    for (lowerLives, sumsUp) in [(true, false), (false, true)] {
      var collector = OutcomeCollector(member: "b", rollout: rollout, own: confirmed)
      _ = collector.handle(.started, at: at(0))
      #expect(
        collector.handle(.woke, at: at(5_000)) == [.ask(member: "a"), .wake(at(6_000))],
        "the others' outcomes are of use to the lowest only")
      if lowerLives { _ = collector.handle(.answered(member: "a", nil), at: at(5_100)) }
      var result: [MemberOutcome]?
      for time in [6_000, 7_000, 30_000] {
        for effect in collector.handle(.woke, at: at(time)) {
          switch effect {
          case .collected(let outcomes): result = outcomes
          case .ask(member: "c"):
            _ = collector.handle(.answered(member: "c", confirmed), at: at(time))
          case .ask, .wake, .breakOff: break
          }
        }
        if lowerLives { _ = collector.handle(.answered(member: "a", nil), at: at(time + 1)) }
      }
      #expect((result != nil) == sumsUp)
      if let result { #expect(result.map(\.outcome.kind) == [.unknown, .confirmed, .confirmed]) }
    }
  }

  @Test("a member asks the few before it, further ones only while none of these answers")
  func few() {
    let names = (0..<40).map { $0 < 10 ? "n0\($0)" : "n\($0)" }
    let many = exampleRollout(members: names)
    var collector = OutcomeCollector(member: "n25", rollout: many, own: confirmed)
    _ = collector.handle(.started, at: at(0))
    func asked(_ time: Int) -> [String] {
      collector.handle(.woke, at: at(time)).compactMap {
        if case .ask(let name) = $0 { name } else { nil }
      }
    }
    #expect(asked(5_000) == Array(names[17..<25]))
    _ = collector.handle(.answered(member: "n20", nil), at: at(5_100))
    #expect(asked(6_000) == Array(names[17..<25]))
    #expect(asked(7_000) == Array(names[9..<25]), "n20 is gone too")
    #expect(asked(8_000) == Array(names[1..<25]))
    #expect(asked(9_000) == Array(names[0..<25]))
    #expect(asked(10_000) == names.filter { $0 != "n25" }, "it is the lowest")
  }

  @Test("all outcomes in: it works out the result at once")
  func all() {
    var collector = OutcomeCollector(member: "a", rollout: rollout, own: confirmed)
    _ = collector.handle(.started, at: at(0))
    _ = collector.handle(.woke, at: at(5_000))
    for name in ["b", "c"] {
      _ = collector.handle(.answered(member: name, confirmed), at: at(5_100))
    }
    guard case .collected(let outcomes)? = collector.handle(.woke, at: at(6_000)).first else {
      Issue.record("it did not work out the result")
      return
    }
    #expect(outcomes.allSatisfy { $0.outcome.kind == .confirmed })
    #expect(collector.handle(.woke, at: at(7_000)) == [])
  }

  private static let failed = Outcome(
    .failed, StartFailure(kind: .fatalLine, phase: .starting, reason: "FATAL x"))

  private func told(_ effects: [CollectorEffect]) -> [String] {
    effects.compactMap { if case .breakOff(let name, _) = $0 { name } else { nil } }
  }

  private func collector(
    _ member: String, _ own: Outcome = failed, policy: RollbackPolicy? = .whenSafe
  ) -> OutcomeCollector {
    var rollout = rollout
    rollout.rollback = policy
    var collector = OutcomeCollector(member: member, rollout: rollout, own: own)
    _ = collector.handle(.started, at: at(0))
    return collector
  }

  @Test("the lowest member that has failed breaks the other starts off, each until it has answered")
  func breaksOff() {
    var lowest = collector("a")
    let first = lowest.handle(.woke, at: at(5_000))
    #expect(
      first.contains(
        .breakOff(
          member: "b", reason: "a was not confirmed (FATAL x), and the previous files come back")))
    #expect(told(first) == ["b", "c"])
    _ = lowest.handle(.toldToBreakOff(member: "b"), at: at(5_100))
    #expect(told(lowest.handle(.woke, at: at(6_000))) == ["c"])
    _ = lowest.handle(.answered(member: "c", confirmed), at: at(6_100))
    #expect(told(lowest.handle(.woke, at: at(7_000))) == [])
  }

  @Test("a higher one leaves it to a lower one that is there and has failed too")
  func higherBreaksOff() {
    for (outcome, who) in [(Self.failed, []), (nil, ["a", "c"]), (confirmed, ["c"])] {
      var higher = collector("b")
      #expect(told(higher.handle(.woke, at: at(5_000))) == [], "it has asked nobody yet")
      _ = higher.handle(.answered(member: "a", outcome), at: at(5_100))
      #expect(told(higher.handle(.woke, at: at(6_000))) == who, "\(String(describing: outcome))")
    }
    // It was there, and is not any more.
    var last = collector("b")
    _ = last.handle(.woke, at: at(5_000))
    _ = last.handle(.answered(member: "a", Self.failed), at: at(5_100))
    #expect(told(last.handle(.woke, at: at(6_000))) == [])
    #expect(told(last.handle(.woke, at: at(7_000))) == ["c"])
  }

  @Test("nobody breaks off where the previous files may stay away, or the own start says nothing")
  func awaited() {
    let brokenOff = Outcome(.failed, StartFailure(kind: .brokenOff, phase: .settling, reason: "x"))
    for var collector in [
      collector("a", policy: .never), collector("a", policy: nil), collector("a", confirmed),
      collector("a", brokenOff), collector("a", Outcome(.unknown, "")),
    ] {
      for time in [5_000, 6_000, 7_000] {
        #expect(told(collector.handle(.woke, at: at(time))) == [])
      }
    }
    var heard = collector("a")
    _ = heard.handle(.heard, at: at(4_000))
    #expect(heard.handle(.heard, at: at(8_000)) == [.wake(at(13_000))], "the coordinator lives")
  }

  @Test("while the coordinator lives nobody is asked")
  func heard() {
    var collector = OutcomeCollector(member: "a", rollout: rollout, own: confirmed)
    _ = collector.handle(.started, at: at(0))
    #expect(collector.handle(.heard, at: at(4_000)) == [.wake(at(9_000))])
  }
}

@Suite("Rollback policy")
struct RollbackPolicyTests {
  private let key = KeyIdentity(name: "k", enclave: "e")

  private func outcomes(_ list: [Outcome]) -> [MemberOutcome] {
    zip(["a", "b", "c"], list).map { MemberOutcome(member: $0, outcome: $1) }
  }
  private func apply(_ kind: RolloutKind = .apply) -> Rollout {
    var rollout = exampleRollout()
    rollout.kind = kind
    return rollout
  }
  private static let before = Outcome(.failed, "", passedKeyManager: false)
  private static let after = Outcome(.failed, "", passedKeyManager: true)
  private static let open = Outcome(.timedOut, "")

  @Test("nothing to do when all are confirmed")
  func nothing() {
    #expect(
      RollbackPolicy.whenSafe.decide(
        apply(), outcomes([confirmed, confirmed, confirmed]), key: key, previousKey: nil)
        == .nothing)
  }

  @Test("a member that says that it was aborted contradicts the commit: nothing is confirmed")
  func contradiction() {
    let aborted = Outcome(.aborted, "")
    for list in [[confirmed, aborted, confirmed], [aborted, aborted, aborted]] {
      guard
        case .hold(let reason) = RollbackPolicy.whenSafe.decide(
          apply(), outcomes(list), key: key, previousKey: key)
      else {
        Issue.record("it was not held")
        continue
      }
      #expect(reason.contains("says that it was aborted"))
    }
  }

  @Test("a key that is new is taken back only if no server can have used it")
  func newKey() {
    let cases: [([Outcome], Bool)] = [
      ([Self.before, Self.before, Self.before], true),
      ([Self.before, Self.before, confirmed], false),
      ([Self.before, Self.after, Self.before], false),
      ([Self.before, Self.open, Self.before], false),
    ]
    for (list, isSafe) in cases {
      let decision = RollbackPolicy.whenSafe.decide(
        apply(), outcomes(list), key: key, previousKey: nil)
      #expect((decision == .rollBack) == isSafe)
    }
  }

  @Test("the same key, or none, can be rolled back whatever the servers did")
  func sameKey() {
    for key in [key, nil] {
      #expect(
        RollbackPolicy.whenSafe.decide(
          apply(), outcomes([confirmed, Self.after, Self.open]), key: key, previousKey: key)
          == .rollBack)
    }
  }

  @Test("nothing is restarted once more while a Key Manager has another key")
  func keyNotProven() {
    let failure = StartFailure(
      kind: .keyNotProven, phase: .settling, reason: "", passedKeyManager: true)
    guard
      case .hold(let reason) = RollbackPolicy.whenSafe.decide(
        apply(), outcomes([confirmed, Outcome(.failed, failure), confirmed]), key: key,
        previousKey: key)
    else {
      Issue.record("it was not held")
      return
    }
    #expect(reason.hasPrefix("b: its Key Manager has another key"))
  }

  @Test("never, an unknown end, a restart, a rollback and a missing file before are held")
  func held() {
    let failed = outcomes([Self.before, Self.before, Self.before])
    var fresh = exampleRollout()
    fresh.contents[0].before = nil
    let unknown = outcomes([Self.before, Self.before, Outcome(.unknown, "")])
    let cases: [(RollbackPolicy, Rollout, [MemberOutcome])] = [
      (.never, apply(), failed), (.whenSafe, apply(.restart), failed),
      (.whenSafe, apply(.rollback), failed), (.whenSafe, fresh, failed),
      (.whenSafe, apply(), unknown), (.whenSafe, apply(), Array(failed.prefix(2))),
    ]
    for (policy, rollout, outcomes) in cases {
      guard case .hold = policy.decide(rollout, outcomes, key: nil, previousKey: nil) else {
        Issue.record("it was not held: \(policy) \(rollout.kind)")
        continue
      }
    }
  }
}
