public import Model

/// Whether a rollout may go on, given what the probes of all endpoints saw. Stricter than the
/// server, which starts with one endpoint that answers, and starts without serving on a 403 (facts,
/// sections A.6 and B.7).
public enum KeyManagerJudgement {
  /// What stands against the settings. Errors have the refusal `keyManager`.
  ///
  /// `firstEnablement`: no start with an SSE key has been confirmed on any node. `createKey`: the
  /// operator has said that the server shall create the key.
  public static func findings(
    _ reports: [EndpointReport], settings: KeyManagerSettings, firstEnablement: Bool,
    createKey: Bool
  ) -> [Finding] {
    var findings: [Finding] = []
    for endpoint in settings.endpoints {
      guard let report = reports.first(where: { $0.endpoint == endpoint.text }) else {
        findings.append(
          finding(
            .error, "kms-probe-missing", "MINIO_KMS_SERVER",
            "\(endpoint.text) has not been probed", "Try again"))
        continue
      }
      findings += judge(report, settings)
    }
    let missing = reports.filter { $0[.key]?.reason == .keyMissing }
    guard !missing.isEmpty else { return findings }
    let present = reports.filter { $0[.key]?.verdict == .fine }
    if !present.isEmpty {
      findings.append(
        finding(
          .error, "kms-key-differs", "MINIO_KMS_SSE_KEY",
          "key \"\(settings.sseKey)\" of enclave \"\(settings.enclave)\" exists at "
            + "\(names(present)), but not at \(names(missing))",
          "Wait until the Key Managers hold the same state, or correct MINIO_KMS_SERVER"))
    } else {
      findings += judgeMissingKey(
        missing, settings, firstEnablement: firstEnablement, createKey: createKey)
    }
    return findings
  }

  /// All stages but what a missing key leads to.
  private static func judge(
    _ report: EndpointReport, _ settings: KeyManagerSettings
  ) -> [Finding] {
    let needed = ProbeStage.allCases.filter { $0 != .write }
    var findings = needed.compactMap { stage -> Finding? in
      guard let result = report[stage], result.verdict == .degraded else { return nil }
      return finding(
        .warning, "kms-probe-\(stage.rawValue)", "MINIO_KMS_SERVER",
        "\(report.endpoint): \(stage.title): \(result.detail)", stage.remedy)
    }
    if let failed = needed.lazy.compactMap({ report[$0] }).first(where: { $0.verdict == .failed }) {
      if failed.reason != .keyMissing { findings.append(failure(report, failed, settings)) }
    } else if let stage = needed.first(where: {
      (report[$0]?.verdict ?? .notChecked) == .notChecked
    }) {
      // An endpoint is right only if every stage says so.
      findings.append(
        finding(
          .error, "kms-probe-\(stage.rawValue)", "MINIO_KMS_SERVER",
          "\(report.endpoint): \(stage.title) was not checked"
            + (report[stage].map { ": \($0.detail)" } ?? ""), "Try again"))
    }
    return findings
  }

  private static func failure(
    _ report: EndpointReport, _ result: StageResult, _ settings: KeyManagerSettings
  ) -> Finding {
    switch result.reason {
    case .denied:
      finding(
        .error, "kms-identity-denied", "MINIO_KMS_API_KEY",
        "\(report.endpoint): enclave \"\(settings.enclave)\" does not admit identity "
          + "\(settings.apiKey.identity): \(result.detail); the server would start, but not serve",
        "add the identity to the enclave with `minkms add-identity` and give it a policy that "
          + "allows KEY:GENERATE and KEY:DECRYPT, or check MINIO_KMS_ENCLAVE")
    case .enclaveMissing:
      finding(
        .error, "kms-enclave-missing", "MINIO_KMS_ENCLAVE",
        "\(report.endpoint): enclave \"\(settings.enclave)\" does not exist there",
        "check the name for a typo, or create it with `minkms add-enclave`")
    case .keyMissing, .timeout, nil:
      finding(
        .error, "kms-probe-\(result.stage.rawValue)", "MINIO_KMS_SERVER",
        "\(report.endpoint): \(result.stage.title) failed: \(result.detail)", result.stage.remedy)
    }
  }

  private static func judgeMissingKey(
    _ reports: [EndpointReport], _ settings: KeyManagerSettings, firstEnablement: Bool,
    createKey: Bool
  ) -> [Finding] {
    let what = "key \"\(settings.sseKey)\" does not exist in enclave \"\(settings.enclave)\""
    guard firstEnablement else {
      return [
        finding(
          .error, "kms-key-missing", "MINIO_KMS_SSE_KEY",
          "\(what), although encryption has been enabled before; the server would create another "
            + "key of that name, which cannot read what the first one encrypted",
          "check MINIO_KMS_ENCLAVE and MINIO_KMS_SERVER, or restore the key from a backup")
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
          "\(report.endpoint): is not ready for writes"
            + (report[.write].map { ": \($0.detail)" } ?? "")
            + "; a key is created only when every Key Manager is", ProbeStage.write.remedy)
      }
    }
    return [
      finding(
        .warning, "kms-key-created", "MINIO_KMS_SSE_KEY",
        "\(what); the server will create it at its start, and it can never be changed afterwards",
        "check the name once more, and that the identity may KEY:CREATE")
    ]
  }

  private static func names(_ reports: [EndpointReport]) -> String {
    reports.map(\.endpoint).joined(separator: ", ")
  }

  private static func finding(
    _ severity: Severity, _ rule: String, _ variable: String, _ message: String, _ remedy: String
  ) -> Finding {
    Finding(
      severity, rule: rule, refusal: .keyManager, variable: variable, message: message,
      remedy: remedy)
  }
}

extension ProbeStage {
  /// The stage for people.
  public var title: String {
    switch self {
    case .dns: "name resolution"
    case .tcp: "TCP connection"
    case .tls: "TLS"
    case .version: "GET /version"
    case .ready: "GET /v1/health/ready"
    case .identity: "the identity's admission"
    case .enclave: "the enclave"
    case .key: "the SSE key"
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
    case .ready: "look at the Key Manager's log on that host"
    case .identity, .enclave, .key: "look at the Key Manager's log on that host"
    case .write: "bring every Key Manager up, or create the key beforehand"
    }
  }
}
