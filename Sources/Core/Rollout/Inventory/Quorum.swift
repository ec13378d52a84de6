// SPDX-License-Identifier: Apache-2.0

/// Which members of a rollout are enough to choose its decision: more than half of all, and where the members change
/// more than half of those before and more than half of those after. Two of them always have a member in common.
struct Quorum: Sendable, Hashable {
  private struct Part: Hashable {
    /// Of whom the half is counted, also who does not take part.
    var size: Int
    /// Those that take part, by their places among the rollout's members; nil for all.
    var indices: [Int]?
  }

  private let parts: [Part]
  private let count: Int

  init(_ rollout: Rollout) {
    count = rollout.contents.count
    guard let change = rollout.change else {
      parts = [Part(size: count, indices: nil)]
      return
    }
    func part(_ names: [String]) -> Part {
      let names = Set(names)
      return Part(
        size: names.count,
        indices: rollout.contents.indices.filter { names.contains(rollout.contents[$0].member) })
    }
    parts = [part(change.former), part(change.latter)]
  }

  /// Whether the members at the places for which `isCounted` holds are enough.
  func isReached(_ isCounted: (Int) -> Bool) -> Bool {
    parts.allSatisfy { part in
      let counted = part.indices?.count(where: isCounted) ?? (0..<count).count(where: isCounted)
      return 2 * counted > part.size
    }
  }
}

extension Rollout {
  /// Whether the members for which it holds can choose the decision.
  package func isQuorum(_ isCounted: (String) -> Bool) -> Bool {
    Quorum(self).isReached { isCounted(contents[$0].member) }
  }

  /// Who must be connected so that a member in doubt learns the decision; for people.
  package var quorumText: String {
    guard let change else { return "\(majority) of the \(members.count) nodes" }
    return
      "\(change.former.count / 2 + 1) of the \(change.former.count) nodes before the change and \(change.latter.count / 2 + 1) of the \(change.latter.count) after it"
  }
}
