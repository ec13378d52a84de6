// SPDX-License-Identifier: Apache-2.0
import Model
@testable import Rollout
import Testing

@Suite("Key guard")
struct KeyGuardTests {
  static let seal = Seal(
    cluster: "prod", keyName: "key-1", enclave: "store", rollout: "00000000000000aa",
    sealedAtMicroseconds: 1)

  @Test("an unsealed node allows everything", arguments: [[], ["a"], ["a", "b"], [""]])
  func unsealed(keys: [String]) {
    #expect(KeyGuard.refusal(holder: nil, keys: keys, enclaves: []) == nil)
  }

  @Test("a first key that is defined twice would be sealed so, and is refused")
  func ambiguous() {
    for (keys, enclaves) in [
      (["a", "b"], ["store"]), (["a", "a"], ["store"]), (["", "a"], ["store"]),
      (["a"], ["store", "store"]),
    ] {
      #expect(KeyGuard.ambiguity(keys: keys, enclaves: enclaves)?.code == .validation)
    }
    let allowed: [([String], [String])] = [
      ([], ["store", "b"]), (["", ""], []), (["a"], []), (["a"], ["store"]),
    ]
    for (keys, enclaves) in allowed {
      #expect(KeyGuard.ambiguity(keys: keys, enclaves: enclaves) == nil)
    }
  }

  @Test("the sealed key, once, in its enclave, is allowed")
  func same() {
    #expect(
      KeyGuard.refusal(holder: .seal(Self.seal), keys: ["key-1"], enclaves: ["store"]) == nil)
    #expect(
      KeyGuard.refusal(
        holder: .running(keyName: "key-1", enclave: "store"), keys: ["key-1"], enclaves: ["store"])
        == nil)
  }

  @Test("a key that was adopted without an enclave is allowed without one, and with no other")
  func noEnclave() {
    let holder = KeyGuard.Holder.running(keyName: "key-1", enclave: "")
    #expect(KeyGuard.refusal(holder: holder, keys: ["key-1"], enclaves: []) == nil)
    #expect(KeyGuard.refusal(holder: holder, keys: ["key-1"], enclaves: [""]) == nil)
    #expect(KeyGuard.refusal(holder: holder, keys: ["key-1"], enclaves: ["store"]) != nil)
  }

  @Test(
    "what was written in the key's place is not repeated where it may hold a secret",
    arguments: [
      "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw", "key-1\nMINIO_ROOT_PASSWORD=Q7a12HH",
    ])
  func secret(value: String) {
    for (key, enclave) in [(value, "store"), ("key-1", value)] {
      let refusal = KeyGuard.refusal(holder: .seal(Self.seal), keys: [key], enclaves: [enclave])
      #expect(refusal?.message.contains("something") == true)
      #expect(refusal?.message.contains("Q7a12HH") == false)
    }
  }

  @Test(
    "of a key that is not there the reason is said, and what to do about it",
    arguments: [
      (.removed, "would be removed"), (.generation(3), "generation 3 has no MINIO_KMS_SSE_KEY"),
      (.generation(nil), "the previous file has no MINIO_KMS_SSE_KEY"),
      (.unset(unit: "minio.service"), "UnsetEnvironment= of minio.service takes"),
      (.isNew(node: "minio-5", file: "/f"), "is missing on the new node minio-5: /f there"),
      (.isGone(node: "minio-2", file: "/f", generation: 7), "keyturn rollback 7 puts back"),
      (.isGone(node: "minio-2", file: "/f", generation: nil), "from the file of another node"),
    ] as [(KeyGuard.Absence, String)])
  func absent(absence: KeyGuard.Absence, words: String) throws {
    let refusal = try #require(
      KeyGuard.refusal(holder: .seal(Self.seal), keys: [], enclaves: [], absence: absence))
    #expect(refusal.code == .guarded)
    #expect(refusal.message.contains(words), "\(refusal.message)")
    #expect(refusal.message.contains("key-1"))
    #expect(refusal.message.contains("would be removed") == (absence == .removed))
  }

  @Test(
    "changed, removed, emptied, given twice, or in another enclave is refused",
    arguments: [
      (["key-2"], ["store"]), ([], ["store"]), ([""], ["store"]), (["key-1", "key-1"], ["store"]),
      (["key-1", "key-2"], ["store"]), (["KEY-1"], ["store"]), (["key-1 "], ["store"]),
      (["key-1"], ["other"]), (["key-1"], []), (["key-1"], ["store", "store"]),
    ] as [([String], [String])])
  func refused(keys: [String], enclaves: [String]) {
    for holder in [KeyGuard.Holder.seal(Self.seal), .running(keyName: "key-1", enclave: "store")] {
      let refusal = KeyGuard.refusal(holder: holder, keys: keys, enclaves: enclaves)
      #expect(refusal?.code == .guarded)
      #expect(refusal?.message.contains("key-1") == true)
    }
  }
}

@Suite("Key guard: bytes")
struct KeyGuardByteTests {
  @Test("a name that only looks the same (another normal form) is another key")
  func normalForms() {
    let refusal = KeyGuard.refusal(
      holder: .running(keyName: "caf\u{E9}", enclave: "store"), keys: ["cafe\u{301}"],
      enclaves: ["store"])
    #expect(refusal?.code == .guarded)
  }
}
