// SPDX-License-Identifier: Apache-2.0
internal import Crypto
package import Model

/// Why a member takes part in nothing: its seal, or the members' together, are not what they must
/// be.
package struct SealProblem: Sendable, Hashable {
  /// What is wrong.
  package enum Kind: String, Sendable, Hashable {
    /// The record cannot be read, or was altered.
    case damaged
    /// The record was removed, or the others are sealed and this member, which is not new, is not.
    case missing
    /// The members' seals are not the same.
    case differs
    /// It was lifted on some members only, or the new one is not chained to it.
    case lifted
    /// The servers run with different keys.
    case keys
    /// It is not known: too few members could be asked.
    case unknown
  }

  package var kind: Kind
  /// On which member, what it means and what to do, for people.
  package var message: String

  /// The no that follows from it.
  package var refusal: Refusal {
    Refusal(kind == .unknown ? .unreachable : .guarded, message)
  }

  package var finding: Finding {
    Finding(
      .error, rule: "seal-\(kind.rawValue)", refusal: refusal.code, variable: "MINIO_KMS_SSE_KEY",
      message: message)
  }
}

/// Where a member stands, by its own records and what the others say.
package enum SealStanding: Sendable, Hashable {
  /// Sealed, and no majority says otherwise.
  case sealed(Seal)
  /// Not sealed, and must be: by a seal that the others have.
  case take(Seal)
  /// Nobody who answered is sealed; these could not be asked.
  case unsealed(silent: [String])
  /// It must not take part in anything.
  case refused(SealProblem)
}

/// Judges a member's seal beside the others'. Pure.
///
/// It refuses, and never mends, what a crash cannot explain: a record that was removed, altered, or
/// is another than the majority's. Those are for `keyturn seal recover`.
package enum SealJudgement {
  /// Where a member stands.
  ///
  /// - Parameters:
  ///   - own: what the member would tell the others.
  ///   - record: what its own records say.
  ///   - peers: every other member.
  package static func standing(
    own: SealView, record: SealRecord, peers: [PeerSeal]
  ) -> SealStanding {
    let holders = Holders(peers)
    switch record {
    case .damaged, .missing:
      return refused(
        record == .missing ? .missing : .damaged, "\(own.problem ?? ""); \(recover(own.node))")
    case .sealed(let seal):
      return standing(of: own.node, seal, holders, majority: (peers.count + 1) / 2 + 1)
    case .unsealed(let lifted):
      if holders.groups.isEmpty {
        return .unsealed(silent: peers.filter { $0.view == nil }.map(\.node))
      }
      return standing(ofUnsealed: own, lifted, holders, peers)
    }
  }

  private static func standing(
    of node: String, _ seal: Seal, _ holders: Holders, majority: Int
  ) -> SealStanding {
    let others = holders.groups.filter { $0.digest != seal.digest }
    let same = 1 + (holders.groups.first { $0.digest == seal.digest }?.nodes.count ?? 0)
    if others.isEmpty || same >= majority { return .sealed(seal) }
    if let group = others.first(where: { $0.nodes.count >= majority }) {
      return refused(
        .differs,
        "\(node) is sealed with \(seal.text), and the majority (\(group.text)): \(recover(node))")
    }
    return refused(
      .differs,
      "\(node) is sealed with \(seal.text), \(holders.text), and no seal has a majority; find out which is right, docs/use/seal.md, \"The seal\""
    )
  }

  private static func standing(
    ofUnsealed own: SealView, _ lifted: Digest?, _ holders: Holders, _ peers: [PeerSeal]
  ) -> SealStanding {
    guard holders.groups.count == 1, let group = holders.groups.first else {
      return refused(
        .differs,
        "the members' seals differ: \(holders.text); find out which is right, docs/use/seal.md, \"The seal\""
      )
    }
    let seal = group.seal
    if seal.digest == lifted {
      return refused(
        .lifted,
        "the seal was lifted on \(own.node), and not on the others (\(group.text)): lift it there too, or, if it was not meant: keyturn seal recover \(own.node)"
      )
    }
    if let lifted, seal.previous != lifted {
      return refused(
        .lifted,
        "the seal of the others (\(group.text)) does not follow the one that was lifted on \(own.node); \(recover(own.node))"
      )
    }
    if own.pending?.digest == seal.digest { return .take(seal) }
    if seal.isAdopted, let key = own.runningKey {
      if key == seal.key { return .take(seal) }
      return refused(
        .keys,
        "the server of \(own.node) runs with key \(key.text), and the others are sealed (\(group.text)): start it with the sealed key"
      )
    }
    if !own.isNew {
      return refused(
        .missing,
        "the others are sealed (\(group.text)), and \(own.node), which is not new, has no seal; \(recover(own.node))"
      )
    }
    if group.nodes.count >= majority(ofOthers: peers.count) { return .take(seal) }
    return refused(
      .unknown,
      "\(own.node) joins, and takes the seal when more than half of the other members say the same: \(group.text)\(silent(peers)); try again"
    )
  }

  /// Why a member must not take part in a rollout, by what all members say of their seals; nil if
  /// nothing is against it.
  ///
  /// - Parameter key: the key that its server would run with; nil without one.
  package static func refusal(
    own: SealView, record: SealRecord, key: KeyIdentity?, peers: [PeerSeal]
  ) -> Refusal? {
    switch standing(own: own, record: record, peers: peers) {
    // What it takes it takes before it votes.
    case .sealed, .take: return nil
    case .refused(let problem): return problem.refusal
    case .unsealed(let silent):
      if case .refused(let problem) = Adoption(
        own: own, peers: peers, cluster: "", realtimeMicroseconds: 0)
      {
        return problem.refusal
      }
      if silent.isEmpty || key == nil { return nil }
      return Refusal(
        .unreachable,
        "\(own.node) is not sealed, and whether \(silent.joined(separator: ", ")) are is not known: see that every agent runs and has the same version, and plan again"
      )
    }
  }

  /// The seal that a member's peers give it, by the command for it: all that are sealed have the
  /// same, and they are more than half of them.
  package static func recovery(of node: String, peers: [PeerSeal]) throws(Refusal) -> Seal {
    let holders = Holders(peers)
    let attempt = "recover the seal of \(node)"
    guard let group = holders.groups.first else {
      throw Refusal(
        .guarded,
        "\(attempt): no other member that answers is sealed\(silent(peers)); see docs/use/seal.md, \"The seal\""
      )
    }
    if holders.groups.count > 1 {
      throw Refusal(
        .guarded,
        "\(attempt): the other members' seals differ: \(holders.text); find out which is right, docs/use/seal.md, \"The seal\""
      )
    }
    let lifted = peers.compactMap(\.view).filter { $0.lifted == group.digest }.map(\.node)
    if !lifted.isEmpty {
      throw Refusal(
        .guarded,
        "\(attempt): the seal of the others was lifted on \(lifted.joined(separator: ", ")); lift it everywhere or recover it there first"
      )
    }
    let needed = majority(ofOthers: peers.count)
    if group.nodes.count < needed {
      throw Refusal(
        .guarded,
        "\(attempt): \(needed) of the \(peers.count) other members must have the same seal, and these are too few: \(group.text)\(silent(peers)); docs/use/seal.md, \"The seal\""
      )
    }
    return group.seal
  }

  /// What a rollout must carry: the seal that this member's environment needs, if it has none, and
  /// none if it has one.
  ///
  /// - Parameters:
  ///   - key: the key that the server would run with; nil without one.
  ///   - record: the member's own.
  /// - Returns: what is wrong with the rollout's; nil if nothing is.
  package static func problem(
    with rollout: Rollout, key: KeyIdentity?, record: SealRecord, node: String
  ) -> Refusal? {
    func refusal(_ text: String) -> Refusal {
      Refusal(.vote, "\(node) \(text); plan again")
    }
    guard let seal = rollout.seal else {
      return record.seal == nil && key != nil
        ? refusal("would run with an SSE key that is not sealed, and the rollout does not seal it")
        : nil
    }
    if record.seal != nil { return refusal("is sealed, and the rollout would seal again") }
    guard let key else {
      return refusal("would run without an SSE key, and the rollout would seal \(seal.text)")
    }
    if seal.key != key {
      return refusal("would run with key \(key.text), and the rollout would seal \(seal.text)")
    }
    if seal.cluster != rollout.cluster || seal.rollout != rollout.id {
      return refusal("is asked for a seal of another rollout or cluster")
    }
    // A member that is new does not know what was before.
    if let lifted = record.lifted, seal.previous != lifted {
      return refusal("is asked for a seal that does not follow the one that was lifted here")
    }
    return nil
  }

  private static func silent(_ peers: [PeerSeal]) -> String {
    let names = peers.filter { $0.view == nil }.map(\.node)
    return names.isEmpty ? "" : ", and no answer from \(names.joined(separator: ", "))"
  }

  private static func majority(ofOthers count: Int) -> Int { count / 2 + 1 }

  private static func recover(_ node: String) -> String {
    "\(node) takes part in no rollout until `keyturn seal recover \(node)` takes the seal from the others"
  }

  private static func refused(_ kind: SealProblem.Kind, _ message: String) -> SealStanding {
    .refused(SealProblem(kind: kind, message: message))
  }

  /// Who has which seal.
  private struct Holders {
    struct Group {
      let seal: Seal
      let digest: Digest
      var nodes: [String]
      var text: String { "\(nodes.joined(separator: ", ")): \(seal.text)" }
    }

    /// In the order of the peers; the largest is not first.
    private(set) var groups: [Group] = []

    init(_ peers: [PeerSeal]) {
      for view in peers.compactMap(\.view) {
        guard let seal = view.seal else { continue }
        let digest = seal.digest
        if let index = groups.firstIndex(where: { $0.digest == digest }) {
          groups[index].nodes.append(view.node)
        } else {
          groups.append(Group(seal: seal, digest: digest, nodes: [view.node]))
        }
      }
    }

    var text: String { groups.map(\.text).joined(separator: "; ") }
  }
}
