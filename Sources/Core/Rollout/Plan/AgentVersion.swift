// SPDX-License-Identifier: Apache-2.0
package import Model

/// The versions of the rollout protocol that a program speaks (docs/development/versions.md).
package struct ProtocolRange: Sendable, Codable, Hashable {
  @Bounded<Bounds.Count> package var oldest: Int
  @Bounded<Bounds.Count> package var newest: Int

  package init(_ oldest: Int, _ newest: Int) {
    self.oldest = oldest
    self.newest = newest
  }

  /// This program's.
  package static let own = ProtocolRange(Version.oldestProtocol, Version.newestProtocol)
  /// Of an agent that tells none: it is from before there was more than one.
  package static let untold = ProtocolRange(1, 1)

  /// `rollout protocol 1`, `rollout protocols 1 to 2`.
  package var text: String {
    oldest == newest ? "rollout protocol \(oldest)" : "rollout protocols \(oldest) to \(newest)"
  }

  /// The newest that all of them speak; nil if there is none.
  package static func common(_ ranges: [ProtocolRange]) -> Int? {
    guard let oldest = ranges.map(\.oldest).max(), let newest = ranges.map(\.newest).min(),
      oldest <= newest
    else { return nil }
    return newest
  }
}

/// What an agent tells of its own program.
package struct AgentVersion: Sendable, Codable, Hashable {
  /// MAJOR.MINOR.PATCH+COMMIT (semver.org), at most ``Limits/versionBytes``; for people.
  package var text: String
  package var protocols: ProtocolRange

  package init(_ text: String, _ protocols: ProtocolRange = .own) {
    self.text = text
    self.protocols = protocols
  }

  /// What a peer tells; the text is cut.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    text = try container.decode(String.self, forKey: .text).cut(toBytes: Limits.versionBytes)
    protocols = try container.decode(ProtocolRange.self, forKey: .protocols)
  }
}

/// The version of the protocol that a rollout is carried out by. Any number is decoded: that of a rollout which has ended
/// keeps no record from being read.
package struct RolloutProtocol: Sendable, Codable, Hashable {
  package let number: Int

  /// Nil for the first version, which rollouts do not name.
  package init?(_ number: Int) {
    if number == 1 { return nil }
    self.number = number
  }

  package init(from decoder: any Decoder) throws {
    number = try decoder.singleValueContainer().decode(Bounded<Bounds.Count>.self).wrappedValue
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(number)
  }
}

extension Rollout {
  /// Why a program that speaks these versions takes no part in it; nil if it does.
  package func problem(speaking range: ProtocolRange = .own) -> String? {
    let number = `protocol`?.number ?? 1
    if range.oldest <= number, number <= range.newest { return nil }
    return
      "rollout \(id) is carried out by protocol \(number), and this program speaks \(range.text): install the Keyturn that began it"
  }
}

extension Collection where Element == (name: String, version: AgentVersion?) {
  /// Who speaks which versions of the protocol, where no rollout can be carried out by all of them; nil if one can.
  ///
  /// - Parameter own: of the program that would coordinate it; nil if it is none of ours to say.
  package func protocolDifference(with own: ProtocolRange?) -> String? {
    let ranges = map { $0.version?.protocols ?? .untold }
    if isEmpty || ProtocolRange.common(ranges + [own].compactMap(\.self)) != nil { return nil }
    let groups = NodeNames.grouped(
      map { row in
        let range = row.version?.protocols ?? .untold
        let text = row.version?.text ?? "of an older version"
        return (name: row.name, value: "keyturnd \(text), \(range.text)")
      })
    let texts =
      groups.map { "\(NodeNames.folded($0.names)): \($0.value)" }
      + [own].compactMap { $0.map { "this program: \($0.text)" } }
    return
      "the versions of Keyturn have no rollout protocol in common (\(texts.joined(separator: "; "))): install the same on all hosts, docs/use/upgrade.md"
  }
}
