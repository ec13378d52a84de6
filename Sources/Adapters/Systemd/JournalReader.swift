// SPDX-License-Identifier: Apache-2.0
package import Linux
package import Model
package import ServerUnit
internal import Threads

/// Reads the journal of one unit page by page.
package enum JournalReader {
  /// At most `limit` entries of a unit from `start` on, as ``JournalFollower`` would give them, and
  /// not many more bytes than ``Limits/journalBytesInAnswer``. Blocks on the disk, and, if there
  /// are none yet, until there are some or the deadline has come.
  package static func page(
    unit: String?, from start: JournalStart, limit: Int, deadline: Instant
  ) throws(Errno) -> JournalPage {
    var page = JournalPage()
    switch start {
    case .after(let cursor): page.cursor = cursor
    // Where nothing is read the next page begins at what is the end now.
    case .last where limit > 0: page.cursor = try JournalSession.tailCursor()
    case .last, .since, .head: break
    }
    var session = try JournalSession.open(unit: unit, start: start)
    var bytes = 0
    while true {
      while page.entries.count < limit, bytes < Limits.journalBytesInAnswer {
        guard let entry = try session.next() else { break }
        page.entries.append(entry)
        page.cursor = entry.cursor
        bytes += entry.message.utf8.count
      }
      if !page.entries.isEmpty || limit <= 0 || Clock.now() >= deadline { break }
      try session.wait(nil, until: min(deadline, .inMilliseconds(JournalFollower.lookMilliseconds)))
    }
    page.isFull = page.entries.count >= limit || bytes >= Limits.journalBytesInAnswer
    page.isLossy = session.takeLoss()
    return page
  }
}
