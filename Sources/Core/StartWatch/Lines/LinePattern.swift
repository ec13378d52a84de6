// SPDX-License-Identifier: Apache-2.0
package import Model
package import ServerUnit

/// Who wrote a line.
package enum LineSource: String, Sendable, Codable, Hashable {
  case server
  /// systemd, about the unit.
  case manager
  /// journald, about the lines that it has or has not kept.
  case journal
}

/// A line that only a start which got that far prints. The banner alone is no proof of health.
package enum SuccessMark: String, Sendable, Codable, Hashable {
  /// `MinIO Object Storage Server`, `MinIO AIStor Server`, or `API: http...`.
  case banner
  /// `All MinIO sub-systems initialized successfully`; only in a distributed server.
  case subsystems
  /// `IAM load(startup) finished`.
  case iam
}

/// What a line means for the start.
package enum LineKind: Sendable, Hashable {
  case progress(RolloutPhase)
  case success(SuccessMark)
  /// The server runs and answers, but not all of it works. The start has failed.
  case brokenButServing
  case fatal(StartFailure.Kind)
  /// Lines of the start may be missing.
  case linesLost
  /// An error that the table does not know. Shown as it is; decides nothing.
  case error
  /// Something to look at that does not stop the start.
  case warning
  /// The server starts without a drive. Reported with any outcome.
  case driveLost
  /// Belongs to the line before it: more of a fatal message, or of an error's block.
  case continuation
  case ordinary
}

/// One row of the table of lines: how to know it, what it means, what to do.
package struct LinePattern: Sendable, Hashable {
  /// Its stable kebab-case name.
  package var id: String
  package var source: LineSource
  /// Nil if it may have any.
  package var level: LineLevel?
  /// What the text begins with, after its level; empty if with anything.
  package var prefix: String
  /// What it may begin with instead. With `--json` a fatal line has only the error, without the
  /// words before it (`logger.Fatal` of minio:internal).
  package var bare: [String]
  /// The text contains at least one of these, if there are any.
  package var contains: [String]
  package var kind: LineKind
  package var meaning: String
  package var cause: String?
  package var remedy: String?
  /// The releases of MinIO whose wording is known, from source or logs: `2026` is the open-source
  /// server of January 2026, from which AIStor descends; `AIStor` was seen from AIStor itself. For
  /// systemd's lines its versions.
  package var seen: String
  /// Whether a server that logs this has already got a data key from the Key Manager: it asks for
  /// one early, and ends if there is none (docs/facts.md, "Start and the Key Manager"). Nil if it
  /// logs this before and after.
  package var passedKeyManager: Bool?
  /// A whole line that is of this row, and of no row above it.
  package var example: String

  /// `passedKeyManager` is true by default for what only a server that goes on logs.
  static func row(
    _ id: String, _ source: LineSource = .server, _ level: LineLevel? = nil, _ prefix: String = "",
    bare: [String] = [], contains: [String] = [], is kind: LineKind, _ meaning: String,
    cause: String? = nil,
    remedy: String? = nil, seen: String, passedKeyManager: Bool? = nil, example: String
  ) -> LinePattern {
    let goesOn =
      switch kind {
      case .progress, .success, .brokenButServing: true
      default: false
      }
    return LinePattern(
      id: id, source: source, level: level, prefix: prefix, bare: bare, contains: contains,
      kind: kind, meaning: meaning, cause: cause, remedy: remedy, seen: seen,
      passedKeyManager: passedKeyManager ?? (goesOn ? true : nil), example: example)
  }

  /// A row of a line with which the server ends.
  static func fatal(
    _ id: String, _ prefix: String, bare: [String] = [], contains: [String] = [],
    _ meaning: String, cause: String, remedy: String, seen: String, passedKeyManager: Bool?,
    example: String
  ) -> LinePattern {
    row(
      id, .server, .fatal, prefix, bare: bare, contains: contains, is: .fatal(.fatalLine), meaning,
      cause: cause, remedy: remedy, seen: seen, passedKeyManager: passedKeyManager,
      example: example)
  }

  /// Whether it says that a peer's drive is missing and will be tried again.
  var isMissedDrive: Bool { id == "drives-use" || id == "drives-connect" }

  /// The first row of the table that the line matches.
  static func of(source: LineSource, level: LineLevel, text: String) -> LinePattern? {
    table.first { $0.matches(source: source, level: level, text: text) }
  }

  func matches(source: LineSource, level: LineLevel, text: String) -> Bool {
    guard self.source == source, self.level == nil || self.level == level,
      text.hasPrefix(prefix) || bare.contains(where: text.hasPrefix)
    else { return false }
    return contains.isEmpty || contains.contains { text.holds($0) }
  }
}

extension String {
  /// Whether `part` stands anywhere in it, byte for byte.
  func holds(_ part: String) -> Bool {
    let text = utf8
    let part = part.utf8
    guard let first = part.first else { return true }
    var rest = text[...]
    while let start = rest.firstIndex(of: first) {
      rest = rest[start...]
      if rest.starts(with: part) { return true }
      rest = rest.dropFirst()
    }
    return false
  }
}
