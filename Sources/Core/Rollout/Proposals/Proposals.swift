// SPDX-License-Identifier: Apache-2.0
package import Crypto
package import Model

// What the members have been handed by configuration management, and when they begin a rollout by
// themselves (docs/development/protocol.md, "Proposals").
//
// The first member of the list hears from all others and begins; nobody else needs to know. A
// rollout needs every member, the first one too, so nothing is lost by asking only it: N messages
// for N members that change their proposal. Nothing is promised here: at worst two members begin (when
// inventories differ), and the epoch lets one through.
//
// A proposal is open until it is in force. One that is in force counts as held, so that a single node
// that drifted, or was added, finds the others agreed; the next committed rollout ends it.
//
// It refuses to: begin while a member is missing or wants something else, before the quiet period is
// over, before what the inventory asks for is there (ProposalGate), as anybody but the first of the members, for
// what is in force everywhere, or twice for the same proposals.

/// What a member says of its proposal: the serial alone once it was withdrawn.
package struct MemberProposal: Sendable, Codable, Hashable {
  /// The run of the member's agent that the serial counts in; nil from an agent of a version before there
  /// were any. An agent that begins to count again, because its node was installed again, was restored from a
  /// backup or has a damaged record, does so in another run, so what it says counts.
  package var run: Incarnation?
  /// Grows with every change.
  @Bounded<Bounds.Serial> package var serial: UInt64
  /// The digest of the settings; nil for none.
  package var digest: Digest?
  /// Whether the member has found the settings in its file and its running server.
  package var isInForce: Bool

  package init(run: Incarnation? = nil, serial: UInt64, digest: Digest?, isInForce: Bool = false) {
    self.run = run
    self.serial = serial
    self.digest = digest
    self.isInForce = isInForce
  }

  /// Whether something is still to be done for it.
  package var isOpen: Bool { digest != nil && !isInForce }

  /// Whether another one says the same of the settings.
  fileprivate func isLike(_ other: MemberProposal) -> Bool {
    digest == other.digest && isInForce == other.isInForce
  }
}

/// What comes to the proposals of a member.
package enum ProposalsInput: Sendable, Hashable {
  /// The agent has started.
  case started
  /// A proposal was handed to this member, and looked at; nil withdraws it.
  case proposed(Digest?, isInForce: Bool)
  /// A plan of this proposal has found it in the file and in the running server. Ignored if the
  /// member proposes something else by now.
  case found(Digest)
  /// Another member has said what it proposes, in a message or in an answer.
  case heard(member: String, MemberProposal)
  /// The instant of the last ``ProposalsEffect/wake(_:)`` has come.
  case woke
  /// A rollout was committed here and its start confirmed; with the proposal that it was for.
  case committed(Digest?)
  /// The rollout of this proposal came to nothing.
  case refused(Digest)
}

/// What is done about proposals, in the order given.
package enum ProposalsEffect: Sendable, Hashable {
  /// Make it durable, with the settings themselves, before anybody is told.
  case persist(MemberProposal)
  /// Tell another member; it answers with its own statement.
  case tell(member: String, MemberProposal)
  /// Send ``ProposalsInput/woke`` at this instant; takes the place of the wake before.
  case wake(Instant)
  /// All members want this: coordinate a rollout of it.
  case begin(Digest)
}

/// Who holds which proposal, as one member knows it; and when it is to begin the rollout.
package struct Proposals: Sendable, Hashable {
  /// From the last change to the beginning, milliseconds.
  package static let quietMilliseconds = 2_000
  /// From one round of telling to the next, while a proposal is open, milliseconds.
  package static let againMilliseconds = 5_000
  /// From a rollout that came to nothing to the next, milliseconds.
  package static let retryMilliseconds = 60_000
  /// Runs of a member's agent that are over and remembered.
  static let endedRuns = 8

  private let member: String
  private let members: [String]
  private let run: Incarnation?
  /// In the order of `members`; nil for one that was not heard of.
  private var statements: [MemberProposal?]
  /// The runs of each member that are over: a statement that was on its way for long is not news.
  private var ended: [[Incarnation?]]
  /// When the last change was heard of.
  private var changed: Instant?
  /// When the proposal may be begun, if not before: the last rollout of it came to nothing.
  private var notBefore: Instant?
  /// The proposal that was begun last, so that it is not begun again.
  private var begun: Digest?

  /// The proposals of `member`, one of the sorted `members`, with what was durable.
  ///
  /// - Parameter run: what tells this run of the agent from all others.
  package init(
    member: String, members: [String], run: Incarnation? = nil, own: MemberProposal?
  ) {
    self.member = member
    self.members = members
    self.run = run
    statements = members.map { name in
      guard name == member, var own else { return nil }
      own.run = run
      return own
    }
    ended = members.map { _ in [] }
  }

  /// The same with what this member held in an earlier run; nothing was ever held with a serial of 0.
  package func holding(_ kept: MemberProposal) -> Proposals {
    Proposals(member: member, members: members, run: run, own: kept.serial > 0 ? kept : nil)
  }

  /// Whether this member is the one that begins.
  package var isFirst: Bool { members.first == member }

  package var own: MemberProposal {
    self[member] ?? MemberProposal(run: run, serial: 0, digest: nil)
  }

  /// What a member is known to propose; nil if it was not heard of.
  package subscript(_ name: String) -> MemberProposal? {
    members.firstIndex(of: name).flatMap { statements[$0] }
  }

  /// Who holds nothing or was not heard of.
  package var missing: [String] { zip(members, statements).filter { $0.1?.digest == nil }.map(\.0) }

  /// Who holds another proposal than this member.
  package var differing: [String] {
    guard let digest = own.digest else { return [] }
    return zip(members, statements)
      .filter { $0.1?.digest != nil && $0.1?.digest != digest }.map(\.0)
  }

  /// Takes one input; returns what to do, in order.
  ///
  /// - Parameter gate: what a rollout has to wait for although all members agree.
  package mutating func handle(
    _ input: ProposalsInput, at now: Instant, gate: ProposalGate = ProposalGate()
  ) -> [ProposalsEffect] {
    switch input {
    case .started:
      changed = now
      return tell(now)
    case .proposed(let digest, let isInForce): return proposed(digest, isInForce, now)
    case .found(let digest):
      return own.digest == digest ? proposed(digest, true, now) : []
    case .heard(let name, let statement): return heard(name, statement, now)
    case .woke: return woke(now, gate)
    case .committed(let digest): return committed(digest, now)
    case .refused(let digest):
      guard begun == digest else { return [] }
      begun = nil
      let again = now.advanced(byMilliseconds: Self.retryMilliseconds)
      notBefore = again
      // One may have withdrawn, and its word was lost.
      return members.filter { $0 != member }.map { .tell(member: $0, own) } + [.wake(again)]
    }
  }

  private mutating func proposed(
    _ digest: Digest?, _ isInForce: Bool, _ now: Instant
  ) -> [ProposalsEffect] {
    let isInForce = isInForce && digest != nil
    if own.digest == digest, own.isInForce == isInForce { return own.isOpen ? tell(now) : [] }
    return state(
      MemberProposal(run: run, serial: own.serial + 1, digest: digest, isInForce: isInForce), now)
  }

  private mutating func committed(_ digest: Digest?, _ now: Instant) -> [ProposalsEffect] {
    guard let proposal = own.digest else { return [] }
    if proposal == digest {
      if own.isInForce { return [] }
      return state(
        MemberProposal(run: run, serial: own.serial + 1, digest: proposal, isInForce: true), now)
    }
    // Another one has come into force since; what is still open stays so.
    if own.isOpen { return [] }
    return state(MemberProposal(run: run, serial: own.serial + 1, digest: nil), now)
  }

  /// A new statement of the own.
  private mutating func state(_ statement: MemberProposal, _ now: Instant) -> [ProposalsEffect] {
    set(member, statement, now)
    return [.persist(statement)] + tell(now)
  }

  private mutating func heard(
    _ name: String, _ statement: MemberProposal, _ now: Instant
  ) -> [ProposalsEffect] {
    guard name != member, let index = members.firstIndex(of: name) else { return [] }
    let known = statements[index]
    let isNewRun = known.map { $0.run != statement.run } ?? false
    if isNewRun, let known {
      if ended[index].contains(statement.run) { return [] }
      ended[index] = (ended[index] + [known.run]).suffix(Self.endedRuns)
      // The agent was started again, and nothing else.
      if statement.isLike(known) {
        statements[index] = statement
        return []
      }
    } else if statement.serial <= known?.serial ?? 0 {
      return []
    }
    set(name, statement, now)
    guard isFirst, own.digest != nil else { return [] }
    return [.wake(now.advanced(byMilliseconds: Self.quietMilliseconds))]
  }

  private mutating func woke(_ now: Instant, _ gate: ProposalGate) -> [ProposalsEffect] {
    guard isFirst, let digest = own.digest, let changed, isAgreed else { return tell(now) }
    if begun == digest { return [] }
    let ready = max(
      changed.advanced(byMilliseconds: Self.quietMilliseconds), notBefore ?? changed)
    if now < ready { return [.wake(ready)] }
    switch gate.obstacle(to: digest, at: now) {
    case .approval: return [.wake(now.advanced(byMilliseconds: Self.againMilliseconds))]
    case .interval(let until): return [.wake(until)]
    case nil: break
    }
    begun = digest
    return [.begin(digest)]
  }

  /// Whether all hold the same proposal, and somebody does not have it in force.
  private var isAgreed: Bool {
    statements.allSatisfy { $0?.digest == own.digest }
      && statements.contains { $0?.isOpen ?? false }
  }

  private mutating func set(_ name: String, _ statement: MemberProposal, _ now: Instant) {
    guard let index = members.firstIndex(of: name) else { return }
    statements[index] = statement
    changed = now
    // A proposal that was changed may be proposed again.
    begun = nil
    notBefore = nil
  }

  /// Tells whom it concerns: the first member; the first itself those who hold something else or
  /// were not heard of, since it may have forgotten what they said.
  private func tell(_ now: Instant) -> [ProposalsEffect] {
    let proposal = own.digest
    let others =
      isFirst
      ? members.filter { $0 != member && proposal != nil && self[$0]?.digest != proposal }
      : Array(members.prefix(1))
    // A withdrawal of what was never told needs no telling.
    let isKnown = own.serial > 0
    let wait = isFirst && others.isEmpty ? Self.quietMilliseconds : Self.againMilliseconds
    let wakes = isFirst ? proposal != nil && statements.contains { $0?.isOpen ?? true } : own.isOpen
    return (isKnown ? others.map { .tell(member: $0, own) } : [])
      + (wakes ? [.wake(now.advanced(byMilliseconds: wait))] : [])
  }
}
