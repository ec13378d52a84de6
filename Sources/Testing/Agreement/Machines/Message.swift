// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// A message under way.
struct Message: Hashable, Sendable {
  let rollout: Int
  /// A member's place, or a coordinator's (``Names/firstCoordinator``).
  let from: Int
  let to: Int
  /// The life of the agent that asks, as it counts them: an answer to an earlier one reaches nobody.
  var run = 0
  let content: Content

  indirect enum Content: Hashable, Sendable {
    case prepare
    case heartbeat
    case accept(BallotValue)
    case decide(Decision, Instant?, bootID: String)
    /// A member in doubt asks.
    case ask(RecoveryQuestion)
    /// To a member in doubt.
    case answer(RecoveryQuestion, ParticipantReply)
    /// To a coordinator: the vote.
    case vote(Vote)
    case acceptAnswer(ParticipantReply)
    case decideAnswer(Decision, ParticipantReply)
    /// To a coordinator that follows the member: what it would hear next.
    case view(RestartReport?, Outcome?)
    /// A coordinator's call was lost: it notices.
    case lost(Call)
  }

  /// What a coordinator notices the loss of.
  enum Call: Hashable, Sendable {
    case prepare
    case abort
  }
}

/// What follows from one event, as all others see it.
struct Outbox {
  var messages: [Message] = []
  /// Who knows a decision now, as far as it is new there.
  var learned: [Learned] = []
  /// The members' votes that are durable now.
  var yeses: [Yes] = []
  /// What was proposed to be accepted.
  var proposals: [Proposed] = []
  /// The first thing that is broken.
  var violation: Violation?

  struct Learned: Hashable { var rollout: Int, decision: Decision, who: Int }
  struct Yes: Hashable { var rollout: Int, member: Int }
  struct Proposed: Hashable { var rollout: Int, ballot: Ballot, decision: Decision }

  mutating func violate(_ rule: Rule, _ text: @autoclosure () -> String) {
    if violation == nil { violation = Violation(rule: rule, text: text()) }
  }

  mutating func clear() {
    messages.removeAll(keepingCapacity: true)
    learned.removeAll(keepingCapacity: true)
    yeses.removeAll(keepingCapacity: true)
    proposals.removeAll(keepingCapacity: true)
  }
}

/// What goes wrong in one event of a member.
struct Mishap {
  /// The agent dies before this effect or step, counted from 0; nil if it does not.
  var death: Int?
  var write = Write.good

  enum Write {
    case good
    /// It fails.
    case fails
    /// It fails, and is there all the same.
    case failsLate
  }

  static let none = Mishap()

  /// Whether the agent dies here.
  mutating func strikes() -> Bool {
    guard let left = death else { return false }
    death = left - 1
    return left == 0
  }
}
