// SPDX-License-Identifier: Apache-2.0
import Glibc
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// The CA of a cluster is changed while it works, on real hosts.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 1, witnesses: true))
  struct AuthorityChangeTests {
    let lab: Lab
    private var hosts: [String] { lab.nodes + lab.keyManagers }
    private var next: String { lab.pki + "-new" }

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// Runs a step again and again, killed a little later each time, until it has come to its end by itself.
    private func perform(_ step: String...) throws -> Subprocess.Outcome {
      var kills = 0
      for milliseconds in stride(from: 20, through: 20_000, by: 12) {
        let command = try lab.start(keyturn: ["pki", "rotate-ca", "--pki", lab.pki] + step)
        _ = command.wait(until: .inMilliseconds(milliseconds)) { _ in false }
        command.signal(SIGKILL)
        let outcome = try command.outcome()
        if outcome.status == 0 { break }
        kills += 1
        // Whatever was left undone, everybody answers everybody.
        if kills % 4 == 1 {
          let status = try lab.keyturn("status")
          #expect(status.status == 0, "\(step) \(milliseconds): \(status.stdout)\(status.stderr)")
        }
      }
      #expect(kills > 2, "\(step): killed \(kills) times")
      return try lab.keyturn(["pki", "rotate-ca", "--pki", lab.pki] + step)
    }

    /// What a certificate gets from an agent.
    private func ask(_ host: String, as directory: String) throws -> String {
      try lab.run(
        """
        curl -sS -m 5 --cacert \(directory)/ca.pem --cert \(directory)/cert.pem \
          --key \(directory)/key.pem https://\(host):7377/v1/status 2>&1; echo " ended $?"
        """)
    }

    @Test(
      "each step is killed again and again and taken up, a rollout goes through in between, nobody is refused, and the old CA is out at the end",
      .timeLimit(.minutes(15)))
    func change() throws {
      let (bob, carol) = (lab.directory.path("bob"), lab.directory.path("carol"))
      func issue(_ name: String, _ pki: String, _ out: String) throws {
        try lab.run("keyturn pki issue --pki \(pki) --role operator --name \(name) --out \(out)")
      }
      try issue("bob", lab.pki, bob)
      let revoked = try lab.keyturn(
        "pki", "revoke", "--yes", "--role", "operator", "eve", "--pki", lab.pki)
      #expect(revoked.status == 0, "\(revoked.stderr)")
      #expect(try ask("minio-1", as: bob).hasSuffix("ended 0\n"))
      let early = try lab.keyturn("pki", "rotate-ca", "--finish", "--pki", lab.pki)
      #expect(early.status == 5, "\(early.stderr)")

      let begun = try perform()
      #expect(begun.status == 0, "\(begun.stdout)\(begun.stderr)")
      #expect(begun.stdout.contains("trust both CAs"), "\(begun.stdout)")
      #expect(begun.stderr.contains("operator bob ("), "\(begun.stderr)")
      let status = try lab.keyturn("status")
      #expect(
        (status.stdout + status.stderr).contains("the change of the CA is not finished"),
        "\(status.stdout)\(status.stderr)")
      let held = try lab.keyturn("pki", "rotate-ca", "--issue", "--pki", lab.pki)
      #expect(held.status == 5 && held.stderr.contains("operator bob ("), "\(held.stderr)")

      // Who has a certificate of the new CA goes through the rest without an error.
      try issue("carol", next, carol)
      let watch = try lab.start(
        keyturn: ["check", "--watch", "--every", "1", "--json", "--credentials", carol])
      #expect(watch.wait(until: .inMilliseconds(30_000)) { !$0.isEmpty })
      let restart = try lab.start(keyturn: "restart", "--yes", "--json")
      #expect(
        restart.wait(until: .inMilliseconds(30_000)) { lines in
          lines.contains { $0.text.contains("\"restarting\"") }
        })
      let issued = try perform("--issue", "--without", "bob")
      #expect(issued.status == 0, "\(issued.stdout)\(issued.stderr)")
      let restarted = try restart.outcome()
      #expect(restarted.status == 0, "\(restarted.stdout)")
      // In the middle of the change a start finds what it trusts.
      try lab.exec("minio-2", "systemctl restart keyturnd")
      let finished = try perform("--finish", "--without", "bob")
      #expect(finished.status == 0, "\(finished.stdout)\(finished.stderr)")
      let seen = watch.lines.count
      _ = watch.wait(until: .inMilliseconds(20_000)) { $0.count > seen + 2 }
      watch.signal(SIGINT)
      _ = try watch.outcome()
      let looks = watch.lines.map(\.text).filter { $0.contains("\"event\":\"check\"") }
      #expect(looks.count > 5)
      for look in looks {
        let agents = look.split(separator: "\"port\":\"agent\",\"verdict\":\"").dropFirst()
        // While its agent is restarted a node is not there.
        if agents.count == lab.nodes.count * lab.keyManagers.count {
          #expect(agents.allSatisfy { $0.hasPrefix("fine\"") }, "\(look)")
        }
        for word in ["not accepted", "refused our certificate", "not trusted"] {
          #expect(!look.contains(word), "\(look)")
        }
      }

      // The old one's are refused; what is new lasts through a start, with the list of what is revoked.
      for host in hosts { try lab.exec(host, "systemctl restart keyturnd") }
      for host in hosts {
        #expect(try !ask(host, as: bob).hasSuffix("ended 0\n"), "\(host)")
        let log = try lab.exec(host, "journalctl -q -o cat -u keyturnd")
        #expect(!log.contains("is not used") && !log.contains("are not used"), "\(host): \(log)")
      }
      let after = try lab.keyturn("status")
      #expect(after.status == 0, "\(after.stdout)\(after.stderr)")
      #expect(!(after.stdout + after.stderr).contains("change of the CA"))
      #expect(try lab.keyturn("check").status == 0)
      let again = try lab.keyturn("restart", "--yes")
      #expect(again.status == 0, "\(again.stdout)\(again.stderr)")

      // A node's own command line too, whose /etc has the old CA alone.
      for host in lab.nodes {
        let own = try lab.exec(
          host, "keyturn status --inventory /etc/keyturn/inventory.json 2>&1; echo $?")
        #expect(own.hasSuffix("\n0\n"), "\(host): \(own)")
      }

      // Everything else goes on with the new directory, and with the old one nothing.
      let old = try lab.keyturn("pki", "renew", "--pki", lab.pki)
      #expect(
        old.status == 5 && old.stderr.contains("no agent that answers trusts"), "\(old.stderr)")
      let renewed = try lab.keyturn("pki", "renew", "--pki", next)
      #expect(renewed.status == 0, "\(renewed.stderr)")
      let more = try lab.keyturn(
        "pki", "revoke", "--yes", "--role", "operator", "mallory", "--pki", next)
      #expect(more.status == 0, "\(more.stderr)")
      #expect(try lab.keyturn("pki", "issue", "--join", "minio-3", "--pki", next).status == 0)
      let joined = try lab.exec(
        "minio-3",
        "umask 077 && cat >/root/h.join && keyturn join --replace /root/h.join 2>&1; echo $?",
        input: try lab.run("cat \(next)/minio-3.join"))
      #expect(joined.hasSuffix("\n0\n"), "\(joined)")
    }
  }
  /// The new CA's directory is lost in the middle of a change.
  @Suite(.serialized, .lab(nodes: 2, keyManagers: 1, witnesses: true))
  struct AuthorityLostTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    @Test(
      "before any certificate is replaced it is given up by the documented way, and another one comes to the end",
      .timeLimit(.minutes(5)))
    func lost() throws {
      let (own, next) = (lab.directory.path("own"), lab.directory.path("pki-next"))
      func done(_ arguments: String...) throws {
        let outcome = try lab.keyturn(arguments + ["--credentials", own])
        #expect(outcome.status == 0, "\(arguments): \(outcome.stdout)\(outcome.stderr)")
      }
      func issue(_ out: String) throws {
        try lab.run(
          "keyturn pki issue --pki \(lab.pki) --role operator --name carol --out \(out)")
      }
      try issue(own)
      try done("pki", "revoke", "--yes", "--role", "operator", "eve", "--pki", lab.pki)
      try done("pki", "rotate-ca", "--pki", lab.pki)
      try lab.run("rm -r \(lab.pki)-new")
      // As docs/use/runbooks.md says.
      try lab.run("rm -r \(own)")
      try issue(own)
      try done("pki", "revoke", "--pki", lab.pki)
      try lab.run("keyturn pki init --cluster lab --out \(next)")
      // The lab's own operator has asked with the old CA's.
      let without = ["--without", "lab-operator"]
      for step in [[], ["--issue"] + without, ["--finish"] + without] {
        let outcome = try lab.keyturn(
          ["pki", "rotate-ca", "--pki", lab.pki, "--new", next, "--credentials", own] + step)
        #expect(outcome.status == 0, "\(step): \(outcome.stdout)\(outcome.stderr)")
      }
      try done("status")
      for host in lab.nodes + lab.keyManagers {
        try lab.exec(host, "systemctl restart keyturnd")
      }
      try done("status")
      try done("restart", "--yes")
      let list = try lab.run("cat \(next)/revocations.json")
      #expect(list.contains("\"name\":\"eve\""), "\(list)")
    }
  }
}
