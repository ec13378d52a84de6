// SPDX-License-Identifier: Apache-2.0
package import Model

/// Where a start is.
package enum WatchPhase: String, Sendable, Codable, Hashable, CaseIterable {
  /// The restart was ordered; the old process has not ended.
  case stopping
  /// The old process is gone or a new one runs, which has said nothing yet.
  case starting
  /// For enough peers with the same configuration.
  case waitingForPeers
  case waitingForDrives
  /// For read quorum.
  case waitingForQuorum
  case initialising
  /// systemd calls it active: READY=1 for Type=notify.
  case ready
  /// `/minio/health/ready` is good; whether it takes writes, and the cluster's health, are awaited.
  case serving
  /// All of it is good, and must stay so for the settle time.
  case settling
  case confirmed
  /// All that can be seen is good, but not all can be seen.
  case unknown
  case failed

  package var ofRollout: RolloutPhase {
    switch self {
    case .stopping: .stopping
    case .starting: .starting
    case .waitingForPeers: .waitingForPeers
    case .waitingForDrives: .waitingForDrives
    case .waitingForQuorum: .waitingForQuorum
    case .initialising: .initialising
    case .ready: .ready
    case .serving: .serving
    case .settling: .settling
    case .confirmed: .confirmed
    case .unknown: .unknown
    case .failed: .failed
    }
  }
}

package enum StartOutcome: Sendable, Hashable, Codable {
  case confirmed(StartEvidence)
  case failed(StartFailure)
  /// All that can be seen is good, but lines of the log may be missing.
  case unknown(StartFailure)
}

/// What the word "confirmed" rests on.
package struct StartEvidence: Sendable, Hashable, Codable {
  /// Where the server's lines were read.
  package enum Log: Sendable, Hashable, Codable {
    case journal
    /// The directory.
    case files(String)
    /// Why nowhere: none of its lines counts for or against it.
    case nowhere(String)
  }

  /// The evidence that the server takes writes.
  package enum Writes: Sendable, Hashable, Codable {
    /// Asked so many times since all has been good, it would have taken each.
    case taken(asked: Int)
    /// Why it does not tell. Its log has no line of a missing drive, or the last one is
    /// ``StartMachine/missedDriveMilliseconds`` old.
    case byLog(String)
  }

  package var invocationID: String
  /// False for a unit of a Type= without READY=1.
  package var saidReady: Bool
  package var key: KeyEvidence
  /// The lines of a good start that were seen, in their order.
  package var marks: [SuccessMark]
  package var log: Log
  package var writes: Writes
  package var lostDrives: [String]
  /// What was logged on the way that someone should look at; at most ``StartMachine/warningLimit``.
  package var warnings: [String]
  /// How long all of it stayed good.
  package var settledMilliseconds: Int
}

extension StartEvidence: CustomStringConvertible {
  /// What it rests on, in one sentence without a verb.
  package var description: String {
    let seen =
      switch log {
      case .journal: "seen: \(marks.map(\.rawValue).joined(separator: ", "))"
      case .files(let directory):
        "seen in \(directory): \(marks.map(\.rawValue).joined(separator: ", "))"
      case .nowhere(let why): "its lines go to no log that can be read (\(why)), so none counts"
      }
    let sealed =
      switch key {
      case .notSealed: nil as String?
      case .word: "the sealed key by its own word"
      case .files(let why):
        "the sealed key by its environment and files only, as it does not tell (\(why))"
      }
    let writing =
      switch writes {
      case .taken(let asked): "takes writes (asked \(asked == 1 ? "once" : "\(asked) times"))"
      case .byLog(let why):
        "no drive missing by its log, as it does not tell whether it takes writes (\(why))"
      }
    return [
      "new invocation", saidReady ? "READY" : "active", "environment as voted", sealed, seen,
      writing, "health ready and cluster good", "unchanged for \(settledMilliseconds / 1_000) s",
    ].compactMap(\.self).joined(separator: ", ")
  }

  /// What someone should look at although the start is confirmed; nil if nothing.
  package var warning: String? {
    lostDrives.isEmpty ? nil : "it runs without a drive: \(lostDrives.joined(separator: "; "))"
  }
}

package struct StartFailure: Sendable, Hashable, Codable, CustomStringConvertible {
  package enum Kind: String, Sendable, Codable, Hashable {
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
    case stopDeadline
    case startDeadline
    /// Lines of its log may be missing; only with an unknown outcome.
    case linesLost
  }

  package var kind: Kind
  package var phase: WatchPhase
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

  /// Reason, cause and remedy on one line.
  package var description: String {
    [reason, cause, remedy].compactMap(\.self).joined(separator: " — ")
  }
}
