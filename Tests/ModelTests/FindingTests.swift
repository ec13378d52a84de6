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

  @Test("every refusal has the exit code of the issue")
  func exitCodes() {
    let codes = RefusalCode.allCases.map { ($0, $0.exitCode.rawValue) }
    let expected: [RefusalCode: Int32] = [
      .validation: 5, .guarded: 6, .keyManager: 7, .vote: 8, .clock: 8, .unit: 5, .file: 5,
      .busy: 75, .unreachable: 4, .notPermitted: 77, .configuration: 78, .failed: 1,
    ]
    for (refusal, code) in codes { #expect(expected[refusal] == code) }
    #expect(
      ExitCode.allCases.map(\.rawValue) == [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 64, 75, 77, 78,
      ])
    #expect(Set(ExitCode.allCases.map(\.meaning)).count == ExitCode.allCases.count)
  }
}
