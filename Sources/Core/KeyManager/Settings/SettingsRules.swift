// SPDX-License-Identifier: Apache-2.0
internal import HTTP
package import Model
package import Secrets

/// Every rule on the four Key Manager settings and their neighbours that can be checked before a
/// start (docs/facts.md, "Key Manager variables" to "Names of keys"). What the server would refuse,
/// misread or silently ignore is an error, what is probably a slip a warning.
package enum SettingsRules {
  /// How many findings on names that nobody knows are given; one more says how many there are.
  package static let unknownNames = 100

  /// Whether a rule can be about a variable of this name other than that a `MINIO_KMS_` one is not known, which
  /// the lint of a file says too; what it cannot be about may be left out.
  package static func mayConcern(_ name: ArraySlice<UInt8>) -> Bool {
    KeyManagerVariables.isKnown(name)
      || !name.starts(with: KeyManagerVariables.prefix)
        && KeyManagerVariables.nearest(to: name, within: 2) != nil
  }

  /// What is wrong with `environment`: the merged variables as the server would get them. Of a name
  /// given twice the last counts. `file` is for the messages. In the order of the variables, those
  /// about a missing one last.
  package static func findings(_ environment: [EnvironmentVariable], file: String?) -> [Finding] {
    var check = Check(environment, file: file)
    check.run()
    return check.findings
  }

  /// What is wrong with the name of an enclave or a key, one clause; nil if nothing is.
  package static func problem(ofName name: String) -> String? {
    if name.isEmpty { return "is empty" }
    if name.utf8.count > 80 { return "has \(name.utf8.count) bytes, 80 are allowed" }
    if !name.utf8.allSatisfy(isNameByte) {
      return "holds something other than letters, digits, - and _"
    }
    if name.hasPrefix("-") || name.hasSuffix("-") { return "begins or ends with -" }
    return name == "_" ? "is a lone _" : nil
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte.isLetterOrDigit || byte == 0x2D || byte == 0x5F
  }
}

private struct Check {
  private let variables: [EnvironmentVariable]
  private let file: String?
  private(set) var findings: [Finding] = []
  /// How many names nobody knows, those included that are not given.
  private var unknownCount = 0

  init(_ environment: [EnvironmentVariable], file: String?) {
    var seen: Set<String> = []
    variables = environment.reversed().filter { seen.insert($0.name).inserted }.reversed()
    self.file = file
  }

  mutating func run() {
    for variable in variables {
      switch variable.name {
      case "MINIO_KMS_SERVER": if isReadable(variable) { checkServer(variable) }
      case "MINIO_KMS_ENCLAVE":
        if isReadable(variable) { checkName(variable, rule: "kms-enclave-name") }
      case "MINIO_KMS_SSE_KEY":
        if isReadable(variable) { checkName(variable, rule: "kms-sse-key-name") }
      case "MINIO_KMS_API_KEY": if isReadable(variable) { checkAPIKey(variable) }
      default: checkNeighbour(variable)
      }
      if HostList.isOne(variable.name.utf8) { checkHosts(variable) }
    }
    checkComplete()
    let more = unknownCount - SettingsRules.unknownNames
    if more > 0 {
      findings.append(
        Finding(
          .error, rule: "kms-unknown-variable", file: file,
          message: "\(more) more of this rule are not shown",
          remedy: "correct those shown and check again", more: more))
    }
  }

  private mutating func add(
    _ severity: Severity, _ rule: String, _ variable: EnvironmentVariable, _ message: String,
    _ remedy: String
  ) {
    findings.append(
      Finding(
        severity, rule: rule, variable: variable.name, file: file, line: variable.line,
        column: variable.column, message: message, remedy: remedy))
  }

  /// A proxy between the server and the Key Manager, which is seldom meant.
  private mutating func checkProxy(_ variable: EnvironmentVariable) {
    let isOutdone =
      variable.name != KeyManagerVariables.proxies[0]
      && variables.contains { $0.name == KeyManagerVariables.proxies[0] && !$0.value.isEmpty }
    guard !isOutdone, let server = variables.first(where: { $0.name == "MINIO_KMS_SERVER" }) else {
      return
    }
    let proxies = ProxySettings(variables)
    let through = EndpointList(server.value.trimmed).endpoints.filter {
      proxies.proxy(for: $0.target) != nil
    }
    if through.isEmpty { return }
    add(
      .warning, "kms-proxy", variable,
      "the server will reach \(through.map(\.text).joined(separator: ", ")) through this proxy",
      "list the Key Manager hosts in NO_PROXY unless that is meant")
  }

  // MARK: the four

  /// Whether the server gets the value that is written; adds what it does to it otherwise.
  private mutating func isReadable(_ variable: EnvironmentVariable) -> Bool {
    let value = variable.value.trimmed
    if value.isEmpty {
      add(
        .error, "kms-value-empty", variable,
        "it is empty, but still counts as present for the server", "give it its value, or remove it"
      )
      return false
    }
    if value.hasPrefix("env") {
      add(
        .error, "kms-env-prefix", variable,
        "its value begins with \"env\": the server takes such a value for a remote reference and "
          + "would start with an empty one",
        variable.name == "MINIO_KMS_ENCLAVE" || variable.name == "MINIO_KMS_SSE_KEY"
          ? "use a name that begins otherwise" : "write the value itself")
      return false
    }
    if value != variable.value {
      add(
        .warning, "kms-value-blanks", variable,
        "its value has blanks around it, which the server takes away", "take them away here too")
    }
    return true
  }

  private mutating func checkServer(_ variable: EnvironmentVariable) {
    // Every message on an endpoint shows it.
    if holdsSecret(variable.value) {
      add(
        .error, "kms-server-secret", variable,
        "it holds an API key or another secret, so nothing of it is shown",
        "name the Key Manager's endpoints only, and give the key as MINIO_KMS_API_KEY")
      return
    }
    for problem in EndpointList(variable.value.trimmed).problems {
      add(problem.severity, problem.rule, variable, problem.message, problem.remedy)
    }
  }

  private func holdsSecret(_ value: String) -> Bool {
    var secrets = SecretTexts()
    for variable in variables where SecretVariables.contains(variable.name) {
      secrets.insert(Array(variable.value.utf8))
    }
    return APIKey.isSeen(in: value) || secrets.isHeld(by: value)
  }

  private mutating func checkAPIKey(_ variable: EnvironmentVariable) {
    do throws(APIKey.Problem) {
      _ = try APIKey(checking: Secret(variable.value.trimmed))
    } catch {
      add(.error, error.rule, variable, error.message, error.remedy)
    }
  }

  /// The closest published rule, that of KES (docs/facts.md, "Names of keys").
  private mutating func checkName(_ variable: EnvironmentVariable, rule: String) {
    guard let problem = SettingsRules.problem(ofName: variable.value.trimmed) else { return }
    add(
      .error, rule, variable, "its name \(problem)",
      "use the name as the Key Manager has it: 1 to 80 letters, digits, - and _")
  }

  private var present: [EnvironmentVariable] {
    variables.filter { KeyManagerSettings.variables.contains($0.name) }
  }

  private mutating func checkComplete() {
    guard !present.isEmpty else { return }
    let names = present.map(\.name)
    for missing in KeyManagerSettings.variables where !names.contains(missing) {
      findings.append(
        Finding(
          .error, rule: "kms-incomplete", variable: missing, file: file,
          message: "it is missing, while \(names.joined(separator: ", ")) "
            + (names.count == 1 ? "is" : "are") + " there; the server starts with all four or none",
          remedy: "set \(missing), or remove all four"))
    }
  }

  // MARK: their neighbours

  private mutating func checkNeighbour(_ variable: EnvironmentVariable) {
    let name = variable.name
    switch name {
    case _ where KeyManagerVariables.keyEncryptionService.contains(name):
      if !present.isEmpty {
        add(
          .error, "kms-beside-kes", variable,
          "it configures KES beside the Key Manager (present counts, even if empty); the server "
            + "refuses to start with both", "remove it, or remove the four MINIO_KMS_* settings")
      }
    case _ where KeyManagerVariables.staticKey.contains(name):
      if !present.isEmpty {
        add(
          .error, "kms-beside-static-key", variable,
          "it configures a static key beside the Key Manager (present counts, even if empty); the "
            + "server refuses to start with both",
          "remove it, or remove the four MINIO_KMS_* settings")
      } else if variables.contains(where: {
        KeyManagerVariables.keyEncryptionService.contains($0.name)
      }) {
        add(
          .error, "kes-beside-static-key", variable,
          "it configures a static key beside KES; the server refuses to start with both",
          "remove one of the two")
      }
    case "MINIO_KMS_AUTO_ENCRYPTION": checkAutoEncryption(variable)
    case "MINIO_KMS_REPLICATE_KEYID": break
    case _ where KeyManagerVariables.ignored.contains(name):
      add(
        .warning, "kms-ignored-variable", variable, "the server does not know it and ignores it",
        "remove it: the client certificate comes from MINIO_KMS_API_KEY, trusted CAs from the "
          + "CAs folder of the server's certificates")
    case _ where KeyManagerVariables.proxies.contains(name):
      checkProxy(variable)
    case _ where name.utf8.starts(with: KeyManagerVariables.prefix):
      if isUnknownOnlyCounted() { return }
      add(
        .error, "kms-unknown-variable", variable, "the server knows no variable of this name",
        KeyManagerVariables.nearest(to: name.utf8).map { "did you mean \($0)?" } ?? "remove it")
    default:
      // A slip in front of or within the prefix, such as MINO_KMS_SERVER or minio_kms_server.
      if let meant = KeyManagerVariables.nearest(to: name.utf8, within: 2), !isUnknownOnlyCounted()
      {
        add(
          .error, "kms-unknown-variable", variable,
          "the server knows no variable of this name, which is almost \(meant)",
          "did you mean \(meant)?")
      }
    }
  }

  /// A name in the list that is unlike the others. Nothing of it is shown where it may be a secret.
  private mutating func checkHosts(_ variable: EnvironmentVariable) {
    let outsiders = HostName.outsiders(among: HostList.hosts(in: variable.value))
    if outsiders.isEmpty || holdsSecret(variable.value) { return }
    for outsider in outsiders {
      add(
        .warning, "host-unlike", variable, "\(outsider.host) \(outsider.oddity)",
        "check it for a slip, such as - in place of .")
    }
  }

  private mutating func isUnknownOnlyCounted() -> Bool {
    unknownCount += 1
    return unknownCount > SettingsRules.unknownNames
  }

  private mutating func checkAutoEncryption(_ variable: EnvironmentVariable) {
    guard !["", "off", "false", "0"].contains(variable.value.trimmed.lowercased()) else { return }
    let other = KeyManagerVariables.keyEncryptionService + KeyManagerVariables.staticKey
    if present.isEmpty, !variables.contains(where: { other.contains($0.name) }) {
      add(
        .error, "kms-auto-encryption", variable,
        "it is on, but no KMS is configured; the server refuses to start",
        "set the four MINIO_KMS_* settings, or remove it")
    }
  }
}
