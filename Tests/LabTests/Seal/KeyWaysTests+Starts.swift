// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import Model
import TestSupport
import Testing
import Threads

// The ways that go past Keyturn: a hand edit, another tool, and then a start that systemd makes.
extension LabTests.KeyWaysTests {
  /// What is done on the node, beside the edit of the environment file that most begin with.
  struct Way {
    var name: String
    var prepare: String
    /// What the guard says, or the kind of the alarm.
    var expected: String

    init(_ name: String, _ prepare: String, _ expected: String) {
      (self.name, self.prepare, self.expected) = (name, prepare, expected)
    }

    /// A sed expression on the environment file.
    static func edit(_ expression: String, _ expected: String) -> Way {
      Way(expression, "sed -i '\(expression)' /etc/default/minio", expected)
    }

    /// A second file at a path.
    static func config(_ path: String, _ prepare: String, _ expected: String) -> Way {
      Way(
        "\(path); \(prepare)",
        "\(prepare); echo MINIO_CONFIG_ENV_FILE=\(path) >>/etc/default/minio", expected)
    }

    /// A drop-in of these lines.
    static func unit(_ lines: String, _ expected: String) -> Way { unit(lines, "true", expected) }

    /// A drop-in of these lines after what `prepare` makes.
    static func unit(_ lines: String, _ prepare: String, _ expected: String) -> Way {
      Way(
        "\(lines); \(prepare)",
        """
        \(prepare); printf '[Service]\\n\(lines)\\n' >/etc/systemd/system/minio.service.d/x.conf
        systemctl daemon-reload
        """, expected)
    }
  }

  private static let other = "s/^MINIO_KMS_SSE_KEY=.*/MINIO_KMS_SSE_KEY=another-key/"
  private static let without = "sed -i /^MINIO_KMS_SSE_KEY=/d /etc/default/minio"
  private static let byOther = "echo MINIO_KMS_SSE_KEY=another-key"

  static let guarded: [Way] = [
    .edit(other, "is \"another-key\""),
    .edit("/^MINIO_KMS_SSE_KEY=/d", "is missing"),
    .edit("s/^MINIO_KMS_SSE_KEY=/#&/", "is missing"),
    .edit("s/^MINIO_KMS_SSE_KEY=.*/MINIO_KMS_SSE_KEY=/", "is empty"),
    .edit("s/^MINIO_KMS_ENCLAVE=.*/MINIO_KMS_ENCLAVE=other/", "is \"other\""),
    .edit("$aMINIO_KMS_SSE_KEY=another-key", "is \"another-key\""),
    .config(config, "\(byOther) >\(config)", "\(config) line 1"),
    .config("/tmp/minio.env", "\(byOther) >/tmp/minio.env", "lies in /tmp"),
    .config(
      "/tmp/minio.env", "grep ^MINIO_KMS_SSE_KEY= /run/minio.good >/tmp/minio.env", "lies in /tmp"),
    .config("/var/tmp/minio.env", "\(byOther) >/var/tmp/minio.env", "lies in /var/tmp"),
    .config("/dev/shm/minio-lab.env", "\(byOther) >/dev/shm/minio-lab.env", "lies in /dev"),
    .config("/proc/self/environ", "true", "lies in /proc"),
    .config("minio.env", "true", "no absolute path"),
    .config("/etc/minio/none.env", "true", "is not there"),
    .config(config, "\(byOther) >/tmp/minio.env; ln -s /tmp/minio.env \(config)", "leads to /tmp"),
    .config(config, "echo MINIO_X=1 >\(config); chmod 666 \(config)", "every user may write"),
    .config(config, "echo MINIO_X=1 >\(config); chown minkms \(config)", "may write"),
    .config(
      "/etc/minio/open/a", "mkdir -m 1777 /etc/minio/open; echo MINIO_X=1 >/etc/minio/open/a",
      "every user may write"),
    Way(
      "set-environment", "\(without); systemctl set-environment MINIO_KMS_SSE_KEY=another-key",
      "is \"another-key\""),
    Way(
      "set-environment of the second file",
      "\(byOther) >\(config); systemctl set-environment MINIO_CONFIG_ENV_FILE=\(config)",
      "\(config) line 1"),
    .unit("Environment=MINIO_KMS_SSE_KEY=another-key", without, "is \"another-key\""),
    .unit("UnsetEnvironment=MINIO_KMS_SSE_KEY", "is missing"),
    .unit("PassEnvironment=MINIO_KMS_SSE_KEY", without, "is missing"),
    .unit(
      "EnvironmentFile=/srv/other/env", "mkdir /srv/other; \(byOther) >/srv/other/env",
      "is \"another-key\""),
    .unit(
      "EnvironmentFile=-/srv/other/*.env", "mkdir /srv/other; \(byOther) >/srv/other/a.env",
      "is \"another-key\""),
    .unit(
      "EnvironmentFile=\\nEnvironmentFile=/srv/other/env",
      "mkdir /srv/other; \(byOther) >/srv/other/env", "is \"another-key\""),
    Way(
      "a file mounted over the environment file",
      "mkdir /srv/other; sed '\(other)' /run/minio.good >/srv/other/env; mount --bind /srv/other/env /etc/default/minio",
      "is \"another-key\""),
    Way(
      "a link in the environment file's place",
      "mkdir /srv/other; sed '\(other)' /run/minio.good >/srv/other/env; ln -sf /srv/other/env /etc/default/minio",
      "is \"another-key\""),
    .unit(
      "BindPaths=/srv/other:/etc/minio",
      "mkdir /srv/other; \(byOther) >/srv/other/config.env; echo MINIO_X=1 >\(config); echo MINIO_CONFIG_ENV_FILE=\(config) >>/etc/default/minio",
      "\(config) line 1"),
  ]

  @Test("a start by hand with another key, whichever way it came, is refused by the start guard")
  func guarded() throws {
    for way in Self.guarded {
      let printed = try lab.exec(
        Self.node,
        """
        systemctl stop minio
        \(way.prepare)
        systemctl start minio 2>/dev/null; echo "code $?"
        [ "$(systemctl show minio -P ExecMainPID)" = 0 ] || echo STARTED
        journalctl -q -u minio -o cat -t keyturn -p err -n 1 || true
        """)
      #expect(printed.hasPrefix("code 1\n"), "\(way.name): \(printed)")
      #expect(
        !printed.contains("STARTED") && printed.contains(way.expected), "\(way.name): \(printed)")
      try undo()
    }
  }

  private static let asRoot = "ExecStartPre=+/bin/sh -c"

  static let alarmed: [Way] = [
    .unit(
      "ExecStart=\\nExecStart=/usr/bin/env MINIO_KMS_SSE_KEY=another-key /usr/local/lib/static/minio",
      "runningKey"),
    .unit(
      "ExecStart=\\nExecStart=/bin/sh -c \"export MINIO_KMS_ENCLAVE=other; exec /usr/local/lib/static/minio\"",
      "runningKey"),
    .unit(
      "Type=exec\\nExecStart=\\nExecStart=/bin/sh -c \"sleep 0.3; unset MINIO_KMS_SSE_KEY; exec /usr/local/lib/static/minio\"",
      "runningKey"),
    // Between the guard's look and the server's start.
    .unit("\(asRoot) \"\(byOther) >>/etc/default/minio\"", "runningKey"),
    .unit(
      "\(asRoot) \"\(byOther) >\(config)\"",
      "echo MINIO_X=1 >\(config); echo MINIO_CONFIG_ENV_FILE=\(config) >>/etc/default/minio",
      "runningKey"),
    // In the host's namespace: that of the command itself, which ProtectProc= makes, goes with it.
    .unit(
      "\(asRoot) \"nsenter -t 1 -m mount --bind /srv/other/env \(config)\"",
      """
      mkdir /srv/other; \(byOther) >/srv/other/env
      echo MINIO_X=1 >\(config); echo MINIO_CONFIG_ENV_FILE=\(config) >>/etc/default/minio
      """, "runningKey"),
    // There and back again: what it has read nobody can say.
    .unit(
      "\(asRoot) \"\(byOther) >\(config)\"\\nExecStartPost=+/bin/sh -c \"echo MINIO_X=1 >\(config)\"",
      "echo MINIO_X=1 >\(config); echo MINIO_CONFIG_ENV_FILE=\(config) >>/etc/default/minio",
      "runningKey"),
    .unit("ExecStartPre=", "sed -i '\(other)' /etc/default/minio", "runningKey"),
    .unit(
      "ExecStartPre=\\nExecStartPre=-+/usr/local/libexec/keyturn-guard/keyturn guard",
      "sed -i '\(other)' /etc/default/minio", "runningKey"),
    // A dynamic program in the guard's place.
    .unit(
      "ExecStartPre=\\nExecStartPre=+/usr/local/bin/keyturn guard\\nUnsetEnvironment=",
      "sed -i '\(other)' /etc/default/minio; echo LD_TRACE_LOADED_OBJECTS=1 >>/etc/default/minio",
      "runningKey"),
    .unit("ExecStartPre=", "startGuard"), .unit("UnsetEnvironment=", "startGuard"),
    // With the sealed key, and nobody has looked.
    .unit(
      "ExecStartPre=\\nExecStartPre=+@/bin/true /usr/local/libexec/keyturn-guard/keyturn guard",
      "startGuard"),
  ]

  /// An alarm in the agent's journal.
  private struct Alarm: Decodable {
    var PRIORITY: String
    var __MONOTONIC_TIMESTAMP: String
  }

  private func alarms(_ kind: String, after cursor: String) throws -> [Alarm] {
    try lab.exec(
      Self.node,
      // With a match journalctl leaves out the first line after a cursor that does not match.
      "journalctl -q --after-cursor='\(cursor)' -o json | grep -F '\"KEYTURN_KIND\":\"\(kind)\"' || true"
    ).split(separator: "\n").map { try JSON.decode(Alarm.self, from: Array($0.utf8)) }
      .filter { $0.PRIORITY != "6" }
  }

  @Test("what gets past the guard is told within a second, in journal, status and metrics")
  func alarmed() throws {
    for way in Self.alarmed {
      let printed = try lab.exec(
        Self.node,
        """
        systemctl stop minio
        journalctl -q -n 1 -o export | sed -n 's/^__CURSOR=//p'
        \(way.prepare)
        systemctl start minio; echo "code $?"; systemctl show minio -P ActiveEnterTimestampMonotonic
        """)
      let lines = printed.split(separator: "\n").map(String.init)
      try #require(lines.count == 3, "\(way.name): \(printed)")
      #expect(lines[1] == "code 0", "\(way.name): \(printed)")
      let end = Instant.inMilliseconds(10_000)
      var seen: [Alarm] = []
      while seen.isEmpty, Clock.now() < end { seen = try alarms(way.expected, after: lines[0]) }
      if seen.isEmpty {
        let journal = try lab.exec(
          Self.node, "journalctl -q --after-cursor='\(lines[0])' -o short-monotonic")
        Issue.record("\(way.name): no alarm\n\(journal)")
        try undo()
        continue
      }
      let alarm = seen[0]
      let (told, started) = (Int64(alarm.__MONOTONIC_TIMESTAMP) ?? 0, Int64(lines[2]) ?? 0)
      print("\(way.expected) told \((told - started) / 1_000) ms after the start: \(way.name)")
      #expect(told - started <= 1_000_000, "\(way.name)")
      let status = try lab.keyturn("status", "--json")
      #expect(
        status.stdout.contains("\"kind\":\"\(way.expected)\""), "\(way.name): \(status.stdout)")
      if alarm.PRIORITY == "3" { #expect(status.status == 1, "\(way.name)") }
      try undo()
      let rest = Instant.inMilliseconds(10_000)
      while try lab.keyturn("status", "--json").stdout.contains(
        "\"kind\":\"\(way.expected)\"")
      {
        try #require(Clock.now() < rest, "\(way.name): the alarm stays")
      }
    }
  }
}
