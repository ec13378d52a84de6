// SPDX-License-Identifier: Apache-2.0
internal import Crypto
internal import Model

/// The key proofs that other nodes tell and this one lacks: which are opened, and what it means that some do not open.
/// Pure.
///
/// A proof counts only once this node has opened it. One that does not open is either the Key Manager's fault or that of
/// the node that tells it, and what most nodes tell is the cluster's: one node must not be able to stop the others.
package struct ToldProofs: Sendable, Hashable {
  /// A proof, and who tells it.
  package struct Told: Sendable, Hashable {
    package let proof: KeyProof
    package fileprivate(set) var nodes: [String]
  }

  /// What most nodes tell comes first. No more than ``Limits/toldKeyProofs``.
  package let all: [Told]
  /// How many nodes were heard, also those that tell none.
  private let heard: Int

  /// - Parameters:
  ///   - answers: of every node that answered.
  ///   - own: what need not be opened once more.
  ///   - now: microseconds since 1970-01-01 UTC. What says that it was made a day later is not taken: it would be the
  ///     newest without end.
  package init(
    _ answers: [(node: String, proofs: KeyProofs)], except own: KeyProofs, at now: Int64
  ) {
    let latest = now.addingClamped(Limits.keyProofFutureMicroseconds)
    var told: [Told] = []
    for answer in answers {
      for proof in answer.proofs.all where !own.all.contains(proof) && proof.madeAt <= latest {
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
    heard = answers.count
  }

  /// What more than half of the nodes tell that were heard: what a node without any goes by at a vote.
  package var common: [KeyProof] {
    all.filter { $0.nodes.count * 2 > heard }.prefix(Limits.keyProofs).map(\.proof)
  }

  /// What follows from opening them.
  package enum Verdict: Sendable, Hashable {
    /// No Key Manager has opened one, or has another key: nothing new is known.
    case silence
    /// These are the cluster's. With `isAll` there are no others.
    case take([KeyProof], isAll: Bool)
    /// Those that open are the cluster's; others do not, and few nodes tell them.
    case doubt([Told], take: [KeyProof])
    /// A Key Manager has another key than the cluster has encrypted with.
    case otherKey
  }

  /// - Parameters:
  ///   - reports: of a look that has opened all of them.
  ///   - isOwnOpened: whether this node has proofs of its own, which have opened.
  package func verdict(_ reports: [EndpointReport], isOwnOpened: Bool) -> Verdict {
    let openings = reports.flatMap(\.addresses).map(\.openings)
    let (right, wrong) = (
      Set(openings.flatMap(\.opened)), Set(openings.flatMap(\.other))
    )
    let unopened = all.filter { wrong.contains($0.proof.digest) }
    let opened = all.map(\.proof).filter { right.contains($0.digest) && !wrong.contains($0.digest) }
    if unopened.isEmpty {
      return opened.isEmpty ? .silence : .take(opened, isAll: opened.count == all.count)
    }
    // Nodes that tell different ones have all encrypted with a key that is not there.
    let tellers = Set(unopened.flatMap(\.nodes))
    let isCommon = tellers.count * 2 > heard + (isOwnOpened ? 1 : 0)
    return isCommon ? .otherKey : .doubt(unopened, take: opened)
  }
}
