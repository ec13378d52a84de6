internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import StartWatch

/// What the server's process gets of its environment: the unit's Environment=, its environment files
/// in their order, and then the file that MINIO_CONFIG_ENV_FILE names.
///
/// systemd reads the first two, later ones override (systemd.exec(5)); the server itself reads the
/// third, whose values override everything (facts, section E). One of the files is the one that
/// Keyturn writes.
struct ServerEnvironment {
  private struct Source {
    /// The path, or where else it is from.
    let place: String
    /// Every definition in it, also those that a later one of it overrides.
    let definitions: [EnvironmentVariable]
    /// Those that win in it.
    let variables: [EnvironmentVariable]
    /// Whether it is the file that Keyturn writes.
    let isOurs: Bool

    /// A file as one of its readers sees it.
    init(_ place: String, _ reading: EnvironmentDocument.Reading, isOurs: Bool = false) {
      func variable(_ entry: EnvironmentDocument.Variable) -> EnvironmentVariable {
        EnvironmentVariable(name: entry.name, value: entry.value, line: entry.line)
      }
      self.place = place
      self.isOurs = isOurs
      definitions = reading.definitions.map(variable)
      variables = reading.variables.map(variable)
    }

    /// `NAME=value` each, as systemd's property Environment has them.
    init(_ place: String, assignments: [String]) {
      self.place = place
      isOurs = false
      definitions = assignments.compactMap { text -> EnvironmentVariable? in
        guard let equals = text.firstIndex(of: "=") else { return nil }
        return EnvironmentVariable(
          name: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
      }
      variables = definitions
    }
  }

  /// What systemd gives the process, in its order.
  private let sources: [Source]
  /// What the server reads by itself; nil if nothing.
  private let config: Source?
  /// The file that Keyturn writes.
  private let document: EnvironmentDocument

  /// - Parameters:
  ///   - document: the file that Keyturn writes, as it is or would be.
  ///   - path: its path.
  ///   - unit: the server's unit; nil if it could not be read, then this file is all.
  ///   - read: gives another file's bytes, nil if there is none.
  /// - Throws: a refusal if another file cannot be read, or is named by a pattern.
  init(
    _ document: EnvironmentDocument, path: String, unit: UnitState?,
    read: (String) throws(Refusal) -> [UInt8]?
  ) throws(Refusal) {
    self.document = document
    let ours = Source(path, document.systemd, isOurs: true)
    var sources: [Source] = []
    if let unit {
      sources.append(Source("Environment= of \(unit.id)", assignments: unit.environment))
      for file in unit.environmentFiles {
        if file.path == path {
          sources.append(ours)
          continue
        }
        if file.path.contains(where: { "*?[".contains($0) }) {
          throw Refusal(
            .unit,
            "\(unit.id) names its environment files by a pattern (\(file.path)), so which of them wins is not known; name each file in a line of its own"
          )
        }
        guard let bytes = try read(file.path) else { continue }
        sources.append(Source(file.path, EnvironmentDocument(bytes).systemd))
      }
    }
    if !sources.contains(where: \.isOurs) { sources.append(ours) }
    self.sources = sources
    let named = Self.merged(sources).last { $0.name == "MINIO_CONFIG_ENV_FILE" }?.value
    if let named, !sources.contains(where: { $0.place == named }), let bytes = try read(named) {
      config = Source(named, EnvironmentDocument(bytes).minio)
    } else {
      config = nil
    }
  }

  /// What systemd gives the process; a line is that in the file that Keyturn writes.
  var atStart: [EnvironmentVariable] { Self.merged(sources) }

  /// What the server runs with.
  var variables: [EnvironmentVariable] { Self.merged(sources + (config.map { [$0] } ?? [])) }

  /// The value of a variable that the server gives itself over what systemd gave it; nil if it does
  /// not.
  func overriding(_ name: String) -> String? {
    config?.variables.first { $0.name == name }?.value
  }

  /// Every value of the variable that any reader of any source sees; more than one is an ambiguity.
  func definitions(of name: String) -> [String] {
    func values(_ source: Source) -> [String] {
      source.definitions.filter { $0.name == name }.map(\.value)
    }
    return sources.flatMap { source in
      guard source.isOurs else { return values(source) }
      let systemd = values(source)
      let minio = document.minio.definitions.filter { $0.name == name }.map(\.value)
      // The same text read twice is one definition; what only one reader sees, or sees otherwise, is
      // another.
      return minio == systemd ? systemd : systemd + minio.filter { !systemd.contains($0) }
    } + (config.map(values) ?? [])
  }

  /// Where a variable is defined, each place with the lines in it, for people.
  func places(of name: String) -> [String] {
    (sources + (config.map { [$0] } ?? [])).compactMap { source in
      let found = source.definitions.filter { $0.name == name }
      let lines = found.compactMap(\.line).map(String.init)
      if found.isEmpty { return nil }
      return lines.isEmpty
        ? source.place : "\(source.place) line \(lines.joined(separator: " and "))"
    }
  }

  /// Changes of our file that would not come through: another source overrides a value, or has one
  /// where ours is removed.
  func shadowed(_ changes: [SettingChange]) -> [Finding] {
    let later = sources.drop { !$0.isOurs }.dropFirst() + (config.map { [$0] } ?? [])
    let others = sources.filter { !$0.isOurs } + (config.map { [$0] } ?? [])
    return changes.compactMap { change in
      let candidates = change.value == nil ? others : Array(later)
      for source in candidates {
        guard let found = source.definitions.first(where: { $0.name == change.name }) else {
          continue
        }
        return Finding(
          .error, rule: "shadowed", variable: change.name, file: source.place, line: found.line,
          message: "\(change.name) is also set there, and that value would win",
          remedy: "remove it there, or change it there by hand")
      }
      return nil
    }
  }

  private static func merged(_ sources: [Source]) -> [EnvironmentVariable] {
    var merged: [EnvironmentVariable] = []
    for source in sources {
      for var variable in source.variables {
        if !source.isOurs { variable.line = nil }
        if let index = merged.firstIndex(where: { $0.name == variable.name }) {
          merged[index] = variable
        } else {
          merged.append(variable)
        }
      }
    }
    return merged
  }
}
