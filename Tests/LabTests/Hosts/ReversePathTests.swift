// SPDX-License-Identifier: Apache-2.0
import JSONCoding
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// The other direction: witnesses on the Key Manager hosts, and everything that can keep them from
  /// reaching a node.
  @Suite(.serialized, .lab(nodes: 2, keyManagers: 2, witnesses: true))
  struct ReversePathTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    // MARK: the table

    /// One fault: what breaks it and what mends it, and what must be said of it.
    struct Fault: Sendable, CustomTestStringConvertible {
      enum Rule: Sendable { case refused, warned }
      var testDescription: String
      var host: String
      var broken: String
      var mended: String
      var rule: Rule
      var words: [String]

      init(
        _ description: String, on host: String, _ broken: String, mended: String, _ rule: Rule,
        _ words: String...
      ) {
        testDescription = description
        (self.host, self.broken, self.mended) = (host, broken, mended)
        (self.rule, self.words) = (rule, words)
      }

      /// A rule for what comes in on minio-2 from kms-1.
      static func incoming(
        _ description: String, _ verdict: String, port: Int, _ words: String
      ) -> Fault {
        Fault(
          description, on: "minio-2",
          """
          nft add table inet t && nft add chain inet t in '{ type filter hook input priority 0; }' &&
          nft add rule inet t in ip saddr 10.77.1.11 tcp dport \(port) \(verdict)
          """, mended: "nft delete table inet t", .refused, "kms-1", "10.77.0.12:\(port)", words)
      }

      /// A rule on kms-1 for what it opens toward minio-2.
      static func outgoing(_ description: String, _ rule: String, _ words: String...) -> Fault {
        var fault = Fault(
          description, on: "kms-1",
          """
          nft add table ip t && nft add chain ip t out '{ type nat hook output priority -100; }' &&
          nft add chain ip t filter '{ type filter hook output priority 0; }' &&
          nft add rule ip t \(rule)
          """, mended: "nft delete table ip t", .refused)
        fault.words = ["kms-1"] + words
        return fault
      }

      /// Other lines in place of minio-2's in /etc/hosts of kms-1.
      static func names(
        _ description: String, _ lines: String, _ rule: Rule, _ words: String...
      ) -> Fault {
        var fault = Fault(
          description, on: "kms-1",
          """
          cp /etc/hosts /etc/hosts.right && sed -i '/minio-2/d' /etc/hosts &&
          printf '\(lines)' >>/etc/hosts
          """, mended: "cat /etc/hosts.right >/etc/hosts", rule)
        fault.words = ["kms-1"] + words
        return fault
      }

      /// Other credentials for the witness on kms-1.
      static func credentials(_ description: String, _ make: String, _ words: String...) -> Fault {
        var fault = Fault(
          description, on: "kms-1",
          """
          cp -a /etc/keyturn /root/right && \(make) && systemctl restart keyturnd
          """,
          mended: """
            rm -rf /etc/keyturn/* && mv /root/right/* /etc/keyturn/ && rmdir /root/right &&
            systemctl reset-failed keyturnd && systemctl restart keyturnd
            """, .warned)
        fault.words = ["kms-1"] + words
        return fault
      }
    }

    static let other = """
      rm -rf /root/pki /etc/keyturn/credentials &&
      sed -i 's/"lab"/"other"/' /etc/keyturn/inventory.json && keyturn pki init --cluster other --out /root/pki &&
      keyturn pki issue --pki /root/pki --role witness --name kms-1 --address kms-1 \
        --out /etc/keyturn/credentials
      """

    static let faults: [Fault] = [
      .incoming("MinIO's port dropped", "drop", port: 9000, "a firewall drops it"),
      .incoming("MinIO's port rejected", "reject", port: 9000, "a firewall on minio-2"),
      .incoming("reset", "reject with tcp reset", port: 9000, "a firewall on minio-2"),
      .incoming(
        "MinIO's port prohibited", "reject with icmpx admin-prohibited", port: 9000, "no route"),
      .incoming("the agent's port dropped", "drop", port: 7377, "a firewall drops it"),
      .incoming("the agent's port rejected", "reject", port: 7377, "a firewall on minio-2"),
      .outgoing(
        "no route from the Key Manager host",
        "filter ip daddr 10.77.0.12 ct state new reject with icmp type net-unreachable", "no route"),
      .outgoing(
        "MinIO's port routed to another host",
        "out ip daddr 10.77.0.12 tcp dport 9000 dnat to 10.77.0.11", "another host",
        "10.77.0.12:9000"),
      .outgoing(
        "the agent's port routed to another host",
        "out ip daddr 10.77.0.12 tcp dport 7377 dnat to 10.77.0.11", "another host",
        "10.77.0.12:7377"),
      .outgoing(
        "MinIO's port routed to something that is no MinIO",
        "out ip daddr 10.77.0.12 tcp dport 9000 dnat to 10.77.1.12:7373", "10.77.0.12:9000"),
      .names(
        "the name resolves to another node", #"10.77.0.11 minio-2\n"#, .refused, "another host"),
      .names("the name does not resolve", "", .refused, "cannot resolve"),
      .names(
        "a wrong address among two", #"10.77.0.12 minio-2\n10.77.0.11 minio-2\n"#, .refused,
        "another host at 10.77.0.11:7377"),
      .names(
        "a dead address among two", #"10.77.0.12 minio-2\n10.77.0.99 minio-2\n"#, .warned,
        "10.77.0.99:9000"),
      Fault(
        "the witness is down", on: "kms-1", "systemctl stop keyturnd",
        mended: "systemctl start keyturnd", .warned, "kms-1", "not verified", "connection refused"),
      Fault(
        "the witness is behind a firewall", on: "kms-1",
        """
        nft add table inet t && nft add chain inet t in '{ type filter hook input priority 0; }' &&
        nft add rule inet t in tcp dport 7377 drop
        """, mended: "nft delete table inet t", .warned, "kms-1", "not verified", "timed out"),
      .credentials("the witness is of another cluster", other, "not verified", "certificate"),
    ]

    @Test(
      "a reverse path that does not work refuses, one that cannot be verified warns: with link and stage, in time, nothing touched",
      arguments: faults)
    func fault(_ fault: Fault) throws {
      let change = try lab.file("change.env", "MINIO_BROWSER=off\n")
      defer { _ = try? lab.exec(fault.host, fault.mended) }
      try lab.exec(fault.host, fault.broken)
      let before = try lab.footprint()
      let began = Clock.now()
      switch fault.rule {
      case .refused:
        let outcome = try lab.keyturn("apply", "--yes", "--settings", change)
        #expect(outcome.status == 7, "\(outcome.stdout)\(outcome.stderr)")
        for word in fault.words { #expect(outcome.stderr.contains(word), "\(outcome.stderr)") }
        #expect(outcome.stderr.contains("nothing was touched"))
      case .warned:
        let outcome = try lab.keyturn("plan", "--settings", change)
        #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
        let said = outcome.stdout + outcome.stderr
        for word in fault.words { #expect(said.contains(word), "\(said)") }
      }
      #expect(Clock.now().milliseconds(since: began) < 10_000)
      try lab.expectUntouched(since: before)
    }

    @Test("another host with a copy of a node's certificate is not taken for it")
    func copiedCertificate() throws {
      let path = "/etc/keyturn/credentials"
      let files = try lab.exec("minio-2", "tar -C \(path) -c . | base64 -w0")
      try lab.exec(
        "kms-2",
        """
        mkdir -p /root/copy && base64 -d | tar -C /root/copy -x &&
        systemd-run -q --unit=copy keyturnd --credentials /root/copy --state /root/state \
          --listen 0.0.0.0:7999
        """, input: files)
      defer { _ = try? lab.exec("kms-2", "systemctl stop copy; rm -rf /root/copy /root/state") }
      let fault = Fault.outgoing(
        "", "out ip daddr 10.77.0.12 tcp dport 7377 dnat to 10.77.1.12:7999")
      try lab.exec("kms-1", fault.broken)
      defer { _ = try? lab.exec("kms-1", fault.mended) }
      let outcome = try lab.keyturn("check")
      #expect(outcome.status == 1, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stdout.contains("back 7377 another host"), "\(outcome.stdout)")
      #expect(outcome.stderr.contains("it is not the one that asked"), "\(outcome.stderr)")
    }

    @Test("with the policy to refuse, a witness that is down keeps everybody from restarting")
    func policy() throws {
      try lab.agree { $0.unverifiedDirection = .refuse }
      defer { try? lab.agree() }
      let change = try lab.file("change.env", "MINIO_BROWSER=off\n")
      #expect(try lab.keyturn("plan", "--settings", change).status == 0)
      try lab.exec("kms-2", "systemctl stop keyturnd")
      defer { _ = try? lab.exec("kms-2", "systemctl start keyturnd") }
      let before = try lab.footprint()
      let outcome = try lab.keyturn("apply", "--yes", "--settings", change)
      #expect(outcome.status == 7, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("the reverse path from kms-2 is not verified"))
      try lab.expectUntouched(since: before)
    }

    @Test("what was a witness, and is none any more in the nodes' inventory, is not believed")
    func retired() throws {
      try lab.agree { $0.keyManagers[0].witness = nil }
      defer { try? lab.agree() }
      let outcome = try lab.keyturn("check")
      // The operator's inventory still has it.
      #expect(outcome.status == 1, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("is another one than this command's: witness"))
      #expect(outcome.stdout.contains("minio-1  fine, back unverified  fine"), "\(outcome.stdout)")
      #expect(outcome.stdout.contains("minio-2  fine, back unverified  fine"), "\(outcome.stdout)")
      // It still asks when minio-1 does, by the other Key Manager's name or its own: no proof for it.
      let proof = try lab.exec(
        "kms-1",
        """
        cd /etc/keyturn/credentials && curl -sS -m 5 --cacert ca.pem --cert cert.pem --key key.pem \
          'https://minio-1:7377/v1/reached?nonce=\(String(repeating: "a", count: 64))&challenge=\
        \(String(repeating: "b", count: 64))'
        """)
      #expect(proof.contains("kms-1 is no witness in this node's inventory"), "\(proof)")
    }

    @Test("a node whose own server does not run: its reverse path is unverified, not refused")
    func serverDown() throws {
      try lab.exec("minio-2", "systemctl stop minio")
      defer { _ = try? lab.exec("minio-2", "systemctl start minio") }
      let outcome = try lab.keyturn("check")
      let row = outcome.stdout.split(separator: "\n").first { $0.hasPrefix("minio-2") }
      #expect(row?.contains("back unverified") == true, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stdout.contains("the server of minio-2 does not answer minio-2 itself"))
    }

    // MARK: no scanner

    @Test("a witness reaches nobody for who asks anything but the one thing, and counts it")
    func scanner() throws {
      let pki = lab.directory.path("stranger")
      try lab.run(
        "keyturn pki issue --pki \(lab.pki) --role node --name minio-9 --address minio-9 --out \(pki)"
      )
      func curl(_ credentials: String, _ arguments: String) throws -> String {
        try lab.run(
          """
          curl -sS -m 5 --cacert \(credentials)/ca.pem --cert \(credentials)/cert.pem \
            --key \(credentials)/key.pem \(arguments)
          """)
      }
      func counter(_ name: String) throws -> Int {
        let text = try curl(lab.credentials, "https://kms-1:7377/metrics")
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name + " ") })
        return try #require(Int(line.split(separator: " ")[1]))
      }
      let nonce = String(repeating: "a", count: 64)
      func ask(_ credentials: String, _ body: String, path: String = "witness") throws -> String {
        try curl(
          credentials, "-o /dev/null -w '%{http_code}' -d '\(body)' https://kms-1:7377/v1/\(path)")
      }
      let served = try counter("keyturn_witness_served_total")
      let right = #"{"nonce":"\#(nonce)"}"#
      // A node's own certificate, taken from a host.
      let node = lab.directory.path("node")
      try lab.run("mkdir \(node)")
      for file in ["ca.pem", "cert.pem", "key.pem"] {
        _ = try lab.file(
          "node/\(file)", lab.exec("minio-1", "cat /etc/keyturn/credentials/\(file)"))
      }
      for (reason, credentials, body, path, status) in [
        ("request", node, #"{"nonce":"\#(nonce)","address":"10.77.0.12:22"}"#, "witness", "400"),
        ("request", node, #"{"nonce":"10.77.0.12:22"}"#, "witness", "400"),
        ("request", node, right, "witness?host=10.77.0.12", "400"),
        ("request", node, right, "scan", "400"),
        ("role", lab.credentials, right, "witness", "403"),
        ("unknownNode", pki, right, "witness", "403"),
      ] {
        let name = #"keyturn_witness_refused_total{reason="\#(reason)"}"#
        let before = try counter(name)
        #expect(try ask(credentials, body, path: path) == status, "\(body) \(path)")
        #expect(try counter(name) == before + 1)
      }
      let asked = try counter("keyturn_witness_served_total")
      // The nodes' own looks may come in between; the refused ones reached nobody.
      #expect(asked - served <= 4)
      // Served, for the node that it is: but the agent there has never handed this nonce out.
      let answer = try curl(node, "-d '\(right)' https://kms-1:7377/v1/witness")
      #expect(answer.contains(#""node":"minio-1""#))
      #expect(answer.contains("anotherHost") && !answer.contains("10.77.0.12"), "\(answer)")
      let log = try lab.exec("kms-1", "journalctl -q -o cat -u keyturnd")
      #expect(log.contains("refused keyturn://lab/node/minio-9"), "\(log)")
    }

    // MARK: looking

    @Test("check shows both directions, and Nagios is told in one line")
    func check() throws {
      let outcome = try lab.keyturn("check")
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      #expect(
        outcome.stdout == """
          NODE     kms-1  kms-2
          minio-1  fine   fine
          minio-2  fine   fine
          2 nodes: everything is fine

          """)
      let nagios = try lab.keyturn("check", "--nagios")
      #expect(nagios.status == 0, "\(nagios.stdout)")
      #expect(
        nagios.stdout.hasPrefix(
          "KEYTURN OK - 2 nodes: everything is fine | nodes=2;;;0 unreachable=0;;0;0 links=8;;;0"),
        "\(nagios.stdout)")
    }

    @Test("the nodes look by themselves: status and metrics have the last look and its age")
    func background() throws {
      struct Line: Decodable {
        struct Links: Decodable { var ageSeconds, fine, failed: Int }
        var event: String
        var links: Links?
      }
      let deadline = Instant.inMilliseconds(90_000)
      var links: [Line.Links] = []
      while links.count < 2, Clock.now() < deadline {
        links = try lab.keyturn("status", "--json").stdout.split(separator: "\n")
          .compactMap { try JSON.decode(Line.self, from: Array($0.utf8)).links }
        Clock.sleep(until: .inMilliseconds(500))
      }
      #expect(links.count == 2 && links.allSatisfy { $0.ageSeconds < 90 })
      let text = try lab.run(
        """
        curl -sS --cacert \(lab.credentials)/ca.pem --cert \(lab.credentials)/cert.pem \
          --key \(lab.credentials)/key.pem https://minio-1:7377/metrics
        """)
      #expect(text.contains(#"keyturn_key_manager_links{direction="back",verdict="fine"}"#))
      #expect(text.contains("keyturn_key_manager_look_age_seconds "))
    }

    @Test("the witness runs without a right of root's, and where no MinIO is")
    func rights() throws {
      let script = """
        test ! -e /etc/default/minio &&
        sed -n 's/^CapEff:[^0-9a-f]*//p' /proc/$(systemctl show keyturnd -P MainPID)/status
        """
      #expect(try lab.exec("kms-1", script) == "0000000000000000\n")
    }
  }
}
