// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Linux
internal import Model
internal import Rollout
internal import Threads

// What configuration management has handed to this node: the shell around Proposals.
//
// Everybody tells the first of the members (rank 0), which begins when all agree. The settings
// themselves stay on each node; the first one's travel in its request for the vote, and each member
// compares them with its own before it so much as plans them.

/// What is durable of the own proposal. Holds secrets; 0600 like every record.
struct ProposalRecord: Sendable, Codable {
  var statement = MemberProposal(serial: 0, digest: nil)
  /// The settings; nil without a proposal.
  var settings: RolloutRequest?
  /// The last proposal whose rollout was committed and not confirmed on every node: it is proposed no more, nor
  /// taken again from configuration management.
  var failed: ProposalFailure?
  /// The last rollout of a proposal that was committed here.
  var rolledOut: RolledOut?

  /// In place of a record that cannot be read: the others are told that nothing is held here any more.
  static let forgotten = ProposalRecord(statement: MemberProposal(serial: 1, digest: nil))

  struct RolledOut: Sendable, Codable, Hashable {
    var digest: Digest
    var rollout: String
  }
}

extension Agent {
  private static let tellMilliseconds = 2_000
  private static let withoutThreadMilliseconds = 1_000

  /// Takes one input through the machine and carries out its effects in their order.
  ///
  /// - Parameter change: what else becomes of the record.
  /// - Throws: a refusal if it could not be made durable; nothing has changed then.
  func take(
    _ input: ProposalsInput, _ change: (inout ProposalRecord) -> Void = { _ in }
  ) throws(Refusal) {
    let notBegun = try proposalTurn.withLock { _ throws(Refusal) -> Digest? in
      var (proposals, record) = state.withLock { ($0.proposals, $0.proposal) }
      let effects = proposals.handle(input, at: Clock.now())
      // Nobody is told of a statement that is not durable, also not who only asks.
      for case .persist(let statement) in effects {
        record.statement = statement
        if statement.digest == nil { record.settings = nil }
        change(&record)
        try records.save(record)
      }
      state.update { [proposals, record] in ($0.proposals, $0.proposal) = (proposals, record) }
      var notBegun: Digest?
      for effect in effects {
        switch effect {
        case .persist: break
        case .tell(let member, let statement): tell(member, statement)
        case .wake(let instant): wakeProposals(at: instant)
        case .begin(let digest):
          do throws(Refusal) { try site.startThread("proposal") { self.begin(digest) } } catch {
            ports.log(.error, "what all nodes have proposed is tried again: \(error.message)")
            notBegun = digest
          }
        }
      }
      return notBegun
    }
    if let notBegun { intend(.refused(notBegun)) }
  }

  private func wakeProposals(at instant: Instant) {
    do throws(Errno) {
      try proposalAlarm.set(instant) { [self] _ in intend(.woke) }
    } catch {
      ports.log(.warning, "proposals: \(error)")
      // Too early it is told when to come again; never would leave the proposals alone for good.
      site.carryOn("alarm") { [self] in
        Clock.sleep(until: min(instant, .inMilliseconds(Self.withoutThreadMilliseconds)))
        intend(.woke)
      }
    }
  }

  /// The same where there is nobody to tell.
  func intend(_ input: ProposalsInput) {
    do throws(Refusal) { try take(input) } catch { ports.log(.error, error.message) }
  }

  private func tell(_ member: String, _ statement: MemberProposal) {
    peers.ask(
      .tell(statement), of: member, .later, deadline: .inMilliseconds(Self.tellMilliseconds)
    ) { [self] (answer: Result<ProposalsView, LinkFailure>) in
      guard case .success(let view) = answer, view.node == member else { return }
      if member == inventory.memberNames.first { state.update { $0.firstView = view } }
      intend(.heard(member: member, view.own))
    }
  }

  /// POST /v1/proposals: another member says what it proposes.
  func heardProposal(_ statement: MemberProposal, of member: String) -> ProposalsView {
    intend(.heard(member: member, statement))
    return intentsView()
  }

  // MARK: from this node

  /// `keyturn propose`: this node's root wants these settings. Blocks while they are looked at as for a
  /// plan.
  ///
  /// - Throws: a refusal if they could never be voted for.
  func propose(_ request: RolloutRequest) throws(Refusal) -> ProposalsView {
    try validate(request.changes)
    if request.changes.isEmpty || request.kind != .apply {
      throw Refusal(.validation, "there is nothing to propose; name at least one setting")
    }
    if let damage = stored.damage { throw damage }
    let answer = assessor.assess(request, seals.forPlan()).answer
    if let refusal = answer.refusal, [.validation, .guarded, .file].contains(refusal.code) {
      throw refusal
    }
    let digest = request.proposal(cluster: inventory.cluster)
    if isRefusedAsFailed(digest, answer) {
      // What was proposed before is not proposed any more either.
      try take(.proposed(nil, isInForce: false))
      return wholeView()
    }
    let before = state.withLock { $0.proposals.own }
    try take(.proposed(digest, isInForce: Self.isInForce(answer))) { record in
      record.settings = request
      if record.failed?.digest == digest { record.failed = nil }
    }
    let own = state.withLock { $0.proposals.own }
    // What is in force already changes nothing, also when it was not proposed before.
    return wholeView(isChanged: own != before && !own.isInForce)
  }

  /// `keyturn propose --withdraw`. What it answers holds: a vote that is being prepared looks at the
  /// proposals again when its checks have ended (``stillProposed(_:_:)``).
  ///
  /// - Throws: a refusal if this node has voted for it already.
  func withdraw() throws(Refusal) -> ProposalsView {
    let hadSettings = try rollouts.betweenTurns { () throws(Refusal) in
      let (own, active) = state.withLock { state in
        (state.proposals.own.digest, state.participant.record.active?.rollout)
      }
      if let own, let active, active.proposal == own {
        throw Refusal(
          .busy,
          "rollout \(active.id) of what is proposed on \(node) is under way and \(node) has voted for it: nothing was withdrawn; `keyturn watch \(active.id)` follows it"
        )
      }
      try take(.proposed(nil, isInForce: false))
      return own != nil
    }
    return wholeView(isChanged: hadSettings)
  }

  /// The input, or a no in place of a yes for what is not proposed on this node any more: until the turn ends, and so to
  /// the vote's record, nothing is withdrawn.
  func stillProposed(
    _ input: ParticipantInput, _ turn: borrowing MemberTurn
  ) -> ParticipantInput {
    guard case .assessed(let rollout, .success) = input else { return input }
    let isGone = state.withLock { state in
      state.vote?.isOfProposal == true && state.vote?.rollout.id == rollout.id
        && state.proposals.own.digest != rollout.proposal
    }
    if !isGone { return input }
    return .assessed(
      rollout,
      .failure(
        Refusal(
          .vote,
          "what was proposed on \(node) was withdrawn or replaced while rollout \(rollout.id) was being prepared"
        )))
  }

  static func isInForce(_ answer: PlanAnswer) -> Bool {
    answer.refusal == nil && answer.before == answer.after && !answer.restartNeeded
  }

  /// The first member has had this node plan its own proposal: what the plan says of it is known anew.
  func proposalSeen(_ request: RolloutRequest, _ answer: PlanAnswer) {
    if Self.isInForce(answer) { intend(.found(request.proposal(cluster: inventory.cluster))) }
  }

  // MARK: the rollout

  /// All members want this: coordinates the rollout. On a thread of its own; blocks to its end.
  private func begin(_ digest: Digest) {
    let settings = state.withLock { $0.proposal.settings }
    guard let settings, settings.proposal(cluster: inventory.cluster) == digest else { return }
    let problem: Refusal?
    do throws(Refusal) { problem = try roll(settings) } catch { problem = error }
    state.update { $0.proposalRefusal = problem.map { (digest, $0) } }
    guard let problem else { return }
    ports.log(.warning, "what all nodes have proposed came to nothing: \(problem.message)")
    intend(.refused(digest))
  }

  /// Why the rollout came to nothing; nil if it did not.
  private func roll(_ request: RolloutRequest) throws(Refusal) -> Refusal? {
    let undertaking = undertaking
    let plan = undertaking.ask(request)
    switch plan.verdict(isRestart: false) {
    case .nothingToDo: return nil
    case .refused(let refusal, _): return refusal
    case .ready: break
    }
    let end = try undertaking.run(
      request, on: plan, Interruption(), LoggingObserver(node: node, log: ports.log))
    if let aftermath = end.aftermath { log(aftermath, of: end.rollout) }
    switch end.result.ending {
    case .confirmed, .notConfirmed, .outcomesUnknown: return nil
    case .aborted(let refusal): return Refusal(refusal.code, end.result.summary)
    // If it is committed after all its end says so, and there is nothing left to try again.
    case .undecided: return Refusal(.failed, end.result.summary)
    }
  }

  // MARK: what is known

  /// The proposals as this member knows them.
  func intentsView() -> ProposalsView {
    state.withLock { state in
      let own = state.proposals.own
      var refusal = state.proposalRefusal.flatMap { $0.digest == own.digest ? $0.refusal : nil }
      if refusal == nil, let first = state.firstView, first.own.digest == own.digest {
        refusal = first.refusal
      }
      let (phase, rollout) = Self.phase(state, own, refusal)
      return ProposalsView(
        node: node, own: own, phase: phase,
        rows: inventory.memberNames.map { ProposalRow(member: $0, statement: state.proposals[$0]) },
        rollout: rollout, refusal: phase == .refused ? refusal : nil,
        failure: state.proposal.failed,
        results: state.settled.compactMap(\.rolloutResult))
    }
  }

  private static func phase(
    _ state: MemberState.State, _ own: MemberProposal, _ refusal: Refusal?
  ) -> (ProposalPhase, String?) {
    let record = state.participant.record
    if let active = record.active?.rollout ?? state.participant.assessing,
      let settings = active.proposal,
      settings == own.digest
    {
      return (.rollingOut, active.id)
    }
    guard own.digest != nil else {
      return state.proposal.failed.map { (.notConfirmed, $0.rollout) } ?? (.none, nil)
    }
    if own.isInForce {
      let last = record.lastCommitted?.rollout
      guard let last, last.proposal == own.digest else { return (.inForce, nil) }
      // Confirmed here, and not known yet whether everywhere.
      let isOpen =
        state.collecting?.id == last.id
        && state.settled.first { $0.rollout == last.id }?.rolloutResult == nil
      return (isOpen ? .rollingOut : .inForce, last.id)
    }
    return (refusal == nil ? .waiting : .refused, nil)
  }

  /// The same with what the first member knows of the others. Blocks until it has answered, at most 2 s;
  /// without it the others are simply not heard of.
  func wholeView(isChanged: Bool = false) -> ProposalsView {
    if let first = inventory.memberNames.first, first != node {
      let statement = state.withLock { $0.proposals.own }
      do throws(LinkFailure) {
        let view: ProposalsView = try peers.ask(
          .tell(statement), of: first, .now, deadline: .inMilliseconds(Self.tellMilliseconds))
        state.update { $0.firstView = view }
      } catch { ports.log(.notice, "ask \(first) who has proposed what: \(error.refusal.message)") }
    }
    var view = intentsView()
    if let first = state.withLock({ $0.firstView }) {
      view.rows = view.rows.map { row in
        row.member == node
          ? row : first.rows.first { $0.member == row.member } ?? row
      }
    }
    view.isChanged = isChanged
    return view
  }
}
