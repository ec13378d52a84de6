// SPDX-License-Identifier: Apache-2.0

/// What systemd says of a unit at one moment (`systemctl show`; org.freedesktop.systemd1).
///
/// `environment` and `execStart` may hold secrets that somebody wrote into the unit: they are never
/// shown as they are.
package struct UnitState: Sendable, Hashable, Codable {
  /// One `EnvironmentFile=` line.
  package struct EnvironmentFile: Sendable, Hashable, Codable {
    /// Its path or pattern (glob(7)), absolute.
    package var path: String
    /// Written with a leading `-`: it may be missing.
    package var isOptional: Bool

    package init(path: String, isOptional: Bool = false) {
      self.path = path
      self.isOptional = isOptional
    }
  }

  /// A job that is queued or running for the unit.
  package struct Job: Sendable, Hashable, Codable {
    package var id: UInt32
    package var path: String

    package init(id: UInt32, path: String) {
      self.id = id
      self.path = path
    }
  }

  /// A command of the unit, and how it ended when it was run last.
  package struct Command: Sendable, Hashable, Codable {
    /// The program; with the prefix @ another one than the first word.
    package var path: String
    /// Its words, variables not expanded.
    package var words: [String]
    /// What its prefixes say: `privileged` for +, `ignore-failure` for -, and others.
    package var flags: [String]
    /// CLD_EXITED (1), CLD_KILLED (2), CLD_DUMPED (3); 0 if it was not run yet, or runs.
    package var exitCode: Int32
    /// Its exit status or the signal that ended it.
    package var exitStatus: Int32

    package init(
      path: String? = nil, words: [String], flags: [String] = [], exitCode: Int32 = 0,
      exitStatus: Int32 = 0
    ) {
      self.path = path ?? words.first ?? ""
      self.words = words
      self.flags = flags
      self.exitCode = exitCode
      self.exitStatus = exitStatus
    }
  }

  /// The unit's name, for example `minio.service`.
  package var id: String
  /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
  package var loadState: String
  /// `active`, `activating`, `deactivating`, `reloading`, `inactive`, `failed`.
  package var activeState: String
  /// The state in the words of the unit's kind: `running`, `start`, `auto-restart`, `dead`.
  package var subState: String
  /// `notify`, `simple`, `exec`, ...
  package var type: String
  /// The main process; 0 if there is none.
  package var mainPID: Int32
  /// 32 hex digits; empty if the unit was never started on this boot.
  package var invocationID: String
  /// Automatic restarts since the last one by hand.
  package var nRestarts: Int
  /// `success`, `exit-code`, `signal`, `timeout`, `resources`, `start-limit-hit`, ...
  package var result: String
  /// When the unit was last on the way from active to inactive, microseconds of CLOCK_MONOTONIC; 0
  /// if never.
  package var activeExitMonotonicMicroseconds: UInt64 = 0
  /// When it was inactive then; 0 if never.
  package var inactiveEnterMonotonicMicroseconds: UInt64 = 0
  /// When the main process was started, microseconds of CLOCK_MONOTONIC; 0 if never.
  package var execMainStartMonotonicMicroseconds: UInt64
  /// The same, microseconds since 1970; 0 if never.
  package var execMainStartRealtimeMicroseconds: UInt64
  /// The main process of the latest start, which systemd still names after its end; 0 from the
  /// start's beginning until there is one.
  package var execMainPID: Int32
  /// How the main process ended: CLD_EXITED (1), CLD_KILLED (2), CLD_DUMPED (3); 0 while it runs.
  package var execMainCode: Int32
  /// Its exit status or the signal that ended it.
  package var execMainStatus: Int32
  /// The user that it runs as; empty for root.
  package var user: String
  /// The group that it runs as; empty for the user's own.
  package var group: String
  /// The `EnvironmentFile=` lines, in their order.
  package var environmentFiles: [EnvironmentFile]
  /// `Environment=`, each `NAME=value`.
  package var environment: [String]
  /// `PassEnvironment=`: names of variables that it gets from the service manager's own process.
  package var passEnvironment: [String]
  /// `UnsetEnvironment=`: `NAME`, or `NAME=value`, that it does not get wherever they are set.
  package var unsetEnvironment: [String]
  /// `SupplementaryGroups=`.
  package var supplementaryGroups: [String]
  /// `AmbientCapabilities=`, a bit for each.
  package var ambientCapabilities: UInt64
  /// `CapabilityBoundingSet=`, a bit for each.
  package var capabilityBoundingSet: UInt64
  /// The words of `ExecStart=`, variables not expanded.
  package var execStart: [String]
  /// The commands of `ExecStartPre=`, in their order.
  package var startPre: [Command]
  /// `Restart=`: `no`, `always`, `on-failure`, ...
  package var restart: String
  /// `StartLimitBurst=`: so many starts in `startLimitIntervalMicroseconds`, then none; 0 for no
  /// limit.
  package var startLimitBurst: Int
  /// `StartLimitIntervalSec=`, microseconds.
  package var startLimitIntervalMicroseconds: UInt64
  /// `TimeoutStartSec=`, microseconds; UInt64.max for infinity.
  package var timeoutStartMicroseconds: UInt64
  /// `TimeoutStopSec=`, microseconds; UInt64.max for infinity.
  package var timeoutStopMicroseconds: UInt64
  /// `RestartSec=`, microseconds.
  package var restartMicroseconds: UInt64
  /// `SendSIGKILL=`: whether what has not ended by `TimeoutStopSec=` is killed.
  package var sendsSIGKILL: Bool
  /// Whether the unit's files are newer than what the service manager has read.
  package var needDaemonReload: Bool
  /// The unit's file; empty if there is none.
  package var fragmentPath: String
  package var dropIns: [String]
  /// `NotifyAccess=`: `none`, `main`, `exec`, `all`.
  package var notifyAccess: String
  /// The job that is queued or running for it.
  package var job: Job?
  /// What it makes of the host's files.
  package var sandbox: UnitSandbox

  package init(
    id: String, loadState: String = "loaded", activeState: String, subState: String,
    type: String = "notify", mainPID: Int32 = 0, invocationID: String = "", nRestarts: Int = 0,
    result: String = "success", execMainStartMonotonicMicroseconds: UInt64 = 0,
    execMainStartRealtimeMicroseconds: UInt64 = 0,
    execMainPID: Int32 = 0, execMainCode: Int32 = 0, execMainStatus: Int32 = 0, user: String = "",
    group: String = "", environmentFiles: [EnvironmentFile] = [], environment: [String] = [],
    passEnvironment: [String] = [], unsetEnvironment: [String] = [],
    supplementaryGroups: [String] = [], ambientCapabilities: UInt64 = 0,
    capabilityBoundingSet: UInt64 = .max,
    execStart: [String] = [], startPre: [Command] = [], restart: String = "no",
    startLimitBurst: Int = 0,
    startLimitIntervalMicroseconds: UInt64 = 0, timeoutStartMicroseconds: UInt64 = .max,
    timeoutStopMicroseconds: UInt64 = .max, restartMicroseconds: UInt64 = 100_000,
    sendsSIGKILL: Bool = true, needDaemonReload: Bool = false,
    fragmentPath: String = "", dropIns: [String] = [], notifyAccess: String = "main",
    job: Job? = nil, sandbox: UnitSandbox = UnitSandbox()
  ) {
    self.id = id
    self.loadState = loadState
    self.activeState = activeState
    self.subState = subState
    self.type = type
    self.mainPID = mainPID
    self.invocationID = invocationID
    self.nRestarts = nRestarts
    self.result = result
    self.execMainStartMonotonicMicroseconds = execMainStartMonotonicMicroseconds
    self.execMainStartRealtimeMicroseconds = execMainStartRealtimeMicroseconds
    self.execMainPID = execMainPID
    self.execMainCode = execMainCode
    self.execMainStatus = execMainStatus
    self.user = user
    self.group = group
    self.environmentFiles = environmentFiles
    self.environment = environment
    self.passEnvironment = passEnvironment
    self.unsetEnvironment = unsetEnvironment
    self.supplementaryGroups = supplementaryGroups
    self.ambientCapabilities = ambientCapabilities
    self.capabilityBoundingSet = capabilityBoundingSet
    self.execStart = execStart
    self.startPre = startPre
    self.restart = restart
    self.startLimitBurst = startLimitBurst
    self.startLimitIntervalMicroseconds = startLimitIntervalMicroseconds
    self.timeoutStartMicroseconds = timeoutStartMicroseconds
    self.timeoutStopMicroseconds = timeoutStopMicroseconds
    self.restartMicroseconds = restartMicroseconds
    self.sendsSIGKILL = sendsSIGKILL
    self.needDaemonReload = needDaemonReload
    self.fragmentPath = fragmentPath
    self.dropIns = dropIns
    self.notifyAccess = notifyAccess
    self.job = job
    self.sandbox = sandbox
  }
}
