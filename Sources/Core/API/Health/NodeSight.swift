// SPDX-License-Identifier: Apache-2.0
package import Model

/// What a look at one node came to, whichever command took it: what ``ClusterHealth`` is made of.
package struct NodeSight: Sendable {
  /// Nil from an agent that is older than the report.
  package var report: NodeReport?
  /// What stands against the node: what it found itself, its links and its drift.
  package var findings: [Finding]

  package init(report: NodeReport?, findings: [Finding]) {
    self.report = report
    self.findings = findings
  }
}

extension NodeStatus {
  /// The links are those of the node's own last look.
  package var sight: NodeSight {
    NodeSight(report: report, findings: findings + (links?.findings ?? []) + drift.findings)
  }
}

extension CheckAnswer {
  package var sight: NodeSight {
    NodeSight(report: report, findings: findings.map(raised) + linkFindings + drift.findings)
  }

  /// A link that fails is wrong now. For a rollout it is a warning where another Key Manager answers.
  private func raised(_ finding: Finding) -> Finding {
    guard finding.severity == .warning, let link = finding.link else { return finding }
    let verdicts =
      link.stage == nil
      ? (back ?? []).filter { $0.keyManager == link.keyManager }.map(\.verdict)
      : endpoints.filter { $0.endpoint == link.keyManager }.flatMap(\.stages)
        .filter { $0.stage == link.stage }.map(\.verdict)
    var finding = finding
    if verdicts.contains(where: { $0 == .failed }) { finding.severity = .error }
    return finding
  }

  /// What the probes saw and the node's own judgement does not say already.
  private var linkFindings: [Finding] {
    let said = findings.filter { $0.severity > .note }.compactMap(\.link)
    func isSaid(_ keyManager: String, _ stage: Word<ProbeStage>?) -> Bool {
      said.contains { $0.keyManager == keyManager && $0.stage == stage }
    }
    func finding(_ verdict: ProbeVerdict, _ link: Finding.Link, _ message: String) -> Finding {
      Finding(
        verdict == .failed ? .error : .warning, rule: "key-manager-link", refusal: .keyManager,
        message: message, link: link)
    }
    var found: [Finding] = []
    for endpoint in endpoints {
      for stage in endpoint.stages where !isSaid(endpoint.endpoint, stage.stage) {
        guard let verdict = stage.verdict.known, verdict >= .degraded else { continue }
        found.append(
          finding(
            verdict, Finding.Link(keyManager: endpoint.endpoint, stage: stage.stage.known),
            "\(endpoint.endpoint): \(stage.stage.text) \(verdict): \(stage.detail)"))
      }
    }
    for back in back ?? [] where !isSaid(back.keyManager, nil) {
      // A witness that should answer and does not is a fault.
      let verdict = back.unverified?.known == .silent ? .degraded : back.verdict.known
      guard let verdict, verdict >= .degraded else { continue }
      found.append(
        finding(
          verdict, Finding.Link(keyManager: back.keyManager),
          "from \(back.keyManager) back: \(back.detail)"))
    }
    return found
  }
}

extension LinkSummary {
  /// One for all links: which they are `keyturn check` shows.
  fileprivate var findings: [Finding] {
    guard failed + degraded > 0 else { return [] }
    let all = fine + degraded + failed
    return [
      Finding(
        failed > 0 ? .error : .warning, rule: "key-manager-link", refusal: .keyManager,
        message: failed > 0
          ? "\(failed) of \(all) links to the Key Managers fail: \(worst)"
          : "\(degraded) of \(all) links to the Key Managers are degraded: \(worst)",
        remedy: "`keyturn check` looks again at all of them")
    ]
  }
}

extension Drift {
  /// What is an error is among the node's own findings already.
  fileprivate var findings: [Finding] {
    guard let items else {
      if isEmpty { return [] }
      let what = fileChanged ? "the environment file has changed" : "the running server is older"
      return [Finding(.warning, rule: "drift", message: "drift: \(what)")]
    }
    return items.filter { $0.severity < .error }.map { item in
      Finding(
        item.severity, rule: "drift", refusal: .vote, message: "drift: \(item.message)",
        remedy: item.severity > .note ? item.kind.remedy : nil)
    }
  }
}

extension DriftKind {
  /// The command that ends it.
  fileprivate var remedy: String {
    switch self {
    case .edited:
      "`keyturn rollback` puts the last generation's file back, `keyturn restart` confirms it as it is where its key is the sealed one"
    case .otherFile, .replaced, .attributes, .unit: "`keyturn restart` confirms it as it is"
    case .binary: "`keyturn restart` once the same program is installed on all nodes"
    case .process: "`keyturn restart` starts the servers with what the files say"
    case .key, .runningKey, .keyProof, .startGuard: "`keyturn seal show`"
    }
  }
}
