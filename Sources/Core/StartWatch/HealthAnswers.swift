/// What one health endpoint of the server answered.
public enum HealthAnswer: Sendable, Hashable, Codable {
  /// The HTTP status, and the value of `x-minio-server-status` if it was there.
  case answered(status: Int, serverStatus: String?)
  /// There was no answer; what happened, in words.
  case failed(String)

  /// What stands against calling it good, or nil: 200, and no word of being offline.
  func trouble(path: String) -> String? {
    switch self {
    case .failed(let text): return "\(path): \(text)"
    case .answered(200, nil): return nil
    case .answered(let status, let serverStatus?):
      return "\(path) answers \(status), x-minio-server-status: \(serverStatus)"
    case .answered(403, nil):
      return "\(path) answers 403: the Key Manager does not let this identity use the key"
    case .answered(let status, nil): return "\(path) answers \(status)"
    }
  }
}

/// What the server answered to one question for its health. Facts D.6.
public struct HealthAnswers: Sendable, Hashable, Codable {
  /// `/minio/health/ready`: makes a round trip to the Key Manager.
  public var ready: HealthAnswer
  /// `/minio/health/cluster`: write quorum, IAM and bucket metadata.
  public var cluster: HealthAnswer

  /// Whether the server has answered at all: it listens only after the Key Manager has given it a
  /// data key (facts, section A.6). The old one's answers are not asked for.
  var isUp: Bool { if case .answered = ready { true } else { false } }

  /// Two answers; see the properties.
  public init(ready: HealthAnswer, cluster: HealthAnswer) {
    self.ready = ready
    self.cluster = cluster
  }
}
