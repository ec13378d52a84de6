// SPDX-License-Identifier: Apache-2.0
import Crypto
import Model
@testable import Rollout
import Testing

@Suite("Adoption")
struct AdoptionTests {
  private static let key = KeyIdentity(name: "key-1", enclave: "store")

  private static func view(_ node: String, _ key: KeyIdentity? = key) -> SealView {
    SealView(
      node: node, members: SealView.digest(ofMembers: ["a", "b", "c"]), runningKey: key,
      isServing: true)
  }

  private static func adoption(_ own: SealView, _ peers: [PeerSeal]) -> Adoption {
    Adoption(own: own, peers: peers, cluster: "prod", realtimeMicroseconds: 7)
  }

  private static func peers(_ change: (inout SealView) -> Void = { _ in }) -> [PeerSeal] {
    var last = view("c")
    change(&last)
    return [.answered(view("b")), .answered(last)]
  }

  private static func waits(_ adoption: Adoption, for reason: String) -> Bool {
    guard case .waiting(let text) = adoption else { return false }
    return text.contains(reason) && text.contains("key-1")
  }

  @Test("when all run READY with the same key the member of the lowest name seals it")
  func seals() {
    let seal = Seal(
      cluster: "prod", keyName: "key-1", enclave: "store", rollout: "adopted",
      sealedAtMicroseconds: 7)
    #expect(Self.adoption(Self.view("a"), Self.peers()) == .seal(seal))
    #expect(Self.adoption(Self.view("a"), []) == .seal(seal))
    let others: [PeerSeal] = [.answered(Self.view("c")), .answered(Self.view("a"))]
    #expect(Self.adoption(Self.view("b"), others) == .expected(from: "a"))
  }

  @Test("where no server runs with a key there is nothing to adopt")
  func nothing() {
    #expect(Self.adoption(Self.view("a", nil), []) == .nothing)
    #expect(
      Self.adoption(
        Self.view("a", nil),
        [.answered(Self.view("b", nil)), .silent(node: "c", reason: "timed out")]) == .nothing)
  }

  @Test("different keys, or the same in different enclaves, are refused and named node by node")
  func differ() {
    for other in [
      KeyIdentity(name: "key-2", enclave: "store"), KeyIdentity(name: "key-1", enclave: "other"),
    ] {
      for rest in [
        PeerSeal.answered(Self.view("c")), .answered(Self.view("c", nil)),
        .silent(node: "c", reason: "timed out"),
      ] {
        let adoption = Self.adoption(Self.view("a"), [.answered(Self.view("b", other)), rest])
        guard case .refused(let problem) = adoption else {
          Issue.record("\(adoption)")
          continue
        }
        #expect(problem.kind == .keys && problem.refusal.code == .guarded)
        #expect(problem.message.contains("b: \(other.text)"))
        #expect(problem.message.contains("a"))
      }
    }
  }

  @Test("it waits for every member, and says for which and why")
  func waits() {
    let own = Self.view("a")
    let silent: [PeerSeal] = [
      .answered(Self.view("b")), .silent(node: "c", reason: "connection refused"),
    ]
    #expect(Self.waits(Self.adoption(own, silent), for: "c does not answer (connection refused)"))
    let changes: [(String, (inout SealView) -> Void)] = [
      ("the record of c is damaged", { $0.problem = "torn" }),
      ("the inventory of c", { $0.members = SealView.digest(ofMembers: ["a", "b"]) }),
      ("c is in a rollout", { $0.isInRollout = true }),
      (
        "the server of c is not READY",
        {
          $0.isServing = false
          $0.runningKey = nil
        }
      ),
      ("the server of c runs without a key", { $0.runningKey = nil }),
    ]
    for (reason, change) in changes {
      #expect(Self.waits(Self.adoption(own, Self.peers(change)), for: reason), "\(reason)")
    }
    var busy = own
    busy.isInRollout = true
    #expect(Self.waits(Self.adoption(busy, Self.peers()), for: "a is in a rollout"))
  }

  @Test("after a seal was lifted the adopted one follows it, if all know the same")
  func chained() {
    let (first, second) = (Digest.sha256([1]), Digest.sha256([2]))
    var own = Self.view("a")
    let adoption = Self.adoption(own, Self.peers { $0.lifted = first })
    guard case .seal(let seal) = adoption else {
      Issue.record("\(adoption)")
      return
    }
    #expect(seal.previous == first)
    own.lifted = second
    #expect(Self.waits(Self.adoption(own, Self.peers { $0.lifted = first }), for: "lifted"))
  }
}
