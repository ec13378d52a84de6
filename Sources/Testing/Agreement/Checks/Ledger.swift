// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// What is known of the rollouts of a run over all members.
struct Ledger {
  private struct Entry {
    var decision: Decision?
    /// Whose yes was durable.
    var yeses = Bits()
    /// Which members know the decision.
    var knowing = Bits()
    var proposals: [Ballot: Decision] = [:]
  }

  private var entries: [Entry] = []
  let members: Int

  init(members: Int) { self.members = members }

  mutating func add() { entries.append(Entry()) }

  func decision(_ rollout: Int) -> Decision? { entries[rollout].decision }
  func isKnown(_ rollout: Int, to member: Int) -> Bool { entries[rollout].knowing.contains(member) }

  /// Takes over what an event has brought.
  mutating func take(_ out: inout Outbox) {
    for yes in out.yeses { entries[yes.rollout].yeses.insert(yes.member) }
    for proposed in out.proposals {
      let before = entries[proposed.rollout].proposals[proposed.ballot]
      if let before, before != proposed.decision {
        out.violate(
          .oneProposal, "ballot \(proposed.ballot) of r\(proposed.rollout) is commit and abort")
      }
      entries[proposed.rollout].proposals[proposed.ballot] = proposed.decision
    }
    for learned in out.learned { learn(learned, &out) }
  }

  private mutating func learn(_ learned: Outbox.Learned, _ out: inout Outbox) {
    let entry = entries[learned.rollout]
    if learned.who < members { entries[learned.rollout].knowing.insert(learned.who) }
    if let decision = entry.decision {
      if decision != learned.decision {
        let rule = learned.who < members ? Rule.oneDecision : .report
        out.violate(
          rule,
          "\(Names.node(learned.who)) learns \(learned.decision) of r\(learned.rollout), which was \(decision)"
        )
      }
      return
    }
    entries[learned.rollout].decision = learned.decision
    if learned.decision == .commit, entry.yeses.count < members {
      out.violate(
        .everyYes,
        "\(Names.node(learned.who)) learns commit of r\(learned.rollout), and not all voted yes")
    }
  }
}
