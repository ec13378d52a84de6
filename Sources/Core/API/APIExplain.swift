// SPDX-License-Identifier: Apache-2.0
package import Model

/// Where a node's server gets one variable from.
package struct ExplainAnswer: Sendable, Codable, Hashable {
  package var node: String
  package var name: String
  /// Every definition of it, in the order in which the places count.
  package var definitions: [ExplainedDefinition]
  /// The known name that was probably meant, where it is defined nowhere.
  package var suggestion: String?

  package init(
    node: String, name: String, definitions: [ExplainedDefinition], suggestion: String?
  ) {
    self.node = node
    self.name = name
    self.definitions = definitions
    self.suggestion = suggestion
  }

  /// The definition that the server runs with after its next start; nil if it has none.
  package var winner: ExplainedDefinition? { definitions.first { $0.effect == .wins } }
}

/// One definition of a variable.
package struct ExplainedDefinition: Sendable, Codable, Hashable {
  /// What comes of it.
  package enum Effect: String, Sendable, Codable, Hashable {
    /// It is the value that the server gets.
    case wins
    /// A later one overrides it.
    case overridden
    /// UnsetEnvironment= takes it away.
    case unset
    /// The reader of its place does not take it for a definition.
    case ignored
  }

  /// The file, or where else it is, for people.
  package var place: String
  /// 1-based line in the file.
  @BoundedIfPresent<Bounds.Count> package var line: Int?
  /// The value as the reader of the place has it; a secret as its identity, or not at all.
  package var value: String
  package var effect: Effect
  /// Why, where that is not said by the effect; empty otherwise.
  package var reason: String

  package init(place: String, line: Int?, value: String, effect: Effect, reason: String) {
    self.place = place
    self.line = line
    self.value = value
    self.effect = effect
    self.reason = reason
  }
}
