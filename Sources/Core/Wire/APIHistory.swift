public import Digests
public import Model
public import Rollout

/// An environment file that a node has kept: one that a start was confirmed with, or, as number 0,
/// the one that was found before the first change.
public struct Generation: Sendable, Codable, Hashable {
  /// That of the rollout, the same on all nodes; 0 for the file that was found.
  @Bounded<Bounds.Generation> public var number: Int
  /// The file.
  public var path: String
  /// Its digest.
  public var digest: Digest
  /// The rollout that confirmed it; for number 0 the one before whose change it was found.
  public var rollout: String
  /// What that rollout did; nil for number 0, which no start was confirmed with.
  public var kind: RolloutKind?
  /// The rollout that it took back; nil if it took none back.
  public var undoes: String?
  /// Who created that rollout.
  public var createdBy: String
  /// When it was confirmed here, or found; microseconds since 1970-01-01 UTC.
  @Bounded<Bounds.WallMicroseconds> public var confirmedAtMicroseconds: Int64

  /// A generation; see the properties.
  public init(
    number: Int, path: String, digest: Digest, rollout: String, kind: RolloutKind?,
    undoes: String? = nil, createdBy: String, confirmedAtMicroseconds: Int64
  ) {
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
public struct HistoryEntry: Sendable, Codable, Hashable {
  /// Its number.
  @Bounded<Bounds.Generation> public var number: Int
  /// What it is; nil if its record is damaged.
  public var generation: Generation?
  /// What is wrong with its record; nil if nothing is.
  public var problem: String?

  /// An entry; see the properties.
  public init(number: Int, generation: Generation?, problem: String?) {
    self.number = number
    self.generation = generation
    self.problem = problem
  }
}

/// What a node has kept.
public struct HistoryAnswer: Sendable, Codable, Hashable {
  /// The node's name.
  public var node: String
  /// The generations, ascending.
  public var generations: [HistoryEntry]
  /// Digest of the file as it is; nil if there is none, or if it cannot be read.
  public var file: Digest?
  /// Why the file cannot be read; nil if it can.
  public var fileProblem: String?

  /// An answer; see the properties.
  public init(node: String, generations: [HistoryEntry], file: Digest?, fileProblem: String?) {
    self.node = node
    self.generations = generations
    self.file = file
    self.fileProblem = fileProblem
  }

  /// The last one that a start was confirmed with; nil if there is none.
  public var current: HistoryEntry? { generations.last { $0.number > 0 } }

  /// Whether the file is not the current generation; false where that is not known.
  public var isDrifted: Bool {
    guard let generation = current?.generation, fileProblem == nil else { return false }
    return generation.digest != file
  }
}

/// What differs on a node between a generation and another, or the file as it is.
public struct DiffAnswer: Sendable, Codable, Hashable {
  /// The node's name.
  public var node: String
  /// The file that the first is of.
  public var fromPath: String
  /// The file that the second is, or is of.
  public var toPath: String
  /// Digest of the first.
  public var from: Digest
  /// Digest of the second; nil if it is the file and there is none.
  public var to: Digest?
  /// One line each, `-NAME=value` and `+NAME=value`, secrets as identities. Empty also where only
  /// comments, order or form differ.
  public var difference: [String]

  /// An answer; see the properties.
  public init(
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
