import KeyManager
import Model
import Testing

@Suite struct KeyManagerJudgementTests {
  private let settings: KeyManagerSettings

  init() throws {
    settings = try #require(
      try KeyManagerSettings.parse([
        EnvironmentVariable(name: "MINIO_KMS_SERVER", value: "https://kms-{1...2}:7373"),
        EnvironmentVariable(name: "MINIO_KMS_ENCLAVE", value: "aistor"),
        EnvironmentVariable(name: "MINIO_KMS_SSE_KEY", value: "sse-key"),
        EnvironmentVariable(name: "MINIO_KMS_API_KEY", value: identityVectors[0].0),
      ]))
  }

  /// A report of kms-1 or kms-2 that is fine up to `stage`, which is as given; those after it are
  /// not checked.
  private func report(
    _ number: Int, _ stage: ProbeStage = .write, _ verdict: ProbeVerdict = .notChecked,
    _ reason: ProbeReason? = nil, then: ProbeVerdict = .notChecked
  ) -> EndpointReport {
    var reached = false
    let stages = ProbeStage.allCases.map { each in
      defer { if each == stage { reached = true } }
      return each == stage
        ? StageResult(each, verdict, reason: reason, detail: "as it went")
        : StageResult(each, reached ? then : .fine, detail: "")
    }
    return EndpointReport(
      endpoint: "https://kms-\(number):7373", address: "192.0.2.\(number)", stages: stages)
  }

  private func judge(
    _ reports: [EndpointReport], firstEnablement: Bool = true, createKey: Bool = false
  ) -> [Finding] {
    KeyManagerJudgement.findings(
      reports, settings: settings, firstEnablement: firstEnablement, createKey: createKey)
  }

  @Test("endpoints that are fine have no findings")
  func fine() {
    #expect(judge([report(1), report(2)]).isEmpty)
    #expect(judge([report(2), report(1)], firstEnablement: false, createKey: true).isEmpty)
  }

  @Test(
    "one failed stage of one endpoint is an error that names both and what happened",
    arguments: ProbeStage.allCases.filter { $0 != .write })
  func failed(stage: ProbeStage) throws {
    let findings = judge([report(1), report(2, stage, .failed)])
    try #require(findings.count == 1)
    #expect(findings[0].severity == .error)
    #expect(findings[0].refusal == .keyManager)
    #expect(findings[0].rule == "kms-probe-\(stage.rawValue)")
    #expect(findings[0].message.contains("https://kms-2:7373"))
    #expect(findings[0].message.contains(stage.title))
    #expect(findings[0].message.contains("as it went"))
    #expect(findings[0].remedy?.isEmpty == false)
  }

  @Test(
    "a stage that was not checked is an error",
    arguments: ProbeStage.allCases.filter { $0 != .write })
  func notChecked(stage: ProbeStage) {
    #expect(judge([report(1), report(2, stage, .notChecked)]).map(\.severity) == [.error])
    var short = report(2)
    short.stages.removeAll { $0.stage == stage }
    #expect(judge([report(1), short]).map(\.rule) == ["kms-probe-\(stage.rawValue)"])
  }

  @Test("an endpoint without a report is an error")
  func missingReport() {
    #expect(judge([report(1)]).map(\.rule) == ["kms-probe-missing"])
    #expect(judge([]).count == 2)
  }

  @Test("a degraded stage is a warning and the rest is judged too")
  func degraded() {
    #expect(
      judge([report(1, .tcp, .degraded, then: .fine), report(2)]).map(\.severity) == [.warning])
    var report = report(1, .identity, .failed, .denied)
    report.stages[1].verdict = .degraded
    #expect(
      judge([report, self.report(2)]).map(\.rule) == ["kms-probe-tcp", "kms-identity-denied"])
  }

  @Test("a 403 is an error about the API key that names the identity")
  func denied() throws {
    let finding = try #require(judge([report(1), report(2, .identity, .failed, .denied)]).first)
    #expect(finding.severity == .error)
    #expect(finding.rule == "kms-identity-denied")
    #expect(finding.variable == "MINIO_KMS_API_KEY")
    #expect(finding.message.contains(identityVectors[0].2))
  }

  @Test("a missing enclave is an error about the enclave")
  func enclave() throws {
    var missing = report(1, .enclave, .failed, .enclaveMissing)
    missing.stages[5].verdict = .notChecked
    // The identity cannot be judged in an enclave that does not exist; the enclave is what is
    // wrong.
    let findings = judge([missing, report(2)])
    #expect(findings.map(\.rule) == ["kms-enclave-missing"])
    #expect(findings.map(\.variable) == ["MINIO_KMS_ENCLAVE"])
  }

  private func keyMissing(write: ProbeVerdict) -> [EndpointReport] {
    [
      report(1, .key, .failed, .keyMissing, then: .fine),
      report(2, .key, .failed, .keyMissing, then: write),
    ]
  }

  @Test("a missing key at a first enablement is refused unless its creation is asked for")
  func keyMissing() throws {
    let refused = judge(keyMissing(write: .fine))
    #expect(refused.map(\.rule) == ["kms-key-missing"])
    #expect(refused.map(\.severity) == [.error])
    #expect(refused[0].remedy?.contains("typo") == true)
    #expect(refused[0].remedy?.contains("--create-key") == true)
    let allowed = judge(keyMissing(write: .fine), createKey: true)
    #expect(allowed.map(\.rule) == ["kms-key-created"])
    #expect(allowed.map(\.severity) == [.warning])
  }

  @Test("a key is created only when every Key Manager is ready for writes")
  func notWritable() {
    for verdict in [ProbeVerdict.failed, .notChecked, .degraded] {
      let findings = judge(keyMissing(write: verdict), createKey: true)
      #expect(findings.map(\.rule) == ["kms-probe-write"])
      #expect(findings.map(\.severity) == [.error])
    }
  }

  @Test("a missing key after a first enablement is refused, whatever is asked for")
  func keyGone() {
    for createKey in [false, true] {
      let findings = judge(
        keyMissing(write: .fine), firstEnablement: false, createKey: createKey)
      #expect(findings.map(\.rule) == ["kms-key-missing"])
      #expect(findings.map(\.severity) == [.error])
    }
  }

  @Test("a key at one Key Manager only is refused, whatever is asked for")
  func keyDiffers() {
    let reports = [report(1), report(2, .key, .failed, .keyMissing, then: .fine)]
    for createKey in [false, true] {
      #expect(judge(reports, createKey: createKey).map(\.rule) == ["kms-key-differs"])
    }
  }

  @Test("a missing key beside an endpoint that cannot be reached is never created")
  func keyMissingBesideFailure() {
    let reports = [
      report(1, .key, .failed, .keyMissing, then: .fine), report(2, .tcp, .failed),
    ]
    #expect(
      judge(reports, createKey: true).contains { $0.severity == .error })
  }

  @Test("the worst stage is the first of the worst")
  func worst() {
    #expect(report(1, .tls, .failed).worst?.stage == .tls)
    #expect(report(1, .tcp, .degraded).worst?.stage == .tcp)
    #expect(report(1).worst?.stage == .write)
    #expect(EndpointReport(endpoint: "", address: nil, stages: []).worst == nil)
  }
}
