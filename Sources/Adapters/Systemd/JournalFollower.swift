// SPDX-License-Identifier: Apache-2.0
internal import CSystemd
package import Linux
internal import Model
package import ServerUnit
internal import Threads

/// Follows the journal of one unit on one thread and hands every entry over as it comes.
package final class JournalFollower: Sendable {
  /// journald reports new entries up to 250 ms late, but they can be read at once, so they are
  /// polled.
  static let lookMilliseconds = 50
  /// How long after a failure the journal is opened again.
  private static let reopenMilliseconds = 1_000

  private struct State {
    var stopped = false
    var failure: Errno?
  }
  private final class Shared: Sendable {
    let wakeup: Wakeup
    let state = Lock(State())
    init() throws(Errno) { wakeup = try Wakeup() }
  }
  private let shared: Shared

  /// The cursor of the last entry in the journal, nil if it is empty: taken before a restart,
  /// everything that the restart makes the unit say comes after it. May block on the disk.
  package static func currentCursor() throws(Errno) -> String? { try JournalSession.tailCursor() }

  /// Starts the thread. Without a unit it follows the whole journal. `deliver` is called on the
  /// thread once for each entry of the unit's processes, and for each that the service manager or
  /// journald logged about the unit, in the journal's order; `lost` before the next of them when
  /// entries may be missing, because they were removed before they were read, or are damaged. Does
  /// not block.
  package init(
    unit: String?, from start: JournalStart, lost: @escaping @Sendable () -> Void = {},
    deliver: @escaping @Sendable (JournalEntry) -> Void
  ) throws(Errno) {
    let shared = try Shared()
    self.shared = shared
    try Thread.start("journal") {
      JournalFollower.run(shared, unit: unit, from: start, lost: lost, deliver: deliver)
    }
  }

  deinit { stop() }

  /// Ends the thread soon; an entry that is being delivered is the last one. Does not block.
  package func stop() {
    shared.state.withLock { $0.stopped = true }
    shared.wakeup.signal()
  }

  /// Why the journal cannot be read at the moment; it is tried again every second. Nil if it can.
  package var failure: Errno? { shared.state.withLock { $0.failure } }

  private static func run(
    _ shared: Shared, unit: String?, from start: JournalStart, lost: () -> Void,
    deliver: (JournalEntry) -> Void
  ) {
    var start = start
    while !shared.state.withLock({ $0.stopped }) {
      do throws(Errno) {
        try follow(shared, unit: unit, from: &start, lost: lost, deliver: deliver)
      } catch {
        shared.state.withLock { $0.failure = error }
        let again = Instant.inMilliseconds(reopenMilliseconds)
        while Clock.now() < again, !shared.state.withLock({ $0.stopped }) {
          Clock.sleep(until: min(again, .inMilliseconds(lookMilliseconds)))
        }
      }
    }
  }

  private static func follow(
    _ shared: Shared, unit: String?, from start: inout JournalStart, lost: () -> Void,
    deliver: (JournalEntry) -> Void
  ) throws(Errno) {
    var session = try JournalSession.open(unit: unit, start: start)
    shared.state.withLock { $0.failure = nil }
    while true {
      while let entry = try session.next() {
        if shared.state.withLock({ $0.stopped }) { return }
        if session.takeLoss() { lost() }
        start = .after(cursor: entry.cursor)
        deliver(entry)
      }
      if session.takeLoss() { lost() }
      if shared.state.withLock({ $0.stopped }) { return }
      try session.wait(shared.wakeup, until: .inMilliseconds(lookMilliseconds))
    }
  }
}
