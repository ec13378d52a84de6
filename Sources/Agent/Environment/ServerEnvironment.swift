// SPDX-License-Identifier: Apache-2.0
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Rollout
internal import Secrets
internal import ServerUnit

/// What the server's process gets of its environment, and from where.
///
/// systemd puts it together in this order, the later overriding (`exec_child` of systemd 252,
/// systemd.exec(5)): the service manager's own environment, PassEnvironment=, Environment=, the
/// files of EnvironmentFile= in their order; at last UnsetEnvironment= takes away. What systemd
/// itself sets (USER, INVOCATION_ID and their like) is left out. Then the server reads the file
/// that MINIO_CONFIG_ENV_FILE names, whose values override everything (docs/facts.md,
/// "MinIO's environment file").
struct ServerEnvironment {
  /// What systemd gives the process, in its order.
  private(set) var sources: [EnvironmentSource]
  /// `UnsetEnvironment=`: `NAME`, or `NAME=value`.
  let unset: [String]
  /// What the server reads by itself; nil if nothing.
  private(set) var config: EnvironmentSource?
  /// Where that is; nil if there is no path to it.
  private(set) var place: ConfigFilePlace?
  /// Who reads it; nil where that is not known.
  private let account: ServiceAccount?
  /// What the unit makes of the host's files.
  let sandbox: UnitSandbox
  let unit: String
  /// How this host's systemd reads a comment.
  private let comments: CommentGrammar
  /// Variables that are passed if PID 1 has them, and of which it is not known whether it has.
  let unknownPassed: [String]

  /// Puts together what would be given to a process that was started now.
  ///
  /// - Parameters:
  ///   - unit: the server's unit; nil if it could not be read, then `fallback` is all.
  ///   - fallback: the file that counts without a unit.
  ///   - deadline: until when systemd may take to answer.
  /// - Throws: a refusal if one of the places cannot be read.
  init(
    unit: UnitState?, fallback: String, ports: Ports, deadline: Instant
  ) throws(Refusal) {
    guard let unit else {
      self.unit = ""
      (unset, comments, unknownPassed) = ([], .sinceVersion254, [])
      (account, sandbox) = (nil, UnitSandbox())
      let document = try ports.file.read(fallback).map(EnvironmentDocument.init)
      sources = [
        EnvironmentSource(
          .file(isOptional: true), path: fallback, document, comments: .sinceVersion254)
      ]
      return
    }
    let manager = try ports.unit.manager(deadline: deadline)
    self.unit = unit.id
    unset = unit.unsetEnvironment
    (account, sandbox) = (unit.account, unit.sandbox)
    comments = manager.majorVersion.map { $0 < 254 } == true ? .beforeVersion254 : .sinceVersion254
    sources = [
      EnvironmentSource(
        .manager, "the service manager's environment",
        assignments: Self.assignments(manager.environment))
    ]
    if unit.passEnvironment.isEmpty {
      unknownPassed = []
    } else {
      let initial = try ports.process.environment(of: 1)
      let passed = unit.passEnvironment.compactMap { name in
        initial.first { $0.name == name }.map { (name: name, value: $0.value) }
      }
      unknownPassed = unit.passEnvironment.filter { name in !passed.contains { $0.name == name } }
      sources.append(
        EnvironmentSource(.passed, "PassEnvironment= of \(unit.id)", assignments: passed))
    }
    sources.append(
      EnvironmentSource(
        .unit, "Environment= of \(unit.id)", assignments: Self.assignments(unit.environment)))
    for file in unit.environmentFiles {
      let kind = EnvironmentSource.Kind.file(isOptional: file.isOptional)
      let paths = try ports.file.paths(matching: file.path)
      for path in paths {
        let document = try ports.file.read(path).map(EnvironmentDocument.init)
        sources.append(EnvironmentSource(kind, path: path, document, comments: comments))
      }
      if !paths.isEmpty { continue }
      // A path that is none yet may still be written.
      sources.append(
        file.path.contains(where: { "*?[\\".contains($0) })
          ? EnvironmentSource(kind, pattern: file.path)
          : EnvironmentSource(kind, path: file.path, nil, comments: comments))
    }
    try readConfig(ports)
  }

  /// The same with another content of one of the files. Reads the file that MINIO_CONFIG_ENV_FILE
  /// names if it is another one then.
  func replacing(
    _ path: String, by document: EnvironmentDocument, ports: Ports
  ) throws(Refusal) -> ServerEnvironment {
    var result = self
    result.sources = sources.map {
      $0.path == path ? $0.replaced(by: document, comments: comments) : $0
    }
    if config?.path == path { result.config = config?.replaced(by: document, comments: comments) }
    if result.configPath != config?.path { try result.readConfig(ports) }
    return result
  }

  private mutating func readConfig(_ ports: Ports) throws(Refusal) {
    (config, place) = (nil, nil)
    guard let path = configPath else { return }
    let place = try ports.file.place(of: path, for: account ?? ServiceAccount(user: "root"))
    self.place = place
    let document: EnvironmentDocument?
    if place.obstacle != nil {
      // Whatever this process would find there, the server would find something else.
      document = nil
    } else if let source = sources.first(where: { $0.path == path }) {
      document = source.document
    } else {
      document = try ports.file.read(path).map(EnvironmentDocument.init)
    }
    config = EnvironmentSource(.config, path: path, document, comments: comments)
  }

  /// What MINIO_CONFIG_ENV_FILE says, as the server takes it (it trims); nil if it says nothing, or
  /// no absolute path.
  var configPath: String? { configValue.flatMap { ConfigFilePlace.isPath($0) ? $0 : nil } }

  var configValue: String? { Self.configValue(in: atStart) }

  private static func configValue(in variables: [EnvironmentVariable]) -> String? {
    variables.last { $0.name == "MINIO_CONFIG_ENV_FILE" }.map(\.value.trimmed)
      .flatMap { $0.isEmpty ? nil : $0 }
  }

  private static func assignments(_ texts: [String]) -> [(name: String, value: String)] {
    texts.compactMap { text in
      guard let equals = text.firstIndex(of: "=") else { return nil }
      return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
  }

  // MARK: what the process gets

  /// What systemd gives the process.
  var atStart: [EnvironmentVariable] {
    let given = Self.merged(sources)
    return unset.isEmpty ? given : given.filter { !isUnset($0.name, $0.value) }
  }

  /// What the server runs with.
  var variables: [EnvironmentVariable] {
    Self.merged([atStart] + (config.map { [$0.variables] } ?? []))
  }

  /// The values by their names, the last of each.
  static func values(_ variables: [EnvironmentVariable]) -> [String: String] {
    Dictionary(variables.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
  }

  /// The value that the server runs with; nil if it has none.
  subscript(_ name: String) -> String? { variables.last { $0.name == name }?.value }

  /// What a process runs with that was started with `process`, as far as that can be known: what it
  /// has read from the file that its own MINIO_CONFIG_ENV_FILE names shows nowhere, so the file's
  /// present values stand for it, as the process sees the file. Blocks on the disk.
  ///
  /// - Parameter pid: the process; nil where it only matters what systemd sees.
  /// - Throws: a refusal if that file cannot be read, or found.
  static func inForce(
    _ process: [EnvironmentVariable], of pid: Int32? = nil, _ file: any EnvironmentFilePort
  ) throws(Refusal) -> [EnvironmentVariable] {
    guard let path = try configPath(of: process) else { return process }
    let found = if let pid { try file.read(path, seenBy: pid) } else { try file.read(path) }
    return found.map { withOwnFile(process, $0) } ?? process
  }

  /// What a process has that was started with `process`, and has read a file of these bytes by itself.
  static func withOwnFile(
    _ process: [EnvironmentVariable], _ bytes: [UInt8]
  ) -> [EnvironmentVariable] {
    merged([
      process,
      EnvironmentDocument(bytes).minio.variables.map {
        EnvironmentVariable(name: $0.name, value: $0.value, line: $0.line)
      },
    ])
  }

  /// The root user of a process that was started with `process`. Blocks on the disk.
  ///
  /// - Parameter pid: the process, whose view of the files counts; nil for systemd's.
  /// - Throws: a refusal if a file that it has read itself cannot be read.
  static func rootCredentials(
    _ process: [EnvironmentVariable], of pid: Int32? = nil, _ file: any EnvironmentFilePort
  ) throws(Refusal) -> AccessCredentials {
    let variables = try RootCredentials.withFiles(process) { (path) throws(Refusal) in
      if let pid { try file.read(path, seenBy: pid) } else { try file.read(path) }
    }
    return RootCredentials.of(try inForce(variables, of: pid, file))
  }

  /// The same where it only tells of a difference: what is not known counts as it was started. Blocks on the
  /// disk.
  static func probablyInForce(
    _ process: [EnvironmentVariable], of pid: Int32, _ file: any EnvironmentFilePort
  ) -> [EnvironmentVariable] {
    do throws(Refusal) { return try inForce(process, of: pid, file) } catch { return process }
  }

  /// The file that a running process has read by itself; nil if none.
  ///
  /// - Throws: a refusal if it is not known which.
  static func configPath(of process: [EnvironmentVariable]) throws(Refusal) -> String? {
    guard let path = configValue(in: process) else { return nil }
    if let obstacle = ConfigFilePlace.obstacle(to: path) {
      throw Refusal(
        .unit,
        "MINIO_CONFIG_ENV_FILE of the running server: \(obstacle), so what it runs with is not known; \(ConfigFilePlace.remedy), and restart the server"
      )
    }
    return path
  }

  /// Every place, the server's own file last.
  var all: [EnvironmentSource] { sources + (config.map { [$0] } ?? []) }

  /// Every file that it comes from or would come from, each once, in order.
  var files: [String] {
    var seen: Set<String> = []
    return all.compactMap(\.path).filter { seen.insert($0).inserted }
  }

  /// A file of it as it is; nil if there is none.
  func document(at path: String) -> EnvironmentDocument? {
    all.first { $0.path == path }?.document
  }

  /// Whether UnsetEnvironment= takes it away (`strv_env_delete` of systemd).
  func isUnset(_ name: String, _ value: String) -> Bool {
    unset.contains { entry in
      let (entry, name) = (entry.utf8, name.utf8)
      guard entry.starts(with: name) else { return false }
      let rest = entry.dropFirst(name.count)
      return rest.isEmpty || rest.first == 0x3D && rest.dropFirst().elementsEqual(value.utf8)
    }
  }

  /// Every definition of the variable that any reader of any source sees; the same text of a file
  /// that both read alike is one. More than one is an ambiguity.
  func definitions(of name: String) -> [(source: EnvironmentSource, EnvironmentSource.Definition)] {
    var found = all.flatMap { source in
      (source.definitions + source.misreadings).filter { $0.name == name }.map { (source, $0) }
    }
    // The last of each counts: that of the file's own reader, where both read the file.
    var seen: Set<[UInt8]> = []
    for isOtherReaders in [false, true] {
      for index in found.indices.reversed() where found[index].1.isOtherReaders == isOtherReaders {
        let (source, definition) = found[index]
        let mark = "\(source.place)\n\(definition.line ?? 0)\n\(definition.value)"
        if !seen.insert(Array(mark.utf8)).inserted { found.remove(at: index) }
      }
    }
    return found
  }

  /// Where a variable is defined, each place with the lines in it, for people.
  func places(of name: String) -> [String] {
    var places: [(place: String, lines: [Int])] = []
    for (source, definition) in definitions(of: name) {
      let index = places.firstIndex { $0.place == source.place } ?? places.count
      if index == places.count { places.append((source.place, [])) }
      if let line = definition.line, !places[index].lines.contains(line) {
        places[index].lines.append(line)
      }
    }
    return places.map { place, lines in
      lines.isEmpty
        ? place : "\(place) line \(lines.sorted().map(String.init).joined(separator: " and "))"
    }
  }

  /// Where the value that the server runs with is defined; nil if it has none.
  func winner(of name: String) -> (source: EnvironmentSource, variable: EnvironmentVariable)? {
    if let config, let own = config.variables.first(where: { $0.name == name }) {
      return (config, own)
    }
    for source in sources.reversed() {
      guard let found = source.variables.last(where: { $0.name == name }) else { continue }
      return isUnset(name, found.value) ? nil : (source, found)
    }
    return nil
  }

  private static func merged(_ sources: [EnvironmentSource]) -> [EnvironmentVariable] {
    merged(sources.map(\.variables))
  }

  private static func merged(_ groups: [[EnvironmentVariable]]) -> [EnvironmentVariable] {
    var merged: [EnvironmentVariable] = []
    var places: [[UInt8]: Int] = [:]
    for variable in groups.joined() {
      let key = Array(variable.name.utf8)
      if let place = places[key] {
        merged[place] = variable
      } else {
        places[key] = merged.count
        merged.append(variable)
      }
    }
    return merged
  }
}
