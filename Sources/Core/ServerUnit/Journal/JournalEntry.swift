// SPDX-License-Identifier: Apache-2.0

package struct JournalEntry: Sendable, Hashable, Codable {
  /// Where it is in the journal (sd_journal_get_cursor(3)).
  package var cursor: String
  /// When it was logged, microseconds since 1970.
  package var realtimeMicroseconds: Int64
  /// When it was logged, microseconds of CLOCK_MONOTONIC on the boot `bootID`.
  package var monotonicMicroseconds: UInt64
  package var bootID: String
  /// The unit's start that it belongs to: `_SYSTEMD_INVOCATION_ID`, or, in a line that the service
  /// manager logs about the unit, `INVOCATION_ID`.
  package var invocationID: String?
  /// The process that logged it; 1 is the service manager.
  package var pid: Int32?
  /// 0 (emergency) to 7 (debug).
  package var priority: Int
  package var identifier: String?
  package var message: String

  package init(
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

  /// Whether it is journald's own, about lines that it has or has not kept.
  package var isOfJournal: Bool { identifier == Self.journald }

  package static let lossMessage = "Entries were removed from the journal before they were read"

  /// What stands in place of entries that were gone before they could be read.
  package static let loss = JournalEntry(
    cursor: "", realtimeMicroseconds: 0, monotonicMicroseconds: 0, bootID: "", invocationID: nil,
    pid: nil, priority: 4, identifier: journald, message: lossMessage)
}

/// Some entries of a unit's journal, and where to go on.
package struct JournalPage: Sendable, Hashable {
  package var entries: [JournalEntry]
  /// Where the next page begins; nil if the journal is empty.
  package var cursor: String?
  /// Whether there may be more already.
  package var isFull: Bool
  /// Whether entries before or among these may be missing: removed before they were read, or
  /// damaged.
  package var isLossy: Bool

  package init(
    entries: [JournalEntry] = [], cursor: String? = nil, isFull: Bool = false, isLossy: Bool = false
  ) {
    self.entries = entries
    self.cursor = cursor
    self.isFull = isFull
    self.isLossy = isLossy
  }
}
