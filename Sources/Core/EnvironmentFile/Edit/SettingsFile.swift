// SPDX-License-Identifier: Apache-2.0
package import Model
package import Secrets

/// The file of changes given to `keyturn apply --settings FILE`: `KEY=value` lines.
///
/// It is read as an environment file is, and held to what both readers read alike: `#` comments,
/// empty lines and one pair of quotes around a value. Everything else is refused with its line.
package enum SettingsFile {
  /// The changes in the order of the file, the line of each, and what is wrong.
  ///
  /// Use the changes only if no finding is an error. No finding holds a value that may be a secret.
  package static func parse(
    _ bytes: [UInt8], file: String
  ) -> (changes: [SettingChange], lines: [String: Int], findings: [Finding]) {
    let document = EnvironmentDocument(bytes)
    // No shell ever sees it.
    var findings = EnvironmentLint.findings(in: document, file: file).map(strict).filter {
      $0.rule != LintRule.shellDiffers.rawValue
    }
    var changes: [SettingChange] = []
    var lines: [String: Int] = [:]
    if bytes.count > Limits.environmentFileBytes { return (changes, lines, findings) }
    for variable in document.systemd.effective {
      if let finding = complaint(about: variable, file: file) {
        findings.append(finding)
      } else {
        changes.append(SettingChange(name: variable.name, value: Secret(variable.value)))
        lines[variable.name] = variable.line
      }
    }
    if changes.count > Limits.settingsInChange {
      findings.append(
        Finding(
          .error, rule: "too-many-settings", file: file,
          message: "the file has \(changes.count) settings, \(Limits.settingsInChange) are allowed",
          remedy: "apply them in several parts"))
    }
    return (changes, lines, findings)
  }

  /// Ambiguities that are warnings in an environment file are errors here.
  private static func strict(_ finding: Finding) -> Finding {
    var finding = finding
    switch LintRule(rawValue: finding.rule) {
    case .duplicateKey, .readersDiffer, .inlineComment, .blanksAroundEquals:
      finding.severity = .error
    default: break
    }
    return finding
  }

  private static func complaint(
    about variable: EnvironmentDocument.Variable, file: String
  ) -> Finding? {
    func error(_ rule: String, _ message: String, _ remedy: String) -> Finding {
      Finding(
        .error, rule: rule, variable: variable.name, file: file, line: variable.line,
        column: variable.column, message: message, remedy: remedy)
    }
    let name = variable.name
    let isMinIO = name.utf8.starts(with: "MINIO_".utf8) && name.utf8.count > 6
    let isUpper = name.utf8.allSatisfy { Byte.isNamePart($0) && !$0.isSmall }
    guard isMinIO && isUpper else {
      let near = KnownVariables.nearest(to: name.utf8).map { "did you mean \($0)?" }
      return error(
        "setting-name",
        "only variables named MINIO_ and capital letters, digits and '_' can be set",
        near ?? "correct the name or remove the line")
    }
    if variable.value.isEmpty {
      return error(
        "setting-empty",
        "the value is empty, and for MinIO a variable that is empty is still there",
        "give it a value, or remove the line and use --unset \(name)")
    }
    if let problem = CanonicalForm.problem(value: variable.value) {
      return error(
        "setting-value",
        "it cannot be written so that systemd, MinIO and a shell read it alike: \(problem)",
        "give it another value")
    }
    return nil
  }
}
