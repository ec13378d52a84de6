internal import EnvironmentFile
internal import KeyManager
internal import Model

/// What the server's process will get of the environment file, and of the file that
/// MINIO_CONFIG_ENV_FILE names.
///
/// systemd reads the first; the server itself reads the second, whose values override (facts,
/// section E).
struct ServerEnvironment {
  /// The environment file.
  let document: EnvironmentDocument
  /// The path of the second file, if the first names one.
  let configPath: String?
  /// The second file, if it is there and another one.
  let config: EnvironmentDocument?

  init(
    _ document: EnvironmentDocument, path: String, read: (String) throws(Refusal) -> [UInt8]?
  ) throws(Refusal) {
    self.document = document
    let named = document.systemd["MINIO_CONFIG_ENV_FILE"]
    configPath = named == path ? nil : named
    if let configPath, let bytes = try read(configPath) {
      config = EnvironmentDocument(bytes)
    } else {
      config = nil
    }
  }

  /// The variables of the environment file alone: what systemd gives the process.
  var fromFile: [EnvironmentVariable] {
    document.systemd.variables.map {
      EnvironmentVariable(name: $0.name, value: $0.value, line: $0.line)
    }
  }

  /// The variables as the server gets them, each with its line in the environment file (nil if the
  /// second file gives it).
  var variables: [EnvironmentVariable] {
    var merged = fromFile
    for variable in config?.minio.variables ?? [] {
      let value = EnvironmentVariable(name: variable.name, value: variable.value, line: nil)
      if let index = merged.firstIndex(where: { $0.name == variable.name }) {
        merged[index] = value
      } else {
        merged.append(value)
      }
    }
    return merged
  }

  /// Every value of the variable that any reader of any of the files sees; more than one is an
  /// ambiguity.
  func definitions(of name: String) -> [String] {
    var values = document.systemd.definitions.filter { $0.name == name }.map(\.value)
    let minio = document.minio.definitions.filter { $0.name == name }.map(\.value)
    // The same text read twice is one definition; text that only one reader sees, or sees
    // otherwise, is another.
    if minio != values {
      for value in minio where !values.contains(value) { values.append(value) }
    }
    return values + (config?.minio.definitions.filter { $0.name == name }.map(\.value) ?? [])
  }

  /// A change that the second file would shadow.
  func shadowed(_ changes: [SettingChange]) -> [Finding] {
    guard let config, let configPath else { return [] }
    return changes.compactMap { change in
      guard let variable = config.minio.definitions.first(where: { $0.name == change.name }) else {
        return nil
      }
      return Finding(
        .error, rule: "shadowed", variable: change.name, file: configPath, line: variable.line,
        message: "\(change.name) is also set in \(configPath), whose values override",
        remedy: "remove it there, or change it there by hand")
    }
  }
}
