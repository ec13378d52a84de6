// SPDX-License-Identifier: Apache-2.0
import Glibc
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// Certificates that are renewed, and hosts that join, on real hosts.
  @Suite(.serialized, .lab(nodes: 8, keyManagers: 2, witnesses: true))
  struct CertificateTests {
    let lab: Lab
    private var hosts: [String] { lab.nodes + lab.keyManagers }

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// The serial number of the certificate that the agent of a host shows.
    private func serial(of host: String) throws -> String {
      try lab.run(
        """
        openssl s_client -connect \(host):7377 -cert \(lab.credentials)/cert.pem \
          -key \(lab.credentials)/key.pem </dev/null 2>/dev/null | openssl x509 -noout -serial
        """)
    }

    private func serials() throws -> [String] {
      try hosts.map { (host) throws in try serial(of: host) }
    }

    @Test(
      "all are renewed while check looks and a rollout runs: no error, no restart of an agent, and a restart keeps them"
    )
    func renew() throws {
      let before = try serials()
      let agents = try hosts.map { (host) throws in
        try lab.properties(of: "keyturnd", on: host, "InvocationID")
      }
      let watch = try lab.start(keyturn: "check", "--watch", "--every", "1", "--json")
      let restart = try lab.start(keyturn: "restart", "--yes", "--json")
      #expect(
        restart.wait(until: .inMilliseconds(30_000)) { lines in
          lines.contains { $0.text.contains("\"restarting\"") }
        })
      let renewed = try lab.keyturn("pki", "renew", "--pki", lab.pki)
      #expect(renewed.status == 0, "\(renewed.stdout)\(renewed.stderr)")
      for host in hosts {
        #expect(renewed.stdout.contains("\(host): renewed, valid until "), "\(renewed.stdout)")
      }
      #expect(try restart.outcome().status == 0)
      let seen = watch.lines.count
      _ = watch.wait(until: .inMilliseconds(20_000)) { $0.count > seen + 2 }
      watch.signal(SIGINT)
      _ = try watch.outcome()
      // Every agent has answered each look, and every witness has reached each agent.
      let looks = watch.lines.map(\.text).filter { $0.contains("\"event\":\"check\"") }
      #expect(looks.count > 3)
      for look in looks {
        let agents = look.split(separator: "\"port\":\"agent\",\"verdict\":\"").dropFirst()
        #expect(agents.count == lab.nodes.count * lab.keyManagers.count, "\(look)")
        #expect(agents.allSatisfy { $0.hasPrefix("fine\"") }, "\(look)")
      }

      let after = try serials()
      #expect(zip(before, after).allSatisfy { $0 != $1 && !$1.isEmpty }, "\(before) \(after)")
      let same = try hosts.map { (host) throws in
        try lab.properties(of: "keyturnd", on: host, "InvocationID")
      }
      #expect(same == agents)
      for host in hosts {
        #expect(
          try lab.exec(host, "stat -c %a /var/lib/keyturn/certificate") == "600\n")
        try lab.exec(host, "systemctl restart keyturnd")
      }
      #expect(try serials() == after)
      let status = try lab.keyturn("status")
      #expect(status.status == 0, "\(status.stdout)\(status.stderr)")
      let check = try lab.keyturn("check")
      #expect(check.status == 0, "\(check.stdout)\(check.stderr)")
      // The new keys are on their hosts alone.
      let keys = try hosts.map { (host) throws in
        try lab.exec(host, "sed -n '/PRIVATE/,/PRIVATE/p' /var/lib/keyturn/certificate | sed -n 2p")
      }
      #expect(keys.allSatisfy { $0.count > 32 } && Set(keys).count == hosts.count)
      for key in keys {
        #expect(!renewed.stdout.contains(key) && !renewed.stderr.contains(key))
        for host in hosts {
          let found = try lab.exec(
            host, "journalctl -q -o cat | grep -c -F -- \"$(cat)\" || true", input: key)
          #expect(found == "0\n")
        }
      }
    }

    @Test("a renewed certificate that is damaged is told, and the one that was put there is used")
    func damaged() throws {
      let renewed = try lab.keyturn("pki", "renew", "minio-1", "--pki", lab.pki)
      #expect(renewed.status == 0, "\(renewed.stderr)")
      let good = try serial(of: "minio-1")
      try lab.exec(
        "minio-1",
        "cp -a /var/lib/keyturn/certificate /root/kept && echo x >>/var/lib/keyturn/certificate && systemctl restart keyturnd"
      )
      #expect(try serial(of: "minio-1") != good)
      let log = try lab.exec("minio-1", "journalctl -q -o cat -u keyturnd")
      #expect(log.contains("the renewed certificate in /var/lib/keyturn is not used"), "\(log)")
      try lab.exec(
        "minio-1", "mv /root/kept /var/lib/keyturn/certificate && systemctl restart keyturnd")
      #expect(try serial(of: "minio-1") == good)
    }

    @Test("a day after its join a node's own command line works: it uses what the agent uses")
    func ownCommands() throws {
      let host = "minio-2"
      let renewed = try lab.keyturn("pki", "renew", host, "--pki", lab.pki)
      #expect(renewed.status == 0, "\(renewed.stderr)")
      // The pair in /etc has come to its end.
      let request = try lab.exec(
        host,
        """
        cp -a /etc/keyturn/credentials /root/kept-credentials && cd /etc/keyturn/credentials &&
        openssl x509 -x509toreq -in cert.pem -signkey key.pem -copy_extensions copyall 2>/dev/null
        """)
      let requestFile = lab.directory.path("expired.csr")
      try lab.run("cat >\(requestFile) <<'END'\n\(request)END")
      let expired = try lab.run(
        """
        openssl x509 -req -in \(requestFile) -CA \(lab.pki)/ca.pem -CAkey \(lab.pki)/ca-key.pem \
          -copy_extensions copyall -days -1 -set_serial 77 2>/dev/null
        """)
      try lab.exec(
        host, "cat >/etc/keyturn/credentials/cert.pem && systemctl restart keyturnd", input: expired
      )
      let status = try lab.exec(
        host, "keyturn status --inventory /etc/keyturn/inventory.json 2>&1; echo $?")
      #expect(status.hasSuffix("\n0\n") && !status.contains("expired"), "\(status)")
      // Without what the agent was renewed by there is nothing but what has ended, and that is told.
      try lab.exec(host, "mv /var/lib/keyturn/certificate /root/kept-certificate")
      let ended = try lab.exec(
        host, "keyturn status --inventory /etc/keyturn/inventory.json 2>&1; echo $?")
      #expect(ended.hasSuffix("\n77\n") && ended.contains("expired on"), "\(ended)")
      try lab.exec(
        host,
        """
        mv /root/kept-certificate /var/lib/keyturn/certificate &&
        cp -a /root/kept-credentials/. /etc/keyturn/credentials/ && systemctl restart keyturnd
        """)
      #expect(try lab.keyturn("status").status == 0)
    }

    @Test("an agent without a right to it gets no certificate, and neither does a stranger's CA")
    func refused() throws {
      let other = lab.directory.path("other")
      try lab.run("keyturn pki init --cluster lab --out \(other)")
      let before = try serials()
      let outcome = try lab.keyturn("pki", "renew", "--pki", other)
      #expect(outcome.status == 5, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("no agent that answers trusts the CA"), "\(outcome.stderr)")
      #expect(try serials() == before)
    }

    @Test(
      "a host that is installed again under its name joins with one file and one command, and a witness too"
    )
    func join() throws {
      for host in ["minio-3", "kms-2"] {
        let pid = try lab.exec("minio-3", "systemctl show minio -P MainPID")
        try lab.exec(
          host,
          """
          systemctl disable --now keyturnd keyturnd.socket 2>/dev/null; rm -rf /etc/keyturn/* /var/lib/keyturn/*
          """)
        let issued = try lab.keyturn("pki", "issue", "--join", host, "--pki", lab.pki)
        #expect(issued.status == 0, "\(issued.stderr)")
        let file = "\(lab.pki)/\(host).join"
        let text = try lab.run("stat -c %a \(file) && cat \(file)")
        #expect(text.hasPrefix("600\n"))
        try lab.exec(
          host, "umask 077 && cat >/root/h.join", input: String(text.dropFirst("600\n".count)))
        // Another host's file would make a second agent with this one's key.
        let strange = try lab.exec(
          "minio-1",
          "umask 077 && cat >/root/other.join && keyturn join /root/other.join 2>&1; echo $?",
          input: String(text.dropFirst("600\n".count)))
        #expect(
          strange.contains("none of this host's addresses") && strange.hasSuffix("\n5\n"),
          "\(strange)")
        try lab.exec(host, "chmod 644 /root/h.join")
        let open = try lab.exec(host, "keyturn join /root/h.join 2>&1; echo $?")
        #expect(open.contains("can be read by others") && open.hasSuffix("5\n"), "\(open)")
        let joined = try lab.exec(
          host, "chmod 600 /root/h.join && keyturn join /root/h.join 2>&1; echo $?")
        #expect(joined.hasSuffix("\n0\n"), "\(joined)")
        #expect(joined.contains("\(host): the agent runs and answers"))
        let again = try lab.exec(host, "keyturn join /root/h.join 2>&1; echo $?")
        #expect(again.contains("in place already") && again.hasSuffix("\n0\n"), "\(again)")
        let status = try lab.keyturn("status")
        if host == "minio-3" {
          #expect(
            (status.stdout + status.stderr).contains("keyturn pki renew minio-3"),
            "\(status.stdout)\(status.stderr)")
        }
        let renewed = try lab.keyturn("pki", "renew", host, "--pki", lab.pki)
        #expect(renewed.status == 0, "\(renewed.stderr)")
        #expect(
          try lab.exec(host, "systemctl is-enabled keyturnd keyturnd.socket")
            == "enabled\nenabled\n")
        #expect(try lab.exec("minio-3", "systemctl show minio -P MainPID") == pid)
      }
      #expect(try lab.exec("minio-1", "ls -A /etc/keyturn/credentials | wc -l") == "3\n")
      // The seal comes from the others.
      let deadline = Instant.inMilliseconds(30_000)
      var status = try lab.keyturn("status")
      while status.status != 0, Clock.now() < deadline { status = try lab.keyturn("status") }
      #expect(status.status == 0, "\(status.stdout)\(status.stderr)")
      let restart = try lab.keyturn("restart", "--yes")
      #expect(restart.status == 0, "\(restart.stdout)\(restart.stderr)")
      #expect(try lab.keyturn("check").status == 0)
    }

    @Test(
      "what is revoked is refused within a second, on open connections, after a restart and by those that were away"
    )
    func revoke() throws {
      let bob = lab.directory.path("bob")
      try lab.run(
        "keyturn pki issue --pki \(lab.pki) --role operator --name bob --out \(bob)")
      func asBob(_ arguments: String...) throws -> Subprocess.Outcome {
        try lab.keyturn(arguments + ["--credentials", bob])
      }
      #expect(try asBob("status").status == 0)
      let watch = try lab.start(
        keyturn: ["check", "--watch", "--every", "1", "--json", "--credentials", bob])
      #expect(watch.wait(until: .inMilliseconds(20_000)) { !$0.isEmpty })
      // Lines of a journal, held back until there are some: a request that is under way for seconds.
      let poll = try lab.start(
        """
        curl -sS -m 20 --cacert \(bob)/ca.pem --cert \(bob)/cert.pem --key \(bob)/key.pem \
          'https://minio-1:7377/v1/rollouts/0000000000000000?wait=1' ; echo ready ; \
        curl -sS -m 20 --cacert \(bob)/ca.pem --cert \(bob)/cert.pem --key \(bob)/key.pem \
          'https://minio-1:7377/v1/logs?last=0&limit=10&wait=20000' ; echo "ended $?"
        """, seconds: 60)
      #expect(
        poll.wait(until: .inMilliseconds(20_000)) { $0.contains { $0.text.hasSuffix("ready") } })
      let away = ["kms-1", "minio-3"]
      for host in away { try lab.exec(host, "systemctl stop keyturnd keyturnd.socket") }
      let revoked = try lab.keyturn(
        "pki", "revoke", "--yes", "--role", "operator", "bob", "--pki", lab.pki)
      #expect(revoked.status == 3, "\(revoked.stdout)\(revoked.stderr)")
      #expect(
        revoked.stderr.contains(
          "2 of \(hosts.count) do not have the list and still take what is revoked: minio-3, kms-1"),
        "\(revoked.stderr)")
      let began = Clock.now()
      #expect(
        poll.wait(until: .inMilliseconds(10_000)) { $0.contains { $0.text.hasPrefix("ended ") } })
      #expect(Clock.now().milliseconds(since: began) < 1_000)
      let refused = try asBob("status")
      #expect(refused.stderr.contains("was revoked"), "\(refused.stdout)\(refused.stderr)")
      #expect(refused.status == 77, "minio-3 is away, and the others say no")
      let isTold = watch.wait(until: .inMilliseconds(10_000)) { lines in
        lines.contains { $0.text.contains("was revoked") }
      }
      #expect(isTold, "\(watch.lines.last?.text ?? "")")
      watch.signal(SIGINT)
      _ = try watch.outcome()

      // Who was away learns it from the others, without a command of anybody.
      func told(by host: String) throws -> String {
        try lab.run(
          """
          curl -sS -m 5 --cacert \(bob)/ca.pem --cert \(bob)/cert.pem --key \(bob)/key.pem \
            https://\(host):7377/v1/status 2>&1 || true
          """)
      }
      for host in away { try lab.exec(host, "systemctl start keyturnd") }
      for host in away {
        let deadline = Instant.inMilliseconds(20_000)
        while try !told(by: host).contains("was revoked"), Clock.now() < deadline {
          Clock.sleep(until: .inMilliseconds(100))
        }
        let log = try lab.exec(host, "journalctl -q -o cat -u keyturnd")
        #expect(log.contains("list 1 of revoked certificates taken from minio-"), "\(log)")
      }
      for host in hosts { try lab.exec(host, "systemctl restart keyturnd") }
      #expect(try lab.keyturn("status").status == 0)
      for host in hosts {
        let answer = try told(by: host)
        #expect(answer.contains("was revoked"), "\(host): \(answer)")
      }
      let kept = lab.directory.path("list-1")
      let own = "--cert \(lab.credentials)/cert.pem --key \(lab.credentials)/key.pem"
      let url = "https://minio-1:7377/v1/revocations"
      try lab.run(
        """
        curl -sS -m 5 --cacert \(lab.credentials)/ca.pem \(own) \(url) |
          sed 's/^{"list"://; s/}$//' >\(kept)
        """)

      // A node's stolen key: shut out, and back with another one.
      let node = try lab.keyturn(
        "pki", "revoke", "--yes", "--role", "node", "minio-2", "--pki", lab.pki)
      #expect(node.status == 0, "\(node.stderr)")
      for other in ["minio-1", "kms-1"] {
        let answer = try lab.exec(
          "minio-2",
          """
          sed -n '/CERT/,/CERT/p' /var/lib/keyturn/certificate >/root/c.pem &&
          sed -n '/PRIVATE/,/PRIVATE/p' /var/lib/keyturn/certificate >/root/k.pem &&
          curl -sS -m 5 --cacert /etc/keyturn/credentials/ca.pem --cert /root/c.pem --key /root/k.pem \
            https://\(other):7377/v1/status; rm /root/c.pem /root/k.pem
          """)
        #expect(answer.contains("was revoked"), "\(other): \(answer)")
      }
      let stolen = try lab.keyturn("pki", "renew", "minio-2", "--pki", lab.pki)
      #expect(stolen.status != 0 && stolen.stderr.contains("was revoked"), "\(stolen.stderr)")
      // Its holder has no vote, and gets nothing.
      let rollout = try lab.keyturn("restart", "--yes")
      #expect(rollout.status == 4, "\(rollout.stdout)\(rollout.stderr)")
      #expect(rollout.stderr.contains("was revoked"), "\(rollout.stderr)")
      let status = try lab.keyturn("status")
      #expect(
        status.status == 1
          && (status.stdout + status.stderr).contains("the other agents refuse this one"),
        "\(status.stdout)\(status.stderr)")
      #expect((status.stdout + status.stderr).contains("keyturn pki issue --replace minio-2"))
      // A list that lacks what is revoked already is refused.
      let older = try lab.run(
        "curl -sS -m 5 --cacert \(lab.credentials)/ca.pem \(own) --data-binary @\(kept) \(url)")
      #expect(older.contains("which this lacks"), "\(older)")
      // Where the list was lost it comes back from the agents, and nobody on it comes in again.
      let other = lab.directory.path("older")
      try lab.run("cp -a \(lab.pki) \(other) && rm \(other)/revocations.json")
      let lost = try lab.keyturn(
        "pki", "revoke", "--yes", "--role", "operator", "eve", "--pki", other)
      #expect(lost.status == 0 && lost.stderr.contains("has taken back what"), "\(lost.stderr)")
      let list = try lab.run("cat \(other)/revocations.json")
      for name in ["bob", "minio-2", "eve"] {
        #expect(list.contains("\"name\":\"\(name)\""), "\(list)")
      }
      // Another host under the name has no list: it comes with the file, whatever is there of last time.
      try lab.run("touch \(lab.pki)/minio-2.join")
      try lab.exec(
        "minio-2", "systemctl stop keyturnd keyturnd.socket; rm /var/lib/keyturn/revocations")
      let replaced = try lab.keyturn("pki", "issue", "--replace", "minio-2", "--pki", lab.pki)
      #expect(replaced.status == 0, "\(replaced.stdout)\(replaced.stderr)")
      #expect(replaced.stdout.contains("\(hosts.count - 1) agents and witnesses have the list"))
      #expect(
        replaced.stderr.contains("was lost or older"), "what was added in the other directory")
      let text = try lab.run("cat \(lab.pki)/minio-2.join")
      let joined = try lab.exec(
        "minio-2",
        "umask 077 && cat >/root/h.join && keyturn join --replace /root/h.join 2>&1; echo $?",
        input: text)
      #expect(joined.hasSuffix("\n0\n"), "\(joined)")
      #expect(joined.contains("list 4 of revoked certificates is in place"), "\(joined)")
      #expect(try lab.keyturn("pki", "renew", "minio-2", "--pki", lab.pki).status == 0)
      let same = try lab.keyturn("status")
      #expect(!(same.stdout + same.stderr).contains("its list of revoked certificates is older"))
      let restart = try lab.keyturn("restart", "--yes")
      #expect(restart.status == 0, "\(restart.stdout)\(restart.stderr)")
    }
  }
}
