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
    let participant = rollouts.state.withLock { $0.participant }
    let record = participant.record
    let look = drift.look()
    let unit = look.view.unit
    let doubt = participant.doubt.map { Doubt($0) }
    let findings =
      findings(look, isInRollout: record.active != nil) + (links.last?.errors ?? [])
    var status = NodeStatus(
      node: node, version: site.version.text, activeState: unit?.activeState ?? "unknown",
      subState: unit?.subState ?? "unknown", mainPID: unit?.mainPID ?? 0,
      invocation: unit?.invocationID ?? "",
      runningKey: (try? look.view.inForce()).flatMap { KeyIdentity($0) }
        .map { SettingDisplay.text(of: "MINIO_KMS_SSE_KEY", $0.name) }, seal: seals.seal,
      generation: generations.last, drift: look.drift, activeRollout: record.active?.rollout.id,
      activeStage: record.active.map { .known($0.stage.phase) }, doubt: doubt,
      lastRollout: record.last?.rollout.id,
      lastOutcome: record.last?.outcome,
      lastWithoutRestart: record.last?.rollout.withoutRestart, epoch: record.highestEpoch,
      findings: findings.filter { $0.severity > .note },
      links: links.last?.summary(at: Clock.now()), report: look.report)
    status.report?.revocations = credentials?.revocations
    status.report?.inventoryNumber = site.inventories.agreed.number
    status.keyProofs = proofs.status(at: Clock.now())
    return status
  }

  /// What stands against the node, without its links: the same for status and `check`.
  private func findings(_ look: DriftWatch.Look, isInRollout: Bool) -> [Finding] {
    let participant = rollouts.state.withLock { $0.participant }
    var findings = site.inventories.findings() + seals.findings()
    findings += damage.records.filter(\.isDamaged).map(\.finding)
    findings += certificateFindings() + generations.damage()
    findings += member.instantFindings() + proposals.findings()
    if let rollout = participant.record.active?.rollout,
      let why = timelines.obstacle(to: rollout.id)
    {
      findings.append(
        Finding(
          .error, rule: "rollout-stuck", refusal: .busy,
          message:
            "rollout \(rollout.id) cannot be ended on \(node), which votes on no other until then: \(why)",
          remedy: "it is tried every 2 s; see what keeps the agent from writing"))
    }
    if let doubt = participant.doubt, let rollout = participant.record.active?.rollout {
      findings.append(Self.finding(Doubt(doubt), node, rollout))
    }
    findings += look.findings + holds.findings(look.view.unit)
    findings += look.view.examine(look.view.server, isInRollout: isInRollout)
    findings += look.view.volumeFindings(look.view.server) + look.view.runningVolumeFindings()
    findings += look.view.server?.settingsFindings(path: inventory.environmentFile) ?? []
    return findings
  }

  private static func finding(_ doubt: Doubt, _ node: String, _ rollout: Rollout) -> Finding {
    let missing =
      (doubt.missing.isEmpty
        ? "" : ", no answer from \(doubt.missing.filter { $0 != node }.joined(separator: ", "))")
      + ((doubt.replaced ?? []).isEmpty
        ? ""
        : "; \((doubt.replaced ?? []).joined(separator: ", ")) lost the state since the vote and cannot help")
    let replaced = doubt.replaced ?? []
    if !rollout.isQuorum({ !replaced.contains($0) }) {
      return Finding(
        .error, rule: "rollout-in-doubt", refusal: .vote,
        message:
          "how rollout \(rollout.id) by \(rollout.createdBy) was decided cannot be known any more: \(replaced.joined(separator: ", ")) lost their state since they voted, and those who are left are too few (\(rollout.quorumText)); nothing is changed",
        remedy: "docs/use/trouble.md, \"A majority was replaced\"")
    }
    return Finding(
      .warning, rule: "rollout-in-doubt", refusal: .unreachable,
      message:
        "how rollout \(rollout.id) by \(rollout.createdBy) was decided is not known here\(missing); nothing is changed meanwhile, and the others are asked again and again: \(rollout.quorumText) must be connected"
    )
  }

  /// Reachability of the Key Managers from here and back, drift, and what the unit and the file look
  /// like. Blocks up to `milliseconds` (the inventory's probe timeout if nil) and 5 s more.
  func check(milliseconds: Int? = nil) -> CheckAnswer {
    let wanted = milliseconds ?? inventory.timeouts.probeSeconds * 1_000
    let deadline = Instant.inMilliseconds(min(wanted, Limits.checkMilliseconds))
    // As long as the links are probed a rollout may come or end: the unit is judged by the state of its own moment.
    let isInRollout = rollouts.now.isInRollout
    let look = drift.look()
    let view = look.view
    let links = links.probe(view, deadline: deadline)
    let findings = findings(look, isInRollout: isInRollout) + links.findings
    var report = look.report
    report.revocations = credentials?.revocations
    report.inventoryNumber = site.inventories.agreed.number
    return CheckAnswer(
      node: node, endpoints: links.reports.map(ProbeAnswer.init), drift: look.drift,
      findings: findings.sorted { $0.severity > $1.severity }, back: links.back,
      report: report)
  }

  static func finding(of revoked: RevokedCertificate) -> Finding {
    Finding(
      .error, rule: "own-certificate-revoked", refusal: .configuration,
      message: "\(revoked.statement): the other agents refuse this one", remedy: revoked.remedy)
  }

  private func certificateFindings() -> [Finding] {
    let now = Clock.realtimeMicroseconds() / 1_000_000
    return [credentials?.certificate.finding(at: now)].compactMap(\.self)
      + [credentials?.revocation.map(Self.finding(of:))].compactMap { $0 ?? nil }
      + [credentials?.authorities.finding].compactMap { $0 ?? nil }
      + reversePath.certificateFindings(at: now) + reversePath.inventoryFindings()
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
          stage: .known($0.stage), verdict: .known($0.verdict), milliseconds: $0.milliseconds,
          detail: $0.detail)
      })
  }
}
