// SPDX-License-Identifier: Apache-2.0
package import Model
internal import Secrets

/// Checks an environment file as text: what its two readers make of it, and what a person probably
/// meant.
///
/// KeyManager checks which values let MinIO start. Unless asked to, this prints no value that may
/// be a secret, or that another setting may have run into.
package enum EnvironmentLint {
  /// Findings given of one rule; another one counts the rest.
  package static let findingsPerRule = 100

  /// All findings in the order of lines and columns. An error means that a reader refuses the file
  /// or that the two do not read it alike, or that a name is mistyped.
  package static func findings(
    in document: EnvironmentDocument, file: String?, showsSecrets: Bool = false
  ) -> [Finding] {
    var lint = Lint(document: document, file: file, showsSecrets: showsSecrets)
    lint.checkSize()
    lint.checkBytes()
    lint.checkLines()
    lint.checkComments()
    lint.checkDefinitions()
    lint.checkDuplicates()
    lint.checkNames()
    lint.checkReaders()
    lint.checkShell()
    return lint.sorted()
  }

  /// What the two readers make of a variable.
  package struct Comparison: Sendable, Hashable {
    package var name: String
    /// The 1-based line of the definition that is effective for systemd, else for MinIO.
    package var line: Int
    /// systemd's value, or ``redacted``; nil if it has none.
    package var systemd: String?
    /// MinIO's value, or ``redacted``; nil if it has none.
    package var minio: String?
  }

  /// What stands in place of a value that is not shown.
  package static let redacted = "<redacted>"

  /// Every variable that a reader has, in the order of the file.
  ///
  /// Without `showsSecrets` what is or may be a secret is ``redacted``, and what only MinIO takes
  /// for a variable, within a value that systemd reads over several lines, is left out: its "name"
  /// may be a part of a key.
  package static func variables(
    in document: EnvironmentDocument, showsSecrets: Bool
  ) -> [Comparison] {
    let lint = Lint(document: document, file: nil, showsSecrets: showsSecrets)
    func shown(_ name: String, _ value: String) -> String {
      showsSecrets || lint.isShowable(name, value) ? value : redacted
    }
    let (systemd, minio) = (document.systemd, document.minio)
    func comparison(_ variable: EnvironmentDocument.Variable) -> Comparison {
      Comparison(
        name: variable.name, line: variable.line,
        systemd: systemd[variable.name].map { shown(variable.name, $0) },
        minio: minio[variable.name].map { shown(variable.name, $0) })
    }
    let others = minio.variables.filter {
      systemd[$0.name] == nil
        && (showsSecrets || !lint.isStray(line: $0.line, name: $0.name.utf8))
    }
    let all = (systemd.variables + others).map(comparison)
    return all.enumerated().sorted { ($0.element.line, $0.offset) < ($1.element.line, $1.offset) }
      .map(\.element)
  }
}

/// One run of the lint over one document.
struct Lint {
  typealias Variable = EnvironmentDocument.Variable

  let document: EnvironmentDocument
  let file: String?
  let bytes: [UInt8]
  let text: DocumentText
  let showsSecrets: Bool
  private(set) var findings: [Finding] = []
  /// How many findings each rule has, those included that are not given.
  private var tallies: [(rule: LintRule, count: Int, worst: Severity)] = []
  /// For each line, whether a value that systemd reads over several lines goes on in it.
  private var isWithin: [Bool]
  /// The secrets of the file, which another variable may hold too.
  private var secrets = SecretTexts()

  init(document: EnvironmentDocument, file: String?, showsSecrets: Bool) {
    self.document = document
    self.file = file
    self.showsSecrets = showsSecrets
    (bytes, text) = (document.bytes, document.text)
    isWithin = Array(repeating: false, count: text.lineStarts.count)
    for oddity in document.current.oddities where !oddity.form.isOneLine {
      let definition = document.current.definitions.all[Int(oddity.definition)]
      var line = Int(definition.line)
      let end = definition.range.range.upperBound
      while line < text.lineStarts.count, text.lineStarts[line] < end {
        isWithin[line] = true
        line += 1
      }
    }
    if !showsSecrets { collectSecrets() }
  }

  private mutating func collectSecrets() {
    let isSecret = (0..<text.nameCount).map { SecretVariables.contains(text[text.name($0)]) }
    for definitions in [document.current.definitions, document.own.definitions] {
      for definition in definitions.all where isSecret[Int(definition.name)] {
        secrets.insert(text[definition.value])
      }
    }
  }

  // MARK: - Collecting

  func name(_ definition: Definition) -> ArraySlice<UInt8> {
    text[text.name(Int(definition.name))]
  }

  func variable(_ definition: Definition) -> String {
    text.string(text.name(Int(definition.name)))
  }

  mutating func add(
    _ severity: Severity, _ rule: LintRule, at offset: Int, variable: String? = nil,
    _ message: String, remedy: String
  ) {
    if isOnlyCounted(severity, rule) { return }
    if let index = tallies.firstIndex(where: { $0.rule == rule }) {
      tallies[index].count += 1
      tallies[index].worst = max(tallies[index].worst, severity)
    } else {
      tallies.append((rule, 1, severity))
    }
    let (line, column) = place(of: offset)
    findings.append(
      Finding(
        severity, rule: rule.rawValue, variable: variable.flatMap { isVariableName($0) ? $0 : nil },
        file: file, line: line, column: column, message: message, remedy: remedy))
  }

  /// Whether `rule` has all the findings that are given: this one is then counted, and need not be
  /// made.
  mutating func isOnlyCounted(_ severity: Severity, _ rule: LintRule) -> Bool {
    guard let index = tallies.firstIndex(where: { $0.rule == rule }),
      tallies[index].count >= EnvironmentLint.findingsPerRule
    else { return false }
    tallies[index].count += 1
    tallies[index].worst = max(tallies[index].worst, severity)
    return true
  }

  /// Whether only the count of `rule` can change: it has findings that are not given, and an error
  /// among all of them.
  func isDecided(_ rule: LintRule) -> Bool {
    tallies.contains {
      $0.rule == rule && $0.count >= EnvironmentLint.findingsPerRule && $0.worst == .error
    }
  }

  /// Whether a rule has more findings than are given.
  var hasMore: Bool { tallies.contains { $0.count > EnvironmentLint.findingsPerRule } }

  func sorted() -> [Finding] {
    let ordered = findings.enumerated().sorted {
      ($0.element.line ?? 0, $0.element.column ?? 0, $0.offset)
        < ($1.element.line ?? 0, $1.element.column ?? 0, $1.offset)
    }
    var result = ordered.map(\.element)
    for rule in LintRule.allCases {
      guard let (_, count, worst) = tallies.first(where: { $0.rule == rule }),
        count > EnvironmentLint.findingsPerRule
      else { continue }
      let more = count - EnvironmentLint.findingsPerRule
      result.append(
        Finding(
          worst, rule: rule.rawValue, file: file,
          message: "\(more) more of this rule are not shown",
          remedy: "correct those shown and check again", more: more))
    }
    return result
  }

  func place(of offset: Int) -> (line: Int, column: Int) {
    let line = text.line(of: offset)
    return (line, offset - Int(text.lineStarts[line - 1]) + 1)
  }

  func isWithinValue(line: Int) -> Bool { isWithin[line - 1] }

  // MARK: - What may be shown

  /// The definition's value in quotes if it may be shown, else `<redacted>`.
  func shown(_ definition: Definition) -> String { shown(text.variable(definition)) }

  /// `variable`'s value in quotes if it may be shown, else `<redacted>`.
  private func shown(_ variable: Variable) -> String {
    isShowable(variable)
      ? "'\(EnvironmentDiff.printable(variable.value))'" : EnvironmentLint.redacted
  }

  func isShowable(_ definition: Definition) -> Bool { isShowable(text.variable(definition)) }

  func isShowable(_ variable: Variable) -> Bool {
    showsSecrets
      || (variable.isOneLine && variable.value.utf8.count <= 200
        && isShowable(variable.name, variable.value))
  }

  /// Whether neither the name, nor the name probably meant, nor the value looks like a secret's,
  /// and the value holds no secret of the file. One of several lines may hold anything: a quote was
  /// lost.
  func isShowable(_ name: String, _ value: String) -> Bool {
    if SecretVariables.contains(name) || value.utf8.contains(where: Byte.isNewline) { return false }
    if !KnownVariables.isKnown(Array(name.utf8)[...]),
      let meant = KnownVariables.nearest(to: name.utf8), SecretVariables.contains(meant)
    {
      return false
    }
    if secrets.isHeld(by: value) { return false }
    let value = value.lowercased()
    if ["k1:", "k2:", "kes:"].contains(where: value.contains) { return false }
    if let scheme = value.firstRange(of: "://"), value[scheme.upperBound...].contains("@") {
      return false
    }
    // `NAME=` of a secret that ran into this value.
    return !value.utf8.split(separator: Byte.equals, omittingEmptySubsequences: false).dropLast()
      .contains { part in
        let name = part.reversed().prefix(while: Byte.isNamePart).reversed()
        return SecretVariables.contains(String(decoding: name, as: UTF8.self))
      }
  }

  /// Whether a variable of MinIO's reader may be a piece of another value: it stands within one
  /// that systemd reads over several lines, and its name is not plainly one of MinIO's.
  func isStray(line: Int, name: some Sequence<UInt8>) -> Bool {
    isWithinValue(line: line) && !name.starts(with: "MINIO_".utf8)
  }

  func isStray(_ definition: Definition) -> Bool {
    isStray(line: Int(definition.line), name: name(definition))
  }
}
