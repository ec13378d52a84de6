// SPDX-License-Identifier: Apache-2.0

/// A health endpoint of the server.
package enum HealthEndpoint: String, Sendable, Hashable {
  /// Makes a round trip to the Key Manager.
  case ready = "/minio/health/ready"
  /// Write quorum as all servers together see it, IAM and bucket metadata.
  case cluster = "/minio/health/cluster"
}

/// What one health endpoint of the server answered.
package enum HealthAnswer: Sendable, Hashable, Codable {
  /// The HTTP status, the value of `x-minio-server-status` if it was there, and the code of the
  /// error in its body, such as `kms:NotAuthorized`.
  case answered(status: Int, serverStatus: String? = nil, code: String? = nil)
  /// There was no answer; what happened, in words.
  case failed(String)

  /// 200, and not marked as offline in `x-minio-server-status`.
  package var isGood: Bool {
    if case .answered(200, nil, _) = self { true } else { false }
  }

  /// Whether it has too many requests to answer (`ReadinessCheckHandler` of minio:cmd).
  var isBusy: Bool { if case .answered(503, _, "ServerBusy") = self { true } else { false } }

  /// What the Key Manager refuses the server permanently; nil if nothing. A Key Manager that is
  /// away may come back, and refuses nothing.
  var keyRefusal: String? {
    guard case .answered(_, _, let code?) = self else { return nil }
    return ["kms:NotAuthorized", "kms:KeyNotFound"].contains(code) ? code : nil
  }

  /// Why it is not good, or nil.
  func trouble(path: String) -> String? {
    switch self {
    case .failed(let text): return "\(path): \(text)"
    case .answered(200, nil, _): return nil
    case .answered(let status, let serverStatus?, _):
      return "\(path) answers \(status), x-minio-server-status: \(serverStatus)"
    case .answered(let status, nil, let code):
      let words = code.map { " \($0)" } ?? ""
      let meaning = code.flatMap { Self.meanings[$0] } ?? (status == 403 ? Self.notAllowed : nil)
      return "\(path) answers \(status)\(words)" + (meaning.map { ": \($0)" } ?? "")
    }
  }

  private static let notAllowed = "the Key Manager does not let this identity use the key"

  /// The Key Manager's errors as the server passes them on. See docs/facts.md, "KMS errors of S3".
  private static let meanings = [
    "kms:NotAuthorized": notAllowed, "kms:KeyNotFound": "the Key Manager has no key of that name",
    "kms:KeyGenerationFailed": "the Key Manager gave no data key",
  ]
}

/// What the server answered to one look at it (docs/facts.md, "Health endpoints"). Each question is
/// asked only if the one before it is good: asked too early, the one for the cluster makes the
/// server log errors.
package struct HealthAnswers: Sendable, Hashable, Codable {
  package var ready: HealthAnswer
  /// Whether it would take a write; nil if that was not asked.
  package var writes: WriteAnswer?
  /// Nil if that was not asked.
  package var cluster: HealthAnswer?

  /// Whether the server has answered at all: it listens only after the Key Manager has given it a
  /// data key (docs/facts.md, "Start and the Key Manager"). The old process is never asked.
  var isUp: Bool { if case .answered = ready { true } else { false } }

  /// Whether the server has too many requests to answer all questions.
  var isBusy: Bool { if case .busy = writes { true } else { ready.isBusy } }

  package init(ready: HealthAnswer, writes: WriteAnswer? = nil, cluster: HealthAnswer? = nil) {
    self.ready = ready
    self.writes = writes
    self.cluster = cluster
  }
}

/// Whether the server would take a write now.
package enum WriteAnswer: Sendable, Hashable, Codable {
  /// It would have taken every one that it was asked for.
  case taken(asked: Int)
  /// It refused one, or could not be asked; what happened.
  case refused(String)
  /// It has too many requests to answer; what it said. Neither evidence nor refusal.
  case busy(String)
  /// It does not let its root user ask, so the question has no answer; what it said.
  case untold(String)
}

/// What the server says of its own Key Manager.
package enum ServerKMSAnswer: Sendable, Hashable, Codable {
  /// It has one; the name of the key that it encrypts with.
  case defaultKey(String)
  case none
  /// It did not say; what happened.
  case untold(String)
}
