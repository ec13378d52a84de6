internal import EnvironmentFile
internal import KeyManager
internal import Model

/// `keyturn lint`: one environment file, offline.
struct LintCommand: Sendable {
  let context: CommandContext

  /// Blocks while it reads.
  func run() throws(Refusal) -> CommandResult {
    let path = context.invocation.operands[0]
    let file = path == "-" ? "standard input" : path
    let document = EnvironmentDocument(try context.read(path).bytes)
    let environment = document.systemd.variables.map {
      EnvironmentVariable(name: $0.name, value: $0.value, line: $0.line)
    }
    let findings =
      EnvironmentLint.findings(in: document, file: file)
      + SettingsRules.findings(environment, file: file)
    let worst = findings.map(\.severity).max()
    let limit: Severity = context.invocation.has("strict") ? .warning : .error
    let isRefused = worst.map { $0 >= limit } ?? false
    if context.console.format == .json {
      context.host.write(
        report(document, findings).text + "\n", to: .standardOutput)
    } else {
      for finding in findings where !context.console.isQuiet || finding.severity >= limit {
        context.console.line(finding.text)
      }
      let counts = [Severity.error, .warning, .note].map { severity in
        "\(findings.count { $0.severity == severity }) \(severity.rawValue)s"
      }
      context.console.progress("\(file): \(counts.joined(separator: ", "))")
    }
    return CommandResult(isRefused ? .validationRefused : .done)
  }

  private func report(_ document: EnvironmentDocument, _ findings: [Finding]) -> JSONValue {
    .object([
      "loadable": .object([
        "systemd": .bool(document.systemd.failure == nil),
        "minio": .bool(document.minio.failure == nil),
      ]),
      "variables": .array(variables(document)),
      "findings": .array(findings.map(JSONValue.init)),
    ])
  }

  private func variables(_ document: EnvironmentDocument) -> [JSONValue] {
    let showsSecrets = context.invocation.has("show-secrets")
    var seen: Set<String> = []
    let variables = (document.systemd.variables + document.minio.variables).filter {
      // A line within a value of several lines may be a part of a key: what is no name is not shown
      // as one.
      seen.insert($0.name).inserted && (showsSecrets || Self.isName($0.name))
    }
    return variables.map { variable in
      func shown(_ value: String?) -> JSONValue {
        guard let value else { return .null }
        return .string(
          showsSecrets || Self.isShowable(variable.name, value) ? value : "<redacted>")
      }
      return .object([
        "name": .string(variable.name), "line": JSONValue(variable.line),
        "systemd": shown(document.systemd[variable.name]),
        "minio": shown(document.minio[variable.name]),
      ])
    }
  }

  private static func isName(_ name: String) -> Bool {
    name.utf8.allSatisfy {
      (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || (0x30...0x39).contains($0)
        || $0 == 0x5F
    }
  }

  /// A lost quote makes one value of several lines: then it may hold a secret whatever its name.
  private static func isShowable(_ name: String, _ value: String) -> Bool {
    !SecretVariables.contains(name) && !SecretVariables.contains(value)
      && !value.contains("\n") && !value.contains("k1:") && !value.contains("k2:")
  }
}
