// SPDX-License-Identifier: Apache-2.0
package import ServerUnit

/// Whether any start of the server since a rollout's restart got past the Key Manager, and so may
/// have encrypted with its key. Decided from the lines of all these starts.
///
/// A rollback that takes a key away depends on the answer, so nothing is assumed: each process must
/// have said itself that it ended before it had a data key. The server asks the Key Manager before
/// any peer or drive, and ends if there is no key (docs/facts.md, "Start and the Key Manager").
package struct KeyManagerPassage: Sendable {
  package enum Answer: Sendable, Hashable {
    /// Every start ended before it had a data key.
    case refused
    /// One got past it; the line that says so.
    case passed(String)
    /// The lines do not say; why not.
    case unknown(String)
  }

  private struct Process: Sendable {
    var pid: Int32
    var invocation: String?
    var isRefused = false
  }

  /// What `keyturn guard` says of a start that it does not let through.
  private static let guardRefusal = "the start guard: this start is refused"

  private let previousInvocation: String
  private let previousPID: Int32?
  /// The boot of the first line: the one that the previous process belongs to.
  private var previousBoot: String?
  private let held: (bootID: String, monotonicMicroseconds: UInt64)?
  /// Starts that began while the start guard refused all.
  private var guardedStarts: Set<String> = []
  private var classifier = LineClassifier()
  private var processes: [Process] = []
  /// Every start that was begun, in the order of the journal.
  private var invocations: [String] = []
  private var passed: String?

  /// - Parameters:
  ///   - previousInvocation: the previous start, whose last lines are ignored.
  ///   - previousPID: its main process, if known. Its last lines may bear the next invocation.
  ///   - held: since when the start guard refuses every start; starts that began later do not count.
  ///     The boot as the journal writes it.
  package init(
    previousInvocation: String, previousPID: Int32? = nil,
    held: (bootID: String, monotonicMicroseconds: UInt64)? = nil
  ) {
    self.previousInvocation = previousInvocation
    self.previousPID = previousPID
    self.held = held
  }

  package mutating func take(_ entry: JournalEntry) {
    if entry.invocationID == previousInvocation, !previousInvocation.isEmpty { return }
    let line = classifier.take(entry)
    let boot = previousBoot ?? entry.bootID
    previousBoot = boot
    // If another process has its number by now, that start counts as one that has logged nothing.
    if entry.pid != nil, entry.pid == previousPID, entry.bootID == boot,
      line.pattern?.passedKeyManager != true
    {
      return
    }
    if let invocation = entry.invocationID, !invocation.isEmpty {
      if guardedStarts.contains(invocation) { return }
      if !invocations.contains(invocation) {
        if let held, entry.bootID == held.bootID,
          entry.monotonicMicroseconds >= held.monotonicMicroseconds
        {
          guardedStarts.insert(invocation)
          return
        }
        invocations.append(invocation)
      }
    }
    guard line.source == .server, let pid = entry.pid else { return }
    let isOfGuard = entry.message.contains(Self.guardRefusal)
    let verdict = isOfGuard ? false : line.pattern?.passedKeyManager
    if verdict == true, passed == nil { passed = line.text }
    // A line without an invocation may be the old process' last: it counts only with a verdict.
    guard entry.invocationID != nil || verdict != nil else { return }
    let index =
      processes.firstIndex {
        $0.pid == pid
          && ($0.invocation == entry.invocationID || $0.invocation == nil
            || entry.invocationID == nil)
      } ?? processes.count
    if index == processes.count {
      processes.append(Process(pid: pid, invocation: entry.invocationID))
    }
    if processes[index].invocation == nil { processes[index].invocation = entry.invocationID }
    if verdict == false { processes[index].isRefused = true }
  }

  package var answer: Answer {
    if let passed { return .passed(passed) }
    if let process = processes.first(where: { !$0.isRefused }) {
      return .unknown("process \(process.pid) has not said that the Key Manager refused it")
    }
    // journald may not know the start of a process that ended at once.
    let known = Set(processes.compactMap(\.invocation))
    let silent = invocations.count { !known.contains($0) }
    let unclaimed = processes.count { $0.invocation == nil }
    if silent > unclaimed { return .unknown("\(silent - unclaimed) starts have logged nothing") }
    if processes.isEmpty { return .unknown("the journal has no start since the restart") }
    return .refused
  }
}
