// SPDX-License-Identifier: Apache-2.0
import Model
import Testing

@Suite struct FindingTests {
  @Test(
    "a finding's text has its place, its message and its remedy, as far as there are any",
    arguments: [
      (Finding(.error, rule: "r", message: "m"), "error: m"),
      (Finding(.note, rule: "r", message: "m", remedy: "do"), "note: m — do"),
      (
        Finding(.warning, rule: "r", variable: "V", file: "/f", line: 4, message: "m"),
        "warning: /f, V, line 4: m"
      ),
      (Finding(.error, rule: "r", line: 4, column: 7, message: "m"), "error: line 4:7: m"),
    ])
  func text(finding: Finding, text: String) {
    #expect(finding.text == text)
  }

  @Test("severities are ordered")
  func order() {
    #expect(Severity.allCases.sorted() == [.note, .warning, .error])
    #expect(Severity.note < .warning && Severity.warning < .error)
  }
}
