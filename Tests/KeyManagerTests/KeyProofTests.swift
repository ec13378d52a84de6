// SPDX-License-Identifier: Apache-2.0
import Crypto
import FoundationEssentials
import KeyManager
import Model
import Secrets
import Testing

@Suite("Key proof")
struct KeyProofTests {
  static let binding = KeyProof.Binding(cluster: "prod", seal: .sha256([1]))
  static let plaintext = [UInt8](repeating: 7, count: 32)

  static func proof(
    version: UInt32 = 1, source: UInt8 = 1, madeAt: Int64 = 1, ciphertext: [UInt8] = [1, 2, 3],
    binding: KeyProof.Binding = binding
  ) -> KeyProof {
    KeyProof(
      binding: binding, version: version, source: .sha256([source]), ciphertext: ciphertext,
      commitment: KeyProof.commitment(binding, ciphertext: ciphertext, plaintext: plaintext),
      madeBy: "minio-1", madeAt: madeAt)
  }

  static func source(_ seed: UInt8) -> KeySource {
    KeySource(settings(server: "https://kms-\(seed).example.net:7373"))
  }

  static func settings(
    server: String, apiKey: String = "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw"
  ) -> KeyManagerSettings {
    let variables = [
      "MINIO_KMS_SERVER": server, "MINIO_KMS_ENCLAVE": "prod", "MINIO_KMS_SSE_KEY": "key-1",
      "MINIO_KMS_API_KEY": apiKey,
    ]
    guard
      let settings = try? KeyManagerSettings.parse(
        variables.sorted { $0.key < $1.key }.map { .init(name: $0.key, value: $0.value) })
    else { preconditionFailure("the settings of a test are right") }
    return settings
  }

  // MARK: one proof

  @Test("the data key that was committed to opens it, and no other")
  func opened() {
    let proof = Self.proof()
    #expect(proof.isOpened(by: Self.plaintext))
    for length in [0, 31, 33] {
      #expect(!proof.isOpened(by: [UInt8](repeating: 7, count: length)), "\(length) bytes")
    }
    for bit in 0..<256 {
      var other = Self.plaintext
      other[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(!proof.isOpened(by: other), "bit \(bit)")
    }
  }

  @Test("the commitment is SHA-256 over length-prefixed fields, and binds seal and ciphertext")
  func commitment() {
    let fields = [
      Array("keyturn proof commitment v1".utf8), Array(Self.binding.seal.hex.utf8), [1, 2, 3],
      Self.plaintext,
    ]
    #expect(Self.proof().commitment == Digest.ofFields(fields))
    #expect(Self.proof(ciphertext: [1, 2]).commitment != Self.proof().commitment)
    let other = KeyProof.Binding(cluster: "prod", seal: .sha256([2]))
    #expect(Self.proof(binding: other).commitment != Self.proof().commitment)
  }

  @Test("the associated data names the cluster and the seal")
  func associatedData() {
    #expect(
      String(decoding: Self.binding.associatedData, as: UTF8.self)
        == "keyturn proof v1 cluster=prod seal=\(Self.binding.seal.hex)")
  }

  @Test("the question names key, version, ciphertext and associated data")
  func question() {
    let question = Self.proof(version: 3).question(keyName: "key-1")
    #expect(
      question
        == DecryptRequest(
          name: "key-1", version: 3, ciphertext: [1, 2, 3],
          associatedData: Self.binding.associatedData))
    #expect((try? DecryptRequest(decoding: question.encoded())) == question)
  }

  @Test("another identity or another endpoint is another way to the key, another order is not")
  func sources() {
    let pair = "https://kms-1.example.net:7373,https://kms-2.example.net:7373"
    let turned = "https://kms-2.example.net:7373,https://kms-1.example.net:7373"
    let other = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    let source = KeySource(Self.settings(server: pair))
    #expect(KeySource(Self.settings(server: turned)) == source)
    #expect(KeySource(Self.settings(server: pair, apiKey: other)) != source)
    #expect(Self.source(1) != source)
  }

  // MARK: those that are kept

  @Test("kept are the first and the newest of each version and way, four at most, in any order")
  func retention() {
    let made = [
      Self.proof(version: 1, source: 1, madeAt: 1), Self.proof(version: 1, source: 2, madeAt: 2),
      Self.proof(version: 1, source: 1, madeAt: 3), Self.proof(version: 1, source: 2, madeAt: 4),
      Self.proof(version: 2, source: 2, madeAt: 5), Self.proof(version: 2, source: 3, madeAt: 6),
    ]
    let kept = [made[0], made[3], made[4], made[5]]
    #expect(KeyProofs(made).all == kept)
    #expect(KeyProofs(made.reversed()).all == kept)
    #expect(KeyProofs(made + made).all == kept)
  }

  @Test("proofs of another seal are not added, and not taken for those of this one")
  func otherSeal() {
    let other = KeyProof.Binding(cluster: "prod", seal: .sha256([2]))
    let foreign = Self.proof(madeAt: 2, binding: other)
    var proofs = KeyProofs([Self.proof()])
    proofs.add(foreign)
    #expect(proofs.all == [Self.proof()])
    #expect(KeyProofs([foreign]).of(Self.binding).all.isEmpty)
  }

  @Test("a version or a way that no proof is of is not covered; a version that is not told is")
  func covering() {
    var proof = Self.proof(version: 2)
    proof.source = Self.source(1).digest
    let proofs = KeyProofs([proof])
    #expect(proofs.covers(version: 2, source: Self.source(1)))
    #expect(proofs.covers(version: nil, source: Self.source(1)))
    #expect(!proofs.covers(version: 3, source: Self.source(1)))
    #expect(!proofs.covers(version: 2, source: Self.source(2)))
    #expect(!KeyProofs().covers(version: nil, source: Self.source(1)))
  }

  // MARK: from other nodes

  @Test("proofs are read back as they were written")
  func coding() throws {
    let proofs = KeyProofs([Self.proof(), Self.proof(version: 2, madeAt: 2)])
    let bytes = try JSONEncoder().encode(proofs)
    #expect(try JSONDecoder().decode(KeyProofs.self, from: bytes) == proofs)
  }

  @Test(
    "what no proof of ours has is refused",
    arguments: [
      ("\"AQID\"", "\"\""), ("\"AQID\"", "\"\(String(repeating: "A", count: 2732))\""),
      ("\"AQID\"", "\"AQI=\""), ("minio-1", "../x"), ("\"madeAt\":1", "\"madeAt\":-1"),
      ("\"version\":1", "\"version\":4294967296"), ("\"version\":1", "\"version\":-1"),
    ])
  func hostile(_ from: String, _ to: String) throws {
    let text = String(decoding: try JSONEncoder().encode(KeyProofs([Self.proof()])), as: UTF8.self)
    try #require(text.contains(from), "\(text)")
    let changed = text.replacing(from, with: to)
    #expect(throws: (any Error).self) {
      try JSONDecoder().decode(KeyProofs.self, from: Data(changed.utf8))
    }
  }

  @Test("a ciphertext of the greatest length is taken, one byte more is not")
  func longest() throws {
    for (count, isTaken) in [
      (Limits.proofCiphertextBytes, true), (Limits.proofCiphertextBytes + 1, false),
    ] {
      let proof = Self.proof(ciphertext: [UInt8](repeating: 9, count: count))
      let bytes = try JSONEncoder().encode(proof)
      #expect(((try? JSONDecoder().decode(KeyProof.self, from: bytes)) == proof) == isTaken)
    }
  }

  @Test("more proofs than may be kept, one twice, or those of two seals are refused")
  func tooMany() throws {
    let one = Self.proof()
    let five = (1...5).map { Self.proof(version: UInt32($0), madeAt: Int64($0)) }
    let other = KeyProof.Binding(cluster: "prod", seal: .sha256([2]))
    for list in [five, [one, one], [one, Self.proof(madeAt: 2, binding: other)]] {
      let bytes = try JSONEncoder().encode(list)
      #expect(throws: (any Error).self) {
        try JSONDecoder().decode(KeyProofs.self, from: bytes)
      }
    }
    let four = try JSONEncoder().encode(Array(five.prefix(4)))
    #expect(try JSONDecoder().decode(KeyProofs.self, from: four).all.count == 4)
  }

  // MARK: who makes one

  @Test("the first member that serves makes it, once more than half tell their proofs")
  func making() {
    typealias Word = KeyProofMaking.Word
    let members = ["a", "b", "c", "d", "e"]
    func verdict(
      _ node: String, serving: Bool = true, _ heard: [Word], missing minutes: Int = 0
    ) -> KeyProofMaking.Verdict {
      KeyProofMaking.verdict(
        node: node, isServing: serving, members: members, heard: heard,
        missingMilliseconds: minutes * 60_000)
    }
    func words(_ names: String, serving: Bool = true) -> [Word] {
      names.map { Word(node: String($0), isServing: serving) }
    }
    #expect(verdict("a", words("bc")) == .make)
    #expect(verdict("a", words("b")) == .wait("only 2 of 5 nodes tell their proofs, 3 must"))
    #expect(verdict("b", words("ac")) == .wait("a makes it"))
    #expect(verdict("b", words("a", serving: false) + words("c")) == .make)
    #expect(verdict("b", words("cd")) == .make)
    // Whose task it is does not do it: the next one does after ten minutes, then the one after.
    #expect(verdict("b", words("ac"), missing: 9) == .wait("a makes it"))
    #expect(verdict("b", words("ac"), missing: 10) == .make)
    #expect(verdict("c", words("ab"), missing: 10) == .wait("a makes it"))
    #expect(verdict("c", words("ab"), missing: 20) == .make)
    #expect(verdict("c", words("ab"), missing: 1_000_000) == .make)
    #expect(
      verdict("b", words("a"), missing: 10)
        == .wait("only 2 of 5 nodes tell their proofs, 3 must"))
    #expect(
      verdict("a", serving: false, words("bcde"))
        == .wait("the server of a does not run with the sealed key"))
    #expect(
      KeyProofMaking.verdict(
        node: "a", isServing: true, members: ["a"], heard: [], missingMilliseconds: 0) == .make)
  }
}
