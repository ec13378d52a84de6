// SPDX-License-Identifier: Apache-2.0
package import Model

/// What in the server's unit prevents a rollout, or makes one fail needlessly.
///
/// Pure rules over what systemd says of the unit, and over the command line that it gives the
/// server. An error refuses a rollout with the code `unit`. A warning concerns a rollout only if
/// something else goes wrong. A note says what to expect of a correct unit. The unit's files are
/// checked where they can be read. See docs/facts.md, "The server's unit" and "Reported incidents".
package struct UnitDoctor: Sendable {
  private let unit: UnitState
  private let surroundings: Surroundings
  private let arguments: ServerArguments
  private var findings: [Finding] = []

  /// In the order of the rules.
  package static func findings(_ unit: UnitState, _ surroundings: Surroundings) -> [Finding] {
    var doctor = UnitDoctor(unit, surroundings)
    doctor.examine()
    return doctor.findings
  }

  private init(_ unit: UnitState, _ surroundings: Surroundings) {
    self.unit = unit
    self.surroundings = surroundings
    arguments = ServerArguments(
      execStart: unit.execStart,
      environment: surroundings.atStart ?? surroundings.environment ?? [:],
      inForce: surroundings.environment)
  }

  private mutating func add(
    _ severity: Severity, _ rule: String, _ message: String, _ remedy: String
  ) {
    findings.append(Finding(severity, rule: rule, refusal: .unit, message: message, remedy: remedy))
  }

  private mutating func examine() {
    switch unit.loadState {
    case "loaded": break
    case "masked":
      add(
        .error, "unit-masked", "\(unit.id) is masked, systemd will not start it",
        "systemctl unmask \(unit.id)")
      return
    default:
      add(
        .error, "unit-not-loaded", "\(unit.id) is \(unit.loadState)",
        "install the unit, or name the right one as \"unit\" in the inventory")
      return
    }
    state()
    type()
    stop()
    start()
    command()
    if surroundings.environment != nil {
      options()
      keyKind()
    }
    files()
  }

  // MARK: what it is doing

  private mutating func state() {
    if unit.needDaemonReload {
      add(
        .warning, "unit-daemon-reload",
        "the files of \(unit.id) have changed since systemd read them, and the restart would use the old ones",
        "systemctl daemon-reload")
    }
    if surroundings.isInRollout { return }
    if let job = unit.job {
      // A start may never end if the server waits for its peers, or for what the rollout repairs.
      // So a rollout must not wait for it.
      let isStart = unit.activeState == "activating"
      add(
        isStart ? .warning : .error, isStart ? "unit-starting" : "unit-job",
        isStart
          ? "a start of \(unit.id) is under way (job \(job.id)); the restart of a rollout would take its place"
          : "\(unit.id) is in another job (\(job.id)), which the restart would break",
        isStart ? "keyturn logs shows what it waits for" : "wait for it: systemctl list-jobs")
    }
    if unit.subState.hasPrefix("auto-restart") {
      add(
        .warning, "unit-start-loop",
        "the server ends after each start and systemd starts it again (restart \(unit.nRestarts)): the start of a rollout would end the same way unless the change is what it lacks",
        "keyturn logs --errors shows why it ends")
    } else if unit.activeState == "failed" {
      // Result= keeps what the last start ended with, where there was one (`service_enter_dead` of
      // systemd 252); that systemd has given up shows in the count then.
      let isLimit =
        unit.result == "start-limit-hit"
        || (unit.startLimitBurst > 0 && unit.nRestarts >= max(1, unit.startLimitBurst - 1))
      add(
        .warning, isLimit ? "unit-start-limit-hit" : "unit-failed",
        isLimit
          ? "systemd stopped restarting \(unit.id) after \(unit.nRestarts) tries (Result=\(unit.result)); a rollout resets that count before its own start"
          : "\(unit.id) is failed (Result=\(unit.result)), so the other nodes run without this one",
        "keyturn logs --errors shows why it ended")
    }
  }

  // MARK: the Key Manager's API key

  /// Releases between the first with the Key Manager and the first that takes k2 keys end with
  /// FATAL.
  private mutating func keyKind() {
    guard let release = surroundings.release, release < .firstToTakeECDSAKeys,
      release >= .firstWithKeyManager,
      surroundings.environment?["MINIO_KMS_API_KEY"]?.hasPrefix("k2:") == true
    else { return }
    add(
      .warning, "key-kind",
      "MINIO_KMS_API_KEY is a k2: key, and the server that runs is \(release.text), which takes only k1: keys and would end with FATAL",
      "use a k1: key, or update the server to \(ServerRelease.firstToTakeECDSAKeys.text) or later; if that is done and only the restart is missing, nothing"
    )
  }

  // MARK: Type=

  private mutating func type() {
    switch unit.type {
    case "notify", "notify-reload":
      if unit.notifyAccess == "none" {
        add(
          .error, "unit-notify-access",
          "Type=\(unit.type) of \(unit.id) with NotifyAccess=none: systemd does not hear the server's READY=1, and no start would ever end",
          "remove NotifyAccess= from the unit")
      } else if let release = surroundings.release, release < .firstToSayReady {
        add(
          .error, "unit-type",
          "Type=\(unit.type) of \(unit.id), and the server is \(release.text), which does not send READY=1: no start would ever end",
          "set Type=simple, or update the server to \(ServerRelease.firstToSayReady.text) or later")
      }
    case "simple", "exec", "idle":
      let knows = surroundings.release.map { $0 >= .firstToSayReady } ?? false
      add(
        .warning, "unit-type",
        "Type=\(unit.type) of \(unit.id): systemd calls the server active before it has done anything, so that a start is judged by its log and its health alone",
        knows
          ? "set Type=notify: \(surroundings.release?.text ?? "") sends READY=1"
          : "set Type=notify if the server is \(ServerRelease.firstToSayReady.text) or later")
    default:
      add(
        .error, "unit-type",
        "Type=\(unit.type) of \(unit.id): systemd would wait for something that the server never does",
        "set Type=notify, as in the official unit")
    }
  }

  // MARK: stop and start

  private mutating func stop() {
    let timeout = unit.timeoutStopMicroseconds
    if timeout == .max {
      add(
        .note, "unit-stop-timeout",
        "TimeoutStopSec=infinity of \(unit.id): a server that hangs while it stops is never ended, and the rollout reports the node after \(surroundings.stopSeconds) s",
        "systemctl kill --signal=SIGKILL \(unit.id) ends one that hangs")
    } else if !unit.sendsSIGKILL {
      add(
        .warning, "unit-stop-leaves",
        "TimeoutStopSec=\(Self.seconds(timeout)) and SendSIGKILL=no of \(unit.id): a server that hangs while it stops is left running after that, and the new one finds its port in use",
        "set SendSIGKILL=yes, or TimeoutStopSec=infinity as in the official unit")
    } else if timeout < Self.stopMicroseconds {
      add(
        .warning, "unit-stop-kills",
        "TimeoutStopSec=\(Self.seconds(timeout)) of \(unit.id): the server is killed if it has not ended by then, and may need a minute to write what it has begun",
        "set TimeoutStopSec=infinity as in the official unit, or 90 s and more")
    }
  }

  /// How long a server may take to stop in good order (docs/facts.md, "The server's unit"), with a
  /// margin.
  private static let stopMicroseconds: UInt64 = 65_000_000

  private mutating func start() {
    let timeout = unit.timeoutStartMicroseconds
    if unit.type.hasPrefix("notify"), timeout / 1_000_000 < UInt64(surroundings.startSeconds) {
      add(
        .warning, "unit-start-timeout",
        "TimeoutStartSec=\(Self.seconds(timeout)) of \(unit.id): systemd ends a start that waits for its peers before the rollout does (startSeconds \(surroundings.startSeconds) in the inventory)",
        "set TimeoutStartSec=infinity as in the official unit")
    }
    if unit.restart == "no" {
      add(
        .warning, "unit-restart",
        "Restart=no of \(unit.id): a server that ends, for a Key Manager that was away for a moment, stays down until somebody starts it",
        "set Restart=always as in the official unit")
      return
    }
    if unit.restartMicroseconds / 1_000_000 >= UInt64(surroundings.startSeconds) {
      add(
        .warning, "unit-restart-sec",
        "RestartSec=\(Self.seconds(unit.restartMicroseconds)) of \(unit.id): a server that ends is started again only after the rollout has given it up",
        "leave RestartSec= out, or set a few seconds")
    }
    let (burst, interval) = (unit.startLimitBurst, unit.startLimitIntervalMicroseconds)
    if burst == 0 || interval == 0 { return }
    let pauses = unit.restartMicroseconds.multipliedReportingOverflow(by: UInt64(burst))
    if burst == 1 {
      add(
        .warning, "unit-start-limit",
        "StartLimitBurst=1 of \(unit.id): there is no room for a second try, a server that ends once within \(Self.seconds(interval)) stays down",
        "set StartLimitBurst=5 or more")
    } else if !pauses.overflow, pauses.partialValue < interval {
      add(
        .note, "unit-start-limit",
        "a server that ends at once is started \(burst) times, then systemd gives up (StartLimitBurst=\(burst) in \(Self.seconds(interval)), RestartSec=\(Self.seconds(unit.restartMicroseconds))); a rollout resets that count before its own start",
        "systemctl reset-failed \(unit.id) before a start by hand")
    }
  }

  // MARK: what it runs

  private mutating func command() {
    let words = unit.execStart
    guard let program = words.first else {
      add(.error, "unit-exec", "\(unit.id) has no ExecStart=", "install the official unit")
      return
    }
    guard words.dropFirst().contains("server") else {
      let name = program.split(separator: "/").last.map(String.init) ?? program
      add(
        .warning, "unit-exec",
        "ExecStart= of \(unit.id) runs \(name) without the word server: where the server listens, logs and has its certificates is not known, and its defaults are taken for it",
        "let ExecStart= run minio server $MINIO_OPTS $MINIO_VOLUMES itself")
      return
    }
    guard let environment = surroundings.environment else { return }
    let isUsed = words.contains { $0.contains("$MINIO_OPTS") || $0.contains("${MINIO_OPTS}") }
    if environment["MINIO_OPTS"]?.isEmpty == false, !isUsed {
      add(
        .warning, "unit-exec-unused",
        "MINIO_OPTS is set, and ExecStart= of \(unit.id) does not use it",
        "write $MINIO_OPTS into ExecStart=, or remove the variable")
    }
    // Options are taken from the environment before the server reads its own file.
    for name in ["MINIO_OPTS", "MINIO_ADDRESS", "MINIO_CONFIG", "MINIO_LOG_DIR"] {
      guard let value = environment[name], let atStart = surroundings.atStart,
        atStart[name] != value
      else { continue }
      add(
        .warning, "variable-too-late",
        "\(name) in the file that MINIO_CONFIG_ENV_FILE names has no effect: the server's options are complete before it reads that file",
        "move it into the file that the unit's EnvironmentFile= names")
    }
  }

  private mutating func options() {
    if let file = arguments.configurationFile {
      add(
        .warning, "server-config",
        "--config \(file): what that file says of pools, address and certificates is not read here, so that the server may be looked for elsewhere than it is, and whether it takes writes is judged by its log",
        "give the address and the certificates' directory in MINIO_OPTS too, as in that file")
    }
    if arguments.healthAddress == nil {
      add(
        .error, "server-address",
        "--address \(arguments.address ?? "") is not a host and a port: its health could not be asked for, and no start would be confirmed",
        "correct --address in MINIO_OPTS, for example :9000")
    }
    if let directory = arguments.certificatesDirectory, !directory.hasPrefix("/") {
      add(
        .warning, "server-certs-dir",
        "--certs-dir \(directory) is no absolute path: whether the server speaks https, and which authorities it trusts, is not known here",
        "give it an absolute path")
    }
    if let directory = arguments.logDirectory {
      if directory.hasPrefix("/") {
        add(
          .note, "server-log-dir",
          "--log-dir \(directory): the server's lines are read from the files there, the journal stays empty",
          "keyturn logs shows the journal only")
      } else {
        add(
          .warning, "server-log-dir",
          "--log-dir \(directory) is no absolute path: the server's lines cannot be read, and a start is judged by the unit and its health alone",
          "give it an absolute path")
      }
    }
    if arguments.quiet {
      add(
        .note, "server-quiet",
        "--quiet: the server does not say how far its start is, so that a start is judged by the unit, its health and the errors that it logs",
        "remove --quiet from MINIO_OPTS")
    }
    if arguments.json {
      add(
        .note, "server-json", "--json: the server's lines are JSON, and are read as such",
        "nothing is to be done")
    }
  }

  private mutating func files() {
    for file in surroundings.unreadable {
      let user = unit.user.isEmpty ? "root" : unit.user
      add(
        file.isAuthority ? .warning : .error,
        file.isAuthority ? "authority-unreadable" : "certificate-unreadable",
        file.isAuthority
          ? "\(user) cannot read the authority \(file.path), which the server passes over in silence: \(file.why)"
          : "\(user) cannot read \(file.path), and the server would not start: \(file.why)",
        "give it to the group of \(unit.id) (chgrp, chmod 640), and let it search the directories on the way"
      )
    }
  }

  private static func seconds(_ microseconds: UInt64) -> String {
    if microseconds == .max { return "infinity" }
    if microseconds % 1_000_000 == 0 { return "\(microseconds / 1_000_000) s" }
    return "\(microseconds / 1_000) ms"
  }
}
