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

/// Every question that an agent is asked (Core/API/RolloutMessages.swift says what is answered).
package enum AgentCall: Sendable {
  /// One node at a glance.
  case status
  /// The node's clock; asked by the coordinator of a rollout it says that the coordinator lives.
  case clock(rollout: String?)
  /// What the node makes of a plan.
  case plan(PlanRequest)
  /// The node's vote; with a time in milliseconds, that it is still to come if it has not by then.
  case prepare(PrepareRequest, waitMilliseconds: Int?)
  /// Promise to accept nothing of a lower ballot.
  case promise(id: String, PromiseRequest)
  /// Accept a proposal.
  case accept(id: String, AcceptRequest)
  /// Know a decision.
  case decide(id: String, DecisionRequest)
  /// End a rollout now, with the other members.
  case resolve(id: String)
  /// The rollouts that the node knows.
  case rollouts
  /// The events of a rollout after one of them: a long poll.
  case follow(id: String, after: Int, waitMilliseconds: Int)
  /// Probe the Key Managers both ways, look for drift; so long at the most.
  case check(timeoutMilliseconds: Int)
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
  /// Know the result of a committed rollout.
  case settle(id: String, RolloutResult)
  /// Who proposes what, as the node knows it.
  case proposals
  /// Know what the asking node proposes.
  case tellProposal(MemberProposal)
  /// Take part again in a rollout of settings that were not confirmed.
  case retryProposal(ProposalRetry)

  /// GET or POST.
  package var method: String {
    switch self {
    case .status, .clock, .rollouts, .follow, .generations, .diff, .explain, .logs, .seal,
      .proposals:
      "GET"
    case .plan, .prepare, .promise, .accept, .decide, .resolve, .check, .recoverSeal, .settle,
      .tellProposal, .retryProposal:
      "POST"
    }
  }

  /// The path of the resource.
  package var path: String {
    switch self {
    case .status: "/v1/status"
    case .clock: "/v1/clock"
    case .plan: "/v1/plan"
    case .prepare, .rollouts: "/v1/rollouts"
    case .promise(let id, _): "/v1/rollouts/\(id)/promise"
    case .accept(let id, _): "/v1/rollouts/\(id)/accept"
    case .decide(let id, _): "/v1/rollouts/\(id)/decision"
    case .resolve(let id): "/v1/rollouts/\(id)/resolve"
    case .follow(let id, _, _): "/v1/rollouts/\(id)"
    case .check: "/v1/check"
    case .generations: "/v1/generations"
    case .diff(let from, _): "/v1/generations/\(from)/diff"
    case .explain: "/v1/explain"
    case .logs: "/v1/logs"
    case .seal: "/v1/seal"
    case .recoverSeal: "/v1/seal/recover"
    case .settle(let id, _): "/v1/rollouts/\(id)/result"
    case .proposals, .tellProposal: "/v1/proposals"
    case .retryProposal: "/v1/proposals/retry"
    }
  }

  /// Names and values of the query, not encoded.
  package var query: [(name: String, value: String)] {
    switch self {
    case .status, .plan, .promise, .accept, .decide, .resolve, .generations, .rollouts, .seal,
      .recoverSeal, .settle, .proposals, .tellProposal, .retryProposal:
      []
    case .prepare(_, let wait): wait.map { [("wait", "\($0)")] } ?? []
    case .check(let milliseconds): [("timeout", "\(milliseconds)")]
    case .diff(_, let to): to.map { [("to", "\($0)")] } ?? []
    case .explain(let name): [("name", name)]
    case .clock(let id): id.map { [("rollout", $0)] } ?? []
    case .follow(_, let after, let wait): [("after", "\(after)"), ("wait", "\(wait)")]
    case .logs(let query):
      [query.start.pair, ("limit", "\(query.limit)"), ("wait", "\(query.waitMilliseconds)")]
        + (query.errorsOnly ? [("errors", "true")] : [])
    }
  }

  /// What is posted as JSON; nil where there is no body.
  package var body: (any Encodable & Sendable)? {
    switch self {
    case .status, .clock, .resolve, .rollouts, .follow, .check, .generations, .diff, .explain,
      .logs, .seal, .recoverSeal, .proposals:
      nil
    case .plan(let request): request
    case .prepare(let request, _): request
    case .settle(_, let rolloutResult): rolloutResult
    case .tellProposal(let statement): statement
    case .retryProposal(let retry): retry
    case .promise(_, let request): request
    case .accept(_, let request): request
    case .decide(_, let decision): decision
    }
  }
}

extension AgentRequest where Answer == NodeStatus {
  /// One node at a glance.
  package static var status: Self { Self(.status) }
}
extension AgentRequest where Answer == ClockReading {
  /// The node's clock.
  package static func clock(rollout: String?) -> Self { Self(.clock(rollout: rollout)) }
}
extension AgentRequest where Answer == PlanAnswer {
  /// What the node makes of a plan.
  package static func plan(_ request: PlanRequest) -> Self { Self(.plan(request)) }
}
extension AgentRequest where Answer == VoteAnswer {
  /// The node's vote.
  package static func prepare(_ request: PrepareRequest, waitMilliseconds: Int? = nil) -> Self {
    Self(.prepare(request, waitMilliseconds: waitMilliseconds))
  }
}
extension AgentRequest where Answer == ReplyAnswer {
  /// Promise to accept nothing of a lower ballot.
  package static func promise(id: String, _ request: PromiseRequest) -> Self {
    Self(.promise(id: id, request))
  }
  /// Accept a proposal.
  package static func accept(id: String, _ request: AcceptRequest) -> Self {
    Self(.accept(id: id, request))
  }
  /// Know a decision.
  package static func decide(id: String, _ decision: DecisionRequest) -> Self {
    Self(.decide(id: id, decision))
  }
}
extension AgentRequest where Answer == DoubtAnswer {
  package static func resolve(id: String) -> Self { Self(.resolve(id: id)) }
}
extension AgentRequest where Answer == RolloutResult {
  /// Know the result of a committed rollout.
  package static func settle(_ rolloutResult: RolloutResult) -> Self {
    Self(.settle(id: rolloutResult.rollout, rolloutResult))
  }
}
extension AgentRequest where Answer == ProposalsView {
  /// Who proposes what, as the node knows it.
  package static var proposals: Self { Self(.proposals) }
  /// Know what the asking node proposes.
  package static func tell(_ statement: MemberProposal) -> Self { Self(.tellProposal(statement)) }
  /// Take part again in a rollout of these settings.
  package static func retry(_ retry: ProposalRetry) -> Self { Self(.retryProposal(retry)) }
}
extension AgentRequest where Answer == RolloutView {
  /// The events of a rollout after one of them: a long poll.
  package static func follow(id: String, after: Int, waitMilliseconds: Int) -> Self {
    Self(.follow(id: id, after: after, waitMilliseconds: waitMilliseconds))
  }
}
extension AgentRequest where Answer == RolloutsAnswer {
  /// The rollouts that the node knows.
  package static var rollouts: Self { Self(.rollouts) }
}
extension AgentRequest where Answer == CheckAnswer {
  /// Probe the Key Managers both ways, look for drift; so long at the most.
  package static func check(timeoutMilliseconds: Int) -> Self {
    Self(.check(timeoutMilliseconds: timeoutMilliseconds))
  }
}
extension AgentRequest where Answer == HistoryAnswer {
  /// What the node has kept of its environment file.
  package static var generations: Self { Self(.generations) }
}
extension AgentRequest where Answer == DiffAnswer {
  /// What differs between two generations.
  package static func diff(from: Int, to: Int?) -> Self { Self(.diff(from: from, to: to)) }
}
extension AgentRequest where Answer == ExplainAnswer {
  /// Where the server gets a variable from.
  package static func explain(_ name: String) -> Self { Self(.explain(name: name)) }
}
extension AgentRequest where Answer == LogsAnswer {
  /// Lines of the unit's journal: a long poll.
  package static func logs(_ query: LogsQuery) -> Self { Self(.logs(query)) }
}
extension AgentRequest where Answer == SealView {
  /// The node's seal and key.
  package static var seal: Self { Self(.seal) }
}
extension AgentRequest where Answer == SealRecovery {
  /// Take the seal from the other nodes.
  package static var recoverSeal: Self { Self(.recoverSeal) }
}

/// Which lines of the journal are wanted.
package struct LogsQuery: Sendable, Hashable {
  /// Where they begin.
  package enum Start: Sendable, Hashable {
    /// At a time, microseconds since 1970-01-01 UTC.
    case since(Int64)
    /// Behind a line.
    case after(cursor: String)
    /// With the last so many.
    case last(Int)

    fileprivate var pair: (name: String, value: String) {
      switch self {
      case .last(let count): ("last", "\(count)")
      case .since(let microseconds): ("since", "\(microseconds)")
      case .after(let cursor): ("after", cursor)
      }
    }
  }

  /// Where they begin.
  package var start: Start
  /// How many at the most.
  package var limit: Int
  /// How long to wait for the first, milliseconds.
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

/// Which of the two connections to an agent a question takes; on each, one question follows the
/// other.
package enum AgentLane: Sendable, Hashable {
  /// What is answered at once, or after a check.
  case control
  /// Long polls, and an abort that must overtake a vote.
  case following
}

/// Why an agent did not answer as it should.
package enum LinkFailure: Error, Sendable, Hashable {
  /// It could not be reached, or not in time; says what was attempted and what happened.
  case unreachable(String)
  /// It answered with an error.
  case answered(ErrorAnswer)

  /// As a no.
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
  /// The same question to every node at once; the answers in the nodes' order. Blocks until each has
  /// answered or is out of time.
  ///
  /// - Parameters:
  ///   - nodes: each node's name and the way to it.
  ///   - atOnce: how many at a time; nil for all.
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
