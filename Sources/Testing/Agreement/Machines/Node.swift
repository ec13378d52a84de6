// SPDX-License-Identifier: Apache-2.0
internal import Model
internal import Rollout

/// A member: the machine that is installed, its durable record, and what its agent and its host hold for it.
///
/// It has no clock and no files. A start is a fact that ends at any time, and a file is there or not.
struct Node: Hashable, Sendable {
  let index: Int
  /// The life of its state directory.
  let incarnation: Incarnation
  var participant: Participant
  /// What the machine is made from after a death.
  private var disk: Kept
  /// What the machine has promised before: the last record that was written, or had to be.
  private var promised: Kept
  /// Whether the last record could be written.
  var isWritten = true
  /// How many lives the agent had.
  var run = 0
  var agent = Agent()
  var host = Host()

  /// Ends with the agent's life.
  struct Agent: Hashable, Sendable {
    /// When the machine is to be woken; nil if it is not.
    var wake: Instant?
    var checks: [Check] = []
    /// The rollouts whose coordinators wait for the vote, and until when it must be there.
    var voters = Bits()
    var voteDue = Instant(nanoseconds: 0)
    var fires: [Firing] = []
    /// The rollouts whose starts are watched.
    var watches = Bits()
  }

  /// The checks of a vote.
  struct Check: Hashable, Sendable { var rollout: Int, due: Instant }

  /// An instant that is waited for.
  struct Firing: Hashable, Sendable {
    var rollout: Int
    var instant: Instant
    var invocation: String
    /// It has failed, which could not be written down yet.
    var hasFailed = false
  }

  /// Outlives the agent.
  struct Host: Hashable, Sendable {
    /// Of each kind, the rollouts that it was done for.
    var staged = Bits()
    var installed = Bits()
    var restarted = Bits()
    var kept = Bits()
    /// It could not be put in place, which was not yet durable when it was staged no more.
    var failed = Bits()
    /// A yes was given, and not taken back because it could not be written.
    var voted = Bits()
    var neverVoted = Bits()
    /// Counts the server's starts.
    var invocation = 0
  }

  init(index: Int, incarnation: Incarnation) {
    self.index = index
    self.incarnation = incarnation
    disk = Kept(ParticipantRecord())
    promised = disk
    participant = Participant(
      member: Names.members[index], incarnation: incarnation, record: disk.record)
  }

  var durable: ParticipantRecord { disk.record }
  var known: ParticipantRecord { promised.record }

  /// A write is over.
  mutating func keep(_ record: ParticipantRecord, isDurable: Bool, isKnown: Bool) {
    let kept = Kept(record)
    if isDurable { disk = kept }
    if isKnown { promised = kept }
  }

  /// A record where it is written once and looked at often: it is large.
  private final class Kept: Hashable, Sendable {
    let record: ParticipantRecord

    init(_ record: ParticipantRecord) { self.record = record }

    static func == (a: Kept, b: Kept) -> Bool { a === b || a.record == b.record }
    func hash(into hasher: inout Hasher) { hasher.combine(record) }
  }

  /// The machine's durable part says that it is in this rollout.
  func active(_ rollout: Int) -> ActiveRollout? {
    durable.active.flatMap { Names.place($0.rollout.id) == rollout ? $0 : nil }
  }

  /// How a rollout ended here, as it would be told.
  func outcome(_ rollout: Int) -> Outcome? {
    for finished in [participant.record.last, participant.record.lastCommitted] {
      if let finished, Names.place(finished.rollout.id) == rollout { return finished.outcome }
    }
    return nil
  }

  /// The report of a restart for a rollout whose start is watched.
  func report(_ rollout: Int) -> RestartReport? {
    guard let active = participant.record.active, Names.place(active.rollout.id) == rollout,
      case .watching(let report) = active.stage
    else { return nil }
    return report
  }

  /// The agent dies, and another one starts with what is durable.
  mutating func die(_ moment: Moment, _ out: inout Outbox) {
    run += 1
    agent = Agent()
    promised = disk
    isWritten = true
    participant = Participant(
      member: Names.members[index], incarnation: incarnation, record: durable)
    if let active = durable.active { host.voted.insert(Names.place(active.rollout.id)) }
    // What an agent that died before its vote has staged belongs to nobody.
    keepStaged()
    var mishap = Mishap.none
    _ = perform(.started, &mishap, moment, &out)
  }

  /// Only the rollout that it is in, or votes on, has something staged.
  mutating func keepStaged() {
    var known = Bits()
    for id in [participant.record.active?.rollout.id, participant.assessing?.id] {
      if let id { known.insert(Names.place(id)) }
    }
    host.staged.keep(only: known)
  }
}
