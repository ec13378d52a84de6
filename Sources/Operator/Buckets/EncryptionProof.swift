// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Model
internal import S3

/// What an attempt to prove a bucket's encryption with an object came to.
struct ProofOutcome: Sendable, Hashable {
  /// Why it is not proven; nil if it is.
  var problem: Refusal?
  /// Objects of it that are still there, with their versions: because they were to be kept, or could
  /// not be removed.
  var left: [LeftObject] = []
  /// Why they could not be removed.
  var leftReason: String?

  var isProven: Bool { problem == nil }
}

/// An object of a proof that is still in its bucket.
struct LeftObject: Sendable, Hashable, Encodable {
  var bucket: String
  var object: String
  var version: String?
  /// Whether the server has said that it is there; else its write was not answered.
  var isCertain = true

  var text: String { "\(bucket)/\(object)" + (version.map { " (version \($0))" } ?? "") }
}

extension [LeftObject] {
  /// That they are still there, or may be, and why they could not be removed.
  func statement(because reason: String?) -> String {
    let names = map(\.text).joined(separator: ", ")
    let isCertain = allSatisfy(\.isCertain)
    let why = reason.map { "; \($0)" } ?? ""
    return
      "\(isCertain ? "still there" : "may still be there"): \(names)\(why); nobody else removes them"
  }
}

/// Proves a bucket's default encryption: objects are written without a word about encryption, and the
/// server must say that they are encrypted, and with which key, and give back what was written.
/// They have names that nobody else uses, and are removed, all versions of them.
struct EncryptionProof {
  let client: S3Client
  let bucket: String
  let expected: BucketEncryption
  let storage: BucketStorage
  /// Leaves the objects where they are.
  var keeps = false

  /// Of objects of a proof, before what chance adds.
  static let prefix = "keyturn-proof-"
  /// A server stores small objects within their metadata, and an empty one has nothing to encrypt:
  /// both ways are tried.
  private static let sizes = [1 << 20, 0]

  /// Blocks until it is done.
  func run() -> ProofOutcome {
    var outcome = ProofOutcome()
    // Where one cannot be removed, no other is written.
    for size in Self.sizes where outcome.isProven && outcome.leftReason == nil {
      var object = LeftObject(
        bucket: bucket, object: Self.prefix + Self.randomName(), isCertain: false)
      var mayExist = true
      do throws(S3Failure) {
        try prove(&object, size)
      } catch {
        outcome.problem = error.refusal
        mayExist = object.isCertain || error.mayHaveHappened
      }
      if keeps, outcome.isProven {
        outcome.left.append(object)
      } else if mayExist {
        remove(object, &outcome)
      }
    }
    return outcome
  }

  private func prove(_ proof: inout LeftObject, _ size: Int) throws(S3Failure) {
    let object = proof.object
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<size / 8).flatMap { _ in
      withUnsafeBytes(of: generator.next() as UInt64) { Array($0) }
    }
    let write = S3Request.write(object, in: bucket, bytes)
    let written = try client.ask(write)
    proof.isCertain = true
    proof.version = written.headers["x-amz-version-id"].flatMap { $0 == "null" ? nil : $0 }
    let look = S3Request.look(at: object, in: bucket)
    let seen = try client.ask(look)
    try compare(BucketEncryption(of: seen.headers), look)
    let read = S3Request.read(object, in: bucket)
    let answer = try client.ask(read)
    try compare(BucketEncryption(of: answer.headers), read)
    guard answer.body == bytes else {
      throw .unproven("with other bytes than were written", read)
    }
  }

  private func compare(
    _ seen: BucketEncryption, _ request: S3Request
  ) throws(S3Failure) {
    if seen == expected { return }
    // The server's own key has a name where an object is written with it.
    if expected == .sseKMS(key: ""), case .sseKMS = seen { return }
    let how = seen == .none ? "not encrypted" : "encrypted with \(seen.text)"
    throw .unproven("that it is \(how), and not encrypted with \(expected.text)", request)
  }

  // MARK: traces

  /// Removes every version of an object that may be there.
  private func remove(_ proof: LeftObject, _ outcome: inout ProofOutcome) {
    do throws(S3Failure) {
      var versions = proof.version.map { [$0] } ?? []
      if storage.versioning != .off {
        versions = try listed(proof.object, or: versions)
      } else {
        try delete(proof.object, nil)
      }
      for (index, version) in versions.enumerated() {
        do throws(S3Failure) { try delete(proof.object, version) } catch {
          outcome.left += versions[index...].map {
            LeftObject(bucket: bucket, object: proof.object, version: $0)
          }
          throw error
        }
      }
    } catch {
      if !outcome.left.contains(where: { $0.object == proof.object }) { outcome.left.append(proof) }
      outcome.leftReason = error.refusal.message
    }
  }

  /// The versions that the server lists; those known already where it may not be asked.
  private func listed(_ object: String, or known: [String]) throws(S3Failure) -> [String] {
    let request = S3Request.versions(of: object, in: bucket)
    do throws(S3Failure) {
      let response = try client.ask(request, evenIfInterrupted: true)
      return try S3Client.read(request, response) { (bytes) throws(S3Problem) in
        try S3Documents.versions(of: object, bytes)
      }
    } catch {
      if error.status == 403, !known.isEmpty { return known }
      throw error
    }
  }

  private func delete(_ object: String, _ version: String?) throws(S3Failure) {
    _ = try client.ask(
      .delete(object, in: bucket, version: version), evenIfInterrupted: true)
  }

  /// 128 bits of chance.
  private static func randomName() -> String {
    (0..<2).map { _ in
      let text = String(UInt64.random(in: .min ... .max), radix: 16)
      return String(repeating: "0", count: 16 - text.count) + text
    }.joined()
  }
}
