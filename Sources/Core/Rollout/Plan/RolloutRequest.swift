// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model
package import Secrets

/// What is asked for: the same value from the command line, or a proposal, to each member's vote.
/// Holds secrets.
package struct RolloutRequest: Sendable, Hashable, Codable {
  package var kind: RolloutKind
  /// The generation to go back to, for a rollback; nil for the previous one, and otherwise.
  @BoundedIfPresent<Bounds.Generation> package var generation: Int?
  /// The settings, each variable once; empty unless they are to be applied.
  package var changes: [SettingChange]
  /// Whether the server may create the SSE key at its first start.
  package var createKey: Bool
  /// The rollout whose files are to be taken back, for a rollback without a generation.
  package var undoes: String?
  /// Whether pools that the servers have may be others, or gone, in MINIO_VOLUMES; nil for no. An operator's word, and
  /// no part of what is proposed.
  package var changesPools: Bool?

  package init(
    kind: RolloutKind, generation: Int? = nil, changes: [SettingChange] = [],
    createKey: Bool = false, undoes: String? = nil, changesPools: Bool? = nil
  ) {
    self.kind = kind
    self.generation = generation
    self.changes = changes
    self.createKey = createKey
    self.undoes = undoes
    self.changesPools = changesPools
  }

  /// What makes two requests for settings the same one: the settings, and whether the key may be
  /// created. Over names and values, in the order of the names, length-prefixed. It is told to members
  /// and observers: like the digest of the file it says nothing of a secret that cannot be guessed.
  package func proposal(cluster: String) -> Digest {
    var fields = ["keyturn proposal 1", cluster, createKey ? "create" : ""]
    for change in changes.sorted(by: { $0.name < $1.name }) {
      fields += [change.name, change.value == nil ? "unset" : "set", change.value?.reveal() ?? ""]
    }
    return .ofFields(fields)
  }
}

/// `{"name":...,"value":...}`, without a value to remove the variable. The only place where a value
/// of a setting is encoded; only a ``RolloutRequest`` holds one.
extension SettingChange: Codable {
  private enum Key: String, CodingKey { case name, value }

  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    self.init(
      name: try fields.decode(String.self, forKey: .name),
      value: try fields.decodeIfPresent(String.self, forKey: .value).map(Secret.init))
  }

  package func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Key.self)
    try fields.encode(name, forKey: .name)
    try fields.encodeIfPresent(value?.reveal(), forKey: .value)
  }
}

extension Rollout {
  /// What two rollouts have in common that come to the same: kind, files, and what is in them
  /// afterwards.
  package var plan: Digest { Self.plan(kind, cluster: cluster, contents) }

  static func plan(_ kind: RolloutKind, cluster: String, _ contents: [MemberContent]) -> Digest {
    .ofFields(
      ["keyturn plan 1", cluster, kind.rawValue]
        + contents.flatMap { [$0.member, $0.path, $0.after?.hex ?? ""] })
  }
}
