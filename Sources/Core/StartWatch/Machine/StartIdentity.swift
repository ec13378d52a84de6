// SPDX-License-Identifier: Apache-2.0
internal import ServerUnit

/// Which invocation of the unit is the start that is watched, and which lines are its own.
///
/// The first message of an invocation that was unknown before identifies the new start, whether it
/// comes from the unit or from a line: these arrive over two channels, in any order. A line without
/// an invocation is kept until the unit names its process as the new server.
struct StartIdentity: Sendable {
  /// How many unclaimed lines are kept, the last ones: a server says why as it ends.
  static let unclaimedLimit = 64
  /// The same for lines of files, of which only the time tells whose they are.
  static let unclaimedFileLineLimit = 1_024

  /// The new start's; nil until it is known.
  private(set) var invocation: String?
  /// When the restart was ordered, microseconds of CLOCK_MONOTONIC; 0 if it is not known.
  private let issued: UInt64
  /// Invocations from before the restart; their messages are ignored.
  private var earlier: Set<String>
  /// Lines without an invocation, of processes that the unit has not called its main one.
  private var unclaimed: [JournalEntry] = []
  private var unclaimedFileLines: [JournalEntry] = []

  /// - Parameters:
  ///   - previous: the invocation at the last look before the order; empty for none.
  ///   - issued: when the restart was ordered, microseconds of CLOCK_MONOTONIC; 0 if that is not known.
  init(previous: String = "", issued: UInt64 = 0) {
    earlier = [previous]
    self.issued = issued
  }

  // MARK: the unit

  /// Whether a state is of the new start, or of one after it.
  mutating func isNew(_ state: UnitState) -> Bool {
    // A start without a main process is a new one: systemd no longer gives the previous one's time.
    if invocation == nil, state.execMainPID != 0,
      isBeforeOrder(state.execMainStartMonotonicMicroseconds)
    {
      earlier.insert(state.invocationID)
    }
    return !state.invocationID.isEmpty && !earlier.contains(state.invocationID)
  }

  /// Takes a new invocation; false if one is known already.
  mutating func begin(_ new: String) -> Bool {
    guard invocation == nil else { return false }
    invocation = new
    return true
  }

  /// Whether something happened before the restart was ordered, microseconds of CLOCK_MONOTONIC.
  private func isBeforeOrder(_ time: UInt64) -> Bool { time > 0 && time < issued }

  // MARK: lines

  enum Belonging {
    /// Of the watched start.
    case own
    /// Of the watched start, which was unknown until now.
    case first
    /// Of another start, or of none yet.
    case other
  }

  /// Whose a line of the journal is. A line that is of no start yet is kept.
  mutating func belonging(_ entry: JournalEntry, _ unit: UnitState?) -> Belonging {
    if entry.isOfJournal { return .own }
    guard let from = entry.invocationID, !from.isEmpty else {
      if entry.pid == 1 { return invocation != nil || Self.isStartLimit(entry) ? .own : .other }
      if isOfMainProcess(entry, unit) { return .own }
      unclaimed = unclaimed.suffix(Self.unclaimedLimit - 1) + [entry]
      return .other
    }
    if from != invocation, isBeforeOrder(entry.monotonicMicroseconds) { earlier.insert(from) }
    if earlier.contains(from) {
      // systemd refuses a start before it gives the start a new invocation.
      return Self.isStartLimit(entry) ? .own : .other
    }
    return begin(from) ? .first : .own
  }

  /// journald reads the invocation from a link that systemd removes as the start ends: the last
  /// lines of a server that ends at once may have none. Their PID is right in any case. The unit's
  /// message may come before or after them.
  private func isOfMainProcess(_ entry: JournalEntry, _ unit: UnitState?) -> Bool {
    guard let invocation, let unit, unit.invocationID == invocation else { return false }
    return entry.pid == unit.execMainPID
  }

  private static func isStartLimit(_ entry: JournalEntry) -> Bool {
    entry.pid == 1 && entry.message.holds(LinePattern.startLimit)
  }

  /// Keeps a line of a file, which has no more than its time.
  mutating func keep(fileLine: JournalEntry) {
    unclaimedFileLines = unclaimedFileLines.suffix(Self.unclaimedFileLineLimit - 1) + [fileLine]
  }

  /// The kept lines that are the start's, by what the unit says now; the others stay.
  mutating func claim(_ unit: UnitState?) -> (entries: [JournalEntry], fileLines: [JournalEntry]) {
    let entries = unclaimed.filter { isOfMainProcess($0, unit) }
    let kept = unclaimed.filter { !isOfMainProcess($0, unit) }
    unclaimed = kept
    guard let invocation, let unit, unit.invocationID == invocation,
      unit.execMainStartRealtimeMicroseconds > 0
    else { return (entries, []) }
    defer { unclaimedFileLines = [] }
    // Times in a log are whole milliseconds, cut.
    let begin = Int64(clamping: unit.execMainStartRealtimeMicroseconds / 1_000)
    return (entries, unclaimedFileLines.filter { $0.realtimeMicroseconds / 1_000 >= begin })
  }
}
