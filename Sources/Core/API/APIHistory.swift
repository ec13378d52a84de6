// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model
package import Rollout

/// An environment file that a node has kept: one that a start was confirmed with, or, as number 0,
/// the one that was found before the first change.
package struct Generation: Sendable, Codable, Hashable {
  /// That of the rollout, the same on all nodes; 0 for the file that was found.
  @Bounded<Bounds.Generation> package var number: Int
  package var path: String
  package var digest: Digest
  /// The rollout that confirmed it; for number 0 the one before whose change it was found.
  package var rollout: String
  /// What that rollout did; nil for number 0, which no start was confirmed with.
  package var kind: RolloutKind?
  /// The rollout that it took back; nil if it took none back.
  package var undoes: String?
  /// Whether that rollout restarted no server; nil for no.
  package var withoutRestart: Bool?
  /// What that rollout was for; nil if nobody said.
  package var occasion: RolloutOccasion?
  package var createdBy: String
  /// When it was confirmed here, or found; microseconds since 1970-01-01 UTC.
  @Bounded<Bounds.WallMicroseconds> package var confirmedAtMicroseconds: Int64

  package init(
    number: Int, path: String, digest: Digest, rollout: String, kind: RolloutKind?,
    undoes: String? = nil, withoutRestart: Bool? = nil, occasion: RolloutOccasion? = nil,
    createdBy: String, confirmedAtMicroseconds: Int64
  ) {
    self.occasion = occasion
    self.withoutRestart = withoutRestart
    self.undoes = undoes
    self.number = number
    self.path = path
    self.digest = digest
    self.rollout = rollout
    self.kind = kind
    self.createdBy = createdBy
    self.confirmedAtMicroseconds = confirmedAtMicroseconds
  }
}

/// One generation in a node's history.
package struct HistoryEntry: Sendable, Codable, Hashable {
  @Bounded<Bounds.Generation> package var number: Int
  /// What it is; nil if its record is damaged.
  package var generation: Generation?
  /// What is wrong with its record; nil if nothing is.
  package var problem: String?

  package init(number: Int, generation: Generation?, problem: String?) {
    self.number = number
    self.generation = generation
    self.problem = problem
  }
}

/// What a node has kept.
package struct HistoryAnswer: Sendable, Codable, Hashable {
  package var node: String
  package var generations: [HistoryEntry]
  /// Digest of the file as it is; nil if there is none, or if it cannot be read.
  package var file: Digest?
  /// Why the file cannot be read; nil if it can.
  package var fileProblem: String?

  package init(node: String, generations: [HistoryEntry], file: Digest?, fileProblem: String?) {
    self.node = node
    self.generations = generations
    self.file = file
    self.fileProblem = fileProblem
  }

  /// The last one that a start was confirmed with; nil if there is none.
  package var current: HistoryEntry? { generations.last { $0.number > 0 } }

  /// Whether the file is not the current generation; false where that is not known.
  package var isDrifted: Bool {
    guard let generation = current?.generation, fileProblem == nil else { return false }
    return generation.digest != file
  }
}

/// What differs on a node between a generation and another, or the file as it is.
package struct DiffAnswer: Sendable, Codable, Hashable {
  package var node: String
  /// The file that the first is of.
  package var fromPath: String
  /// The file that the second is, or is of.
  package var toPath: String
  /// Digest of the first.
  package var from: Digest
  /// Digest of the second; nil if it is the file and there is none.
  package var to: Digest?
  /// One line each, `-NAME=value` and `+NAME=value`, secrets as identities. Empty also where only
  /// comments, order or form differ.
  package var difference: [String]

  package init(
    node: String, fromPath: String, toPath: String, from: Digest, to: Digest?,
    difference: [String]
  ) {
    self.node = node
    self.fromPath = fromPath
    self.toPath = toPath
    self.from = from
    self.to = to
    self.difference = difference
  }
}
