// SPDX-License-Identifier: Apache-2.0
package import Crypto

/// What a node's own records say of its seal, without asking anybody.
///
/// There are three: the seal; the digest of the last seal that was written, by which a seal that was
/// removed or altered is known; and the seal that a person with root has lifted, which is the old
/// one under another name.
package enum SealRecord: Sendable, Hashable {
  /// Never sealed, or lifted; then with the digest of the seal that was.
  case unsealed(lifted: Digest?)
  case sealed(Seal)
  /// There was one; nobody lifted it.
  case missing
  /// It cannot be read, or is not what was written; the text says which.
  case damaged(String)

  /// Puts the records together.
  ///
  /// - Parameters:
  ///   - seal: the seal, if there is one.
  ///   - written: the digest of the last seal that this node wrote, as far as it is known.
  ///   - lifted: the digest of the seal that was lifted, if one was.
  ///   - cluster: the cluster that this node is in; nil where that is not known.
  package init(seal: Seal?, written: Digest?, lifted: Digest?, cluster: String?) {
    guard let seal else {
      self = written == nil || written == lifted ? .unsealed(lifted: lifted) : .missing
      return
    }
    if let cluster, seal.cluster != cluster {
      self = .damaged("it is of cluster \(seal.cluster), this is \(cluster)")
      return
    }
    // A crash between seal and digest leaves the previous digest: none, or what it is chained to.
    if let written, written != seal.digest, written != seal.previous {
      self = .damaged("it is not the one that this node has written: it was altered")
      return
    }
    self = .sealed(seal)
  }

  /// What a member's records say, by what it tells of them.
  package init(_ view: SealView) {
    if let problem = view.problem {
      self = .damaged(problem)
    } else {
      self = view.seal.map { .sealed($0) } ?? .unsealed(lifted: view.lifted)
    }
  }

  /// The seal, if it may be relied on.
  package var seal: Seal? {
    if case .sealed(let seal) = self { seal } else { nil }
  }

  /// The digest of the seal that was lifted here, while there is no other.
  package var lifted: Digest? {
    if case .unsealed(let lifted) = self { lifted } else { nil }
  }

  /// What is wrong with it, for people.
  package var problem: String? {
    switch self {
    case .unsealed, .sealed: nil
    case .missing: "the seal is missing: the record was removed"
    case .damaged(let text): "the seal is damaged: \(text)"
    }
  }
}
