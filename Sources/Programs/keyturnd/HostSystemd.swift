// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import Files
import Glibc
import KeyManager
import Linux
import Model
import OpenSSL
internal import Secrets
import ServerUnit
import Systemd
import Threads

/// The server's unit over the system bus.
struct HostUnit: UnitPort {
  let bus: SystemBus
  let name: String

  func state(deadline: Instant) throws(Refusal) -> UnitState {
    try refusing { () throws(BusFailure) in try bus.unit(name, deadline: deadline) }
  }
  func manager(deadline: Instant) throws(Refusal) -> ManagerState {
    try refusing { () throws(BusFailure) in try bus.manager(deadline: deadline) }
  }
  func restart(deadline: Instant) throws(Refusal) {
    _ = try refusing { () throws(BusFailure) in try bus.restart(name, deadline: deadline) }
  }
  func stop(deadline: Instant) throws(Refusal) {
    let result = try refusing { () throws(BusFailure) in
      try bus.result(of: bus.stop(name, deadline: deadline), deadline: deadline)
    }
    if result != nil { return }
    throw Refusal(.unit, "stop \(name): it has not stopped in time; see what the process hangs on")
  }
  func start(deadline: Instant) throws(Refusal) {
    _ = try refusing { () throws(BusFailure) in try bus.start(name, deadline: deadline) }
  }
  func resetFailed(deadline: Instant) throws(Refusal) {
    try refusing { () throws(BusFailure) in try bus.resetFailed(name, deadline: deadline) }
  }
  func change(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState? {
    try refusing { () throws(BusFailure) in
      try bus.change(of: name, from: state, deadline: deadline)
    }
  }
  func rest(after state: UnitState, deadline: Instant) throws(Refusal) -> UnitState? {
    try refusing { () throws(BusFailure) in
      try bus.change(of: name, from: state, recheckMilliseconds: 60_000, deadline: deadline)
    }
  }

  private func refusing<Result>(_ body: () throws(BusFailure) -> Result) throws(Refusal) -> Result {
    do throws(BusFailure) { return try body() } catch { throw error.refusal }
  }
}

/// The server's journal.
struct HostJournal: JournalPort {
  let unit: String

  func cursor() throws(Refusal) -> String? {
    try refusing("read the journal") { () throws(Errno) in try JournalFollower.currentCursor() }
  }

  func follow(
    after cursor: String?, deliver: @escaping @Sendable (JournalEntry) -> Void
  ) throws(Refusal) -> any JournalSubscription {
    let start = cursor.map { JournalStart.after(cursor: $0) } ?? .head
    return try refusing("follow the journal") { () throws(Errno) in
      Subscription(
        follower: try JournalFollower(
          unit: unit, from: start, lost: { deliver(.loss) }, deliver: deliver))
    }
  }

  func follow(
    directory: String, since: Int64, deliver: @escaping @Sendable (JournalEntry) -> Void,
    fail: @escaping @Sendable (String) -> Void
  ) throws(Refusal) -> any JournalSubscription {
    try refusing("follow \(directory)") { () throws(Errno) in
      try Files(
        tail: DirectoryTail(
          directory, since: since * 1_000,
          deliver: { line, isNew in
            let now = isNew ? Clock.realtimeMicroseconds() : nil
            guard let entry = JournalEntry(fileLine: line, received: now),
              // Times in a log are whole milliseconds, cut.
              entry.realtimeMicroseconds >= since - 1_000
            else { return }
            deliver(entry)
          },
          fail: { fail($0.message) }))
    }
  }

  private struct Files: JournalSubscription {
    let tail: DirectoryTail
    func stop() { tail.stop() }
  }

  func page(_ request: JournalRequest) throws(Refusal) -> JournalPage {
    let start: JournalStart =
      switch request.start {
      case .after(let cursor): .after(cursor: cursor)
      case .since(let microseconds): .since(realtimeMicroseconds: UInt64(max(0, microseconds)))
      case .last(let count): .last(count)
      }
    return try refusing("read the journal of \(unit)") { () throws(Errno) in
      try JournalReader.page(
        unit: unit, from: start, limit: request.limit, deadline: request.deadline)
    }
  }

  private struct Subscription: JournalSubscription {
    let follower: JournalFollower
    func stop() { follower.stop() }
  }

  private func refusing<Result>(
    _ attempt: String, _ body: () throws(Errno) -> Result
  ) throws(Refusal) -> Result {
    do throws(Errno) { return try body() } catch {
      throw Refusal(
        error.code == EINVAL ? .validation : .failed,
        "\(attempt): \(error); look at systemctl status systemd-journald")
    }
  }
}

/// What the kernel and the user database say.
struct HostProcess: ProcessPort {
  private let boot: String
  /// When this program was started, milliseconds since 1970-01-01 UTC, by the clock as it was then: nil if /proc does
  /// not tell.
  private let started: Int?

  /// Reads once what cannot change under a running process.
  init() throws(FileFailure) {
    boot = try BootID.read()
    started = (try? ProcessStatistics.own()).map { own in
      let age = Clock.now().nanoseconds / 1_000_000 - Int64(own.startMilliseconds)
      return Int(Clock.realtimeMicroseconds() / 1_000 - age)
    }
  }

  func usage() -> ProcessUsage? {
    guard let started, let own = try? ProcessStatistics.own(),
      let descriptors = try? ProcessStatistics.openDescriptors()
    else { return nil }
    return ProcessUsage(
      processorMilliseconds: own.processorMilliseconds, residentBytes: own.residentBytes,
      openDescriptors: descriptors, startedMilliseconds: started)
  }

  func environment(of pid: Int32) throws(Refusal) -> [EnvironmentVariable] {
    do throws(FileFailure) {
      return try ProcessEnvironment.read(pid: pid)
    } catch { throw error.refusal }
  }

  func arguments(of pid: Int32) -> [String]? {
    // A process that is ending has none.
    (try? UnitProcess.arguments(of: pid)).flatMap { $0.isEmpty ? nil : $0 }
  }

  func home(of user: String) -> String? {
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16 << 10) { buffer in
      guard let base = buffer.baseAddress,
        getpwnam_r(user, &entry, base, buffer.count, &found) == 0, let found,
        let directory = found.pointee.pw_dir
      else { return nil }
      return String(cString: directory)
    }
  }

  func bootID() -> String { boot }

  func programMark(_ path: String) throws(Refusal) -> ProgramMark? {
    do throws(FileFailure) { return try ProgramFile.mark(of: path) } catch { throw error.refusal }
  }

  func program(_ path: String, deadline: Instant) throws(Refusal) -> ProgramContent {
    do throws(FileFailure) {
      var stream = DigestStream()
      let content = try ProgramFile.read(path, until: deadline) { stream.add($0) }
      return ProgramContent(
        digest: stream.digest(), isNative: content.isNative, releaseTexts: content.releaseTexts)
    } catch { throw error.refusal }
  }
}
