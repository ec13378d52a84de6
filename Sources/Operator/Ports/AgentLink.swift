public import Model
internal import Rollout
public import Wire

/// A question to an agent, and the type of its answer.
public struct AgentRequest<Answer: Decodable & Sendable>: Sendable {
  /// What is asked.
  public let call: AgentCall

  private init(_ call: AgentCall) { self.call = call }
}

/// Every question that `keyturn` asks (Wire's API.swift says what is answered).
public enum AgentCall: Sendable {
  /// One node at a glance.
  case status
  /// The node's clock; asked by the coordinator of a rollout it says that the coordinator lives.
  case clock(rollout: String?)
  /// What the node makes of a plan.
  case plan(PlanRequest)
  /// The node's vote.
  case prepare(PrepareRequest)
  /// Promise to accept nothing of a lower ballot.
  case promise(id: String, PromiseRequest)
  /// Accept a proposal.
  case accept(id: String, AcceptRequest)
  /// Know a decision.
  case decide(id: String, DecisionRequest)
  /// The events of a rollout after one of them: a long poll.
  case follow(id: String, after: Int, waitMilliseconds: Int)
  /// Probe the Key Managers, look for drift.
  case check
  /// What the node has kept of its environment file.
  case generations
  /// What differs between two generations, or one and the file as it is.
  case diff(from: Int, to: Int?)
  /// Where the server gets a variable from.
  case explain(name: String)
  /// Lines of the unit's journal: a long poll.
  case logs(LogsQuery)
  /// The node's seal and key.
  case seal
  /// Take the seal from the other nodes.
  case recoverSeal

  /// GET or POST.
  public var method: String {
    switch self {
    case .status, .clock, .follow, .generations, .diff, .explain, .logs, .seal: "GET"
    case .plan, .prepare, .promise, .accept, .decide, .check, .recoverSeal: "POST"
    }
  }

  /// The path of the resource.
  public var path: String {
    switch self {
    case .status: "/v1/status"
    case .clock: "/v1/clock"
    case .plan: "/v1/plan"
    case .prepare: "/v1/rollouts"
    case .promise(let id, _): "/v1/rollouts/\(id)/promise"
    case .accept(let id, _): "/v1/rollouts/\(id)/accept"
    case .decide(let id, _): "/v1/rollouts/\(id)/decision"
    case .follow(let id, _, _): "/v1/rollouts/\(id)"
    case .check: "/v1/check"
    case .generations: "/v1/generations"
    case .diff(let from, _): "/v1/generations/\(from)/diff"
    case .explain: "/v1/explain"
    case .logs: "/v1/logs"
    case .seal: "/v1/seal"
    case .recoverSeal: "/v1/seal/recover"
    }
  }

  /// Names and values of the query, not encoded.
  public var query: [(name: String, value: String)] {
    switch self {
    case .status, .plan, .prepare, .promise, .accept, .decide, .check, .generations,
      .seal, .recoverSeal:
      []
    case .diff(_, let to): to.map { [("to", "\($0)")] } ?? []
    case .explain(let name): [("name", name)]
    case .clock(let id): id.map { [("rollout", $0)] } ?? []
    case .follow(_, let after, let wait): [("after", "\(after)"), ("wait", "\(wait)")]
    case .logs(let query):
      [query.start.pair, ("limit", "\(query.limit)"), ("wait", "\(query.waitMilliseconds)")]
    }
  }

  /// What is posted as JSON; nil where there is no body.
  public var body: (any Encodable & Sendable)? {
    switch self {
    case .status, .clock, .follow, .check, .generations, .diff, .explain, .logs, .seal,
      .recoverSeal:
      nil
    case .plan(let request): request
    case .prepare(let request): request
    case .promise(_, let request): request
    case .accept(_, let request): request
    case .decide(_, let decision): decision
    }
  }
}

extension AgentRequest where Answer == NodeStatus {
  static var status: Self { Self(.status) }
}
extension AgentRequest where Answer == ClockReading {
  static func clock(rollout: String?) -> Self { Self(.clock(rollout: rollout)) }
}
extension AgentRequest where Answer == PlanAnswer {
  static func plan(_ request: PlanRequest) -> Self { Self(.plan(request)) }
}
extension AgentRequest where Answer == VoteAnswer {
  static func prepare(_ request: PrepareRequest) -> Self { Self(.prepare(request)) }
}
extension AgentRequest where Answer == ReplyAnswer {
  static func promise(id: String, _ request: PromiseRequest) -> Self {
    Self(.promise(id: id, request))
  }
  static func accept(id: String, _ request: AcceptRequest) -> Self {
    Self(.accept(id: id, request))
  }
  static func decide(id: String, _ decision: DecisionRequest) -> Self {
    Self(.decide(id: id, decision))
  }
}
extension AgentRequest where Answer == RolloutView {
  static func follow(id: String, after: Int, waitMilliseconds: Int) -> Self {
    Self(.follow(id: id, after: after, waitMilliseconds: waitMilliseconds))
  }
}
extension AgentRequest where Answer == CheckAnswer {
  static var check: Self { Self(.check) }
}
extension AgentRequest where Answer == HistoryAnswer {
  static var generations: Self { Self(.generations) }
}
extension AgentRequest where Answer == DiffAnswer {
  static func diff(from: Int, to: Int?) -> Self { Self(.diff(from: from, to: to)) }
}
extension AgentRequest where Answer == ExplainAnswer {
  static func explain(_ name: String) -> Self { Self(.explain(name: name)) }
}
extension AgentRequest where Answer == LogsAnswer {
  static func logs(_ query: LogsQuery) -> Self { Self(.logs(query)) }
}
extension AgentRequest where Answer == SealView {
  static var seal: Self { Self(.seal) }
}
extension AgentRequest where Answer == SealRecovery {
  static var recoverSeal: Self { Self(.recoverSeal) }
}

/// Which lines of the journal are wanted.
public struct LogsQuery: Sendable, Hashable {
  /// Where they begin.
  public enum Start: Sendable, Hashable {
    /// At a time, microseconds since 1970-01-01 UTC.
    case since(Int64)
    /// Behind a line.
    case after(cursor: String)

    fileprivate var pair: (name: String, value: String) {
      switch self {
      case .since(let microseconds): ("since", "\(microseconds)")
      case .after(let cursor): ("after", cursor)
      }
    }
  }

  /// Where they begin.
  public var start: Start
  /// How many at the most.
  public var limit: Int
  /// How long to wait for the first, milliseconds.
  public var waitMilliseconds: Int
}

/// Which of the two connections to an agent a question takes; on each, one question follows the
/// other.
public enum AgentLane: Sendable, Hashable {
  /// What is answered at once, or after a check.
  case control
  /// Long polls, and an abort that must overtake a vote.
  case following
}

/// Why an agent did not answer as it should.
public enum LinkFailure: Error, Sendable, Hashable {
  /// It could not be reached, or not in time; says what was attempted and what happened.
  case unreachable(String)
  /// It answered with an error.
  case answered(ErrorAnswer)

  /// As a no.
  public var refusal: Refusal {
    switch self {
    case .unreachable(let message): Refusal(.unreachable, message)
    case .answered(let answer): Refusal(answer.kind, answer.message)
    }
  }
}

/// The connections to one agent. Safe from any thread; questions on one lane wait for one another.
public protocol AgentLink: Sendable {
  /// Blocks until the answer is there or the deadline has come.
  func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer
}

/// How to get to agents.
public protocol AgentNetwork: Sendable {
  /// Links to all nodes of the inventory; connects to none of them yet.
  ///
  /// - Throws: a ``Refusal`` if the credentials cannot be used.
  func open(
    _ inventory: Inventory, _ credentials: CredentialFiles
  ) throws(Refusal) -> AgentConnections
}

/// Links to agents, and who they are made as.
public struct AgentConnections: Sendable {
  /// Who the credentials are of.
  public var principal: Principal
  /// A link to each node, in the order of the inventory's nodes.
  public var links: [any AgentLink]

  /// Connections; see the properties.
  public init(principal: Principal, links: [any AgentLink]) {
    self.principal = principal
    self.links = links
  }
}

/// The three files of a certificate's holder, PEM.
public struct CredentialFiles: Sendable {
  /// The cluster's authority.
  public var authority: [UInt8]
  /// The certificate.
  public var certificate: [UInt8]
  /// Its private key.
  public var key: [UInt8]

  /// CredentialFiles; see the properties.
  public init(authority: [UInt8], certificate: [UInt8], key: [UInt8]) {
    self.authority = authority
    self.certificate = certificate
    self.key = key
  }
}
