// SPDX-License-Identifier: Apache-2.0
package import Model
package import ServerUnit

/// The inputs of the start machine.
package enum StartInput: Sendable, Hashable {
  /// systemd has taken the order to restart. `previousInvocation` is the unit's InvocationID at the
  /// last look before the order, empty if it had none; `issued` the order's time, microseconds of
  /// CLOCK_MONOTONIC, 0 if it was on another boot. What began before it belongs to the previous
  /// start, even if systemd started it after that look.
  case restartIssued(previousInvocation: String, issued: UInt64, deadlines: StartDeadlines)
  /// The unit, on every change of it, and as the answer to ``StartEffect/askUnit``.
  case unit(UnitState)
  /// A line of the unit's journal from the cursor before the restart on, or a word of journald's
  /// about lines that it has lost; redacted.
  case entry(JournalEntry)
  /// A line of a file in the server's `--log-dir`, redacted, with the time that it bears itself.
  case fileLine(JournalEntry)
  /// The files of the server's `--log-dir` cannot be followed, and why.
  case filesUnreadable(String)
  /// The answers to one ``StartEffect/askHealth``.
  case health(HealthAnswers)
  /// The answer to ``StartEffect/askEnvironment(pid:)``.
  case environment(pid: Int32, EnvironmentAnswer)
  case fired(StartTimer)
}

/// What the machine wants done, in this order.
package enum StartEffect: Sendable, Hashable {
  /// Give back ``StartInput/fired(_:)`` at that instant. A timer that is armed again is moved.
  case arm(StartTimer, Instant)
  /// Ask whether the server is ready; if so, whether it takes writes; if it does, or does not say,
  /// for the cluster's health. With a deadline of the shell's own; give back
  /// ``StartInput/health(_:)`` exactly once.
  case askHealth
  /// Since that instant the server takes writes, without a refusal so far.
  case takesWrites(since: Instant)
  /// Compare what the process was started with with what was voted on, and give back
  /// ``StartInput/environment(pid:_:)`` exactly once.
  case askEnvironment(pid: Int32)
  /// Ask systemd for the unit and give it back as ``StartInput/unit(_:)``, however long that takes.
  case askUnit
  /// The start is now in that phase; `detail` says what it waits for, empty if nothing is known.
  case phase(WatchPhase, detail: String)
  /// It is over. Nothing comes after this.
  case finished(StartOutcome)
}

package enum StartTimer: String, Sendable, Codable, Hashable, CaseIterable {
  case stopDeadline
  /// All of the new one must be good.
  case startDeadline
  /// Ask for health again.
  case health
  /// The lines that belong to a failure have come by now.
  case lateLines
  /// All has been good for as long as it must be.
  case settled
}

/// Until when a restart must have got where.
package struct StartDeadlines: Sendable, Hashable, Codable {
  package var stop: Instant
  /// All of the new one is good; it may be settling still.
  package var start: Instant
  /// How long all must stay good before the word is "confirmed", milliseconds.
  package var settleMilliseconds: Int

  package init(stop: Instant, start: Instant, settleMilliseconds: Int) {
    self.stop = stop
    self.start = start
    self.settleMilliseconds = settleMilliseconds
  }
}

/// What it is known from that a process uses the sealed key.
package enum KeyEvidence: Sendable, Hashable, Codable {
  /// None is sealed, and the start would seal none.
  case notSealed
  /// The server says so itself.
  case word
  /// Its environment, and the file that it has read; the server does not tell, and why.
  case files(String)
}

/// Whether a process was started with the environment that was voted on.
package enum EnvironmentAnswer: Sendable, Hashable, Codable {
  /// It was, and uses the sealed key, if one is.
  case same(KeyEvidence)
  /// It was not; the names of the variables that differ, at least one.
  case differs([String])
  /// It was, and does not use the key that is sealed, or nobody knows that the start guard let it pass;
  /// what was found.
  case otherKey(String)
  /// It cannot be told at the moment, and why.
  case unknown(String)
}
