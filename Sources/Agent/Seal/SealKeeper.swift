// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Coordination
internal import Model
internal import Rollout
internal import Threads

/// Looks after this node's seal: its records, what the other members say of theirs, and what follows.
///
/// Each look reads the records: what a person or a broken disk does to them counts at once, and a record that was
/// recovered needs no restart.
final class SealKeeper: Sendable {
  private struct State {
    /// The seal as its record was read last; nil if there is none, or none to rely on.
    var seal: Seal?
    /// What came of the last look at the seal and at the others'.
    var facts = SealFacts()
    /// What each of the others said of its seal when it was asked last.
    var seals: [String: PeerSeal] = [:]
    /// Where among the others the background asks next.
    var nextPeer = 0
  }

  /// Between two looks where nothing is expected to come of them, milliseconds.
  private static let restMilliseconds = 30_000
  /// Between two looks where something is, milliseconds.
  private static let eagerMilliseconds = 5_000
  /// In which time a sealed node asks each of the others once, milliseconds.
  private static let sealedMilliseconds = 300_000

  let site: Site
  let rollouts: any RolloutState
  let generations: Generations
  private let state: Lock<State>

  /// Reads the record of the seal; blocks on the disk.
  init(_ site: Site, rollouts: any RolloutState, generations: Generations) {
    self.site = site
    self.rollouts = rollouts
    self.generations = generations
    state = Lock(State(seal: site.records.sealRecord(cluster: site.inventory.cluster).seal))
  }

  /// The seal as its record was read last; nil if there is none, or none to rely on. Does not block on the disk.
  var seal: Seal? { state.withLock { $0.seal } }

  /// Looks after the seal from now on, on a thread of its own: says when the record is lost, takes
  /// the others' seal where a start was confirmed there and not here, adopts the key of a cluster
  /// that was encrypted before.
  func keepInBackground() throws(Refusal) {
    try site.startThread("seal") { [self] in
      while true { Clock.sleep(until: .inMilliseconds(look())) }
    }
  }

  /// One look of the background's. Asks a few of the others, the next ones each time, and only if
  /// something can come of it. Blocks while the unit is read, and then while they are asked.
  ///
  /// - Returns: how long to wait before the next, milliseconds.
  @discardableResult
  func look() -> Int {
    let record = record()
    let facts = state.withLock { $0.facts }
    if record != facts.record || facts.asked == nil {
      keep(asking: nextPeers(Limits.peersAtOnce))
      return Self.eagerMilliseconds
    }
    switch record {
    case .missing, .damaged: break  // said already; only a person mends it
    case .sealed(let seal):
      do throws(Refusal) {
        try rollouts.betweenTurns { () throws(Refusal) in try site.records.completeSeal(seal) }
      } catch { site.log(.warning, error.message) }
      if !facts.findings.isEmpty {
        keep(asking: nextPeers(Limits.peersAtOnce))
        return Self.eagerMilliseconds
      }
      let looks = Self.sealedMilliseconds / Self.restMilliseconds
      keep(
        asking: nextPeers(min(Limits.peersAtOnce, (site.peers.names.count + looks - 1) / looks)))
    case .unsealed:
      let view = view(record)
      // Nothing to take and nothing to adopt in a cluster without encryption.
      if view.runningKey != nil || view.keyProblem != nil || view.pending != nil
        || !facts.findings.isEmpty
      {
        keep(asking: nextPeers(Limits.peersAtOnce))
        return Self.eagerMilliseconds
      }
      // Who was not asked yet, or could not be, may be sealed.
      if !facts.silent.isEmpty { keep(asking: nextPeers(Limits.peersAtOnce)) }
    }
    return Self.restMilliseconds
  }

  /// Looks at the own record and asks some of the others, the rest counts as it was heard last; takes
  /// or makes the seal if that is what follows, and remembers what came of it. What is written down is
  /// what others say now: for that it asks again whoever it depends on. Blocks while the others are
  /// asked, at most twice `Limits.peersMilliseconds`, and on the disk.
  @discardableResult
  func keep(asking names: [String]) -> SealFacts {
    let record = record()
    let own = view(record)
    var heard = askPeers(names)
    var facts = SealFacts()
    facts.record = record
    facts.asked = Clock.now()
    do throws(Refusal) {
      var standing = SealJudgement.standing(own: own, record: record, peers: heard)
      if case .take(let seal) = standing {
        let holders = heard.compactMap(\.view).holders(of: seal)
        let needed = own.isNew ? site.peers.names : Array(holders.prefix(Limits.peersAtOnce))
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
        try adopt(own, heard, isFresh: Set(names).isSuperset(of: site.peers.names), &facts)
      }
    } catch {
      facts.refusal = error
      facts.findings = [
        Finding(.error, rule: "seal-unwritable", refusal: error.code, message: error.message)
      ]
    }
    facts.view = facts.record == record ? own : view(facts.record)
    remember(facts)
    return facts
  }

  private func adopt(
    _ own: SealView, _ heard: [PeerSeal], isFresh: Bool, _ facts: inout SealFacts
  ) throws(Refusal) {
    func adoption(_ heard: [PeerSeal]) -> Adoption {
      Adoption(
        own: own, peers: heard, cluster: site.inventory.cluster,
        realtimeMicroseconds: Clock.realtimeMicroseconds())
    }
    var judged = adoption(heard)
    if case .seal = judged, !isFresh { judged = adoption(askPeers(site.peers.names)) }
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
    try rollouts.betweenTurns { () throws(Refusal) in
      let record = record()
      guard case .unsealed = record else { return record }
      let now = rollouts.now
      // A rollout makes its own seal; what it seals was voted on.
      if !isTaken && !now.isAtRest { return record }
      if let voted = now.record.active?.rollout.seal, voted.digest != seal.digest { return record }
      try site.records.save(seal)
      state.update { $0.seal = seal }
      site.log(
        .notice,
        isTaken
          ? "key \(seal.text) is sealed, taken from the other members"
          : "key \(seal.text) is sealed: every server runs with it (adopted)")
      return .sealed(seal)
    }
  }

  /// The start is confirmed: what was voted on is sealed.
  func confirm(
    _ finished: FinishedRollout, _ turn: borrowing MemberTurn
  ) throws(Refusal) {
    guard let seal = finished.rollout.seal else { return }
    switch record() {
    case .unsealed:
      try site.records.save(seal)
      state.update { $0.seal = seal }
      site.log(.notice, "key \(seal.text) is sealed by rollout \(finished.rollout.id)")
    case .sealed(let own):
      if own.digest != seal.digest {
        site.log(.error, "\(site.node) is sealed with \(own.text) already, not with \(seal.text)")
      }
    case .missing, .damaged:
      // What was lost or altered is not written over.
      throw Refusal(
        .guarded,
        "the seal \(seal.text) cannot be kept: the record \"seal\" of \(site.node) was removed or altered; keyturn seal recover \(site.node)"
      )
    }
  }

  /// Takes the seal from the other members, whatever this node's own record is. Blocks while they
  /// are asked.
  func recover(by person: String) throws(Refusal) -> SealRecovery {
    let seal: Seal
    do throws(Refusal) {
      seal = try SealJudgement.recovery(of: site.node, peers: askPeers(site.peers.names))
    } catch {
      guard let own = record().seal else { throw error }
      throw Refusal(error.code, "its own seal is sound (\(own.text)); \(error.message)")
    }
    let recovery: SealRecovery = try rollouts.betweenTurns { () throws(Refusal) in
      let record = record()
      if record.seal?.digest == seal.digest {
        return SealRecovery(node: site.node, seal: seal, problem: nil)
      }
      let problem =
        record.problem
        ?? record.seal.map { "it was sealed with \($0.text)" } ?? "it was not sealed"
      try site.records.save(seal)
      try site.records.removeLiftedSeal()
      state.update { $0.seal = seal }
      return SealRecovery(node: site.node, seal: seal, problem: problem)
    }
    if let problem = recovery.problem {
      site.log(.notice, "the seal \(seal.text) was recovered by \(person): \(problem)")
    }
    keep(asking: site.peers.names)
    return recovery
  }

  // MARK: what is known here

  /// What the records of the seal say now. May block on the disk.
  func record() -> SealRecord {
    let record = site.records.sealRecord(cluster: site.inventory.cluster)
    state.withLock { $0.seal = record.seal }
    return record
  }

  /// What status says of the seal, without asking anybody. May block on the disk.
  func findings() -> [Finding] {
    let record = record()
    let facts = state.withLock { $0.facts }
    if record == facts.record { return facts.findings }
    let own = SealView(
      node: site.node, members: SealView.digest(ofMembers: site.inventory.memberNames),
      problem: record.problem)
    switch SealJudgement.standing(own: own, record: record, peers: []) {
    case .refused(let problem): return [problem.finding]
    case .sealed, .take, .unsealed: return []
    }
  }

  /// The next ones to be asked, each in its turn.
  private func nextPeers(_ count: Int) -> [String] {
    let names = site.peers.names
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
    let answers = site.peers.ask(
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
      return site.inventory.memberNames.filter { $0 != site.node }.map {
        state.seals[$0] ?? .silent(node: $0, reason: "it was not asked yet")
      }
    }
  }

  /// Keeps it for status, and says what is new of it, once.
  private func remember(_ facts: SealFacts) {
    let old = state.update { state in
      defer { state.facts = facts }
      return state.facts
    }
    for finding in facts.findings where !old.findings.contains(finding) {
      site.log(finding.severity == .error ? .error : .warning, finding.message)
    }
    if facts.findings.isEmpty, let was = old.findings.first, was.severity == .error {
      site.log(.notice, "the seal is as it must be again (\(was.rule))")
    }
    // The start guard may judge otherwise now.
    if facts.record != old.record { site.ports.watch.wake() }
  }
}
