// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// What a server may do after its restart, and what is said of it. The stand-ins are told how to
  /// behave by /run/standin-minio (Sources/Testing/StandInMinIO/Behaviour.swift).
  @Suite(.serialized, .lab(nodes: 5, keyManagers: 1))
  struct WatchTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.onEachNode("rm -f /run/standin-minio /tmp/standin-minio-*")
      try lab.encrypt()
    }

    /// How the servers of some nodes behave from their next start on.
    private func behave(_ behaviours: [String: String]) throws {
      for (node, lines) in behaviours {
        try lab.exec(node, "cat >/run/standin-minio", input: lines + "\n")
      }
    }

    /// Restarts all nodes; the exit code, and how it ended on each.
    private func restart(
      _ arguments: String...
    ) throws -> (status: Int32, nodes: [String: Event.Node], events: [Event]) {
      try ended(lab.start(keyturn: "restart", "--yes", "--json").outcome())
    }

    private func ended(
      _ outcome: Subprocess.Outcome
    ) throws -> (status: Int32, nodes: [String: Event.Node], events: [Event]) {
      let events = try outcome.events()
      let nodes = try #require(events.last?.nodes, "\(outcome.stdout)\(outcome.stderr)")
      return (
        outcome.status, Dictionary(nodes.map { ($0.name, $0) }) { $1 }, events
      )
    }

    /// The outcome of every node but one, which has its own.
    private func expect(
      _ nodes: [String: Event.Node], others: String = "confirmed", except node: String,
      _ outcome: String, _ reason: String, at location: SourceLocation = #_sourceLocation
    ) {
      for (name, result) in nodes.sorted(by: { $0.key < $1.key }) {
        #expect(
          result.outcome == (name == node ? outcome : others), "\(name): \(result.reason)",
          sourceLocation: location)
      }
      let own = nodes[node]?.reason ?? ""
      #expect(own.contains(reason), "\(own)", sourceLocation: location)
    }

    @Test("every wording of a good start is confirmed, and says what it waits for on the way")
    func good() throws {
      try behave([
        "minio-1": "wording open-source", "minio-2": "wording old",
        "minio-3": "wait-drives 1500", "minio-4": "wait-quorum 1000",
      ])
      let (status, nodes, events) = try restart()
      #expect(status == 0 && nodes.values.allSatisfy { $0.outcome == "confirmed" }, "\(nodes)")
      func told(_ node: String, _ phase: String, _ detail: String) -> Bool {
        events.contains {
          $0.node == node && $0.phase == phase && $0.detail?.contains(detail) == true
        }
      }
      #expect(told("minio-3", "waitingForDrives", "Waiting for a minimum of 2 drives"))
      #expect(told("minio-4", "waitingForQuorum", "Waiting for quorum READ"))
      for node in lab.nodes { #expect(told(node, "settling", "healthy"), "\(node)") }
      #expect(nodes["minio-5"]?.reason.contains("healthy for 2 s, no writes for ") == true)
    }

    @Test("a node that serves with broken IAM is not confirmed, and all its health is good")
    func brokenIAM() throws {
      try behave(["minio-2": "broken-iam"])
      let (status, nodes, _) = try restart()
      #expect(status == 9)
      expect(nodes, except: "minio-2", "failed", "some features may be missing")
    }

    @Test("a node that says so only after all was good is not confirmed")
    func brokenLate() throws {
      try behave([
        "minio-3":
          "error-after 800 Unable to initialize IAM sub-system, some users may not be available: x"
      ])
      let (status, nodes, _) = try restart()
      #expect(status == 9)
      expect(nodes, except: "minio-3", "failed", "some users may not be available")
    }

    @Test("a node whose server ends once more in the settle time is not confirmed")
    func restartedAgain() throws {
      try behave(["minio-4": "once exit-after 900 1", "minio-5": "once kill-after 900"])
      let (status, nodes, _) = try restart()
      #expect(status == 9)
      for node in ["minio-4", "minio-5"] {
        #expect(nodes[node]?.outcome == "failed", "\(nodes[node]?.reason ?? "")")
        let reason = nodes[node]?.reason ?? ""
        #expect(
          reason.contains("Main process exited") || reason.contains("ended while the start was"),
          "\(reason)")
      }
      #expect(nodes["minio-1"]?.outcome == "confirmed")
    }

    @Test("a node that runs with another environment is not confirmed, nor are its values told")
    func otherEnvironment() throws {
      let restart = try lab.startHeld("restart", "--yes", "--json")
      // The servers do not compare this one among themselves (docs/facts.md,
      // "Comparison of environments").
      try lab.exec(
        "minio-5",
        "sed -i 's/^MINIO_ROOT_PASSWORD=.*/MINIO_ROOT_PASSWORD=\"another-password\"/' /etc/default/minio"
      )
      try lab.release()
      let (status, nodes, _) = try ended(restart.outcome())
      #expect(status == 9)
      expect(
        nodes, except: "minio-5", "failed",
        "another environment than was voted on: MINIO_ROOT_PASSWORD differs")
      #expect(nodes["minio-5"]?.reason.contains("another-password") == false)
      try lab.exec(
        "minio-5",
        "sed -i 's/^MINIO_ROOT_PASSWORD=.*/MINIO_ROOT_PASSWORD=\"lab-admin-password\"/' /etc/default/minio"
      )
    }

    @Test("where journald is restarted in mid-watch, or drops lines, how it ended is not known")
    func linesLost() throws {
      try lab.exec(
        "minio-2",
        """
        mkdir -p /run/systemd/system/minio.service.d &&
        printf '[Service]\\nLogRateLimitIntervalSec=1s\\nLogRateLimitBurst=100\\n' \
          >/run/systemd/system/minio.service.d/rate.conf && systemctl daemon-reload
        """)
      try behave([
        "minio-1": "wait-drives 4000", "minio-2": "flood 1000\nerror-after 1500 something ordinary",
      ])
      let restart = try lab.start(keyturn: "restart", "--yes", "--json")
      let waits = restart.wait(until: .inMilliseconds(30_000)) { lines in
        lines.contains { line in
          (try? Event(line.text)).map {
            $0.node == "minio-1" && $0.phase == "waitingForDrives"
          } ?? false
        }
      }
      try #require(waits)
      try lab.exec("minio-1", "systemctl restart systemd-journald")
      let (status, nodes, _) = try ended(restart.outcome())
      #expect(status == 3, "\(nodes)")
      for (node, reason) in [
        "minio-1": "Journal started", "minio-2": "Suppressed ",
      ] {
        #expect(nodes[node]?.outcome == "unknown", "\(nodes[node]?.reason ?? "")")
        #expect(
          nodes[node]?.reason.contains("lines of its log may be missing: \(reason)") == true,
          "\(nodes[node]?.reason ?? "")")
      }
      #expect(nodes["minio-3"]?.outcome == "confirmed")
      try lab.exec(
        "minio-2",
        "rm /run/systemd/system/minio.service.d/rate.conf && systemctl daemon-reload")
    }

    @Test(
      "a FATAL line that nobody knows is shown as it is; the next rollout resets the start limit")
    func fatal() throws {
      // However long a start takes here, five of them are one too many.
      try lab.onEachNode(
        """
        mkdir -p /run/systemd/system/minio.service.d &&
        printf '[Unit]\\nStartLimitIntervalSec=300\\n' >/run/systemd/system/minio.service.d/limit.conf &&
        systemctl daemon-reload
        """)
      try behave(Dictionary(lab.nodes.map { ($0, "fatal The moon is in the wrong phase") }) { $1 })
      let (status, nodes, _) = try restart()
      #expect(status == 9)
      for node in nodes.values {
        #expect(node.outcome == "failed")
        #expect(node.reason.contains("FATAL The moon is in the wrong phase"), "\(node.reason)")
      }
      // systemd has given up by then.
      try lab.onEachNode(
        """
        for i in $(seq 300); do
          [ "$(systemctl show minio -P ActiveState)" = failed ] && exit 0; sleep 0.1
        done; exit 1
        """)
      let check = try lab.keyturn("check", "--json")
      #expect(check.stdout.contains("unit-start-limit-hit"))
      try lab.onEachNode("rm /run/standin-minio")
      let again = try restart()
      #expect(again.status == 0, "\(again.nodes)")
      try lab.onEachNode(
        "rm /run/systemd/system/minio.service.d/limit.conf && systemctl daemon-reload")
    }

    @Test("a stop that hangs is told as such when its own deadline has passed")
    func hangingStop() throws {
      try behave(["minio-1": "hang-stop"])
      #expect(try restart().status == 0)
      try lab.onEachNode("rm -f /run/standin-minio")
      let began = Clock.now()
      let (status, nodes, events) = try restart()
      #expect(status == 9)
      expect(nodes, except: "minio-1", "timedOut", "did not end before the stop deadline")
      #expect(Clock.now().milliseconds(since: began) < 45_000)
      #expect(
        events.contains {
          $0.node == "minio-1" && $0.phase == "stopping"
            && $0.detail?.hasSuffix("has not ended (stop-sigterm)") == true
        })
      try lab.exec("minio-1", "systemctl kill --signal=SIGKILL minio")
    }

    @Test("with --log-dir the files are followed: good starts are seen, and broken ones")
    func logDirectory() throws {
      try lab.onEachNode("install -d -o minio-user -g minio-user /var/log/minio")
      let options = "MINIO_OPTS=\"--certs-dir /etc/minio/certs --address :9000"
      let with = try lab.file("log-dir.env", "\(options) --log-dir /var/log/minio\"\n")
      let good = try ended(
        lab.start(keyturn: "apply", "--yes", "--json", "--settings", with).outcome())
      #expect(good.status == 0, "\(good.nodes)")
      for node in good.nodes.values {
        #expect(node.reason.contains("its lines read in /var/log/minio"), "\(node.reason)")
      }
      try behave(["minio-3": "broken-iam", "minio-4": "once fatal Nobody knows this"])
      let (status, nodes, _) = try restart()
      #expect(status == 9)
      #expect(nodes["minio-3"]?.reason.contains("some features may be missing") == true)
      #expect(nodes["minio-4"]?.reason.contains("Nobody knows this") == true, "\(nodes)")
      #expect(nodes["minio-1"]?.outcome == "confirmed")
      try lab.onEachNode("rm -f /run/standin-minio")
      for options in ["\(options) --json\"\n", "\(options) --quiet\"\n", "\(options)\"\n"] {
        let file = try lab.file("options.env", options)
        let outcome = try ended(
          lab.start(keyturn: "apply", "--yes", "--json", "--settings", file).outcome())
        #expect(outcome.status == 0, "\(options): \(outcome.nodes)")
      }
    }

    @Test("whatever prints the secrets, and in whatever form, they do not leave the node")
    func secrets() throws {
      try behave(
        Dictionary(
          lab.nodes.map { ($0, "dump-environment\nfatal bad key \(lab.apiKey)") }
        ) { $1 })
      let secret = "a secret that systemd prints"
      try lab.onEachNode(
        "echo 'MINIO-BAD_PASSWORD=\(secret)' >/run/bad.env && mkdir -p /run/systemd/system/minio.service.d && printf '[Service]\\nEnvironmentFile=/run/bad.env\\n' >/run/systemd/system/minio.service.d/bad.conf && systemctl daemon-reload"
      )
      let before = try lab.exec("minio-1", "date +%s")
      var printed = ""
      for arguments in [["restart", "--yes"], ["restart", "--yes", "--json"]] {
        let outcome = try lab.start(keyturn: arguments).outcome()
        #expect(outcome.status == 9, "\(outcome.stdout)\(outcome.stderr)")
        printed += outcome.stdout + outcome.stderr
      }
      for arguments in [
        ["logs", "--json"], ["logs", "--errors"], ["status", "--json"], ["check", "--json"],
        ["history"], ["explain", "MINIO_KMS_API_KEY"], ["plan", "--settings", lab.settings],
      ] {
        let outcome = try lab.start(keyturn: arguments).outcome()
        printed += outcome.stdout + outcome.stderr
      }
      printed += try lab.onEachNode("journalctl -q -a -o export -u keyturnd").values.joined()
      // The server has printed it, and systemd has.
      let journal = try lab.exec("minio-1", "journalctl -q -a -o cat -u minio --since @\(before)")
      for text in [lab.apiKey, "lab-admin-password", secret] {
        #expect(journal.contains(text), "\(text)")
      }
      #expect(printed.contains("fatal") || printed.contains("FATAL bad key"))
      for text in [
        lab.apiKey, String(lab.apiKey.dropFirst(3)), "lab-admin-password", secret,
        // base64 of the password, of the key, and of both behind one and two characters.
        "bGFiLWFkbWluLXBhc3N3b3Jk", "xhYi1hZG1pbi1wYXNzd29y", "sYWItYWRtaW4tcGFzc3dvcm",
        "azE6MkNPbDRkUzNHLWNqSGEzUS05", "sxOjJDT2w0ZFMzRy1jakhhM1Et", "rMToyQ09sNGRTM0ctY2pIYTNRL",
        "k1%3A2COl4dS3G",
      ] {
        #expect(!printed.contains(text), "\(text.prefix(12))")
      }
      try lab.onEachNode(
        "rm -f /run/standin-minio /run/systemd/system/minio.service.d/bad.conf && systemctl daemon-reload"
      )
    }
  }
}
