// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Model
internal import S3

/// What an attempt to prove a bucket's encryption with an object came to.
struct ProofOutcome: Sendable, Hashable {
  /// Why it is not proven; nil if it is.
  var problem: Refusal?
  /// How the server says that the last object is encrypted; nil where it was not asked.
  var seen: BucketEncryption?
  /// Objects of it that were to be kept, and are.
  var kept: [LeftObject] = []
  /// Objects of it that are still there, or may be, and should not.
  var left: [LeftObject] = []
  /// Why they could not be removed; nil where only their writes were not answered.
  var leftReason: String?

  var isProven: Bool { problem == nil }
}

/// Proves a bucket's default encryption: objects are written without a word about encryption, and the
/// server must say that they are encrypted, and with which key, and give back what was written.
/// They have names that nobody else uses, and are removed, all versions of them.
struct EncryptionProof {
  let client: S3Client
  let bucket: String
  /// Nil: any but none.
  let expected: BucketEncryption?
  let storage: BucketStorage
  /// Leaves the objects where they are.
  var keeps = false
  /// What a signal reads.
  var unfinished = UnfinishedWork()

  /// Of objects of a proof, before what chance adds.
  static let prefix = "keyturn-proof-"
  /// A server stores small objects within their metadata, and an empty one has nothing to encrypt:
  /// both ways are tried.
  private static let sizes = [1 << 20, 0]

  /// Blocks until it is done.
  func run() -> ProofOutcome {
    var outcome = ProofOutcome()
    // Where one cannot be removed, no other is written.
    for size in Self.sizes where outcome.isProven && outcome.left.isEmpty {
      var object = LeftObject(
        bucket: bucket, object: Self.prefix + Self.randomName(), state: .possible)
      unfinished.writes(object)
      // Of the write.
      var fate = S3Fate.nothing
      do throws(S3Failure) {
        try prove(&object, size, &fate, &outcome.seen)
      } catch {
        outcome.problem = error.refusal
      }
      if keeps, outcome.isProven {
        outcome.kept.append(object)
      } else if object.state == .there || fate != .nothing {
        remove(object, fate, &outcome)
      }
      let rest = outcome.kept + outcome.left
      unfinished.ends(object, isLeft: rest.contains { $0.object == object.object })
    }
    return outcome
  }

  /// - Parameter fate: what sendings of the write that were not answered well may have done.
  private func prove(
    _ proof: inout LeftObject, _ size: Int, _ fate: inout S3Fate,
    _ encryption: inout BucketEncryption?
  ) throws(S3Failure) {
    let object = proof.object
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<size / 8).flatMap { _ in
      withUnsafeBytes(of: generator.next() as UInt64) { Array($0) }
    }
    let write = S3Request.write(object, in: bucket, bytes)
    let written: HTTPResponse
    do throws(S3Failure) { written = try client.ask(write) } catch {
      fate = error.fate
      throw error
    }
    fate = client.doubt
    proof.state = .there
    proof.version = written.headers["x-amz-version-id"].flatMap { $0 == "null" ? nil : $0 }
    let look = S3Request.look(at: object, in: bucket)
    let seen = try client.ask(look)
    encryption = BucketEncryption(of: seen.headers)
    try compare(BucketEncryption(of: seen.headers), look)
    let read = S3Request.read(object, in: bucket)
    let answer = try client.ask(read)
    try compare(BucketEncryption(of: answer.headers), read)
    guard answer.body == bytes else {
      throw S3Failure.unproven("with other bytes than were written", read)
    }
  }

  private func compare(
    _ seen: BucketEncryption, _ request: S3Request
  ) throws(S3Failure) {
    guard let expected else {
      if seen != .none { return }
      throw .unproven("that it is not encrypted", request)
    }
    if seen == expected { return }
    // The server's own key has a name where an object is written with it.
    if expected == .sseKMS(key: ""), case .sseKMS = seen { return }
    let how = seen == .none ? "not encrypted" : "encrypted with \(seen.text)"
    throw S3Failure.unproven("that it is \(how), and not encrypted with \(expected.text)", request)
  }

  // MARK: traces

  /// Removes every version of an object that may be there, and notes what may be left.
  private func remove(_ proof: LeftObject, _ fate: S3Fate, _ outcome: inout ProofOutcome) {
    // What is not removed yet.
    var rest = [proof]
    do throws(S3Failure) {
      if storage.versioning != .off { rest = try versions(of: proof, fate, &outcome) }
      while let next = rest.first {
        do throws(S3Failure) { try delete(next.object, next.version) } catch {
          if error.mayHaveHappened { rest[0].state = .possible }
          throw error
        }
        rest.removeFirst()
      }
    } catch {
      outcome.left += rest
      outcome.leftReason = error.refusal.message
    }
    // That it is not there is no proof that it does not come: the write may be on its way still.
    if fate == .mayHappenYet, !outcome.left.contains(where: { $0.version == nil }) {
      outcome.left.append(LeftObject(bucket: bucket, object: proof.object, state: .later))
    }
  }

  /// The versions that the server lists; the one that is known already where it may not be asked.
  private func versions(
    of proof: LeftObject, _ fate: S3Fate, _ outcome: inout ProofOutcome
  ) throws(S3Failure) -> [LeftObject] {
    let request = S3Request.versions(of: proof.object, in: bucket)
    do throws(S3Failure) {
      let response = try client.ask(request, evenIfInterrupted: true)
      let listed = try S3Client.read(request, response) { (bytes) throws(S3Problem) in
        try S3Documents.versions(of: proof.object, bytes)
      }
      return listed.map { version in
        LeftObject(bucket: bucket, object: proof.object, version: version, state: .there)
      }
    } catch {
      guard error.status == 403, proof.version != nil else { throw error }
      if fate != .nothing {
        // A sending before the answered one may have written another version.
        outcome.left.append(LeftObject(bucket: bucket, object: proof.object, state: .possible))
        outcome.leftReason = error.refusal.message
      }
      return [proof]
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
