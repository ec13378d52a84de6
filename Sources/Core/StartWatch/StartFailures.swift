extension StartFailure {
  /// The new process ended and systemd starts, or has started, another.
  static func restarted(unit: UnitState, phase: WatchPhase) -> StartFailure {
    StartFailure(
      kind: .exited, phase: phase,
      reason:
        "the new process ended while the start was \(phase.words), and systemd starts it again"
        + (unit.nRestarts > 0 ? " (restart \(unit.nRestarts))" : ""),
      cause: "it ends soon after each start, and systemd gives up after a few",
      remedy: "read its last lines: `keyturn logs`, or where `--log-dir` points")
  }

  /// The unit is failed or inactive after the new process was started.
  static func ended(unit: UnitState, phase: WatchPhase) -> StartFailure {
    let how =
      switch unit.execMainCode {
      case 1: ", the process ended with status \(unit.execMainStatus)"
      case 2, 3: ", the process was ended by signal \(unit.execMainStatus)"
      default: ""
      }
    var failure = StartFailure(
      kind: .unit, phase: phase,
      reason: "the unit is \(unit.activeState) (Result=\(unit.result))\(how)")
    switch unit.result {
    case "success":
      failure.cause = "someone stopped the unit, or the process ended by itself"
      failure.remedy = "find out who stops it, then start it again"
    case "start-limit-hit":
      failure.kind = .startLimit
      failure.cause = "it was started more often than StartLimitBurst= allows"
      failure.remedy = "`systemctl reset-failed \(unit.id)`, then start it again"
    case "resources":
      failure.cause = "systemd could not prepare the start, mostly for want of an environment file"
      failure.remedy = "see that the files in EnvironmentFile= exist and are valid"
    case "timeout":
      failure.cause = "TimeoutStartSec= of the unit passed before READY=1"
      failure.remedy = "raise TimeoutStartSec=, the official unit has infinity"
    case "oom-kill":
      failure.cause = "the kernel ended it for want of memory"
      failure.remedy = "give it more memory, or look at MemoryMax= of the unit"
    default:
      failure.kind = unit.execMainCode == 0 ? .unit : .exited
      failure.remedy = "read its last lines: `keyturn logs`, or where `--log-dir` points"
    }
    return failure
  }
}

extension WatchPhase {
  /// The phase as the end of a sentence that begins with "it was".
  var words: String {
    switch self {
    case .stopping: "stopping"
    case .starting: "starting"
    case .waitingForPeers: "waiting for peers"
    case .waitingForDrives: "waiting for drives"
    case .waitingForQuorum: "waiting for read quorum"
    case .initialising: "initialising"
    case .ready: "ready"
    case .serving: "serving"
    case .confirmed: "confirmed"
    case .failed: "failed"
    }
  }

  /// What to do when the deadline passes in this phase.
  var remedyAtDeadline: String? {
    switch self {
    case .stopping: "see what the old process hangs on"
    case .starting: "see the unit's Type= and its journal: `systemctl status`, `keyturn logs`"
    case .waitingForPeers:
      "the peers that it names are down, or run with other MINIO_* values: "
        + "compare them with `keyturn plan`"
    case .waitingForDrives: "see the drives that it names, and that their hosts are up"
    case .waitingForQuorum: "see which erasure sets have too few drives: `mc admin info`"
    case .initialising:
      "if the banner has come but no READY=1: Type=notify needs MinIO of 2023-05-04 or later"
    case .ready: "see the Key Manager: the ready endpoint makes a round trip to it"
    case .serving: "see IAM and write quorum: `mc admin info`, `keyturn logs`"
    case .confirmed, .failed: nil
    }
  }
}

extension ServerArguments {
  /// Where the log goes if a good start does not show in the journal.
  var logElsewhere: String? {
    if let logDirectory { return "--log-dir \(logDirectory)" }
    return quiet ? "--quiet" : nil
  }
}
