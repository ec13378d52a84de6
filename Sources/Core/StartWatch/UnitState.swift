/// What systemd says of a unit at one moment (`systemctl show`; org.freedesktop.systemd1).
public struct UnitState: Sendable, Hashable, Codable {
  /// The unit's name, for example `minio.service`.
  public var id: String
  /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
  public var loadState: String
  /// `active`, `activating`, `deactivating`, `reloading`, `inactive`, `failed`.
  public var activeState: String
  /// The state in the words of the unit's kind: `running`, `start`, `auto-restart`, `dead`.
  public var subState: String
  /// `notify`, `simple`, `exec`, ...
  public var type: String
  /// The main process; 0 if there is none.
  public var mainPID: Int32
  /// 32 hex digits; empty if the unit was never started on this boot.
  public var invocationID: String
  /// Automatic restarts since the last one by hand.
  public var nRestarts: Int
  /// `success`, `exit-code`, `signal`, `timeout`, `resources`, `start-limit-hit`, ...
  public var result: String
  /// When the main process was started, microseconds of CLOCK_MONOTONIC; 0 if never.
  public var execMainStartMonotonicMicroseconds: UInt64
  /// How the main process ended: CLD_EXITED (1), CLD_KILLED (2), CLD_DUMPED (3); 0 while it runs.
  public var execMainCode: Int32
  /// Its exit status or the signal that ended it.
  public var execMainStatus: Int32
  /// The user that it runs as; empty for root.
  public var user: String
  /// The group that it runs as; empty for the user's own.
  public var group: String
  /// The environment files, each with its leading `-` if it may be missing.
  public var environmentFiles: [String]
  /// `Environment=`, each `NAME=value`.
  public var environment: [String]
  /// The words of `ExecStart=`, variables not expanded.
  public var execStart: [String]

  /// A state; see the properties.
  public init(
    id: String, loadState: String = "loaded", activeState: String, subState: String,
    type: String = "notify", mainPID: Int32 = 0, invocationID: String = "", nRestarts: Int = 0,
    result: String = "success", execMainStartMonotonicMicroseconds: UInt64 = 0,
    execMainCode: Int32 = 0, execMainStatus: Int32 = 0, user: String = "", group: String = "",
    environmentFiles: [String] = [], environment: [String] = [], execStart: [String] = []
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
    self.execMainCode = execMainCode
    self.execMainStatus = execMainStatus
    self.user = user
    self.group = group
    self.environmentFiles = environmentFiles
    self.environment = environment
    self.execStart = execStart
  }
}
