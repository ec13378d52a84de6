// SPDX-License-Identifier: Apache-2.0
package import Model
internal import ServerUnit

extension StartFailure {
  init(_ line: ClassifiedLine, phase: RolloutPhase) {
    let kind: Kind = if case .fatal(let kind) = line.kind { kind } else { .brokenButServing }
    self.init(
      kind: kind, phase: phase, reason: line.text, cause: line.pattern?.cause,
      remedy: line.pattern?.remedy, patternID: line.pattern?.id,
      passedKeyManager: line.pattern?.passedKeyManager)
  }

  /// The new process was started with something else than was voted on.
  static func otherEnvironment(pid: Int32, _ names: [String], phase: RolloutPhase) -> StartFailure {
    let what = "\(names.joined(separator: ", ")) \(names.count == 1 ? "differs" : "differ")"
    return StartFailure(
      kind: .otherEnvironment, phase: phase,
      reason:
        "the new process (PID \(pid)) was started with another environment than was voted on: \(what)",
      cause: "a file, a drop-in or `systemctl set-environment` was changed after the vote, or "
        + "systemd has not reloaded the unit's files",
      remedy: "`keyturn explain \(names.first ?? "")` shows every place that sets it; put it right "
        + "on this node, then `keyturn restart`")
  }

  /// The server is READY, and the Key Manager gives it no data key and will not: what it writes
  /// encrypted fails.
  static func keyRefused(_ answer: HealthAnswer, phase: RolloutPhase) -> StartFailure {
    let isMissing = answer.keyRefusal == "kms:KeyNotFound"
    return StartFailure(
      kind: .keyRefused, phase: phase,
      reason: "the server is READY, and "
        + (answer.trouble(path: "/minio/health/ready") ?? "its Key Manager refuses it"),
      cause: isMissing
        ? "the key was deleted, or MINIO_KMS_SSE_KEY or MINIO_KMS_ENCLAVE names another"
        : "the policy of the API key's identity lacks KEY:GENERATE for the key, or was changed after the vote",
      remedy: isMissing
        ? "`keyturn check` shows what each Key Manager says of the key; do not create it again under the old name if it was in use"
        : "assign a policy that allows KEY:GENERATE and KEY:DECRYPT to the identity; `keyturn check` shows when it does",
      passedKeyManager: true)
  }

  /// The new process does not use the sealed key, as far as can be told.
  static func otherKey(pid: Int32, _ what: String, phase: RolloutPhase) -> StartFailure {
    StartFailure(
      kind: .otherKey, phase: phase,
      reason: "the new process (PID \(pid)) cannot be confirmed to use the sealed key: \(what)",
      cause: "something gives the server another key past its environment files, or kept the start "
        + "guard from running",
      remedy: "stop the server of this node before it writes more; `keyturn explain "
        + "MINIO_KMS_SSE_KEY` and `systemctl cat` show what it is given; put it right, then "
        + "`keyturn restart`")
  }

  /// The key of that name does not decrypt what the cluster has encrypted.
  package static func keyNotProven(_ what: String) -> StartFailure {
    StartFailure(
      kind: .keyNotProven, phase: .settling,
      reason: "the server runs, and must not be written to: \(what)",
      cause: "the Key Manager's state, or the rights of the identity, were changed after the vote",
      remedy:
        "keep clients from writing, restart nothing, and undo that change; `keyturn proof --now` "
        + "shows when the key is right, then `keyturn confirm`",
      passedKeyManager: true)
  }

  /// Nobody waits for it any more.
  static func brokenOff(_ why: String, phase: RolloutPhase) -> StartFailure {
    StartFailure(
      kind: .brokenOff, phase: phase,
      reason: "not watched to its end (it was \(phase.words)): \(why)")
  }

  /// Lines of the log may be missing.
  static func linesLost(_ loss: String) -> StartFailure {
    StartFailure(
      kind: .linesLost, phase: .settling,
      reason: "READY and health are good, but lines of its log may be missing: \(loss)",
      cause: "what the server said in them is not known; it may serve without its users or its "
        + "configuration",
      remedy: "look at the node with `keyturn logs`; `keyturn restart` watches another start",
      passedKeyManager: true)
  }

  /// The old process runs on.
  static func stopDeadline(unit: UnitState?, phase: RolloutPhase) -> StartFailure {
    let process = unit.map { $0.mainPID > 0 ? " (PID \($0.mainPID))" : "" } ?? ""
    let state = unit.map { "; the unit is \($0.activeState) (\($0.subState))" } ?? ""
    return StartFailure(
      kind: .stopDeadline, phase: phase,
      reason: "the old process\(process) did not end before the stop deadline\(state)",
      cause: "a drive or a request hangs; the official unit has TimeoutStopSec=infinity and "
        + "SendSIGKILL=no, so systemd waits without limit",
      remedy: "find what it hangs on; `systemctl kill --signal=SIGKILL` ends it",
      passedKeyManager: false)
  }

  /// The new process runs, and not all of it is good.
  static func startDeadline(
    phase: RolloutPhase, waitedFor detail: String, warnings: [String], remedy: String?
  ) -> StartFailure {
    let waitedFor = detail.isEmpty ? "" : ": \(detail)"
    return StartFailure(
      kind: .startDeadline, phase: phase,
      reason: "the start was not good before its deadline; it was \(phase.words)\(waitedFor)",
      cause: warnings.isEmpty
        ? nil : "logged on the way: " + warnings.joined(separator: "; "),
      remedy: remedy ?? phase.remedyAtDeadline)
  }

  /// The new process ended and systemd starts, or has started, another.
  static func restarted(unit: UnitState, phase: RolloutPhase) -> StartFailure {
    StartFailure(
      kind: .exited, phase: phase,
      reason:
        "the new process ended while the start was \(phase.words), and systemd starts it again"
        + (unit.nRestarts > 0 ? " (restart \(unit.nRestarts))" : ""),
      cause: "it ends soon after each start, and systemd gives up after a few",
      remedy: "read its last lines: `keyturn logs`, or where `--log-dir` points")
  }

  /// The unit is failed or inactive after the new process was started.
  static func ended(unit: UnitState, phase: RolloutPhase) -> StartFailure {
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
      failure.kind = .known(.startLimit)
      failure.cause = "it was started more often than StartLimitBurst= allows"
      failure.remedy = "`systemctl reset-failed \(unit.id)`, then start it again"
    case "resources":
      failure.passedKeyManager = false
      failure.cause = "systemd could not prepare the start, mostly for want of an environment file"
      failure.remedy = "see that the files in EnvironmentFile= exist and are valid"
    case "timeout":
      failure.cause = "TimeoutStartSec= of the unit passed before READY=1"
      failure.remedy = "raise TimeoutStartSec=, the official unit has infinity"
    case "oom-kill":
      failure.cause = "the kernel ended it for want of memory"
      failure.remedy = "give it more memory, or look at MemoryMax= of the unit"
    default:
      failure.kind = .known(unit.execMainCode == 0 ? .unit : .exited)
      failure.remedy = "read its last lines: `keyturn logs`, or where `--log-dir` points"
    }
    return failure
  }
}

extension RolloutPhase {
  /// The phase as the end of a sentence that begins with "it was".
  var words: String {
    switch self {
    case .waitingForPeers: "waiting for peers"
    case .waitingForDrives: "waiting for drives"
    case .waitingForQuorum: "waiting for read quorum"
    default: rawValue
    }
  }

  /// What to do when the deadline passes in this phase.
  var remedyAtDeadline: String? {
    switch self {
    case .stopping: "see what the old process hangs on"
    case .starting: "see the unit's Type= and its journal: `systemctl status`, `keyturn logs`"
    case .waitingForPeers:
      "the peers are down, or run with other MINIO_* values or another program: "
        + "`keyturn status` compares them"
    case .waitingForDrives: "see the drives that it names, and that their hosts are up"
    case .waitingForQuorum: "see which erasure sets have too few drives: `mc admin info`"
    case .initialising:
      "if the banner has come but no READY=1: Type=notify needs MinIO of 2023-05-04 or later"
    case .ready: "see the Key Manager: the ready endpoint makes a round trip to it"
    case .serving: "see IAM and write quorum: `mc admin info`, `keyturn logs`"
    case .settling: "see what changes: `keyturn logs`, `systemctl status`"
    default: nil
    }
  }
}
