// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Crypto
internal import EnvironmentFile
internal import FaultPoints
internal import KeyManager
internal import Linux
package import Model
package import Rollout
internal import StartWatch
internal import Threads

// The shell around the Participant machine of one node: it carries out the machine's effects in
// their order, and feeds it with what the host does. All decisions are the machine's; all contact
// with the host goes through Ports.
//
// Threads: requests come on the connections' threads; the checks of a vote run on the thread that
// asked for it; the instant and the watch of a start have a thread each, and so has the timer of a
// member in doubt; the other members are asked on the threads of `peers`. `turn` lets one input at a
// time through the machine.

/// The agent of one AIStor node.
package final class Agent: Sendable {
  package let node: String
  package let version: String
  /// The life of its state directory; nil if the record of it is damaged or could not be written, and
  /// then nothing is voted on.
  let incarnation: Incarnation?
  /// Shown in status; nil where there is no TLS.
  let certificate: OwnCertificate?
  let site: Site
  let stored: StoredState
  let rollouts: MemberState
  let generations: Generations
  let timelines: Timelines
  let seals: SealKeeper
  let key: ServerKey
  let drift: DriftWatch
  let reversePath: ReversePath
  let links: LinkWatch
  let assessor: Assessor
  let sharedCheck = SharedCheck()
  /// Of observers who want pages of the server's journal.
  let pageTurns = Turns(limit: Turns.observersPages)
  /// Wakes the Participant.
  let alarm = Alarm()
  /// Wakes the Proposals, which are taken through one input at a time too.
  let proposalAlarm = Alarm()
  let proposalTurn = Lock(Turn())
  /// Ends a hold of the server's starts, however often that must be tried.
  let holdAlarm = Alarm()
  /// One at a time changes the record of the hold.
  let holdTurn = Lock(Turn())
  /// Of two records of what became of rollouts the later one is the later state.
  let settledTurn = Lock(Turn())
  private let times: RecoveryTimes
  let collectorTimes: CollectorTimes

  var inventory: Inventory { site.inventory }
  var ports: Ports { site.ports }
  var records: Records { site.records }
  var peers: Peers { site.peers }
  var state: Lock<MemberState.State> { rollouts.state }

  /// An agent with what its records say. A damaged record does not stop it: it refuses to vote, and
  /// says so.
  ///
  /// - Parameters:
  ///   - certificate: its end is told when it comes near.
  ///   - times: how long it waits in doubt.
  ///   - collectorTimes: how long it waits for the coordinator after its own end.
  package init(
    node: String, inventory: Inventory, version: String, ports: Ports,
    certificate: OwnCertificate? = nil,
    times: RecoveryTimes = RecoveryTimes(), collectorTimes: CollectorTimes = CollectorTimes()
  ) {
    self.collectorTimes = collectorTimes
    self.node = node
    self.version = version
    self.certificate = certificate
    self.times = times
    site = Site(node: node, inventory: inventory, ports: ports)
    let history = History(port: ports.records)
    stored = StoredState(site, history)
    incarnation = stored.incarnation
    let record = stored.participant
    rollouts = MemberState(
      Participant(
        member: node, incarnation: stored.hasLostPromises ? nil : incarnation, record: record,
        times: times))
    generations = Generations(
      site, history, lastNumber: stored.lastGeneration, rollouts: rollouts)
    timelines = Timelines(site, resuming: record)
    seals = SealKeeper(site, rollouts: rollouts, generations: generations)
    key = ServerKey(site, seals: seals)
    drift = DriftWatch(
      site, confirmed: stored.confirmed, entries: stored.drift, rollouts: rollouts,
      generations: generations, seals: seals, key: key)
    reversePath = ReversePath(node: node, inventory: inventory, ports: ports)
    links = LinkWatch(site, reversePath: reversePath, rollouts: rollouts, seals: seals)
    assessor = Assessor(
      site, incarnation: incarnation, reversePath: reversePath, generations: generations,
      timelines: timelines, rollouts: rollouts)
    let known = [record.active?.rollout, record.last?.rollout, record.lastCommitted?.rollout]
    let targets =
      [inventory.environmentFile, generations.last?.path].compactMap(\.self)
      + known.compactMap { $0?.content(of: node)?.path }
    let proposals = Proposals(
      member: node, members: inventory.memberNames, run: .random(), own: nil)
    rollouts.state.update { [stored] state in
      state.targets = Set(targets)
      state.settled = stored.results
      state.proposal = stored.proposal
      state.proposals = proposals.holding(stored.proposal.statement)
    }
  }

  deinit { site.closeReserve() }

  /// Goes on with what the agent was in before it was stopped. Does not block but on the disk, the bus
  /// and the unit.
  ///
  /// The other members may be asking this one already, and it them: so the daemon serves before it
  /// waits with ``settle(until:)``.
  package func start() {
    site.keepReserve()
    removeOrphans()
    releaseHoldIfAborted()
    perform(.started)
    resumeCollecting()
    intend(.started)
  }

  /// Starts what goes on beside the rollouts for as long as the process: the looks at the seal, at drift and at the Key
  /// Managers, each on threads of its own.
  package func watch() throws(Refusal) {
    try seals.keepInBackground()
    try drift.watch()
    try links.watch()
  }

  /// Blocks until what the agent was in when it was stopped is finished or abandoned: the decision is
  /// known, and a restart that was due has been issued. At most until the deadline; then it goes on
  /// beside everything else, and status shows it. The daemon says READY afterwards, so that after a
  /// reboot the server starts with the right file.
  package func settle(until deadline: Instant) {
    let boot = ports.process.bootID()
    _ = state.wait(until: deadline) { state -> Bool? in
      switch state.participant.record.active?.stage {
      case .prepared, .accepted: return nil
      case .committed(let instant, let bootID):
        // An instant of another boot is past, whatever its number.
        return bootID == boot && instant > Clock.now() ? true : nil
      case .watching, nil: return true
      }
    }
  }

  /// Whether the agent's state can be had; false only if a thread holds it for good. The watchdog
  /// asks.
  package var isResponsive: Bool { state.withLock { _ in true } }

  /// Whether the node is in no rollout.
  package var isAtRest: Bool { rollouts.now.isAtRest }

  // MARK: the machine

  /// Takes one input through the machine and carries out its effects. What may take long is done
  /// after the turn.
  ///
  /// - Parameter isWanted: asked within the turn; if it says no, nothing is done.
  /// - Returns: the answer to the proposer, if the machine gave one; a refusal if a promise could
  /// not be made durable.
  @discardableResult
  func perform(
    _ given: ParticipantInput, ifWanted isWanted: () -> Bool = { true }
  ) -> Result<ParticipantReply, Refusal>? {
    var later: [@Sendable () -> Void] = []
    let result: Result<ParticipantReply, Refusal>? = rollouts.inTurn { turn in
      guard isWanted() else { return nil }
      let input = stillProposed(given, turn)
      let before = state.withLock { $0.participant }
      let effects = state.update { $0.participant.handle(input, at: moment()) }
      var reply: ParticipantReply?
      for effect in effects {
        Fault.reach("agent.\(Fault.name(input)).\(Fault.name(effect))")
        do throws(Refusal) {
          try carryOut(effect, turn, reply: &reply, later: &later)
        } catch {
          // What has happened has happened, also when the record of it cannot be written.
          if input.isPromise { state.update { $0.participant = before } }
          // Last: who reads of it finds the state that it left.
          ports.log(.error, error.message)
          if !input.isPromise { continue }
          if case .assessed(let rollout, _) = input { refuse(rollout, error, turn) }
          return .failure(error)
        }
      }
      return reply.map { .success($0) }
    }
    for work in later { work() }
    return result
  }

  /// A yes that could not be kept is a no: takes it through the machine, so that the member is free
  /// again.
  private func refuse(_ rollout: Rollout, _ refusal: Refusal, _ turn: borrowing MemberTurn) {
    var reply: ParticipantReply?
    var later: [@Sendable () -> Void] = []
    for effect in state.update({
      $0.participant.handle(.assessed(rollout, .failure(refusal)), at: moment())
    }) {
      do throws(Refusal) { try carryOut(effect, turn, reply: &reply, later: &later) } catch {
        ports.log(.error, error.message)
      }
    }
    precondition(later.isEmpty && reply == nil, "a no asks for nothing more")
  }

  private func moment() -> Moment {
    Moment(
      now: Clock.now(), bootID: ports.process.bootID(),
      jitterMilliseconds: Int.random(in: 0...times.jitterMilliseconds))
  }

  /// How long another member may take to answer a question, milliseconds.
  var answerMilliseconds: Int { times.answerMilliseconds }

  private func carryOut(
    _ effect: ParticipantEffect, _ turn: borrowing MemberTurn, reply: inout ParticipantReply?,
    later: inout [@Sendable () -> Void]
  ) throws(Refusal) {
    switch effect {
    case .persist(let record): try records.save(record)
    case .assess(let rollout):
      timelines.begin(rollout)
      later.append { self.assess(rollout) }
    case .vote(let id, let vote):
      state.update { state in if state.vote?.rollout.id == id { state.vote?.vote = vote } }
      switch vote {
      case .yes: timelines.note(id, "prepared", "")
      case .no(let refusal): timelines.note(id, "refused", refusal.message)
      }
      timelines.keep()
    case .reply(let answer):
      reply = answer
    case .discard:
      discardStaged()
      releaseHoldIfAborted()
    case .arm(let active, let instant, let bootID):
      timelines.change(active.rollout.id) { timeline, now in
        timeline.arm(instant, bootID: bootID, at: now)
        timeline.append("armed", "", at: now)
      }
      site.carryOn("instant") { self.fire(active, instant, bootID: bootID) }
    case .watch(let active, let report):
      timelines.change(active.rollout.id) { timeline, now in
        timeline.note(report)
        timeline.append("restarting", "", at: now)
      }
      site.carryOn("watch", isLong: true) { self.watch(active, report) }
    case .keep(let finished):
      if finished.outcome.kind == .confirmed {
        try sealAndKeep(finished, turn)
        // Before the record that ends the rollout: nobody would look for it afterwards.
        try endHold(of: finished.rollout.id)
      }
      try keepCollecting(finished.rollout)
      try proposalEnded(finished)
    case .conclude(let finished):
      conclude(finished)
      timelines.keep()
    case .wake(let instant): wake(at: instant)
    case .ask(let member, let key, let question): ask(member, key, question)
    }
  }
}
