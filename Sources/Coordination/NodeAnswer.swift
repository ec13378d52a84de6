/// What a node said, or why it said nothing.
public struct NodeAnswer<Answer: Sendable>: Sendable {
  /// The node's name in the inventory.
  public let name: String
  /// Its answer, or why there is none.
  public let result: Result<Answer, LinkFailure>

  /// What a node said, or did not.
  public init(name: String, result: Result<Answer, LinkFailure>) {
    self.name = name
    self.result = result
  }

  /// The answer; nil if there is none.
  public var answer: Answer? { try? result.get() }

  /// Why there is no answer; nil if there is one.
  public var failure: LinkFailure? {
    switch result {
    case .success: nil
    case .failure(let failure): failure
    }
  }
}
