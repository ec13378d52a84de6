// SPDX-License-Identifier: Apache-2.0
internal import HTTP
internal import Model
internal import S3

/// What is known of a bucket before anything is done.
struct BucketLook: Sendable, Hashable {
  var exists: Bool
  var encryption = BucketEncryption.none
  /// Nil where it was not asked for.
  var storage: BucketStorage?
}

/// What decides whether an object of a proof can be removed without a trace.
struct BucketStorage: Sendable, Hashable {
  var versioning: BucketVersioning
  var retention: ObjectRetention?

  /// A bucket that was made just now.
  static let new = BucketStorage(versioning: .off, retention: nil)
}

/// What is known of a key before anything is done.
enum KeyLook: Sendable, Hashable {
  /// The server has encrypted and decrypted with it.
  case usable
  case missing
  /// The server has tried it, and could not; its words.
  case failing(String)
  /// The Key Manager denies it to the server's API key; the server's words.
  case denied(String)
  /// Nobody may or can tell; why.
  case untold(String)
  /// The server has no KMS API as MinIO has it: it tells nothing of keys, and creates none.
  case unserved

  /// Why nobody can tell; nil if it is told.
  var untoldReason: String? {
    switch self {
    case .untold(let reason): reason
    case .unserved: "the server has no KMS API as MinIO has it"
    case .usable, .missing, .failing, .denied: nil
    }
  }

  /// Why the server cannot use a key that is there, and what to do; nil if it can, or if that is not
  /// known.
  var failure: String? {
    switch self {
    case .failing(let words):
      "\(words); keyturn check shows which Key Manager does not answer as it must"
    case .denied(let words):
      "\(words): the Key Manager denies it to the server's API key; let the policy of its identity allow what the server needs (minkms policy)"
    case .usable, .missing, .untold, .unserved: nil
    }
  }

  var text: String {
    switch self {
    case .usable: "usable"
    case .missing: "missing"
    case .failing, .denied: "failing: \(failure ?? "")"
    case .untold, .unserved: "not known: \(untoldReason ?? "")"
    }
  }

  /// For programs.
  var word: String {
    switch self {
    case .usable: "usable"
    case .missing: "missing"
    case .failing, .denied: "failing"
    case .untold, .unserved: "unknown"
    }
  }
}

extension S3Client {
  /// Looks at a bucket; changes nothing.
  ///
  /// - Parameter withStorage: whether an object is to be written into it and removed again.
  func look(at bucket: String, withStorage: Bool) throws(S3Failure) -> BucketLook {
    guard try askIfPresent(.look(at: bucket), absent: ["NoSuchBucket"]) != nil else {
      return BucketLook(exists: false)
    }
    return BucketLook(
      exists: true, encryption: try encryption(of: bucket),
      storage: withStorage ? try storage(of: bucket) : nil)
  }

  func encryption(of bucket: String) throws(S3Failure) -> BucketEncryption {
    let request = S3Request.encryption(of: bucket)
    let response = try askIfPresent(
      request, absent: ["ServerSideEncryptionConfigurationNotFoundError"])
    guard let response else { return .none }
    return try Self.read(request, response) { (bytes) throws(S3Problem) in
      try BucketEncryption(document: bytes)
    }
  }

  func storage(of bucket: String) throws(S3Failure) -> BucketStorage {
    let versioning = S3Request.versioning(of: bucket)
    let lock = S3Request.objectLock(of: bucket)
    let state = try Self.read(versioning, try ask(versioning), S3Documents.versioning)
    // A server without object lock has none in force.
    let answer = try askIfPresent(
      lock, absent: ["ObjectLockConfigurationNotFoundError", "NotImplemented"])
    let retention: ObjectRetention? =
      if let answer { try Self.read(lock, answer, S3Documents.retention) } else { nil }
    return BucketStorage(versioning: state, retention: retention)
  }

  /// What the server makes of a key, by MinIO's own API; an empty name is the server's own key.
  ///
  /// - Throws: what keeps it from everything else too: it cannot be reached, does not know who asks,
  ///   or has no Key Manager.
  func look(atKey name: String) throws(S3Failure) -> KeyLook {
    let request = S3Request.status(ofKey: name)
    let response: HTTPResponse
    do throws(S3Failure) { response = try ask(request) } catch {
      guard let answer = error.answer else { throw error }
      if answer.status == 403, Self.isDenied(answer) {
        return .untold("the policy of the access key does not allow \(request.action)")
      }
      if [404, 405].contains(answer.status) {
        return answer.code?.hasPrefix("kms:") == true ? .missing : .unserved
      }
      throw error
    }
    let status = try Self.read(request, response, KMSAnswers.status)
    guard let problem = status.problem else { return .usable }
    if status.isMissing { return .missing }
    return status.isDenied ? .denied(problem) : .failing(problem)
  }

  private static func isDenied(_ error: S3Error) -> Bool {
    ["AccessDenied", "XMinioAdminAccessDenied"].contains(error.code)
  }

  /// Creates a key, and sees that the server has it: something before the server may answer anything
  /// with 200.
  func createKey(_ name: String) throws(S3Failure) -> KeyCreation {
    let request = S3Request.createKey(name)
    do throws(S3Failure) { _ = try ask(request) } catch {
      guard error.answer?.saysKeyExists == true else { throw error }
      return KeyCreation(isNew: error.mayHaveHappened ? nil : false)
    }
    for _ in 0..<Self.keyLooks {
      let state: KeyLook
      do throws(S3Failure) { state = try look(atKey: name) } catch {
        throw .unconfirmed(
          "create the key \(name): the server answers that it is created; its state could not be read: \(error.refusal.message)",
          request)
      }
      switch state {
      case .missing: pause(500)
      case .unserved:
        throw .unproven("200, and has no KMS API as MinIO has it", request)
      case .usable, .failing, .denied, .untold: return KeyCreation(isNew: true, state: state)
      }
    }
    throw .unproven("200, and has no such key afterwards", request)
  }

  /// How often a new key is looked for: a replica of the Key Manager may learn of it a moment later.
  private static let keyLooks = 3
}

/// What came of a key that was to be created.
struct KeyCreation {
  /// False if there was one already; nil if there is one, and an earlier sending may have created it.
  var isNew: Bool?
  /// Nil where there was one.
  var state: KeyLook?

  func text(_ key: String) -> String {
    let what =
      switch isNew {
      case true?: "created"
      case false?: "exists already"
      case nil:
        "is there; whether this command has created it is not known, since an earlier sending was not answered"
      }
    let failure = state?.failure.map { "; the server cannot use it: \($0)" } ?? ""
    return "key \(key): \(what)\(failure)"
  }
}
