// SPDX-License-Identifier: Apache-2.0
import Glibc
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// Certificates that are renewed, and hosts that join, on real hosts.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 2, witnesses: true))
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

    @Test("an agent without a right to it gets no certificate, and neither does a stranger's CA")
    func refused() throws {
      let other = lab.directory.path("other")
      try lab.run("keyturn pki init --cluster lab --out \(other)")
      let before = try serials()
      let outcome = try lab.keyturn("pki", "renew", "--pki", other)
      #expect(outcome.status == 3, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("was not issued by this CA"), "\(outcome.stderr)")
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
        // Any host's file but its own is refused by what answers under that address.
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
      // The seal comes from the others.
      let deadline = Instant.inMilliseconds(30_000)
      var status = try lab.keyturn("status")
      while status.status != 0, Clock.now() < deadline { status = try lab.keyturn("status") }
      #expect(status.status == 0, "\(status.stdout)\(status.stderr)")
      let restart = try lab.keyturn("restart", "--yes")
      #expect(restart.status == 0, "\(restart.stdout)\(restart.stderr)")
      #expect(try lab.keyturn("check").status == 0)
    }
  }
}
