// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Model
import Testing

@testable import Operator

@Suite struct LintCommandTests {
  private struct Report: Decodable, Equatable {
    struct Variable: Decodable, Equatable {
      var name: String
      var line: Int
      var systemd: String?
      var minio: String?
    }
    struct Finding: Decodable, Equatable {
      var severity: String
      var rule: String
      var line: Int?
      var column: Int?
      var message: String
      var more: Int?
    }
    var loadable: [String: Bool]
    var variables: [Variable]
    var findings: [Finding]
  }

  private func lint(_ text: String, _ options: String = "") -> (
    code: ExitCode, host: FakeCommandHost
  ) {
    Sample.run("lint \(options) -", [], files: ["-": text])
  }

  private func report(_ text: String, _ options: String = "") throws -> Report {
    let (_, host) = lint(text, "--json \(options)")
    #expect(host.lines.count == 1 && host.errors.isEmpty)
    return try JSONDecoder().decode(Report.self, from: Data(host.output.utf8))
  }

  @Test("--json: one object; null where a reader has no value, secrets redacted unless asked for")
  func json() throws {
    let text = "; note\nexport MINIO_OPTS=x\nMINIO_ROOT_PASSWORD='a' b\n"
    let found = try report(text)
    #expect(found.loadable == ["systemd": true, "minio": false])
    #expect(
      found.variables == [
        .init(name: "MINIO_ROOT_PASSWORD", line: 3, systemd: "<redacted>", minio: nil)
      ])
    #expect(found.findings.first?.rule == "semicolon-comment")
    #expect(found.findings.map(\.line) == found.findings.map(\.line).sorted { $0 ?? 0 < $1 ?? 0 })
    #expect(try report(text, "--show-secrets").variables.first?.systemd == "ab")

    let loadable = try report("export MINIO_OPTS=x\nMINIO_ROOT_PASSWORD='a' b\n", "--show-secrets")
    #expect(loadable.loadable == ["systemd": true, "minio": true])
    #expect(
      loadable.variables == [
        .init(name: "MINIO_OPTS", line: 1, systemd: nil, minio: "x"),
        .init(name: "MINIO_ROOT_PASSWORD", line: 2, systemd: "ab", minio: "'a' b"),
      ])
  }

  @Test("a file of no variables and no findings is an object with empty lists")
  func empty() throws {
    #expect(
      try report("# c\n")
        == Report(loadable: ["systemd": true, "minio": true], variables: [], findings: []))
  }

  @Test(
    "a mistyped variable is named once, with line and column",
    arguments: ["MINIO_KMS_SERVR", "MINIO_KMS_TLS_CA", "MINIO_KMS_NONSENSE", "MINIO_VOLUME"])
  func mistyped(_ name: String) throws {
    let found = try report("# c\n  \(name)=x\n").findings
    #expect(found.count == 1)
    #expect(found.first?.line == 2 && found.first?.column == 3)
  }

  @Test("a host unlike its siblings is found with line and column; only --strict refuses it")
  func sibling() throws {
    let text = Sample.settings.replacing(
      "kms-2.example.net:7373", with: "kms-2.example.net:7373,https://kms-3-example.net:7373")
    let found = try #require(
      try report(text).findings.first { $0.rule == "kms-endpoint-unlike" })
    #expect(found.line == 1 && found.column == 1 && found.severity == "warning")
    #expect(lint(text).code == .done)
    #expect(lint(text, "--strict").code == .validationRefused)
  }

  @Test("a difference shows both values; a secret only with --show-secrets")
  func differences() {
    #expect(
      lint("MINIO_OPTS='a' b\n").host.output.contains(
        "systemd reads 'ab', MinIO's own reader ''a' b'"))
    let secret = "MINIO_ROOT_PASSWORD='a' b\n"
    #expect(lint(secret).host.output.contains("systemd reads <redacted>"))
    #expect(lint(secret, "--show-secrets").host.output.contains("systemd reads 'ab'"))
  }

  @Test("of one rule a hundred findings are shown; the others are counted, in text and in JSON")
  func more() throws {
    let text = String(repeating: "word\n", count: 57_100)
    let (code, host) = lint(text)
    #expect(code == .validationRefused && host.lines.count == 102)
    #expect(host.lines[100].contains("57000 more of this rule are not shown"))
    #expect(
      host.lines[101] == "standard input: 100 errors, 0 warnings, 0 notes; 57000 more not shown")
    let findings = try report(text).findings
    #expect(findings.count == 101 && findings.compactMap(\.more) == [57_000])
    #expect(findings.last?.rule == "no-equals" && findings.last?.severity == "error")
  }

  @Test("names of the Key Manager's group that nobody knows are found and counted once")
  func unknownNames() throws {
    let names =
      ["MINIO_KMS_SERVR", "MINO_KMS_SERVER", "MINIO_KMS_TLS_CA"]
      + (0..<150).map { "MINIO_KMS_X\($0)" }
    let findings = try report(names.map { "\($0)=x\n" }.joined()).findings
    #expect(findings.filter { $0.more == nil }.map(\.line) == Array(1..<findings.count))
    #expect(findings.count - 1 + (findings.last?.more ?? 0) == names.count)
  }

  @Test("a note alone refuses nothing, not even with --strict")
  func note() {
    #expect(lint("MINIO_OPTS='--x'\nOTHER=$X\n", "--strict").code == .done)
  }
}
