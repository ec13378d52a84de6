import CSystemd
import Glibc
import LinuxIO
import Model
import StartWatch
import Testing

@testable import Systemd

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
  static func run(_ body: @escaping @Sendable (Journald) throws -> Void) throws {
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
    #expect(thread.join(until: .inMilliseconds(60_000)))
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
