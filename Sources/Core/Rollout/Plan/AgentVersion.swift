// SPDX-License-Identifier: Apache-2.0
package import Model

/// The versions of the rollout protocol that a program speaks (docs/development/versions.md). One that no program can
/// have is not made: neither here, nor of what a peer tells.
package struct ProtocolRange: Sendable, Codable, Hashable {
  package let oldest: Int
  package let newest: Int

  package init(_ oldest: Int, _ newest: Int) {
    precondition(Self.isPossible(oldest, newest), "a program speaks one protocol at least")
    (self.oldest, self.newest) = (oldest, newest)
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let oldest = try container.decode(Int.self, forKey: .oldest)
    let newest = try container.decode(Int.self, forKey: .newest)
    guard Self.isPossible(oldest, newest) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "no program speaks these"))
    }
    (self.oldest, self.newest) = (oldest, newest)
  }

  private static func isPossible(_ oldest: Int, _ newest: Int) -> Bool {
    1 <= oldest && oldest <= newest && newest <= Limits.protocolNumber
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
  /// Nil where a peer has told what no program speaks.
  package var protocols: ProtocolRange?

  package init(_ text: String, _ protocols: ProtocolRange = .own) {
    self.text = text
    self.protocols = protocols
  }

  /// What a peer tells; the text is cut.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    text = try container.decode(String.self, forKey: .text).cut(toBytes: Limits.versionBytes)
    // The rest of the answer stays readable, so that the host is named by what is wrong with it.
    protocols = try? container.decode(ProtocolRange.self, forKey: .protocols)
  }
}

extension AgentVersion? {
  /// What the agent speaks; nil where it tells what cannot be.
  package var protocols: ProtocolRange? {
    switch self {
    case nil: .untold
    case let version?: version.protocols
    }
  }

  /// Why no rollout can have this agent's vote, to be read after its name; nil if one can.
  package var protocolProblem: String? {
    guard protocols == nil else { return nil }
    return
      "its agent (keyturnd \(self?.text ?? "")) tells versions of the rollout protocol that no program speaks: install Keyturn there again; docs/use/upgrade.md says how the others go on without it"
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
  /// Those that tell what cannot be are not counted (``Optional/protocolProblem``).
  ///
  /// - Parameter own: of the program that would coordinate it.
  package func protocolDifference(with own: ProtocolRange) -> String? {
    let told = compactMap { row in
      row.version.protocols.map { (name: row.name, text: row.version?.text, range: $0) }
    }
    if told.isEmpty || ProtocolRange.common(told.map(\.range) + [own]) != nil { return nil }
    let groups = NodeNames.grouped(
      told.map { row in
        (
          name: row.name,
          value: "keyturnd \(row.text ?? "of an older version"), \(row.range.text)"
        )
      })
    let texts =
      groups.map { "\(NodeNames.folded($0.names)): \($0.value)" } + ["this program: \(own.text)"]
    return
      "the versions of Keyturn have no rollout protocol in common (\(texts.joined(separator: "; "))): install the same on all hosts, docs/use/upgrade.md"
  }
}

extension RolloutProtocol {
  /// The one that a rollout of these members is carried out by; nil for the first.
  ///
  /// - Throws: a refusal where they and the program that coordinates have none in common.
  package static func agreed(
    by members: [(name: String, version: AgentVersion?)], with own: ProtocolRange
  ) throws(Refusal) -> RolloutProtocol? {
    for member in members {
      if let problem = member.version.protocolProblem {
        throw Refusal(.vote, "\(member.name): \(problem)")
      }
    }
    if let difference = members.protocolDifference(with: own) {
      throw Refusal(.vote, difference)
    }
    return ProtocolRange.common(members.compactMap(\.version.protocols) + [own])
      .flatMap { RolloutProtocol($0) }
  }
}
