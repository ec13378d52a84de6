// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

// The reverse path: from a Key Manager host to a node. A witness on that host connects to the node when
// the node asks it to, and says what it met; the node compares that with what it knows of itself.
// What is concluded is in ReverseJudgement.swift.

/// What can be told of a MinIO server without any right there: enough to recognise it by.
package struct ServerFace: Sendable, Codable, Hashable {
  /// SHA-256 of the public key (DER SubjectPublicKeyInfo) of its certificate; nil without TLS.
  package var publicKey: Digest?
  /// Until when its certificate is valid, seconds since 1970-01-01 UTC; nil without TLS.
  @BoundedIfPresent<Bounds.WallSeconds> package var validUntil: Int64?
  /// SHA-256 of its `x-amz-id-2`, which MinIO makes from the node's name among its endpoints; nil if
  /// it sends none.
  package var host: Digest?
  /// The status of its answer to `GET /minio/health/live`.
  @Bounded<Bounds.Count> package var status: Int

  package init(publicKey: Digest?, validUntil: Int64?, host: Digest?, status: Int) {
    self.publicKey = publicKey
    self.validUntil = validUntil
    self.host = host
    self.status = status
  }
}

/// What a witness met at one address of a node.
package struct ReverseAttempt: Sendable, Codable, Hashable {
  /// Which of the node's ports.
  package var port: ReversePort
  /// The address in figures and the port; the host's name where it has no address.
  package var address: String
  package var outcome: Word<ReverseOutcome>
  @Bounded<Bounds.Milliseconds> package var milliseconds: Int
  /// What happened, for people; no secret in it.
  package var detail: String
  /// What the server looks like, if one was reached.
  package var face: ServerFace?

  package init(
    _ port: ReversePort, _ address: String, _ outcome: ReverseOutcome, milliseconds: Int = 0,
    detail: String = "", face: ServerFace? = nil
  ) {
    self.port = port
    self.address = address
    self.outcome = .known(outcome)
    self.milliseconds = milliseconds
    self.detail = detail
    self.face = face
  }
}

/// A witness's answer: every address of the node that asked, as its own inventory has it.
package struct ReverseReport: Sendable, Codable, Hashable {
  package var witness: String
  package var node: String
  /// Every address of both ports.
  package var attempts: [ReverseAttempt]
  /// The number of the agreed inventory that the witness goes by; nil while that is its file's.
  @BoundedIfPresent<Bounds.Count> package var inventoryNumber: Int?

  package init(
    witness: String, node: String, attempts: [ReverseAttempt], inventoryNumber: Int? = nil
  ) {
    _inventoryNumber = BoundedIfPresent(wrappedValue: inventoryNumber)
    self.witness = witness
    self.node = node
    self.attempts = attempts
  }
}

/// What came of the question to the witness of one Key Manager.
package enum WitnessAnswer: Sendable, Hashable {
  /// The inventory names no witness on that host.
  case noWitness
  /// The settings name an endpoint that is none of the inventory's Key Managers.
  case notInInventory
  /// The witness gave no answer; with why.
  case silent(String)
  case answered(ReverseReport)
}

/// One Key Manager, and what came of the question to its witness.
package struct ReverseLook: Sendable, Hashable {
  /// Its name in the inventory; an endpoint that is not in it as the settings have it.
  package var keyManager: String
  package var answer: WitnessAnswer
  /// How the node's own TCP connections to this Key Manager went; nil if it was not probed.
  package var forward: ProbeVerdict?

  package init(keyManager: String, answer: WitnessAnswer, forward: ProbeVerdict? = nil) {
    self.keyManager = keyManager
    self.answer = answer
    self.forward = forward
  }
}

/// The node's own MinIO server as the node itself reaches it.
package enum OwnServer: Sendable, Hashable {
  /// It answers, on the port that its arguments name.
  case answers(ServerFace, port: UInt16)
  /// Nothing answers; with what happened. Then nobody else can be expected to reach it.
  case silent(String)
}
