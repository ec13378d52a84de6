/// Where a start is, in words that a person can read.
public enum WatchPhase: String, Sendable, Codable, Hashable, CaseIterable {
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
  /// `/minio/health/ready` is good.
  case serving
  /// All of it is good. The last phase of a good start.
  case confirmed
  /// The last phase of any other.
  case failed
}

/// How a start ended.
public enum StartOutcome: Sendable, Hashable, Codable {
  /// The new server runs and all of it works.
  case confirmed(StartEvidence)
  /// It does not, or not in time.
  case failed(StartFailure)
}

/// What the word "confirmed" rests on.
public struct StartEvidence: Sendable, Hashable, Codable {
  /// The new start of the unit.
  public var invocationID: String
  /// The lines of a good start that were seen, in their order.
  public var marks: [SuccessMark]
  /// Where the lines went if not to the journal, for example `--log-dir /var/log/minio`.
  public var logElsewhere: String?
  /// What was logged on the way that someone should look at; at most ``StartMachine/warningLimit``.
  public var warnings: [String]

  /// Evidence; see the properties.
  public init(
    invocationID: String, marks: [SuccessMark], logElsewhere: String?, warnings: [String]
  ) {
    self.invocationID = invocationID
    self.marks = marks
    self.logElsewhere = logElsewhere
    self.warnings = warnings
  }
}

/// Why a start failed.
public struct StartFailure: Sendable, Hashable, Codable, CustomStringConvertible {
  /// What ended the wait.
  public enum Kind: String, Sendable, Codable, Hashable {
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
    /// The old process did not end in time.
    case stopDeadline
    /// The new one was not confirmed in time.
    case startDeadline
  }

  /// What ended the wait.
  public var kind: Kind
  /// The phase that the start was in.
  public var phase: WatchPhase
  /// The line that says it, word for word, or what was waited for.
  public var reason: String
  /// What is mostly behind it, if that is known.
  public var cause: String?
  /// What to do, if that is known.
  public var remedy: String?
  /// The row of the table of lines, if one is of this reason.
  public var patternID: String?

  /// A failure; see the properties.
  public init(
    kind: Kind, phase: WatchPhase, reason: String, cause: String? = nil, remedy: String? = nil,
    patternID: String? = nil
  ) {
    self.kind = kind
    self.phase = phase
    self.reason = reason
    self.cause = cause
    self.remedy = remedy
    self.patternID = patternID
  }

  /// Reason, cause and remedy on one line.
  public var description: String {
    [reason, cause, remedy].compactMap(\.self).joined(separator: " — ")
  }
}
