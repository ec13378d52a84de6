// SPDX-License-Identifier: Apache-2.0
import Testing

/// Something that is done to minio-2, or to what it depends on, what all commands and the metrics make of it, and what
/// mends it.
struct HealthState: Sendable, CustomTestStringConvertible {
  enum Act: Sendable {
    case onNode(String)
    case onHosts([String], String)
    /// `crash` and `boot`, of minio-2's host.
    case host(String)
    /// `FILE` stands for the lab's settings.
    case keyturn([String])
    indirect case both(Act, Act)
  }

  var name: String
  /// What status, check, check --strict and check --nagios exit with.
  var exits: [Int32]
  var plan: Int32
  /// Of minio-2; empty where it does not answer.
  var metrics: [(String, Int)]
  /// What all of them say.
  var says: String
  var broken: Act
  /// What status or check names as what mends it.
  var mend: Act
  /// What puts the node right where the test has failed before it was mended.
  var undo: Act?
  /// How long it takes at the longest until all of them know, milliseconds.
  var knownMilliseconds = 0
  var testDescription: String { name }

  init(
    _ name: String, _ exits: [Int32], plan: Int32, _ metrics: [(String, Int)] = [], says: String,
    broken: String, undo: String
  ) {
    self.init(
      name, exits, plan: plan, metrics, says: says, broken: .onNode(broken), mend: .onNode(undo),
      undo: .onNode(undo))
  }

  init(
    _ name: String, _ exits: [Int32], plan: Int32, _ metrics: [(String, Int)] = [], says: String,
    broken: String, mend: Act, undo: String
  ) {
    self.init(
      name, exits, plan: plan, metrics, says: says, broken: .onNode(broken), mend: mend,
      undo: .onNode(undo))
  }

  init(
    _ name: String, _ exits: [Int32], plan: Int32, _ metrics: [(String, Int)] = [], says: String,
    broken: Act, mend: Act, undo: Act?, knownMilliseconds: Int = 0
  ) {
    self.knownMilliseconds = knownMilliseconds
    self.name = name
    self.exits = exits
    self.plan = plan
    self.metrics = metrics
    self.says = says
    self.broken = broken
    self.mend = mend
    self.undo = undo
  }

  static let well: [Int32] = [0, 0, 0, 0]
  static let wrong: [Int32] = [1, 1, 1, 2]
  static let remarked: [Int32] = [0, 0, 1, 1]
  static let unknown: [Int32] = [3, 3, 3, 3]

  static let all = elsewhere + servers + files + records

  private static let file = "/etc/default/minio"
  private static let unit = "/etc/systemd/system/minio.service"
  private static let dropIns = "/etc/systemd/system/minio.service.d"
  private static let reload = "systemctl daemon-reload"
  private static let keep = "cp -p \(file) /run/good"
  private static let putBack = "cat /run/good >\(file)"
  private static let down = [("keyturn_server_up", 0), ("keyturn_server_ready", 0)]

  // MARK: the server

  private static let servers = [
    HealthState(
      "the server is stopped", wrong, plan: 0, down,
      says:
        "minio-2: the server does not run: minio.service is inactive (dead) — `systemctl start minio.service` there",
      broken: "systemctl stop minio", undo: "systemctl start minio.service"),
    HealthState(
      "the server is killed and not started again", wrong, plan: 0, down,
      says: "minio-2: the server does not run: minio.service is failed (Result=",
      broken: """
        printf '[Service]\\nRestart=no\\n' >\(dropIns)/z.conf && \(reload)
        systemctl kill -s KILL minio
        while systemctl is-active -q minio; do sleep 0.1; done
        """,
      undo: """
        rm \(dropIns)/z.conf && \(reload)
        systemctl reset-failed minio.service && systemctl start minio.service
        """),
    HealthState(
      "the server ends after each start", wrong, plan: 0, [("keyturn_server_ready", 0)],
      says: "minio-2: the server does not run: it ends after each start",
      broken: """
        printf '[Service]\\nExecStartPre=/bin/false\\nRestartSec=60\\n' \
          >\(dropIns)/z.conf && \(reload)
        systemctl restart --no-block minio
        until [ "$(systemctl show minio -P SubState)" = auto-restart ]; do sleep 0.1; done
        """,
      undo: "rm \(dropIns)/z.conf && \(reload) && systemctl restart minio"),
    HealthState(
      "its start does not end", wrong, plan: 0, [("keyturn_server_ready", 0)],
      says: "minio-2: the server is not READY: its start has not ended",
      broken: """
        printf '[Service]\\nExecStartPre=/bin/sleep 600\\n' >\(dropIns)/z.conf && \(reload)
        systemctl restart --no-block minio
        until [ "$(systemctl is-active minio)" = activating ]; do sleep 0.1; done
        """,
      undo: "rm \(dropIns)/z.conf && \(reload) && systemctl restart minio"),
    HealthState(
      "its unit is masked", wrong, plan: 5, down,
      says:
        "minio-2: the server does not run: minio.service is masked — `systemctl unmask minio.service` and",
      broken: "systemctl stop minio; mv \(unit) /run/unit && systemctl -q mask minio.service",
      undo: """
        systemctl -q unmask minio.service; cp /run/unit \(unit) && \(reload)
        systemctl start minio.service
        """),
    HealthState(
      "its unit is not there", wrong, plan: 5, down,
      says: "minio-2: the server does not run: minio.service is not-found — install the unit",
      broken: "systemctl stop minio; mv \(unit) /run/unit && \(reload)",
      undo: "cp /run/unit \(unit) && \(reload) && systemctl start minio.service"),
    HealthState(
      "another program", wrong, plan: 8, [(#"keyturn_drift{kind="binary"}"#, 1)],
      says: "minio-2: the installed MinIO programs are not the same",
      broken: """
        p=/usr/local/bin/minio; cp -p $p /run/minio.old && cp -p $p $p.new
        printf RELEASE.2030-01-01T00-00-00Z >>$p.new && mv $p.new $p
        """,
      undo: "p=/usr/local/bin/minio; cp -p /run/minio.old $p.new && mv $p.new $p"),
    HealthState(
      "another variable in the running server", wrong, plan: 0,
      [(#"keyturn_drift{kind="process"}"#, 1)],
      says:
        "minio-2: the running servers have other settings: MINIO_PROMETHEUS_AUTH_TYPE is set only on minio-2",
      broken: """
        printf '[Service]\\nEnvironment=MINIO_PROMETHEUS_AUTH_TYPE=public\\n' >\(dropIns)/z.conf
        \(reload); systemctl restart --no-block minio
        until tr '\\0' '\\n' </proc/$(systemctl show minio -P MainPID)/environ | grep -q AUTH_TYPE; do
          sleep 0.1
        done
        rm \(dropIns)/z.conf; \(reload)
        """,
      mend: .keyturn(["restart", "--yes"]), undo: "systemctl restart minio"),
  ]

  // MARK: files

  private static let files = [
    HealthState(
      "another variable in the file", wrong, plan: 8,
      says: "minio-2: the files have other settings: MINIO_SITE_NAME is set only on minio-2",
      broken: "\(keep); echo MINIO_SITE_NAME=x >>\(file)",
      mend: .keyturn(["apply", "--yes", "--unset", "MINIO_SITE_NAME"]), undo: putBack),
    HealthState(
      "another value in the file", wrong, plan: 0, [(#"keyturn_drift{kind="edited"}"#, 1)],
      says: "minio-2: the files have other settings: MINIO_KMS_SERVER differs",
      broken:
        "\(keep); sed -i 's|^MINIO_KMS_SERVER=.*|MINIO_KMS_SERVER=\"https://kms-1:7373\"|' \(file)",
      mend: .keyturn(["apply", "--yes", "--settings", "FILE"]), undo: putBack),
    HealthState(
      "a comment in the file", remarked, plan: 0, [(#"keyturn_drift{kind="edited"}"#, 1)],
      says: "drift: \(file) is not what", broken: "\(keep); echo '# by hand' >>\(file)",
      mend: .keyturn(["rollback", "--yes"]), undo: putBack),
    HealthState(
      "no file", wrong, plan: 5, [(#"keyturn_drift{kind="edited"}"#, 1)],
      says: "minio-2: the files have other settings: ",
      broken: "\(keep); rm \(file)", mend: .keyturn(["rollback", "--yes"]),
      undo: "cp -p /run/good \(file)"),
    HealthState(
      "another SSE key in the file", wrong, plan: 0, [(#"keyturn_drift{kind="key"}"#, 1)],
      says: "the start guard would refuse",
      broken: "\(keep); sed -i 's/^MINIO_KMS_SSE_KEY=.*/MINIO_KMS_SSE_KEY=\"other\"/' \(file)",
      mend: .keyturn(["apply", "--yes", "--settings", "FILE"]), undo: putBack),
    HealthState(
      "the file names another cluster's hosts", wrong, plan: 5,
      says: "MINIO_VOLUMES names minio-4, which the inventory has not",
      broken: "\(keep); sed -i 's/{1\\.\\.\\.3}/{1...4}/' \(file)", undo: putBack),
    HealthState(
      "the mode of the file", remarked, plan: 0, [(#"keyturn_drift{kind="attributes"}"#, 1)],
      says: "drift: \(file) had mode",
      broken: "stat -c %a \(file) >/run/mode; chmod 604 \(file)",
      undo: "chmod $(cat /run/mode) \(file)"),
    HealthState(
      "the owner of the file", remarked, plan: 0, [(#"keyturn_drift{kind="attributes"}"#, 1)],
      says: "drift: \(file) had mode", broken: "chown nobody \(file)", undo: "chown root \(file)"),
    HealthState(
      "another file of the same content", well, plan: 0, [("keyturn_server_ready", 1)], says: "",
      broken: "cp -p \(file) \(file).new && mv \(file).new \(file)", undo: "true"),
    HealthState(
      "another environment in the unit", remarked, plan: 0, [(#"keyturn_drift{kind="unit"}"#, 1)],
      says: "drift: minio.service has other",
      broken: "printf '[Service]\\nEnvironment=GOGC=50\\n' >\(dropIns)/z.conf && \(reload)",
      undo: "rm \(dropIns)/z.conf && \(reload)"),
    HealthState(
      "systemd has not read the unit's files", remarked, plan: 0,
      says: "the files of minio.service have changed since systemd read them",
      broken: "touch -d '+1 second' \(dropIns)/10-keyturn.conf; sleep 1.1",
      undo: "systemctl daemon-reload"),
    HealthState(
      "no start guard", wrong, plan: 5, [("keyturn_start_guard", 0)],
      says: "the start guard is not in force here, and is on the other nodes",
      broken: "mv \(dropIns)/10-keyturn.conf /run/guard && \(reload)",
      undo: "mv /run/guard \(dropIns)/10-keyturn.conf && \(reload)"),
  ]

  // MARK: the agent

  private static let restartAgent = "systemctl restart keyturnd; sleep 1"

  private static let records = [
    HealthState(
      "another inventory in the file", remarked, plan: 0,
      says: "somebody has edited the inventory's file on minio-2",
      broken: """
        cp /etc/keyturn/inventory.json /run/inventory
        sed -i 's/"settleSeconds": 2}/"settleSeconds": 3}, "rollback": "never"/' /etc/keyturn/inventory.json
        \(restartAgent)
        """,
      undo: "cat /run/inventory >/etc/keyturn/inventory.json; \(restartAgent)"),
    HealthState(
      "a damaged seal", wrong, plan: 6,
      says: "the seal is damaged",
      broken:
        "s=/var/lib/keyturn/seal; cp -p $s /run/seal; echo x >$s; \(restartAgent)",
      mend: .keyturn(["seal", "recover", "minio-2"]),
      undo: "cat /run/seal >/var/lib/keyturn/seal; \(restartAgent)"),
    HealthState(
      "a damaged generation", remarked, plan: 0, [("keyturn_server_ready", 1)],
      says: "its checksum is wrong",
      broken: """
        g=$(ls /var/lib/keyturn/generations | tail -1); cp -p /var/lib/keyturn/generations/$g /run/gen
        echo x >/var/lib/keyturn/generations/$g; \(restartAgent)
        """,
      undo: """
        g=$(ls /var/lib/keyturn/generations | tail -1); cat /run/gen >/var/lib/keyturn/generations/$g
        \(restartAgent)
        """),
    HealthState(
      "no agent", unknown, plan: 4, says: "minio-2: ",
      broken: "systemctl stop keyturnd.socket keyturnd",
      undo: "systemctl start keyturnd.socket keyturnd"),
  ]

  // MARK: hosts

  private static let startKeyManagers = Act.onHosts(["kms-1", "kms-2"], "systemctl start minkms")

  /// An agent looks at its Key Managers when it starts, and then about every 60 s.
  private static func stopKeyManagers(_ hosts: [String]) -> Act {
    .both(
      .onHosts(hosts, "systemctl stop minkms"),
      .onHosts(["minio-1", "minio-2", "minio-3"], restartAgent))
  }

  private static let elsewhere = [
    HealthState(
      "the node is off", unknown, plan: 4, says: "minio-2: ", broken: .host("crash"),
      mend: .host("boot"), undo: nil),
    HealthState(
      "one of two Key Managers is down", wrong, plan: 0,
      [
        (#"keyturn_key_manager_links{direction="forward",verdict="failed"}"#, 1),
        ("keyturn_server_ready", 1),
      ],
      says: "minio-[1-3]: ", broken: stopKeyManagers(["kms-2"]),
      mend: startKeyManagers, undo: startKeyManagers, knownMilliseconds: 30_000),
    HealthState(
      "all Key Managers are down", wrong, plan: 7,
      [
        (#"keyturn_key_manager_links{direction="forward",verdict="failed"}"#, 2),
        ("keyturn_server_ready", 1),
      ],
      says: "minio-[1-3]: ", broken: stopKeyManagers(["kms-1", "kms-2"]),
      mend: startKeyManagers, undo: startKeyManagers, knownMilliseconds: 30_000),
  ]
}
