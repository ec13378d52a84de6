// SPDX-License-Identifier: Apache-2.0

/// Why a start was not confirmed, from the watch to the terminal.
package struct StartFailure: Sendable, Hashable, Codable, CustomStringConvertible {
  package enum Kind: String, Sendable, Hashable {
    /// The server logged that it cannot go on, or systemd that it cannot start it.
    case fatalLine
    /// The server runs, but logged that a part of it does not work.
    case brokenButServing
    /// The new main process ended.
    case exited
    /// systemd refuses to start the unit again (`systemctl reset-failed` before the next try).
    case startLimit
    /// The unit is failed or was stopped.
    case unit
    /// The new main process has another environment than was voted on.
    case otherEnvironment
    /// The server runs, and the Key Manager refuses it the key.
    case keyRefused
    /// The new main process uses another key than the sealed one, or the start guard did not run.
    case otherKey
    /// The server runs, and its Key Manager does not decrypt what the cluster has encrypted.
    case keyNotProven
    case stopDeadline
    case startDeadline
    /// It was not awaited: another node's start had failed, and the previous files come back.
    case brokenOff
    /// Lines of its log may be missing; only with an unknown outcome.
    case linesLost
  }

  package var kind: Word<Kind>
  package var phase: Word<RolloutPhase>
  /// The line that says it, word for word, or what was waited for.
  package var reason: String
  /// The usual cause, if known.
  package var cause: String?
  package var remedy: String?
  /// The row of the table of lines that matches, if any.
  package var patternID: String?
  /// Whether the server got past the Key Manager, so that it may have encrypted with its key; nil
  /// if that is not known.
  package var passedKeyManager: Bool?

  package init(
    kind: Kind, phase: RolloutPhase, reason: String, cause: String? = nil, remedy: String? = nil,
    patternID: String? = nil, passedKeyManager: Bool? = nil
  ) {
    self.kind = .known(kind)
    self.phase = .known(phase)
    self.reason = reason
    self.cause = cause
    self.remedy = remedy
    self.patternID = patternID
    self.passedKeyManager = passedKeyManager
  }

  package func mapTexts(_ transform: (String) -> String) -> StartFailure {
    var failure = self
    failure.reason = transform(reason)
    failure.cause = cause.map(transform)
    failure.remedy = remedy.map(transform)
    failure.patternID = patternID.map(transform)
    return failure
  }

  /// Reason, cause and remedy on one line.
  package var description: String {
    [reason, cause, remedy].compactMap(\.self).joined(separator: " — ")
  }
}
