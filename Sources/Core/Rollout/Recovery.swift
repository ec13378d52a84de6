internal import Model

// A proposer of the rounds above 0: what a member in doubt does when the coordinator is silent
// (docs/protocol.md, "When the coordinator is gone"; Gray and Lamport 2006, section 4).
//
//   waiting --woke--> promising --a majority--> accepting --a majority--> decided
//      ^                  | no majority in time, outranked  |
//      +------------------+---------------------------------+
//
// It refuses to: propose anything but what the highest ballot among a majority's promises has
// accepted, or abort where none has.
//
// Nothing of it is durable, and no ballot is used twice with effect: a member promises one ballot
// once, so a second majority for it cannot be had.

/// One member's attempts to learn, or to bring about, the decision of a rollout that it is in doubt
/// of. Asks nobody by itself: the ``Participant`` that owns it does.
struct Recovery: Sendable, Hashable {
  private enum Phase: Sendable, Hashable {
    case waiting
    case promising(Ballot)
    case accepting(Proposal)
  }

  private let member: String
  private let members: [String]
  private let times: RecoveryTimes
  private var phase = Phase.waiting
  /// Who has answered in this phase, in the order of `members`.
  private var hasAnswered: [Bool]
  /// The accepted proposal of the highest ballot among this round's promises.
  private var highest: Proposal?
  /// The highest round that was heard of.
  private var round: UInt32 = 0
  /// Rounds that came to nothing.
  private(set) var failures = 0

  init(member: String, rollout: Rollout, times: RecoveryTimes) {
    self.member = member
    self.times = times
    members = rollout.members
    hasAnswered = members.map { _ in false }
  }

  /// Everybody else.
  var others: [String] { members.filter { $0 != member } }

  /// Who has not answered the question that is being asked.
  var missing: [String] { zip(members, hasAnswered).filter { !$0.1 }.map(\.0) }

  /// Whether a question is being asked.
  var isAsking: Bool { phase != .waiting }

  /// Begins the next round, above `promised` and whatever was heard of.
  mutating func begin(above promised: Ballot) -> Ballot {
    // At the end of the numbers it is outranked for ever, which is safe.
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
  mutating func promised(_ name: String, _ ballot: Ballot, _ accepted: Proposal?) -> Proposal? {
    guard phase == .promising(ballot) else { return nil }
    if let accepted, highest.map({ $0.ballot < accepted.ballot }) ?? true { highest = accepted }
    guard hasMajority(with: name) else { return nil }
    let proposal = Proposal(
      ballot: ballot, decision: highest?.decision ?? .abort, instant: nil, bootID: "")
    ask(.accepting(proposal))
    return proposal
  }

  /// A member has accepted.
  ///
  /// - Returns: the decision, once a majority has.
  mutating func accepted(_ name: String, _ ballot: Ballot) -> Decision? {
    guard case .accepting(let proposal) = phase, proposal.ballot == ballot else { return nil }
    return hasMajority(with: name) ? proposal.decision : nil
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
    for index in hasAnswered.indices { hasAnswered[index] = false }
  }

  private mutating func hasMajority(with name: String) -> Bool {
    if let index = members.firstIndex(of: name) { hasAnswered[index] = true }
    return hasAnswered.count(where: { $0 }) >= members.count / 2 + 1
  }
}
