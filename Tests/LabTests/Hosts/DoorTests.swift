// SPDX-License-Identifier: Apache-2.0
import Model
import Sockets
import TestSupport
import Testing
import Threads

extension LabTests {
  /// The agent's port under attack, and who may hold it.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 1))
  struct DoorTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// Credentials of a name of the lab's authority; their directory.
    private func issue(_ role: Role, _ name: String) throws -> String {
      let directory = lab.directory.path("\(role.rawValue)-\(name)")
      let address = role == .node ? "--address 10.77.0.1" : ""
      try lab.run(
        """
        [ -e \(directory) ] || keyturn pki issue --pki \(lab.pki) --role \(role.rawValue) \
          --name \(name) \(address) --out \(directory)
        """)
      return directory
    }

    /// What a command took, milliseconds, and what it exited with, both of one moment of the attack.
    private func timed(_ command: String) throws -> (milliseconds: Int, status: Int) {
      let printed = try lab.run(
        """
        start=$(date +%s%N); status=0
        KEYTURN_INVENTORY=\(lab.inventory) KEYTURN_CREDENTIALS=\(lab.credentials) \
          \(command) >/dev/null 2>&1 || status=$?
        echo $((($(date +%s%N) - start) / 1000000)) $status
        """)
      let words = printed.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
      try #require(words.count == 2, "\(printed)")
      return (words[0], words[1])
    }

    /// What the agent of a node has had in memory at the most since it was started, and what it may,
    /// bytes.
    ///
    /// By the process: where this machine's memory controller is of version 1, the hosts have none.
    private func memory(of node: String) throws -> (peak: Int, limit: Int) {
      let printed = try lab.exec(
        node,
        """
        sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/$(systemctl show keyturnd -P MainPID)/status
        systemctl show keyturnd -P MemoryMax
        """)
      let words = printed.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
      try #require(words.count == 2, "\(printed)")
      return (words[0] << 10, words[1])
    }

    private func restartAgents() throws {
      try lab.onEachNode("systemctl restart keyturnd")
    }

    @Test(
      "1,000 silent, 1,000 slow and 300 certified connections of 8 addresses: status within 1 s, a rollout goes through, memory stays below MemoryMax"
    )
    func flood() throws {
      try restartAgents()
      let sources = (1...8).map { "10.77.2.\($0)" }
      try lab.run(sources.map { "ip addr add \($0)/16 dev br0" }.joined(separator: " && "))
      let holders = [
        try issue(.observer, "eve"), try issue(.observer, "bob"), try issue(.node, "minio-2"),
        try issue(.node, "minio-9"),
      ]
      let quiet = try timed("keyturn status")
      #expect(quiet.status == 0)
      let attack = try lab.start(
        """
        exec \(lab.built("connection-flood")) minio-1:7377 --from \(sources.joined(separator: ",")) \
          --silent 1000 --slow 1000 --idle 200 --heads 100 \
          --credentials \(holders.joined(separator: ",")) --seconds 60
        """)
      let isReady = attack.wait(until: .inMilliseconds(40_000)) { lines in
        lines.contains { $0.text == "ready" }
      }
      try #require(isReady, "\(attack.lines.map(\.text))")
      let status = try (0..<10).map { _ in try timed("keyturn status") }
      #expect(status.allSatisfy { $0.status == 0 }, "\(status)")
      let slowest = status.map(\.milliseconds).max() ?? .max
      #expect(slowest < 1_000, "\(status)")
      let rollout = try timed("keyturn restart --yes")
      #expect(rollout.status == 0)
      let outcome = try attack.outcome()
      let memory = try memory(of: "minio-1")
      #expect(memory.peak < memory.limit)
      #expect(try lab.properties(of: "keyturnd", on: "minio-1", "NRestarts")["NRestarts"] == "0")
      print(
        "door: status \(quiet.milliseconds) ms at rest, at most \(slowest) ms under attack, restart "
          + "\(rollout.milliseconds) ms, memory \(memory.peak >> 20) of \(memory.limit >> 20) MiB; the attacker "
          + (outcome.stdout.split(separator: "\n").last.map(String.init) ?? "said nothing"))
    }

    @Test(
      "large bodies, of a nameless certificate and of a node, 48 at once, stay within the budget")
    func bodies() throws {
      try restartAgents()
      let node = try issue(.node, "minio-2")
      let nameless = lab.directory.path("nameless")
      let body = lab.directory.path("body.json")
      try lab.run(
        """
        mkdir -p \(nameless) && cd \(nameless) &&
        printf '%s\\n' extendedKeyUsage=clientAuth basicConstraints=critical,CA:FALSE >extensions &&
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem \
          -subj /CN=nobody -out request.pem 2>/dev/null &&
        openssl x509 -req -in request.pem -CA \(lab.pki)/ca.pem -CAkey \(lab.pki)/ca-key.pem \
          -set_serial 8 -days 1 -extfile extensions -out cert.pem 2>/dev/null &&
        { printf '{"x":['; head -c 4190000 /dev/zero | tr '\\0' 1 | sed 's/11/1,/g'; printf '1]}'; } \
          >\(body)
        """)
      func post(_ credentials: String) throws -> [String] {
        let printed = try lab.run(
          """
          seq 48 | xargs -P 48 -I{} curl -s -m 60 -o /dev/null -w '%{http_code}\\n' \
            -H Expect: --cacert \(lab.pki)/ca.pem --cert \(credentials)/cert.pem --key \(credentials)/key.pem \
            --data-binary @\(body) https://minio-1:7377/v1/plan || true
          """)
        return printed.split(separator: "\n").map(String.init)
      }
      #expect(try Set(post(nameless)).isSubset(of: ["403", "000"]))
      let answers = try post(node)
      #expect(Set(answers).isSubset(of: ["413", "503", "000"]), "\(answers)")
      #expect(try lab.keyturn("status").status == 0)
      let memory = try memory(of: "minio-1")
      #expect(memory.peak < memory.limit / 2)
      print("door: \(memory.peak >> 20) MiB after 96 bodies of 4 MiB, \(answers)")
    }

    @Test("an observer's refused requests leave a line with its name, address and route")
    func journal() throws {
      let eve = try issue(.observer, "eve")
      try lab.run(
        """
        curl -s --cacert \(lab.pki)/ca.pem --cert \(eve)/cert.pem --key \(eve)/key.pem \
          --data '{}' https://minio-1:7377/v1/plan >/dev/null
        """)
      let lines = try lab.exec("minio-1", "journalctl -q -o cat -u keyturnd")
      #expect(
        lines.contains("refused observer eve of lab at")
          && lines.contains("POST /v1/plan: 403, the certificate of eve has role observer"))
      #expect(lines.contains("operator lab-operator of lab at"))
    }

    @Test("60 checks of an observer at once are one look at the Key Managers, and cost no threads")
    func checks() throws {
      let eve = try issue(.observer, "eve")
      func lines() throws -> Int {
        let printed = try lab.exec("kms-1", "journalctl -q -o cat -u minkms | wc -l")
        return Int(printed.filter(\.isNumber)) ?? 0
      }
      /// How many lines of the Key Manager's log so many checks at once are, and the answers.
      func check(_ count: Int) throws -> (lines: Int, answers: [String]) {
        // The last look must be too old to be shared.
        Clock.sleep(until: .inMilliseconds(Limits.observersCheckAgeMilliseconds + 100))
        let before = try lines()
        let printed = try lab.run(
          """
          seq \(count) | xargs -P \(count) -I{} curl -s -m 60 -o /dev/null -w '%{http_code}\\n' \
            --cacert \(lab.pki)/ca.pem --cert \(eve)/cert.pem --key \(eve)/key.pem \
            -X POST https://minio-1:7377/v1/check || true
          """)
        return (try lines() - before, printed.split(separator: "\n").map(String.init))
      }
      let one = try check(1)
      #expect(one.answers == ["200"] && one.lines > 0)
      let sixty = try check(60)
      // The nodes' own looks may come in between.
      #expect(sixty.lines <= 3 * one.lines, "\(one) \(sixty)")
      #expect(sixty.answers.contains("200"))
      #expect(Set(sixty.answers).isSubset(of: ["200", "503", "000"]), "\(sixty)")
      print("door: one check is \(one.lines) lines of the Key Manager, sixty are \(sixty.lines)")
    }

    /// Tries to listen on the agent's port as nobody, again and again, for so long; says how often it
    /// could.
    private func thief(seconds: Int) -> String {
      """
      setpriv --reuid 65534 --clear-groups perl -MIO::Socket::INET -e '
        my ($got, $end) = (0, time + \(seconds));
        while (time < $end) {
          my $s = IO::Socket::INET->new(LocalPort => 7377, Listen => 1, ReuseAddr => 1);
          if ($s) { $got++; select(undef, undef, undef, 0.3) }
        }
        print $got'
      """
    }

    @Test("nobody gets the port while keyturnd restarts")
    func held() throws {
      let got = try lab.exec(
        "minio-2",
        """
        \(thief(seconds: 4)) >/run/got & thief=$!
        for round in 1 2 3; do systemctl restart keyturnd; sleep 0.3; done
        wait $thief; cat /run/got
        """)
      #expect(got == "0")
      #expect(try lab.keyturn("status").status == 0)
    }

    @Test("without its socket a port that is taken is tried again until it is free")
    func taken() throws {
      defer {
        _ = try? lab.exec(
          "minio-2",
          "systemctl unmask --runtime keyturnd.socket && systemctl stop keyturnd; systemctl start keyturnd"
        )
      }
      let printed = try lab.exec(
        "minio-2",
        """
        systemctl stop keyturnd && systemctl mask --runtime --now keyturnd.socket 2>/dev/null
        \(thief(seconds: 3).replacing("0.3", with: "3")) >/run/got & thief=$!
        sleep 0.5; systemctl start keyturnd 2>/dev/null
        systemctl show keyturnd -P ExecMainStatus
        wait $thief
        for try in $(seq 100); do systemctl is-active -q keyturnd && break; sleep 0.1; done
        systemctl is-active keyturnd
        """)
      #expect(printed.split(separator: "\n").map(String.init) == ["75", "active"])
      #expect(try lab.keyturn("status").status == 0)
    }

    @Test(
      "a socket on another port than the inventory's is told with both ports, and not tried again")
    func otherPort() throws {
      defer {
        _ = try? lab.exec(
          "minio-3",
          """
          rm -r /run/systemd/system/keyturnd.socket.d; systemctl daemon-reload
          systemctl stop keyturnd keyturnd.socket; systemctl start keyturnd
          """)
      }
      let printed = try lab.exec(
        "minio-3",
        """
        mkdir -p /run/systemd/system/keyturnd.socket.d
        printf '[Socket]\\nListenStream=\\nListenStream=7378\\n' \
          >/run/systemd/system/keyturnd.socket.d/port.conf
        systemctl daemon-reload; systemctl stop keyturnd; systemctl start keyturnd 2>/dev/null
        systemctl show keyturnd -P ExecMainStatus; systemctl is-active keyturnd
        journalctl -q -o cat -u keyturnd -n 5
        """)
      #expect(printed.hasPrefix("78\nfailed\n"))
      #expect(printed.contains("keyturnd.socket listens on port 7378"))
      #expect(printed.contains("/etc/keyturn/inventory.json says 7377"))
    }

    @Test("stop ends the agent for good, though others ask it; a crash does not")
    func stops() throws {
      defer { _ = try? lab.exec("minio-3", "systemctl start keyturnd") }
      try lab.exec("minio-3", "systemctl stop keyturnd")
      #expect(try lab.keyturn("status").status != 0)
      let states = "systemctl is-active keyturnd.service keyturnd.socket || true"
      #expect(try lab.exec("minio-3", states) == "inactive\ninactive\n")
      try lab.exec("minio-3", "systemctl start keyturnd && systemctl kill -s KILL keyturnd")
      let back = try lab.exec(
        "minio-3",
        """
        for try in $(seq 100); do
          [ "$(systemctl show keyturnd -P NRestarts)" = 1 ] && systemctl is-active -q keyturnd && break
          sleep 0.1
        done
        \(states)
        """)
      #expect(back == "active\nactive\n")
      #expect(try lab.keyturn("status").status == 0)
    }

    @Test("the agent's own limits hold: memory, and no program but its own")
    func sandbox() throws {
      let unit = try lab.properties(of: "keyturnd", on: "minio-1", "MemoryMax", "TasksMax")
      #expect(unit == ["MemoryMax": "\(256 << 20)", "TasksMax": "256"])
      let printed = try lab.exec(
        "minio-1",
        "nsenter --mount --target $(systemctl show keyturnd -P MainPID) /usr/bin/true; echo $?")
      #expect(printed == "126\n")
    }
  }
}
