// SPDX-License-Identifier: Apache-2.0
package import API
package import Model
package import Rollout
package import Threads

/// A question to an agent, and the type of its answer.
package struct AgentRequest<Answer: Decodable & Sendable>: Sendable {
  package let call: AgentCall

  private init(_ call: AgentCall) { self.call = call }
}

/// Every question that an agent is asked; the types of the answers are in Core/API.
package enum AgentCall: Sendable {
  case status
  /// The node's clock; asked by the coordinator of a rollout it is the coordinator's heartbeat.
  case clock(rollout: String?)
  case plan(PlanRequest)
  /// The node's vote; with a wait, the answer after that time is that the vote is still to come.
  case prepare(PrepareRequest, waitMilliseconds: Int?)
  case promise(id: String, PromiseRequest)
  case accept(id: String, AcceptRequest)
  case decide(id: String, DecisionRequest)
  /// End a rollout now, with the other members.
  case resolve(id: String)
  case rollouts
  /// The events of a rollout after one of them: a long poll.
  case follow(id: String, after: Int, waitMilliseconds: Int)
  /// Probe the Key Managers both ways and look for drift, within this time.
  case check(timeoutMilliseconds: Int)
  case generations
  /// What differs between two generations, or between one and the present file.
  case diff(from: Int, to: Int?)
  /// Where the server gets a variable from.
  case explain(name: String)
  /// Lines of the unit's journal: a long poll.
  case logs(LogsQuery)
  case seal
  /// Take the seal from the other nodes.
  case recoverSeal
  /// The result of a committed rollout.
  case settle(id: String, RolloutResult)
  case proposals
  /// What the asking node proposes.
  case tellProposal(MemberProposal)
  /// Take part again in a rollout of settings that were not confirmed.
  case retryProposal(ProposalRetry)

  package var method: String { request.method }
  package var path: String { request.path }
  /// Names and values, not encoded.
  package var query: [(name: String, value: String)] { request.query }
  /// What is posted as JSON; nil where there is no body.
  package var body: (any Encodable & Sendable)? { request.body }

  private typealias Query = [(name: String, value: String)]
  private typealias Request = (
    method: String, path: String, query: Query, body: (any Encodable & Sendable)?
  )

  private var request: Request {
    func get(_ path: String, _ query: Query = []) -> Request { ("GET", path, query, nil) }
    func post(
      _ path: String, _ body: (any Encodable & Sendable)? = nil, query: Query = []
    ) -> Request { ("POST", path, query, body) }
    return switch self {
    case .status: get("/v1/status")
    case .clock(let id): get("/v1/clock", id.map { [("rollout", $0)] } ?? [])
    case .plan(let request): post("/v1/plan", request)
    case .prepare(let request, let wait):
      post("/v1/rollouts", request, query: wait.map { [("wait", "\($0)")] } ?? [])
    case .promise(let id, let request): post("/v1/rollouts/\(id)/promise", request)
    case .accept(let id, let request): post("/v1/rollouts/\(id)/accept", request)
    case .decide(let id, let decision): post("/v1/rollouts/\(id)/decision", decision)
    case .resolve(let id): post("/v1/rollouts/\(id)/resolve")
    case .rollouts: get("/v1/rollouts")
    case .follow(let id, let after, let wait):
      get("/v1/rollouts/\(id)", [("after", "\(after)"), ("wait", "\(wait)")])
    case .check(let milliseconds): post("/v1/check", query: [("timeout", "\(milliseconds)")])
    case .generations: get("/v1/generations")
    case .diff(let from, let to):
      get("/v1/generations/\(from)/diff", to.map { [("to", "\($0)")] } ?? [])
    case .explain(let name): get("/v1/explain", [("name", name)])
    case .logs(let query): get("/v1/logs", query.pairs)
    case .seal: get("/v1/seal")
    case .recoverSeal: post("/v1/seal/recover")
    case .settle(let id, let result): post("/v1/rollouts/\(id)/result", result)
    case .proposals: get("/v1/proposals")
    case .tellProposal(let proposal): post("/v1/proposals", proposal)
    case .retryProposal(let retry): post("/v1/proposals/retry", retry)
    }
  }
}

extension AgentRequest where Answer == NodeStatus {
  package static var status: Self { Self(.status) }
}
extension AgentRequest where Answer == ClockReading {
  package static func clock(rollout: String?) -> Self { Self(.clock(rollout: rollout)) }
}
extension AgentRequest where Answer == PlanAnswer {
  package static func plan(_ request: PlanRequest) -> Self { Self(.plan(request)) }
}
extension AgentRequest where Answer == VoteAnswer {
  package static func prepare(_ request: PrepareRequest, waitMilliseconds: Int? = nil) -> Self {
    Self(.prepare(request, waitMilliseconds: waitMilliseconds))
  }
}
extension AgentRequest where Answer == ReplyAnswer {
  package static func promise(id: String, _ request: PromiseRequest) -> Self {
    Self(.promise(id: id, request))
  }
  package static func accept(id: String, _ request: AcceptRequest) -> Self {
    Self(.accept(id: id, request))
  }
  package static func decide(id: String, _ decision: DecisionRequest) -> Self {
    Self(.decide(id: id, decision))
  }
}
extension AgentRequest where Answer == DoubtAnswer {
  package static func resolve(id: String) -> Self { Self(.resolve(id: id)) }
}
extension AgentRequest where Answer == RolloutResult {
  package static func settle(_ rolloutResult: RolloutResult) -> Self {
    Self(.settle(id: rolloutResult.rollout, rolloutResult))
  }
}
extension AgentRequest where Answer == ProposalsView {
  package static var proposals: Self { Self(.proposals) }
  package static func tell(_ statement: MemberProposal) -> Self { Self(.tellProposal(statement)) }
  package static func retry(_ retry: ProposalRetry) -> Self { Self(.retryProposal(retry)) }
}
extension AgentRequest where Answer == RolloutView {
  package static func follow(id: String, after: Int, waitMilliseconds: Int) -> Self {
    Self(.follow(id: id, after: after, waitMilliseconds: waitMilliseconds))
  }
}
extension AgentRequest where Answer == RolloutsAnswer {
  package static var rollouts: Self { Self(.rollouts) }
}
extension AgentRequest where Answer == CheckAnswer {
  package static func check(timeoutMilliseconds: Int) -> Self {
    Self(.check(timeoutMilliseconds: timeoutMilliseconds))
  }
}
extension AgentRequest where Answer == HistoryAnswer {
  package static var generations: Self { Self(.generations) }
}
extension AgentRequest where Answer == DiffAnswer {
  package static func diff(from: Int, to: Int?) -> Self { Self(.diff(from: from, to: to)) }
}
extension AgentRequest where Answer == ExplainAnswer {
  package static func explain(_ name: String) -> Self { Self(.explain(name: name)) }
}
extension AgentRequest where Answer == LogsAnswer {
  package static func logs(_ query: LogsQuery) -> Self { Self(.logs(query)) }
}
extension AgentRequest where Answer == SealView {
  package static var seal: Self { Self(.seal) }
}
extension AgentRequest where Answer == SealRecovery {
  package static var recoverSeal: Self { Self(.recoverSeal) }
}

/// Which lines of the journal are wanted.
package struct LogsQuery: Sendable, Hashable {
  package enum Start: Sendable, Hashable {
    /// At a time, microseconds since 1970-01-01 UTC.
    case since(Int64)
    /// Behind a line.
    case after(cursor: String)
    /// With the last so many.
    case last(Int)
  }

  fileprivate var pairs: [(name: String, value: String)] {
    let first =
      switch start {
      case .last(let count): ("last", "\(count)")
      case .since(let microseconds): ("since", "\(microseconds)")
      case .after(let cursor): ("after", cursor)
      }
    return [first, ("limit", "\(limit)"), ("wait", "\(waitMilliseconds)")]
      + (errorsOnly ? [("errors", "true")] : [])
  }

  package var start: Start
  package var limit: Int
  /// How long to wait for the first.
  package var waitMilliseconds: Int
  /// Only lines that the node knows as errors, with what each means.
  package var errorsOnly: Bool

  package init(start: Start, limit: Int, waitMilliseconds: Int, errorsOnly: Bool = false) {
    self.start = start
    self.limit = limit
    self.waitMilliseconds = waitMilliseconds
    self.errorsOnly = errorsOnly
  }
}

/// Which of the two connections to an agent a question takes; each answers one question at a time.
package enum AgentLane: Sendable, Hashable {
  /// What is answered at once, or after a check.
  case control
  /// Long polls, and an abort that must overtake a vote.
  case following
}

/// Why an agent did not answer as it should.
package enum LinkFailure: Error, Sendable, Hashable {
  /// Not reached, or not in time; what was attempted and what happened.
  case unreachable(String)
  case answered(ErrorAnswer)

  package var refusal: Refusal {
    switch self {
    case .unreachable(let message): Refusal(.unreachable, message)
    case .answered(let answer): Refusal(answer.kind, answer.message)
    }
  }
}

/// The connections to one agent. Safe from any thread; questions on one lane wait for one another.
package protocol AgentLink: Sendable {
  /// Blocks until the answer is there or the deadline has come.
  func call<Answer>(
    _ request: AgentRequest<Answer>, lane: AgentLane, deadline: Instant
  ) throws(LinkFailure) -> Answer
}

extension Parallel {
  /// Asks every node the same at once; the answers are in the nodes' order. Blocks until each has
  /// answered or is out of time.
  ///
  /// - Parameter atOnce: how many nodes at a time; nil for all.
  package static func ask<Answer>(
    _ request: AgentRequest<Answer>, of nodes: [(name: String, link: any AgentLink)],
    atOnce: Int? = nil, milliseconds: Int
  ) -> [NodeAnswer<Answer>] {
    map(nodes, atOnce: atOnce) { node in
      do throws(LinkFailure) {
        let answer = try node.link.call(
          request, lane: .control, deadline: .inMilliseconds(milliseconds))
        return NodeAnswer(name: node.name, result: .success(answer))
      } catch { return NodeAnswer(name: node.name, result: .failure(error.refusal)) }
    }
  }
}
