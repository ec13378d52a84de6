// SPDX-License-Identifier: Apache-2.0
internal import Model

// A proposer of the rounds above 0: what a member in doubt does when the coordinator is silent
// (docs/development/protocol.md, "When the coordinator is gone"; Gray and Lamport 2006, section 4).
//
//   waiting --woke--> promising --a majority--> accepting --a majority--> decided
//      ^                  | no majority in time, outranked  |
//      +------------------+---------------------------------+
//
// It refuses to: propose anything but what the highest ballot among a majority's promises has
// accepted, or abort where none has; commit with a member that says it never voted.
//
// Who never voted promises and accepts nothing, and never will: commit was not proposed then. It
// counts as one that has promised with nothing accepted, and that accepts abort; for commit it
// counts nothing. Where it and an accepted commit are seen together one of the two has lost its
// memory, or it was aborted so long ago that this is forgotten: what a majority really promises
// decides, or a majority that says that it never voted. Abort is proposed with such members only when
// all have answered, or the time for answers is over.
//
// Nothing of it is durable, and no ballot is used twice with effect: a member promises one ballot
// once, so a second majority for it cannot be had.

/// One member's attempts to learn, or to bring about, the decision of a rollout that it is in doubt
/// of. Asks nobody by itself: the ``Participant`` that owns it does.
struct Recovery: Sendable, Hashable {
  private enum Phase: Sendable, Hashable {
    case waiting
    case promising(Ballot)
    case accepting(BallotValue)
  }

  private let member: String
  private let members: [String]
  private let quorum: Quorum
  private let times: RecoveryTimes
  private var phase = Phase.waiting
  /// What a member has answered in this phase.
  private enum Standing: Sendable, Hashable {
    case silent
    /// It has promised, or accepted.
    case given
    case neverVoted
  }

  /// In the order of `members`.
  private var standings: [Standing]
  /// Who has said that it is another incarnation than the one that voted, in the order of `members`.
  private var replacements: [Bool]
  /// The accepted proposal of the highest ballot among this round's promises.
  private var highest: BallotValue?
  /// The highest round that was heard of.
  private var round: UInt32 = 0
  /// Rounds that came to nothing.
  private(set) var failures = 0

  init(member: String, rollout: Rollout, times: RecoveryTimes) {
    self.member = member
    self.times = times
    members = rollout.members
    quorum = Quorum(rollout)
    standings = members.map { _ in .silent }
    replacements = members.map { _ in false }
  }

  /// Everybody else.
  var others: [String] { members.filter { $0 != member } }

  /// Who has not answered the question that is being asked.
  var missing: [String] { zip(members, standings).filter { $0.1 == .silent }.map(\.0) }

  /// Who was replaced since its vote.
  var replaced: [String] { zip(members, replacements).filter(\.1).map(\.0) }

  /// Whether a question is being asked.
  var isAsking: Bool { phase != .waiting }

  /// Begins the next round, above `promised` and whatever was heard of.
  mutating func begin(above promised: Ballot) -> Ballot {
    // At the end of the numbers it is outranked permanently, which is safe.
    round = max(round, promised.round)
    if round < .max { round += 1 }
    let ballot = Ballot(round: round, proposer: member)
    ask(.promising(ballot))
    highest = nil
    return ballot
  }

  /// A member has promised.
  ///
  /// - Returns: what is to be accepted, once a majority has.
  mutating func promised(_ name: String, _ ballot: Ballot, _ accepted: BallotValue?) -> BallotValue?
  {
    guard phase == .promising(ballot) else { return nil }
    if let accepted, highest.map({ $0.ballot < accepted.ballot }) ?? true { highest = accepted }
    note(name, .given)
    return proposal(ballot)
  }

  /// A member has not voted, and never will.
  ///
  /// - Returns: what is to be accepted, once nobody else can say anything.
  mutating func neverVoted(_ name: String, _ ballot: Ballot) -> BallotValue? {
    guard phase == .promising(ballot) else { return nil }
    note(name, .neverVoted)
    return proposal(ballot)
  }

  /// The time for promises is over.
  ///
  /// - Returns: what is to be accepted, if who never voted completes a majority.
  mutating func unheard() -> BallotValue? {
    guard case .promising(let ballot) = phase, isAbortable else { return nil }
    return propose(ballot)
  }

  private mutating func proposal(_ ballot: Ballot) -> BallotValue? {
    if quorum.isReached({ standings[$0] == .given }) { return propose(ballot) }
    return isAbortable && !standings.contains(.silent) ? propose(ballot) : nil
  }

  /// Whether a majority says that it never voted: no commit was ever decided, whoever has accepted one.
  private var isNeverVoted: Bool {
    quorum.isReached { standings[$0] == .neverVoted }
  }

  /// Whether a majority would promise nothing but abort.
  private var isAbortable: Bool {
    isNeverVoted
      || (highest?.decision != .commit && quorum.isReached { standings[$0] != .silent })
  }

  private mutating func propose(_ ballot: Ballot) -> BallotValue {
    let decision = isNeverVoted ? .abort : highest?.decision ?? .abort
    let proposal = BallotValue(ballot: ballot, decision: decision, instant: nil, bootID: "")
    ask(.accepting(proposal))
    return proposal
  }

  /// A member has accepted.
  ///
  /// - Returns: the decision, once a majority has.
  mutating func accepted(_ name: String, _ ballot: Ballot) -> Decision? {
    decision(name, .given, ballot)
  }

  /// A member that has not voted is asked to accept.
  ///
  /// - Returns: the decision, if that is abort and all that can is accepted.
  mutating func neverAccepts(_ name: String, _ ballot: Ballot) -> Decision? {
    decision(name, .neverVoted, ballot)
  }

  private mutating func decision(
    _ name: String, _ standing: Standing, _ ballot: Ballot
  ) -> Decision? {
    guard case .accepting(let proposal) = phase, proposal.ballot == ballot else { return nil }
    note(name, standing)
    let isChosen = quorum.isReached { index in
      standings[index] == .given || (standings[index] == .neverVoted && proposal.decision == .abort)
    }
    return isChosen ? proposal.decision : nil
  }

  /// A member has said that it is another incarnation than the one that voted.
  mutating func isReplaced(_ name: String) {
    if let index = members.firstIndex(of: name) { replacements[index] = true }
  }

  /// Gives way: another ballot was heard of, or the answers did not come.
  mutating func giveWay(to ballot: Ballot?) {
    round = max(round, ballot?.round ?? 0)
    if isAsking { failures += 1 }
    phase = .waiting
  }

  /// When to begin, if nothing is heard of the coordinator until then.
  func afterSilence(_ moment: Moment) -> Instant {
    moment.now.advanced(byMilliseconds: times.silenceMilliseconds + spread(moment))
  }

  /// When the answers must be in.
  func afterQuestion(_ moment: Moment) -> Instant {
    moment.now.advanced(byMilliseconds: times.answerMilliseconds)
  }

  /// When to try again.
  func afterPause(_ moment: Moment) -> Instant {
    let doublings = min(max(failures - 1, 0), 16)
    let pause = min(times.firstPauseMilliseconds << doublings, times.longestPauseMilliseconds)
    return moment.now.advanced(byMilliseconds: pause + spread(moment))
  }

  private func spread(_ moment: Moment) -> Int {
    (members.firstIndex(of: member) ?? 0) * times.rankMilliseconds + moment.jitterMilliseconds
  }

  private mutating func ask(_ next: Phase) {
    phase = next
    for index in standings.indices { standings[index] = .silent }
  }

  private mutating func note(_ name: String, _ standing: Standing) {
    if let index = members.firstIndex(of: name) { standings[index] = standing }
  }
}
