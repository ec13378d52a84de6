// SPDX-License-Identifier: Apache-2.0
internal import API
internal import Secrets
internal import ServerUnit
internal import StartWatch
internal import Threads

extension Agent {
  /// A page of the server's journal as it is told to others: redacted, and, where only errors are
  /// wanted, with what each means. Blocks while systemd and files are asked what is secret.
  ///
  /// An error's block that two pages share is put together from its second part only: the line that
  /// says what happened is found anyway.
  func logs(_ page: JournalPage, errorsOnly: Bool) -> LogsAnswer {
    let redactor = page.entries.isEmpty ? Redactor() : redactor()
    var classifier = LineClassifier()
    let lines = page.entries.compactMap { entry -> LogLine? in
      var entry = entry
      entry.message = redactor.redact(entry.message)
      var error: LogError?
      if errorsOnly {
        error = LogError(classifier.take(entry))
        if error == nil { return nil }
      }
      return LogLine(
        realtimeMicroseconds: entry.realtimeMicroseconds, priority: entry.priority,
        identifier: entry.identifier ?? "", pid: entry.pid ?? 0, message: entry.message,
        error: error)
    }
    return LogsAnswer(
      lines: lines, cursor: page.cursor, more: page.isFull, lossy: page.isLossy ? true : nil,
      realtimeMicroseconds: Clock.realtimeMicroseconds())
  }
}

extension LogError {
  /// What a line says that is an error; nil if it is none.
  fileprivate init?(_ line: ClassifiedLine) {
    let kind: String
    switch line.kind {
    case .fatal: kind = "fatal"
    case .brokenButServing: kind = "broken"
    case .driveLost: kind = "error"
    case .error: kind = "unknown"
    // What the table knows as an error of the server's, though it stops no start.
    case .warning where line.source == .server && line.level == .error: kind = "error"
    default: return nil
    }
    self.init(
      kind: kind, meaning: line.pattern?.meaning, cause: line.pattern?.cause,
      remedy: line.pattern?.remedy)
  }
}
