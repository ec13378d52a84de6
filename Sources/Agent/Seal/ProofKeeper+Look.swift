// SPDX-License-Identifier: Apache-2.0
internal import API
internal import KeyManager
internal import Model
internal import Rollout
internal import Threads

// What follows from a look at the Key Managers: what does not open is said, what other nodes have is taken, what nobody
// has is made.
extension ProofKeeper {
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
    let told = ToldProofs(heard.map { ($0.node, $0.proofs) }, except: own)
    var doubt: Finding?
    if !told.all.isEmpty {
      switch open(told, sight, isOwnOpened: !own.all.isEmpty, deadline) {
      case .silence: return
      case .otherKey(let problem): return conclude(problem, missing: nil)
      case .opened(let proofs, let finding):
        doubt = finding
        if !proofs.isEmpty { keep(proofs, of: seal, "taken from the other nodes") }
        if self.own.covers(version: version, source: source) {
          return conclude(doubt, missing: nil)
        }
      }
    }
    make(sight, seal, record, heard, doubt, deadline)
  }

  /// What came of opening proofs of other nodes.
  private enum Opening {
    /// No Key Manager has opened one, or said that it has another key.
    case silence
    case otherKey(Finding)
    /// These have opened; the finding is of nodes that tell others.
    case opened([KeyProof], Finding?)
  }

  /// Opens what other nodes tell, and judges what does not open. Blocks until the deadline at the longest.
  private func open(
    _ told: ToldProofs, _ sight: Sight, isOwnOpened: Bool, _ deadline: Instant
  ) -> Opening {
    func look(_ those: [ToldProofs.Told]) -> [EndpointReport] {
      site.ports.probe.keyManagers(
        sight.settings, surroundings: sight.surroundings, proofs: those.map(\.proof),
        deadline: deadline)
    }
    // Where it has proofs of its own this look has been counted by them.
    func note(_ reports: [EndpointReport]) {
      isOwnOpened ? noteHosts(reports) : noteOpened(reports)
    }
    let all = look(told.all)
    guard all.contains(where: \.hasOtherKey) else {
      guard all.contains(where: { $0[.proof]?.verdict == .fine }) else { return .silence }
      note(all)
      return .opened(told.all.map(\.proof), nil)
    }
    // Which of them: the look ends at the first that does not open.
    let each = told.all.map { ($0, told.all.count == 1 ? all : look([$0])) }
    let unopened = each.filter { $0.1.contains(where: \.hasOtherKey) }
    let opened = each.filter { reports in
      !reports.1.contains(where: \.hasOtherKey)
        && reports.1.contains { $0[.proof]?.verdict == .fine }
    }
    switch told.verdict(unopened: unopened.map(\.0), isOwnOpened: isOwnOpened) {
    case .take: return .opened(opened.map(\.0.proof), nil)
    case .takeAllBut(let others):
      if let reports = opened.first?.1 { note(reports) }
      return .opened(
        opened.map(\.0.proof),
        Finding(
          .warning, rule: "key-proof-doubtful", refusal: .guarded, variable: "MINIO_KMS_SSE_KEY",
          message:
            "\(NodeNames.folded(Set(others.flatMap(\.nodes)).sorted())) keeps a key proof that no Key Manager opens, while those of the others open",
          remedy: "see on that node who could have altered /var/lib/keyturn/proofs, or its agent"))
    case .otherKey:
      let reports = unopened[0].1
      let findings = KeyManagerJudgement.findings(
        reports, settings: sight.settings, firstEnablement: false, createKey: false)
      return alarm(findings, reports).map { .otherKey($0) } ?? .silence
    }
  }

  /// Makes one, if that is this node's task.
  private func make(
    _ sight: Sight, _ seal: Seal, _ record: SealRecord, _ heard: [KeyProofsAnswer],
    _ doubt: Finding?, _ deadline: Instant
  ) {
    let verdict = KeyProofMaking.verdict(
      node: site.node, isServing: isServing(record), members: site.inventory.memberNames,
      heard: heard.map { .init(node: $0.node, isServing: $0.isServing) },
      isLate: state.withLock { $0.isLate(at: Clock.now()) })
    switch verdict {
    case .wait(let why): conclude(doubt, missing: why)
    // What a start would use has encrypted nothing yet.
    case .make where !sight.isInForce:
      conclude(
        doubt, missing: "the running server gets to its key by other settings than the file's")
    case .make where state.withLock { $0.isLost }:
      conclude(doubt, missing: "the record of the key proofs of \(site.node) is damaged")
    // A Key Manager that was not met this time has another key.
    case .make where state.withLock { $0.alarm != nil }: conclude(doubt, missing: nil)
    case .make:
      do throws(Refusal) {
        let proof = try site.ports.probe.makeKeyProof(
          sight.settings, surroundings: sight.surroundings, known: self.own.all,
          for: binding(seal), by: site.node, deadline: deadline)
        keep([proof], of: seal, "made")
        // It was opened once, and those that there were have opened before.
        state.update {
          $0.openedAt = Clock.now()
          $0.openedThrough = sight.reports.filter(\.answers).map(\.endpoint)
        }
        conclude(doubt, missing: nil)
      } catch {
        let isWrong = error.code == .guarded
        conclude(
          Finding(
            isWrong ? .error : .warning,
            rule: isWrong ? KeyProofJudgement.rule : KeyProofs.missingRule,
            refusal: error.code, variable: "MINIO_KMS_SSE_KEY", message: error.message),
          missing: error.message)
      }
    }
  }

  // MARK: after a start

  /// What is wrong with the key of a server that has started just now: between vote and instant it may have been
  /// exchanged. Nil if nothing is, if there is no proof, and where no Key Manager answers. Blocks up to the inventory's
  /// probe timeout.
  func problemAfterStart() -> Finding? {
    let known = toOpen()
    let view = ServerView(site)
    guard !known.isEmpty, let settings = try? KeyManagerSettings.parse(view.variables) else {
      return nil
    }
    let reports = site.ports.probe.keyManagers(
      settings, surroundings: view.surroundings(view.server), proofs: known,
      deadline: .inMilliseconds(site.inventory.timeouts.probeSeconds * 1_000))
    let findings = KeyManagerJudgement.findings(
      reports, settings: settings, firstEnablement: false, createKey: false)
    return KeyProofJudgement.decisive(findings).first ?? standing(after: reports)
  }
}
