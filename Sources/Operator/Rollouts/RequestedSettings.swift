// SPDX-License-Identifier: Apache-2.0
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets

/// The settings file, the API key's file and `--unset` together, checked as far as that is possible
/// without a node.
struct RequestedSettings: Sendable {
  /// Not to be used if there is an error among the findings.
  var request: RolloutRequest
  let findings: [Finding]
  /// Every value given to the SSE key; nil if the settings do not touch it.
  private let keys: [String]?
  /// The same for the enclave.
  private let enclaves: [String]?

  static let keyVariable = "MINIO_KMS_SSE_KEY"
  static let enclaveVariable = "MINIO_KMS_ENCLAVE"
  static let apiKeyVariable = "MINIO_KMS_API_KEY"

  /// What `restart` and `rollback` ask for.
  init(_ request: RolloutRequest) {
    self.request = request
    findings = []
    keys = nil
    enclaves = nil
  }

  /// The settings that a command's options name. Blocks while files are read.
  init(_ options: SettingsOptions, _ context: CommandContext) throws(Refusal) {
    try self.init(
      file: options.settings, apiKeyFile: options.apiKeyFile, removals: options.removals,
      createKey: options.createKey, context)
  }

  /// The API key of a file, and nothing else. Blocks while it is read.
  init(apiKeyFile: String, _ context: CommandContext) throws(Refusal) {
    try self.init(file: nil, apiKeyFile: apiKeyFile, removals: [], createKey: false, context)
  }

  private init(
    file: String?, apiKeyFile: String?, removals: [String], createKey: Bool,
    _ context: CommandContext
  ) throws(Refusal) {
    let settings = try Self.content(file, isSecret: false, context)
    let apiKey = try Self.content(apiKeyFile, isSecret: true, context)
    var changes: [SettingChange] = []
    var lines: [String: Int] = [:]
    var findings: [Finding] = []
    var definitions: [(name: String, value: String)] = []
    if let settings {
      (changes, lines, findings) = SettingsFile.parse(settings.bytes, file: settings.file)
      definitions = EnvironmentDocument(settings.bytes).systemd.definitions
        .map { ($0.name, $0.value) }
      // What makes the file may have failed, and nothing to do would look like success.
      if changes.isEmpty, !findings.contains(where: { $0.severity == .error }) {
        findings.append(
          Finding(
            .error, rule: "settings-none", file: settings.file,
            message: "there is no setting in it",
            remedy:
              "see whether what writes the file has failed; keyturn restart restarts without a change"
          ))
      }
    }
    func conflict(_ name: String, _ message: String) {
      findings.append(
        Finding(
          .error, rule: "setting-given-twice", variable: name, message: message,
          remedy: "say it once"))
    }
    if let apiKey {
      if definitions.contains(where: { $0.name == Self.apiKeyVariable }) {
        conflict(Self.apiKeyVariable, "it is in the settings file and in the API key file")
      }
      let value = Self.line(apiKey.bytes)
      do throws(Refusal) {
        if value.isEmpty { throw Refusal(.validation, "there is no key in it") }
        if value.contains(where: { $0 == " " || $0 == "\t" }) {
          throw Refusal(.validation, "there is a blank in it, and no key has one")
        }
        _ = try CanonicalForm.line(name: Self.apiKeyVariable, value: value)
      } catch {
        findings.append(
          Finding(
            .error, rule: "setting-value", variable: Self.apiKeyVariable, file: apiKey.file,
            message: error.message, remedy: "the file holds the key and nothing else"))
      }
      changes.append(SettingChange(name: Self.apiKeyVariable, value: Secret(value)))
    }
    for (index, name) in removals.enumerated() {
      if removals[..<index].contains(name) { continue }
      if !Self.isSettable(name) {
        findings.append(
          Finding(
            .error, rule: "setting-name", variable: name,
            message:
              "only variables named MINIO_ and capital letters, digits and '_' can be removed",
            remedy: "correct the name"))
      } else if changes.contains(where: { $0.name == name })
        || definitions.contains(where: { $0.name == name })
      {
        conflict(name, "it is to be set and to be removed")
      } else if let meant = VariableName.nearest(to: name) {
        findings.append(
          Finding(
            .warning, rule: "setting-name", variable: name,
            message: "it is to be removed, and MinIO knows no variable of this name",
            remedy: "did you mean \(meant)?"))
      }
      changes.append(SettingChange(name: name, value: nil))
    }
    let rules = Self.rules(changes, lines, settings?.file)
    findings = findings.withoutNames(namedBy: rules) + rules
    request = RolloutRequest(kind: .apply, changes: changes, createKey: createKey)
    self.findings = findings.sorted { $0.severity > $1.severity }
    func wanted(_ name: String) -> [String]? {
      if removals.contains(name) { return [] }
      let values = definitions.filter { $0.name == name }.map(\.value)
      return values.isEmpty ? nil : values
    }
    keys = wanted(Self.keyVariable)
    enclaves = wanted(Self.enclaveVariable)
  }

  var hasErrors: Bool { findings.contains { $0.severity == .error } }

  var concernsKey: Bool { keys != nil || enclaves != nil }

  /// Of the guard of a node with that key in force.
  func refusal(by holder: KeyGuard.Holder, enclaveInForce: String) -> Refusal? {
    guard concernsKey else { return nil }
    let key =
      switch holder {
      case .seal(let seal): seal.keyName
      case .running(let keyName, _): keyName
      }
    return KeyGuard.refusal(
      holder: holder, keys: keys ?? [key], enclaves: enclaves ?? [enclaveInForce])
  }

  /// The Key Manager's rules need all four settings. Otherwise each node checks them with its own file.
  private static func rules(
    _ changes: [SettingChange], _ lines: [String: Int], _ file: String?
  ) -> [Finding] {
    let environment = changes.compactMap { change in
      change.value.map {
        EnvironmentVariable(name: change.name, value: $0.reveal(), line: lines[change.name])
      }
    }
    let names = environment.map(\.name)
    guard KeyManagerSettings.variables.allSatisfy(names.contains) else { return [] }
    return SettingsRules.findings(environment, file: file)
  }

  /// The text of a file without one line feed (or CR LF) at its end.
  private static func line(_ bytes: [UInt8]) -> String {
    var bytes = bytes[...]
    if bytes.last == 0x0A { bytes.removeLast() }
    if bytes.last == 0x0D { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func isSettable(_ name: String) -> Bool {
    name.hasPrefix("MINIO_") && name.utf8.count > 6
      && name.utf8.allSatisfy {
        $0.isCapital || $0.isDigit || $0 == 0x5F
      }
  }

  /// A file and its name for messages.
  private static func content(
    _ path: String?, isSecret: Bool, _ context: CommandContext
  ) throws(Refusal) -> (bytes: [UInt8], file: String)? {
    guard let path else { return nil }
    let content: ReadContent
    do throws(Refusal) { content = try context.read(path) } catch {
      // Of a file that was named wrongly: nobody was asked anything yet.
      let code = error.code == .failed ? RefusalCode.validation : error.code
      throw Refusal(code, "nothing was touched: \(error.message)")
    }
    if content.isShared, isSecret || holdsSecret(content.bytes) {
      context.console.message(
        .warning, "\(path) holds a secret and can be read by group or others; chmod 600 it")
    }
    return (content.bytes, path == "-" ? "standard input" : path)
  }

  private static func holdsSecret(_ settings: [UInt8]) -> Bool {
    EnvironmentDocument(settings).systemd.definitions.contains {
      SecretVariables.contains($0.name)
    }
  }
}
