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
    guard let seal = record.seal else { return forget() }
    begin(seal)
    // That the settings name another key the key guard says; what was wrong with the sealed one stays wrong.
    if sight.settings.key != seal.key { return }
    let own = own
    if let problem = alarm(sight.findings, sight.reports) { return conclude(problem, missing: nil) }
    let isOwnOpened = !own.all.isEmpty && sight.opensAll
    if isOwnOpened {
      noteOpened(sight.reports)
    } else if !own.all.isEmpty {
      state.update { $0.unopened = sight.whyUnopened }
    }
    guard sight.reports.contains(where: \.answers) else {
      // No Key Manager answers: nothing new is known of the key. What was wrong stays wrong.
      return
    }
    let isCovered = own.covers(version: sight.version, source: KeySource(sight.settings))
    if isCovered, state.withLock({ $0.doubt == nil }) { return conclude(nil, missing: nil) }
    // Nothing is taken or made by the word of Key Managers that were not seen to open what there is.
    guard own.all.isEmpty || isOwnOpened else { return }

    let heard = askOthers(seal)
    let members = site.inventory.memberNames
    state.update {
      $0.isKnownEmpty =
        heard.allSatisfy { $0.proofs.all.isEmpty }
        && KeyProofMaking.isEnough(heard.count + 1, of: members)
    }
    switch take(from: heard, seal, sight, isOwnOpened: isOwnOpened, deadline) {
    case .goOn: break
    case .ended: return
    case .incomplete(let why): return conclude(nil, missing: isCovered ? nil : why)
    }
    if self.own.covers(version: sight.version, source: KeySource(sight.settings)) {
      return conclude(nil, missing: nil)
    }
    make(sight, seal, record, heard, deadline)
  }

  private enum Taking {
    /// What the others have is here, as far as it opens.
    case goOn
    /// Something is wrong, and said.
    case ended
    /// None may be made: it is not known whether what the others have opens; why, for people.
    case incomplete(String)
  }

  /// Opens what the other nodes tell, keeps what opens, and says what does not. Blocks until the deadline at the longest.
  private func take(
    from heard: [KeyProofsAnswer], _ seal: Seal, _ sight: Sight, isOwnOpened: Bool,
    _ deadline: Instant
  ) -> Taking {
    let told = told(heard, except: own)
    guard !told.all.isEmpty else {
      state.update { $0.doubt = nil }
      return .goOn
    }
    let reports = site.ports.probe.keyManagers(
      sight.settings, surroundings: sight.surroundings, proofs: told.all.map(\.proof),
      deadline: deadline)
    func keep(_ proofs: [KeyProof]) {
      if proofs.isEmpty { return }
      // Where it has proofs of its own this look has been counted by them.
      isOwnOpened ? noteHosts(reports) : noteOpened(reports)
      self.keep(proofs, of: seal, "taken from the other nodes")
    }
    switch told.verdict(reports, isOwnOpened: isOwnOpened) {
    case .silence: return .incomplete("the key proofs of the other nodes could not be opened")
    case .take(let proofs, let isAll):
      keep(proofs)
      if isAll { state.update { $0.doubt = nil } }
      return isAll
        ? .goOn : .incomplete("not all key proofs of the other nodes could be opened")
    case .doubt(let others, let proofs):
      keep(proofs)
      state.update { $0.doubt = Self.doubt(others) }
      return isOwnOpened || !proofs.isEmpty
        ? .goOn : .incomplete("a key proof of another node does not open")
    case .otherKey:
      let findings = KeyManagerJudgement.findings(
        reports, settings: sight.settings, firstEnablement: false, createKey: false)
      conclude(alarm(findings, reports), missing: nil)
      return .ended
    }
  }

  /// That few nodes tell proofs that do not open.
  private static func doubt(_ others: [ToldProofs.Told]) -> Finding {
    let nodes = NodeNames.folded(Set(others.flatMap(\.nodes)).sorted())
    return Finding(
      .warning, rule: "key-proof-doubtful", refusal: .guarded, variable: "MINIO_KMS_SSE_KEY",
      message:
        "\(nodes) has a key proof that no Key Manager opens, and most of the nodes do not have it",
      remedy:
        "see on that node who could have altered /var/lib/keyturn/proofs or its agent, and at the Key Manager whether the key was exchanged when that proof was made (`keyturn seal show`)"
    )
  }

  /// Makes one, if that is this node's task.
  private func make(
    _ sight: Sight, _ seal: Seal, _ record: SealRecord, _ heard: [KeyProofsAnswer],
    _ deadline: Instant
  ) {
    let now = Clock.now()
    let (isLost, isAlarmed, missing) = state.withLock { state in
      (state.isLost, state.alarm != nil, state.missingMilliseconds(at: now))
    }
    let verdict = KeyProofMaking.verdict(
      node: site.node, isServing: isServing(record), members: site.inventory.memberNames,
      heard: heard.map { .init(node: $0.node, isServing: $0.isServing) },
      missingMilliseconds: missing)
    switch verdict {
    case .wait(let why): conclude(nil, missing: why)
    // What a start would use has encrypted nothing yet.
    case .make where !sight.isInForce:
      conclude(nil, missing: "the running server gets to its key by other settings than the file's")
    case .make where isLost:
      conclude(nil, missing: "the record of the key proofs of \(site.node) is damaged")
    // A Key Manager that was not met this time has another key.
    case .make where isAlarmed: conclude(nil, missing: nil)
    case .make:
      do throws(Refusal) {
        let proof = try site.ports.probe.makeKeyProof(
          sight.settings, surroundings: sight.surroundings, known: own.all,
          for: binding(seal), by: site.node, deadline: deadline)
        keep([proof], of: seal, "made")
        // It was opened once, and those that there were have opened before.
        state.update { $0.openedAt = Clock.now() }
        conclude(
          nil,
          missing: own.all.contains(proof)
            ? nil : "what \(site.node) has made is not kept: other proofs say that they are newer")
      } catch {
        let isWrong = error.code == .guarded
        let finding = Finding(
          isWrong ? .error : .warning,
          rule: isWrong ? KeyProofJudgement.rule : KeyProofs.missingRule,
          refusal: error.code, variable: "MINIO_KMS_SSE_KEY", message: error.message)
        if isWrong { noteAlarm(finding, []) }
        conclude(finding, missing: error.message)
      }
    }
  }

  // MARK: after a start

  /// What is known of the key of a server that has just started.
  enum AfterStart {
    /// The proofs open, or there are none.
    case right
    /// It would not decrypt what the cluster has encrypted.
    case wrong(Finding)
    /// Nobody has opened them; why, for people.
    case unknown(String)
  }

  /// Has the proofs opened by what the server runs with: between vote and instant the key may have been exchanged. Blocks
  /// for ``Limits/keyProofStartMilliseconds``, and where the node has none of its own while others are asked.
  func lookAfterStart(_ view: ServerView) -> AfterStart {
    let known = toOpen()
    if known.isEmpty { return .right }
    let settings: KeyManagerSettings
    do throws(Refusal) {
      guard let found = try KeyManagerSettings.parse(try view.inForce() ?? []) else {
        return .unknown("the server runs without settings of a Key Manager")
      }
      settings = found
    } catch { return .unknown(error.message) }
    let reports = site.ports.probe.keyManagers(
      settings, surroundings: view.surroundings(view.server), proofs: known,
      deadline: .inMilliseconds(Limits.keyProofStartMilliseconds))
    let findings = KeyManagerJudgement.findings(
      reports, settings: settings, firstEnablement: false, createKey: false)
    if let problem = alarm(findings, reports) ?? KeyProofJudgement.decisive(findings).first
      ?? standing(after: reports)
    {
      return .wrong(problem)
    }
    if reports.contains(where: { $0[.proof]?.verdict == .fine }) { return .right }
    return .unknown(findings.first?.message ?? "no Key Manager has answered")
  }
}

extension ProofKeeper.Sight {
  /// Whether a Key Manager has opened all that it was asked for.
  fileprivate var opensAll: Bool { reports.contains { $0[.proof]?.verdict == .fine } }

  /// Why nothing was opened: what says so for certain, or else the first that is wrong.
  fileprivate var whyUnopened: Refusal {
    let errors = findings.filter { $0.severity == .error }
    if let finding = KeyProofJudgement.decisive(errors).first {
      return Refusal(finding.refusal, finding.statement)
    }
    return Refusal(.unreachable, errors.first?.statement ?? "no Key Manager has opened them")
  }

  /// The version of the key; nil where the Key Manager does not tell.
  fileprivate var version: UInt32? {
    guard case .exists(let fingerprint)? = reports.lazy.flatMap(\.sights).compactMap(\.key).first
    else { return nil }
    return fingerprint.version
  }
}
