// SPDX-License-Identifier: Apache-2.0
import Crypto
import Model
@testable import Rollout
import Testing

private let members = SealView.digest(ofMembers: ["a", "b", "c"])

private func seal(
  _ key: String = "key-1", enclave: String = "store", rollout: String = "00000000000000aa",
  previous: Digest? = nil
) -> Seal {
  Seal(
    cluster: "prod", keyName: key, enclave: enclave, rollout: rollout, sealedAtMicroseconds: 1,
    previous: previous)
}

private func view(_ node: String, _ seal: Seal? = nil) -> SealView {
  SealView(node: node, members: members, seal: seal, isServing: true)
}

private func peer(_ node: String, _ seal: Seal? = nil) -> PeerSeal { .answered(view(node, seal)) }
private func silent(_ node: String) -> PeerSeal { .silent(node: node, reason: "timed out") }
private func broken(_ node: String) -> PeerSeal {
  var view = view(node)
  view.problem = "its seal is missing"
  return .answered(view)
}
private func lifted(_ node: String, _ seal: Seal) -> PeerSeal {
  var view = view(node)
  view.lifted = seal.digest
  return .answered(view)
}

private let one = seal()
private let two = seal("key-2")
private let adopted = seal(rollout: Seal.adopted)

@Suite("Seal record")
struct SealRecordTests {
  private static func record(
    _ seal: Seal?, written: Digest?, lifted: Digest? = nil
  ) -> SealRecord {
    SealRecord(seal: seal, written: written, lifted: lifted, cluster: "prod")
  }

  @Test("a seal counts if it is the one that was written, or a crash explains the difference")
  func sealed() {
    let next = seal("key-2", previous: one.digest)
    #expect(Self.record(one, written: one.digest) == .sealed(one))
    #expect(Self.record(one, written: nil) == .sealed(one))
    #expect(Self.record(next, written: one.digest, lifted: one.digest) == .sealed(next))
  }

  @Test("a seal that is not the one that was written, or another cluster's, is damaged")
  func altered() {
    #expect(Self.record(two, written: one.digest).problem?.contains("altered") == true)
    #expect(Self.record(two, written: one.digest).seal == nil)
    let foreign = SealRecord(
      seal: one, written: one.digest, lifted: nil, cluster: "other")
    #expect(foreign.problem?.contains("cluster prod") == true)
  }

  @Test("without a seal: never sealed, lifted, or removed")
  func none() {
    #expect(Self.record(nil, written: nil) == .unsealed(lifted: nil))
    #expect(
      Self.record(nil, written: one.digest, lifted: one.digest) == .unsealed(lifted: one.digest))
    #expect(Self.record(nil, written: one.digest) == .missing)
    // What was lifted earlier does not excuse the loss of the one that followed it.
    #expect(Self.record(nil, written: two.digest, lifted: one.digest) == .missing)
  }

  @Test("seals and keys are compared by bytes")
  func bytes() {
    #expect(seal("caf\u{E9}").digest != seal("cafe\u{301}").digest)
    #expect(
      KeyIdentity(name: "caf\u{E9}", enclave: "") != KeyIdentity(name: "cafe\u{301}", enclave: ""))
    #expect(seal(enclave: "other").digest != one.digest)
    #expect(seal(previous: two.digest).digest != one.digest)
  }
}

@Suite("Seal judgement")
struct SealJudgementTests {
  private static func standing(
    _ record: SealRecord, _ peers: [PeerSeal], isNew: Bool = false, pending: Seal? = nil,
    running: KeyIdentity? = nil
  ) -> SealStanding {
    var own = view("a", record.seal)
    own.problem = record.problem
    own.lifted = record.lifted
    own.pending = pending
    own.runningKey = running
    own.isNew = isNew
    return SealJudgement.standing(own: own, record: record, peers: peers)
  }

  private static func kind(_ standing: SealStanding) -> SealProblem.Kind? {
    guard case .refused(let problem) = standing else { return nil }
    #expect(problem.refusal.code == (problem.kind == .unknown ? .unreachable : .guarded))
    #expect(problem.finding.rule == "seal-\(problem.kind.rawValue)")
    return problem.kind
  }

  @Test(
    "sealed: stands while no seal of a majority is another",
    arguments: [
      [], [peer("b", one)], [peer("b", one), peer("c", one)], [silent("b"), silent("c")],
      [peer("b"), broken("c")], [peer("b", one), peer("c", two)], [lifted("b", one), peer("c")],
    ])
  func stands(peers: [PeerSeal]) {
    #expect(Self.standing(.sealed(one), peers) == .sealed(one))
  }

  @Test(
    "sealed otherwise than the majority, or where there is none: refused",
    arguments: [
      ([peer("b", two), peer("c", two)], true), ([peer("b", two)], false),
      ([peer("b", two), silent("c")], false), ([peer("b", two), broken("c")], false),
      ([peer("b", two), peer("c", seal("key-3"))], false),
    ])
  func differs(peers: [PeerSeal], isRecoverable: Bool) {
    let standing = Self.standing(.sealed(one), peers)
    #expect(Self.kind(standing) == .differs)
    guard case .refused(let problem) = standing else { return }
    #expect(problem.message.contains("keyturn seal recover a") == isRecoverable)
    #expect(problem.message.contains("key-2"))
  }

  @Test("missing or damaged is refused, whatever the others say, with the command")
  func lost() {
    for peers in [[], [peer("b", one), peer("c", one)], [silent("b"), silent("c")]] {
      for (record, kind) in [
        (SealRecord.missing, SealProblem.Kind.missing), (.damaged("torn"), .damaged),
      ] {
        let standing = Self.standing(record, peers, isNew: true, pending: one)
        #expect(Self.kind(standing) == kind)
        guard case .refused(let problem) = standing else { continue }
        #expect(problem.message.contains("keyturn seal recover a"))
      }
    }
  }

  @Test("nobody sealed: not sealed, with those that could not be asked")
  func unsealed() {
    let record = SealRecord.unsealed(lifted: nil)
    #expect(Self.standing(record, []) == .unsealed(silent: []))
    #expect(Self.standing(record, [peer("b"), peer("c")]) == .unsealed(silent: []))
    #expect(Self.standing(record, [peer("b"), silent("c")]) == .unsealed(silent: ["c"]))
    #expect(Self.standing(record, [peer("b"), broken("c")]) == .unsealed(silent: []))
  }

  @Test("a seal that this member voted for is taken as soon as one peer has confirmed it")
  func pending() {
    let record = SealRecord.unsealed(lifted: nil)
    #expect(
      Self.standing(record, [peer("b", one), silent("c")], pending: one) == .take(one))
    #expect(
      Self.kind(Self.standing(record, [peer("b", two), peer("c", two)], pending: one)) == .missing)
  }

  @Test("a new member takes what more than half of the others have, and no more than one says")
  func joins() {
    let record = SealRecord.unsealed(lifted: nil)
    func join(_ peers: PeerSeal...) -> SealStanding {
      Self.standing(record, peers, isNew: true)
    }
    #expect(join(peer("b", one)) == .take(one))
    #expect(join(peer("b", one), peer("c", one)) == .take(one))
    #expect(join(peer("b", one), peer("c", one), silent("d")) == .take(one))
    #expect(join(peer("b", one), peer("c", one), broken("d")) == .take(one))
    #expect(Self.kind(join(peer("b", one), silent("c"))) == .unknown)
    #expect(Self.kind(join(peer("b", one), peer("c"))) == .unknown)
    #expect(Self.kind(join(peer("b", one), peer("c", two))) == .differs)
    #expect(Self.kind(join(peer("b", one), peer("c", one), peer("d", two))) == .differs)
  }

  @Test("a member that is not new and has no seal while others have is refused, with the command")
  func notNew() {
    let record = SealRecord.unsealed(lifted: nil)
    let standing = Self.standing(record, [peer("b", one), peer("c", one)], running: one.key)
    #expect(Self.kind(standing) == .missing)
    guard case .refused(let problem) = standing else { return }
    #expect(problem.message.contains("keyturn seal recover a"))
  }

  @Test("an adopted seal is taken from one by whoever runs with its key, and by nobody else")
  func takesAdopted() {
    let record = SealRecord.unsealed(lifted: nil)
    let peers = [peer("b", adopted), peer("c")]
    #expect(Self.standing(record, peers, running: adopted.key) == .take(adopted))
    #expect(Self.kind(Self.standing(record, peers, running: two.key)) == .keys)
    #expect(
      Self.kind(
        Self.standing(record, peers, running: KeyIdentity(name: "key-1", enclave: "other")))
        == .keys)
    #expect(Self.kind(Self.standing(record, peers)) == .missing)
    #expect(Self.kind(Self.standing(record, peers, isNew: true)) == .unknown)
  }

  @Test("a seal that was lifted here is not taken back, and the next one must follow it")
  func lifting() {
    let record = SealRecord.unsealed(lifted: one.digest)
    let next = seal("key-2", previous: one.digest)
    for isNew in [true, false] {
      for pending in [nil, one] {
        #expect(
          Self.kind(
            Self.standing(record, [peer("b", one), peer("c", one)], isNew: isNew, pending: pending))
            == .lifted)
      }
      #expect(
        Self.kind(Self.standing(record, [peer("b", two), peer("c", two)], isNew: isNew)) == .lifted)
    }
    #expect(Self.standing(record, [peer("b", next), peer("c")], pending: next) == .take(next))
    #expect(Self.standing(record, [peer("b"), peer("c")]) == .unsealed(silent: []))
  }
}

@Suite("Seal recovery")
struct SealRecoveryTests {
  @Test(
    "the seal of more than half of the other members, if no other is among them",
    arguments: [
      [peer("b", one)], [peer("b", one), peer("c", one)],
      [peer("b", one), peer("c", one), silent("d")], [peer("b", one), peer("c", one), broken("d")],
    ])
  func given(peers: [PeerSeal]) throws {
    #expect(try SealJudgement.recovery(of: "a", peers: peers) == one)
  }

  @Test(
    "never without such a majority",
    arguments: [
      [], [silent("b")], [broken("b")], [peer("b"), peer("c")], [peer("b", one), silent("c")],
      [peer("b", one), peer("c", two)], [peer("b", one), peer("c", one), peer("d", two)],
      [peer("b", one), peer("c", one), lifted("d", one)],
      [peer("b", one), peer("c", one), silent("d"), silent("e")],
    ])
  func withheld(peers: [PeerSeal]) {
    let refusal = #expect(throws: Refusal.self) {
      try SealJudgement.recovery(of: "a", peers: peers)
    }
    #expect(refusal?.code == .guarded)
    #expect(refusal?.message.hasPrefix("recover the seal of a: ") == true)
  }
}

@Suite("Seal of a rollout")
struct RolloutSealTests {
  private static func rollout(_ seal: Seal?) -> Rollout {
    Rollout(
      id: "00000000000000aa", epoch: 1, kind: .apply, cluster: "prod", generation: 1, seal: seal,
      contents: [], createdBy: "alice", prepareMilliseconds: 1, stopMilliseconds: 1,
      startMilliseconds: 1)
  }
  private static func code(
    _ seal: Seal?, key: KeyIdentity?, _ record: SealRecord = .unsealed(lifted: nil)
  ) -> RefusalCode? {
    SealJudgement.problem(with: rollout(seal), key: key, record: record, node: "a")?.code
  }

  @Test("exactly what the member's own environment needs")
  func needed() {
    #expect(Self.code(one, key: one.key) == nil)
    #expect(Self.code(nil, key: nil) == nil)
    #expect(Self.code(nil, key: one.key, .sealed(one)) == nil)
  }

  @Test("anything else is a no")
  func refused() {
    #expect(Self.code(nil, key: one.key) == .vote)
    #expect(Self.code(one, key: nil) == .vote)
    #expect(Self.code(one, key: two.key) == .vote)
    #expect(Self.code(one, key: KeyIdentity(name: "key-1", enclave: "other")) == .vote)
    #expect(Self.code(one, key: one.key, .sealed(one)) == .vote)
    #expect(Self.code(seal(rollout: "00000000000000bb"), key: one.key) == .vote)
    #expect(Self.code(adopted, key: one.key) == .vote)
    var foreign = one
    foreign.cluster = "other"
    #expect(Self.code(foreign, key: one.key) == .vote)
    let before = two.digest
    #expect(Self.code(one, key: one.key, .unsealed(lifted: before)) == .vote)
    #expect(Self.code(seal(previous: before), key: one.key, .unsealed(lifted: before)) == nil)
    #expect(Self.code(seal(previous: before), key: one.key) == nil)
  }
}
