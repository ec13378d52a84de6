// SPDX-License-Identifier: Apache-2.0
internal import API
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit
internal import Threads

extension Agent {
  /// The node at a glance. Blocks while the unit is read, at most 5 s.
  func status() -> NodeStatus {
    var findings = sealFindings()
    let (participant, seal, generation, damaged, links) = state.withLock {
      ($0.participant, $0.seal, $0.generation, $0.damagedRecords, $0.links)
    }
    let record = participant.record
    findings += damaged.filter(\.isDamaged).map(\.finding)
    findings += certificateFindings() + damagedGeneration()
    findings += instantFindings()
    let doubt = participant.doubt.map { Doubt($0) }
    if let doubt, let rollout = record.active?.rollout {
      findings.append(Self.finding(doubt, node, rollout))
    }
    let look = lookAtServer(&findings)
    findings += holdFindings(look.unit)
    findings += examine(look).filter { $0.severity > .note }
    return NodeStatus(
      node: node, version: version, activeState: look.unit?.activeState ?? "unknown",
      subState: look.unit?.subState ?? "unknown", mainPID: look.unit?.mainPID ?? 0,
      invocation: look.unit?.invocationID ?? "",
      runningKey: look.inForce.flatMap { KeyIdentity($0) }
        .map { Assessor.describe("MINIO_KMS_SSE_KEY", $0.name) }, seal: seal,
      generation: generation, drift: look.drift, activeRollout: record.active?.rollout.id,
      activeStage: record.active?.stage.name, doubt: doubt, lastRollout: record.last?.rollout.id,
      lastOutcome: record.last?.outcome, epoch: record.highestEpoch, findings: findings,
      links: links?.summary(at: Clock.now()))
  }

  private static func finding(_ doubt: Doubt, _ node: String, _ rollout: Rollout) -> Finding {
    let missing =
      (doubt.missing.isEmpty
        ? "" : ", no answer from \(doubt.missing.filter { $0 != node }.joined(separator: ", "))")
      + ((doubt.replaced ?? []).isEmpty
        ? ""
        : "; \((doubt.replaced ?? []).joined(separator: ", ")) lost the state since the vote and cannot help")
    let replaced = doubt.replaced ?? []
    if rollout.members.count - replaced.count < rollout.majority {
      return Finding(
        .error, rule: "rollout-in-doubt", refusal: .vote,
        message:
          "how rollout \(rollout.id) by \(rollout.createdBy) was decided cannot be known any more: \(replaced.joined(separator: ", ")) lost their state since they voted, and fewer than \(rollout.majority) of those who voted are left; nothing is changed",
        remedy: "docs/use/trouble.md, \"A majority was replaced\"")
    }
    return Finding(
      .warning, rule: "rollout-in-doubt", refusal: .unreachable,
      message:
        "how rollout \(rollout.id) by \(rollout.createdBy) was decided is not known here\(missing); nothing is changed meanwhile, and the others are asked again and again: \(rollout.majority) of the \(rollout.members.count) nodes must be connected"
    )
  }

  /// Reachability of the Key Managers from here and back, drift, and what the unit and the file look
  /// like. Blocks up to `milliseconds` (the inventory's probe timeout if nil) and 5 s more.
  func check(milliseconds: Int? = nil) -> CheckAnswer {
    let wanted = milliseconds ?? inventory.timeouts.probeSeconds * 1_000
    let deadline = Instant.inMilliseconds(min(wanted, Limits.checkMilliseconds))
    var findings = sealFindings() + certificateFindings()
    let look = lookAtServer(&findings)
    findings += examine(look)
    findings += look.server?.settingsFindings(path: inventory.environmentFile) ?? []
    let links = probeLinks(look, deadline: deadline)
    findings += links.findings
    return CheckAnswer(
      node: node, endpoints: links.reports.map(ProbeAnswer.init), drift: look.drift,
      findings: findings.sorted { $0.severity > $1.severity }, back: links.back)
  }

  private func certificateFindings() -> [Finding] {
    let now = Clock.realtimeMicroseconds() / 1_000_000
    return [certificate?.finding(at: now)].compactMap(\.self)
  }

  private func examine(_ look: Look) -> [Finding] {
    let isInRollout = state.withLock { $0.participant.record.active != nil }
    return look.unit.map { assessor.examine($0, look.server, isInRollout: isInRollout) } ?? []
  }

  /// A redactor that knows every secret of the files, as any reader reads them, of the running process, and of what
  /// is kept: a server that is ending had the last generation's, and the journal goes further back. Blocks on systemd
  /// and the disk.
  func redactor() -> Redactor {
    var findings: [Finding] = []
    let look = lookAtServer(&findings)
    var known = (look.running ?? []).map { (name: $0.name, value: $0.value) }
    known += (look.server?.all ?? []).flatMap { source in
      (source.definitions + source.misreadings).map { (name: $0.name, value: $0.value) }
        + source.variables.map { (name: $0.name, value: $0.value) }
    }
    known += keptSecrets().map { (name: $0.name, value: $0.value.reveal()) }
    return Redactor(environment: known, label: { Assessor.describe($0, $1.reveal()) })
  }

  struct Look {
    var unit: UnitState?
    /// What its process was started with.
    var running: [EnvironmentVariable]?
    /// What it runs with, as far as that can be known; see ``ServerEnvironment/inForce(_:)``.
    var inForce: [EnvironmentVariable]?
    /// Where its environment comes from; nil if that could not be read.
    var server: ServerEnvironment?
    /// What it would be started with.
    var environment: [EnvironmentVariable] { server?.variables ?? [] }
    /// What is wrong with its key and with the start guard, where a key is sealed.
    var keyItems: [DriftItem] = []
    /// What drift is looked for in; nil if that could not be read, and while a rollout of our own is
    /// under way.
    var snapshot: DriftSnapshot?
    var drift = Drift()
  }

  func lookAtServer(_ findings: inout [Finding]) -> Look {
    var look = Look()
    func attempt(_ rule: String, _ body: () throws(Refusal) -> Void) {
      do throws(Refusal) { try body() } catch {
        findings.append(
          Finding(.warning, rule: rule, refusal: error.code, message: error.message))
      }
    }
    attempt("unit-unreadable") { () throws(Refusal) in
      let unit = try ports.unit.state(deadline: .inMilliseconds(5_000))
      findings += StartGuardRules.findings(
        unit, state: ports.records.directory, isNeeded: sealRecord().seal != nil)
      look.unit = unit
    }
    if let pid = look.unit?.mainPID, pid > 0 {
      attempt("process-unreadable") { () throws(Refusal) in
        look.running = try ports.process.environment(of: pid)
      }
    }
    if let key = sealRecord().seal?.key { look.keyItems = keyDrift(look, key) }
    attempt("file-unreadable") { () throws(Refusal) in
      look.inForce = try look.running.map { running throws(Refusal) in
        try ServerEnvironment.inForce(running, of: look.unit?.mainPID ?? 0, ports.file)
      }
    }
    attempt("file-unreadable") { () throws(Refusal) in
      let server = try ServerEnvironment(
        unit: look.unit, fallback: inventory.environmentFile, ports: ports,
        deadline: .inMilliseconds(5_000))
      look.server = server
      look.snapshot = try driftSnapshot(look, server)
      look.drift = look.snapshot.map { drift(of: $0) } ?? Drift()
      findings += try server.findings(inventoryFile: inventory.environmentFile) {
        path throws(Refusal) in
        guard let unit = look.unit else { return nil }
        return try ports.file.obstacle(reading: path, as: unit.account)
      }
    }
    for item in (look.drift.items ?? look.keyItems) where item.severity == .error {
      if findings.contains(where: { $0.message == item.message }) { continue }
      findings.append(
        Finding(.error, rule: item.kind.rule, refusal: .guarded, message: item.message))
    }
    return look
  }
}

extension DriftKind {
  /// Of the finding that a thing is where it is an error.
  fileprivate var rule: String {
    switch self {
    case .runningKey: "running-key"
    case .startGuard: "start-guard"
    case .edited, .replaced, .attributes, .otherFile, .process, .unit, .key: "start-guard"
    }
  }
}

extension Doubt {
  init(_ doubt: (attempts: Int, missing: [String], replaced: [String])) {
    self.init(
      attempts: doubt.attempts, missing: doubt.missing,
      replaced: doubt.replaced.isEmpty ? nil : doubt.replaced)
  }
}

extension ProbeAnswer {
  init(_ report: EndpointReport) {
    self.init(
      endpoint: report.endpoint,
      stages: report.stages.map {
        ProbeStageAnswer(
          stage: $0.stage.rawValue, verdict: $0.verdict.rawValue, milliseconds: $0.milliseconds,
          detail: $0.detail)
      })
  }
}
