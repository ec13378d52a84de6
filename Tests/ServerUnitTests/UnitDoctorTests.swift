// SPDX-License-Identifier: Apache-2.0
import Model
@testable import ServerUnit
import Testing

@Suite struct UnitDoctorTests {
  /// The official distributed unit, running (docs/facts.md, "The server's unit").
  private static let official = UnitState(
    id: "minio.service", activeState: "active", subState: "running", mainPID: 100
  ) {
    $0.user = "minio-user"
    $0.environmentFiles = [.init(path: "/etc/default/minio", isOptional: true)]
    $0.execStart = ["/usr/local/bin/minio", "server", "$MINIO_OPTS", "$MINIO_VOLUMES"]
    $0.restart = "always"
    ($0.startLimitBurst, $0.startLimitIntervalMicroseconds) = (5, 10_000_000)
    $0.sendsSIGKILL = false
  }

  private static func rules(
    _ change: (inout UnitState, inout UnitDoctor.Surroundings) -> Void = { _, _ in }
  ) -> [String] {
    var unit = official
    var surroundings = UnitDoctor.Surroundings(
      isInRollout: false, stopSeconds: 90, startSeconds: 300,
      environment: ["MINIO_OPTS": "--address :9000", "MINIO_VOLUMES": "/data"])
    change(&unit, &surroundings)
    return UnitDoctor.findings(unit, surroundings).map { "\($0.severity.rawValue) \($0.rule)" }
  }

  /// What the official unit has always: it is as it should be.
  private static let usual = ["note unit-stop-timeout", "note unit-start-limit"]

  @Test("the official unit has notes only, and every finding says what to do")
  func officialUnit() {
    #expect(Self.rules() == Self.usual)
    let findings = UnitDoctor.findings(
      Self.official, .init(isInRollout: false, stopSeconds: 90, startSeconds: 300))
    #expect(findings.allSatisfy { $0.remedy?.isEmpty == false && $0.refusal == .unit })
  }

  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var expected: [String]
    var change: @Sendable (inout UnitState, inout UnitDoctor.Surroundings) -> Void

    init(
      _ name: String, _ expected: [String],
      _ change: @escaping @Sendable (inout UnitState, inout UnitDoctor.Surroundings) -> Void
    ) {
      (testDescription, self.expected, self.change) = (name, expected, change)
    }
  }

  @Test(
    "each rule is found where it must be, and nowhere else",
    arguments: [
      Row("masked", ["error unit-masked"]) { unit, _ in unit.loadState = "masked" },
      Row("not there", ["error unit-not-loaded"]) { unit, _ in unit.loadState = "not-found" },
      Row("stale", ["warning unit-daemon-reload"] + usual) { unit, _ in
        unit.needDaemonReload = true
      },
      Row("in a job", ["error unit-job"] + usual) { unit, _ in unit.job = .init(id: 7, path: "/j")
      },
      Row("in a start", ["warning unit-starting"] + usual) { unit, _ in
        (unit.activeState, unit.subState) = ("activating", "start")
        unit.job = .init(id: 7, path: "/j")
      },
      Row("in its own job", usual) { unit, surroundings in
        unit.job = .init(id: 7, path: "/j")
        surroundings.isInRollout = true
      },
      Row("start loop", ["warning unit-start-loop"] + usual) { unit, _ in
        (unit.activeState, unit.subState) = ("activating", "auto-restart")
      },
      Row("failed", ["warning unit-failed"] + usual) { unit, _ in
        (unit.activeState, unit.result) = ("failed", "exit-code")
      },
      Row("start limit hit", ["warning unit-start-limit-hit"] + usual) { unit, _ in
        (unit.activeState, unit.result) = ("failed", "start-limit-hit")
      },
      Row("given up after its restarts", ["warning unit-start-limit-hit"] + usual) { unit, _ in
        (unit.activeState, unit.result, unit.nRestarts) = ("failed", "exit-code", 5)
      },
      Row("failed in its rollout", usual) { unit, surroundings in
        unit.activeState = "failed"
        surroundings.isInRollout = true
      },
      Row("simple", ["warning unit-type"] + usual) { unit, _ in unit.type = "simple" },
      Row("forking", ["error unit-type"] + usual) { unit, _ in unit.type = "forking" },
      Row("oneshot", ["error unit-type"] + usual) { unit, _ in unit.type = "oneshot" },
      Row("deaf", ["error unit-notify-access"] + usual) { unit, _ in unit.notifyAccess = "none" },
      Row("notify, too old", ["error unit-type"] + usual) { _, surroundings in
        surroundings.release = ServerRelease(in: "RELEASE.2023-05-04T21-44-29Z")
      },
      Row("notify, just new enough", usual) { _, surroundings in
        surroundings.release = ServerRelease(in: "RELEASE.2023-05-04T21-44-30Z")
      },
      Row("stop leaves the process", ["warning unit-stop-leaves", "note unit-start-limit"]) {
        unit, _ in unit.timeoutStopMicroseconds = 90_000_000
      },
      Row("stop kills early", ["warning unit-stop-kills", "note unit-start-limit"]) { unit, _ in
        (unit.timeoutStopMicroseconds, unit.sendsSIGKILL) = (64_999_999, true)
      },
      Row("stop kills late", ["note unit-start-limit"]) { unit, _ in
        (unit.timeoutStopMicroseconds, unit.sendsSIGKILL) = (65_000_000, true)
      },
      Row(
        "start timeout",
        ["note unit-stop-timeout", "warning unit-start-timeout", "note unit-start-limit"]
      ) { unit, _ in unit.timeoutStartMicroseconds = 299_999_999 },
      Row("start timeout, long enough", usual) { unit, _ in
        unit.timeoutStartMicroseconds = 300_000_000
      },
      Row("no restart", ["note unit-stop-timeout", "warning unit-restart"]) { unit, _ in
        unit.restart = "no"
      },
      Row("late restart", ["note unit-stop-timeout", "warning unit-restart-sec"]) { unit, _ in
        unit.restartMicroseconds = 300_000_000
      },
      Row("one start", ["note unit-stop-timeout", "warning unit-start-limit"]) { unit, _ in
        unit.startLimitBurst = 1
      },
      Row("no limit", ["note unit-stop-timeout"]) { unit, _ in
        unit.startLimitIntervalMicroseconds = 0
      },
      Row("a limit that is never reached", ["note unit-stop-timeout"]) { unit, _ in
        unit.restartMicroseconds = 2_000_000
      },
      Row("nothing to run", usual + ["error unit-exec"]) { unit, surroundings in
        unit.execStart = []
        surroundings.environment = nil
      },
      Row("a wrapper", usual + ["warning unit-exec"]) { unit, _ in
        unit.execStart = ["/bin/sh", "-c", "exec /usr/local/bin/start-minio"]
      },
      Row("unused", usual + ["warning unit-exec-unused"]) { unit, _ in
        unit.execStart = ["/usr/local/bin/minio", "server", "${MINIO_VOLUMES}"]
      },
      Row("volumes that only the server reads", usual) { unit, _ in
        unit.execStart = ["/usr/local/bin/minio", "server", "$MINIO_OPTS"]
      },
      Row("variables too late", usual + Array(repeating: "warning variable-too-late", count: 2)) {
        _, surroundings in
        surroundings.atStart = ["MINIO_VOLUMES": "/other"]
        surroundings.environment?["MINIO_ADDRESS"] = ":9000"
      },
      Row("a file of its own", usual + ["warning server-config"]) { _, surroundings in
        surroundings.environment?["MINIO_OPTS"] = "--config /etc/minio/config.yaml"
      },
      Row("address", usual + ["error server-address"]) { _, surroundings in
        surroundings.environment?["MINIO_OPTS"] = "--address 10.0.0.1:x"
      },
      Row("log directory", usual + ["note server-log-dir"]) { _, surroundings in
        surroundings.environment?["MINIO_OPTS"] = "--log-dir /var/log/minio"
      },
      Row("relative log directory", usual + ["warning server-log-dir"]) { _, surroundings in
        surroundings.environment?["MINIO_OPTS"] = "--log-dir log"
      },
      Row("relative certificates", usual + ["warning server-certs-dir"]) { _, surroundings in
        surroundings.environment?["MINIO_OPTS"] = "--certs-dir certs"
      },
      Row("quiet and JSON", usual + ["note server-quiet", "note server-json"]) { _, surroundings in
        surroundings.environment?["MINIO_OPTS"] = "--quiet --json"
      },
      Row(
        "unreadable", usual + ["error certificate-unreadable", "warning authority-unreadable"]
      ) { _, surroundings in
        surroundings.unreadable = [
          .init(path: "/c/private.key", isAuthority: false, why: "mode 600"),
          .init(path: "/c/CAs/a.crt", isAuthority: true, why: "mode 600"),
        ]
      },
    ])
  func rule(_ row: Row) {
    #expect(Self.rules { row.change(&$0, &$1) } == row.expected)
  }

  @Test(
    "a k2: key for a release that takes only k1: keys is a finding",
    arguments: [
      ("RELEASE.2024-05-10T01-41-37Z", false), ("RELEASE.2024-05-10T01-41-38Z", true),
      ("RELEASE.2025-04-22T22-12-26Z", true), ("RELEASE.2025-05-24T17-08-29Z", true),
      ("RELEASE.2025-05-24T17-08-30Z", false), ("RELEASE.2025-10-15T17-29-55Z", false),
    ])
  func keyKind(release: String, isFound: Bool) {
    for (key, isK2) in [("k2:AAAA", true), ("k1:AAAA", false)] {
      let rules = Self.rules { _, surroundings in
        surroundings.release = ServerRelease(in: release)
        surroundings.environment?["MINIO_KMS_API_KEY"] = key
      }
      #expect(rules.contains("warning key-kind") == (isFound && isK2))
    }
  }

  @Test("the release of a banner is found in text and in JSON, and nowhere else")
  func banner() {
    let version = "Version: RELEASE.2025-10-15T17-29-55Z (go1.24.11 linux/amd64)"
    let text = "RELEASE.2025-10-15T17-29-55Z"
    #expect(ServerRelease(ofBanner: version)?.text == text)
    #expect(
      ServerRelease(
        ofBanner:
          "{\"level\":\"INFO\",\"time\":\"2026-11-28T23:43:37Z\",\"message\":\"Copyright: "
          + "2015-2026 MinIO, Inc.\\nLicense: GNU AGPLv3\\n\(version)\\n\"}")?.text == text)
    #expect(ServerRelease(ofBanner: "INFO: upgrade to \(text)") == nil)
  }

  @Test("a release is found in a banner and compared by its time")
  func release() throws {
    let line = "Version: RELEASE.2025-09-07T16-13-09Z (go1.24.6 linux/amd64)"
    let release = try #require(ServerRelease(in: line))
    #expect(release.text == "RELEASE.2025-09-07T16-13-09Z" && release > .firstToSayReady)
    for line in ["", "RELEASE.", "RELEASE.2025-09-07T16:13:09Z", "DEVELOPMENT.GOGET"] {
      #expect(ServerRelease(in: line) == nil)
    }
  }
}
