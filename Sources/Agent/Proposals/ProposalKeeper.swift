// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import Linux
internal import Model
internal import Rollout
internal import Threads

/// What configuration management has handed to this node: the shell around Proposals.
///
/// Everybody tells the first of the members (rank 0), which begins when all agree. The settings
/// themselves stay on each node; the first one's travel in its request for the vote, and each member
/// compares them with its own before it so much as plans them.
final class ProposalKeeper: Sendable {
  struct State {
    fileprivate(set) var proposals: Proposals
    /// What was handed to this node, and what came of it.
    var record: ProposalRecord
    /// Why the last rollout of a proposal came to nothing.
    fileprivate(set) var refusal: (digest: Digest, refusal: Refusal)?
    /// What the first of the members knows, as it was heard last; nil on itself.
    var firstView: ProposalsView?
    /// When the last rollout of a proposal was; nil if there was none.
    var lastRollout: Instant?
    /// When what is proposed here changed last, or this agent was started.
    fileprivate(set) var changed = Clock.now()
  }

  static let tellMilliseconds = 2_000
  private static let withoutThreadMilliseconds = 1_000

  let site: Site
  let rollouts: any RolloutState
  let state: Lock<State>
  /// One input at a time.
  let turn = Lock(Turn())
  private let alarm = Alarm()
  /// Why nothing may be rolled out: a damaged record.
  private let damage: Refusal?
  private let seals: SealKeeper
  private let assessor: Assessor
  let results: RolloutResults
  private let coordination: OwnCoordination

  init(
    _ site: Site, _ record: ProposalRecord, damage: Refusal?, rollouts: any RolloutState,
    seals: SealKeeper, assessor: Assessor, results: RolloutResults, coordination: OwnCoordination
  ) {
    self.site = site
    self.damage = damage
    self.rollouts = rollouts
    self.seals = seals
    self.assessor = assessor
    self.results = results
    self.coordination = coordination
    let fresh = Proposals(
      member: site.node, members: site.inventory.memberNames, run: .random(), own: nil)
    state = Lock(
      State(
        proposals: fresh.holding(record.statement), record: record,
        lastRollout: Self.lastRollout(record)))
  }

  /// Takes one input through the machine and carries out its effects in their order.
  ///
  /// - Parameter change: what else becomes of the record.
  /// - Throws: a refusal if it could not be made durable; nothing has changed then.
  func take(
    _ input: ProposalsInput, _ change: (inout ProposalRecord) -> Void = { _ in }
  ) throws(Refusal) {
    let notBegun = try turn.withLock { _ throws(Refusal) -> Digest? in
      var (proposals, record) = state.withLock { ($0.proposals, $0.record) }
      let gate = state.withLock { self.gate($0) }
      let before = proposals.own
      let effects = proposals.handle(input, at: Clock.now(), gate: gate)
      // Nobody is told of a statement that is not durable, also not who only asks.
      for case .persist(let statement) in effects {
        record.statement = statement
        if statement.digest == nil { record.settings = nil }
        // What is not proposed any more, or came into force by itself, has to be approved again.
        let isOver =
          before.digest != statement.digest || (statement.isInForce && !before.isInForce)
        if isOver, let digest = before.digest, record.approval?.digest == digest {
          record.approval = nil
        }
        change(&record)
        try site.records.proposal.save(record)
      }
      state.update { [proposals, record] state in
        if state.proposals.own != proposals.own { state.changed = Clock.now() }
        (state.proposals, state.record) = (proposals, record)
      }
      var notBegun: Digest?
      for effect in effects {
        switch effect {
        case .persist: break
        case .tell(let member, let statement): tell(member, statement)
        case .wake(let instant): wake(at: instant)
        case .begin(let digest):
          do throws(Refusal) { try site.startThread("proposal") { self.begin(digest) } } catch {
            site.log(.error, "what all nodes have proposed is tried again: \(error.message)")
            notBegun = digest
          }
        }
      }
      return notBegun
    }
    if let notBegun { intend(.refused(notBegun)) }
  }

  private func wake(at instant: Instant) {
    do throws(Errno) {
      try alarm.set(instant) { [self] _ in intend(.woke) }
    } catch {
      site.log(.warning, "proposals: \(error)")
      // Too early it is told when to come again; never would leave the proposals alone for good.
      site.carryOn("alarm") { [self] in
        Clock.sleep(until: min(instant, .inMilliseconds(Self.withoutThreadMilliseconds)))
        intend(.woke)
      }
    }
  }

  /// The members are others: what is proposed here is told to them as if the agent had just started.
  func membersChanged() {
    let members = site.inventory.memberNames
    turn.withLock { _ in
      state.update { state in
        let fresh = Proposals(member: site.node, members: members, run: .random(), own: nil)
        state.proposals = fresh.holding(state.record.statement)
        state.firstView = nil
      }
    }
    if members.contains(site.node) { intend(.started) }
  }

  /// The same where there is nobody to tell.
  func intend(_ input: ProposalsInput) {
    do throws(Refusal) { try take(input) } catch { site.log(.error, error.message) }
  }

  private func tell(_ member: String, _ statement: MemberProposal) {
    site.peers.ask(
      .tell(statement), of: member, .later, deadline: .inMilliseconds(Self.tellMilliseconds)
    ) { [self] (answer: Result<ProposalsView, LinkFailure>) in
      guard case .success(let view) = answer, view.node == member else { return }
      if member == site.inventory.memberNames.first { state.update { $0.firstView = view } }
      intend(.heard(member: member, view.own))
    }
  }

  /// POST /v1/proposals: another member says what it proposes.
  func heard(_ statement: MemberProposal, of member: String) -> ProposalsView {
    intend(.heard(member: member, statement))
    return view()
  }

  // MARK: from this node

  /// `keyturn propose`: this node's root wants these settings. Blocks while they are looked at as for a
  /// plan.
  ///
  /// - Throws: a refusal if they could never be voted for.
  func propose(_ request: RolloutRequest) throws(Refusal) -> ProposalsView {
    let answer = try look(at: request)
    if let refusal = Self.refusal(answer) { throw refusal }
    let digest = request.proposal(cluster: site.inventory.cluster)
    if isRefusedAsFailed(digest, answer) {
      // What was proposed before is not proposed any more either.
      try take(.proposed(nil, isInForce: false))
      try keep { record in
        if let failure = record.failure(of: digest) { record.remember(failure) }
        record.givenUp = nil
      }
      return wholeView()
    }
    let before = own
    // What it answers holds: a vote on what was proposed before is written by then, or is a no.
    try rollouts.betweenTurns { () throws(Refusal) in
      try take(.proposed(digest, isInForce: Self.isInForce(answer))) { record in
        record.settings = request
        record.forget { $0.digest == digest }
      }
    }
    let own = self.own
    // What is in force already changes nothing, also when it was not proposed before.
    return wholeView(isChanged: own != before && !own.isInForce)
  }

  /// What this node makes of the settings, as for a plan. Blocks while it looks.
  private func look(at request: RolloutRequest) throws(Refusal) -> PlanAnswer {
    try request.changes.validate()
    if request.changes.isEmpty || request.kind != .apply {
      throw Refusal(.validation, "there is nothing to propose; name at least one setting")
    }
    if let damage { throw damage }
    return assessor.assess(request, seals.forPlan()).answer
  }

  /// Why settings can never be voted for; what only stands in their way now is for the rollout to find.
  private static func refusal(_ answer: PlanAnswer) -> Refusal? {
    answer.refusal.flatMap { [.validation, .guarded, .file].contains($0.code) ? $0 : nil }
  }

  /// `keyturn propose --check`: what ``propose(_:)`` would do. Changes nothing, and tells nobody.
  func check(_ request: RolloutRequest) throws(Refusal) -> ProposalCheck {
    let answer = try look(at: request)
    let digest = request.proposal(cluster: site.inventory.cluster)
    let refusal = Self.refusal(answer)
    return ProposalCheck(
      node: site.node, digest: digest, isHeld: own.digest == digest,
      isInForce: Self.isInForce(answer), refusal: refusal,
      failure: isRefusedAsFailed(digest, answer)
        ? state.withLock { $0.record.failure(of: digest) } : nil,
      path: answer.path, difference: answer.difference,
      restartReason: answer.restartNeeded ? answer.restartReason : "",
      obstacle: refusal == nil ? answer.refusal : nil)
  }

  /// `keyturn propose --withdraw`. What it answers holds: a vote that is being prepared looks at the
  /// proposals again when its checks have ended.
  ///
  /// - Throws: a refusal if this node has voted for it already.
  func withdraw() throws(Refusal) -> ProposalsView {
    let isWithdrawn = try rollouts.betweenTurns { () throws(Refusal) in
      if let own = own.digest, let active = rollouts.now.record.active?.rollout,
        active.proposal == own
      {
        throw Refusal(
          .busy,
          "rollout \(active.id) of what is proposed on \(site.node) is under way and \(site.node) has voted for it: nothing was withdrawn; `keyturn watch \(active.id)` follows it"
        )
      }
      let isHeld = own.digest != nil || view().phase == .notConfirmed
      try take(.proposed(nil, isInForce: false))
      try keep { $0.givenUp = $0.failed?.rollout }
      return isHeld
    }
    return wholeView(isChanged: isWithdrawn)
  }

  static func isInForce(_ answer: PlanAnswer) -> Bool {
    answer.refusal == nil && answer.before == answer.after && !answer.restartNeeded
  }

  /// The first member has had this node plan its own proposal: what the plan says of it is news.
  func seen(_ request: RolloutRequest, _ answer: PlanAnswer) {
    if Self.isInForce(answer) {
      intend(.found(request.proposal(cluster: site.inventory.cluster)))
    }
  }

  // MARK: the rollout

  /// All members want this: coordinates the rollout. On a thread of its own; blocks to its end.
  private func begin(_ digest: Digest) {
    let settings = state.withLock { $0.record.settings }
    guard let settings, settings.proposal(cluster: site.inventory.cluster) == digest else { return }
    let problem: Refusal?
    do throws(Refusal) { problem = try roll(settings) } catch { problem = error }
    state.update { $0.refusal = problem.map { (digest, $0) } }
    guard let problem else { return }
    site.log(.warning, "what all nodes have proposed came to nothing: \(problem.message)")
    intend(.refused(digest))
  }

  /// Why the rollout came to nothing; nil if it did not.
  private func roll(_ request: RolloutRequest) throws(Refusal) -> Refusal? {
    let undertaking = coordination.undertaking
    let plan = undertaking.ask(request)
    switch plan.verdict(isRestart: false) {
    case .nothingToDo: return nil
    case .refused(let refusal, _): return refusal
    case .ready: break
    }
    let end = try undertaking.run(request, on: plan, Interruption(), coordination.observer)
    if let aftermath = end.aftermath { coordination.log(aftermath, of: end.rollout) }
    switch end.result.ending {
    case .confirmed, .notConfirmed, .outcomesUnknown: return nil
    case .aborted(let refusal): return Refusal(refusal.code, end.result.summary)
    // If it is committed after all its end says so, and there is nothing left to try again.
    case .undecided: return Refusal(.failed, end.result.summary)
    }
  }
}
