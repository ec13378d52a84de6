// SPDX-License-Identifier: Apache-2.0
internal import Rollout

// How a trace names things.

extension World {
  static func describe(_ record: ParticipantRecord) -> String {
    var text = "epoch \(record.highestEpoch)"
    if let active = record.active {
      text += ", \(active.rollout.id.suffix(2)) \(name(active.stage))"
      text += " promised \(active.promised.round)/\(active.promised.proposer)"
    }
    if let last = record.last {
      text += ", last \(last.rollout.id.suffix(2)) \(last.outcome.kind.rawValue)"
    }
    return text
  }

  private static func name(_ stage: ParticipantStage) -> String {
    switch stage {
    case .prepared: "prepared"
    case .accepted(let proposal):
      "accepted \(proposal.decision.rawValue) \(proposal.ballot.round)/\(proposal.ballot.proposer)"
    case .committed: "committed"
    case .watching: "watching"
    }
  }

  static func describe(_ input: ParticipantInput) -> String {
    switch input {
    case .promise(let key, let ballot):
      "promise \(ballot.round)/\(ballot.proposer) for \(key.id.suffix(2))"
    case .accept(let key, let proposal):
      "accept \(proposal.decision.rawValue) \(proposal.ballot.round)/\(proposal.ballot.proposer) for \(key.id.suffix(2))"
    case .decided(let key, let decision, _, _, _):
      "decision \(decision.rawValue) of \(key.id.suffix(2))"
    default: "\(input)"
    }
  }

  static func describe(_ reply: ParticipantReply) -> String {
    switch reply {
    case .promised(let proposal):
      proposal.map {
        "promised, accepted \($0.decision.rawValue) \($0.ballot.round)/\($0.ballot.proposer)"
      } ?? "promised, nothing accepted"
    case .outranked(let ballot): "outranked by \(ballot.round)/\(ballot.proposer)"
    case .ended(let outcome): "ended \(outcome.kind.rawValue)"
    case .accepted, .committed, .neverVoted, .replaced: "\(reply)"
    }
  }
}
