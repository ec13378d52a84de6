// SPDX-License-Identifier: Apache-2.0
package import Crypto

/// What a member says of its seal and its key, to its peers and to operators. No secret is in it.
package struct SealView: Sendable, Codable, Hashable {
  package var node: String
  /// A digest over the names of its inventory's nodes: whoever counts members must count the same.
  package var members: Digest
  /// Its seal, if it has one that may be relied on.
  package var seal: Seal?
  /// What is wrong with its record; nil if nothing is.
  package var problem: String?
  /// The digest of the seal that was lifted there, while it has no other.
  package var lifted: Digest?
  /// The seal of a committed rollout whose start was not confirmed there, while it has none.
  package var pending: Seal?
  /// The key of its server's process; nil if that runs without one or is not READY.
  package var runningKey: KeyIdentity?
  /// Why its server's key is not known; nil if it is.
  package var keyProblem: String?
  /// Whether its server is READY.
  package var isServing: Bool
  /// Whether it holds a vote or has not finished a rollout yet.
  package var isInRollout: Bool
  /// Whether it joins: it has never been in a committed rollout and has no generation.
  package var isNew: Bool

  package init(
    node: String, members: Digest, seal: Seal? = nil, problem: String? = nil,
    lifted: Digest? = nil, pending: Seal? = nil, runningKey: KeyIdentity? = nil,
    isServing: Bool = false, isInRollout: Bool = false, isNew: Bool = false
  ) {
    self.isNew = isNew
    self.node = node
    self.members = members
    self.seal = seal
    self.problem = problem
    self.lifted = lifted
    self.pending = pending
    self.runningKey = runningKey
    self.isServing = isServing
    self.isInRollout = isInRollout
  }

  /// What ``members`` is: a digest over the sorted names.
  package static func digest(ofMembers names: [String]) -> Digest {
    .ofFields(["keyturn members 1"] + names)
  }
}

/// One of the other members, asked for its seal.
package enum PeerSeal: Sendable, Hashable {
  /// It said this.
  case answered(SealView)
  /// It could not be asked; the text says what happened.
  case silent(node: String, reason: String)

  package var view: SealView? {
    if case .answered(let view) = self { view } else { nil }
  }

  package var node: String {
    switch self {
    case .answered(let view): view.node
    case .silent(let node, _): node
    }
  }
}

extension [SealView] {
  /// What these say to one of the members: every other one, in the order of `members`.
  package func peers(of node: String, members: [String]) -> [PeerSeal] {
    members.filter { $0 != node }.map { name in
      first { $0.node == name }.map { .answered($0) }
        ?? .silent(node: name, reason: "the plan has no word of it")
    }
  }

  /// Who has a seal.
  package func holders(of seal: Seal) -> [String] {
    let digest = seal.digest
    return filter { $0.seal?.digest == digest }.map(\.node)
  }
}
