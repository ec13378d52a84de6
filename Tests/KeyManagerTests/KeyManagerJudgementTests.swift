// SPDX-License-Identifier: Apache-2.0
import Model
import Secrets
import Testing

@testable import KeyManager

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

  /// What a Key Manager tells that has the key.
  private let sight = KeyManagerSight(
    release: "2026-01-01T00-00-00Z", host: nil,
    key: .exists(
      KeyFingerprint(
        version: 1, type: "AES256", createdAt: Timestamp(seconds: 1_705_306_368),
        createdBy: identityVectors[0].2)))

  /// A report of kms-1 or kms-2 that is fine up to `stage`, which is as given; those after it are
  /// not checked.
  private func report(
    _ number: Int, _ stage: ProbeStage = .write, _ verdict: ProbeVerdict = .notChecked,
    _ reason: ProbeReason? = nil, then: ProbeVerdict = .notChecked,
    sight change: (inout KeyManagerSight) -> Void = { _ in }
  ) -> EndpointReport {
    var reached = false
    let stages = ProbeStage.allCases.map { each in
      defer { if each == stage { reached = true } }
      if each == .proof, stage != .proof { return StageResult(each, .notChecked, detail: "") }
      return each == stage
        ? StageResult(each, verdict, reason: reason, detail: "as it went")
        : StageResult(each, reached ? then : .fine, detail: "")
    }
    var sight = self.sight
    if reason == .keyMissing { sight.key = .missing }
    if !stages.contains(where: { $0.stage == .key && $0.verdict < .notChecked }), reason == nil {
      sight.key = nil
    }
    change(&sight)
    return EndpointReport(
      endpoint: "https://kms-\(number):7373", address: "192.0.2.\(number)", stages: stages,
      addresses: [
        AddressReport(
          address: "192.0.2.\(number):7373", stages: Array(stages.dropFirst()), sight: sight)
      ])
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
    "one endpoint that answers is enough, and the one that does not is a warning that names it, the stage and what happened",
    arguments: ProbeStage.neededByStart)
  func failed(stage: ProbeStage) throws {
    let findings = judge([report(1), report(2, stage, .failed)])
    try #require(findings.count == 1)
    #expect(findings[0].severity == .warning)
    #expect(findings[0].refusal == .keyManager)
    #expect(findings[0].rule == "kms-probe-\(stage.rawValue)")
    #expect(findings[0].message.contains("https://kms-2:7373"))
    #expect(findings[0].message.contains(stage.title))
    #expect(findings[0].message.contains("as it went"))
    #expect(findings[0].remedy?.isEmpty == false)
  }

  @Test(
    "where no endpoint answers each is an error",
    arguments: ProbeStage.neededByStart)
  func noneAnswers(stage: ProbeStage) {
    let findings = judge([report(1, .tcp, .failed), report(2, stage, .failed)])
    #expect(findings.map(\.severity) == [.error, .error])
    #expect(findings.map(\.rule) == ["kms-probe-tcp", "kms-probe-\(stage.rawValue)"])
  }

  @Test(
    "a stage that was not checked is no answer",
    arguments: ProbeStage.neededByStart)
  func notChecked(stage: ProbeStage) {
    let rule = "kms-probe-\(stage.rawValue)"
    #expect(judge([report(1), report(2, stage, .notChecked)]).map(\.severity) == [.warning])
    #expect(
      judge([report(1, stage, .notChecked), report(2, stage, .notChecked)]).map(\.severity)
        == [.error, .error])
    var short = report(2)
    short.stages.removeAll { $0.stage == stage }
    #expect(judge([report(1), short]).map(\.rule) == [rule])
  }

  @Test("an endpoint without a report is no answer")
  func missingReport() {
    #expect(judge([report(1)]).map(\.rule) == ["kms-probe-missing"])
    #expect(judge([report(1)]).map(\.severity) == [.warning])
    #expect(judge([]).map(\.severity) == [.error, .error])
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
    #expect(finding.remedy?.contains("rotate") == false)
  }

  @Test("once encryption is in use, an identity that was removed may give way to another")
  func removed() throws {
    let reports = [report(1, .identity, .failed, .denied), report(2, .identity, .failed, .denied)]
    for finding in judge(reports, firstEnablement: false) {
      #expect(finding.rule == "kms-identity-denied")
      let remedy = try #require(finding.remedy)
      #expect(remedy.contains("minkms add-identity"))
      #expect(remedy.contains("`keyturn rotate api-key --api-key-file FILE`"))
    }
  }

  @Test("a missing enclave is an error about the enclave")
  func enclave() throws {
    var missing = report(1, .enclave, .failed, .enclaveMissing)
    missing.stages[6].verdict = .notChecked
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
    #expect(refused.map(\.refusal) == [.keyManager])
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

  @Test(
    "a missing key after a first enablement is the key guard's to refuse, whatever is asked for")
  func keyGone() {
    for createKey in [false, true] {
      let findings = judge(
        keyMissing(write: .fine), firstEnablement: false, createKey: createKey)
      #expect(findings.map(\.rule) == ["kms-key-missing"])
      #expect(findings.map(\.severity) == [.error])
      #expect(findings.map(\.refusal) == [.guarded])
    }
  }

  @Test("a key at one Key Manager only is refused, whatever is asked for")
  func keyDiffers() {
    let reports = [report(1), report(2, .key, .failed, .keyMissing, then: .fine)]
    for createKey in [false, true] {
      #expect(judge(reports, createKey: createKey).map(\.rule) == ["kms-key-differs"])
    }
  }

  @Test(
    "a missing key beside an endpoint that does not answer is never created",
    arguments: ProbeStage.neededByStart)
  func keyMissingBesideFailure(stage: ProbeStage) {
    let reports = [
      report(1, .key, .failed, .keyMissing, then: .fine), report(2, stage, .failed),
    ]
    let findings = judge(reports, createKey: true)
    #expect(findings.first { $0.severity == .error }?.rule == "kms-probe-\(stage.rawValue)")
    #expect(findings.first?.message.contains("https://kms-2:7373") == true)
  }

  @Test(
    "a refusal of one endpoint is an error beside any number that answer",
    arguments: [
      (ProbeStage.identity, ProbeReason.denied), (.enclave, .enclaveMissing),
    ])
  func refusalOfOne(stage: ProbeStage, reason: ProbeReason) {
    #expect(judge([report(1), report(2, stage, .failed, reason)]).map(\.severity) == [.error])
  }

  // MARK: what they tell

  @Test("keys of the same name that are not the same key are an error that names both")
  func fingerprints() throws {
    let changes: [(inout KeyFingerprint) -> Void] = [
      { $0.version = 2 }, { $0.type = "ChaCha20" }, { $0.createdAt?.seconds += 1 },
      { $0.createdAt?.nanoseconds = 1 }, { $0.createdAt = nil },
      { $0.createdBy = identityVectors[1].2 }, { $0.createdBy = nil },
    ]
    for change in changes {
      let other = report(2) { sight in
        guard case .exists(var fingerprint)? = sight.key else { return }
        change(&fingerprint)
        sight.key = .exists(fingerprint)
      }
      for createKey in [false, true] {
        let findings = judge([report(1), other], createKey: createKey)
        #expect(findings.map(\.rule) == ["kms-key-differs"])
        #expect(findings.map(\.severity) == [.error])
        #expect(findings[0].message.contains("at https://kms-1:7373;"))
        #expect(findings[0].message.hasSuffix("at https://kms-2:7373"))
      }
    }
  }

  @Test("a Key Manager that does not tell the key's status is not compared")
  func usable() {
    #expect(judge([report(1), report(2) { $0.key = .usable }]).isEmpty)
  }

  @Test("Key Managers of different releases are an error that names both")
  func releases() {
    let findings = judge([report(1), report(2) { $0.release = "2025-01-01T00-00-00Z" }])
    #expect(findings.map(\.rule) == ["kms-version-differs"])
    #expect(findings.map(\.severity) == [.error])
    #expect(findings[0].message.contains("2025-01-01T00-00-00Z at https://kms-2:7373"))
    #expect(judge([report(1), report(2) { $0.release = nil }]).isEmpty)
  }

  @Test("two endpoints that lead to one Key Manager are a warning")
  func sameHost() {
    let findings = judge([report(1) { $0.host = "kms-1" }, report(2) { $0.host = "kms-1" }])
    #expect(findings.map(\.rule) == ["kms-same-host"])
    #expect(findings.map(\.severity) == [.warning])
    #expect(judge([report(1) { $0.host = "kms-1" }, report(2) { $0.host = "kms-2" }]).isEmpty)
  }

  @Test("what a node was told is one sight, and its digest is that of all it says but the host")
  func agreed() throws {
    let told = [KeyManagerSight(release: nil, host: "a", key: nil), sight]
    let agreed = try #require(KeyManagerSight(agreed: told))
    #expect(agreed.digest == sight.digest)
    #expect(
      agreed.text
        == "release 2026-01-01T00-00-00Z, key version 1, AES256, created 2024-01-15T08:12:48Z by \(identityVectors[0].2)"
    )
    #expect(KeyManagerSight(agreed: []) == nil)
    var other = sight
    other.host = "b"
    #expect(other.digest == sight.digest)
    for key in [KeyManagerSight.Key.missing, .usable] {
      other.key = key
      #expect(other.digest != sight.digest)
    }
    other.key = nil
    #expect(other.digest == nil)
  }

  // MARK: several addresses of one name

  private func name(_ reports: EndpointReport...) -> EndpointReport {
    EndpointReport(
      endpoint: "https://kms-1:7373", proxy: nil,
      resolution: StageResult(.dns, .fine, detail: ""), addresses: reports.flatMap(\.addresses))
  }

  @Test("an address that takes no connection beside one that does is a warning")
  func oneAddressDown() throws {
    let merged = name(report(1, .tcp, .failed, .timeout), report(2))
    #expect(merged.address == "192.0.2.2:7373")
    #expect(merged[.tcp]?.verdict == .degraded)
    #expect(merged[.tcp]?.detail == "192.0.2.1:7373: as it went")
    #expect(merged[.key]?.verdict == .fine)
    #expect(judge([merged, report(2)]).map(\.rule) == ["kms-probe-tcp"])
    #expect(judge([merged, report(2)]).map(\.severity) == [.warning])
  }

  @Test("an address that connects and is wrong makes the name wrong, and is named")
  func oneAddressWrong() {
    let merged = name(report(1), report(2, .tls, .failed))
    #expect(merged[.tls]?.verdict == .failed)
    #expect(merged[.tls]?.detail == "192.0.2.2:7373: as it went")
    #expect(!merged.answers)
    let denied = name(report(1), report(2, .identity, .failed, .denied))
    #expect(denied[.identity]?.reason == .denied)
    #expect(judge([denied, report(2)]).map(\.rule) == ["kms-identity-denied"])
  }

  @Test("a key that one address of a name lacks and another has is refused as a difference")
  func oneAddressLacksKey() {
    let merged = name(report(1), report(2, .key, .failed, .keyMissing, then: .fine))
    for createKey in [false, true] {
      #expect(
        judge([merged, merged], createKey: createKey).map(\.rule).contains("kms-key-differs"))
      #expect(
        !judge([merged, merged], createKey: createKey).map(\.rule).contains("kms-key-created"))
    }
  }

  @Test("a name that is not resolved has nothing else checked")
  func unresolved() {
    let report = EndpointReport(
      endpoint: "https://kms-1:7373", proxy: nil,
      resolution: StageResult(.dns, .failed, detail: "no such host"), addresses: [])
    #expect(report.stages.map(\.stage) == ProbeStage.allCases)
    #expect(report[.tcp]?.detail == "name resolution failed")
    #expect(report.worst?.stage == .dns)
  }

  @Test("the worst stage is the first of the worst")
  func worst() {
    #expect(report(1, .tls, .failed).worst?.stage == .tls)
    #expect(report(1, .tcp, .degraded).worst?.stage == .tcp)
    #expect(report(1).worst?.stage == .proof)
    #expect(EndpointReport(endpoint: "", address: nil, stages: []).worst == nil)
  }
}
