/// What is probed of an endpoint, in this order (facts, section B.7).
public enum ProbeStage: String, Sendable, Codable, Hashable, CaseIterable {
  /// The name is resolved.
  case dns
  /// Every address accepts a connection.
  case tcp
  /// The certificate is for that name and its chain ends in what the server trusts.
  case tls
  /// `GET /version` answers.
  case version
  /// `GET /v1/health/ready` is 200.
  case ready
  /// The enclave admits the API key's identity.
  case identity
  /// The enclave exists.
  case enclave
  /// The SSE key exists.
  case key
  /// `GET /v1/health/ready?write` is 200; asked only where the key does not exist.
  case write
}

/// How a stage went, from best to worst.
public enum ProbeVerdict: String, Sendable, Codable, Hashable, CaseIterable, Comparable {
  /// As it must be.
  case fine
  /// Not reached: an earlier stage failed, the time was over, or there was no need.
  case notChecked
  /// It works, but not as it should.
  case degraded
  /// It does not work.
  case failed

  /// fine < notChecked < degraded < failed.
  public static func < (a: ProbeVerdict, b: ProbeVerdict) -> Bool { a.rank < b.rank }
  private var rank: Int {
    switch self {
    case .fine: 0
    case .notChecked: 1
    case .degraded: 2
    case .failed: 3
    }
  }
}

/// What the Key Manager said, where the judgement depends on it.
public enum ProbeReason: String, Sendable, Codable, Hashable, CaseIterable {
  /// 403: the identity may not do what the server will do.
  case denied
  /// 404: the enclave does not exist.
  case enclaveMissing
  /// 404: the key does not exist; the server would create it.
  case keyMissing
  /// The deadline came first.
  case timeout
}

/// How one stage of the probe of one endpoint went.
public struct StageResult: Sendable, Codable, Hashable {
  /// Which stage.
  public var stage: ProbeStage
  /// How it went.
  public var verdict: ProbeVerdict
  /// What the Key Manager said, where the judgement depends on it.
  public var reason: ProbeReason?
  /// How long it took.
  public var milliseconds: Int
  /// What happened, for people: a clause without a full stop, no secret in it.
  public var detail: String

  /// A result; see the properties.
  public init(
    _ stage: ProbeStage, _ verdict: ProbeVerdict, reason: ProbeReason? = nil,
    milliseconds: Int = 0, detail: String
  ) {
    self.stage = stage
    self.verdict = verdict
    self.reason = reason
    self.milliseconds = milliseconds
    self.detail = detail
  }
}

/// What the probe of one endpoint saw.
public struct EndpointReport: Sendable, Codable, Hashable {
  /// The endpoint as the settings name it, ``Endpoint/text``.
  public var endpoint: String
  /// The address that the stages after TCP were probed at, nil if none was reached.
  public var address: String?
  /// The stages in their order; those after a failure are there as `notChecked`.
  public var stages: [StageResult]

  /// A report; see the properties.
  public init(endpoint: String, address: String?, stages: [StageResult]) {
    self.endpoint = endpoint
    self.address = address
    self.stages = stages
  }

  /// The result of a stage, nil if the report does not speak of it.
  public subscript(stage: ProbeStage) -> StageResult? { stages.first { $0.stage == stage } }

  /// The stage that went worst, the first of several; nil if there are no stages.
  public var worst: StageResult? {
    stages.reduce(nil) { worst, stage in
      guard let worst, worst.verdict >= stage.verdict else { return stage }
      return worst
    }
  }
}
