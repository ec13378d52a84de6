// SPDX-License-Identifier: Apache-2.0
import API
import Coordination
import Crypto
import JSONCoding
import Model
@testable import Operator
import Rollout
import Testing

@Suite(.timeLimit(.minutes(1))) struct CommandTests {
  @Test("without a command the commands are listed, exit 64")
  func bare() {
    let (code, host) = Sample.run("", [])
    #expect(code == .usage && host.output.isEmpty)
    #expect(host.errors.contains("\n  apply ") && host.errors.contains("A command is missing."))
  }

  @Test("JSON that cannot be read is told with line and column")
  func brokenInventory() {
    for (text, place) in [
      ("{\n  \"cluster\": \"prod\",\n  \"nodes\": [}\n}", "line 3, column 13: unexpected \"}\""),
      ("{\"cluster\": \"prod\"", "line 1, column 19: unexpected end"),
      (" ", "line 1, column 2: unexpected end"),
      ("{\"cluster\": prod}", "line 1, column 13: unexpected \"p\""),
    ] {
      let (code, host) = Sample.run("status", [], files: ["./inventory.json": text])
      #expect(code == .badConfiguration)
      #expect(
        host.errors.contains("./inventory.json is not an inventory: not JSON: \(place)"),
        "\(host.errors)")
    }
  }

  @Test("an inventory that a shell has emptied is told as such")
  func emptiedInventory() {
    let (code, host) = Sample.run("inventory show", [], files: ["./inventory.json": ""])
    #expect(code == .badConfiguration)
    #expect(host.errors.contains("./inventory.json is empty: a shell empties the file"))
  }

  // MARK: configuration

  @Test(
    "no inventory, a bad one, a key that others can read, another cluster's certificate: exit 78")
  func configuration() {
    #expect(Sample.run("status --inventory none.json", []).code == .badConfiguration)
    #expect(
      Sample.run("status", [], files: ["./inventory.json": "{\"cluster\": \"prod\"}"]).code
        == .badConfiguration)
    let (code, host) = Sample.run("status", [], mode: 0o640)
    #expect(code == .badConfiguration)
    #expect(host.errors.contains("chmod 600"))
    #expect(Sample.run("status", [], cluster: "other").code == .badConfiguration)
    #expect(
      Sample.run("status", [], variables: ["KEYTURN_CREDENTIALS": "/nowhere"]).code
        == .badConfiguration)
  }

  // MARK: status, check, lint

  @Test("a field that an inventory does not have is a warning with what was perhaps meant")
  func ignoredField() throws {
    let inventory = try #require(Sample.files["./inventory.json"])
      .replacing("\"cluster\"", with: "\"rolback\": \"never\", \"cluster\"")
    let (code, host) = Sample.run("status", Sample.agents(), files: ["./inventory.json": inventory])
    #expect(code == .done)
    #expect(
      host.errors
        == "keyturn: warning: ./inventory.json: rolback is not a field of an inventory and is ignored; did you mean rollback?\n"
    )
    #expect(Sample.run("status", Sample.agents()).host.errors.isEmpty)
    let word = inventory.replacing("rolback", with: "rollback").replacing("never", with: "nver")
    let bad = Sample.run("status", Sample.agents(), files: ["./inventory.json": word])
    #expect(bad.code == .badConfiguration)
    #expect(
      bad.host.errors.contains("rollback: is none of when-safe, never"), "\(bad.host.errors)")
  }

  @Test("a variable to be removed that MinIO does not know is a warning")
  func unsetUnknown() {
    let host = Sample.run("plan --unset MINIO_KMS_REPLICATE_KEYD", Sample.agents()).host
    #expect(host.errors.contains("did you mean MINIO_KMS_REPLICATE_KEYID?"), "\(host.errors)")
    let known = Sample.run("plan --unset MINIO_KMS_REPLICATE_KEYID", Sample.agents()).host
    #expect(!known.errors.contains("did you mean"))
  }

  @Test("on a terminal that is too narrow, what all nodes have alike stands above the table, once")
  func narrow() {
    let sealed = Sample.agents { FakeAgent($0, sealed: Sample.seal) }
    let narrow = Sample.run("status", sealed, terminal: TerminalSize(columns: 79, rows: 24)).host
    #expect(
      narrow.lines.prefix(3) == [
        "SSE KEY     primary-key (sealed)", "GENERATION  -", "ROLLOUT     -",
      ])
    #expect(
      narrow.lines[3].split(separator: " ").joined(separator: " ") == "NODE UNIT KEY MANAGERS DRIFT"
    )
    #expect(narrow.lines.allSatisfy { $0.count < 80 })
    let wide = Sample.run("status", sealed, terminal: TerminalSize(columns: 200, rows: 24)).host
    #expect(wide.lines[0].contains("SSE KEY") && wide.lines.count == 5)
    let three = Sample.agents { FakeAgent($0, sealed: $0 == "minio-4" ? nil : Sample.seal) }
    let other = Sample.run("status", three, terminal: TerminalSize(columns: 79, rows: 24)).host
    #expect(other.output.contains("primary-key (sealed)  "))
  }

  @Test("status has a row for each node; one unreachable is exit 3")
  func status() {
    let (code, host) = Sample.run("status", Sample.agents { FakeAgent($0, sealed: Sample.seal) })
    #expect(code == .done)
    #expect(host.lines.count == 5)
    #expect(host.lines[1].contains("primary-key (sealed)"))
    let (other, rows) = Sample.run(
      "status", Sample.agents(third: FakeAgent("minio-3", .unreachable)))
    #expect(other == .unknown)
    #expect(rows.lines[3] == "minio-3  unreachable")
  }

  @Test("check: a stage that fails is exit 1 with node, endpoint and stage; unreachable is 3")
  func check() {
    let failed = CheckAnswer(
      node: "minio-3", endpoints: [.sample(.failed)], drift: Drift(), findings: [])
    let (code, host) = Sample.run(
      "check", Sample.agents(third: FakeAgent("minio-3", check: failed)))
    #expect(code == .failed)
    #expect(host.errors.contains("minio-3: kms-1:7373: tls failed: the certificate has expired"))
    #expect(Sample.run("check", Sample.agents()).code == .done)
    #expect(
      Sample.run("check", Sample.agents(third: FakeAgent("minio-3", .unreachable))).code == .unknown
    )
  }

  @Test("drift is shown; only --strict makes it exit 1")
  func drift() {
    let answer = CheckAnswer(
      node: "minio-3", endpoints: [], drift: Drift(fileChanged: true), findings: [])
    let agents = Sample.agents(third: FakeAgent("minio-3", check: answer))
    let (code, host) = Sample.run("check", agents)
    #expect(code == .done)
    #expect(host.output.contains("warning: drift: the environment file has changed"))
    #expect(host.lines.last == "4 nodes: nothing is wrong now, but look at minio-3")
    #expect(Sample.run("check --strict", agents).code == .failed)
  }

  @Test("lint: exit 5 on an error, with --strict on a warning; --json prints one object")
  func lint() {
    let files = [
      "good.env": Sample.settings, "bad.env": "MINIO_KMS_SERVER=https://a:7373\n",
      "port.env": Sample.settings.replacing("kms-2.example.net:7373", with: "kms-2.example.net"),
    ]
    #expect(Sample.run("lint good.env", [], files: files).code == .done)
    #expect(Sample.run("lint bad.env", [], files: files).code == .validationRefused)
    #expect(Sample.run("lint port.env", [], files: files).code == .done)
    #expect(Sample.run("lint port.env --strict", [], files: files).code == .validationRefused)
    #expect(Sample.run("lint none.env", [], files: files).code == .failed)
    let (_, host) = Sample.run("lint good.env --json", [], files: files)
    #expect(host.lines.count == 1)
    #expect(host.output.contains(#""loadable":{"minio":true,"systemd":true}"#))
    #expect(
      host.output.contains(
        #"{"line":4,"minio":"<redacted>","name":"MINIO_KMS_API_KEY","systemd":"<redacted>"}"#))
    let (_, open) = Sample.run("lint good.env --json --show-secrets", [], files: files)
    #expect(open.output.contains(Sample.apiKey))
  }

  @Test(
    "pki refuses what cannot be in a certificate",
    arguments: [
      ("pki init --cluster a/b", ExitCode.usage), ("pki init --cluster prod", .done),
      ("pki issue --role admin --name a", .usage), ("pki issue --role operator --name a", .done),
      ("pki issue --role node --name a", .usage),
      ("pki issue --role node --name a --address b", .done),
      ("pki issue --role operator --name a --days 0", .usage),
    ])
  func pki(_ arguments: String, _ code: ExitCode) {
    #expect(Sample.run(arguments, []).code == code)
  }
}
