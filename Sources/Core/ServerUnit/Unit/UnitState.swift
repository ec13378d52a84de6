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

  package var id: String
  /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
  package var loadState: String = "loaded"
  /// `active`, `activating`, `deactivating`, `reloading`, `inactive`, `failed`.
  package var activeState: String
  /// The state in the words of the unit's kind: `running`, `start`, `auto-restart`, `dead`.
  package var subState: String
  /// `notify`, `simple`, `exec`, ...
  package var type: String = "notify"
  /// The main process; 0 if there is none.
  package var mainPID: Int32
  /// 32 hex digits; empty if the unit was never started on this boot.
  package var invocationID: String
  /// Automatic restarts since the last one by hand.
  package var nRestarts: Int = 0
  /// `success`, `exit-code`, `signal`, `timeout`, `resources`, `start-limit-hit`, ...
  package var result: String = "success"
  /// When the unit was last on the way from active to inactive, microseconds of CLOCK_MONOTONIC; 0
  /// if never.
  package var activeExitMonotonicMicroseconds: UInt64 = 0
  /// When it was inactive then; 0 if never.
  package var inactiveEnterMonotonicMicroseconds: UInt64 = 0
  /// When the main process was started, microseconds of CLOCK_MONOTONIC; 0 if never.
  package var execMainStartMonotonicMicroseconds: UInt64 = 0
  /// The same, microseconds since 1970; 0 if never.
  package var execMainStartRealtimeMicroseconds: UInt64 = 0
  /// The main process of the latest start, which systemd still names after its end; 0 from the
  /// start's beginning until there is one.
  package var execMainPID: Int32 = 0
  /// How the main process ended: CLD_EXITED (1), CLD_KILLED (2), CLD_DUMPED (3); 0 while it runs.
  package var execMainCode: Int32 = 0
  /// Its exit status or the signal that ended it.
  package var execMainStatus: Int32 = 0
  /// Empty for root.
  package var user: String = ""
  /// Empty for the user's own.
  package var group: String = ""
  package var environmentFiles: [EnvironmentFile] = []
  /// `Environment=`, each `NAME=value`.
  package var environment: [String] = []
  /// `PassEnvironment=`: names of variables that it gets from the service manager's own process.
  package var passEnvironment: [String] = []
  /// `UnsetEnvironment=`: `NAME`, or `NAME=value`, that it does not get wherever they are set.
  package var unsetEnvironment: [String] = []
  package var supplementaryGroups: [String] = []
  /// A bit for each (linux/capability.h).
  package var ambientCapabilities: UInt64 = 0
  package var capabilityBoundingSet: UInt64 = .max
  /// Variables are not expanded.
  package var execStart: [String] = []
  package var startPre: [Command] = []
  /// `Restart=`: `no`, `always`, `on-failure`, ...
  package var restart: String = "no"
  /// `StartLimitBurst=`: so many starts in `startLimitIntervalMicroseconds`, then none; 0 for no
  /// limit.
  package var startLimitBurst: Int = 0
  package var startLimitIntervalMicroseconds: UInt64 = 0
  /// `TimeoutStartSec=`, microseconds; UInt64.max for infinity.
  package var timeoutStartMicroseconds: UInt64 = .max
  /// `TimeoutStopSec=`, microseconds; UInt64.max for infinity.
  package var timeoutStopMicroseconds: UInt64 = .max
  package var restartMicroseconds: UInt64 = 100_000
  /// `SendSIGKILL=`: whether what has not ended by `TimeoutStopSec=` is killed.
  package var sendsSIGKILL: Bool = true
  /// Whether the unit's files are newer than what the service manager has read.
  package var needDaemonReload: Bool = false
  /// The unit's file; empty if there is none.
  package var fragmentPath: String = ""
  package var dropIns: [String] = []
  /// `NotifyAccess=`: `none`, `main`, `exec`, `all`.
  package var notifyAccess: String = "main"
  package var job: Job?
  package var sandbox: UnitSandbox = UnitSandbox()

  /// A unit with systemd's defaults for all that `change` does not set.
  package init(
    id: String, activeState: String, subState: String, mainPID: Int32 = 0,
    invocationID: String = "", _ change: (inout UnitState) -> Void = { _ in }
  ) {
    self.id = id
    self.activeState = activeState
    self.subState = subState
    self.mainPID = mainPID
    self.invocationID = invocationID
    change(&self)
  }
}

/// systemd itself (`systemctl show`; org.freedesktop.systemd1).
///
/// `environment` may hold secrets that somebody set for all services: it is never shown as it is.
package struct ManagerState: Sendable, Hashable {
  /// Its version, as in `252.39-1~deb12u2`.
  package var version: String
  /// What every service gets, each `NAME=value`: `DefaultEnvironment=`, and what
  /// `systemctl set-environment` has added since.
  package var environment: [String]

  package init(version: String = "", environment: [String] = []) {
    self.version = version
    self.environment = environment
  }

  /// The number before the first dot; nil if there is none.
  package var majorVersion: Int? {
    Int(version.drop { $0 == "v" }.prefix { ("0"..."9").contains($0) })
  }
}

/// Who a service runs as, as far as reading files goes.
package struct ServiceAccount: Sendable, Hashable {
  /// Name or number of the user.
  package var user: String
  /// Name or number of the group; empty for the user's own.
  package var group: String
  /// Names or numbers of further groups, beside those of the user.
  package var supplementaryGroups: [String]
  /// Whether it reads what permissions forbid (CAP_DAC_OVERRIDE or CAP_DAC_READ_SEARCH).
  package var overridesPermissions: Bool

  package init(
    user: String, group: String = "", supplementaryGroups: [String] = [],
    overridesPermissions: Bool = false
  ) {
    self.user = user
    self.group = group
    self.supplementaryGroups = supplementaryGroups
    self.overridesPermissions = overridesPermissions
  }
}

extension UnitState {
  /// Who its processes run as: root has the capabilities of the bounding set, others the ambient
  /// ones.
  package var account: ServiceAccount {
    let isRoot = ["", "root", "0"].contains(user)
    let capabilities = capabilityBoundingSet & (isRoot ? .max : ambientCapabilities)
    // linux/capability.h: CAP_DAC_OVERRIDE 1, CAP_DAC_READ_SEARCH 2.
    return ServiceAccount(
      user: isRoot ? "root" : user, group: group, supplementaryGroups: supplementaryGroups,
      overridesPermissions: capabilities & (1 << 1 | 1 << 2) != 0)
  }
}
