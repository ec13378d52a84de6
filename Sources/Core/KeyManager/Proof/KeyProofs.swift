// SPDX-License-Identifier: Apache-2.0
package import Crypto
internal import Model

/// The key proofs that a node keeps, of one seal: the first that was ever made, and the newest of each version of the
/// key and each way to it.
package struct KeyProofs: Sendable, Hashable {
  /// The finding of a proof that is missing.
  package static let missingRule = "key-proof-missing"

  /// The oldest first.
  package private(set) var all: [KeyProof]

  /// None yet.
  package init() { all = [] }

  /// Those of `proofs` that belong together with the first of them, as if each had been added.
  package init(_ proofs: some Sequence<KeyProof>) {
    all = []
    for proof in proofs { add(proof) }
  }

  /// Those of the seal. Proofs of one that was lifted say nothing about the key of the next.
  package func of(_ binding: KeyProof.Binding) -> KeyProofs {
    KeyProofs(all.filter { $0.binding == binding })
  }

  /// Adds one. Which are kept does not depend on the order in which they came.
  package mutating func add(_ proof: KeyProof) {
    guard proof.binding == all.first?.binding ?? proof.binding, !all.contains(proof) else { return }
    all.append(proof)
    all.sort { ($0.madeAt, $0.digest) < ($1.madeAt, $1.digest) }
    let first = all[0]
    var newest: [KeyProof] = []
    for proof in all.dropFirst().reversed()
    where newest.count < Limits.keyProofs - 1
      && !newest.contains(where: { $0.version == proof.version && $0.source == proof.source })
    {
      newest.append(proof)
    }
    all = [first] + newest.reversed()
  }

  /// Whether there is one of this version and this way.
  ///
  /// - Parameter version: nil where the Key Manager does not tell.
  package func covers(version: UInt32?, source: KeySource) -> Bool {
    all.contains {
      $0.source == source.digest && (version == nil || $0.version == version)
    }
  }

  /// What tells these from those of another node.
  package var digest: Digest { .ofFields(["keyturn proofs 1"] + all.map(\.digest.hex)) }
}

extension KeyProofs: Codable {
  /// Takes no more than may be kept: they may come from another node.
  package init(from decoder: any Decoder) throws {
    var list = try decoder.unkeyedContainer()
    var proofs: [KeyProof] = []
    while !list.isAtEnd {
      guard proofs.count < Limits.keyProofs else {
        throw DecodingError.dataCorruptedError(
          in: list, debugDescription: "there are more than \(Limits.keyProofs) key proofs")
      }
      proofs.append(try list.decode(KeyProof.self))
    }
    self.init(proofs)
    guard all.count == proofs.count else {
      throw DecodingError.dataCorruptedError(
        in: list, debugDescription: "the key proofs are not of one seal, or one is there twice")
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var list = encoder.unkeyedContainer()
    for proof in all { try list.encode(proof) }
  }
}

/// Who makes a key proof that is missing, and when. Pure.
///
/// A proof is right only if the key was right when it was made. So nobody makes one while a proof that anyone has does
/// not open, or while so many members are silent that they might have one that does not.
package enum KeyProofMaking {
  /// What one of the other members said of its proofs.
  package struct Word: Sendable, Hashable {
    package var node: String
    /// Whether its server runs, is READY, and uses the sealed key: who may make one.
    package var isServing: Bool

    package init(node: String, isServing: Bool) {
      self.node = node
      self.isServing = isServing
    }
  }

  package enum Verdict: Sendable, Hashable {
    /// This node makes it.
    case make
    /// It is another node's task, or not the time; the text says why, for people.
    case wait(String)
  }

  /// What follows where no member that answers has a proof of the key's present version and way.
  ///
  /// - Parameters:
  ///   - members: all, in the inventory's order.
  ///   - isServing: whether this node's server runs, is READY, and uses the sealed key.
  ///   - heard: who answered of the others, sealed with the same seal.
  ///   - missingMilliseconds: how long this node has known that it is missing. After
  ///     ``Limits/keyProofLateMilliseconds`` the next one makes it, then the one after. Two that are made at once are
  ///     both right.
  package static func verdict(
    node: String, isServing: Bool, members: [String], heard: [Word], missingMilliseconds: Int
  ) -> Verdict {
    guard isServing else {
      return .wait("the server of \(node) does not run with the sealed key")
    }
    let answered = heard.count + 1
    guard isEnough(answered, of: members) else {
      return .wait(
        "only \(answered) of \(members.count) nodes tell their proofs, \(majority(of: members)) must"
      )
    }
    let makers = Set(heard.filter(\.isServing).map(\.node) + [node])
    let order = members.filter(makers.contains)
    let turn = min(missingMilliseconds / Limits.keyProofLateMilliseconds, order.count)
    guard let first = order.first, !order.prefix(turn + 1).contains(node) else { return .make }
    return .wait("\(first) makes it")
  }

  /// Whether so many are enough to know what all have: more than half.
  package static func isEnough(_ count: Int, of members: [String]) -> Bool {
    count >= majority(of: members)
  }

  private static func majority(of members: [String]) -> Int { members.count / 2 + 1 }
}
