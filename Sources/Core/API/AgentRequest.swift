// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import HTTP
internal import JSONCoding
package import Model
package import Rollout

/// A question to an agent, and the type of its answer.
package struct AgentRequest<Answer: Decodable & Sendable>: Sendable {
  package let route: Route
  /// What stands in the path for `ID` or `N`.
  package let argument: String
  private let query: [(name: Route.Parameter, value: String)]
  /// How long the answer may be held back until there is something to tell; nil if the agent decides.
  package var waitMilliseconds: Int?
  /// What is posted as JSON.
  package let body: (any Encodable & Sendable)?

  package init(
    _ route: Route, _ argument: String = "",
    query: [(name: Route.Parameter, value: String)] = [], waitMilliseconds: Int? = nil,
    body: (any Encodable & Sendable)? = nil
  ) {
    self.route = route
    self.argument = argument
    self.query = query
    self.waitMilliseconds = waitMilliseconds
    self.body = body
  }

  package var message: HTTPRequest {
    var pairs = query
    if let waitMilliseconds { pairs.append((.wait, "\(waitMilliseconds)")) }
    return HTTPRequest(
      route.method, route.path(argument), query: pairs.map { ($0.name.rawValue, $0.value) },
      headers: body == nil ? [:] : ["content-type": "application/json"],
      body: body.map { JSON.encode($0) } ?? [])
  }

  /// Throws the refusal that is in the response instead, or that it is not understood.
  package func answer(in response: HTTPResponse) throws(Refusal) -> Answer {
    let no: Refusal
    do throws(JSONFailure) {
      if response.status == 200 { return try JSON.decode(Answer.self, from: response.body) }
      no = try response.refusal()
    } catch {
      throw Refusal(
        response.status == 403 ? .notPermitted : .failed,
        "\(route.method) \(route.path(argument)): the agent's answer, status \(response.status), is not understood (\(error)); its version may be another"
      )
    }
    throw no
  }
}

extension AgentRequest where Answer == NodeStatus {
  package static var status: Self { Self(.status) }
}
extension AgentRequest where Answer == ClockReading {
  /// With the rollout, asked by its coordinator, it is the coordinator's heartbeat.
  package static func clock(rollout id: String?) -> Self {
    Self(.clock, query: id.map { [(.rollout, $0)] } ?? [])
  }
}
extension AgentRequest where Answer == KeyProofsAnswer {
  package static var keyProofs: Self { Self(.keyProofs) }
}
extension AgentRequest where Answer == PlanAnswer {
  package static func plan(_ request: PlanRequest) -> Self { Self(.plan, body: request) }
}
extension AgentRequest where Answer == VoteAnswer {
  /// With a time it is answered by then, if need be that the vote is still to come.
  package static func vote(_ request: PrepareRequest, waitMilliseconds: Int? = nil) -> Self {
    Self(.vote, waitMilliseconds: waitMilliseconds, body: request)
  }
}
extension AgentRequest where Answer == ReplyAnswer {
  package static func promise(id: String, _ request: PromiseRequest) -> Self {
    Self(.promise, id, body: request)
  }
  package static func accept(id: String, _ request: AcceptRequest) -> Self {
    Self(.accept, id, body: request)
  }
  package static func decide(id: String, _ decision: DecisionRequest) -> Self {
    Self(.decide, id, body: decision)
  }
}
extension AgentRequest where Answer == BreakOffAnswer {
  /// Watch the start no longer.
  package static func breakOff(id: String, _ breakOff: BreakOff) -> Self {
    Self(.breakOff, id, body: breakOff)
  }
}
extension AgentRequest where Answer == DoubtAnswer {
  package static func resolve(id: String) -> Self { Self(.resolve, id) }
}
extension AgentRequest where Answer == ConfirmAnswer {
  /// Look at the running server, and confirm it if it is good.
  package static var confirm: Self { Self(.confirm) }
}
extension AgentRequest where Answer == RolloutResult {
  /// Know the result of a committed rollout.
  package static func know(_ result: RolloutResult) -> Self {
    Self(.result, result.rollout, body: result)
  }
}
extension AgentRequest where Answer == ProposalsView {
  package static var proposals: Self { Self(.proposals) }
  /// Know what the asking node proposes.
  package static func tell(_ proposal: MemberProposal) -> Self {
    Self(.tellProposal, body: proposal)
  }
  /// Take part again in a rollout of settings that were not confirmed.
  package static func retry(_ retry: ProposalRetry) -> Self { Self(.retryProposal, body: retry) }
  /// Take part in one rollout of these settings.
  package static func approve(_ request: ApprovalRequest) -> Self {
    Self(.approveProposal, body: request)
  }
  package static func propose(_ request: RolloutRequest) -> Self { Self(.propose, body: request) }
  package static var withdrawProposal: Self { Self(.withdrawProposal) }
  package static var ownProposal: Self { Self(.ownProposal) }
}
extension AgentRequest where Answer == ProposalCheck {
  /// What proposing these settings would come to.
  package static func check(_ request: RolloutRequest) -> Self {
    Self(.checkProposal, body: request)
  }
}
extension AgentRequest where Answer == RolloutView {
  /// The events of a rollout after one of them: a long poll.
  package static func follow(id: String, after: Int, waitMilliseconds: Int) -> Self {
    Self(.follow, id, query: [(.after, "\(after)")], waitMilliseconds: waitMilliseconds)
  }
}
extension AgentRequest where Answer == RolloutsAnswer {
  package static var rollouts: Self { Self(.rollouts) }
}
extension AgentRequest where Answer == CheckAnswer {
  /// Probe the Key Managers both ways, look for drift; so long at the most.
  package static func check(timeoutMilliseconds: Int) -> Self {
    Self(.check, query: [(.timeout, "\(timeoutMilliseconds)")])
  }
}
extension AgentRequest where Answer == HistoryAnswer {
  package static var generations: Self { Self(.generations) }
}
extension AgentRequest where Answer == DiffAnswer {
  /// What differs between two generations; without `to`, between one and the file as it is.
  package static func diff(from: Int, to: Int?) -> Self {
    Self(.diff, "\(from)", query: to.map { [(.to, "\($0)")] } ?? [])
  }
}
extension AgentRequest where Answer == ExplainAnswer {
  package static func explain(_ name: String) -> Self { Self(.explain, query: [(.name, name)]) }
}
extension AgentRequest where Answer == LogsAnswer {
  /// Lines of the unit's journal: a long poll.
  package static func logs(_ query: LogsQuery) -> Self {
    Self(
      .logs,
      query: [query.start.pair, (.limit, "\(query.limit)")]
        + (query.errorsOnly ? [(.errors, "true")] : []),
      waitMilliseconds: query.waitMilliseconds)
  }
}
extension AgentRequest where Answer == SealView {
  package static var seal: Self { Self(.seal) }
}
extension AgentRequest where Answer == SealRecovery {
  /// Take the seal from the other nodes.
  package static var recoverSeal: Self { Self(.recoverSeal) }
}
extension AgentRequest where Answer == ReachedAnswer {
  /// Prove that you hold the nonce of this name.
  package static func reached(nonce: Digest, challenge: Digest) -> Self {
    Self(.reached, query: [(.nonce, nonce.hex), (.challenge, challenge.hex)])
  }
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

    fileprivate var pair: (name: Route.Parameter, value: String) {
      switch self {
      case .last(let count): (.last, "\(count)")
      case .since(let microseconds): (.since, "\(microseconds)")
      case .after(let cursor): (.after, cursor)
      }
    }
  }

  package var start: Start
  /// How many at the most.
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
