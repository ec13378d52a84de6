// SPDX-License-Identifier: Apache-2.0
internal import API
internal import KeyManager
internal import Model
internal import Rollout
internal import Threads

/// Keeps the proofs of the sealed key: remembers what came of opening them, takes those of the other nodes, and makes
/// those that nobody has (docs/decisions/0058-key-proofs.md).
final class ProofKeeper: Sendable {
  private struct State {
    var kept: KeyProofs
    /// When all of them were opened last; nil if they were not since the agent's start.
    var openedAt: Instant?
    /// What is wrong; nil if nothing is, or while nothing is known.
    var problem: Finding?
    /// Another key that was seen, and may be there still; nil if none may.
    var alarm: KeyProofAlarm?
    /// Why one is missing still; nil if none is.
    var missing: String?
    /// Whether most of the nodes said at the last look that they have no proof either.
    var isKnownEmpty = false
    /// Which host opened them last, by the endpoint that it answers for.
    var hosts: [String: String] = [:]
  }

  private let site: Site
  private let seals: SealKeeper
  private let state: Lock<State>

  /// - Parameter kept: what the record says.
  init(_ site: Site, seals: SealKeeper, kept: KeyProofs) {
    self.site = site
    self.seals = seals
    state = Lock(State(kept: kept))
  }

  // MARK: what is known

  /// The proofs of the present seal, of the records alone. Does not block.
  var own: KeyProofs {
    seals.seal.map { seal in state.withLock { $0.kept.of(binding(seal)) } } ?? KeyProofs()
  }

  /// What a plan or a vote opens: the own proofs, or where there are none those of the other nodes, which may know what
  /// this node does not. Blocks while they are asked.
  func toOpen() -> KeyProofs {
    guard let seal = seals.seal else { return KeyProofs() }
    let own = own
    if !own.all.isEmpty || state.withLock({ $0.isKnownEmpty }) { return own }
    return KeyProofs(askOthers(seal).flatMap(\.proofs.all))
  }

  /// What is wrong with the key, as it was seen last.
  var problem: Finding? { state.withLock { $0.problem } }

  /// What stands of another key at these Key Managers after a look that has seen nothing of it: behind a load balancer it
  /// may have met another host.
  func standing(after reports: [EndpointReport]) -> Finding? {
    guard let finding = state.withLock({ $0.alarm?.after(reports)?.finding }),
      reports.contains(where: { $0.endpoint == finding.link?.keyManager })
    else { return nil }
    return finding
  }

  /// Whether the next look should come soon: something is wrong, or a proof is missing.
  var isPressing: Bool { state.withLock { $0.problem != nil || $0.missing != nil } }

  /// What status says of them; nil where no key is sealed.
  func status(at now: Instant) -> KeyProofStatus? {
    guard seals.seal != nil else { return nil }
    let own = own
    return state.withLock { state in
      KeyProofStatus(
        count: own.all.count, newestAtMicroseconds: own.all.last?.madeAt,
        openedSecondsAgo: state.openedAt.map { max(0, now.milliseconds(since: $0) / 1_000) },
        missing: state.missing,
        problem: state.problem.flatMap { $0.severity == .error ? $0.statement : nil })
    }
  }

  /// What the other nodes, and who looks for evidence, are told. Blocks while the unit is read.
  func answer() -> KeyProofsAnswer {
    let record = seals.record()
    return KeyProofsAnswer(
      node: site.node, seal: record.seal?.digest, isServing: isServing(record), proofs: own,
      status: status(at: Clock.now()))
  }

  private func binding(_ seal: Seal) -> KeyProof.Binding {
    KeyProof.Binding(cluster: site.inventory.cluster, seal: seal.digest)
  }

  /// Whether the own server runs, is READY, and uses the sealed key.
  private func isServing(_ record: SealRecord) -> Bool {
    guard let seal = record.seal else { return false }
    let view = seals.view(record)
    return view.isServing && view.runningKey == seal.key
  }

  // MARK: a look

  /// What a look at the Key Managers asked with, and what it saw.
  struct Sight {
    let settings: KeyManagerSettings
    let surroundings: ServerSurroundings
    /// Opened with the own proofs.
    let reports: [EndpointReport]
    let findings: [Finding]
    /// Whether the running server gets to its key by these settings too, and not only its next start.
    let isInForce: Bool
  }

  /// Draws the conclusions from a look of the background's: says what does not open, and sees that there is a proof of
  /// the key as it is now. Blocks while other nodes are asked and while one is made, until the deadline.
  func tend(_ sight: Sight, deadline: Instant) {
    let record = seals.record()
    guard let seal = record.seal else {
      state.update { $0.alarm = nil }
      return conclude(nil, missing: nil)
    }
    // That the settings name another key the key guard says; what was wrong with the sealed one stays wrong.
    if sight.settings.key != seal.key { return }
    let own = own
    if let problem = alarm(sight.findings, sight.reports) { return conclude(problem, missing: nil) }
    if sight.reports.contains(where: { $0[.proof]?.verdict == .fine }) { noteOpened(sight.reports) }
    guard sight.reports.contains(where: \.answers) else {
      // No Key Manager answers: nothing new is known of the key. What was wrong stays wrong.
      return
    }
    let key = sight.reports.lazy.flatMap(\.sights).compactMap(\.key).first
    let version: UInt32? =
      if case .exists(let fingerprint)? = key { fingerprint.version } else { nil }
    let source = KeySource(sight.settings)
    if own.covers(version: version, source: source) { return conclude(nil, missing: nil) }
    // Nothing is taken or made by the word of Key Managers that were not seen to open what there is.
    guard own.all.isEmpty || sight.reports.contains(where: { $0[.proof]?.verdict == .fine }) else {
      return
    }

    let heard = askOthers(seal)
    let members = site.inventory.memberNames
    state.update {
      $0.isKnownEmpty =
        heard.allSatisfy { $0.proofs.all.isEmpty }
        && KeyProofMaking.isEnough(heard.count + 1, of: members)
    }
    let known = KeyProofs(heard.flatMap(\.proofs.all)).all.filter { !own.all.contains($0) }
    if !known.isEmpty {
      let reports = site.ports.probe.keyManagers(
        sight.settings, surroundings: sight.surroundings, proofs: known, deadline: deadline)
      let findings = KeyManagerJudgement.findings(
        reports, settings: sight.settings, firstEnablement: false, createKey: false)
      if let problem = alarm(findings, reports) { return conclude(problem, missing: nil) }
      guard reports.contains(where: { $0[.proof]?.verdict == .fine }) else { return }
      noteOpened(reports)
      keep(known, of: seal, "taken from the other nodes")
      if self.own.covers(version: version, source: source) { return conclude(nil, missing: nil) }
    }
    make(sight, seal, record, heard, deadline)
  }

  /// Makes one, if that is this node's task.
  private func make(
    _ sight: Sight, _ seal: Seal, _ record: SealRecord, _ heard: [KeyProofsAnswer],
    _ deadline: Instant
  ) {
    let verdict = KeyProofMaking.verdict(
      node: site.node, isServing: isServing(record), members: site.inventory.memberNames,
      heard: heard.map { .init(node: $0.node, isServing: $0.isServing) })
    switch verdict {
    case .wait(let why): conclude(nil, missing: why)
    // What a start would use has encrypted nothing yet.
    case .make where !sight.isInForce:
      conclude(nil, missing: "the running server gets to its key by other settings than the file's")
    // A Key Manager that was not met this time has another key.
    case .make where state.withLock { $0.alarm != nil }: conclude(nil, missing: nil)
    case .make:
      do throws(Refusal) {
        let proof = try site.ports.probe.makeKeyProof(
          sight.settings, surroundings: sight.surroundings, for: binding(seal), by: site.node,
          deadline: deadline)
        keep([proof], of: seal, "made")
        // It was opened once, and those that there were have opened before.
        state.update { $0.openedAt = Clock.now() }
        conclude(nil, missing: nil)
      } catch {
        let isWrong = error.code == .guarded
        conclude(
          Finding(
            isWrong ? .error : .warning,
            rule: isWrong ? KeyProofJudgement.rule : "key-proof-missing",
            refusal: error.code, variable: "MINIO_KMS_SSE_KEY", message: error.message),
          missing: error.message)
      }
    }
  }

  /// What a look found of another key; nil if nothing.
  private func alarm(_ findings: [Finding], _ reports: [EndpointReport]) -> Finding? {
    guard var finding = findings.first(where: { $0.rule == KeyProofJudgement.rule }) else {
      return nil
    }
    // One that has answered rightly before and another one now: there are several under one name.
    let before = state.withLock { $0.hosts }
    for report in reports where report.hasOtherKey {
      guard let host = report.sights.lazy.compactMap(\.host).first,
        let right = before[report.endpoint], right != host
      else { continue }
      finding.message +=
        "; \(right), which answered for \(report.endpoint) before, has the right one: several Key Managers are behind one name"
    }
    return state.update { state in
      state.alarm = KeyProofAlarm(finding, reports, before: state.alarm)
      return finding
    }
  }

  private func noteOpened(_ reports: [EndpointReport]) {
    state.update { state in
      state.openedAt = Clock.now()
      state.alarm = state.alarm?.after(reports)
      for report in reports where report[.proof]?.verdict == .fine {
        if let host = report.sights.lazy.compactMap(\.host).first {
          state.hosts[report.endpoint] = host
        }
      }
    }
  }

  /// Remembers what came of a look, beside an alarm that stands. The watch tells what is new of it.
  private func conclude(_ found: Finding?, missing: String?) {
    let isNew = state.update { state in
      let problem = found ?? state.alarm?.finding
      defer { (state.problem, state.missing) = (problem, missing) }
      return state.problem?.severity != problem?.severity
    }
    if isNew { site.ports.watch.wake() }
  }

  private func keep(_ proofs: [KeyProof], of seal: Seal, _ how: String) {
    let kept = state.update { state in
      var kept = state.kept.of(binding(seal))
      for proof in proofs { kept.add(proof) }
      state.kept = kept
      return kept
    }
    do throws(Refusal) {
      try site.records.proofs.save(kept)
      let versions = proofs.map { "version \($0.version)" }.joined(separator: ", ")
      site.log(.notice, "key proof of \(seal.key.text) (\(versions)): \(how)")
    } catch { site.log(.warning, "the key proofs are lost at the next restart: \(error.message)") }
  }

  /// What those of the others say that answer and have the same seal. Blocks while they are asked.
  private func askOthers(_ seal: Seal) -> [KeyProofsAnswer] {
    let names = site.peers.names
    let answers = site.peers.ask(
      .keyProofs, of: names, .later, deadline: .inMilliseconds(Limits.peersMilliseconds))
    let binding = binding(seal)
    return zip(names, answers).compactMap { name, answer in
      guard case .success(let said) = answer, said.node == name, said.seal == binding.seal,
        said.proofs.of(binding) == said.proofs
      else { return nil }
      return said
    }
  }
}
