// SPDX-License-Identifier: Apache-2.0
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit

// What is wrong with the server's environment, and why it cannot be relied on.
extension ServerEnvironment {
  /// Why it cannot be judged which key a start would have, where that must be known; nil if it can.
  var keyProblem: String? {
    if !sandbox.pamName.isEmpty {
      return
        "PAMName= of \(unit) has a session made whose modules may set variables for the server that nobody else sees; remove it from the unit"
    }
    if let value = configValue, configPath == nil,
      let obstacle = ConfigFilePlace.obstacle(to: value)
    {
      return "MINIO_CONFIG_ENV_FILE: \(obstacle); \(ConfigFilePlace.remedy)"
    }
    guard let place else { return nil }
    // A file that the rollout itself makes is there at the start.
    var judged = place
    judged.exists = place.exists || config?.document != nil
    if let problem = judged.problem {
      return "MINIO_CONFIG_ENV_FILE: \(problem); \(ConfigFilePlace.remedy)"
    }
    for step in place.steps {
      guard let setting = sandbox.difference(at: step) else { continue }
      return
        "MINIO_CONFIG_ENV_FILE: \(setting) of \(unit) gives the server another \(step) than this host's, so what it would read in \(place.path) is not known; name a file outside of it, or change the unit"
    }
    return nil
  }

  /// The rules on the settings, each finding with the place of its variable; `path` is for those
  /// about a missing one.
  func settingsFindings(path: String) -> [Finding] {
    SettingsRules.findings(variables, file: nil).map { finding in
      var finding = finding
      let winner = finding.variable.flatMap { self.winner(of: $0) }
      finding.file = winner?.source.place ?? path
      finding.line = winner?.variable.line
      return finding
    }
  }

  /// What keeps the process from getting it, or from getting it all.
  ///
  /// - Parameters:
  ///   - inventoryFile: the file that the inventory names.
  ///   - obstacle: why the server's user cannot read a file; nil if nothing keeps it from that.
  func findings(
    inventoryFile: String, obstacle: (String) throws(Refusal) -> String?
  ) throws(Refusal) -> [Finding] {
    var findings = sources.flatMap { problems(with: $0) }
    if !unit.isEmpty && !files.contains(inventoryFile) {
      findings.append(
        Finding(
          .error, rule: "unit-environment-file", refusal: .unit,
          message:
            "\(unit) does not read \(inventoryFile) (it reads \(files.isEmpty ? "no file" : files.joined(separator: ", ")))",
          remedy:
            "add EnvironmentFile=\(inventoryFile) to the unit, or name its file as \"environmentFile\" in the inventory"
        ))
    }
    for name in unknownPassed where name.hasPrefix("MINIO_") {
      findings.append(
        Finding(
          .warning, rule: "passed-unknown", refusal: .unit, variable: name,
          message:
            "PassEnvironment= of \(unit) names it, and systemd was not started with it; a value that ManagerEnvironment= gave it since is not known here",
          remedy: "set it in an environment file, and remove it from PassEnvironment="))
    }
    if let value = configValue, configPath == nil,
      let obstacle = ConfigFilePlace.obstacle(to: value)
    {
      findings.append(
        Finding(
          .error, rule: "config-file-path", variable: "MINIO_CONFIG_ENV_FILE",
          message:
            "\(obstacle), so which file the server reads is not known",
          remedy: "give it an absolute path"))
    }
    if let obstacle = place?.obstacle {
      findings.append(
        Finding(
          .error, rule: "config-file-path", variable: "MINIO_CONFIG_ENV_FILE", message: obstacle,
          remedy: ConfigFilePlace.remedy))
      return findings
    }
    guard let config, let path = config.path else { return findings }
    if let failure = config.failure {
      findings.append(
        Finding(
          .error, rule: "config-unloadable", file: path,
          message: "the server would not start with the file of MINIO_CONFIG_ENV_FILE: \(failure)",
          remedy: "keyturn lint \(path) shows the place"))
    }
    if let obstacle = try obstacle(path) {
      findings.append(
        Finding(
          .error, rule: "config-unreadable", refusal: .file, file: path,
          message: "the server reads it as its own user and would not start: \(obstacle)",
          remedy: "give the file to the User= of \(unit) (chown, chmod 600), and let it search the "
            + "directories on the way"))
    } else if config.document == nil {
      findings.append(
        Finding(
          .warning, rule: "config-missing", file: path,
          message:
            "MINIO_CONFIG_ENV_FILE names it, and there is no such file; the server ignores that",
          remedy: "create it, or remove MINIO_CONFIG_ENV_FILE"))
    }
    return findings
  }

  private func problems(with source: EnvironmentSource) -> [Finding] {
    guard case .file(let isOptional) = source.kind else { return [] }
    if source.document == nil {
      if isOptional { return [] }
      return [
        Finding(
          .error, rule: "environment-file-missing", refusal: .unit, file: source.place,
          message: source.path == nil
            ? "EnvironmentFile= of \(unit) names this pattern, and no file matches it: systemd would not start the server (resources)"
            : "EnvironmentFile= of \(unit) names it, and there is no such file: systemd would not start the server (resources)",
          remedy: "create it, or begin the path in the unit with - if it may be missing")
      ]
    }
    guard let failure = source.failure else { return [] }
    return [
      Finding(
        .error, rule: "unloadable", file: source.place,
        message: "systemd cannot load the file, and would "
          + (isOptional ? "start the server without all of it" : "not start the server")
          + ": \(failure)",
        remedy: "keyturn lint \(source.place) shows the place")
    ]
  }
}
