// SPDX-License-Identifier: Apache-2.0
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Secrets

/// `keyturn lint`: one environment file, offline.
struct LintCommand: Command {
  struct Options: OptionGroup {
    @Option(takes: "FILE", as: .text) var file: String
    @Option("strict", help: "exit 5 on a warning also") var isStrict: Bool
    @Option("show-secrets", help: "do not redact the values of secret variables")
    var showsSecrets: Bool
  }

  static let rule = CommandRule(
    name: "lint",
    summary: "check an environment file; needs no agent",
    details: """
      Reads the file as systemd and as MinIO do, and shows where they differ, and what a shell that sources it
      would make of it. - is standard input. Secrets are redacted.
      """,
    examples: [
      ("keyturn lint /etc/default/minio", "check a file"),
      ("keyturn lint --json minio.env", "one object: variables as both read them, findings"),
      ("keyturn lint --strict - <minio.env", "check standard input"),
    ],
    exitCodes: [.done, .failed, .validationRefused])

  let context: CommandContext
  let options: Options

  func run() throws(Refusal) -> CommandResult {
    let path = options.file
    let file = path == "-" ? "standard input" : path
    let document = EnvironmentDocument(try context.read(path).bytes)
    let findings = Self.findings(in: document, file: file, showsSecrets: options.showsSecrets)
    let worst = findings.map(\.severity).max()
    let limit: Severity = options.isStrict ? .warning : .error
    let isRefused = worst.map { $0 >= limit } ?? false
    if context.console.format == .json {
      context.host.write(report(document, findings).text + "\n", to: .standardOutput)
    } else {
      for finding in findings where !context.console.isQuiet || finding.severity >= limit {
        context.console.line(finding.text)
      }
      let counts = [Severity.error, .warning, .note].map { severity in
        let count = findings.count { $0.severity == severity && $0.more == nil }
        return "\(count) \(severity.rawValue)\(count == 1 ? "" : "s")"
      }
      let more = findings.reduce(0) { $0 + ($1.more ?? 0) }
      context.console.progress(
        "\(file): \(counts.joined(separator: ", "))" + (more == 0 ? "" : "; \(more) more not shown")
      )
    }
    return CommandResult(isRefused ? .validationRefused : .done)
  }

  private func report(_ document: EnvironmentDocument, _ findings: [Finding]) -> JSONObject {
    [
      "loadable": [
        "systemd": document.systemd.failure == nil, "minio": document.minio.failure == nil,
      ] as JSONObject,
      "variables": variables(document), "findings": findings.map(JSONObject.init),
    ] as JSONObject
  }

  private func variables(_ document: EnvironmentDocument) -> [JSONObject] {
    EnvironmentLint.variables(in: document, showsSecrets: options.showsSecrets).map { variable in
      [
        "name": variable.name, "line": variable.line, "systemd": variable.systemd,
        "minio": variable.minio,
      ] as JSONObject
    }
  }

  /// Of the text and of the Key Manager's settings in it, by line; those without a line come last.
  private static func findings(
    in document: EnvironmentDocument, file: String, showsSecrets: Bool
  ) -> [Finding] {
    let environment = document.systemd.variables(where: SettingsRules.mayConcern).map {
      EnvironmentVariable(name: $0.name, value: $0.value, line: $0.line, column: $0.column)
    }
    let rules = SettingsRules.findings(environment, file: file)
    let text = EnvironmentLint.findings(in: document, file: file, showsSecrets: showsSecrets)
    let all = text.withoutNames(namedBy: rules) + rules
    return all.enumerated().sorted { a, b in
      func place(_ entry: (offset: Int, element: Finding)) -> (Int, Int, Int) {
        (entry.element.line ?? .max, entry.element.column ?? .max, entry.offset)
      }
      return place(a) < place(b)
    }.map(\.element)
  }
}

extension [Finding] {
  /// Without those on an unknown name that the Key Manager's rules, which know more, report too.
  func withoutNames(namedBy rules: [Finding]) -> [Finding] {
    let names = Set(
      rules.filter { ["kms-unknown-variable", "kms-ignored-variable"].contains($0.rule) }
        .compactMap(\.variable))
    return filter { finding in
      finding.rule != LintRule.unknownVariable.rawValue
        || !(finding.variable.map(names.contains) ?? false)
    }
  }
}
