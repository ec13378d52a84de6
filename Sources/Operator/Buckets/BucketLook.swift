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
  /// Nobody may or can tell; why.
  case untold(String)
  /// The server has no KMS API as MinIO has it: it tells nothing of keys, and creates none.
  case unserved

  /// Why nobody can tell; nil if it is told.
  var untoldReason: String? {
    switch self {
    case .untold(let reason): reason
    case .unserved: "the server has no KMS API as MinIO has it"
    case .usable, .missing, .failing: nil
    }
  }

  var text: String {
    switch self {
    case .usable: "usable"
    case .missing: "missing"
    case .failing(let words): "failing: \(words)"
    case .untold, .unserved: "not known: \(untoldReason ?? "")"
    }
  }

  /// For programs.
  var word: String {
    switch self {
    case .usable: "usable"
    case .missing: "missing"
    case .failing: "failing"
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

  private func storage(of bucket: String) throws(S3Failure) -> BucketStorage {
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
      switch error {
      case .refused(let answer, _) where answer.status == 403 && Self.isDenied(answer):
        return .untold("the policy of the access key does not allow \(request.action)")
      case .refused(let answer, _) where [404, 405].contains(answer.status):
        return answer.code?.hasPrefix("kms:") == true
          ? .missing : .unserved
      default: throw error
      }
    }
    let status = try Self.read(request, response, KMSAnswers.status)
    guard let problem = status.problem else { return .usable }
    return status.isMissing ? .missing : .failing(problem)
  }

  private static func isDenied(_ error: S3Error) -> Bool {
    ["AccessDenied", "XMinioAdminAccessDenied"].contains(error.code)
  }

  /// Creates a key; false if there is one of that name already.
  func createKey(_ name: String) throws(S3Failure) -> Bool {
    do throws(S3Failure) {
      _ = try ask(.createKey(name))
      return true
    } catch {
      if case .refused(let answer, _) = error, answer.saysKeyExists { return false }
      throw error
    }
  }
}
