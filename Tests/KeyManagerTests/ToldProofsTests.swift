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
      except: KeyProofs(own))
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

  @Test("what does not open is another key where nothing opens, or where most nodes tell it")
  func otherKey() {
    let one = told(["b": [old]])
    #expect(one.verdict(unopened: [], isOwnOpened: false) == .take)
    #expect(one.verdict(unopened: one.all, isOwnOpened: false) == .otherKey)
    let most = told(["b": [old, new], "c": [old, new], "d": [new]])
    #expect(
      most.verdict(unopened: most.all.filter { $0.proof == old }, isOwnOpened: true) == .otherKey)
  }

  @Test("what one node alone tells, and does not open, is that node's")
  func doubtful() {
    let told = told(["b": [old], "c": [old], "d": [lie]])
    let lies = told.all.filter { $0.proof == lie }
    #expect(told.verdict(unopened: lies, isOwnOpened: false) == .takeAllBut(lies))
    // Half is not most.
    let two = self.told(["b": [old], "c": [lie]])
    #expect(
      two.verdict(unopened: two.all.filter { $0.proof == lie }, isOwnOpened: false)
        == .takeAllBut(two.all.filter { $0.proof == lie }))
    // All that are told, but those that the node has itself open.
    let alone = self.told(["b": [lie], "c": [], "d": [old]], own: [old])
    #expect(alone.verdict(unopened: alone.all, isOwnOpened: true) == .takeAllBut(alone.all))
  }
}
