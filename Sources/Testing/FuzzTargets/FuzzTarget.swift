// SPDX-License-Identifier: Apache-2.0
internal import EnvironmentFile
internal import KeyManager
internal import Model
internal import Secrets

/// What the fuzzer runs on each input, and the unit tests on the corpus.
package enum FuzzTarget: String, Sendable, CaseIterable {
  /// A file as systemd reads it, and the lint.
  case systemd
  /// A file as MinIO's own reader reads it, and the edit.
  case minio
  /// A file of settings, and the rules on the Key Manager's.
  case settings
  /// The frames of a Key Manager's answer.
  case frames
  /// The messages in them.
  case messages
  /// An HTTP response, as a probe reads it.
  case response
  /// The bodies of the API, questions and answers.
  case requests
  /// The agent's durable records.
  case records
  case inventory
  /// Lines of a server's log, and the redactor.
  case lines
  /// A certificate in DER.
  case certificates
  /// The answers of an S3 server, and the files of its clients.
  case s3

  /// What is not as it must be with `bytes`, one sentence; nil if all is well.
  package func violation(_ bytes: [UInt8]) -> String? {
    switch self {
    case .frames: return KeyManagerFuzz.frames(bytes)
    case .messages: return KeyManagerFuzz.messages(bytes)
    case .response: return ResponseFuzz.violation(bytes)
    case .requests: return PeerFuzz.request(bytes)
    case .records: return PeerFuzz.record(bytes)
    case .inventory: return PeerFuzz.inventory(bytes)
    case .lines: return TextFuzz.lines(bytes)
    case .certificates: return TextFuzz.certificate(bytes)
    case .s3: return S3Fuzz.violation(bytes)
    case .systemd, .minio, .settings: break
    }
    let document = EnvironmentDocument(bytes)
    if document.bytes != bytes { return "parsing and writing is not the identity" }
    return switch self {
    case .systemd: Self.systemd(document) ?? Self.lint(document)
    case .minio: Self.minio(document) ?? Self.edit(document)
    case .settings: Self.settings(document)
    default: nil
    }
  }

  // MARK: - The grammars

  private static func systemd(_ document: EnvironmentDocument) -> String? {
    for grammar in CommentGrammar.allCases {
      let reading = document.systemd(comments: grammar)
      let expected = Reference.systemd(
        document.bytes, beforeVersion254: grammar == .beforeVersion254)
      let isLoadable =
        !document.bytes.contains(0)
        && expected.allSatisfy {
          Reference.isValidText($0.name) && Reference.isValidText($0.value)
        }
      if isLoadable != (reading.failure == nil) { return "systemd: loadable is not as it must be" }
      if !reading.agrees(with: expected) {
        return "systemd: the definitions are not the reference's"
      }
      if !reading.definitions.allSatisfy({ $0.isDropped != isName($0.name) }) {
        return "systemd: what is dropped is not what has no valid name"
      }
      if let problem = reading.problem { return "systemd: \(problem)" }
    }
    return nil
  }

  private static func minio(_ document: EnvironmentDocument) -> String? {
    let reading = document.minio
    let expected = Reference.minio(document.bytes)
    if (expected == nil) != (reading.failure != nil) {
      return "MinIO: loadable is not as it must be"
    }
    if let expected {
      if !reading.agrees(with: expected) { return "MinIO: the definitions are not the reference's" }
      for (definition, entry) in zip(reading.definitions, expected) {
        let isRefused = entry.name.isEmpty || entry.name.contains(0) || entry.value.contains(0)
        if definition.isDropped != isRefused {
          return "MinIO: what is dropped is not as it must be"
        }
      }
    }
    return reading.problem.map { "MinIO: \($0)" }
  }

  private static func isName(_ name: String) -> Bool {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_".utf8
    guard let first = name.utf8.first, letters.contains(first) else { return false }
    return name.utf8.allSatisfy { letters.contains($0) || "0123456789".utf8.contains($0) }
  }

  // MARK: - The lint

  private static func lint(_ document: EnvironmentDocument) -> String? {
    let findings = EnvironmentLint.findings(in: document, file: "file")
    let lines = document.bytes.split(separator: 10, omittingEmptySubsequences: false)
    for finding in findings {
      if let line = finding.line, let column = finding.column {
        guard lines.indices.contains(line - 1), (1...(lines[line - 1].count + 1)).contains(column)
        else { return "lint: \(finding.rule) at \(line):\(column) is not in the file" }
      }
      if LintRule(rawValue: finding.rule) == nil { return "lint: no rule \(finding.rule)" }
      if finding.text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
        return "lint: a control character in the message of \(finding.rule)"
      }
    }
    let isAlike =
      document.systemd.failure == nil && document.minio.failure == nil
      && document.systemd.isAlike(document.minio)
      && document.systemd.isAlike(document.systemd(comments: .beforeVersion254))
    if !isAlike && findings.allSatisfy({ $0.severity == .note }) {
      return "lint: nothing found, and the readers differ"
    }
    return nil
  }

  // MARK: - The edit

  private static func edit(_ document: EnvironmentDocument) -> String? {
    let names = document.systemd.variables.prefix(1) + document.minio.variables.suffix(1)
    let value = names.last?.value ?? "v"
    var changes = [SettingChange(name: "MINIO_FUZZ", value: Secret(value))]
    for (index, variable) in names.enumerated()
    where !changes.contains(where: { same($0.name, variable.name) }) {
      let change = index == 0 ? nil : Secret(value + "x")
      changes.append(SettingChange(name: variable.name, value: change))
    }
    let result: EnvironmentDocument
    do throws(Refusal) { result = try document.applying(changes) } catch {
      return error.code == .failed ? "edit: refused by the last resort only" : nil
    }
    if (try? result.applying(changes))?.bytes != result.bytes {
      return "edit: a second time it does more"
    }
    for (before, after) in zip(document.readings, result.readings) where before.failure == nil {
      for change in changes {
        guard same(after[change.name], change.value?.reveal()) else {
          return "edit: a reader does not have the change"
        }
      }
      let others = before.variables.filter { old in
        !changes.contains { same($0.name, old.name) }
      }
      if !others.allSatisfy({ same(after[$0.name], $0.value) }) {
        return "edit: another variable is not what it was"
      }
    }
    return nil
  }

  // MARK: - The settings

  private static func settings(_ document: EnvironmentDocument) -> String? {
    let (changes, _, findings) = SettingsFile.parse(document.bytes, file: "settings")
    if !findings.contains(where: { $0.severity == .error }) {
      guard let written = try? EnvironmentDocument([]).applying(changes) else {
        return "settings: what is taken cannot be written"
      }
      for change in changes {
        guard let value = change.value?.reveal(), same(written.systemd[change.name], value),
          same(written.minio[change.name], value)
        else { return "settings: what is written is not read back" }
      }
    }
    let environment = document.systemd.variables.map {
      EnvironmentVariable(name: $0.name, value: $0.value, line: $0.line)
    }
    let rules = SettingsRules.findings(environment, file: "settings")
    let names = Set(document.systemd.variables.map(\.name)).union(KeyManagerSettings.variables)
    if !rules.allSatisfy({ $0.variable.map(names.contains) ?? true }) {
      return "rules: a finding about a variable that is not there"
    }
    let isAccepted = !rules.contains { $0.severity == .error }
    if isAccepted != ((try? KeyManagerSettings.parse(environment)) != nil) {
      let isAbsent = !environment.contains { KeyManagerSettings.variables.contains($0.name) }
      if !isAbsent { return "rules: what they accept is not what is parsed" }
    }
    if let key = document.systemd["MINIO_KMS_API_KEY"], key.hasPrefix("k1:"), key.utf8.count >= 20 {
      // What could be the name of a variable stands in messages for another reason.
      let text = key.dropFirst(3)
      if !text.contains(where: \.isLowercase) || names.contains(where: { $0.contains(text) }) {
        return nil
      }
      for finding in findings + rules where finding.text.contains(text) {
        return "\(finding.rule): the API key is in the message"
      }
    }
    return nil
  }
}

/// Byte for byte, as no `==` of String is.
private func same(_ a: String?, _ b: String?) -> Bool {
  a.map { Array($0.utf8) } == b.map { Array($0.utf8) }
}

extension EnvironmentDocument {
  /// What each reader makes of it.
  fileprivate var readings: [Reading] {
    [systemd, systemd(comments: .beforeVersion254), minio]
  }
}

extension EnvironmentDocument.Reading {
  /// Whether the definitions are these.
  fileprivate func agrees(with entries: [Reference.Entry]) -> Bool {
    definitions.count == entries.count
      && zip(definitions, entries).allSatisfy { definition, entry in
        same(definition.name, String(decoding: entry.name, as: UTF8.self))
          && same(definition.value, String(decoding: entry.value, as: UTF8.self))
      }
  }

  /// Whether both have the same names with the same values.
  fileprivate func isAlike(_ other: Self) -> Bool {
    variables.count == other.variables.count
      && variables.allSatisfy { same(other[$0.name], $0.value) }
  }

  /// What is wrong with the effective variables: each must be the last definition of its name.
  fileprivate var problem: String? {
    if failure != nil { return variables.isEmpty ? nil : "variables in a file that is refused" }
    var last: [[UInt8]: EnvironmentDocument.Variable] = [:]
    for definition in definitions where !definition.isDropped {
      last[Array(definition.name.utf8)] = definition
    }
    if variables.count != last.count { return "the effective variables are not those defined" }
    for variable in variables where last[Array(variable.name.utf8)] != variable {
      return "an effective variable is not the last definition of its name"
    }
    return nil
  }
}
