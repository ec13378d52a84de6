// SPDX-License-Identifier: Apache-2.0
package import Threads

/// What a node said, or why it said nothing.
package struct NodeAnswer<Answer: Sendable>: Sendable {
  /// The node's name in the inventory.
  package let name: String
  /// Its answer, or why there is none.
  package let result: Result<Answer, LinkFailure>

  /// What a node said, or did not.
  package init(name: String, result: Result<Answer, LinkFailure>) {
    self.name = name
    self.result = result
  }

  /// The answer; nil if there is none.
  package var answer: Answer? { try? result.get() }

  /// Why there is no answer; nil if there is one.
  package var failure: LinkFailure? {
    switch result {
    case .success: nil
    case .failure(let failure): failure
    }
  }
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
      } catch { return NodeAnswer(name: node.name, result: .failure(error)) }
    }
  }
}
