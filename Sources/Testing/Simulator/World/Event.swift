// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// What a request to a member asks for.
enum Request: Hashable {
  case plan(PlanKind)
  case clock(isAfterVote: Bool)
  case measure
  case prepare
  case accept(BallotValue)
  case decide(Decision, instant: Instant?, bootID: String, reason: String)
  case follow
  case ask(RolloutKey, RecoveryQuestion)
  /// The outcome there, and the result.
  case outcome
  case settle(RolloutResult)
  case tell(MemberProposal)
}

/// A request on its way, until it is answered or given up.
struct Call: Hashable {
  var from: Int
  var to: Int
  /// The run of the caller's agent, unless it is an undertaking that calls.
  var age = 0
  /// The rollout that it is about; -1 for a plan.
  var rollout: Int
  var request: Request
  var attempt = 0
  var giveUpAt: Int64 = .max
  var sentAt: Int64 = 0
  var isDone = false
  /// -1: an agent itself calls.
  var undertaking = -1
}

enum Answer: Hashable {
  case plan(PlanView)
  case clock(Instant, boot: Int)
  case vote(Vote, environment: Int)
  case reply(ParticipantReply)
  case view(RestartReport?, Outcome?, RolloutResult?)
  case statement(MemberProposal)
  /// Nobody listens, the connection broke, or the answer was late.
  case unreachable
  /// The agent answers that it cannot.
  case failed
}

enum Event: Hashable {
  case request(call: Int, attempt: Int)
  case answer(call: Int, attempt: Int, Answer)
  case timeout(call: Int, attempt: Int)
  case send(call: Int)
  case wake(member: Int, serial: Int)
  case overdue(member: Int, run: Int, rollout: Int)
  case assessed(member: Int, run: Int, rollout: Int)
  case fire(member: Int, run: Int)
  case sync(member: Int, run: Int)
  case fireFailed(member: Int, run: Int, rollout: Int)
  case watched(member: Int, run: Int, rollout: Int)
  case start(member: Int)
  case release(member: Int, run: Int)
  case timer(undertaking: Int, CoordinatorTimer)
  case sign(undertaking: Int)
  case planned(call: Int, attempt: Int, run: Int)
  case collect(member: Int, serial: Int, rollout: Int)
  case sumUp(member: Int, run: Int, rollout: Int)
  case intend(member: Int, serial: Int)
  case beginSettings(member: Int, run: Int, proposal: Int)
  case propose(member: Int, proposal: Int)
  case withdraw(member: Int)
  case begin(operator: Int)
  case fault(Fault)
  case heal
}
