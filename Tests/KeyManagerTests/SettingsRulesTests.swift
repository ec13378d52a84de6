// SPDX-License-Identifier: Apache-2.0
import Model
import Secrets
import Testing

@testable import KeyManager

/// Right settings, on lines 1 to 4.
private let right = [
  EnvironmentVariable(
    name: "MINIO_KMS_SERVER", value: "https://kms-1.example.net:7373", line: 1),
  EnvironmentVariable(name: "MINIO_KMS_ENCLAVE", value: "aistor", line: 2),
  EnvironmentVariable(
    name: "MINIO_KMS_SSE_KEY", value: "object-store-primary-default-key", line: 3),
  EnvironmentVariable(name: "MINIO_KMS_API_KEY", value: identityVectors[0].0, line: 4),
]

/// `right` with one value replaced, or with one variable more on line 5.
private func environment(_ name: String, _ value: String) -> [EnvironmentVariable] {
  guard let index = right.firstIndex(where: { $0.name == name }) else {
    return right + [EnvironmentVariable(name: name, value: value, line: 5)]
  }
  var environment = right
  environment[index].value = value
  return environment
}

@Suite struct SettingsRulesTests {
  @Test("right settings have no findings and are parsed")
  func rightSettings() throws {
    #expect(SettingsRules.findings(right, file: nil).isEmpty)
    let settings = try #require(try KeyManagerSettings.parse(right))
    #expect(settings.server == "https://kms-1.example.net:7373")
    #expect(settings.endpoints == [Endpoint(host: "kms-1.example.net", port: 7373)])
    #expect(settings.enclave == "aistor")
    #expect(settings.sseKey == "object-store-primary-default-key")
    #expect(settings.apiKey.identity.text == identityVectors[0].2)
  }

  @Test("an environment without the four has no settings and no findings")
  func none() throws {
    let other = [EnvironmentVariable(name: "MINIO_VOLUMES", value: "http://n{1...4}/d", line: 1)]
    #expect(try KeyManagerSettings.parse(other) == nil)
    #expect(SettingsRules.findings(other, file: nil).isEmpty)
    #expect(try KeyManagerSettings.parse([]) == nil)
  }

  @Test(
    "a server list with a secret in it is refused, and nothing of it is shown",
    arguments: [
      identityVectors[1].0, "https://kms-1.example.net:7373,\(identityVectors[1].0)",
      "https://\(identityVectors[0].0.dropFirst(3)):7373", "kes:v1:AAAAAAAAAAAAAAAAAAAAAAAA",
    ])
  func secretServer(value: String) {
    let findings = SettingsRules.findings(environment("MINIO_KMS_SERVER", value), file: nil)
    #expect(findings.map(\.rule) == ["kms-server-secret"])
    #expect(!findings.contains { $0.text.contains(value.suffix(20)) })
  }

  @Test("a host whose name looks like the beginning of a key is none")
  func hostNamedLikeKey() {
    #expect(
      SettingsRules.findings(environment("MINIO_KMS_SERVER", "https://k1:7373"), file: nil).isEmpty)
  }

  @Test(
    "a host unlike its siblings is a warning in every list of hosts that the server has",
    arguments: [
      (
        "MINIO_VOLUMES",
        "https://minio-{1...4}.example.net:9000/d{1...4} https://minio5-example.net:9000/d",
        "minio5-example.net"
      ),
      ("MINIO_VOLUMES", "http://minio-1/d http://minio-2/d http://minio3/d", "minio3"),
      ("MINIO_VOLUMES", "https://minio-{1...4}.example.net/d{1...4} /mnt/d", nil),
      ("MINIO_VOLUMES", "/mnt/disk{1...4}", nil),
      (
        "MINIO_ETCD_ENDPOINTS",
        "https://e1.a.net:2379, https://e2.a.net:2379, https://e3.b.net:2379", "e3.b.net"
      ),
      (
        "MINIO_NOTIFY_KAFKA_BROKERS_primary", "k1.a.net:9092,k2.a.net:9092,k3-a.net:9092",
        "k3-a.net"
      ),
      ("MINIO_OPTS", "https://minio-1.a.net https://minio-2.b.com", nil),
    ])
  func hostLists(name: String, value: String, host: String?) {
    let findings = SettingsRules.findings(
      [EnvironmentVariable(name: name, value: value, line: 3)], file: nil)
    #expect(findings.map(\.rule) == (host == nil ? [] : ["host-unlike"]))
    #expect(findings.allSatisfy { $0.severity == .warning && $0.line == 3 })
    if let host { #expect(findings.first?.message.hasPrefix(host + " is ") == true) }
    #expect(SettingsRules.mayConcern(Array(name.utf8)[...]) == (name != "MINIO_OPTS"))
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var name: String
    var value: String
    var severity: Severity
    var rule: String
    init(_ name: String, _ value: String, _ severity: Severity, _ rule: String) {
      self.name = name
      self.value = value
      self.severity = severity
      self.rule = rule
    }
    var testDescription: String { "\(name)=\(value)" }
  }

  @Test(
    "one wrong variable gives one finding that names it, its line and what to do",
    arguments: [
      Row("MINIO_KMS_SERVER", "", .error, "kms-value-empty"),
      Row("MINIO_KMS_ENCLAVE", "", .error, "kms-value-empty"),
      Row("MINIO_KMS_SSE_KEY", " \t", .error, "kms-value-empty"),
      Row("MINIO_KMS_API_KEY", "", .error, "kms-value-empty"),
      Row("MINIO_KMS_SERVER", "env://kms", .error, "kms-env-prefix"),
      Row("MINIO_KMS_ENCLAVE", "envoy-store", .error, "kms-env-prefix"),
      Row("MINIO_KMS_SSE_KEY", "env-prod-key", .error, "kms-env-prefix"),
      Row("MINIO_KMS_SSE_KEY", " env", .error, "kms-env-prefix"),
      Row("MINIO_KMS_API_KEY", "env+tls://key", .error, "kms-env-prefix"),
      Row("MINIO_KMS_SERVER", " https://kms-1:7373", .warning, "kms-value-blanks"),
      Row("MINIO_KMS_ENCLAVE", "aistor ", .warning, "kms-value-blanks"),
      Row("MINIO_KMS_SSE_KEY", "\u{a0}key", .warning, "kms-value-blanks"),
      Row("MINIO_KMS_API_KEY", identityVectors[1].0 + " ", .warning, "kms-value-blanks"),
      Row("MINIO_KMS_SERVER", ",", .error, "kms-endpoint-none"),
      Row("MINIO_KMS_SERVER", "http://kms-1:7373", .error, "kms-endpoint-scheme"),
      Row("MINIO_KMS_SERVER", "kms-1:7373", .note, "kms-endpoint-scheme"),
      Row("MINIO_KMS_SERVER", "https://kms-1", .warning, "kms-endpoint-port"),
      Row("MINIO_KMS_API_KEY", "k1:abc", .error, "kms-api-key"),
      Row("MINIO_KMS_API_KEY", "kes:v1:abc", .error, "kms-api-key-kes"),
      Row("MINIO_KMS_ENCLAVE", "a.b", .error, "kms-enclave-name"),
      Row("MINIO_KMS_ENCLAVE", "..", .error, "kms-enclave-name"),
      Row("MINIO_KMS_ENCLAVE", "a/b", .error, "kms-enclave-name"),
      Row("MINIO_KMS_ENCLAVE", "%61", .error, "kms-enclave-name"),
      Row("MINIO_KMS_ENCLAVE", "-a", .error, "kms-enclave-name"),
      Row("MINIO_KMS_ENCLAVE", "a-", .error, "kms-enclave-name"),
      Row("MINIO_KMS_ENCLAVE", "_", .error, "kms-enclave-name"),
      Row("MINIO_KMS_SSE_KEY", "sch\u{fc}ssel", .error, "kms-sse-key-name"),
      Row("MINIO_KMS_SSE_KEY", "my key", .error, "kms-sse-key-name"),
      Row("MINIO_KMS_SSE_KEY", String(repeating: "k", count: 81), .error, "kms-sse-key-name"),
      Row("MINIO_KMS_KES_ENDPOINT", "", .error, "kms-beside-kes"),
      Row("MINIO_KMS_KES_CAPATH", "/ca", .error, "kms-beside-kes"),
      Row("MINIO_KMS_SECRET_KEY", "k:AAAA", .error, "kms-beside-static-key"),
      Row("MINIO_KMS_SECRET_KEY_FILE", "", .error, "kms-beside-static-key"),
      Row("MINIO_KMS_TLS_CLIENT_CERT", "/c", .warning, "kms-ignored-variable"),
      Row("MINIO_KMS_TLS_CA", "/c", .warning, "kms-ignored-variable"),
      Row("HTTPS_PROXY", "http://proxy:3128", .warning, "kms-proxy"),
      Row("https_proxy", "http://proxy:3128", .warning, "kms-proxy"),
      Row("MINIO_KMS_SERVERS", "x", .error, "kms-unknown-variable"),
      Row("MINIO_KMS_FOO", "x", .error, "kms-unknown-variable"),
      Row("MINIO_KMS_", "x", .error, "kms-unknown-variable"),
      Row("MINO_KMS_SERVER", "x", .error, "kms-unknown-variable"),
      Row("minio_kms_server", "x", .error, "kms-unknown-variable"),
    ])
  func one(row: Row) throws {
    let findings = SettingsRules.findings(
      environment(row.name, row.value), file: "/etc/default/minio")
    try #require(findings.count == 1)
    #expect(findings[0].severity == row.severity)
    #expect(findings[0].rule == row.rule)
    #expect(findings[0].variable == row.name)
    #expect(findings[0].file == "/etc/default/minio")
    #expect(findings[0].line == (right.first { $0.name == row.name }?.line ?? 5))
    #expect(findings[0].refusal == .validation)
    #expect(findings[0].remedy?.isEmpty == false)
    if row.severity == .error {
      #expect(throws: Refusal.self) {
        try KeyManagerSettings.parse(environment(row.name, row.value))
      }
    } else {
      #expect(try KeyManagerSettings.parse(environment(row.name, row.value)) != nil)
    }
  }

  @Test(
    "what belongs beside the four is no finding",
    arguments: [
      ("MINIO_KMS_AUTO_ENCRYPTION", "on"), ("MINIO_KMS_REPLICATE_KEYID", "off"),
      ("MINIO_SERVER_URL", "https://s3.example.net"), ("HTTPS_PROXY", ""),
      ("MINIO_KMS_ENCLAVE", "a"), ("MINIO_KMS_ENCLAVE", "_a"), ("MINIO_KMS_ENCLAVE", "0-_Z"),
      ("MINIO_KMS_SSE_KEY", String(repeating: "k", count: 80)), ("MINIO_KMS_SSE_KEY", "Env"),
    ])
  func fine(name: String, value: String) throws {
    #expect(SettingsRules.findings(environment(name, value), file: nil).isEmpty)
    #expect(try KeyManagerSettings.parse(environment(name, value)) != nil)
  }

  @Test("a proxy is a finding where the Key Manager is reached through it, with its endpoints")
  func proxies() throws {
    let proxy = EnvironmentVariable(name: "HTTPS_PROXY", value: "proxy:3128", line: 5)
    func rules(_ more: KeyValuePairs<String, String>) -> [Finding] {
      SettingsRules.findings(
        right + [proxy] + more.map { EnvironmentVariable(name: $0, value: $1) }, file: nil)
    }
    #expect(rules([:]).map(\.rule) == ["kms-proxy"])
    #expect(rules([:])[0].message.contains("https://kms-1.example.net:7373"))
    #expect(rules(["NO_PROXY": "kms-2.example.net"]).count == 1)
    #expect(rules(["https_proxy": "other"]).map(\.variable) == ["HTTPS_PROXY"])
    for name in ["NO_PROXY", "no_proxy"] {
      #expect(rules([name: ".example.net"]).isEmpty)
      #expect(SettingsRules.mayConcern(Array(name.utf8)[...]))
    }
    let alone = EnvironmentVariable(name: "HTTPS_PROXY", value: "proxy:3128", line: 5)
    #expect(SettingsRules.findings([alone], file: nil).isEmpty)
  }

  @Test("each of the four that is missing is named", arguments: right.indices)
  func missing(index: Int) throws {
    var some = right
    let missing = some.remove(at: index)
    let findings = SettingsRules.findings(some, file: nil)
    #expect(findings.map(\.rule) == ["kms-incomplete"])
    #expect(findings.map(\.variable) == [missing.name])
    #expect(throws: Refusal.self) { try KeyManagerSettings.parse(some) }
    // One alone lacks the three others, in the order in which the server looks for them.
    #expect(
      SettingsRules.findings([missing], file: nil).map(\.variable)
        == KeyManagerSettings.variables.filter { $0 != missing.name })
  }

  @Test("an empty variable counts as present, so that the three others are missing")
  func emptyCounts() {
    let findings = SettingsRules.findings(
      [EnvironmentVariable(name: "MINIO_KMS_ENCLAVE", value: "", line: 7)], file: nil)
    #expect(
      findings.map(\.rule) == [
        "kms-value-empty", "kms-incomplete", "kms-incomplete", "kms-incomplete",
      ])
  }

  @Test(
    "automatic encryption without any KMS is refused, as the server does",
    arguments: [("on", true), ("true", true), ("1", true), ("off", false), ("", false)])
  func autoEncryption(value: String, refused: Bool) {
    let variable = EnvironmentVariable(name: "MINIO_KMS_AUTO_ENCRYPTION", value: value)
    let expected = refused ? ["kms-auto-encryption"] : []
    #expect(SettingsRules.findings([variable], file: nil).map(\.rule) == expected)
    for other in ["MINIO_KMS_SECRET_KEY", "MINIO_KMS_KES_ENDPOINT"] {
      let with = [variable, EnvironmentVariable(name: other, value: "x")]
      #expect(SettingsRules.findings(with, file: nil).isEmpty)
    }
  }

  @Test("KES beside a static key is refused, each alone is not our business")
  func otherManagers() {
    let kes = EnvironmentVariable(name: "MINIO_KMS_KES_ENDPOINT", value: "https://kes:7373")
    let key = EnvironmentVariable(name: "MINIO_KMS_SECRET_KEY", value: "k:AAAA")
    #expect(SettingsRules.findings([kes], file: nil).isEmpty)
    #expect(SettingsRules.findings([key], file: nil).isEmpty)
    #expect(
      SettingsRules.findings([kes, key], file: nil).map(\.rule) == ["kes-beside-static-key"])
  }

  @Test(
    "an unknown name is answered with the nearest known one",
    arguments: [
      ("MINIO_KMS_SERVERS", "MINIO_KMS_SERVER"), ("MINIO_KMS_ENCLAV", "MINIO_KMS_ENCLAVE"),
      ("MINIO_KMS_SSEKEY", "MINIO_KMS_SSE_KEY"), ("MINIO_KMS_APIKEY", "MINIO_KMS_API_KEY"),
      ("MINIO_KMS_KES_API_KEYS", "MINIO_KMS_KES_API_KEY"), ("MINIO_KSM_SERVER", "MINIO_KMS_SERVER"),
      ("MINIO_KMS_api_key", "MINIO_KMS_API_KEY"),
    ])
  func nearest(name: String, meant: String) throws {
    let finding = try #require(SettingsRules.findings(environment(name, "x"), file: nil).first)
    #expect(finding.rule == "kms-unknown-variable")
    #expect(finding.remedy == "did you mean \(meant)?")
  }

  @Test("of unknown names a hundred are given, one more only says that there is one more")
  func unknownNamesAreBounded() throws {
    func findings(_ count: Int) -> [Finding] {
      SettingsRules.findings(
        (0..<count).map { EnvironmentVariable(name: "MINIO_KMS_X\($0)", value: "x") }, file: nil)
    }
    #expect(findings(SettingsRules.unknownNames).allSatisfy { $0.variable != nil })
    let more = findings(SettingsRules.unknownNames + 1)
    #expect(more.count == SettingsRules.unknownNames + 1)
    let last = try #require(more.last)
    #expect(last.variable == nil)
    #expect(last.message == "1 more of this rule are not shown")
  }

  @Test("a name that a finding can be about is left out only if the lint of the file names it")
  func mayConcern() {
    let names =
      KeyManagerSettings.variables + KeyManagerVariables.keyEncryptionService
      + KeyManagerVariables.staticKey + KeyManagerVariables.ignored + KeyManagerVariables.proxies
      + ["MINIO_KMS_AUTO_ENCRYPTION", "MINIO_KMS_REPLICATE_KEYID"]
    for name in names {
      #expect(SettingsRules.mayConcern(Array(name.utf8)[...]))
      // Each two letters replaced, left out, and put in front.
      let slips =
        name.indices.map { name.replacingCharacters($0, by: "#") }
        + [String(name.dropFirst(2)), "ab" + name, name.lowercased()]
      for slip in slips {
        let findings = SettingsRules.findings(environment(slip, "x"), file: nil)
        let isUnknown =
          slip.hasPrefix("MINIO_KMS_")
          && findings.allSatisfy { $0.rule == "kms-unknown-variable" }
        let mayConcern = SettingsRules.mayConcern(Array(slip.utf8)[...])
        #expect(findings.isEmpty || isUnknown || mayConcern, "\(slip)")
      }
    }
  }

  @Test("a name that resembles nothing is not answered with a guess")
  func noGuess() {
    #expect(KeyManagerVariables.nearest(to: "MINIO_KMS_COMPLETELY_DIFFERENT".utf8) == nil)
    #expect(KeyManagerVariables.nearest(to: "MINIO_SERVER".utf8, within: 2) == nil)
  }

  @Test("of a variable given twice the last counts")
  func twice() throws {
    let first = EnvironmentVariable(name: "MINIO_KMS_ENCLAVE", value: "", line: 1)
    #expect(SettingsRules.findings([first] + right, file: nil).isEmpty)
    #expect(try KeyManagerSettings.parse([first] + right)?.enclave == "aistor")
    #expect(SettingsRules.findings(right + [first], file: nil).map(\.line) == [1])
  }

  @Test("blanks around a value are taken away before it is used")
  func blanks() throws {
    let settings = try #require(
      try KeyManagerSettings.parse(environment("MINIO_KMS_API_KEY", " \(identityVectors[1].0)\t")))
    #expect(settings.apiKey.identity.text == identityVectors[1].2)
  }

  @Test("several mistakes are all found at once")
  func several() {
    let findings = SettingsRules.findings(
      [
        EnvironmentVariable(name: "MINIO_KMS_SERVER", value: "http://a:1,https://b:1/", line: 1),
        EnvironmentVariable(name: "MINIO_KMS_ENCLAV", value: "aistor", line: 2),
        EnvironmentVariable(name: "MINIO_KMS_SSE_KEY", value: "env", line: 3),
        EnvironmentVariable(name: "MINIO_KMS_API_KEY", value: "k1:", line: 4),
      ], file: nil)
    #expect(
      findings.map(\.rule) == [
        "kms-endpoint-scheme", "kms-endpoint-path", "kms-unknown-variable", "kms-env-prefix",
        "kms-api-key", "kms-incomplete",
      ])
  }

  @Test("no finding shows an API key, and a variable shows no value")
  func noSecret() throws {
    let key = "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLwXX"
    let environment = environment("MINIO_KMS_API_KEY", key)
    for finding in SettingsRules.findings(environment, file: nil) {
      #expect(!finding.text.contains("2COl4dS3G"))
    }
    let refusal = try #require(throws: Refusal.self) {
      try KeyManagerSettings.parse(environment)
    }
    #expect(!refusal.message.contains("2COl4dS3G"))
    var dumped = ""
    dump(environment, to: &dumped)
    #expect(!"\(environment)\(dumped)".contains("2COl4dS3G"))
  }
}

extension String {
  /// The text with up to two characters from `index` on replaced.
  fileprivate func replacingCharacters(_ index: Index, by other: Character) -> String {
    let count = min(2, distance(from: index, to: endIndex))
    return self[..<index] + String(repeating: other, count: count) + self[index...].dropFirst(count)
  }
}
