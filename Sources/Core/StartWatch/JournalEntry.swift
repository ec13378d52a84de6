/// One line of the journal of a unit.
public struct JournalEntry: Sendable, Hashable, Codable {
  /// Where it is in the journal (sd_journal_get_cursor(3)).
  public var cursor: String
  /// When it was logged, microseconds since 1970.
  public var realtimeMicroseconds: Int64
  /// When it was logged, microseconds of CLOCK_MONOTONIC on the boot `bootID`.
  public var monotonicMicroseconds: UInt64
  /// The boot that it was logged on.
  public var bootID: String
  /// The unit's start that it belongs to: `_SYSTEMD_INVOCATION_ID`, or, in a line that the service
  /// manager logs about the unit, `INVOCATION_ID`.
  public var invocationID: String?
  /// The process that logged it; 1 is the service manager.
  public var pid: Int32?
  /// 0 (emergency) to 7 (debug).
  public var priority: Int
  /// `SYSLOG_IDENTIFIER`.
  public var identifier: String?
  /// The line.
  public var message: String

  /// An entry; see the properties.
  public init(
    cursor: String, realtimeMicroseconds: Int64, monotonicMicroseconds: UInt64, bootID: String,
    invocationID: String?, pid: Int32?, priority: Int, identifier: String?, message: String
  ) {
    self.cursor = cursor
    self.realtimeMicroseconds = realtimeMicroseconds
    self.monotonicMicroseconds = monotonicMicroseconds
    self.bootID = bootID
    self.invocationID = invocationID
    self.pid = pid
    self.priority = priority
    self.identifier = identifier
    self.message = message
  }

  private static let journald = "systemd-journald"

  /// Whether journald says it, of what it has or has not kept.
  public var isOfJournal: Bool { identifier == Self.journald }

  /// What stands in place of entries that were gone before they could be read.
  public static let loss = JournalEntry(
    cursor: "", realtimeMicroseconds: 0, monotonicMicroseconds: 0, bootID: "", invocationID: nil,
    pid: nil, priority: 4, identifier: journald,
    message: LinePattern.loss)
}

/// Some entries of a unit's journal, and where to go on.
public struct JournalPage: Sendable, Hashable {
  /// The entries in the journal's order.
  public var entries: [JournalEntry]
  /// The next page is the one after this; nil if the journal is empty.
  public var cursor: String?
  /// Whether there may be more already.
  public var isFull: Bool
  /// Whether entries before or among these may have been missed: they were removed before they were
  /// read, or are damaged.
  public var isLossy: Bool

  /// A page; see the properties.
  public init(
    entries: [JournalEntry] = [], cursor: String? = nil, isFull: Bool = false,
    isLossy: Bool = false
  ) {
    self.entries = entries
    self.cursor = cursor
    self.isFull = isFull
    self.isLossy = isLossy
  }
}
