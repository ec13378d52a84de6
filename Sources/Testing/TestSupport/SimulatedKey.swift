// SPDX-License-Identifier: Apache-2.0
package import KeyManager
internal import Model

/// The SSE key of a Key Manager that is not there: which bytes it has, as a number. Two of one name with other bytes are
/// two keys.
package struct SimulatedKey: Sendable, Hashable {
  /// Which key it is.
  package var bytes: UInt8
  package var version: UInt32

  package init(bytes: UInt8 = 1, version: UInt32 = 1) {
    self.bytes = bytes
    self.version = version
  }

  /// What it makes of a data key: nobody but the same key opens it.
  package func proof(
    _ source: KeySource, _ binding: KeyProof.Binding, by node: String, at microseconds: Int64
  ) -> KeyProof {
    let (ciphertext, plaintext) = (ciphertext(version), [UInt8](repeating: bytes, count: 32))
    return KeyProof(
      binding: binding, version: version, source: source.digest, ciphertext: ciphertext,
      commitment: KeyProof.commitment(binding, ciphertext: ciphertext, plaintext: plaintext),
      madeBy: node, madeAt: microseconds)
  }

  /// Which of these it opens, and which another key has encrypted.
  package func openings(of proofs: [KeyProof]) -> ProofOpenings {
    let isRight = { (proof: KeyProof) in
      proof.version <= version && proof.ciphertext == ciphertext(proof.version)
    }
    return ProofOpenings(
      opened: proofs.filter(isRight).map(\.digest),
      other: proofs.filter { !isRight($0) }.map(\.digest))
  }

  /// What a probe sees that opens these.
  package func opening(of proofs: [KeyProof]) -> StageResult {
    if proofs.isEmpty {
      return StageResult(.proof, .notChecked, detail: "this node has no key proof yet")
    }
    if proofs.contains(where: { $0.version > version }) {
      return StageResult(.proof, .failed, reason: .versionMissing, detail: "key does not exist")
    }
    let isRight = proofs.allSatisfy { $0.ciphertext == ciphertext($0.version) }
    return isRight
      ? StageResult(.proof, .fine, milliseconds: 1, detail: "opens")
      : StageResult(.proof, .failed, reason: .otherKey, detail: "invalid ciphertext")
  }

  private func ciphertext(_ version: UInt32) -> [UInt8] { [bytes, UInt8(clamping: version)] }
}
