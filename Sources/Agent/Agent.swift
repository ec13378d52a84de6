internal import Digests
internal import EnvironmentFile
internal import KeyManager
internal import LinuxIO
public import Model
internal import Rollout
internal import StartWatch
internal import Wire

// The shell around the Participant machine of one node: it carries out the machine's effects in
// their order, and feeds it with what the host does. All decisions are the machine's; all contact
// with the host goes through Ports.
//
// Threads: requests come on the connections' threads; the checks of a vote run on the thread that
// asked for it; the instant and the watch of a start have a thread each. `turn` lets one input at a
// time through the machine.

/// The agent of one AIStor node.
public final class Agent: Sendable {
  struct State {
    var participant: Participant
    var timeline: Timeline?
    /// What was asked with prepare, until the checks have ended. Holds the settings' values.
    var request: PrepareRequest?
    /// The digest of the environment that was voted on last, and in which rollout.
    var environment: (id: String, digest: Digest)?
    /// The vote on the rollout that was asked for last.
    var vote: (id: String, vote: Vote)?
    var seal: Seal?
    var generation: Generation?
    /// Why no rollout may be voted on: a damaged record.
    var damaged: Refusal?
    /// The record that is damaged is the one of what the member has promised: it can answer nobody.
    var isForgetful = false
  }

  /// The node's name.
  public let node: String
  /// The agent's version.
  public let version: String
  let inventory: Inventory
  let ports: Ports
  let records: Records
  let state: Lock<State>
  private let turn = Lock(())
  /// One assessment at a time: each may have a thread for every address of every endpoint.
  private let assessing = Lock(())

  /// An agent with what its records say. A damaged record does not stop it: it refuses to vote, and
  /// says so.
  public init(node: String, inventory: Inventory, version: String, ports: Ports) {
    self.node = node
    self.inventory = inventory
    self.version = version
    self.ports = ports
    records = Records(port: ports.records)
    var state = State(participant: Participant(member: node, record: ParticipantRecord()))
    // Each by itself: a damaged one must not hide the others.
    func load<Value>(_ body: () throws(Refusal) -> Value) -> Value? {
      do throws(Refusal) { return try body() } catch {
        if state.damaged == nil { state.damaged = error }
        return nil
      }
    }
    let records = records
    if let record = load({ () throws(Refusal) in try records.loadParticipant() }) {
      state.participant = Participant(member: node, record: record)
      state.timeline = Timeline(record, at: Clock.realtimeMicroseconds())
    } else {
      state.isForgetful = true
    }
    state.seal = load({ () throws(Refusal) in try records.loadSeal() }) ?? nil
    state.generation = load({ () throws(Refusal) in try records.loadGeneration() }) ?? nil
    self.state = Lock(state)
    if let damaged = self.state.withLock({ $0.damaged }) { ports.log(3, damaged.message) }
  }

  /// Finishes or abandons what the agent was in before it was stopped. Blocks until a restart that
  /// was due has been issued, at most until the deadline; then the daemon says READY, so that after
  /// a reboot the server starts with the right file.
  public func start(deadline: Instant) {
    removeOrphans()
    perform(.started)
    let boot = ports.process.bootID()
    _ = state.wait(until: deadline) { state in
      guard case .committed(let instant, let bootID)? = state.participant.record.active?.stage
      else { return true as Bool? }
      // An instant of another boot is past, whatever its number.
      return bootID == boot && instant > Clock.now() ? true : nil
    }
  }

  /// Whether the agent's state can be had; false only if a thread holds it for good. The watchdog
  /// asks.
  public var isResponsive: Bool { state.withLock { _ in true } }

  /// Whether the node is in no rollout.
  public var isAtRest: Bool {
    state.withLock { $0.participant.record.active == nil && $0.participant.assessing == nil }
  }

  var assessor: Assessor {
    Assessor(node: node, inventory: inventory, ports: ports, now: { Clock.now() })
  }

  // MARK: the machine

  /// Takes one input through the machine and carries out its effects. What may take long is done
  /// after the turn.
  ///
  /// - Returns: the answer to the proposer, if the machine gave one; a refusal if a promise could
  /// not be made durable.
  @discardableResult
  func perform(_ input: ParticipantInput) -> Result<ParticipantReply, Refusal>? {
    var later: [@Sendable () -> Void] = []
    let result: Result<ParticipantReply, Refusal>? = turn.withLock { _ in
      let before = state.withLock { $0.participant }
      let effects = state.update { $0.participant.handle(input, at: moment()) }
      var reply: ParticipantReply?
      for effect in effects {
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
      jitterMilliseconds: Int.random(in: 0...RecoveryTimes().jitterMilliseconds))
  }

  private func carryOut(
    _ effect: ParticipantEffect, reply: inout ParticipantReply?,
    later: inout [@Sendable () -> Void]
  ) throws(Refusal) {
    switch effect {
    case .persist(let record): try records.save(record)
    case .assess(let rollout):
      state.update { $0.timeline = Timeline(id: rollout.id) }
      note(rollout.id, "preparing", "")
      later.append { self.assess(rollout) }
    case .vote(let id, let vote):
      state.update { $0.vote = (id, vote) }
      switch vote {
      case .yes: note(id, "prepared", "")
      case .no(let refusal): note(id, "refused", refusal.message)
      }
    case .reply(let answer):
      reply = answer
    case .discard: discardStaged()
    case .arm(let active, let instant, let bootID):
      note(active.rollout.id, "armed", "")
      try startThread("instant") { self.fire(active, instant, bootID: bootID) }
    case .watch(let active, let report):
      state.update { $0.timeline?.report = report }
      note(active.rollout.id, "restarting", "")
      try startThread("watch") { self.watch(active, report) }
    case .keep(let finished):
      if finished.outcome.kind == .confirmed { try sealAndKeep(finished) }
    case .conclude(let finished): conclude(finished)
    // Members do not talk to one another yet: who is in doubt waits for `keyturn resolve`.
    case .wake, .ask: break
    }
  }

  private func startThread(
    _ name: String, _ body: @escaping @Sendable () -> Void
  ) throws(Refusal) {
    do throws(Errno) { try Thread.start(name, body) } catch {
      throw Refusal(.failed, "\(node): \(error)")
    }
  }

  /// Adds a step to the timeline and wakes those who wait for one.
  func note(_ id: String, _ phase: String, _ detail: String) {
    let now = Clock.realtimeMicroseconds()
    state.update { state in
      if state.timeline?.id == id { state.timeline?.append(phase, detail, at: now) }
    }
  }

  // MARK: the vote

  /// Every check of this node, one caller after the other. Blocks up to the probes' deadline for
  /// each that came before.
  func assess(
    kind: RolloutKind, changes: [WireChange], createKey: Bool
  ) -> Assessment {
    let (seal, generation, record) = state.withLock {
      ($0.seal, $0.generation?.number ?? 0, $0.participant.record)
    }
    return assessing.withLock { _ in
      assessor.assess(
        kind: kind, changes: changes.map(\.change), createKey: createKey, seal: seal,
        generation: generation, record: record)
    }
  }

  private func assess(_ rollout: Rollout) {
    guard let request = state.withLock({ $0.request }), request.rollout == rollout else {
      perform(
        .assessed(
          rollout, .failure(Refusal(.failed, "\(node): the request was replaced; try again"))))
      return
    }
    let result: Result<PreparedFacts, Refusal>
    do throws(Refusal) { result = .success(try check(rollout, request)) } catch {
      result = .failure(error)
    }
    // Another rollout's may have come when this one was aborted meanwhile.
    state.update { if $0.request?.rollout == rollout { $0.request = nil } }
    perform(.assessed(rollout, result))
  }

  private func check(
    _ rollout: Rollout, _ request: PrepareRequest
  ) throws(Refusal) -> PreparedFacts {
    let assessment = assess(
      kind: rollout.kind, changes: request.changes, createKey: request.createKey)
    if let refusal = assessment.answer.refusal { throw refusal }
    guard let content = rollout.content(of: node) else {
      throw Refusal(.vote, "\(node) is not in the rollout's list of members")
    }
    if assessment.answer.before != content.before {
      throw Refusal(
        .vote,
        "\(inventory.environmentFile) on \(node) has changed since the plan was made; plan again")
    }
    if assessment.answer.after != content.after {
      throw Refusal(
        .vote,
        "\(inventory.environmentFile) on \(node) would become another file than the plan says; plan again"
      )
    }
    let cursor = try ports.journal.cursor()
    if let bytes = assessment.newBytes {
      try ports.file.stage(bytes, tag: rollout.id, before: content.before)
    }
    state.update { $0.environment = (rollout.id, assessment.answer.environmentDigest) }
    return PreparedFacts(
      invocation: assessment.unit?.invocationID ?? "", journalCursor: cursor,
      staged: assessment.newBytes != nil)
  }

  /// Removes what is staged, unless the rollout that is active, or is being voted on, has staged it.
  private func discardStaged() {
    let known = state.withLock {
      [$0.participant.record.active?.rollout.id, $0.participant.assessing?.id].compactMap(\.self)
    }
    do throws(Refusal) { try ports.file.discard(allExcept: known) } catch {
      ports.log(4, error.message)
    }
  }

  /// A file staged by an agent that died before it had voted belongs to nobody.
  private func removeOrphans() {
    if state.withLock({ $0.damaged == nil }) { discardStaged() }
  }

  // MARK: the end

  private func conclude(_ finished: FinishedRollout) {
    let id = finished.rollout.id
    state.update { $0.timeline?.outcome = finished.outcome }
    note(id, finished.outcome.kind.rawValue, finished.outcome.reason)
    ports.log(
      finished.outcome.kind == .confirmed || finished.outcome.kind == .aborted ? 6 : 3,
      "rollout \(id): \(finished.outcome.kind.rawValue) \(finished.outcome.reason)")
  }

  /// The start is confirmed: the file is a generation now, and the key that it started with is
  /// sealed.
  private func sealAndKeep(_ finished: FinishedRollout) throws(Refusal) {
    let (seal, generation, damaged) = state.withLock { ($0.seal, $0.generation, $0.damaged) }
    // What could not be read is not written over.
    if let damaged { throw damaged }
    guard let bytes = try ports.file.read() else { return }
    let now = Clock.realtimeMicroseconds()
    // What the confirmed process was started with is the truth; the file may have been edited since.
    var findings: [Finding] = []
    let look = lookAtServer(&findings)
    let server = try ServerEnvironment(
      EnvironmentDocument(bytes), path: inventory.environmentFile, unit: look.unit
    ) { path throws(Refusal) in try ports.file.read(other: path) }
    let digest = Digest.sha256(bytes)
    let isOurs = digest == finished.rollout.content(of: node)?.after
    let running = look.running
    guard isOurs || running != nil else {
      throw Refusal(
        .failed,
        "\(inventory.environmentFile) was changed during the start and the server's process cannot be read: which key it runs with is not known; trying again"
      )
    }
    let variables = (running ?? []) + (isOurs ? server.variables : [])
    func inForce(_ name: String) -> String? {
      server.overriding(name) ?? variables.first { $0.name == name }?.value
    }
    if seal == nil, let key = inForce("MINIO_KMS_SSE_KEY"), !key.isEmpty {
      let new = Seal(
        cluster: inventory.cluster, keyName: key,
        enclave: inForce("MINIO_KMS_ENCLAVE") ?? "",
        rollout: finished.rollout.id, sealedAtMicroseconds: now)
      try records.save(new)
      state.update { $0.seal = new }
      ports.log(6, "MINIO_KMS_SSE_KEY \"\(key)\" is sealed by rollout \(finished.rollout.id)")
    }
    guard isOurs else {
      ports.log(
        4, "\(inventory.environmentFile) was changed during the start; it is no generation")
      return
    }
    if generation?.digest == digest { return }
    let next = Generation(
      number: try records.nextGenerationNumber(after: generation),
      path: inventory.environmentFile, digest: digest,
      rollout: finished.rollout.id,
      createdBy: finished.rollout.createdBy, confirmedAtMicroseconds: now)
    try records.save(next, bytes: bytes)
    state.update { $0.generation = next }
  }
}
