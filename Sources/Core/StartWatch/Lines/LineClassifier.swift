// SPDX-License-Identifier: Apache-2.0
internal import Model
package import ServerUnit

/// A line and what it means.
package struct ClassifiedLine: Sendable, Hashable {
  package var source: LineSource
  /// The severity that it claims.
  package var level: LineLevel
  /// The line word for word; of a JSON line its message, in one line.
  package var text: String
  /// The text without its level; of a continuation that says nothing more about what happened, such
  /// as the error's time or a line of the server's source, nothing.
  package var statement: String
  package var kind: LineKind
  /// Its row of the table, if any.
  package var pattern: LinePattern?
  /// For an error in a block: the part of the server that it is from (`SYSTEM.iam`).
  package var subsystem: String?
}

/// Tells what the lines of one unit mean, one after the other.
///
/// Gives exactly one line for each that it takes, at once: nothing waits here for a line that may
/// never come. A fatal message goes on over lines that begin with six spaces; an error is a block
/// from `API: SYSTEM.x` over `Time:` and `Error: ...` to its numbered source lines. The line that
/// says what happened has its own kind, the others are ``LineKind/continuation``. See
/// docs/facts.md, "Output of the server".
package struct LineClassifier: Sendable {
  private enum Block: Sendable, Hashable {
    case none
    case fatal(pid: Int32?)
    /// `isSaid` once the line has come that says what happened: what follows, until the first of
    /// its source lines, is more of it.
    case error(pid: Int32?, subsystem: String, isSaid: Bool)
  }

  private var block = Block.none

  package init() {}

  package mutating func take(_ entry: JournalEntry) -> ClassifiedLine {
    let message = entry.message
    if entry.isOfJournal {
      return Self.classified(source: .journal, level: .plain, text: message, whole: message)
    }
    if Self.isOfManager(entry) {
      return Self.classified(source: .manager, level: .plain, text: message, whole: message)
    }
    if message.utf8.first == UInt8(ascii: "{"), let json = JSONLogLine(message) {
      block = .none
      let text = Self.inOneLine(json.text)
      return Self.classified(
        source: .server, level: json.level, text: text, whole: text, subsystem: json.subsystem)
    }
    if let statement = continuation(message, pid: entry.pid) {
      return ClassifiedLine(
        source: .server, level: .plain, text: message, statement: statement, kind: .continuation,
        subsystem: subsystem)
    }
    if let subsystem = Self.errorHeader(message) {
      block = .error(pid: entry.pid, subsystem: subsystem, isSaid: false)
      return ClassifiedLine(
        source: .server, level: .plain, text: message, statement: "", kind: .continuation,
        subsystem: subsystem)
    }
    let (level, text) = Self.level(of: message)
    let inside = level == .error ? subsystem : nil
    if level == .fatal {
      block = .fatal(pid: entry.pid)
    } else if let inside {
      block = .error(pid: entry.pid, subsystem: inside, isSaid: true)
    } else {
      block = .none
    }
    return Self.classified(
      source: .server, level: level, text: text, whole: message, subsystem: inside)
  }

  /// What JSON can have several lines of, as text mode logs it: a reason is one line for people.
  private static func inOneLine(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D }) else { return text }
    return text.split(whereSeparator: \.isNewline)
      .map { line in String(line.drop { $0 == " " }) }.filter { !$0.isEmpty }
      .joined(separator: " ")
  }

  /// Whether systemd says it: its process 1, or the child in which it prepares to run the server,
  /// which is called `(minio)` until then.
  private static func isOfManager(_ entry: JournalEntry) -> Bool {
    entry.pid == 1 || entry.identifier == "systemd" || entry.identifier?.hasPrefix("(") == true
  }

  private var subsystem: String? {
    if case .error(_, let subsystem, _) = block { subsystem } else { nil }
  }

  /// The statement of a line that belongs to the one before it; nil if it belongs to none.
  private mutating func continuation(_ message: String, pid: Int32?) -> String? {
    switch block {
    case .none: return nil
    case .fatal(let writer): return writer == pid && message.hasPrefix("      ") ? message : nil
    case .error(let writer, let subsystem, let isSaid):
      guard writer == pid else { return nil }
      if Self.isErrorDetail(message) {
        let isField = message.drop { $0 == " " }.drop { $0 != "=" && $0 != ":" }.first == "="
        if !isField { block = .error(pid: writer, subsystem: subsystem, isSaid: false) }
        return isField ? message : ""
      }
      // An error may have several lines; a line with a meaning of its own is not one of them.
      guard isSaid, !message.isEmpty, Self.errorHeader(message) == nil,
        case let line = Self.level(of: message), line.0 == .plain,
        LinePattern.of(source: .server, level: .plain, text: message) == nil
      else { return nil }
      return message
    }
  }

  /// A line of an error's block that does not say what happened: `Time: ...`, `DeploymentID: ...`,
  /// `peerAddress="..."`, or a source line like `       6: internal/logger/logger.go:268:...`.
  private static func isErrorDetail(_ message: String) -> Bool {
    let text = message.drop { $0 == " " }
    let word = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    guard !word.isEmpty else { return false }
    switch text.dropFirst(word.count).first {
    case "=": return true
    case ":":
      return word.utf8.allSatisfy(\.isDigit)
        || ["Time", "DeploymentID", "RequestID", "RemoteHost", "Host", "UserAgent"].contains(word)
    default: return false
    }
  }

  /// The subsystem in the head of an error's block. `API: http...` is the banner.
  private static func errorHeader(_ message: String) -> String? {
    for prefix in ["API: SYSTEM", "API: INTERNAL"] where message.hasPrefix(prefix) {
      return String(message.dropFirst("API: ".count).prefix { $0 != "(" && $0 != " " })
    }
    return nil
  }

  private static func level(of message: String) -> (LineLevel, String) {
    for (prefix, level) in [
      ("FATAL ", LineLevel.fatal), ("ERROR ", .fatal), ("FATAL: ", .fatal), ("ERROR: ", .error),
      ("ERRO: ", .error), ("Error: ", .error), ("WARN: ", .warning), ("WARNING: ", .warning),
      ("INFO: ", .info),
    ] where message.hasPrefix(prefix) {
      return (level, String(message.dropFirst(prefix.count).drop { $0 == " " }))
    }
    return (.plain, message)
  }

  private static func classified(
    source: LineSource, level: LineLevel, text: String, whole: String, subsystem: String? = nil
  ) -> ClassifiedLine {
    let pattern = LinePattern.of(source: source, level: level, text: text)
    return ClassifiedLine(
      source: source, level: level, text: whole, statement: text,
      kind: LinePattern.kind(of: level, pattern), pattern: pattern, subsystem: subsystem)
  }
}
