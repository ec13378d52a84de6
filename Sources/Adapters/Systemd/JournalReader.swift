public import LinuxIO
public import Model
public import StartWatch

/// Reads the journal of one unit page by page.
public enum JournalReader {
  /// Some entries, and where the next page begins.
  public struct Page: Sendable {
    /// The entries in the journal's order.
    public var entries: [JournalEntry]
    /// The next page is the one `after` this; nil if the journal is empty.
    public var cursor: String?
  }

  /// At most `limit` entries of a unit from `start` on, as ``JournalFollower`` would give them.
  /// Blocks on the disk, and, if there are none yet, until there are some or the deadline has come.
  public static func page(
    unit: String, from start: JournalStart, limit: Int, deadline: Instant
  ) throws(Errno) -> Page {
    var page = Page(entries: [], cursor: nil)
    if case .after(let cursor) = start { page.cursor = cursor }
    var session = try JournalSession.open(unit: unit, start: start)
    while true {
      while page.entries.count < limit, let entry = try session.next() {
        page.entries.append(entry)
        page.cursor = entry.cursor
      }
      if !page.entries.isEmpty || limit <= 0 || Clock.now() >= deadline { break }
      try session.wait(
        nil, until: min(deadline, .inMilliseconds(JournalFollower.lookMilliseconds)))
    }
    return page
  }
}
