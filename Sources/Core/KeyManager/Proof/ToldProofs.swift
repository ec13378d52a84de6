// SPDX-License-Identifier: Apache-2.0
internal import Model

/// The key proofs that other nodes tell and this one lacks: which are opened, and what it means that some do not open.
/// Pure.
///
/// A proof counts only once this node has opened it. One that does not open is either the Key Manager's fault or that of
/// the node that tells it, and what most nodes tell is the cluster's.
package struct ToldProofs: Sendable, Hashable {
  /// A proof, and who tells it.
  package struct Told: Sendable, Hashable {
    package let proof: KeyProof
    package fileprivate(set) var nodes: [String]
  }

  /// What most nodes tell comes first. No more than ``Limits/toldKeyProofs``.
  package let all: [Told]
  /// How many nodes tell any proof, also of those that this node has.
  private let tellers: Int

  /// - Parameter own: what need not be opened once more.
  package init(_ answers: [(node: String, proofs: KeyProofs)], except own: KeyProofs) {
    var told: [Told] = []
    for answer in answers {
      for proof in answer.proofs.all where !own.all.contains(proof) {
        if let index = told.firstIndex(where: { $0.proof == proof }) {
          told[index].nodes.append(answer.node)
        } else {
          told.append(Told(proof: proof, nodes: [answer.node]))
        }
      }
    }
    told.sort {
      ($1.nodes.count, $0.proof.madeAt, $0.proof.digest)
        < ($0.nodes.count, $1.proof.madeAt, $1.proof.digest)
    }
    all = Array(told.prefix(Limits.toldKeyProofs))
    tellers = answers.count { !$0.proofs.all.isEmpty }
  }

  /// What follows from opening them.
  package enum Verdict: Sendable, Hashable {
    /// Those that open are the cluster's.
    case take
    /// Those that open are the cluster's; these others are of nodes that alone tell them.
    case takeAllBut([Told])
    /// The Key Manager has another key than the cluster has encrypted with.
    case otherKey
  }

  /// - Parameters:
  ///   - unopened: those of them of which a Key Manager said that it has another key.
  ///   - isOwnOpened: whether this node has proofs of its own, which have opened.
  package func verdict(unopened: [Told], isOwnOpened: Bool) -> Verdict {
    if unopened.isEmpty { return .take }
    if !isOwnOpened, unopened.count == all.count { return .otherKey }
    let isCommon = unopened.contains { $0.nodes.count * 2 > tellers }
    return isCommon ? .otherKey : .takeAllBut(unopened)
  }
}
