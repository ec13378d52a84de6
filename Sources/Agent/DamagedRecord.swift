// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// A record that could not be read when the agent started, for who asks what is wrong. Each stands for itself: what
/// one of them held has nothing to do with what another one holds.
struct DamagedRecord: Sendable {
  /// What reads the record, and without it only that is lost.
  enum Kind: String, Sendable, CaseIterable {
    case confirmed
    case drift
    case results
    case proposal
    case collecting
    case proofs

    /// What the node does not know for lack of it, and how that ends.
    fileprivate var remedy: String {
      let consequence =
        switch self {
        case .confirmed:
          "drift is measured against the last generation only; the next confirmed start writes it again"
        case .drift:
          "what was told of drift is told once more; it is written again with the next drift"
        case .results:
          "how earlier rollouts ended is known from the other nodes only; the next rollout writes it again"
        case .proposal:
          "what was proposed on this node is forgotten, nothing is begun with it; propose it again"
        case .collecting:
          "the result of a rollout that ended just before is worked out by the other nodes; the next rollout writes it again"
        case .proofs:
          "the key proofs are taken from the other nodes again, within a minute; where no node has one, none is made: it would vouch for whichever key is there now"
        }
      return "\(consequence), or move /var/lib/keyturn/\(rawValue) away and restart keyturnd"
    }
  }

  let finding: Finding
  /// Nil if nothing is done without it: only a person mends that.
  private let isReadable: (@Sendable () -> Bool)?

  /// One without which nothing may be voted on.
  init(_ refusal: Refusal) {
    finding = Finding(
      .error, rule: "damaged-record", refusal: refusal.code, message: refusal.message,
      remedy: "this node votes on nothing until a person has looked at it")
    isReadable = nil
  }

  /// One that the agent does without, until it is written again.
  init(_ kind: Kind, _ refusal: Refusal, read: @escaping @Sendable () throws(Refusal) -> Void) {
    finding = Finding(
      .warning, rule: "damaged-record", refusal: refusal.code, message: refusal.message,
      remedy: kind.remedy)
    isReadable = {
      do throws(Refusal) {
        try read()
        return true
      } catch { return false }
    }
  }

  /// Whether it is still so. Blocks on the disk.
  var isDamaged: Bool { !(isReadable?() ?? false) }
}
