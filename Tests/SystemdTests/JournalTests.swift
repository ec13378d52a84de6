// SPDX-License-Identifier: Apache-2.0
import CSystemd
import Files
import Glibc
import Linux
import Model
import ServerUnit
@testable import Systemd
import Testing
import Threads

/// A real journald with a journal of its own, in a mount namespace of the test's thread. What is of
/// one unit only can be told by a real service manager: the laboratory's tests do that.
@Suite(.enabled(if: Journald.isPossible, "needs root, systemd-journald and /etc/machine-id"))
struct JournalTests {
  @Test("an entry comes with its fields, its place and its time")
  func fields() throws {
    try Journald.run { journald in
      let before = Clock.monotonicMicroseconds()
      try journald.log(["MESSAGE=two\nlines", "PRIORITY=3", "SYSLOG_IDENTIFIER=minio"])
      var session = try JournalSession.open(unit: nil, start: .head)
      let entry = try journald.next(&session)
      try #require(entry.message == "two\nlines" && entry.priority == 3)
      try #require(entry.identifier == "minio" && entry.pid == getpid())
      try #require(entry.invocationID == nil)
      try #require(try entry.bootID == BootID.read())
      try #require((before...Clock.monotonicMicroseconds()).contains(entry.monotonicMicroseconds))
      try #require(abs(Clock.realtimeMicroseconds() - entry.realtimeMicroseconds) < 60_000_000)
    }
  }

  @Test("a line of the largest size is whole, a longer one is cut, one without text is empty")
  func limit() throws {
    try Journald.run { journald in
      var session = try JournalSession.open(unit: nil, start: .head)
      for (count, expected) in [
        (Limits.journalLineBytes, Limits.journalLineBytes),
        (Limits.journalLineBytes + 1, Limits.journalLineBytes), (0, 0),
      ] {
        try journald.log(["MESSAGE=" + String(repeating: "x", count: count)])
        try #require(try journald.next(&session).message.utf8.count == expected)
      }
      try journald.log(["SYSLOG_IDENTIFIER=silent"])
      let silent = try journald.next(&session)
      try #require(silent.message == "" && silent.priority == 6)
    }
  }

  @Test("the last entries are as many as were asked for, or as there are")
  func last() throws {
    try Journald.run { journald in
      try journald.log(1...5)
      for count in [0, 1, 4, 5, 6, 100] {
        var session = try JournalSession.open(unit: nil, start: .last(count))
        let found = try journald.rest(&session)
        try #require(found == (1...5).suffix(count).map { "n \($0)" })
      }
    }
  }

  @Test("what comes after a cursor does not repeat its entry, and what comes since a time does")
  func cursor() throws {
    try Journald.run { journald in
      try journald.log(1...3)
      let cursor = try JournalFollower.currentCursor()
      try journald.log(4...6)
      var after = try JournalSession.open(unit: nil, start: .after(cursor: cursor ?? ""))
      try #require(try journald.rest(&after) == ["n 4", "n 5", "n 6"])
      var all = try JournalSession.open(unit: nil, start: .head)
      _ = try journald.next(&all)
      let second = try journald.next(&all)
      let since = JournalStart.since(realtimeMicroseconds: UInt64(second.realtimeMicroseconds))
      var from = try JournalSession.open(unit: nil, start: since)
      try #require(try journald.rest(&from) == (2...6).map { "n \($0)" })
    }
  }

  @Test("nothing is lost and nothing comes twice while the journal is rotated")
  func rotation() throws {
    try Journald.run { journald in
      var session = try JournalSession.open(unit: nil, start: .head)
      var found: [String] = []
      for round in 0..<6 {
        try journald.log(round * 50 + 1...round * 50 + 50)
        if round % 2 == 0 { journald.rotate() }
        let until = Instant.inMilliseconds(10_000)
        while found.count < round * 50 + (round % 3) * 20, Clock.now() < until {
          if let entry = try session.next() {
            if entry.pid == getpid() { found.append(entry.message) }
          } else {
            try session.wait(nil, until: .inMilliseconds(20))
          }
        }
      }
      found += try journald.rest(&session, upTo: 300 - found.count)
      try #require(found == (1...300).map { "n \($0)" })
    }
  }

  @Test("a follower loses nothing and repeats nothing while 20,000 lines are rotated and vacuumed")
  func rotationUnderLoad() throws {
    try Journald.run(milliseconds: 120_000) { journald in
      let found = Lock<(texts: [Int], losses: Int)>(([], 0))
      let follower = try JournalFollower(
        unit: nil, from: .head, lost: { found.update { $0.losses += 1 } },
        deliver: { entry in
          guard entry.pid == getpid(), let number = Int(entry.message.dropFirst(2)) else { return }
          found.update { $0.texts.append(number) }
        })
      defer { follower.stop() }
      for round in 0..<20 {
        try journald.write(round * 1_000 + 1...round * 1_000 + 1_000)
        journald.rotate()
        // What was read already is removed; what is not must wait for its reader.
        let all = found.wait(until: .inMilliseconds(60_000)) { found in
          found.texts.count >= round * 1_000 ? true : nil
        }
        try #require(all == true)
        try journald.removeArchived(keeping: 2)
      }
      let all = found.wait(until: .inMilliseconds(60_000)) { $0.texts.count >= 20_000 ? true : nil }
      try #require(all == true)
      try #require(found.withLock { $0.texts } == Array(1...20_000))
      try #require(found.withLock { $0.losses } == 0)
    }
  }

  @Test("lines that were removed before they were read are missed, and that is said once")
  func vacuumed() throws {
    try Journald.run { journald in
      try journald.log(1...10)
      let cursor = try JournalFollower.currentCursor() ?? ""
      try journald.log(11...20)
      journald.rotate()
      try journald.log(21...22)
      try journald.removeArchived(keeping: 0)
      let page = try JournalReader.page(
        unit: nil, from: .after(cursor: cursor), limit: 100, deadline: .inMilliseconds(0))
      try #require(page.isLossy)
      try #require(page.entries.filter { $0.pid == getpid() }.map(\.message) == ["n 21", "n 22"])
      let next = try JournalReader.page(
        unit: nil, from: .after(cursor: page.cursor ?? ""), limit: 100, deadline: .inMilliseconds(0)
      )
      try #require(!next.isLossy && next.entries.isEmpty)
    }
  }

  @Test("where the last line that was read is removed, but none after it, nothing is missed")
  func vacuumedBefore() throws {
    try Journald.run { journald in
      try journald.log(1...10)
      journald.rotate()
      try journald.log(11...11)
      var session = try JournalSession.open(unit: nil, start: .head)
      // journald says itself that it rotated: that is the last line before the eleventh.
      var last = ""
      while let entry = try session.next(), entry.message != "n 11" { last = entry.cursor }
      try journald.removeArchived(keeping: 0)
      let page = try JournalReader.page(
        unit: nil, from: .after(cursor: last), limit: 100, deadline: .inMilliseconds(0))
      try #require(page.entries.first { $0.pid == getpid() }?.message == "n 11")
      try #require(!page.isLossy)
    }
  }

  @Test("a page of no lines back has the place from which the next lines come")
  func noLinesBack() throws {
    try Journald.run { journald in
      try journald.log(1...3)
      let page = try JournalReader.page(
        unit: "minio.service", from: .last(0), limit: 10, deadline: .inMilliseconds(0))
      try #require(page.entries.isEmpty)
      try journald.log(4...5)
      let next = try JournalReader.page(
        unit: nil, from: .after(cursor: page.cursor ?? ""), limit: 10, deadline: .inMilliseconds(0))
      try #require(next.entries.map(\.message) == ["n 4", "n 5"] && !next.isLossy)
    }
  }

  @Test("a page ends with the line that goes beyond its bytes, and the next one goes on there")
  func pageBytes() throws {
    try Journald.run { journald in
      let text = String(repeating: "x", count: Limits.journalLineBytes)
      let count = Limits.journalBytesInAnswer / Limits.journalLineBytes
      let cursor = try JournalFollower.currentCursor() ?? ""
      for _ in 0...count { try journald.log(["MESSAGE=\(text)"]) }
      try journald.log(1...1)
      let page = try JournalReader.page(
        unit: nil, from: .after(cursor: cursor), limit: 1_000, deadline: .inMilliseconds(0))
      try #require(page.isFull && page.entries.count == count)
      let rest = try JournalReader.page(
        unit: nil, from: .after(cursor: page.cursor ?? ""), limit: 1_000,
        deadline: .inMilliseconds(0))
      try #require(!rest.isFull && rest.entries.map(\.message) == [text, "n 1"])
    }
  }

  @Test("a wait ends at its deadline, at a wake-up, and when there is something new")
  func wait() throws {
    try Journald.run { journald in
      let wakeup = try Wakeup()
      var session = try JournalSession.open(unit: nil, start: .head)
      let begin = Clock.now()
      try session.wait(wakeup, until: .inMilliseconds(20))
      wakeup.signal()
      try session.wait(wakeup, until: .inMilliseconds(60_000))
      wakeup.clear()
      try journald.log(1...1)
      try session.wait(wakeup, until: .inMilliseconds(60_000))
      try #require(Clock.now().milliseconds(since: begin) < 30_000)
    }
  }

  @Test("a page that has nothing of the unit ends at its deadline, and begins there next time")
  func page() throws {
    try Journald.run { journald in
      try journald.log(1...3)
      let cursor = try JournalFollower.currentCursor()
      let page = try JournalReader.page(
        unit: "minio.service", from: cursor.map { .after(cursor: $0) } ?? .head, limit: 10,
        deadline: .inMilliseconds(20))
      try #require(page.entries.isEmpty && page.cursor == cursor)
    }
  }
}

/// journald, in the mount namespace of the calling thread.
private struct Journald: Sendable {
  private static let program = "/lib/systemd/systemd-journald"
  static let isPossible =
    geteuid() == 0 && access(program, X_OK) == 0 && access("/etc/machine-id", R_OK) == 0

  private let pid: pid_t

  /// Runs `body` on a thread that has a /run of its own with a journald in it. Expectations in it
  /// must be `#require`: only what it throws belongs to the test.
  static func run(
    milliseconds: Int = 60_000, _ body: @escaping @Sendable (Journald) throws -> Void
  ) throws {
    let outcome = Lock<Result<Void, any Error>?>(nil)
    let thread = try Thread.start("journald") {
      let result = Result {
        typealias Unshare = @convention(c) (Int32) -> Int32
        guard let function = dlsym(nil, "unshare") else { throw Errno(ENOSYS, "unshare") }
        let unshare = unsafeBitCast(function, to: Unshare.self)
        guard unshare(0x20000) == 0 else { throw Errno(errno, "unshare") }  // CLONE_NEWNS
        try mount(nil, "/", nil, flags: 16384 | 1 << 18)  // MS_REC | MS_PRIVATE
        try mount("tmpfs", "/run", "tmpfs", flags: 0)
        // No lines of this machine's kernel.
        try mount("/dev/null", "/dev/kmsg", nil, flags: 4096)  // MS_BIND
        for path in ["/run/systemd", "/run/systemd/journal", "/run/log", "/run/log/journal"] {
          mkdir(path, 0o755)
        }
        let journald = try Journald()
        defer { journald.end() }
        try body(journald)
      }
      outcome.withLock { $0 = result }
    }
    #expect(thread.join(until: .inMilliseconds(milliseconds)))
    // An expectation that failed on another thread is not yet a failure of this test.
    if case .failure(let error) = outcome.withLock({ $0 }) {
      Issue.record("on its thread: \(error)")
    }
  }

  private init() throws {
    var pid: pid_t = 0
    var words: [UnsafeMutablePointer<CChar>?] = [strdup(Journald.program), nil]
    var environment: [UnsafeMutablePointer<CChar>?] = [nil]
    let code = posix_spawn(&pid, Journald.program, nil, nil, &words, &environment)
    free(words[0])
    if code != 0 { throw Errno(code, "start journald") }
    self.pid = pid
    // Once it has said that it started, what comes bears its sender's credentials.
    let until = Instant.inMilliseconds(10_000)
    while Clock.now() < until {
      var session = try JournalSession.open(unit: nil, start: .head)
      if try session.next() != nil { return }
      Clock.sleep(until: .inMilliseconds(5))
    }
    throw Errno(ETIMEDOUT, "wait for journald")
  }

  private func end() {
    kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
  }

  func rotate() { kill(pid, SIGUSR2) }

  /// Removes archived files, the newest so many left, as `journalctl --vacuum-files` would; waits
  /// until a rotation that was asked for has made one.
  func removeArchived(keeping count: Int) throws {
    let until = Instant.inMilliseconds(10_000)
    while try archived().isEmpty, Clock.now() < until { Clock.sleep(until: .inMilliseconds(5)) }
    for path in try archived().dropLast(count) { unlink(path) }
  }

  /// The archived files, the oldest first: their names have the number of their first entry.
  private func archived() throws -> [String] {
    let id = try String(
      decoding: FileReading.read("/etc/machine-id", limitBytes: 100).bytes, as: UTF8.self
    ).filter { !$0.isNewline }
    let directory = "/run/log/journal/\(id)"
    guard let handle = opendir(directory) else { throw Errno(errno, "open \(directory)") }
    defer { closedir(handle) }
    var names: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name.hasPrefix("system@") { names.append(name) }
    }
    return names.sorted {
      $0.split(separator: "-").dropFirst().first ?? "" < $1.split(separator: "-").dropFirst().first
        ?? ""
    }
    .map { "\(directory)/\($0)" }
  }

  /// The same as ``log(_:)``, without waiting until they can be read.
  func write(_ numbers: ClosedRange<Int>) throws {
    for number in numbers { try log(["MESSAGE=n \(number)"]) }
  }

  func log(_ fields: [String]) throws {
    let copies = fields.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let parts = copies.map { iovec(iov_base: $0, iov_len: $0.map { strlen($0) } ?? 0) }
    let code = sd_journal_sendv(parts, Int32(parts.count))
    if code < 0 { throw Errno(-code, "log") }
  }

  func log(_ numbers: ClosedRange<Int>) throws {
    for number in numbers { try log(["MESSAGE=n \(number)"]) }
    var session = try JournalSession.open(unit: nil, start: .last(1))
    while try next(&session).message != "n \(numbers.upperBound)" {}
  }

  /// The next entry of ours.
  func next(_ session: inout JournalSession) throws -> JournalEntry {
    let until = Instant.inMilliseconds(10_000)
    while Clock.now() < until {
      if let entry = try session.next() {
        if entry.pid == getpid() { return entry }
      } else {
        try session.wait(nil, until: .inMilliseconds(20))
      }
    }
    throw Errno(ETIMEDOUT, "wait for an entry")
  }

  /// The texts of our entries that are there already, or of so many.
  func rest(_ session: inout JournalSession, upTo count: Int? = nil) throws -> [String] {
    var texts: [String] = []
    if let count {
      while texts.count < count { texts.append(try next(&session).message) }
    }
    while let entry = try session.next() {
      if entry.pid == getpid() { texts.append(entry.message) }
    }
    return texts
  }
}

private func mount(_ source: String?, _ target: String, _ type: String?, flags: UInt) throws {
  typealias Mount =
    @convention(c) (
      UnsafePointer<CChar>?, UnsafePointer<CChar>?, UnsafePointer<CChar>?, UInt,
      UnsafePointer<CChar>?
    ) -> Int32
  guard let function = dlsym(nil, "mount") else { throw Errno(ENOSYS, "mount") }
  let mount = unsafeBitCast(function, to: Mount.self)
  guard mount(source, target, type, flags, nil) == 0 else { throw Errno(errno, "mount \(target)") }
}
