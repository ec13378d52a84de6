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
  struct State {
    var participant: Participant
    var timeline: Timeline?
    /// What was asked with prepare, until the checks have ended. Holds the settings' values.
    var request: PrepareRequest?
    /// The rollout of what is proposed on this node that a member has asked for a vote on; nil if it was an
    /// operator who asked last.
    var proposalVote: String?
    /// The yes that was prepared last: what this node has seen of what all must have alike.
    var seen: VoteAnswer?
    /// The rollout whose checks run: also those of a vote that has ended before them (``VoteUnderWay``).
    var checking: String?
    /// When the vote on the rollout that was asked for last must be there.
    var voteDue: (id: String, due: Instant)?
    /// The vote on the rollout that was asked for last.
    var vote: (id: String, vote: Vote)?
    /// The seal as its record was read last; nil if there is none, or none to rely on.
    var seal: Seal?
    /// What came of the last look at the seal and at the others'.
    var sealFacts = SealFacts()
    /// What each of the others said of its seal when it was asked last.
    var seals: [String: PeerSeal] = [:]
    /// Whom the background asks next.
    var nextPeer = 0
    /// The last generation; nil if there is none, or if its record is damaged.
    var generation: Generation?
    /// Its number, also if its record is damaged; 0 if there is none.
    var lastNumber = 0
    /// The secrets of the files that are kept, and which these were when they were read.
    var keptSecrets: (files: [String], secrets: [History.KeptSecret])?
    /// The files that something may be staged beside.
    var targets: Set<String> = []
    /// What the last confirmed start was made from; nil if there is none, or if it is damaged.
    var confirmed: Confirmed?
    var driftLog = DriftLog()
    /// What the server of an invocation said of the key that it encrypts with, and until when that counts.
    var serversWord: (invocation: String, answer: ServerKMSAnswer, until: Instant)?
    /// The last look at the Key Managers; nil before the first.
    var links: LinkRecord?
    /// The committed rollout that an operator has had fired, because its instant is out of reach.
    var hurried: String?
    /// Why no rollout may be voted on: a damaged record.
    var damaged: Refusal?
    /// All records that could not be read at the start, each by itself.
    var damagedRecords: [DamagedRecord] = []
    /// The record that is damaged is the one of what the member has promised: it can answer nobody.
    var isForgetful = false
    /// What the other members are asked to end a rollout that this one is in doubt of.
    var question: RecoveryQuestion?
    /// The committed rollout whose outcomes are being collected, and by whom it was created.
    var collecting: (id: String, createdBy: String, inputs: Mailbox<CollectorInput>)?
    /// How the last rollouts ended here, and what became of them.
    var settled: [KeptResult] = []
    /// Whether the record of it could not be written last.
    var isResultUnwritten = false
    var proposals: Proposals
    /// What was handed to this node, and what came of it.
    var proposal = ProposalRecord()
    /// How often the start that ends a hold was tried in vain, and why it was last; nil if there is nothing to try.
    var releaseFailure: (attempts: Int, refusal: Refusal)?
    /// Why the last rollout of a proposal came to nothing.
    var proposalRefusal: (digest: Digest, refusal: Refusal)?
    /// What the first of the members knows, as it was heard last; nil on itself.
    var firstView: ProposalsView?
  }

  package let node: String
  package let version: String
  /// The life of its state directory; nil if the record of it is damaged or could not be written, and
  /// then nothing is voted on.
  let incarnation: Incarnation?
  let inventory: Inventory
  /// What it shows to everybody; nil where there is no TLS.
  let certificate: OwnCertificate?
  let ports: Ports
  let records: Records
  let history: History
  let timelines: Timelines
  let reversePath: ReversePath
  let sharedCheck = SharedCheck()
  /// Of observers who want pages of the server's journal.
  let pageTurns = Turns(limit: Turns.observersPages)
  let state: Lock<State>
  let peers: Peers
  /// Wakes the Participant.
  let alarm = Alarm()
  /// Wakes the Proposals, which are taken through one input at a time too.
  let proposalAlarm = Alarm()
  let proposalTurn = Lock(Turn())
  /// Ends a hold of the server's starts, however often that must be tried.
  let holdAlarm = Alarm()
  /// One at a time changes the record of the hold.
  let holdTurn = Lock(Turn())
  /// What waits for a thread.
  let reserve = Reserve()
  /// Of two records of what became of rollouts the later one is the later state.
  let settledTurn = Lock(Turn())
  private let times: RecoveryTimes
  let collectorTimes: CollectorTimes
  private let turn = Lock(Turn())
  /// One assessment at a time: each may have a thread for every address of every endpoint.
  let assessing = Lock(Turn())

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
    self.inventory = inventory
    self.version = version
    self.ports = ports
    self.certificate = certificate
    self.times = times
    peers = Peers(ports, inventory: inventory, except: node)
    records = Records(port: ports.records)
    history = History(port: ports.records)
    timelines = Timelines(port: ports.records)
    reversePath = ReversePath(node: node, inventory: inventory, ports: ports)
    var state = State(
      participant: Participant(
        member: node, incarnation: nil, record: ParticipantRecord(), times: times),
      proposals: Proposals(member: node, members: inventory.memberNames, own: nil))
    // Each by itself: a damaged one must not hide the others.
    func load<Value>(_ body: () throws(Refusal) -> Value) -> Value? {
      do throws(Refusal) { return try body() } catch {
        if state.damaged == nil { state.damaged = error }
        state.damagedRecords.append(DamagedRecord(error))
        return nil
      }
    }
    let (records, history) = (records, history)
    incarnation = load { () throws(Refusal) in try Self.incarnation(in: records) }
    let incarnation = incarnation
    // Without an incarnation it goes on with what was decided, and answers nobody.
    state.isForgetful = incarnation == nil
    if let record = load({ () throws(Refusal) in
      try records.loadParticipant(of: node, incarnation: incarnation)
    }) {
      state.participant = Participant(
        member: node, incarnation: incarnation, record: record, times: times)
      state.timeline = Self.resumed(record, timelines, ports)
    } else {
      state.isForgetful = true
    }
    state.seal = records.sealRecord(cluster: inventory.cluster).seal
    state.lastNumber = load({ () throws(Refusal) in try history.numbers().last ?? 0 }) ?? 0
    if state.lastNumber > 0 {
      // It says what was; what shall be can do without it.
      do throws(Refusal) { state.generation = try history.load(state.lastNumber)?.generation } catch
      { ports.log(4, error.message) }
    }
    let record = state.participant.record
    let rollouts = [record.active?.rollout, record.last?.rollout, record.lastCommitted?.rollout]
    state.targets = Set(
      [inventory.environmentFile, state.generation?.path].compactMap(\.self)
        + rollouts.compactMap { $0?.content(of: node)?.path })
    state.loadDispensable(
      from: records,
      Proposals(member: node, members: inventory.memberNames, run: Self.drawn(), own: nil),
      log: ports.log)
    self.state = Lock(state)
    for record in self.state.withLock({ $0.damagedRecords }) where record.finding.severity == .error
    {
      ports.log(3, record.finding.message)
    }
  }

  deinit { reserve.close() }

  /// The one that the state directory has; a new one, durable, where it has none: it is new, or of
  /// before there were any. Blocks on the disk.
  private static func incarnation(in records: Records) throws(Refusal) -> Incarnation {
    // Without the record of what was promised, which is there from the first start on, it is a new life.
    let (known, isWhole) = (try records.loadIncarnation(), records.hasParticipant)
    if let known, isWhole { return known }
    let new = Self.drawn()
    try records.save(new)
    if !isWhole { try records.save(ParticipantRecord()) }
    return new
  }

  private static func drawn() -> Incarnation {
    Incarnation(random: .random(in: 0...UInt64.max), .random(in: 0...UInt64.max))
  }

  /// Goes on with what the agent was in before it was stopped. Does not block but on the disk, the bus
  /// and the unit.
  ///
  /// The other members may be asking this one already, and it them: so the daemon serves before it
  /// waits with ``settle(until:)``.
  package func start() {
    keepReserve()
    removeOrphans()
    releaseHoldIfAborted()
    perform(.started)
    resumeCollecting()
    intend(.started)
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
  package var isAtRest: Bool {
    state.withLock { $0.participant.record.active == nil && $0.participant.assessing == nil }
  }

  var assessor: Assessor {
    Assessor(
      node: node, inventory: inventory, ports: ports, reversePath: reversePath, now: { Clock.now() }
    )
  }

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
    let result: Result<ParticipantReply, Refusal>? = turn.withLock { _ in
      guard isWanted() else { return nil }
      let input = stillProposed(given)
      let before = state.withLock { $0.participant }
      let effects = state.update { $0.participant.handle(input, at: moment()) }
      var reply: ParticipantReply?
      for effect in effects {
        Fault.reach("agent.\(Fault.name(input)).\(Fault.name(effect))")
        do throws(Refusal) {
          try carryOut(effect, reply: &reply, later: &later)
        } catch {
          // What has happened has happened, also when the record of it cannot be written.
          if input.isPromise { state.update { $0.participant = before } }
          // Last: who reads of it finds the state that it left.
          ports.log(3, error.message)
          if !input.isPromise { continue }
          if case .assessed(let rollout, _) = input { refuse(rollout, error) }
          return .failure(error)
        }
      }
      return reply.map { .success($0) }
    }
    for work in later { work() }
    return result
  }

  /// Runs `body` while no input is being taken through the machine, effects included: what it finds
  /// stays true while it acts. Must not be called within a turn.
  func betweenTurns<Value, Failure: Error>(
    _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    try turn.withLock { _ throws(Failure) in try body() }
  }

  /// A yes that could not be kept is a no: takes it through the machine, so that the member is free
  /// again. Within a turn.
  private func refuse(_ rollout: Rollout, _ refusal: Refusal) {
    var reply: ParticipantReply?
    var later: [@Sendable () -> Void] = []
    for effect in state.update({
      $0.participant.handle(.assessed(rollout, .failure(refusal)), at: moment())
    }) {
      do throws(Refusal) { try carryOut(effect, reply: &reply, later: &later) } catch {
        ports.log(3, error.message)
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
    _ effect: ParticipantEffect, reply: inout ParticipantReply?,
    later: inout [@Sendable () -> Void]
  ) throws(Refusal) {
    switch effect {
    case .persist(let record): try records.save(record)
    case .assess(let rollout):
      state.update { $0.timeline = Timeline(rollout, at: time()) }
      note(rollout.id, "preparing", "")
      later.append { self.assess(rollout) }
    case .vote(let id, let vote):
      state.update { $0.vote = (id, vote) }
      switch vote {
      case .yes: note(id, "prepared", "")
      case .no(let refusal): note(id, "refused", refusal.message)
      }
      keepTimeline()
    case .reply(let answer):
      reply = answer
    case .discard:
      discardStaged()
      releaseHoldIfAborted()
    case .arm(let active, let instant, let bootID):
      let now = time()
      state.update { state in
        guard state.timeline?.id == active.rollout.id else { return }
        state.timeline?.arm(instant, bootID: bootID, at: now)
        state.timeline?.append("armed", "", at: now)
      }
      carryOn("instant") { self.fire(active, instant, bootID: bootID) }
    case .watch(let active, let report):
      let now = time()
      state.update { state in
        guard state.timeline?.id == active.rollout.id else { return }
        state.timeline?.note(report)
        state.timeline?.append("restarting", "", at: now)
      }
      carryOn("watch", isLong: true) { self.watch(active, report) }
    case .keep(let finished):
      if finished.outcome.kind == .confirmed {
        try sealAndKeep(finished)
        // Before the record that ends the rollout: nobody would look for it afterwards.
        try endHold(of: finished.rollout.id)
      }
      try keepCollecting(finished.rollout)
      try proposalEnded(finished)
    case .conclude(let finished):
      conclude(finished)
      keepTimeline()
    case .wake(let instant): wake(at: instant)
    case .ask(let member, let key, let question): ask(member, key, question)
    }
  }

  func startThread(
    _ name: String, _ body: @escaping @Sendable () -> Void
  ) throws(Refusal) {
    do throws(Errno) { try ports.startThread(name, body) } catch {
      throw Refusal(.failed, "\(node): \(error)")
    }
  }
}
