// SPDX-License-Identifier: Apache-2.0

/// How bad a ``Finding`` is.
package enum Severity: String, Sendable, Codable, Hashable, Comparable, CaseIterable {
  /// Worth knowing; nothing to do.
  case note
  /// Probably a mistake; does not stop anything.
  case warning
  /// A mistake; what was asked is refused.
  case error

  package static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
  private var rank: Int {
    switch self {
    case .note: 0
    case .warning: 1
    case .error: 2
    }
  }
}

/// One thing that a check found: in an environment file, in the settings, in a unit or on a link.
///
/// The message says what is wrong with what, the remedy what to do. Neither holds a secret.
package struct Finding: Sendable, Codable, Hashable {
  package var severity: Severity
  /// A stable kebab-case name of the rule, for example `kms-endpoint-port`.
  package var rule: String
  /// What refusal an error of this rule is; decides the exit code.
  package var refusal: RefusalCode
  package var variable: String?
  package var file: String?
  /// 1-based line in the file.
  @BoundedIfPresent<Bounds.Count> package var line: Int?
  /// 1-based column (in bytes) in the line.
  @BoundedIfPresent<Bounds.Count> package var column: Int?
  /// The link to a Key Manager that it is about.
  package struct Link: Sendable, Codable, Hashable {
    /// The endpoint as the settings have it; of a reverse path the Key Manager's name.
    package var keyManager: String
    /// Nil for the reverse path.
    package var stage: Word<ProbeStage>?

    package init(keyManager: String, stage: ProbeStage? = nil) {
      self.keyManager = keyManager
      self.stage = stage.map { .known($0) }
    }
  }
  package var link: Link?
  package var message: String
  package var remedy: String?
  /// How many findings of the rule it stands for, because all would be too many; nil if it is one.
  @BoundedIfPresent<Bounds.Count> package var more: Int?

  package init(
    _ severity: Severity, rule: String, refusal: RefusalCode = .validation,
    variable: String? = nil, file: String? = nil, line: Int? = nil, column: Int? = nil,
    message: String, remedy: String? = nil, link: Link? = nil, more: Int? = nil
  ) {
    self.severity = severity
    self.rule = rule
    self.refusal = refusal
    self.variable = variable
    self.file = file
    self.line = line
    self.column = column
    self.message = message
    self.remedy = remedy
    self.link = link
    self.more = more
  }

  /// `error: MINIO_KMS_SERVER, line 4: ... — remedy` on one line, for people.
  package var text: String { "\(severity.rawValue): \(statement)" }

  /// The same without the severity, where that is said already.
  package var statement: String {
    var place: [String] = []
    if let file { place.append(file) }
    if let variable { place.append(variable) }
    if let line { place.append(column.map { "line \(line):\($0)" } ?? "line \(line)") }
    let whole = (place.isEmpty ? [] : [place.joined(separator: ", ")]) + [message]
    return whole.joined(separator: ": ") + (remedy.map { " — \($0)" } ?? "")
  }
}
