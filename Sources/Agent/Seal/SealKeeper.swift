// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import KeyManager
internal import Linux
package import Model
internal import Rollout
internal import ServerUnit
internal import Threads

/// What came of a look at the seal: this node's records and the other members'.
struct SealFacts: Sendable {
  var record = SealRecord.unsealed(lifted: nil)
  /// What it tells the others of it.
  var view: SealView?
  /// Why the node takes part in nothing.
  var refusal: Refusal?
  var findings: [Finding] = []
  /// Members that could not be asked while this node is not sealed: one of them may be.
  var silent: [String] = []
  /// When the others were asked; nil if they never were.
  var asked: Instant?

  /// Adds what follows for a plan or a vote.
  func complete(_ answer: inout PlanAnswer) {
    answer.sealView = view
    answer.lifted = record.lifted
    answer.findings = (findings.filter { $0.severity < .error } + answer.findings)
      .sorted { $0.severity > $1.severity }
    if let refusal {
      answer.refusal = refusal
    } else if !silent.isEmpty, answer.key != nil, answer.refusal == nil {
      answer.refusal = Refusal(
        .unreachable,
        "\(answer.node) is not sealed, and whether \(silent.joined(separator: ", ")) are is not known: see that every agent runs and has the same version, and plan again"
      )
    }
  }
}

// Each look reads the records anew: what a person or a broken disk does to them counts at once, and
// a record that was recovered needs no restart.
extension Agent {
  /// Between two looks where nothing is expected to come of them, milliseconds.
  private static let restMilliseconds = 30_000
  /// Between two looks where something is, milliseconds.
  private static let eagerMilliseconds = 5_000
  /// In which time a sealed node asks each of the others once, milliseconds.
  private static let sealedMilliseconds = 300_000

  /// Looks after the seal from now on, on a thread of its own: says when the record is lost, takes
  /// the others' seal where a start was confirmed there and not here, adopts the key of a cluster
  /// that was encrypted before.
  package func keepSealInBackground() throws(Refusal) {
    do throws(Errno) {
      try Thread.start("seal") { [self] in
        while true {
          Clock.sleep(until: .inMilliseconds(lookAfterSeal()))
        }
      }
    } catch { throw Refusal(.failed, "\(node): \(error)") }
  }

  /// One look of the background's. Asks a few of the others, the next ones each time, and only if
  /// something can come of it. Blocks while the unit is read, and then while they are asked.
  ///
  /// - Returns: how long to wait before the next, milliseconds.
  @discardableResult
  func lookAfterSeal() -> Int {
    let record = sealRecord()
    let facts = state.withLock { $0.sealFacts }
    if record != facts.record || facts.asked == nil {
      keepSeal(asking: nextPeers(Limits.peersAtOnce))
      return Self.eagerMilliseconds
    }
    switch record {
    case .missing, .damaged: break  // said already; only a person mends it
    case .sealed(let seal):
      do throws(Refusal) {
        try betweenTurns { () throws(Refusal) in try records.completeSeal(seal) }
      } catch { ports.log(4, error.message) }
      if !facts.findings.isEmpty {
        keepSeal(asking: nextPeers(Limits.peersAtOnce))
        return Self.eagerMilliseconds
      }
      let looks = Self.sealedMilliseconds / Self.restMilliseconds
      keepSeal(
        asking: nextPeers(min(Limits.peersAtOnce, (peers.names.count + looks - 1) / looks)))
    case .unsealed:
      let view = sealView(record)
      // Nothing to take and nothing to adopt in a cluster without encryption.
      if view.runningKey != nil || view.keyProblem != nil || view.pending != nil
        || !facts.findings.isEmpty
      {
        keepSeal(asking: nextPeers(Limits.peersAtOnce))
        return Self.eagerMilliseconds
      }
      // Who was not asked yet, or could not be, may be sealed.
      if !facts.silent.isEmpty { keepSeal(asking: nextPeers(Limits.peersAtOnce)) }
    }
    return Self.restMilliseconds
  }

  /// Looks at the own record and asks some of the others, the rest counts as it was heard last; takes
  /// or makes the seal if that is what follows, and remembers what came of it. What is written down is
  /// what others say now: for that it asks anew whoever it depends on. Blocks while the others are
  /// asked, at most twice `Limits.peersMilliseconds`, and on the disk.
  @discardableResult
  func keepSeal(asking names: [String]) -> SealFacts {
    let record = sealRecord()
    let own = sealView(record)
    var heard = askPeers(names)
    var facts = SealFacts()
    facts.record = record
    facts.asked = Clock.now()
    do throws(Refusal) {
      var standing = SealJudgement.standing(own: own, record: record, peers: heard)
      if case .take(let seal) = standing {
        let holders = heard.compactMap(\.view).holders(of: seal)
        let needed = own.isNew ? peers.names : Array(holders.prefix(Limits.peersAtOnce))
        if !Set(names).isSuperset(of: needed) {
          heard = askPeers(needed)
          standing = SealJudgement.standing(own: own, record: record, peers: heard)
        }
      }
      switch standing {
      case .sealed: break
      case .take(let seal): facts.record = try keep(seal, isTaken: true)
      case .refused(let problem):
        facts.refusal = problem.refusal
        facts.findings = [problem.finding]
      case .unsealed(let silent):
        facts.silent = silent
        try adopt(own, heard, isFresh: Set(names).isSuperset(of: peers.names), &facts)
      }
    } catch {
      facts.refusal = error
      facts.findings = [
        Finding(.error, rule: "seal-unwritable", refusal: error.code, message: error.message)
      ]
    }
    facts.view = facts.record == record ? own : sealView(facts.record)
    remember(facts)
    return facts
  }

  private func adopt(
    _ own: SealView, _ heard: [PeerSeal], isFresh: Bool, _ facts: inout SealFacts
  ) throws(Refusal) {
    func adoption(_ heard: [PeerSeal]) -> Adoption {
      Adoption(
        own: own, peers: heard, cluster: inventory.cluster,
        realtimeMicroseconds: Clock.realtimeMicroseconds())
    }
    var judged = adoption(heard)
    if case .seal = judged, !isFresh { judged = adoption(askPeers(peers.names)) }
    switch judged {
    case .nothing, .expected: break
    case .waiting(let text):
      facts.findings = [
        Finding(.warning, rule: "seal-waiting", variable: "MINIO_KMS_SSE_KEY", message: text)
      ]
    case .refused(let problem):
      facts.refusal = problem.refusal
      facts.findings = [problem.finding]
    case .seal(let seal): facts.record = try keep(seal, isTaken: false)
    }
  }

  /// Writes a seal that the others have, or that this node makes of its running server, unless
  /// something has come in between.
  private func keep(_ seal: Seal, isTaken: Bool) throws(Refusal) -> SealRecord {
    try betweenTurns { () throws(Refusal) in
      let record = sealRecord()
      guard case .unsealed = record else { return record }
      let (active, assessing) = state.withLock {
        ($0.participant.record.active, $0.participant.assessing)
      }
      // A rollout seals by itself; what it seals was voted on.
      if !isTaken && (active != nil || assessing != nil) { return record }
      if let voted = active?.rollout.seal, voted.digest != seal.digest { return record }
      try records.save(seal)
      state.update { $0.seal = seal }
      ports.log(
        5,
        isTaken
          ? "key \(seal.text) is sealed, taken from the other members"
          : "key \(seal.text) is sealed: every server runs with it (adopted)")
      return .sealed(seal)
    }
  }

  /// The start is confirmed: what was voted on is sealed. Within a turn.
  func seal(_ finished: FinishedRollout) throws(Refusal) {
    guard let seal = finished.rollout.seal else { return }
    switch sealRecord() {
    case .unsealed:
      try records.save(seal)
      state.update { $0.seal = seal }
      ports.log(5, "key \(seal.text) is sealed by rollout \(finished.rollout.id)")
    case .sealed(let own):
      if own.digest != seal.digest {
        ports.log(3, "\(node) is sealed with \(own.text) already, not with \(seal.text)")
      }
    case .missing, .damaged:
      // What was lost or altered is not written over.
      throw Refusal(
        .guarded,
        "the seal \(seal.text) cannot be kept: the record \"seal\" of \(node) was removed or altered; keyturn seal recover \(node)"
      )
    }
  }

  /// Takes the seal from the other members, whatever this node's own record is. Blocks while they
  /// are asked.
  func recoverSeal(by person: String) throws(Refusal) -> SealRecovery {
    let seal: Seal
    do throws(Refusal) {
      seal = try SealJudgement.recovery(of: node, peers: askPeers(peers.names))
    } catch {
      guard let own = sealRecord().seal else { throw error }
      throw Refusal(error.code, "its own seal is sound (\(own.text)); \(error.message)")
    }
    let recovery: SealRecovery = try betweenTurns { () throws(Refusal) in
      let record = sealRecord()
      if record.seal?.digest == seal.digest {
        return SealRecovery(node: node, seal: seal, problem: nil)
      }
      let problem =
        record.problem
        ?? record.seal.map { "it was sealed with \($0.text)" } ?? "it was not sealed"
      try records.save(seal)
      try records.removeLiftedSeal()
      state.update { $0.seal = seal }
      return SealRecovery(node: node, seal: seal, problem: problem)
    }
    if let problem = recovery.problem {
      ports.log(5, "the seal \(seal.text) was recovered by \(person): \(problem)")
    }
    keepSeal(asking: peers.names)
    return recovery
  }

  // MARK: what is known here

  /// What the records of the seal say now. May block on the disk.
  func sealRecord() -> SealRecord {
    let record = records.sealRecord(cluster: inventory.cluster)
    state.withLock { $0.seal = record.seal }
    return record
  }

  /// What status says of the seal, without asking anybody. May block on the disk.
  func sealFindings() -> [Finding] {
    let record = sealRecord()
    let facts = state.withLock { $0.sealFacts }
    if record == facts.record { return facts.findings }
    let own = SealView(
      node: node, members: SealView.digest(ofMembers: inventory.memberNames),
      problem: record.problem)
    switch SealJudgement.standing(own: own, record: record, peers: []) {
    case .refused(let problem): return [problem.finding]
    case .sealed, .take, .unsealed: return []
    }
  }

  /// What this node tells the others. Blocks while the unit is read.
  func sealView(_ record: SealRecord) -> SealView {
    let (rollouts, assessing) = state.withLock {
      ($0.participant.record, $0.participant.assessing)
    }
    var view = SealView(
      node: node, members: SealView.digest(ofMembers: inventory.memberNames), seal: record.seal,
      problem: record.problem, lifted: record.lifted,
      pending: record.seal == nil ? rollouts.pendingSeal : nil,
      isInRollout: rollouts.active != nil || assessing != nil, isNew: isNew)
    do throws(Refusal) {
      let unit = try ports.unit.state(deadline: .inMilliseconds(Limits.peersMilliseconds / 2))
      guard unit.activeState == "active", unit.mainPID > 0 else { return view }
      let process = try ports.process.environment(of: unit.mainPID)
      view.keyProblem = try keyProblem(unit, process)
      if view.keyProblem == nil {
        view.runningKey = KeyIdentity(
          try ServerEnvironment.inForce(process, of: unit.mainPID, ports.file))
      }
      view.isServing = true
    } catch {
      // A server that cannot be looked at is not known to be READY.
    }
    return view
  }

  /// Why the key that a server runs with is not known: the file that it has read by itself is
  /// another one since. Nil if it is known.
  private func keyProblem(
    _ unit: UnitState, _ process: [EnvironmentVariable]
  ) throws(Refusal) -> String? {
    guard let path = try ServerEnvironment.configPath(of: process),
      let changed = try ports.file.changed(path, seenBy: unit.mainPID)
    else { return nil }
    let age = Int64(Clock.monotonicMicroseconds()) - Int64(unit.execMainStartMonotonicMicroseconds)
    return changed > Clock.realtimeMicroseconds() - age
      ? "\(path) was changed after its start" : nil
  }

  /// Never in a committed rollout, and without a generation.
  private var isNew: Bool {
    state.withLock { $0.participant.record.lastCommitted == nil && $0.generation == nil }
  }

  /// The next ones to be asked, each in its turn.
  private func nextPeers(_ count: Int) -> [String] {
    let names = peers.names
    if names.isEmpty { return [] }
    return state.withLock { state in
      let first = state.nextPeer % names.count
      state.nextPeer = first + count
      return (0..<min(count, names.count)).map { names[(first + $0) % names.count] }
    }
  }

  /// Asks some of the others for their seals.
  ///
  /// - Returns: what each of the others said when it was asked last, sorted by name.
  private func askPeers(_ names: [String]) -> [PeerSeal] {
    let answers = peers.ask(
      .seal, of: names, .later, deadline: .inMilliseconds(Limits.peersMilliseconds))
    return state.withLock { state in
      for (name, answer) in zip(names, answers) {
        state.seals[name] =
          switch answer {
          case .success(let view):
            view.node == name
              ? .answered(view) : .silent(node: name, reason: "it answers as \(view.node)")
          case .failure(let failure): .silent(node: name, reason: failure.refusal.message)
          }
      }
      return inventory.memberNames.filter { $0 != node }.map {
        state.seals[$0] ?? .silent(node: $0, reason: "it was not asked yet")
      }
    }
  }

  /// Keeps it for status, and says what is new of it, once.
  private func remember(_ facts: SealFacts) {
    let old = state.update { state in
      defer { state.sealFacts = facts }
      return state.sealFacts
    }
    for finding in facts.findings where !old.findings.contains(finding) {
      ports.log(finding.severity == .error ? 3 : 4, finding.message)
    }
    if facts.findings.isEmpty, let was = old.findings.first, was.severity == .error {
      ports.log(5, "the seal is as it must be again (\(was.rule))")
    }
    // The start guard may judge otherwise now.
    if facts.record != old.record { ports.watch.wake() }
  }
}

extension KeyIdentity {
  /// The key of an environment; the last definition counts. Nil without one.
  init?(_ variables: [EnvironmentVariable]) {
    func value(_ name: String) -> String { variables.last { $0.name == name }?.value ?? "" }
    let name = value("MINIO_KMS_SSE_KEY")
    if name.isEmpty { return nil }
    self.init(name: name, enclave: value("MINIO_KMS_ENCLAVE"))
  }
}

extension ParticipantRecord {
  /// The seal of a rollout that was committed, where the start was not confirmed here, or not yet.
  fileprivate var pendingSeal: Seal? {
    switch active?.stage {
    case .committed, .watching: return active?.rollout.seal
    case .prepared, .accepted, nil:
      guard let lastCommitted, lastCommitted.outcome.kind != .confirmed else { return nil }
      return lastCommitted.rollout.seal
    }
  }
}
