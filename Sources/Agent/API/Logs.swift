// SPDX-License-Identifier: Apache-2.0
internal import API
internal import HTTP
internal import Model
internal import Secrets
internal import ServerUnit
internal import StartWatch
internal import Threads

extension Agent {
  /// GET /v1/logs.
  func logs(_ request: HTTPRequest, for role: Role) throws(Refusal) -> LogsAnswer {
    let limit = min(try integer(request, .limit) ?? 1_000, Limits.journalLinesInAnswer)
    let start: LogsQuery.Start
    if let cursor = request.query(.after) {
      start = .after(cursor: cursor)
    } else if let since = try integer(request, .since) {
      start = .since(Int64(since))
    } else {
      start = .last(min(try integer(request, .last) ?? limit, Limits.journalLinesBack))
    }
    let wait = min(try integer(request, .wait) ?? 0, Limits.longPollMilliseconds)
    let page = try ports.journal.page(
      JournalRequest(start: start, limit: limit, deadline: .inMilliseconds(wait)))
    let errorsOnly = request.query(.errors) == "true"
    if role != .observer { return logs(page, errorsOnly: errorsOnly) }
    // What is secret is looked up for each page, and each line searched for all of it: an observer must not be able to
    // occupy the node with that.
    let turn = Instant.inMilliseconds(ConcurrencyLimit.observersPageMilliseconds)
    guard let answer = pageTurns.take(until: turn, { logs(page, errorsOnly: errorsOnly) }) else {
      throw Refusal(
        .busy,
        "\(ConcurrencyLimit.observersPages) pages of the journal are made ready for other observers, and no turn came in \(ConcurrencyLimit.observersPageMilliseconds / 1_000) s; try again"
      )
    }
    return answer
  }

  /// A page of the server's journal as it is told to others: redacted, and, where only errors are
  /// wanted, with what each means. Blocks while systemd and files are asked what is secret.
  ///
  /// An error's block that two pages share is put together from its second part only: the line that
  /// says what happened is found anyway.
  private func logs(_ page: JournalPage, errorsOnly: Bool) -> LogsAnswer {
    let redactor =
      page.entries.isEmpty ? Redactor() : ServerView(site).redactor(generations.keptSecrets())
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
    let kind: LogErrorKind
    switch line.kind {
    case .fatal: kind = .fatal
    case .brokenButServing: kind = .broken
    case .driveLost: kind = .error
    case .error: kind = .unknown
    // What the table knows as an error of the server's, though it stops no start.
    case .warning where line.source == .server && line.level == .error: kind = .error
    default: return nil
    }
    self.init(
      kind: .known(kind), meaning: line.pattern?.meaning, cause: line.pattern?.cause,
      remedy: line.pattern?.remedy)
  }
}
