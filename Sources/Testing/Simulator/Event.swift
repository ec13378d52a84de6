internal import Model
internal import Rollout

/// What a request to a member asks for.
enum Request: Hashable {
  case plan
  case clock(isAfterVote: Bool)
  case measure
  case prepare
  case accept(Proposal)
  case decide(Decision, instant: Instant?, bootID: String, reason: String)
  case follow
  case ask(RolloutKey, RecoveryQuestion)
}

/// A request on its way, until it is answered or given up.
struct Call: Hashable {
  var from: Int
  var to: Int
  /// The caller's incarnation (a member) or undertaking (an operator).
  var age: Int
  /// The rollout that it is about; -1 for a plan.
  var rollout: Int
  var request: Request
  var attempt = 0
  var giveUpAt: Int64 = .max
  var sentAt: Int64 = 0
  var isDone = false
}

/// What comes back.
enum Answer: Hashable {
  case plan(epoch: UInt64, file: Int)
  case clock(Instant, boot: Int)
  case vote(Vote, environment: Int)
  case reply(ParticipantReply)
  case view(RestartReport?, Outcome?)
  /// Nobody listens, the connection broke, or no answer came in time.
  case unreachable
  /// The agent answers that it cannot.
  case failed
}

/// What happens next.
enum Event: Hashable {
  case request(call: Int, attempt: Int)
  case answer(call: Int, attempt: Int, Answer)
  case timeout(call: Int, attempt: Int)
  case send(call: Int)
  case wake(member: Int, serial: Int)
  case overdue(member: Int, incarnation: Int, rollout: Int)
  case assessed(member: Int, incarnation: Int, rollout: Int)
  case fire(member: Int, incarnation: Int)
  case sync(member: Int, incarnation: Int)
  case fireFailed(member: Int, incarnation: Int, rollout: Int)
  case watched(member: Int, incarnation: Int, rollout: Int)
  case start(member: Int)
  case timer(operator: Int, undertaking: Int, CoordinatorTimer)
  case begin(operator: Int)
  case fault(Fault)
  case heal
}
