// SPDX-License-Identifier: Apache-2.0
internal import CSystemd
internal import Glibc
internal import Linux
internal import Model
internal import ServerUnit
internal import Threads

/// Where in the journal to begin.
package enum JournalStart: Sendable, Hashable {
  /// With its first entry.
  case head
  /// With the first entry after the one that has this cursor.
  case after(cursor: String)
  /// With the first entry at or after this time, microseconds since 1970.
  case since(realtimeMicroseconds: UInt64)
  /// With the last so many of the entries that are asked for.
  case last(Int)
}

/// The journal of this host, open for the entries of one unit.
///
/// libsystemd wants such a handle to be used by one thread only, for all its life: make it, use it
/// and drop it in one function.
///
/// Entries that journald removed (vacuum) before they were read are reported as a loss
/// (``takeLoss()``): if the entry of the last cursor no longer exists, the next existing one of any
/// unit must have the next number. The numbers are in the cursors (systemd.journal-fields(7), `s=`
/// and `i=`).
struct JournalSession: ~Copyable {
  private let journal: OpaquePointer
  private let unit: String?
  private var start: JournalStart
  /// Whether entries may have been missed since that was asked for.
  private var isLossy = false
  /// The cursor that had no later entry when a gap was looked for.
  private var unverified: String?
  /// The entry that a seek may land on, and that was delivered already.
  private var delivered: String?

  private init(owning journal: OpaquePointer, unit: String?, start: JournalStart) {
    self.journal = journal
    self.unit = unit
    self.start = start
  }

  /// Opens the journal; of a unit its processes' entries, what the service manager says about it,
  /// and what journald says of lines of it that it did not take. May block on the disk.
  static func open(unit: String?, start: JournalStart) throws(Errno) -> JournalSession {
    var opened: OpaquePointer?
    // Not only the system's journal: with a persistent journal the lines of a service whose User=
    // is an ordinary one (1000 or more) are in that user's.
    _ = try journalCall("open the journal") {
      sd_journal_open(&opened, Int32(SD_JOURNAL_LOCAL_ONLY))
    }
    guard let opened else { throw Errno(EIO, "open the journal") }
    var session = JournalSession(owning: opened, unit: unit, start: start)
    // At once: libsystemd learns of files that come and go only from here on.
    _ = try journalCall("watch the journal") { sd_journal_get_fd(opened) }
    // A field is its name, `=` and its value.
    sd_journal_set_data_threshold(opened, Limits.journalLineBytes + 64)
    try session.filter()
    try session.seek()
    return session
  }

  private func filter() throws(Errno) {
    guard let unit else { return }
    // The first of each is what a process cannot say of itself.
    let wanted = [
      ["_SYSTEMD_UNIT=\(unit)"], ["_PID=1", "UNIT=\(unit)"],
      ["_TRANSPORT=driver", "OBJECT_SYSTEMD_UNIT=\(unit)"],
      // journald was restarted (SD_MESSAGE_JOURNAL_START): lines logged in between may be lost.
      ["_TRANSPORT=driver", "MESSAGE_ID=f77379a8490b408bbe5f6940505a777b"],
    ]
    for fields in wanted {
      for field in fields { try match(field) }
      _ = try journalCall("filter the journal") { sd_journal_add_disjunction(journal) }
    }
  }

  deinit { sd_journal_close(journal) }

  private func match(_ text: String) throws(Errno) {
    _ = try journalCall("filter the journal") { sd_journal_add_match(journal, text, 0) }
  }

  private mutating func seek() throws(Errno) {
    let attempt = "seek in the journal"
    delivered = nil
    switch start {
    case .head: _ = try journalCall(attempt) { sd_journal_seek_head(journal) }
    case .after(let cursor):
      try verify(cursor)
      delivered = cursor
      _ = try journalCall(attempt) { sd_journal_seek_cursor(journal, cursor) }
    case .since(let microseconds):
      _ = try journalCall(attempt) { sd_journal_seek_realtime_usec(journal, microseconds) }
    case .last(let count):
      _ = try journalCall(attempt) { sd_journal_seek_tail(journal) }
      // One more than wanted, since the next step forward comes before the first entry is read.
      let back = try journalCall(attempt) {
        sd_journal_previous_skip(journal, UInt64(max(0, count)) + 1)
      }
      if back <= count { _ = try journalCall(attempt) { sd_journal_seek_head(journal) } }
    }
  }

  /// Looks whether anything is missing between the entry of `cursor` and the next that is there,
  /// and leaves the position undefined.
  private mutating func verify(_ cursor: String) throws(Errno) {
    let attempt = "look for what is missing in the journal"
    sd_journal_flush_matches(journal)
    _ = try journalCall(attempt) { sd_journal_seek_cursor(journal, cursor) }
    if try journalCall(attempt, { sd_journal_next(journal) }) == 0 {
      unverified = cursor
    } else {
      unverified = nil
      if sd_journal_test_cursor(journal, cursor) <= 0, try !Self.follows(currentCursor(), cursor) {
        isLossy = true
      }
    }
    try filter()
  }

  /// Whether the entry of the first cursor is the very next after that of the second.
  private static func follows(_ next: String?, _ cursor: String) -> Bool {
    func number(_ cursor: String) -> (id: Substring, number: UInt64)? {
      let parts = cursor.split(separator: ";").map { $0.split(separator: "=", maxSplits: 1) }
      guard let id = parts.first(where: { $0.first == "s" })?.last,
        let text = parts.first(where: { $0.first == "i" })?.last,
        let number = UInt64(text, radix: 16)
      else { return nil }
      return (id, number)
    }
    guard let next = next.flatMap(number), let before = number(cursor) else { return false }
    return next.id == before.id && next.number == before.number &+ 1
  }

  /// Whether entries may have been missed since this was asked last: journald had removed them
  /// before they were read, or they are damaged.
  mutating func takeLoss() -> Bool {
    defer { isLossy = false }
    return isLossy
  }

  /// The next entry, nil if there is none yet. May block on the disk.
  mutating func next() throws(Errno) -> JournalEntry? {
    while true {
      if try journalCall("read the journal", { sd_journal_next(journal) }) == 0 { return nil }
      if unverified != nil {
        // Now there is something to look at.
        try seek()
        unverified = nil
        continue
      }
      if let delivered {
        self.delivered = nil
        if sd_journal_test_cursor(journal, delivered) > 0 { continue }
      }
      // An entry that is damaged, or that was removed this moment, is passed over.
      guard let entry = entry() else {
        isLossy = true
        continue
      }
      start = .after(cursor: entry.cursor)
      return entry
    }
  }

  /// Blocks until there may be more, `wakeup` was signalled, or `deadline` has come.
  mutating func wait(_ wakeup: Wakeup?, until deadline: Instant) throws(Errno) {
    let attempt = "wait for the journal"
    let descriptor = try journalCall(attempt) { sd_journal_get_fd(journal) }
    let events = try journalCall(attempt) { sd_journal_get_events(journal) }
    var until: UInt64 = .max
    _ = try journalCall(attempt) { sd_journal_get_timeout(journal, &until) }
    var entries = [pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0)]
    if let wakeup {
      entries.append(pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0))
    }
    let own = Monotonic.milliseconds(until: until)
    let left = deadline.remainingMilliseconds()
    _ = poll(&entries, nfds_t(entries.count), own < 0 ? left : min(own, left))
    let change = try journalCall(attempt) { sd_journal_process(journal) }
    // Files came or went: where the next entry is may be elsewhere now.
    if change == Int32(SD_JOURNAL_INVALIDATE) { try seek() }
  }

  private func entry() -> JournalEntry? {
    var (realtime, monotonic) = (UInt64(0), UInt64(0))
    var boot = sd_id128_t()
    guard let cursor = try? currentCursor(), sd_journal_get_realtime_usec(journal, &realtime) >= 0,
      sd_journal_get_monotonic_usec(journal, &monotonic, &boot) >= 0
    else { return nil }
    let fromManager = field("_PID") == "1"
    return JournalEntry(
      cursor: cursor, realtimeMicroseconds: Int64(clamping: realtime),
      monotonicMicroseconds: monotonic, bootID: JournalSession.hex(boot),
      invocationID: field(fromManager ? "INVOCATION_ID" : "_SYSTEMD_INVOCATION_ID"),
      pid: field("_PID").flatMap { Int32($0) },
      priority: field("PRIORITY").flatMap { Int($0) } ?? 6,
      identifier: field("SYSLOG_IDENTIFIER"), message: field("MESSAGE") ?? "")
  }

  /// The value of a field of the current entry, cut at the limit; nil if it has none.
  private func field(_ name: String) -> String? {
    var data: UnsafeRawPointer?
    var count = 0
    guard sd_journal_get_data(journal, name, &data, &count) >= 0, let data else { return nil }
    let bytes = UnsafeRawBufferPointer(start: data, count: count)
      .dropFirst(name.utf8.count + 1).prefix(Limits.journalLineBytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func hex(_ id: sd_id128_t) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(SD_ID128_STRING_MAX)) { buffer in
      guard let base = buffer.baseAddress, let text = sd_id128_to_string(id, base) else {
        return ""
      }
      return String(cString: text)
    }
  }

  /// The cursor of the last entry of all, nil if there is none. May block on the disk.
  static func tailCursor() throws(Errno) -> String? {
    let session = try JournalSession.open(unit: nil, start: .head)
    return try session.seekToLast()
  }

  private func seekToLast() throws(Errno) -> String? {
    let attempt = "find the end of the journal"
    _ = try journalCall(attempt) { sd_journal_seek_tail(journal) }
    if try journalCall(attempt, { sd_journal_previous(journal) }) == 0 { return nil }
    return try currentCursor()
  }

  /// The cursor of the entry at the position.
  private func currentCursor() throws(Errno) -> String? {
    var cursor: UnsafeMutablePointer<CChar>?
    _ = try journalCall("find the place in the journal") { sd_journal_get_cursor(journal, &cursor) }
    guard let cursor else { return nil }
    defer { free(cursor) }
    return String(cString: cursor)
  }
}

/// What libsystemd returned, unless it is a negative error number.
private func journalCall(_ attempt: String, _ call: () -> Int32) throws(Errno) -> Int32 {
  let code = call()
  if code < 0 { throw Errno(-code, attempt) }
  return code
}
