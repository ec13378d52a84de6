// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Crypto
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import Threads

/// Every validation and preflight of one node, in the order of the protocol. Changes nothing.
///
/// `plan` shows what it says; a vote is a yes only if it finds no reason for a no.
final class Assessor: Sendable {
  /// How often a process is looked at where it, or the last one, has ended meanwhile.
  private static let processLooks = 20

  private let site: Site
  private let checks: PreflightChecks
  private let generations: Generations
  private let timelines: Timelines
  private let rollouts: any RolloutState
  /// The life of the state directory; nil if it is not known.
  let incarnation: Incarnation?
  /// One assessment at a time: each may have a thread for every address of every endpoint.
  private let turn = Lock(Turn())

  init(
    _ site: Site, incarnation: Incarnation?, reversePath: ReversePath, generations: Generations,
    timelines: Timelines, rollouts: any RolloutState, proofs: ProofKeeper
  ) {
    self.site = site
    self.incarnation = incarnation
    checks = PreflightChecks(site: site, reversePath: reversePath, proofs: proofs)
    self.generations = generations
    self.timelines = timelines
    self.rollouts = rollouts
  }

  /// Every check of this node, one caller after the other. Blocks up to the probes' deadline for each
  /// caller that came before.
  ///
  /// - Parameter facts: what is to be said of the seal.
  func assess(_ request: RolloutRequest, _ facts: SealFacts) -> Assessment {
    let ((last, number), record) = (generations.latest, rollouts.now.record)
    var assessment = turn.withLock { _ in
      judge(
        request, seal: facts.record.seal, generation: number, lastPath: last?.path, record: record)
    }
    assessment.answer.isLastGeneration =
      assessment.answer.path == last?.path && assessment.answer.before == last?.digest
    facts.complete(&assessment.answer)
    assessment.answer.active = activeSummary
    assessment.answer.incarnation = incarnation
    return assessment
  }

  /// The rollout that the node is in, for who would begin another.
  private var activeSummary: ActiveSummary? {
    rollouts.now.record.active.map {
      ActiveSummary($0.rollout, sinceMicroseconds: timelines.preparingSince($0.rollout.id))
    }
  }

  /// Blocks while the unit is read and the Key Managers are probed, up to the inventory's probe timeout.
  ///
  /// - Parameter lastPath: the file of the last generation; nil if there is none.
  private func judge(
    _ request: RolloutRequest, seal: Seal?, generation: Int, lastPath: String?,
    record: ParticipantRecord
  ) -> Assessment {
    var refusals: [Refusal] = []
    let view = ServerView(site, processLooks: Self.processLooks)
    let unit = view.unit
    var findings = unreadable(view, isSealed: seal != nil)
    var inForce = view.running
    var edit = Edit(path: site.inventory.environmentFile)
    var currentKey: KeyIdentity?
    // What cannot be read is not an empty file: nothing is said of what it holds.
    do throws(Refusal) {
      if seal == nil {
        do throws(Refusal) { inForce = try view.inForce() } catch {
          // A process that has ended since sees no files any more.
          inForce = try view.running.map { running throws(Refusal) in
            try ServerEnvironment.inForce(running, site.ports.file)
          }
        }
      }
      if let failure = view.failure(.environment) { throw failure }
      if let server = view.server {
        edit.server = server
        currentKey = KeyIdentity(server.variables)
        try find(&edit, in: server, request, lastPath: lastPath)
      }
    } catch { refusals.append(error) }
    let path = edit.path
    let merged = edit.server
    // A note is of a unit that is as it should be: for `check`. A job of the unit is the rollout's own where the last
    // one is taken back.
    findings += view.examine(
      merged, isInRollout: record.active != nil || request.undoes != nil
    ).filter { $0.severity > .note }
    // What ran before may run again, also where the inventory has grown meanwhile.
    if request.undoes == nil {
      let volumes = view.volumeFindings(merged)
      findings += volumes.isEmpty ? view.leftOutFindings(merged, isNew: generation == 0) : volumes
    }
    let (current, proposed) = (edit.current ?? EnvironmentDocument([]), edit.proposed)
    let environment = merged?.variables ?? []
    do throws(Refusal) {
      findings += try merged.map(view.problems(with:)) ?? []
    } catch { refusals.append(error) }
    // After what takes the whole environment away, the pools with it.
    if request.undoes == nil {
      findings += view.poolFindings(
        merged, last: generations.lastKept(), isNew: generation == 0,
        isMeant: request.changesPools == true)
    }
    // What is not read at all is not shadowed.
    if let merged, merged.files.contains(path) { findings += merged.shadowed(edit.changes) }

    let holder = KeyGuard.Holder(seal: seal, running: inForce, unit: unit)
    // A definition of which nothing comes is none.
    func definitions(_ name: String) -> [String] {
      guard let merged, merged[name] != nil else { return [] }
      return merged.definitions(of: name).map(\.1.value)
    }
    let missing = MissingKey(
      node: site.node, request: request, generation: generation, lastPath: lastPath,
      hasCommitted: record.lastCommitted != nil)
    let isAbsent = merged?.files.contains(path) == true && edit.current == nil
    let lost = isAbsent ? missing.lostFile(path) : nil
    if let merged {
      let keys = definitions("MINIO_KMS_SSE_KEY")
      if var refusal = KeyGuard.refusal(
        holder: holder, keys: keys, enclaves: definitions("MINIO_KMS_ENCLAVE"),
        absence: missing.absence(from: merged, file: path, isThereNow: currentKey != nil))
      {
        // What takes the whole environment away is the cause, and not that the key is gone with it.
        if keys.isEmpty, let cause = lost ?? MissingKey.causeOfNoEnvironment(findings) {
          refusal = cause
        }
        if keys.count > 1 {
          let places = merged.places(of: "MINIO_KMS_SSE_KEY").joined(separator: ", ")
          refusal.message += "; it is defined in: \(places)"
        }
        refusals.insert(refusal, at: 0)
      }
    }

    if let lost, refusals.first != lost { refusals.insert(lost, at: 0) }

    let isGuarded = holder != nil || KeyIdentity(environment) != nil
    if isGuarded, let problem = merged?.keyProblem {
      refusals.insert(
        Refusal(
          .guarded,
          "which MINIO_KMS_SSE_KEY the server of \(site.node) would use cannot be relied on: \(problem)"
        ),
        at: 0)
    }
    if let unit {
      findings += StartGuardInUnit.findings(
        unit, state: site.ports.records.directory, isNeeded: isGuarded
      ).filter { $0.rule == "start-guard-missing" }
    }
    findings += merged?.settingsFindings(path: path) ?? []
    var preflight = Preflight()
    if refusals.isEmpty && !findings.contains(where: { $0.severity == .error }) {
      preflight = checks.run(
        view, merged, firstEnablement: holder == nil, createKey: request.createKey,
        isRollback: request.undoes != nil)
      findings += preflight.findings
    }
    findings.sort { $0.severity > $1.severity }
    if let worst = findings.first, worst.severity == .error {
      refusals.append(Refusal(worst.refusal, worst.statement))
    }
    if holder == nil,
      let refusal = KeyGuard.ambiguity(
        keys: definitions("MINIO_KMS_SSE_KEY"), enclaves: definitions("MINIO_KMS_ENCLAVE"))
    {
      refusals.append(refusal)
    }

    let changed = proposed.bytes != current.bytes
    let server = merged.map {
      RunningServer(
        view, wanted: $0, changedFile: changed ? path : nil,
        formerNames: generations.lastNames(),
        lastOutcome: record.lastCommitted?.outcome.kind)
    }
    let whyRestart = server?.whyRestart ?? "what it would run with is not known"
    let reason = changed ? whyRestart : server?.reason ?? ""
    let before = edit.current.map { Digest.sha256($0.bytes) }
    let programs = site.programs.look(
      unit, deadline: .inMilliseconds(Limits.programMilliseconds))
    if let programs, programs.isGone {
      findings.append(
        Finding(
          .error, rule: "program-gone", refusal: .unit,
          message:
            "\(programs.path) of \(unit?.id ?? "the unit") is gone: no server would start; install MinIO's package again"
        ))
    }
    if let failure = programs?.failure {
      findings.append(
        Finding(
          .warning, rule: "program-unreadable", refusal: failure.code,
          message: "whether all nodes have the same MinIO program is not known: \(failure.message)")
      )
    }
    var answer = PlanAnswer(
      node: site.node, path: path, before: before,
      after: changed ? Digest.sha256(proposed.bytes) : before,
      difference: EnvironmentDiff.lines(
        from: current, to: proposed, describe: SettingDisplay.text(of:_:)),
      restartNeeded: !reason.isEmpty, restartReason: reason,
      findings: findings, refusal: refusals.first,
      environment: EnvironmentAgreement.map(of: environment),
      environmentDigest: EnvironmentAgreement.digest(of: environment), epoch: record.highestEpoch,
      activeRollout: record.active?.rollout.id, generation: generation,
      seal: seal, key: KeyIdentity(environment), currentKey: currentKey,
      keyManager: preflight.sight?.text)
    answer.version = site.version
    answer.programs = programs?.programs
    answer.unit = unit?.digest
    answer.whyRestart = whyRestart
    answer.identities = preflight.identities
    return Assessment(
      answer: answer, currentBytes: edit.current?.bytes,
      newBytes: changed ? proposed.bytes : nil,
      owner: merged?.config?.path == path ? unit?.account : nil, unit: unit,
      environment: merged.map { RunningEnvironment.digests(of: $0.variables) })
  }

  /// What the view lacks, as it counts for a vote.
  private func unreadable(_ view: ServerView, isSealed: Bool) -> [Finding] {
    var findings: [Finding] = []
    if let failure = view.failure(.unit) {
      findings.append(
        Finding(
          .error, rule: "unit-unreadable", refusal: .unit, message: failure.message,
          remedy: "look at systemctl status \(site.inventory.unit)"))
    }
    if let failure = view.failure(.process) {
      findings.append(
        Finding(
          // Without a seal only the running process tells which key is in force: the guard would be
          // blind.
          isSealed ? .warning : .error, rule: "process-unreadable", refusal: .unit,
          message: failure.message,
          remedy: isSealed
            ? "the comparison with the running server is left out"
            : "which SSE key is in force is not known without it; try again"))
    }
    return findings
  }

  /// What becomes of the one file.
  private struct Edit {
    var path: String
    /// The file as it is; nil if there is none, or if it could not be read.
    var current: EnvironmentDocument?
    /// The file as it would be.
    var proposed = EnvironmentDocument([])
    /// What is set and removed in it.
    var changes: [SettingChange] = []
    /// What the server would get; nil if that is not known.
    var server: ServerEnvironment?

    init(path: String) { self.path = path }
  }

  /// Finds the file, and what it would be.
  private func find(
    _ edit: inout Edit, in server: ServerEnvironment, _ request: RolloutRequest, lastPath: String?
  ) throws(Refusal) {
    let inventoryFile = site.inventory.environmentFile
    func take(_ path: String) {
      edit.path = path
      edit.current = server.document(at: path)
      edit.proposed = edit.current ?? EnvironmentDocument([])
    }
    take(inventoryFile)
    if request.kind == .rollback {
      let kept =
        if let undone = request.undoes { try generations.beforeLast(undone) } else {
          try generations.earlier(request.generation)
        }
      let target = try server.target(
        of: [], inventoryFile: inventoryFile, preferred: kept.generation.path)
      take(target.path)
      let old = edit.proposed
      edit.proposed = try document(of: kept, at: target.path)
      let isOwn = server.config?.path == target.path
      edit.changes = Self.changes(
        from: isOwn ? old.minio : old.systemd,
        to: isOwn ? edit.proposed.minio : edit.proposed.systemd)
    } else {
      let target = try server.target(
        of: request.kind == .apply ? request.changes : [], inventoryFile: inventoryFile,
        preferred: lastPath)
      take(target.path)
      edit.changes = target.changes
      edit.proposed = try edit.proposed.applying(target.changes)
    }
    guard edit.proposed.bytes != (edit.current?.bytes ?? []) else { return }
    edit.server = try server.replacing(edit.path, by: edit.proposed, ports: site.ports)
    try site.ports.file.checkReplaceable(edit.path)
  }

  /// The file of a generation, if it is one that can take the present one's place.
  private func document(
    of kept: History.Kept, at path: String
  ) throws(Refusal) -> EnvironmentDocument {
    guard kept.generation.path == path else {
      throw Refusal(
        .validation,
        "generation \(kept.generation.number) is of \(kept.generation.path), and the file that \(site.node) edits is now \(path); apply the settings instead (keyturn diff \(kept.generation.number) shows what differs)"
      )
    }
    return EnvironmentDocument(kept.bytes)
  }

  /// What would have to be set and removed to get from one file to the other.
  private static func changes(
    from old: EnvironmentDocument.Reading, to new: EnvironmentDocument.Reading
  ) -> [SettingChange] {
    let set = new.variables.filter { variable in
      old[variable.name].map { !$0.utf8.elementsEqual(variable.value.utf8) } ?? true
    }
    let removed = old.variables.filter { new[$0.name] == nil }
    return set.map { SettingChange(name: $0.name, value: Secret($0.value)) }
      + removed.map { SettingChange(name: $0.name, value: nil) }
  }
}
