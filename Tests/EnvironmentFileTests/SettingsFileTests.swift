// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Model
import Secrets
import Testing

@Suite struct SettingsFileTests {
  private func parse(_ text: String) -> (
    changes: [SettingChange], lines: [String: Int], findings: [Finding]
  ) { SettingsFile.parse(Array(text.utf8), file: "settings") }

  @Test("the documentation's four settings are taken, with comments, empty lines and quotes")
  func example() {
    let result = parse(
      """
      # Key Manager
      MINIO_KMS_SERVER=https://kms-1.example.net:7373,https://kms-2.example.net:7373

      MINIO_KMS_ENCLAVE="aistor"
      MINIO_KMS_SSE_KEY='sse-key'
      MINIO_KMS_API_KEY=k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw
      """)
    #expect(result.findings == [])
    #expect(
      result.changes == [
        set(
          "MINIO_KMS_SERVER", "https://kms-1.example.net:7373,https://kms-2.example.net:7373"),
        set("MINIO_KMS_ENCLAVE", "aistor"), set("MINIO_KMS_SSE_KEY", "sse-key"),
        set("MINIO_KMS_API_KEY", "k1:2COl4dS3G-cjHa3Q-9fUmOrq8yL0Q7a12HH_Yi0oiLw"),
      ])
    #expect(result.lines["MINIO_KMS_SSE_KEY"] == 5)
  }

  @Test(
    "a mistyped variable is an error with its line and the name that was probably meant",
    arguments: [
      ("MINIO_KMS_SSEKEY", "MINIO_KMS_SSE_KEY"), ("MINIO_KMS_SERVERS", "MINIO_KMS_SERVER"),
      ("MINIO_KMS_APIKEY", "MINIO_KMS_API_KEY"), ("MINIO_KMS_ENCALVE", "MINIO_KMS_ENCLAVE"),
      ("MINIO_KSM_SERVER", "MINIO_KMS_SERVER"), ("MINO_KMS_SERVER", "MINIO_KMS_SERVER"),
      ("MINIO_VOLUME", "MINIO_VOLUMES"), ("minio_kms_server", "MINIO_KMS_SERVER"),
      ("MINIO_ROOT_PASWORD", "MINIO_ROOT_PASSWORD"),
    ])
  func mistyped(_ name: String, _ meant: String) {
    let errors = parse("# c\n\(name)=secretword\n").findings.filter { $0.severity == .error }
    #expect(errors.contains { $0.line == 2 && $0.remedy == "did you mean \(meant)?" })
    #expect(errors.allSatisfy { !$0.text.contains("secretword") })
  }

  @Test(
    "what is not read alike, or not allowed in settings, is an error with its line",
    arguments: [
      ("export MINIO_OPTS=1", "export"), ("MINIO_OPTS = 1", "readers-differ"),
      ("MINIO_OPTS= 1", "readers-differ"), ("MINIO_OPTS=1 # c", "inline-comment"),
      ("MINIO_OPTS=\"a\" b", "readers-differ"), ("MINIO_OPTS=\"a", "unterminated-quote"),
      ("MINIO_OPTS=a\\", "readers-differ"), ("word", "no-equals"), ("; c", "semicolon-comment"),
      ("MINIO_OPTS=", "setting-empty"), ("MINIO_OPTS=\"\"", "setting-empty"),
      ("MINIO_OPTS='a$b'", "setting-value"), ("MINIO_OPTS='a\"b'", "setting-value"),
      ("PATH=/bin", "setting-name"), ("MINIO_opts=1", "setting-name"), ("MINIO_=1", "setting-name"),
      ("MINIO_KMS_TLS_CA=x", "unknown-variable"), ("MINIO_OPTS=\0", "nul-byte"),
      ("MINIO_OPTS=\u{FFFE}", "noncharacter"),
    ])
  func refused(_ line: String, _ rule: String) {
    let findings = parse("# c\n\(line)\n").findings
    #expect(
      findings.contains { $0.severity == .error && $0.rule == rule && $0.line == 2 }, "\(findings)")
  }

  @Test("a setting given twice is an error even with the same value")
  func duplicate() {
    let findings = parse("MINIO_OPTS=1\nMINIO_OPTS=1\n").findings
    #expect(findings.map(\.rule) == ["duplicate-key"])
    #expect(findings.map(\.severity) == [.error])
    #expect(findings.map(\.line) == [2])
  }

  @Test("an empty value is told to use --unset")
  func empty() {
    let findings = parse("MINIO_OPTS=\n").findings
    #expect(findings.first?.remedy?.contains("--unset MINIO_OPTS") == true)
  }

  @Test("an unknown variable that is near to none is a warning and is taken")
  func unknown() {
    let result = parse("MINIO_SOMETHING_NEW=1\n")
    #expect(result.findings.map(\.severity) == [.warning])
    #expect(result.changes == [set("MINIO_SOMETHING_NEW", "1")])
  }

  @Test("1 MiB is taken, one byte more is an error; so with 256 settings and one more")
  func limits() {
    let comment = String(repeating: "#" + String(repeating: "-", count: 1022) + "\n", count: 1024)
    #expect(parse(comment).findings == [])
    #expect(parse(comment + "\n").findings.map(\.rule) == ["file-too-large"])
    let lines = (0..<257).map { "MINIO_NOTIFY_WEBHOOK_ENABLE_\($0)=on\n" }
    #expect(parse(lines.dropLast().joined()).findings == [])
    #expect(parse(lines.joined()).findings.map(\.rule) == ["too-many-settings"])
  }
}
