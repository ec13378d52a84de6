// SPDX-License-Identifier: Apache-2.0
/// What a node answered, or why there is no answer.
package struct NodeAnswer<Answer: Sendable>: Sendable {
  /// The node's name in the inventory.
  package let name: String
  package let result: Result<Answer, Refusal>

  package init(name: String, result: Result<Answer, Refusal>) {
    self.name = name
    self.result = result
  }

  package var answer: Answer? { try? result.get() }

  /// Why there is no answer; nil if there is one.
  package var failure: Refusal? {
    switch result {
    case .success: nil
    case .failure(let failure): failure
    }
  }

  /// The same with what `body` makes of the answer.
  package func map<Other: Sendable>(_ body: (Answer) -> Other) -> NodeAnswer<Other> {
    NodeAnswer<Other>(name: name, result: result.map(body))
  }
}
