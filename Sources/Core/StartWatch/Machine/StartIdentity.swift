// SPDX-License-Identifier: Apache-2.0
internal import ServerUnit

/// Which invocation of the unit is the start that is watched, and which lines are its own.
///
/// The first message of an invocation that was unknown before identifies the new start, whether it
/// comes from the unit or from a line: these arrive over two channels, in any order. A line without
/// an invocation is kept until the unit names its process as the new server.
struct StartIdentity: Sendable {
  /// Lines of nobody yet that are kept, the last ones: as a server ends it says why.
  static let unclaimedLimit = 64
  /// The same of files, where nothing tells whose they are but the time.
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
    // Without a main process of its own the start is a new one: the last one's time is no longer told.
    if invocation == nil, state.execMainPID != 0,
      isOfBefore(state.execMainStartMonotonicMicroseconds)
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
  private func isOfBefore(_ time: UInt64) -> Bool { time > 0 && time < issued }

  // MARK: lines

  /// What a line is to the start that is watched.
  enum Belonging {
    /// It is of the start. If nothing was known of it, it is now.
    case own
    /// It is of the new start, which nobody had heard of.
    case first
    /// It is of another, or of nobody yet.
    case other
  }

  /// Whose a line of the journal is. One that is nobody's yet is kept.
  mutating func belonging(_ entry: JournalEntry, _ unit: UnitState?) -> Belonging {
    if entry.isOfJournal { return .own }
    guard let from = entry.invocationID, !from.isEmpty else {
      if entry.pid == 1 { return invocation != nil || Self.isStartLimit(entry) ? .own : .other }
      if isOfMainProcess(entry, unit) { return .own }
      unclaimed = unclaimed.suffix(Self.unclaimedLimit - 1) + [entry]
      return .other
    }
    if from != invocation, isOfBefore(entry.monotonicMicroseconds) { earlier.insert(from) }
    if earlier.contains(from) {
      // systemd refuses a start before the start has an invocation of its own.
      return Self.isStartLimit(entry) ? .own : .other
    }
    return begin(from) ? .first : .own
  }

  /// journald reads the invocation from a link that systemd removes as the start ends: the last words
  /// of a server that ends at once have none if journald comes late. Their PID is the sender's in any
  /// case. The unit may have been heard before them, or be heard after.
  private func isOfMainProcess(_ entry: JournalEntry, _ unit: UnitState?) -> Bool {
    guard let invocation, let unit, unit.invocationID == invocation else { return false }
    return entry.pid == unit.execMainPID
  }

  private static func isStartLimit(_ entry: JournalEntry) -> Bool {
    entry.pid == 1 && entry.message.holds(LinePattern.startLimit)
  }

  /// Keeps a line of a file, which bears no more than its time.
  mutating func keep(fileLine: JournalEntry) {
    unclaimedFileLines =
      unclaimedFileLines.suffix(Self.unclaimedFileLineLimit - 1) + [fileLine]
  }

  /// The lines that were kept and are the start's, by what the unit says now; those that are nobody's
  /// still stay.
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
