// SPDX-License-Identifier: Apache-2.0
package import Model

/// What an error in the log means for the server.
package enum LogErrorKind: String, Sendable, Hashable {
  /// The start has failed.
  case fatal
  /// It serves, but not all of it.
  case broken
  /// It is known, and not the end of a start.
  case error
  case unknown
}

/// What a line says that is an error.
package struct LogError: Sendable, Codable, Hashable {
  package var kind: Word<LogErrorKind>
  /// What it means, in one sentence; nil where that is not known, as are the next two.
  package var meaning: String?
  package var cause: String?
  package var remedy: String?

  package init(
    kind: Word<LogErrorKind>, meaning: String?, cause: String?, remedy: String?
  ) {
    self.kind = kind
    self.meaning = meaning
    self.cause = cause
    self.remedy = remedy
  }
}

/// One line of a unit's journal, redacted.
package struct LogLine: Sendable, Codable, Hashable {
  /// When, microseconds since 1970-01-01 UTC of the node.
  @Bounded<Bounds.WallMicroseconds> package var realtimeMicroseconds: Int64
  /// syslog's priority, 0 to 7.
  @Bounded<Bounds.Count> package var priority: Int
  /// SYSLOG_IDENTIFIER.
  package var identifier: String
  /// The process; 0 if it is not known.
  package var pid: Int32
  package var message: String
  /// What it says, where only errors were asked for.
  package var error: LogError?

  package init(
    realtimeMicroseconds: Int64, priority: Int, identifier: String, pid: Int32, message: String,
    error: LogError? = nil
  ) {
    self.realtimeMicroseconds = realtimeMicroseconds
    self.priority = priority
    self.identifier = identifier
    self.pid = pid
    self.message = message
    self.error = error
  }
}

/// Lines of a unit's journal. Asked for by `?since=MICROSECONDS`, `?after=CURSOR` or `?last=N`, and
/// `limit=N`, `wait=MS`, `errors=true`.
package struct LogsAnswer: Sendable, Codable, Hashable {
  package var lines: [LogLine]
  /// Where to go on.
  package var cursor: String?
  /// Whether there may be more already.
  package var more: Bool
  /// Whether lines before or among these may be missing: they were removed from the journal before
  /// they were read, or are damaged there. Nil counts as false.
  package var lossy: Bool?
  /// The node's clock when it answered, microseconds since 1970-01-01 UTC.
  @BoundedIfPresent<Bounds.WallMicroseconds> package var realtimeMicroseconds: Int64?

  package init(
    lines: [LogLine], cursor: String?, more: Bool, lossy: Bool? = nil,
    realtimeMicroseconds: Int64? = nil
  ) {
    self.lines = lines
    self.cursor = cursor
    self.more = more
    self.lossy = lossy
    self.realtimeMicroseconds = realtimeMicroseconds
  }
}
