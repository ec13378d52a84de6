// SPDX-License-Identifier: Apache-2.0
import Crypto
import Model
@testable import Rollout
import Testing

private let wish = Digest.sha256([1])
private let other = Digest.sha256([2])
private let names = ["a", "b", "c"]

private func at(_ milliseconds: Int) -> Instant {
  Instant(nanoseconds: 0).advanced(byMilliseconds: milliseconds)
}

/// A member with its own wish at 0, and what it has heard from the others at 100.
private func agreed(_ member: String = "a", isInForce: Bool = false) -> Intents {
  var intents = Intents(member: member, members: names, own: nil)
  _ = intents.handle(.proposed(wish, isInForce: isInForce), at: at(0))
  for name in names where name != member {
    let statement = IntentStatement(serial: 1, digest: wish, isInForce: isInForce)
    _ = intents.handle(.heard(member: name, statement), at: at(100))
  }
  return intents
}

@Suite("Intents")
struct IntentsTests {
  @Test("a wish is durable before it is told, and told to the first of the members only")
  func told() {
    var intents = Intents(member: "b", members: names, own: nil)
    let statement = IntentStatement(serial: 1, digest: wish)
    let effects = intents.handle(.proposed(wish, isInForce: false), at: at(0))
    #expect(
      effects == [
        .persist(statement), .tell(member: "a", statement),
        .wake(at(Intents.againMilliseconds)),
      ])
    #expect(intents.missing == ["a", "c"])
  }

  @Test("what a plan finds in force counts for the wish that it was made of, and no other")
  func found() {
    var intents = Intents(member: "b", members: names, own: nil)
    _ = intents.handle(.proposed(wish, isInForce: false), at: at(0))
    #expect(intents.handle(.found(other), at: at(100)).isEmpty)
    let inForce = IntentStatement(serial: 2, digest: wish, isInForce: true)
    #expect(
      intents.handle(.found(wish), at: at(200)) == [
        .persist(inForce), .tell(member: "a", inForce),
      ])
    _ = intents.handle(.proposed(nil, isInForce: false), at: at(300))
    #expect(intents.handle(.found(wish), at: at(400)).isEmpty)
    #expect(intents.own.digest == nil)
  }

  @Test("the first member tells those who hold something else or were not heard of")
  func firstTells() {
    var intents = Intents(member: "a", members: names, own: nil)
    let effects = intents.handle(.proposed(wish, isInForce: false), at: at(0))
    let statement = IntentStatement(serial: 1, digest: wish)
    #expect(
      effects.dropFirst().prefix(2) == [
        .tell(member: "b", statement), .tell(member: "c", statement),
      ])
    let heard = IntentStatement(serial: 1, digest: wish)
    _ = intents.handle(.heard(member: "b", heard), at: at(100))
    let later = intents.handle(.woke, at: at(5_000))
    #expect(later == [.tell(member: "c", statement), .wake(at(5_000 + Intents.againMilliseconds))])
  }

  @Test("the first of the members begins when all agree and nothing new has come for 2 s, once")
  func begins() {
    var intents = agreed()
    #expect(intents.handle(.woke, at: at(2_099)) == [.wake(at(2_100))])
    #expect(intents.handle(.woke, at: at(2_100)) == [.begin(wish)])
    #expect(intents.handle(.woke, at: at(9_000)) == [])
  }

  @Test("nobody but the first begins", arguments: ["b", "c"])
  func onlyTheFirst(name: String) {
    var intents = agreed(name)
    #expect(!intents.handle(.woke, at: at(60_000)).contains(.begin(wish)))
  }

  @Test("one that is missing, has withdrawn or holds something else keeps it from beginning")
  func disagreement() {
    for statement in [
      IntentStatement(serial: 2, digest: nil), IntentStatement(serial: 2, digest: other),
    ] {
      var intents = agreed()
      _ = intents.handle(.heard(member: "c", statement), at: at(200))
      #expect(!intents.handle(.woke, at: at(60_000)).contains(.begin(wish)))
      #expect(intents.missing == (statement.digest == nil ? ["c"] : []))
      #expect(intents.differing == (statement.digest == nil ? [] : ["c"]))
    }
  }

  @Test("an older statement does not undo a newer one")
  func order() {
    var intents = agreed()
    _ = intents.handle(.heard(member: "b", IntentStatement(serial: 3, digest: wish)), at: at(150))
    let late = IntentsInput.heard(member: "b", IntentStatement(serial: 2, digest: nil))
    #expect(intents.handle(late, at: at(160)) == [])
    #expect(intents.missing == [])
  }

  @Test("a member whose agent counts from the beginning again, in another run, is heard")
  func newRun() {
    var intents = agreed()
    let (first, second) = (Incarnation(random: 1, 1), Incarnation(random: 2, 2))
    _ = intents.handle(
      .heard(member: "b", IntentStatement(run: first, serial: 9, digest: other)), at: at(150))
    #expect(intents.differing == ["b"])
    _ = intents.handle(
      .heard(member: "b", IntentStatement(run: second, serial: 1, digest: wish)), at: at(160))
    #expect(intents.differing == [])
    // What the run before has said arrives late.
    let late = IntentsInput.heard(
      member: "b", IntentStatement(run: first, serial: 10, digest: other))
    #expect(intents.handle(late, at: at(170)) == [])
    #expect(intents.differing == [])
    // It has lost what it held.
    let third = Incarnation(random: 3, 3)
    _ = intents.handle(
      .heard(member: "b", IntentStatement(run: third, serial: 0, digest: nil)), at: at(180))
    #expect(intents.missing == ["b"])
  }

  @Test("an agent that was started again and holds the same does not have it begun twice")
  func sameAfterRestart() {
    var intents = agreed()
    #expect(intents.handle(.woke, at: at(2_100)) == [.begin(wish)])
    let again = IntentStatement(run: Incarnation(random: 1, 1), serial: 1, digest: wish)
    #expect(intents.handle(.heard(member: "b", again), at: at(3_000)) == [])
    #expect(intents.handle(.woke, at: at(9_000)) == [])
  }

  @Test("what a member says is of its own run")
  func ownRun() {
    let run = Incarnation(random: 4, 4)
    let kept = IntentStatement(run: Incarnation(random: 1, 1), serial: 4, digest: wish)
    var intents = Intents(member: "c", members: names, run: run, own: kept)
    #expect(intents.own == IntentStatement(run: run, serial: 4, digest: wish))
    _ = intents.handle(.proposed(nil, isInForce: false), at: at(1))
    #expect(intents.own == IntentStatement(run: run, serial: 5, digest: nil))
  }

  @Test("a new statement puts the beginning off")
  func quiet() {
    var intents = agreed()
    _ = intents.handle(.heard(member: "b", IntentStatement(serial: 2, digest: wish)), at: at(2_000))
    #expect(intents.handle(.woke, at: at(2_100)) == [.wake(at(4_000))])
    #expect(intents.handle(.woke, at: at(4_000)) == [.begin(wish)])
  }

  @Test("what is in force on all members is not begun; one that drifted is enough to begin")
  func inForce() {
    var intents = agreed(isInForce: true)
    #expect(!intents.handle(.woke, at: at(60_000)).contains(.begin(wish)))
    let drifted = IntentStatement(serial: 2, digest: wish, isInForce: false)
    _ = intents.handle(.heard(member: "c", drifted), at: at(70_000))
    #expect(intents.handle(.woke, at: at(72_000)) == [.begin(wish)])
  }

  @Test(
    "a rollout that came to nothing is begun again after a minute, or as soon as a wish changes")
  func refused() {
    var intents = agreed()
    _ = intents.handle(.woke, at: at(2_100))
    let again = at(3_000 + Intents.retryMilliseconds)
    #expect(intents.handle(.refused(other), at: at(3_000)) == [])
    let own = IntentStatement(serial: 1, digest: wish)
    #expect(
      intents.handle(.refused(wish), at: at(3_000)) == [
        .tell(member: "b", own), .tell(member: "c", own), .wake(again),
      ])
    #expect(intents.handle(.woke, at: at(10_000)) == [.wake(again)])
    var changed = intents
    #expect(intents.handle(.woke, at: again) == [.begin(wish)])
    _ = changed.handle(.heard(member: "b", IntentStatement(serial: 2, digest: wish)), at: at(9_000))
    #expect(changed.handle(.woke, at: at(11_000)) == [.begin(wish)])
  }

  @Test("a confirmed rollout of the wish puts it in force; of another one ends what was in force")
  func committed() {
    var intents = agreed("b")
    let inForce = IntentStatement(serial: 2, digest: wish, isInForce: true)
    #expect(intents.handle(.committed(other), at: at(1)) == [])
    #expect(intents.handle(.committed(wish), at: at(1)).first == .persist(inForce))
    #expect(intents.handle(.committed(wish), at: at(1)) == [])
    let ended = IntentStatement(serial: 3, digest: nil)
    #expect(intents.handle(.committed(nil), at: at(2)).first == .persist(ended))
  }

  @Test("what is proposed again as it is changes nothing")
  func again() {
    var intents = agreed("b", isInForce: true)
    let before = intents
    #expect(intents.handle(.proposed(wish, isInForce: true), at: at(9)) == [])
    #expect(intents == before)
    let effects = intents.handle(.proposed(wish, isInForce: false), at: at(9))
    #expect(effects.first == .persist(IntentStatement(serial: 2, digest: wish)))
  }

  @Test("who is not a member, and the member itself, are not heard")
  func strangers() {
    var intents = agreed()
    let before = intents
    for name in ["z", "a"] {
      _ = intents.handle(
        .heard(member: name, IntentStatement(serial: 9, digest: other)), at: at(1))
    }
    #expect(intents == before)
  }

  @Test("after a restart of the agent the wish is told again")
  func restarted() {
    let own = IntentStatement(serial: 4, digest: wish)
    for (member, first) in [("a", "b"), ("c", "a")] {
      var intents = Intents(member: member, members: names, own: own)
      #expect(intents.handle(.started, at: at(0)).contains(.tell(member: first, own)))
    }
  }

  @Test("a member alone begins after the quiet period")
  func alone() {
    var intents = Intents(member: "a", members: ["a"], own: nil)
    #expect(
      intents.handle(.proposed(wish, isInForce: false), at: at(0)) == [
        .persist(IntentStatement(serial: 1, digest: wish)), .wake(at(2_000)),
      ])
    #expect(intents.handle(.woke, at: at(2_000)) == [.begin(wish)])
  }
}
