// SPDX-License-Identifier: Apache-2.0
import EnvironmentFile
import Model
import Testing

/// What lint says to write is written, and lint is asked again.
@Suite("Lint's remedies") struct RemedyTests {
  /// A line, and the variables that the person who wrote it meant.
  struct Meant: Sendable, CustomTestStringConvertible {
    var text: String
    var pairs: [String]
    var testDescription: String { text.debugDescription }
    init(_ text: String, _ pairs: String...) { (self.text, self.pairs) = (text, pairs) }
  }

  /// The lines that a remedy says to write; none if it prints none, or only a pattern of one.
  private func lines(_ remedy: String) -> [String] {
    if remedy.contains("`") {
      return remedy.split(separator: "`", omittingEmptySubsequences: false).enumerated()
        .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }
    guard let start = remedy.firstRange(of: "write it as ") else { return [] }
    let line = String(remedy[start.upperBound...])
    return line.contains("\"...\"") ? [] : [line]
  }

  /// The file with the line of the finding replaced by what its remedy says; nil if it says no line.
  private func applied(_ finding: Finding, to text: String) -> String? {
    let lines = lines(finding.remedy ?? "")
    guard let line = finding.line, !lines.isEmpty else { return nil }
    var all = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    all.replaceSubrange((line - 1)...(line - 1), with: lines)
    return all.joined(separator: "\n")
  }

  @Test(
    "a line that a remedy says to write has what was meant, read alike by both, and the finding is gone",
    arguments: [
      Meant(
        "MINIO_VOLUMES=\"http://a{1...2}/d\" http://b/d\n",
        "MINIO_VOLUMES=http://a{1...2}/d http://b/d"),
      Meant(
        "MINIO_VOLUMES=\"http://a{1...2}/d\" \"http://b/d\"\n",
        "MINIO_VOLUMES=http://a{1...2}/d http://b/d"),
      Meant("A=\"x\" B=70 C=90\n", "A=x", "B=70", "C=90"),
      Meant("A=\"x\" B=\"y z\" C=90\n", "A=x", "B=y z", "C=90"),
      Meant("A=x B=70\n", "A=x", "B=70"),
      Meant("A=\"x\"; B=\"y\"\n", "A=x", "B=y"),
      Meant("A=x; B=y\n", "A=x", "B=y"),
      Meant("export A=\"x\" B=y\n", "A=x", "B=y"),
      Meant("A='x' --y B=z\n", "A=x --y", "B=z"),
      Meant("MINIO_OPTS=\"--x\" --y\n", "MINIO_OPTS=--x --y"),
      Meant("MINIO_OPTS=\"--x\"--y\n", "MINIO_OPTS=--x--y"),
      Meant("MINIO_OPTS='--x' '--y' --z\n", "MINIO_OPTS=--x --y --z"),
      Meant("A=\"x\";\n", "A=x"),
      Meant("A=\"1\" # c\n", "A=1"), Meant("A= # c\n", "A="), Meant("A= 1 # c\n", "A=1"),
      Meant("A=\"x y\" z # c\n", "A=x y z"), Meant("A=\"1\" #B=2\n", "A=1"),
      Meant("A =1\n", "A=1"), Meant("A= 1\n", "A=1"), Meant("A = x y\n", "A=x y"),
      Meant("export A=1\n", "A=1"), Meant("A=\tx\n", "A=x"), Meant("A=--x y\n", "A=--x y"),
      Meant("A=x;y\n", "A=x;y"), Meant("A=x{1...4} y\n", "A=x{1...4} y"),
      Meant("A=x\u{A0}\n", "A=x"), Meant("A=\u{3000}x y\u{A0}\n", "A=x y"),
      Meant("A=a\\b\n", "A=ab"), Meant("A=a\\ b\n", "A=a b"), Meant("A=it\\'s\n", "A=it's"),
      Meant("A=x'y'z\n", "A=x'y'z"), Meant("A=x#y z\n", "A=x#y z"),
      Meant("A=\"x#y\" z\n", "A=x#y z"), Meant("A=lower a=1\n", "A=lower a=1"),
      Meant("A=\"\" x\n", "A= x"), Meant("A=\"x \" y\n", "A=x  y"),
    ])
  func table(_ meant: Meant) throws {
    let findings = EnvironmentLint.findings(in: document(meant.text), file: nil)
    let texts = findings.compactMap { applied($0, to: meant.text) }
    #expect(!texts.isEmpty, "\(findings.map(\.text))")
    for text in texts {
      let file = document(text)
      #expect(file.systemd.pairs == meant.pairs, "\(text.debugDescription)")
      #expect(file.minio.pairs == meant.pairs, "\(text.debugDescription)")
      #expect(EnvironmentLint.findings(in: file, file: nil).map(\.text) == [])
    }
  }

  @Test("whatever a remedy says to write, its own finding is gone, and both readers read it alike")
  func anything() {
    var random = Seeded(11)
    var count = 0
    for _ in 0..<1_000 {
      let bytes = random.fragments(Int.random(in: 1..<9, using: &random))
      let text = String(
        decoding: [UInt8]("MINIO_OPTS=".utf8) + bytes.filter { $0 != 0x0A }, as: UTF8.self)
      for finding in EnvironmentLint.findings(in: document(text), file: nil) {
        guard let written = applied(finding, to: text) else { continue }
        count += 1
        let file = document(written)
        #expect(Set(file.systemd.pairs) == Set(file.minio.pairs), "\(text.debugDescription)")
        let rules = EnvironmentLint.findings(in: file, file: nil).map(\.rule)
        #expect(
          !rules.contains(finding.rule),
          "\(text.debugDescription) -> \(written.debugDescription): \(finding.text)")
      }
    }
    #expect(count > 100, "\(count)")
  }

  @Test(
    "an assignment that is a secret is in no remedy",
    arguments: [
      "MINIO_OPTS=\"x\" MINIO_ROOT_PASSWORD=SECRET\n", "MINIO_ROOT_PASSWORD=\"SECRET\" A=1\n",
      "MINIO_ROOT_PASSWORD='SECRET' # c\n", "MINIO_OPTS=x MINIO_KMS_API_KEY=k1:SECRET\n",
      "MINIO_KMS_API_KEY=k1:SECRET B=k1:SECRET\n", "MINIO_LICENSE=\"a SECRET\" b\n",
    ])
  func secrets(text: String) {
    let findings = EnvironmentLint.findings(in: document(text), file: nil)
    #expect(!findings.isEmpty)
    for finding in findings { #expect(!finding.text.contains("SECRET"), "\(finding.text)") }
  }
}
