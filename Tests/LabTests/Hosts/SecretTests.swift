// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import Threads

extension LabTests {
  @Suite(.serialized, .lab(nodes: 2, keyManagers: 1))
  struct SecretTests {
    let lab: Lab

    init() throws { lab = try #require(Lab.current) }

    @Test("the API key is in no output, journal, argument list or file but those that must have it")
    func apiKey() throws {
      let key = try lab.file("the-key", lab.apiKey + "\n")
      // All processes of all hosts are this machine's too.
      let sampler = try lab.start(
        """
        while :; do cat /proc/[0-9]*/cmdline 2>/dev/null; echo; done |
        grep --line-buffered -aF -f \(key)
        """)
      defer { sampler.signal(15) }

      // What each prints is looked at in keyturn(_:).
      let other = try lab.file("other.env", "MINIO_BROWSER=off\n")
      #expect(try lab.keyturn("plan", "--settings", lab.settings).status == 0)
      #expect(try lab.keyturn("apply", "--yes", "--json", "--settings", lab.settings).status == 0)
      #expect(try lab.keyturn("apply", "--yes", "--api-key-file", key).status == 0)
      #expect(try lab.keyturn("apply", "--yes", "--settings", other).status == 0)
      #expect(try lab.keyturn("restart", "--yes").status == 0)
      for command in ["check", "status", "logs"] {
        #expect(try lab.keyturn(command, "--json").status == 0)
      }
      #expect(try lab.keyturn("lint", lab.settings).status == 0)

      #expect(sampler.lines.isEmpty, "\(sampler.lines.count) argument lists had it")
      // It would have been seen.
      let leak = try lab.start("sleep 60; : \(lab.apiKey)")
      #expect(sampler.wait(until: .inMilliseconds(20_000)) { !$0.isEmpty })
      leak.signal(9)

      let generations = "/var/lib/keyturn/generations"
      for host in lab.nodes + lab.keyManagers {
        try lab.exec(host, "cat >/root/key", input: lab.apiKey + "\n")
        let files = try lab.exec(
          host,
          """
          grep -rlaF -f /root/key /etc /var /run /tmp /usr/local 2>/dev/null |
          xargs -r stat -c '%a %U:%G %n' | sort
          """)
        let isNode = lab.nodes.contains(host)
        let expected =
          !isNode
          ? []
          : [
            "600 root:root \(generations)/00000001", "600 root:root \(generations)/00000002",
            "640 root:minio-user /etc/default/minio",
          ]
        #expect(files.split(separator: "\n").map(String.init) == expected, "\(host)")
        let journal = try lab.exec(host, "journalctl -q -a -o export | grep -caF -f /root/key; :")
        #expect(journal == "0\n", "\(host)")
        let processes = try lab.exec(
          host,
          """
          grep -laF -f /root/key /proc/[0-9]*/environ 2>/dev/null |
          sed 's|/proc/\\([0-9]*\\)/.*|\\1|'
          """)
        let server = isNode ? try lab.exec(host, "systemctl show minio -P MainPID") : ""
        #expect(processes == server, "\(host)")
      }
      let own = try lab.run(
        """
        grep -rlaF -f \(key) --exclude-dir=up --exclude-dir=work --exclude-dir=root \
          $(dirname \(lab.inventory))
        """)
      #expect(own == lab.settings + "\n")
    }

    @Test("neither program writes a core or lets others look into it; the agent's keys are locked")
    func memory() throws {
      for node in lab.nodes {
        let facts = try lab.exec(
          node,
          """
          p=/proc/$(systemctl show keyturnd -P MainPID)
          grep -c '^Max core file size  *0  *0 ' $p/limits
          sed -n 's/^VmLck:[^0-9]*\\([0-9]*\\) kB$/\\1/p' $p/status
          """)
        let numbers = facts.split(separator: "\n").compactMap { Int($0) }
        #expect(numbers.count == 2 && numbers[0] == 1 && numbers[1] >= 1_024, "\(node): \(facts)")
      }
      // What is not dumpable belongs to root in /proc, whoever runs it.
      let owner = try lab.exec(
        "minio-1",
        """
        rm -f /tmp/pipe && mkfifo -m 644 /tmp/pipe
        setpriv --reuid=1 --regid=1 --clear-groups keyturn lint - </tmp/pipe >/dev/null &
        p=$!
        exec 9>/tmp/pipe
        for try in $(seq 200); do
          [ "$(cat /proc/$p/comm) $(stat -c %u /proc/$p/environ)" = 'keyturn 0' ] && break
          sleep 0.05
        done
        cat /proc/$p/comm
        stat -c %u /proc/$p/environ
        exec 9>&-
        wait $p
        """)
      #expect(owner == "keyturn\n0\n", "\(owner)")
    }

    @Test(
      "what a failing server prints of secrets, today's or others', is in nothing that is shown or kept"
    )
    func failingStart() throws {
      let secrets = [
        "earlier": "password-of-an-earlier-generation",
        "present": "password-of-the-last-generation",
        "failed": "password-that-no-start-was-confirmed-with", "license": "license.of-this.lab",
        "key": String(lab.apiKey.dropFirst(3)),
      ]
      func settings(_ password: String) throws -> String {
        try lab.file(
          "\(password).env",
          "MINIO_ROOT_PASSWORD=\(secrets[password] ?? "")\nMINIO_LICENSE=\(secrets["license"] ?? "")\n"
        )
      }
      try lab.encrypt()
      for password in ["earlier", "present"] {
        let outcome = try lab.keyturn("apply", "--yes", "--settings", settings(password))
        try #require(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      }
      let marker = "these do not fit:"
      let bare = secrets.values.sorted().joined(separator: ", ")
      try lab.onEachNode("echo 'fatal \(marker) \(bare)' >/run/standin-minio")
      let before = try lab.exec("minio-1", "date +%s")

      var outputs: [String: String] = [:]
      func take(_ arguments: [String]) throws -> Subprocess.Outcome {
        let outcome = try lab.keyturn(arguments)
        outputs[arguments.joined(separator: " ")] = outcome.stdout + outcome.stderr
        return outcome
      }
      // The rollback fails too, and leaves the previous files: the password of the rollout is then in no file.
      let failed = try take(["apply", "--yes", "--json", "--settings", settings("failed")])
      #expect(failed.status == 11)
      #expect(try lab.exec("minio-1", "cat /etc/default/minio").contains(secrets["present"] ?? "-"))
      #expect(try take(["restart", "--yes"]).status == 9)
      let id = try #require(
        try Event(take(["status", "--json"]).stdout.split(separator: "\n").map(String.init)[0])
          .lastRollout)
      let pages = lab.directory.path("failing.html")
      for arguments in [
        ["status"], ["logs"], ["logs", "--json"], ["logs", "--errors"], ["show"], ["show", id],
        ["show", id, "--json"], ["show", id, "--html", pages], ["history"], ["history", "--json"],
        ["check"], ["explain", "MINIO_ROOT_PASSWORD"], ["diff", "1", "2"],
      ] { _ = try take(arguments) }
      outputs["page"] = try lab.run("cat \(pages)")
      for (node, journal) in try lab.onEachNode("journalctl -q -a -o export -u keyturnd") {
        outputs["journal of \(node)"] = journal
      }
      // What has no business with values, on the nodes: all records but the files themselves.
      for (node, records) in try lab.onEachNode(
        "find /var/lib/keyturn /run/keyturn -type f ! -path '*/generations/*' ! -path '*/before/*' -exec cat {} +"
      ) { outputs["records of \(node)"] = records }

      for name in ["logs", "logs --errors", "show \(id)", "page", "restart --yes"] {
        #expect(outputs[name]?.contains(marker) == true, "\(name): \(outputs[name] ?? "")")
      }
      let journal = try lab.exec("minio-1", "journalctl -q -a -o cat -u minio --since @\(before)")
      for (name, secret) in secrets {
        #expect(journal.contains(secret), "the \(name) was not printed")
        for (output, text) in outputs where text.contains(secret) {
          Issue.record("the \(name) is in: \(output)")
        }
      }
    }
  }
}
