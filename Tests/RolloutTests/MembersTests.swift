// SPDX-License-Identifier: Apache-2.0
import Crypto
import JSONCoding
import Model
@testable import Rollout
import Testing

private func inventory(_ names: [String]) -> Inventory {
  Inventory(cluster: "prod", nodes: names.map { .init(name: $0, address: $0) })
}

private func rollout(
  _ former: [String], to latter: [String], without: [String] = []
) -> Rollout {
  let change = InventoryChange(
    from: AgreedInventory(first: inventory(former)), to: inventory(latter), without: without)
  return Rollout(
    id: "00000000000000aa", epoch: 1, kind: .members, cluster: "prod", generation: 0, seal: nil,
    contents: change.participants.map {
      MemberContent(
        member: $0, incarnation: life, path: MemberContent.inventory, before: nil,
        after: change.next.digest)
    },
    createdBy: "alice", prepareMilliseconds: 1_000, stopMilliseconds: 1_000,
    startMilliseconds: 1_000, settleMilliseconds: 0, withoutRestart: true, change: change)
}

private let start = Instant(nanoseconds: 1_000_000_000)
private let moment = Moment(now: start, bootID: "boot", jitterMilliseconds: 0)
private let facts = PreparedFacts(invocation: "", journalCursor: nil, staged: false)

@Suite struct AgreedInventoryTests {
  private let first = AgreedInventory(first: inventory(["a", "b", "c"]))

  @Test("each follows from the one before, and from all that are kept")
  func chain() throws {
    var all = [first]
    for number in 1...80 { all.append(all[number - 1].next(inventory(["a", "b", "n\(number)"]))) }
    #expect(all[80].number == 81)
    #expect(all[1].follows(all[0]) && all[2].follows(all[0]) && !all[0].follows(all[1]))
    #expect(!all[1].follows(all[1]))
    #expect(all[80].follows(all[16]) && !all[80].follows(all[15]), "64 digests are kept")
    #expect(all[80].predecessors.count == AgreedInventory.keptDigests)
    #expect(all[80].problem == nil)
    let other = AgreedInventory(first: inventory(["a", "b"])).next(inventory(["a", "b", "n1"]))
    #expect(!other.follows(first) && other.digest != all[1].digest)
    let decoded = try JSON.decode(AgreedInventory.self, from: JSON.encode(all[80]))
    #expect(decoded == all[80] && decoded.digest == all[80].digest)
  }

  @Test("who has left is remembered until it is back")
  func retired() {
    let without = first.next(inventory(["a", "b"]))
    #expect(without.retired == ["c"])
    let more = without.next(inventory(["a", "d"]))
    #expect(more.retired == ["b", "c"])
    #expect(more.next(inventory(["a", "c", "d"])).retired == ["b"])
  }

  @Test("what a peer tells is bounded")
  func bounded() throws {
    var text = String(decoding: JSON.encode(first.next(inventory(["a"]))), as: UTF8.self)
    text.replace("\"number\":2", with: "\"number\":0")
    #expect(try JSON.decode(AgreedInventory.self, from: Array(text.utf8)).problem != nil)
    text.replace("\"number\":0", with: "\"number\":-4")
    #expect(throws: JSONFailure.self) {
      try JSON.decode(AgreedInventory.self, from: Array(text.utf8))
    }
    text.replace("\"number\":-4", with: "\"number\":2")
    text.replace("\"retired\":[\"b\",\"c\"]", with: "\"retired\":[\"b\\u0000\"]")
    #expect(try JSON.decode(AgreedInventory.self, from: Array(text.utf8)).problem != nil)
  }

  @Test("who is behind is told so, and who is ahead")
  func difference() {
    let second = first.next(inventory(["a", "b"]))
    #expect(first.reference.difference(from: first.reference) == nil)
    #expect(second.reference.difference(from: first.reference)?.contains("it takes that") == true)
    #expect(first.reference.difference(from: second.reference)?.contains("that is newer") == true)
    let other = AgreedInventory(first: inventory(["a", "z"]))
    #expect(other.reference.difference(from: first.reference)?.contains("another content") == true)
  }
}

@Suite struct InventoryChangeTests {
  @Test("all members before and after vote, but those that are gone")
  func participants() {
    let change = rollout(["a", "b", "c"], to: ["a", "b", "d"], without: ["c"]).change
    #expect(change?.participants == ["a", "b", "d"])
    #expect(change?.joining == ["d"] && change?.leaving == ["c"])
    #expect(change?.problem == nil)
  }

  @Test(
    "only who leaves can be gone, and more than half of the members must be left",
    arguments: [
      (["a", "b", "c"], ["a", "b", "c"], ["c"], "the new inventory has it"),
      (["a", "b", "c"], ["a", "b"], ["x"], "no such node"),
      (["a", "b", "c", "d"], ["a", "b"], ["c", "d"], "only 2 of 4 members would be left"),
      (["a", "b"], ["a"], ["b"], "only 1 of 2 members would be left"),
      (["a", "b", "c"], [], [], "nodes: there is none"),
    ])
  func problems(former: [String], latter: [String], without: [String], problem: String) {
    let found = rollout(former, to: latter, without: without).change?.problem
    #expect(found?.contains(problem) == true, "\(found ?? "none")")
  }

  @Test("a quorum is more than half of both, and those that are gone count as not there")
  func quorum() {
    func isQuorum(_ rollout: Rollout, _ names: String) -> Bool {
      rollout.isQuorum { names.contains($0) }
    }
    let grown = rollout(["a", "b", "c"], to: ["a", "b", "c", "d", "e"])
    #expect(isQuorum(grown, "abc") && isQuorum(grown, "abd"))
    #expect(!isQuorum(grown, "ade") && !isQuorum(grown, "ab") && !isQuorum(grown, "cde"))
    let replaced = rollout(["a", "b", "c"], to: ["a", "b", "d"], without: ["c"])
    #expect(isQuorum(replaced, "ab") && !isQuorum(replaced, "ad") && !isQuorum(replaced, "bd"))
    let other = rollout(["a", "b", "c"], to: ["d", "e", "f"])
    #expect(isQuorum(other, "abde") && !isQuorum(other, "abc") && !isQuorum(other, "def"))
  }

  @Test("any two quorums of a change have a member in common, with both sides' majorities too")
  func intersect() {
    let names = ["a", "b", "c", "d", "e"]
    func subsets(_ names: [String]) -> [[String]] {
      (0..<(1 << names.count)).map { bits in
        names.indices.filter { bits >> $0 & 1 == 1 }.map { names[$0] }
      }
    }
    var checked = 0
    for former in subsets(names) where (1...4).contains(former.count) {
      for latter in subsets(names) where !latter.isEmpty {
        for without in subsets(former.filter { !latter.contains($0) }) {
          let rollout = rollout(former, to: latter, without: without)
          guard rollout.change?.problem == nil else { continue }
          let quorums = subsets(rollout.members).filter { set in
            rollout.isQuorum { set.contains($0) }
          }
          for one in quorums {
            checked += 1
            #expect(2 * Set(one).intersection(former).count > former.count)
            #expect(2 * Set(one).intersection(latter).count > latter.count)
            for other in quorums { #expect(!Set(one).isDisjoint(with: other)) }
          }
        }
      }
    }
    #expect(checked > 1_000)
  }
}

@Suite struct MembersRolloutTests {
  @Test("commit is decided by both majorities, not by the larger one alone")
  func commit() {
    let rollout = rollout(["a", "b", "c"], to: ["a", "b", "c", "d", "e", "f", "g"])
    var coordinator = Coordinator(rollout: rollout)
    _ = coordinator.handle(.start, at: start)
    let sample = ClockSample(
      requestSent: start, requestReceived: start, answerSent: start, answerReceived: start,
      bootID: "boot")
    for name in rollout.members {
      _ = coordinator.handle(.clock(member: name, sample), at: start)
      _ = coordinator.handle(.vote(member: name, .yes, environment: nil), at: start)
    }
    func isDecided(_ effects: [CoordinatorEffect]) -> Bool {
      effects.contains { if case .decide(_, .commit, _, _, _) = $0 { true } else { false } }
    }
    for name in ["d", "e", "f", "g", "a"] {
      #expect(!isDecided(coordinator.handle(.accepted(member: name), at: start)), "\(name)")
    }
    #expect(isDecided(coordinator.handle(.accepted(member: "b"), at: start)))
  }

  /// A member in doubt that has asked the others.
  private func asking(_ rollout: Rollout, _ name: String) -> Participant {
    var participant = Participant(member: name, incarnation: life, record: ParticipantRecord())
    _ = participant.handle(.prepare(rollout), at: moment)
    _ = participant.handle(.assessed(rollout, .success(facts)), at: moment)
    _ = participant.handle(.woke, at: moment)
    return participant
  }

  private func accepts(_ effects: [ParticipantEffect]) -> Int {
    effects.count { if case .ask(_, _, .accept) = $0 { true } else { false } }
  }

  @Test("a member in doubt needs promises of both majorities")
  func recovery() {
    let rollout = rollout(["a", "b", "c"], to: ["c", "d", "e"])
    var participant = asking(rollout, "d")
    let ballot = Ballot(round: 1, proposer: "d")
    for name in ["c", "e"] {
      let effects = participant.handle(
        .answered(member: name, rollout.key(for: name), .promise(ballot), .promised(nil)),
        at: moment)
      #expect(accepts(effects) == 0, "of a, b and c only one has promised")
    }
    let effects = participant.handle(
      .answered(member: "a", rollout.key(for: "a"), .promise(ballot), .promised(nil)), at: moment)
    #expect(accepts(effects) == 4)
  }

  @Test("a change is remembered beside the last rollout of files, which it does not displace")
  func remembered() throws {
    let change = rollout(["a", "b", "c"], to: ["a", "b"])
    var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
    let apply = exampleRollout(id: "00000000000000bb", epoch: 1)
    func finish(_ rollout: Rollout) {
      _ = participant.handle(.prepare(rollout), at: moment)
      _ = participant.handle(.assessed(rollout, .success(facts)), at: moment)
      let key = rollout.key(for: "a")
      _ = participant.handle(
        .decided(key, .commit, instant: nil, bootID: "", reason: ""), at: moment)
      let report = RestartReport(planned: start, issued: start, previousInvocation: "")
      _ = participant.handle(.restarted(id: rollout.id, report), at: moment)
      _ = participant.handle(.watched(id: rollout.id, Outcome(.confirmed, "")), at: moment)
    }
    finish(apply)
    var later = change
    later.epoch = 2
    finish(later)
    let record = participant.record
    #expect(record.lastCommitted?.rollout.id == apply.id)
    #expect(record.lastChange?.rollout == later && record.last?.rollout.id == apply.id)
    let again = exampleRollout(id: "00000000000000cc", epoch: 3)
    finish(again)
    // Whoever is still in doubt of the change is told how it ended.
    let effects = participant.handle(
      .promise(later.key(for: "a"), Ballot(round: 1, proposer: "b")), at: moment)
    #expect(effects == [.reply(.ended(Outcome(.confirmed, "")))])
  }

  @Test("who was left out of a commit that later ones have followed is told that it was committed")
  func forgotten() {
    var participant = Participant(member: "a", incarnation: life, record: ParticipantRecord())
    func finish(_ id: String, _ epoch: UInt64) {
      let rollout = exampleRollout(id: id, epoch: epoch)
      _ = participant.handle(.prepare(rollout), at: moment)
      _ = participant.handle(.assessed(rollout, .success(facts)), at: moment)
      _ = participant.handle(
        .decided(rollout.key(for: "a"), .commit, instant: nil, bootID: "", reason: ""), at: moment)
      let report = RestartReport(planned: start, issued: start, previousInvocation: "")
      _ = participant.handle(.restarted(id: id, report), at: moment)
      _ = participant.handle(.watched(id: id, Outcome(.confirmed, "")), at: moment)
    }
    func ids(_ number: Int) -> String {
      "00000000000000" + (number < 10 ? "0\(number)" : "\(number)")
    }
    for number in 1...70 { finish(ids(number), UInt64(number)) }
    func reply(_ number: Int) -> [ParticipantEffect] {
      let rollout = exampleRollout(id: ids(number), epoch: UInt64(number))
      return participant.handle(
        .promise(rollout.key(for: "a"), Ballot(round: 1, proposer: "b")), at: moment)
    }
    guard case .reply(.ended(let outcome))? = reply(10).last else {
      Issue.record("a commit is denied")
      return
    }
    #expect(outcome.kind == .unknown)
    #expect(participant.record.committed?.count == ParticipantRecord.committedCount)
    // In doubt, it takes that for a commit.
    var other = asking(rollout(["a", "b", "c"], to: ["a", "b"]), "b")
    let ballot = Ballot(round: 1, proposer: "b")
    _ = other.handle(
      .answered(
        member: "a", rollout(["a", "b", "c"], to: ["a", "b"]).key(for: "a"), .promise(ballot),
        .ended(outcome)), at: moment)
    guard case .committed? = other.record.active?.stage else {
      Issue.record("it is not taken for a commit")
      return
    }
  }

  @Test("no clock is in the way of a change of members")
  func clocks() {
    let rollout = rollout(["a"], to: ["a", "b"])
    var limits = CoordinatorLimits()
    limits.clockBoundNanoseconds = 1
    var coordinator = Coordinator(rollout: rollout, limits: limits)
    _ = coordinator.handle(.start, at: start)
    let sample = ClockSample(
      requestSent: start, requestReceived: start, answerSent: start,
      answerReceived: start.advanced(byMilliseconds: 500), bootID: "boot")
    var effects: [CoordinatorEffect] = []
    for name in rollout.members {
      _ = coordinator.handle(.clock(member: name, sample), at: start)
      effects = coordinator.handle(.vote(member: name, .yes, environment: nil), at: start)
    }
    #expect(effects.contains { if case .accept = $0 { true } else { false } })
  }

  @Test("the digest of a rollout is over the change and the inventory that it is under")
  func digest() {
    let change = rollout(["a", "b", "c"], to: ["a", "b"])
    var other = change
    other.change = rollout(["a", "b", "c"], to: ["a", "b"], without: ["c"]).change
    #expect(change.digest != other.digest)
    other = change
    other.inventory = AgreedInventory(first: inventory(["a"])).reference
    #expect(change.digest != other.digest)
  }
}
