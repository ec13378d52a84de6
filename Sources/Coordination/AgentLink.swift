// SPDX-License-Identifier: Apache-2.0
package import API
package import Model
package import Threads

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
  case answered(Refusal)

  package var refusal: Refusal {
    switch self {
    case .unreachable(let message): Refusal(.unreachable, message)
    case .answered(let refusal): refusal
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
