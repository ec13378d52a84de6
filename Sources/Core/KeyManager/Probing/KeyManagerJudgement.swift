// SPDX-License-Identifier: Apache-2.0
package import Model

/// Whether a rollout may go on, given what the probes of all endpoints saw.
///
/// It follows what the server does at its start (docs/facts.md, "Start and the Key Manager" and
/// "Choice of endpoint"): it takes the first endpoint that answers, and what that one says is
/// final; a key that does not exist it creates, which every Key Manager must be able to write. So
/// an existing key needs one endpoint that answers and a missing one needs all. What is stricter
/// here than in the server: a 403 refuses, since it would start and not serve, and Key Managers
/// that do not tell the same, or do not open the key proofs, refuse, since which of them answers is
/// left to chance.
package enum KeyManagerJudgement {
  /// What stands against the settings. Errors have the refusal `keyManager`.
  ///
  /// `firstEnablement`: no start with an SSE key has been confirmed on any node. `createKey`: the
  /// operator lets the server create the key.
  package static func findings(
    _ reports: [EndpointReport], settings: KeyManagerSettings, firstEnablement: Bool,
    createKey: Bool
  ) -> [Finding] {
    let probed = settings.endpoints.map { endpoint in
      reports.first { $0.endpoint == endpoint.text }
        ?? EndpointReport(endpoint: endpoint.text, address: nil, stages: [])
    }
    let sights = probed.flatMap(\.placedSights)
    let lacking = sights.filter { $0.sight.key == .missing }
    let holding = sights.filter { $0.sight.key != nil && $0.sight.key != .missing }
    // With a key to create every endpoint is needed, otherwise one.
    let isOneEnough = lacking.isEmpty && probed.contains(where: \.answers)
    var findings = probed.flatMap {
      judge($0, settings, isOneEnough: isOneEnough, firstEnablement: firstEnablement)
    }
    if !lacking.isEmpty, !holding.isEmpty {
      findings.append(
        finding(
          .error, "kms-key-differs", "MINIO_KMS_SSE_KEY",
          "key \"\(settings.sseKey)\" of enclave \"\(settings.enclave)\" exists at "
            + "\(names(holding)), but not at \(names(lacking))",
          "Wait until the Key Managers hold the same state, or correct MINIO_KMS_SERVER"))
    } else if !lacking.isEmpty {
      findings += judgeMissingKey(
        probed.filter(\.lacksKey), settings, firstEnablement: firstEnablement,
        createKey: createKey)
    }
    findings += KeyProofJudgement.findings(probed, settings: settings)
    return findings + disagreements(sights, settings) + sharedHosts(probed)
  }

  // MARK: one endpoint

  /// All but what a missing key leads to.
  private static func judge(
    _ report: EndpointReport, _ settings: KeyManagerSettings, isOneEnough: Bool,
    firstEnablement: Bool
  ) -> [Finding] {
    let needed = ProbeStage.allCases.filter { $0 != .write && $0 != .proof }
    var findings = needed.compactMap { stage -> Finding? in
      guard let result = report[stage], result.verdict == .degraded else { return nil }
      return finding(
        .warning, "kms-probe-\(stage.rawValue)", "MINIO_KMS_SERVER",
        "\(report.link): \(stage.title): \(result.detail)", stage.remedy)
    }
    if report.stages.isEmpty {
      findings.append(
        finding(
          isOneEnough ? .warning : .error, "kms-probe-missing", "MINIO_KMS_SERVER",
          "\(report.endpoint) has not been probed", "Try again"))
    } else if let failed = needed.lazy.compactMap({ report[$0] }).first(where: {
      $0.verdict == .failed
    }) {
      if failed.reason != .keyMissing {
        findings.append(
          failure(
            report, failed, settings, isOneEnough: isOneEnough, firstEnablement: firstEnablement))
      }
    } else if let stage = needed.first(where: {
      (report[$0]?.verdict ?? .notChecked) == .notChecked
    }) {
      // An endpoint is right only if every stage says so.
      findings.append(
        finding(
          isOneEnough ? .warning : .error, "kms-probe-\(stage.rawValue)", "MINIO_KMS_SERVER",
          "\(report.link): \(stage.title) was not checked"
            + (report[stage].map { ": \($0.detail)" } ?? "") + (isOneEnough ? others : ""),
          "Try again"))
    }
    return findings
  }

  private static let others = "; the server starts with the others"

  private static func failure(
    _ report: EndpointReport, _ result: StageResult, _ settings: KeyManagerSettings,
    isOneEnough: Bool, firstEnablement: Bool
  ) -> Finding {
    let link = Finding.Link(keyManager: report.endpoint, stage: result.stage)
    return switch result.reason {
    case .denied:
      finding(
        .error, "kms-identity-denied", "MINIO_KMS_API_KEY",
        "\(report.link): enclave \"\(settings.enclave)\" does not admit identity "
          + "\(settings.apiKey.identity): \(result.detail); the server would start, but not serve",
        "add the identity to the enclave with `minkms add-identity` and give it a policy that "
          + "allows KEY:GENERATE and KEY:DECRYPT, or check MINIO_KMS_ENCLAVE"
          // It may have been removed because its API key is known to others.
          + (firstEnablement
            ? ""
            : "; if it was removed for good, give all nodes another API key: "
              + "`keyturn rotate api-key --api-key-file FILE`"),
        link)
    case .enclaveMissing:
      finding(
        .error, "kms-enclave-missing", "MINIO_KMS_ENCLAVE",
        "\(report.link): enclave \"\(settings.enclave)\" does not exist there",
        "check the name for a typo, or create it with `minkms add-enclave`", link)
    case .keyMissing, .otherKey, .versionMissing, .timeout, nil:
      finding(
        isOneEnough ? .warning : .error, "kms-probe-\(result.stage.rawValue)",
        "MINIO_KMS_SERVER",
        "\(report.link): \(result.stage.title) failed: \(result.detail)"
          + (isOneEnough ? others : ""), result.stage.remedy, link)
    }
  }

  // MARK: all of them together

  /// Key Managers that do not serve the same state, or are not of the same release.
  private static func disagreements(
    _ sights: [(place: String, sight: KeyManagerSight)], _ settings: KeyManagerSettings
  ) -> [Finding] {
    var findings: [Finding] = []
    let fingerprints = groups(
      sights.compactMap { place, sight in
        if case .exists(let fingerprint)? = sight.key { (place, fingerprint.text) } else { nil }
      })
    if fingerprints.count > 1 {
      findings.append(
        finding(
          .error, "kms-key-differs", "MINIO_KMS_SSE_KEY",
          "key \"\(settings.sseKey)\" of enclave \"\(settings.enclave)\" is not the same "
            + "everywhere: " + told(fingerprints),
          "these are Key Managers of different clusters, or one was restored from a backup: "
            + "correct MINIO_KMS_SERVER, or restore one state on all of them"))
    }
    let releases = groups(sights.compactMap { place, sight in sight.release.map { (place, $0) } })
    if releases.count > 1 {
      findings.append(
        finding(
          .error, "kms-version-differs", "MINIO_KMS_SERVER",
          "the Key Managers run different releases: " + told(releases),
          "finish their upgrade first, or correct MINIO_KMS_SERVER"))
    }
    return findings
  }

  /// Endpoints that lead to one Key Manager: its failure would take down both.
  private static func sharedHosts(_ reports: [EndpointReport]) -> [Finding] {
    let hosts = groups(
      reports.flatMap { report in
        report.addresses.compactMap { address in
          address.sight.host.map { (report.endpoint, $0) }
        }
      })
    return hosts.filter { $0.places.count > 1 }.map { host, endpoints in
      finding(
        .warning, "kms-same-host", "MINIO_KMS_SERVER",
        "\(endpoints.joined(separator: " and ")) are answered by the same Key Manager, \(host)",
        "name each Key Manager once, so that the server can go on without one of them")
    }
  }

  /// The places that were told the same, in the order of the first.
  private static func groups(
    _ told: [(place: String, value: String)]
  ) -> [(value: String, places: [String])] {
    var groups: [(value: String, places: [String])] = []
    for (place, value) in told {
      if let index = groups.firstIndex(where: { $0.value == value }) {
        if !groups[index].places.contains(place) { groups[index].places.append(place) }
      } else {
        groups.append((value, [place]))
      }
    }
    return groups
  }

  private static func told(_ groups: [(value: String, places: [String])]) -> String {
    groups.map { "\($0.value) at \($0.places.joined(separator: ", "))" }.joined(separator: "; ")
  }

  // MARK: a key that does not exist

  private static func judgeMissingKey(
    _ reports: [EndpointReport], _ settings: KeyManagerSettings, firstEnablement: Bool,
    createKey: Bool
  ) -> [Finding] {
    let what = "key \"\(settings.sseKey)\" does not exist in enclave \"\(settings.enclave)\""
    guard firstEnablement else {
      return [
        Finding(
          .error, rule: "kms-key-missing", refusal: .guarded, variable: "MINIO_KMS_SSE_KEY",
          message:
            "\(what), although encryption has been enabled before; the server would create another "
            + "key of that name, which cannot read what the first one encrypted",
          remedy: "check MINIO_KMS_ENCLAVE and MINIO_KMS_SERVER, or restore the key from a backup")
      ]
    }
    guard createKey else {
      return [
        finding(
          .error, "kms-key-missing", "MINIO_KMS_SSE_KEY",
          "\(what); the server would create it, and with a mistyped name encrypt everything with "
            + "the wrong key",
          "check the name for a typo; if it is right, pass --create-key")
      ]
    }
    let notWritable = reports.filter { $0[.write]?.verdict != .fine }
    guard notWritable.isEmpty else {
      return notWritable.map { report in
        finding(
          .error, "kms-probe-write", "MINIO_KMS_SERVER",
          "\(report.link): is not ready for writes"
            + (report[.write].map { ": \($0.detail)" } ?? "")
            + "; a key is created only when every Key Manager is", ProbeStage.write.remedy,
          Finding.Link(keyManager: report.endpoint, stage: .write))
      }
    }
    return [
      finding(
        .warning, "kms-key-created", "MINIO_KMS_SSE_KEY",
        "\(what); the server will create it at its start, and it can never be changed afterwards",
        "check the name once more, and that the identity may KEY:CREATE")
    ]
  }

  private static func names(_ sights: [(place: String, sight: KeyManagerSight)]) -> String {
    sights.map(\.place).joined(separator: ", ")
  }

  private static func finding(
    _ severity: Severity, _ rule: String, _ variable: String, _ message: String, _ remedy: String,
    _ link: Finding.Link? = nil
  ) -> Finding {
    Finding(
      severity, rule: rule, refusal: .keyManager, variable: variable, message: message,
      remedy: remedy, link: link)
  }
}

extension EndpointReport {
  /// Whether the server could start with it alone: it admits the identity and gives a data key of
  /// the key, at every address that takes a connection.
  package var answers: Bool {
    self[.key].map { $0.verdict == .fine || $0.verdict == .degraded } ?? false
  }

  /// Whether it answers and does not have the key.
  var lacksKey: Bool { self[.key]?.reason == .keyMissing }

  /// What was told at each address; the address is named where there are several.
  fileprivate var placedSights: [(place: String, sight: KeyManagerSight)] {
    addresses.map { address in
      (addresses.count > 1 ? "\(endpoint) (\(address.address))" : endpoint, address.sight)
    }
  }

  /// The endpoint, and the proxy on the way to it.
  fileprivate var link: String { endpoint + (proxy.map { " through the proxy \($0)" } ?? "") }
}

extension ProbeStage {
  package var title: String {
    switch self {
    case .dns: "name resolution"
    case .tcp: "TCP connection"
    case .tls: "TLS"
    case .version: "GET /version"
    case .live: "GET /v1/health/live"
    case .ready: "GET /v1/health/ready"
    case .identity: "the identity's admission"
    case .enclave: "the enclave"
    case .key: "the SSE key"
    case .proof: "the key proof"
    case .write: "GET /v1/health/ready?write"
    }
  }

  /// What to do when it fails.
  var remedy: String {
    switch self {
    case .dns: "check the host's name, and the resolver of this node"
    case .tcp:
      "check the port (the Key Manager listens on 7373), its service, and the firewalls between"
    case .tls:
      "check the Key Manager's certificate, and put its CA into the CAs folder of the server's "
        + "certificates"
    case .version: "check that a Key Manager listens there, not something else"
    case .live, .ready, .identity, .enclave, .key, .proof:
      "look at the Key Manager's log on that host"
    case .write: "bring every Key Manager up, or create the key beforehand"
    }
  }
}
