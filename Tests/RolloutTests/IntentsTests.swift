import Digests
import Model
import Testing

@testable import Rollout

private let wish = Digest.sha256([1])
private let other = Digest.sha256([2])
private let names = ["a", "b", "c"]

private func at(_ milliseconds: Int) -> Instant {
  Instant(nanoseconds: 0).advanced(byMilliseconds: milliseconds)
}

/// Member a with its own wish, and what it has heard from the others.
private func agreed(_ member: String = "a") -> Intents {
  var intents = Intents(member: member, members: names, own: nil)
  _ = intents.handle(.proposed(wish), at: at(0))
  for name in names where name != member {
    _ = intents.handle(
      .heard(member: name, IntentStatement(serial: 1, digest: wish)), at: at(100))
  }
  return intents
}

@Suite("Intents")
struct IntentsTests {
  @Test("a wish is durable before it is told, and told to everybody")
  func told() {
    var intents = Intents(member: "b", members: names, own: nil)
    let statement = IntentStatement(serial: 1, digest: wish)
    let effects = intents.handle(.proposed(wish), at: at(0))
    #expect(
      effects.prefix(3) == [
        .persist(statement), .tell(member: "a", statement), .tell(member: "c", statement),
      ])
    #expect(intents.missing == ["a", "c"])
  }

  @Test("the first of the members begins when all agree and nothing new has come for 2 s, once")
  func begins() {
    var intents = agreed()
    #expect(!intents.handle(.woke, at: at(2_099)).contains(.begin(wish)))
    #expect(intents.handle(.woke, at: at(2_100)) == [.begin(wish)])
    #expect(!intents.handle(.woke, at: at(9_000)).contains(.begin(wish)))
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

  @Test("a new statement puts the beginning off")
  func quiet() {
    var intents = agreed()
    _ = intents.handle(.heard(member: "b", IntentStatement(serial: 2, digest: wish)), at: at(2_000))
    #expect(!intents.handle(.woke, at: at(2_100)).contains(.begin(wish)))
    #expect(intents.handle(.woke, at: at(4_000)) == [.begin(wish)])
  }

  @Test("a rollout that has ended withdraws its wish and no other")
  func ended() {
    var intents = agreed()
    #expect(intents.handle(.ended(other), at: at(5_000)) == [])
    let withdrawn = IntentStatement(serial: 2, digest: nil)
    #expect(intents.handle(.ended(wish), at: at(5_000)).first == .persist(withdrawn))
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
    var intents = Intents(
      member: "a", members: names, own: IntentStatement(serial: 4, digest: wish))
    #expect(
      intents.handle(.started, at: at(0)).contains(
        .tell(member: "b", IntentStatement(serial: 4, digest: wish))))
  }
}
