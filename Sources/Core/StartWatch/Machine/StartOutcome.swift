// SPDX-License-Identifier: Apache-2.0
package import Model

/// Where a start is, in words that a person can read.
package enum WatchPhase: String, Sendable, Codable, Hashable, CaseIterable {
  /// The restart was asked for; the old process has not ended.
  case stopping
  /// The old process is gone or a new one runs; nothing was heard of it yet.
  case starting
  /// It waits for enough peers with the same configuration.
  case waitingForPeers
  /// It waits for enough drives.
  case waitingForDrives
  /// It waits for read quorum.
  case waitingForQuorum
  /// It initialises its sub-systems.
  case initialising
  /// systemd calls it active: READY=1 for Type=notify.
  case ready
  /// `/minio/health/ready` is good; whether it takes writes, and the cluster's health, are awaited.
  case serving
  /// All of it is good, and must stay so for the settle time.
  case settling
  /// All of it was good for that long. The last phase of a good start.
  case confirmed
  /// All that can be seen is good, but not all can be seen. The last phase of such a start.
  case unknown
  /// The last phase of any other.
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
  /// The new server runs and all of it works.
  case confirmed(StartEvidence)
  /// It does not, or not in time.
  case failed(StartFailure)
  /// All that can be seen is good, but lines of the log may be missing.
  case unknown(StartFailure)
}

/// What the word "confirmed" rests on.
package struct StartEvidence: Sendable, Hashable, Codable {
  /// Where the server's lines were read.
  package enum Log: Sendable, Hashable, Codable {
    case journal
    case files(String)
    /// Nowhere, and why: none of its lines counts for or against it.
    case nowhere(String)
  }

  /// Whether the server takes writes.
  package enum Writes: Sendable, Hashable, Codable {
    /// Asked so many times since all has been good, it would have taken each.
    case taken(asked: Int)
    /// It does not tell, and why. Its log has no line of a missing drive, or the last one is
    /// ``StartMachine/missedDriveMilliseconds`` old.
    case byLog(String)
  }

  /// The new start of the unit.
  package var invocationID: String
  /// Whether READY=1 was heard; otherwise the unit is of a Type= that has none.
  package var saidReady: Bool
  /// What it is known from that the server uses the sealed key.
  package var key: KeyEvidence
  /// The lines of a good start that were seen, in their order.
  package var marks: [SuccessMark]
  /// Where its lines were read.
  package var log: Log
  /// What it is known from that the server takes writes.
  package var writes: Writes
  /// Drives that the server has lost in this start.
  package var lostDrives: [String]
  /// What was logged on the way that someone should look at; at most ``StartMachine/warningLimit``.
  package var warnings: [String]
  /// How long all of it stayed good, milliseconds.
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
      writing, "health ready and cluster good",
      "unchanged for \(settledMilliseconds / 1_000) s",
    ].compactMap(\.self).joined(separator: ", ")
  }

  /// What someone should look at although the start is confirmed; nil if nothing.
  package var warning: String? {
    lostDrives.isEmpty ? nil : "it runs without a drive: \(lostDrives.joined(separator: "; "))"
  }
}

/// Why a start failed.
package struct StartFailure: Sendable, Hashable, Codable, CustomStringConvertible {
  /// What ended the wait.
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
    /// The old process did not end in time.
    case stopDeadline
    /// The new one was not good in time.
    case startDeadline
    /// Lines of its log may be missing; only of an unknown outcome.
    case linesLost
  }

  package var kind: Kind
  package var phase: WatchPhase
  /// The line that says it, word for word, or what was waited for.
  package var reason: String
  /// What is mostly behind it, if that is known.
  package var cause: String?
  /// What to do, if that is known.
  package var remedy: String?
  /// The row of the table of lines, if one is of this reason.
  package var patternID: String?
  /// Whether the server got past the Key Manager, so that it may have encrypted with its key; nil
  /// if that is not known.
  package var passedKeyManager: Bool?

  /// Reason, cause and remedy on one line.
  package var description: String {
    [reason, cause, remedy].compactMap(\.self).joined(separator: " — ")
  }
}
