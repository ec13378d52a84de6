// SPDX-License-Identifier: Apache-2.0
import Crypto
import Model
@testable import Rollout
import Testing

private let proposal = Digest.sha256([1])
private let other = Digest.sha256([2])
private let names = ["a", "b", "c"]

private func at(_ milliseconds: Int) -> Instant {
  Instant(nanoseconds: 0).advanced(byMilliseconds: milliseconds)
}

/// A member with its own proposal at 0, and what it has heard from the others at 100.
private func agreed(_ member: String = "a", isInForce: Bool = false) -> Proposals {
  var proposals = Proposals(member: member, members: names, own: nil)
  _ = proposals.handle(.proposed(proposal, isInForce: isInForce), at: at(0))
  for name in names where name != member {
    let statement = MemberProposal(serial: 1, digest: proposal, isInForce: isInForce)
    _ = proposals.handle(.heard(member: name, statement), at: at(100))
  }
  return proposals
}

@Suite("Proposals")
struct ProposalsTests {
  @Test("a proposal is durable before it is told, and told to the first of the members only")
  func told() {
    var proposals = Proposals(member: "b", members: names, own: nil)
    let statement = MemberProposal(serial: 1, digest: proposal)
    let effects = proposals.handle(.proposed(proposal, isInForce: false), at: at(0))
    #expect(
      effects == [
        .persist(statement), .tell(member: "a", statement),
        .wake(at(Proposals.againMilliseconds)),
      ])
    #expect(proposals.missing == ["a", "c"])
  }

  @Test("what a plan finds in force counts for the proposal that it was made of, and no other")
  func found() {
    var proposals = Proposals(member: "b", members: names, own: nil)
    _ = proposals.handle(.proposed(proposal, isInForce: false), at: at(0))
    #expect(proposals.handle(.found(other), at: at(100)).isEmpty)
    let inForce = MemberProposal(serial: 2, digest: proposal, isInForce: true)
    #expect(
      proposals.handle(.found(proposal), at: at(200)) == [
        .persist(inForce), .tell(member: "a", inForce),
      ])
    _ = proposals.handle(.proposed(nil, isInForce: false), at: at(300))
    #expect(proposals.handle(.found(proposal), at: at(400)).isEmpty)
    #expect(proposals.own.digest == nil)
  }

  @Test("the first member tells those who hold something else or were not heard of")
  func firstTells() {
    var proposals = Proposals(member: "a", members: names, own: nil)
    let effects = proposals.handle(.proposed(proposal, isInForce: false), at: at(0))
    let statement = MemberProposal(serial: 1, digest: proposal)
    #expect(
      effects.dropFirst().prefix(2) == [
        .tell(member: "b", statement), .tell(member: "c", statement),
      ])
    let heard = MemberProposal(serial: 1, digest: proposal)
    _ = proposals.handle(.heard(member: "b", heard), at: at(100))
    let later = proposals.handle(.woke, at: at(5_000))
    #expect(
      later == [.tell(member: "c", statement), .wake(at(5_000 + Proposals.againMilliseconds))])
  }

  @Test("the first of the members begins when all agree and nothing new has come for 2 s, once")
  func begins() {
    var proposals = agreed()
    #expect(proposals.handle(.woke, at: at(2_099)) == [.wake(at(2_100))])
    #expect(proposals.handle(.woke, at: at(2_100)) == [.begin(proposal)])
    #expect(proposals.handle(.woke, at: at(9_000)) == [])
  }

  @Test("nobody but the first begins", arguments: ["b", "c"])
  func onlyTheFirst(name: String) {
    var proposals = agreed(name)
    #expect(!proposals.handle(.woke, at: at(60_000)).contains(.begin(proposal)))
  }

  @Test("one that is missing, has withdrawn or holds something else keeps it from beginning")
  func disagreement() {
    for statement in [
      MemberProposal(serial: 2, digest: nil), MemberProposal(serial: 2, digest: other),
    ] {
      var proposals = agreed()
      _ = proposals.handle(.heard(member: "c", statement), at: at(200))
      #expect(!proposals.handle(.woke, at: at(60_000)).contains(.begin(proposal)))
      #expect(proposals.missing == (statement.digest == nil ? ["c"] : []))
      #expect(proposals.differing == (statement.digest == nil ? [] : ["c"]))
    }
  }

  @Test("an older statement does not undo a newer one")
  func order() {
    var proposals = agreed()
    _ = proposals.handle(
      .heard(member: "b", MemberProposal(serial: 3, digest: proposal)), at: at(150))
    let late = ProposalsInput.heard(member: "b", MemberProposal(serial: 2, digest: nil))
    #expect(proposals.handle(late, at: at(160)) == [])
    #expect(proposals.missing == [])
  }

  @Test("a member whose agent counts from the beginning again, in another run, is heard")
  func newRun() {
    var proposals = agreed()
    let (first, second) = (Incarnation(random: 1, 1), Incarnation(random: 2, 2))
    _ = proposals.handle(
      .heard(member: "b", MemberProposal(run: first, serial: 9, digest: other)), at: at(150))
    #expect(proposals.differing == ["b"])
    _ = proposals.handle(
      .heard(member: "b", MemberProposal(run: second, serial: 1, digest: proposal)), at: at(160))
    #expect(proposals.differing == [])
    // What the run before has said arrives late.
    let late = ProposalsInput.heard(
      member: "b", MemberProposal(run: first, serial: 10, digest: other))
    #expect(proposals.handle(late, at: at(170)) == [])
    #expect(proposals.differing == [])
    // It has lost what it held.
    let third = Incarnation(random: 3, 3)
    _ = proposals.handle(
      .heard(member: "b", MemberProposal(run: third, serial: 0, digest: nil)), at: at(180))
    #expect(proposals.missing == ["b"])
  }

  @Test("an agent that was started again and holds the same does not have it begun twice")
  func sameAfterRestart() {
    var proposals = agreed()
    #expect(proposals.handle(.woke, at: at(2_100)) == [.begin(proposal)])
    let again = MemberProposal(run: Incarnation(random: 1, 1), serial: 1, digest: proposal)
    #expect(proposals.handle(.heard(member: "b", again), at: at(3_000)) == [])
    #expect(proposals.handle(.woke, at: at(9_000)) == [])
  }

  @Test("what a member says is of its own run")
  func ownRun() {
    let run = Incarnation(random: 4, 4)
    let kept = MemberProposal(run: Incarnation(random: 1, 1), serial: 4, digest: proposal)
    var proposals = Proposals(member: "c", members: names, run: run, own: kept)
    #expect(proposals.own == MemberProposal(run: run, serial: 4, digest: proposal))
    _ = proposals.handle(.proposed(nil, isInForce: false), at: at(1))
    #expect(proposals.own == MemberProposal(run: run, serial: 5, digest: nil))
  }

  @Test("a new statement puts the beginning off")
  func quiet() {
    var proposals = agreed()
    _ = proposals.handle(
      .heard(member: "b", MemberProposal(serial: 2, digest: proposal)), at: at(2_000))
    #expect(proposals.handle(.woke, at: at(2_100)) == [.wake(at(4_000))])
    #expect(proposals.handle(.woke, at: at(4_000)) == [.begin(proposal)])
  }

  @Test("what is in force on all members is not begun; one that drifted is enough to begin")
  func inForce() {
    var proposals = agreed(isInForce: true)
    #expect(!proposals.handle(.woke, at: at(60_000)).contains(.begin(proposal)))
    let drifted = MemberProposal(serial: 2, digest: proposal, isInForce: false)
    _ = proposals.handle(.heard(member: "c", drifted), at: at(70_000))
    #expect(proposals.handle(.woke, at: at(72_000)) == [.begin(proposal)])
  }

  @Test(
    "a rollout that came to nothing is begun again after a minute, or as soon as a proposal changes"
  )
  func refused() {
    var proposals = agreed()
    _ = proposals.handle(.woke, at: at(2_100))
    let again = at(3_000 + Proposals.retryMilliseconds)
    #expect(proposals.handle(.refused(other), at: at(3_000)) == [])
    let own = MemberProposal(serial: 1, digest: proposal)
    #expect(
      proposals.handle(.refused(proposal), at: at(3_000)) == [
        .tell(member: "b", own), .tell(member: "c", own), .wake(again),
      ])
    #expect(proposals.handle(.woke, at: at(10_000)) == [.wake(again)])
    var changed = proposals
    #expect(proposals.handle(.woke, at: again) == [.begin(proposal)])
    _ = changed.handle(
      .heard(member: "b", MemberProposal(serial: 2, digest: proposal)), at: at(9_000))
    #expect(changed.handle(.woke, at: at(11_000)) == [.begin(proposal)])
  }

  @Test(
    "a confirmed rollout of the proposal puts it in force; of another one ends what was in force")
  func committed() {
    var proposals = agreed("b")
    let inForce = MemberProposal(serial: 2, digest: proposal, isInForce: true)
    #expect(proposals.handle(.committed(other), at: at(1)) == [])
    #expect(proposals.handle(.committed(proposal), at: at(1)).first == .persist(inForce))
    #expect(proposals.handle(.committed(proposal), at: at(1)) == [])
    let ended = MemberProposal(serial: 3, digest: nil)
    #expect(proposals.handle(.committed(nil), at: at(2)).first == .persist(ended))
  }

  @Test("what is proposed again as it is changes nothing")
  func again() {
    var proposals = agreed("b", isInForce: true)
    let before = proposals
    #expect(proposals.handle(.proposed(proposal, isInForce: true), at: at(9)) == [])
    #expect(proposals == before)
    let effects = proposals.handle(.proposed(proposal, isInForce: false), at: at(9))
    #expect(effects.first == .persist(MemberProposal(serial: 2, digest: proposal)))
  }

  @Test("who is not a member, and the member itself, are not heard")
  func strangers() {
    var proposals = agreed()
    let before = proposals
    for name in ["z", "a"] {
      _ = proposals.handle(
        .heard(member: name, MemberProposal(serial: 9, digest: other)), at: at(1))
    }
    #expect(proposals == before)
  }

  @Test("after a restart of the agent the proposal is told again")
  func restarted() {
    let own = MemberProposal(serial: 4, digest: proposal)
    for (member, first) in [("a", "b"), ("c", "a")] {
      var proposals = Proposals(member: member, members: names, own: own)
      #expect(proposals.handle(.started, at: at(0)).contains(.tell(member: first, own)))
    }
  }

  @Test("a member alone begins after the quiet period")
  func alone() {
    var proposals = Proposals(member: "a", members: ["a"], own: nil)
    #expect(
      proposals.handle(.proposed(proposal, isInForce: false), at: at(0)) == [
        .persist(MemberProposal(serial: 1, digest: proposal)), .wake(at(2_000)),
      ])
    #expect(proposals.handle(.woke, at: at(2_000)) == [.begin(proposal)])
  }

  // MARK: what the inventory asks for

  private static let quiet = Proposals.quietMilliseconds + 100

  @Test("what needs an approval begins when it has one of these settings, and not before")
  func approval() {
    var proposals = agreed()
    let rules = ProposalRules(approval: .operator)
    for approved in [nil, other] {
      let gate = ProposalGate(rules, approved: approved)
      #expect(
        proposals.handle(.woke, at: at(Self.quiet), gate: gate)
          == [.wake(at(Self.quiet + Proposals.againMilliseconds))])
    }
    let gate = ProposalGate(rules, approved: proposal)
    #expect(proposals.handle(.woke, at: at(Self.quiet + 1), gate: gate) == [.begin(proposal)])
    #expect(proposals.handle(.woke, at: at(Self.quiet + 2), gate: gate) == [])
  }

  @Test("after the last rollout of a proposal the next waits for the interval, to the millisecond")
  func interval() {
    var proposals = agreed()
    let gate = ProposalGate(
      ProposalRules(minimumIntervalSeconds: 60), lastRollout: at(0))
    #expect(proposals.handle(.woke, at: at(Self.quiet), gate: gate) == [.wake(at(60_000))])
    #expect(proposals.handle(.woke, at: at(59_999), gate: gate) == [.wake(at(60_000))])
    #expect(proposals.handle(.woke, at: at(60_000), gate: gate) == [.begin(proposal)])
    #expect(gate.obstacle(to: proposal, at: at(58_000), tolerance: 2_000) == nil)
    #expect(
      gate.obstacle(to: proposal, at: at(57_999), tolerance: 2_000)
        == .interval(until: at(60_000)))
    #expect(
      ProposalGate(ProposalRules(minimumIntervalSeconds: 60)).obstacle(to: proposal, at: at(0))
        == nil)
  }

  @Test("an interval out of its bounds overflows nothing")
  func hugeInterval() {
    for seconds in [Int.max, Int.min] {
      let gate = ProposalGate(
        ProposalRules(minimumIntervalSeconds: seconds), lastRollout: at(0))
      #expect((gate.obstacle(to: proposal, at: at(1)) == nil) == (seconds < 0))
    }
  }
}
