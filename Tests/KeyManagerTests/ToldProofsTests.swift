// SPDX-License-Identifier: Apache-2.0
import KeyManager
import Model
import Testing

@Suite("Key proofs of other nodes")
struct ToldProofsTests {
  private let old = proof(1)
  private let new = proof(2)
  private let lie = proof(99)

  private static func proof(_ seed: UInt8) -> KeyProof {
    KeyProofTests.proof(version: UInt32(seed), madeAt: Int64(seed), ciphertext: [seed])
  }

  private func told(_ answers: [String: [KeyProof]], own: [KeyProof] = []) -> ToldProofs {
    ToldProofs(
      answers.sorted { $0.key < $1.key }.map { ($0.key, KeyProofs($0.value)) },
      except: KeyProofs(own), at: 1_000)
  }

  @Test("each is opened once, without those that the node has, what most tell first")
  func order() {
    let told = told(["b": [old, new], "c": [old, new, lie], "d": [new]], own: [old])
    #expect(told.all.map(\.proof) == [new, lie])
    #expect(told.all.map(\.nodes) == [["b", "c", "d"], ["c"]])
  }

  @Test("there is an end to what is opened, whatever is told")
  func bounded() {
    var answers: [String: [KeyProof]] = [:]
    for node in 0..<40 {
      answers["\(node)"] = (0..<4).map { Self.proof(UInt8(node * 4 + $0)) }
    }
    answers["a"] = [Self.proof(200)]
    answers["b"] = [Self.proof(200)]
    let told = told(answers)
    #expect(told.all.count == Limits.toldKeyProofs)
    #expect(told.all[0].proof == Self.proof(200))
  }

  /// A look that opens these, and for these has another key.
  private func look(opens opened: [KeyProof] = [], not other: [KeyProof] = []) -> [EndpointReport] {
    let openings = ProofOpenings(opened: opened.map(\.digest), other: other.map(\.digest))
    return [
      EndpointReport(
        endpoint: "https://kms-1:7373", address: nil, stages: [],
        addresses: [AddressReport(address: "192.0.2.1:7373", stages: [], openings: openings)])
    ]
  }

  @Test("what opens is taken; where not all could be opened that is known")
  func opened() {
    let told = told(["b": [old], "c": [old, new]])
    #expect(
      told.verdict(look(opens: [old, new]), isOwnOpened: false) == .take([old, new], isAll: true))
    #expect(told.verdict(look(opens: [old]), isOwnOpened: false) == .take([old], isAll: false))
    #expect(told.verdict(look(), isOwnOpened: true) == .silence)
    // One Key Manager opens it and another one does not.
    let split = look(opens: [old, new]) + look(not: [old])
    #expect(told.verdict(split, isOwnOpened: false) == .otherKey)
  }

  @Test("what most nodes tell, and does not open, is another key")
  func otherKey() {
    for answers in [["b": [old]], ["b": [old], "c": [old], "d": []]] {
      let told = told(answers)
      let gone = told.all.map(\.proof)
      #expect(told.verdict(look(not: gone), isOwnOpened: false) == .otherKey)
    }
    // Each another one, of a version that is gone.
    let versions = told(["b": [old, Self.proof(5)], "c": [old, Self.proof(6)], "d": [old]])
    #expect(
      versions.verdict(
        look(opens: [old], not: [Self.proof(5), Self.proof(6)]), isOwnOpened: false) == .otherKey)
    let most = told(["b": [old, new], "c": [old, new], "d": [new]])
    #expect(
      most.verdict(look(opens: [new], not: [old]), isOwnOpened: true)
        == .doubt(
          most.all.filter { $0.proof == old }, take: [new]))
    #expect(most.verdict(look(opens: [new], not: [old]), isOwnOpened: false) == .otherKey)
  }

  @Test("what few nodes tell, and does not open, is in doubt, and no alarm")
  func doubtful() {
    func doubt(_ answers: [String: [KeyProof]], own: [KeyProof] = []) -> ToldProofs.Verdict {
      told(answers, own: own).verdict(
        look(opens: [old], not: [lie]), isOwnOpened: !own.isEmpty)
    }
    let lies = ToldProofs([("d", KeyProofs([lie]))], except: KeyProofs(), at: 1_000).all
    #expect(doubt(["b": [old], "c": [old], "d": [lie]]) == .doubt(lies, take: [old]))
    // Half is not most.
    #expect(doubt(["c": [old], "d": [lie]]) == .doubt(lies, take: [old]))
    #expect(doubt(["b": [], "c": [], "d": [lie]]) == .doubt(lies, take: []))
    // Those that the node has itself open, and it counts as one of them.
    #expect(doubt(["d": [lie]], own: [old]) == .doubt(lies, take: []))
    #expect(doubt(["d": [lie]]) == .otherKey)
  }

  @Test("a vote goes by what most nodes tell")
  func common() {
    #expect(told(["b": [old, new], "c": [old], "d": [old, lie]]).common == [old])
    #expect(told(["b": [old], "c": [lie]]).common.isEmpty)
    #expect(told(["b": [old]]).common == [old])
  }

  @Test("what says that it was made later than tomorrow is not taken")
  func future() {
    let day = Limits.keyProofFutureMicroseconds
    let answers = [
      ("b", KeyProofs([KeyProofTests.proof(version: 1, madeAt: day + 5, ciphertext: [1])])),
      ("c", KeyProofs([KeyProofTests.proof(version: 2, madeAt: day + 6, ciphertext: [2])])),
    ]
    #expect(ToldProofs(answers, except: KeyProofs(), at: 5).all.map(\.proof.version) == [1])
  }
}
