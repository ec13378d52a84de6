// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Linux
internal import Model
internal import Rollout
internal import Threads

// What a member in doubt does with the others: carries out the Participant's `wake` and `ask`, and
// feeds the answers back. Which question is asked, and what follows from an answer, is the machine's
// (Core/Rollout/Commit/Recovery.swift).
extension Member {
  /// How long a decision is told to a member that does not answer, milliseconds. A member that is away for longer asks
  /// when it is back.
  private static let tellMilliseconds = 30_000
  private static let withoutThreadMilliseconds = 1_000
  private static let firstPauseMilliseconds = 50
  private static let longestPauseMilliseconds = 2_000

  /// Does not block. A wake whose instant comes while another rollout's is being set must not end that
  /// one: it counts only while it is the last that was set.
  func wake(at instant: Instant) {
    do throws(Errno) {
      try alarm.set(instant) { [self] setting in
        perform(.woke) { [self] in alarm.last == setting }
      }
    } catch {
      site.log(.error, "\(site.node): \(error)")
      // Too early costs a round that comes to nothing; never would leave the member in doubt.
      let setting = alarm.last
      site.carryOn("alarm") { [self] in
        Clock.sleep(until: min(instant, .inMilliseconds(Self.withoutThreadMilliseconds)))
        perform(.woke) { [self] in alarm.last == setting }
      }
    }
  }

  /// Asks another member, on a thread of ``Peers``. Does not block.
  func ask(_ member: String, _ key: RolloutKey, _ question: RecoveryQuestion) {
    state.update { $0.question = question }
    switch question {
    case .promise, .accept:
      ask(
        member, key, question, due: Clock.now(), deadline: .inMilliseconds(times.answerMilliseconds)
      )
    case .decide:
      tell(
        member, key, question, due: Clock.now(), until: .inMilliseconds(Self.tellMilliseconds),
        pause: Self.firstPauseMilliseconds)
    }
  }

  /// Once: a member that has promised a ballot does not promise it again.
  private func ask(
    _ member: String, _ key: RolloutKey, _ question: RecoveryQuestion, due: Instant,
    deadline: Instant
  ) {
    site.peers.ask(
      AgentRequest<ReplyAnswer>.question(question, key), of: member, .now, due: due,
      deadline: deadline, isWanted: { [self] in state.withLock { $0.question } == question }
    ) { [self] answer in
      guard let reply = reply(answer, of: member, key) else { return }
      perform(.answered(member: member, key, question, reply))
    }
  }

  /// What a member has answered; nil if it did not, or with a round that no proposer can have got to:
  /// whoever went above it would be taken at its word by nobody.
  private func reply(
    _ answer: Result<ReplyAnswer, LinkFailure>, of member: String, _ key: RolloutKey
  ) -> ParticipantReply? {
    guard let reply = try? answer.get().participantReply else { return nil }
    let ballot: Ballot?
    switch reply {
    case .outranked(let promised): ballot = promised
    case .promised(let proposal): ballot = proposal?.ballot
    case .accepted, .committed, .ended, .neverVoted, .replaced: ballot = nil
    }
    if ballot?.isPlausible ?? true { return reply }
    site.log(
      .warning,
      "\(member) tells a round of rollout \(key.id) that no proposer can have got to; its answer is not counted"
    )
    return nil
  }

  /// Repeatedly until it hears: its answer does not matter any more, but that it knows.
  private func tell(
    _ member: String, _ key: RolloutKey, _ question: RecoveryQuestion, due: Instant,
    until end: Instant, pause: Int
  ) {
    let deadline = due.advanced(byMilliseconds: times.answerMilliseconds)
    site.peers.ask(
      AgentRequest<ReplyAnswer>.question(question, key), of: member, .now, due: due,
      deadline: deadline
    ) { [self] answer in
      if let reply = reply(answer, of: member, key) {
        perform(.answered(member: member, key, question, reply))
        return
      }
      let next = Instant.inMilliseconds(pause)
      if next >= end { return }
      tell(
        member, key, question, due: next, until: end,
        pause: min(2 * pause, Self.longestPauseMilliseconds))
    }
  }
}

extension AgentRequest where Answer == ReplyAnswer {
  /// What a member in doubt asks another.
  fileprivate static func question(_ question: RecoveryQuestion, _ key: RolloutKey) -> Self {
    switch question {
    case .promise(let ballot):
      .promise(
        id: key.id,
        PromiseRequest(epoch: key.epoch, incarnation: key.addressee, ballot: ballot))
    case .accept(let proposal):
      .accept(
        id: key.id,
        AcceptRequest(epoch: key.epoch, incarnation: key.addressee, proposal: proposal))
    case .decide(let decision, let reason):
      .decide(
        id: key.id,
        DecisionRequest(
          epoch: key.epoch, incarnation: key.addressee, decision: decision, instant: nil,
          bootID: "", reason: reason))
    }
  }
}
