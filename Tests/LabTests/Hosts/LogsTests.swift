// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import Threads

extension LabTests {
  /// What is told of servers and rollouts afterwards.
  @Suite(.serialized, .lab(nodes: 2, keyManagers: 1))
  struct LogsTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// Logs what `script` prints as the server: journald goes by the cgroup that a process is in when
    /// it connects, as long as it is there to be looked at.
    private func logAsServer(_ node: String, _ script: String) throws {
      try lab.exec(
        node,
        """
        group=$(systemctl show minio -P ControlGroup)
        for base in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
          [ ! -w "$base$group/cgroup.procs" ] || echo $$ >"$base$group/cgroup.procs"
        done
        # journald looks a process' unit up once for each stream, and with one in ten short-lived processes
        # it does not find it: only a stream that it knows is used.
        pipe=$(mktemp -u) try=0 known=0
        while [ $known = 0 ] && [ $try -lt 20 ]; do
          try=$((try + 1))
          mkfifo "$pipe"
          systemd-cat -t minio <"$pipe" &
          exec 3>"$pipe"
          rm "$pipe"
          echo "stream $$ $try" >&3
          journalctl --sync
          if journalctl -q -u minio -o cat -n 10 | grep -q "^stream $$ $try$"; then known=1; fi
          [ $known = 1 ] || exec 3>&-
        done
        [ $known = 1 ]
        { \(script)
        } >&3
        journalctl --sync
        exec 3>&-
        """)
    }

    @Test("20,000 lines of each server, its journal rotated and vacuumed: each once, in order")
    func rotation() throws {
      let count = 20_000
      // What journald is told to drop nobody can deliver.
      try lab.onEachNode(
        """
        mkdir -p /run/systemd/journald.conf.d
        printf '[Journal]\\nRateLimitIntervalSec=0\\n' >/run/systemd/journald.conf.d/load.conf
        systemctl restart systemd-journald
        """)
      let logs = try lab.start(keyturn: "logs", "-f", "--json")
      defer { logs.signal(2) }
      // journald may not know whose the first lines are that come after its restart.
      var isFollowing = false
      for _ in 0..<20 where !isFollowing {
        for node in lab.nodes { try logAsServer(node, "echo begin") }
        isFollowing = logs.wait(until: .inMilliseconds(2_000)) { lines in
          lab.nodes.allSatisfy { node in
            lines.contains { $0.text.contains("begin") && $0.text.contains(node) }
          }
        }
      }
      try #require(isFollowing)
      let parts = 8
      // Each line is looked at once: the condition is asked again for each.
      var scanned = 0
      for part in 1...parts {
        for node in lab.nodes {
          try logAsServer(
            node, "seq -f 'load %.0f' \((part - 1) * count / parts + 1) \(part * count / parts)")
          try lab.exec(node, "journalctl -q --rotate")
          if part == parts / 2 { try lab.exec(node, "systemctl restart systemd-journald") }
        }
        // Only what was read is removed: of the rest somebody would have to say that it is lost.
        let last = #""message":"load \#((part - 1) * count / parts)""#
        // The second node logged it later, so the first one's stands before it.
        let isRead =
          part == 1
          || logs.wait(until: .inMilliseconds(60_000)) { lines in
            while scanned < lines.count {
              let text = lines[scanned].text
              scanned += 1
              if text.contains(last), text.contains("minio-2") { return true }
            }
            return false
          }
        try #require(isRead, "\(part)")
        try lab.onEachNode("journalctl -q --vacuum-files=2")
      }
      try logAsServer("minio-2", "echo finished")
      let found = logs.wait(until: .inMilliseconds(60_000)) { lines in
        lines.suffix(4).contains { $0.text.contains("finished") }
      }
      #expect(found)
      var numbers: [String: [Int]] = [:]
      for line in logs.lines.map(\.text) {
        #expect(!line.contains("may be missing"))
        guard let start = line.firstRange(of: #""message":"load "#) else { continue }
        let number = Int(line[start.upperBound...].prefix { $0 != "\"" })
        numbers[try Event(line).node ?? "", default: []].append(number ?? 0)
      }
      for node in lab.nodes {
        #expect(numbers[node]?.count == count)
        #expect(numbers[node] == Array(1...count), "\(node)")
      }
    }

    @Test("lines that are vacuumed before they are read are said to be missing")
    func vacuumed() throws {
      let logs = try lab.start(keyturn: "logs", "-f", "--node", "minio-1")
      defer { logs.signal(2) }
      try logAsServer("minio-1", "echo begin")
      try #require(
        logs.wait(until: .inMilliseconds(30_000)) { $0.contains { $0.text.contains("begin") } })
      // Nobody reads while the agent is stopped.
      try lab.exec("minio-1", "systemctl stop keyturnd")
      try logAsServer("minio-1", "seq -f 'gone %.0f' 100")
      try lab.exec(
        "minio-1",
        """
        journalctl --sync; journalctl -q --rotate; sleep 0.1; journalctl -q --vacuum-files=1
        systemctl start keyturnd
        """)
      try logAsServer("minio-1", "echo after")
      #expect(
        logs.wait(until: .inMilliseconds(30_000)) { $0.contains { $0.text.contains("after") } })
      logs.signal(2)
      let outcome = try logs.outcome()
      #expect(outcome.stderr.contains("minio-1: lines may be missing here"), "\(outcome.stderr)")
      #expect(!outcome.stdout.contains("gone 100"))
    }

    @Test("show tells of a rollout after the agents' restart; errors come with their remedy")
    func show() throws {
      #expect(try lab.keyturn("restart", "--yes").status == 0)
      try lab.onEachNode("systemctl restart keyturnd")
      let text = try lab.keyturn("show")
      #expect(text.status == 0, "\(text.stdout)\(text.stderr)")
      for word in ["voted", "stop ", "stopped", "start ", "ready", "confirmed"] {
        #expect(text.stdout.contains(word), "\(word): \(text.stdout)")
      }
      let page = lab.directory.path("page.html")
      let outcome = try lab.keyturn("show", "--html", page)
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      #expect(try lab.run("stat -c %a \(page)") == "600\n")
      #expect(try lab.keyturn("show", "--html", page).status == 1)

      let fatal =
        "FATAL Failed to connect to KMS: dial tcp 10.0.0.5:7373: connect: connection refused"
      try logAsServer("minio-2", "echo '\(fatal)'")
      let errors = try lab.keyturn("logs", "--errors", "--node", "minio-2")
      #expect(errors.stdout.contains(fatal) && errors.stdout.contains("\n  do: "))
    }

    @Test("what the server prints of its secrets is in no log, step or page")
    func secrets() throws {
      let password = try lab.environment(of: "minio-1")
        .first { $0.hasPrefix("MINIO_ROOT_PASSWORD=") }?.split(separator: "=").last
      let (key, secret) = (lab.apiKey, password.map(String.init) ?? "no-password-in-this-lab")
      for node in lab.nodes {
        try logAsServer(
          node,
          """
          echo 'printed MINIO_KMS_API_KEY=\(key) MINIO_ROOT_PASSWORD=\(secret)'
          echo 'printed {"level":"ERROR","message":"MINIO_KMS_API_KEY=\(key)"}'
          echo 'Error: printed https://kms-1:7373/?key=\(key)&password=\(secret)'
          """)
      }
      var outputs: [String] = []
      for arguments in [["logs"], ["logs", "--json"], ["logs", "--errors"], ["show"]] {
        let outcome = try Lab.outcome(of: lab, arguments)
        outputs.append(outcome.stdout + outcome.stderr)
      }
      let page = lab.directory.path("secret.html")
      _ = try lab.keyturn("show", "--html", page)
      outputs.append(try lab.run("cat \(page)"))
      #expect(outputs[0].contains("printed") && outputs[2].contains("printed"))
      for output in outputs {
        #expect(!output.contains(key) && !output.contains(secret))
        #expect(!output.contains(key.dropFirst(3)))
      }
    }
  }
}

extension Lab {
  fileprivate static func outcome(of lab: Lab, _ words: [String]) throws -> Subprocess.Outcome {
    switch words.count {
    case 1: try lab.keyturn(words[0])
    default: try lab.keyturn(words[0], words[1])
    }
  }
}
