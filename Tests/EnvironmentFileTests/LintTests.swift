// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Model
import Testing

@Suite struct LintTests {
  struct Expected: Sendable, CustomTestStringConvertible {
    var text: String
    var findings: [String]
    var testDescription: String { text.debugDescription }
    /// Findings as `severity rule line:column`.
    init(_ text: String, _ findings: String...) {
      self.text = text
      self.findings = findings
    }
  }

  private func found(_ document: EnvironmentDocument) -> [String] {
    EnvironmentLint.findings(in: document, file: "minio").map {
      "\($0.severity.rawValue) \($0.rule) \($0.line ?? 0):\($0.column ?? 0)"
    }
  }

  @Test(
    "each oddity is found with its severity and place",
    arguments: [
      Expected("MINIO_OPTS=\"--x\"\n# c\n\nMINIO_VOLUMES='/d{1...4}'\nOTHER=1"),
      Expected("A=1\nA=1\n", "warning duplicate-key 2:1"),
      Expected("A=1\nA=2\n", "error duplicate-key 2:1"),
      Expected("MINIO_KMS_SSE_KEY=a\nMINIO_KMS_SSE_KEY=a\n", "error duplicate-key 2:1"),
      Expected("A=1 # c\n", "warning inline-comment 1:5"),
      Expected(
        "A= # c\n", "warning readers-differ 1:1", "warning blanks-around-equals 1:3",
        "warning inline-comment 1:4"),
      Expected("A=1#c\n"),
      Expected("A=\"1\" # c\n", "error readers-differ 1:1", "warning inline-comment 1:7"),
      Expected("A=\"1\" 2\n", "error readers-differ 1:1", "error text-after-quote 1:7"),
      Expected(
        "A=\"x\nMINIO_OPTS=1\n", "error readers-differ 1:1", "error unterminated-quote 1:3",
        "error readers-differ 2:1"),
      Expected("A='x", "error readers-differ 1:1", "error unterminated-quote 1:3"),
      Expected("A=\"x\ny\"\n", "error readers-differ 1:1", "error multi-line-value 1:5"),
      Expected("export A=1\n", "error export 1:1", "error readers-differ 1:8"),
      Expected(
        "exportA=1\n", "error export 1:1", "error readers-differ 1:1",
        "error readers-differ 1:7"),
      Expected("A =1\n", "error readers-differ 1:1", "error blanks-around-equals 1:2"),
      Expected("A= 1\n", "warning readers-differ 1:1", "warning blanks-around-equals 1:3"),
      Expected("A=1\r\nB=2\r\n", "warning crlf 1:4"),
      Expected(
        "A=1\rB=2\n", "error readers-differ 1:1", "error lone-cr 1:4",
        "error readers-differ 1:5"),
      Expected("\u{FEFF}# c\n", "error byte-order-mark 1:1"),
      Expected("\u{FEFF}A=1\nB=2\n", "error byte-order-mark 1:1"),
      Expected("A=1\n# \0\n", "error nul-byte 2:3"),
      Expected("A=\u{1}\n", "error control-character 1:3"),
      Expected("A=x\u{85}x\n", "error control-character 1:5"),
      Expected("# \u{1B}\n", "warning control-character 1:3"),
      Expected("A=\tx\n", "warning readers-differ 1:1", "warning blanks-around-equals 1:3"),
      Expected("A=\u{FFFE}\n", "error noncharacter 1:3"),
      Expected("word\n", "error no-equals 1:1"),
      Expected("; c\n", "error semicolon-comment 1:1"),
      Expected(" ;c=1\n", "error semicolon-comment 1:2"),
      Expected("# c\\\n", "warning comment-backslash 1:4"),
      Expected("# c\\\n# d\n", "warning comment-backslash 1:4"),
      Expected("# c\\\nA=1\n", "error comment-backslash 1:4"),
      Expected("A=\"a\\\"b\"\n", "error readers-differ 1:1", "error escape 1:5"),
      Expected("A=a\\b\n", "error readers-differ 1:1", "error escape 1:4"),
      Expected("A=a\\\nb\n", "error readers-differ 1:1", "error continuation 1:4"),
      Expected("A-B=1\n", "error invalid-name 1:1"),
      Expected("A=$X\n", "note no-expansion 1:3"),
      Expected("A=\"${X}\"\n", "note no-expansion 1:4"),
      Expected("A='$X' \nB=5$\n"),
      Expected("A=`x`\n", "note no-expansion 1:3"),
      Expected("A=~/x:~\nB=a~\n", "note no-expansion 1:3"),
      Expected("A=$1$2\n", "note no-expansion 1:3"),
      Expected("A=x\"\n", "warning stray-quote 1:4"),
      Expected("A=x'y'z\n", "warning stray-quote 1:4"),
      Expected("A=it\\'s\n", "error readers-differ 1:1", "error escape 1:5"),
      Expected("A=\"it's\"\n"),
      Expected("A=\u{201C}x\u{201D}\n", "warning look-alike 1:3"),
      Expected("A=x\u{2013}y\n", "warning look-alike 1:4"),
      Expected(
        "A=x\u{A0}\n", "warning readers-differ 1:1", "warning look-alike 1:4"),
      Expected("# \u{201C}x\u{201D}\nA=\u{E9}\n"),
      Expected("A=--x y\n", "warning shell-differs 1:7"),
      Expected("A=x;y\n", "warning shell-differs 1:4"),
      Expected("A=x&\nB=1\n", "warning shell-differs 1:4"),
      Expected("A=\"--x y;&|<>()~\"\n"),
      Expected("A=x{1...4}*?[!a]\n"),
      Expected("A=$(x\nB=\"y z\"\n", "warning shell-differs 1:3"),
      Expected("A=1\r\n\r\nB=2\r\n", "warning crlf 1:4"),
      Expected("MINIO_KMS_SSEKEY=a\n", "error unknown-variable 1:1"),
      Expected("MINIO_KMS_TLS_CA=a\n", "error unknown-variable 1:1"),
      Expected("Minio_Opts=a\n", "error unknown-variable 1:1"),
      Expected("MINIO_SOMETHING_ELSE=a\n", "warning unknown-variable 1:1"),
      Expected("MINIO_NOTIFY_WEBHOOK_ENABLE_1=on\n"),
    ])
  func rules(_ expected: Expected) {
    #expect(found(document(expected.text)) == expected.findings)
  }

  @Test("broken UTF-8 is an error in a value and a warning in a comment")
  func brokenUTF8() {
    #expect(found(EnvironmentDocument([0x41, 0x3D, 0xFF])) == ["error invalid-utf-8 1:3"])
    #expect(found(EnvironmentDocument([0x23, 0xC3, 0x0A])) == ["warning invalid-utf-8 1:2"])
  }

  @Test("a line of more than 65535 bytes and a file of more than 1 MiB are found, one less is not")
  func tooLong() {
    let line = "A=" + String(repeating: "v", count: 65533)
    #expect(found(document(line + "\n")) == [])
    #expect(found(document(line + "v\n")) == ["error line-too-long 1:1"])
    let comments = String(repeating: "#" + String(repeating: "-", count: 1022) + "\n", count: 1024)
    #expect(found(document(comments)) == [])
    #expect(found(document(comments + "\n")) == ["error file-too-large 1:1"])
  }

  @Test("every finding says what to do, names the file, and a rule of the list")
  func complete() {
    var random = Seeded(4)
    for _ in 0..<500 {
      let file = EnvironmentDocument(random.fragments(Int.random(in: 0..<40, using: &random)))
      for finding in EnvironmentLint.findings(in: file, file: "minio") {
        #expect(finding.remedy?.isEmpty == false && finding.file == "minio")
        #expect(LintRule(rawValue: finding.rule) != nil)
        #expect(!finding.text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F })
      }
    }
  }

  @Test("a file that a reader refuses, or that the two do not read alike, is never clean")
  func sound() {
    var random = Seeded(5)
    for _ in 0..<3000 {
      let file = EnvironmentDocument(random.fragments(Int.random(in: 0..<12, using: &random)))
      let isAlike =
        file.systemd.failure == nil && file.minio.failure == nil
        && Set(file.systemd.pairs) == Set(file.minio.pairs)
        && Set(file.systemd(comments: .beforeVersion254).pairs) == Set(file.systemd.pairs)
      let isClean = EnvironmentLint.findings(in: file, file: nil).allSatisfy {
        $0.severity == .note
      }
      #expect(isAlike || !isClean, "\(file.text.debugDescription)")
    }
  }

  @Test("a difference shows both values of a known variable and the form to write instead")
  func values() throws {
    let finding = try #require(
      EnvironmentLint.findings(in: document("MINIO_OPTS=\"--x\" --y\n"), file: nil).first)
    #expect(finding.variable == "MINIO_OPTS")
    #expect(finding.message == "systemd reads '--x--y', MinIO's own reader '\"--x\" --y'")
    #expect(finding.remedy == "write it as MINIO_OPTS=\"--x --y\"")
  }

  @Test(
    "no finding holds a secret, nor what ran into another value",
    arguments: [
      "MINIO_KMS_API_KEY=\"k1:SECRET\" # x\n", "export MINIO_ROOT_PASSWORD=SECRET\n",
      "MINIO_ROOT_PASSWORD = SECRET\n", "MINIO_ROOT_PASSWORD=SEC\\RET\n", "SECRET\n",
      "MINIO_OPTS=\"--x\nMINIO_ROOT_PASSWORD=SECRET\n", "MINIO_OPTS=--x\\\nMINIO_LICENSE=SECRET\n",
      "MINIO_OPTS=a\rMINIO_LICENSE=SECRET\n", "MINIO_OPTS='a' MINIO_LICENSE=SECRET\n",
      "MINIO_LICENSE='-----\nSECRET==\n'\n", "MINIO_KMS_APIKEY = k1:SECRET\n",
      "MINIO_SERVER_URL= 'https://user:SECRET@host'\n", "1SECRET=x\n", "MINIO_OPTS='x' k1:SECRET\n",
      "MINIO_ROOT_PASWORD = SECRET\n", "; SECRET\n", "MINIO_OPTS=x password=SECRET \\\n",
      "MINIO_NOTIFY_MYSQL_DSN_STRING_1='a' SECRET\n", "MINIO_LICENSE=a SECRET\n",
      "MINIO_LICENSE=SECRET\nMINIO_LICENSE=SECRET2\n",
    ])
  func secrets(_ text: String) {
    let findings = EnvironmentLint.findings(in: document(text), file: nil)
    #expect(!findings.isEmpty)
    for finding in findings {
      #expect(!finding.text.contains("SECRET"), "\(finding.text)")
    }
  }

  @Test("of one rule a hundred findings are shown and the others counted")
  func many() throws {
    let findings = EnvironmentLint.findings(
      in: document(String(repeating: "word\n", count: 150)), file: nil)
    #expect(findings.count == 101)
    let last = try #require(findings.last)
    #expect(last.message == "50 more of this rule are not shown")
    #expect(last.severity == .error && last.rule == "no-equals")
  }

  @Test("a secret is shown when that is asked for")
  func showsSecrets() throws {
    let file = document("MINIO_ROOT_PASSWORD='a' b\n")
    let hidden = try #require(EnvironmentLint.findings(in: file, file: nil).first)
    #expect(hidden.message == "systemd reads <redacted>, MinIO's own reader another value")
    let shown = try #require(
      EnvironmentLint.findings(in: file, file: nil, showsSecrets: true).first)
    #expect(shown.message == "systemd reads 'ab', MinIO's own reader ''a' b'")
    #expect(shown.remedy == "write it as MINIO_ROOT_PASSWORD=\"a b\"")
  }

  @Test(
    "a secret of the file is not shown where it stands in another variable, whole or without its prefix",
    arguments: [
      ("MINIO_KMS_API_KEY=k1:2COl4dS3G", "2COl4dS3G"),
      ("MINIO_KMS_KES_API_KEY=kes:v1:2COl4dS3G", "2COl4dS3G"),
      ("MINIO_ROOT_PASSWORD=\" minio123 \"", "minio123"),
      ("MINIO_KMS_SECRET_KEY=key:c2VjcmV0", "key:c2VjcmV0"),
    ])
  func secretElsewhere(definition: String, secret: String) throws {
    let file = document("\(definition)\nOTHER='x\(secret)y' z\nPLAIN='harmless' z\n")
    let messages = EnvironmentLint.findings(in: file, file: nil).map(\.text)
    #expect(messages.contains { $0.contains("harmless") })
    #expect(!messages.contains { $0.contains(secret) })
    let values = EnvironmentLint.variables(in: file, showsSecrets: false)
    #expect(values.map(\.systemd) == ["<redacted>", "<redacted>", "harmlessz"])
    let shown = EnvironmentLint.variables(in: file, showsSecrets: true)
    #expect(shown[1].systemd == "x\(secret)yz")
  }

  @Test("both values of every variable are there, null where a reader has none, secrets redacted")
  func comparison() {
    func shown(_ text: String, showsSecrets: Bool = false) -> [String] {
      EnvironmentLint.variables(in: document(text), showsSecrets: showsSecrets).map {
        "\($0.line) \($0.name)= \($0.systemd ?? "null") \($0.minio ?? "null")"
      }
    }
    #expect(
      shown("export A=1\nB='x' y\nMINIO_ROOT_PASSWORD=p\nC =2\nB=z\nMINIO_X=http://u:p@h\n") == [
        "1 A= null 1", "3 MINIO_ROOT_PASSWORD= <redacted> <redacted>", "4 C= 2 null",
        "4 C = null 2", "5 B= z z", "6 MINIO_X= <redacted> <redacted>",
      ])
    #expect(
      shown("MINIO_ROOT_PASSWORD=p\n", showsSecrets: true) == ["1 MINIO_ROOT_PASSWORD= p p"])
  }

  @Test("a line of a license that looks like a definition is no variable's name")
  func strayNames() {
    let file = document("MINIO_LICENSE='-----\nSECRET=\nSECRET2==\n'\n")
    let found = EnvironmentLint.variables(in: file, showsSecrets: false)
    #expect(found.map(\.name) == ["MINIO_LICENSE"])
  }
}
