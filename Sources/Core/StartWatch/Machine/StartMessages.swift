// SPDX-License-Identifier: Apache-2.0
package import Model
package import ServerUnit

/// The inputs of the start machine.
package enum StartInput: Sendable, Hashable {
  /// systemd has accepted the restart. `previousInvocation` is the unit's InvocationID at the last
  /// look before it, empty if it had none; `issued` the time of the order, microseconds of
  /// CLOCK_MONOTONIC, 0 if it was on another boot. What began before it belongs to the previous
  /// start, even if systemd started it after that look.
  case restartIssued(previousInvocation: String, issued: UInt64, deadlines: StartDeadlines)
  /// A server that runs already is looked at, nothing is restarted; the unit as it is. Its lines are those of the
  /// present invocation, and what is logged from now on.
  case look(UnitState, StartDeadlines)
  /// The unit, on every change, and as the answer to ``StartEffect/askUnit``.
  case unit(UnitState)
  /// A line of the unit's journal after the cursor from before the restart, or journald's own about
  /// lost lines; redacted.
  case entry(JournalEntry)
  /// A line of a file in the server's `--log-dir`, redacted, with the line's own time.
  case fileLine(JournalEntry)
  /// The files of the server's `--log-dir` cannot be followed, and why.
  case filesUnreadable(String)
  /// The answers to one ``StartEffect/askHealth``.
  case health(HealthAnswers)
  /// The answer to ``StartEffect/askEnvironment(pid:)``.
  case environment(pid: Int32, EnvironmentAnswer)
  case fired(StartTimer)
  /// How it ends changes nothing any more, and why.
  case brokenOff(String)
}

/// To be carried out in the order given.
package enum StartEffect: Sendable, Hashable {
  /// Give back ``StartInput/fired(_:)`` at that instant. A timer that is armed again is moved.
  case arm(StartTimer, Instant)
  /// Ask whether the server is ready; if so, whether it takes writes; if it does, or does not say,
  /// for the cluster's health. Within a deadline that the shell chooses, give back
  /// ``StartInput/health(_:)`` exactly once.
  case askHealth
  /// Since that instant the server takes writes, without a refusal so far.
  case takesWrites(since: Instant)
  /// Compare the process' environment with the one that was voted on, and give back
  /// ``StartInput/environment(pid:_:)`` exactly once.
  case askEnvironment(pid: Int32)
  /// Give back ``StartInput/unit(_:)``, however long systemd takes to answer.
  case askUnit
  /// `detail` says what the start waits for; empty if nothing is known.
  case phase(RolloutPhase, detail: String)
  /// Nothing comes after this.
  case finished(StartOutcome)
}

package enum StartTimer: String, Sendable, Codable, Hashable, CaseIterable {
  case stopDeadline
  case startDeadline
  /// Ask for health again.
  case health
  /// The lines that belong to a failure have come by now.
  case lateLines
  case settled
}

package struct StartDeadlines: Sendable, Hashable, Codable {
  package var stop: Instant
  /// All of the new server is good; it may still be settling.
  package var start: Instant
  /// How long all must stay good before the start is confirmed.
  package var settleMilliseconds: Int

  package init(stop: Instant, start: Instant, settleMilliseconds: Int) {
    self.stop = stop
    self.start = start
    self.settleMilliseconds = settleMilliseconds
  }
}

/// The evidence that a process uses the sealed key.
package enum KeyEvidence: Sendable, Hashable, Codable {
  /// None is sealed, and the start would seal none.
  case notSealed
  /// The server says so itself.
  case word
  /// Its environment, and the file that it has read; why the server does not tell.
  case files(String)
}

/// Whether a process was started with the environment that was voted on.
package enum EnvironmentAnswer: Sendable, Hashable, Codable {
  /// It was, and it uses the sealed key, if there is one.
  case same(KeyEvidence)
  /// It was not; the names of the variables that differ, at least one.
  case differs([String])
  /// It was, but does not use the sealed key, or it is not known that the start guard let it pass;
  /// what was found.
  case otherKey(String)
  /// Why that cannot be told at the moment.
  case unknown(String)
}
