// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

extension LabTests {
  /// What is refused before anything is touched, and what is only looked at.
  @Suite(.serialized, .lab(nodes: 4, keyManagers: 2))
  struct PreflightTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    // MARK: refusals

    @Test(
      "a Key Manager endpoint that is wrong: exit 7, with node, endpoint and stage",
      arguments: [
        ("https://kms-9.example.net:7373", "name resolution"),
        ("https://kms-2.example.net:7374", "TCP"),
        ("https://minio-1.example.net:7377", "TLS"),
      ])
    func wrongEndpoint(endpoint: String, stage: String) throws {
      let before = try lab.footprint()
      let outcome = try lab.keyturn(
        "apply", "--yes", "--settings", lab.settings(["MINIO_KMS_SERVER": endpoint]))
      #expect(outcome.status == 7, "\(outcome.stdout)\(outcome.stderr)")
      let line = outcome.stderr.split(separator: "\n").first { $0.contains("nothing was touched") }
      let text = try #require(line)
      #expect(text.contains("minio-") && text.contains(endpoint) && text.contains(stage))
      try lab.expectUntouched(since: before)
    }

    @Test("an API key that the Key Manager does not know: exit 7")
    func unknownKey() throws {
      let before = try lab.footprint()
      // Well-formed, of the right length, and nobody's.
      let key = "k1:b_6Dhm4iqaGR1gd_CkAA_otcPtgaqS2Xixb_G95TJV8"
      let file = try lab.file("key", key + "\n")
      let outcome = try lab.keyturn("apply", "--yes", "--api-key-file", file)
      #expect(outcome.status == 7, "\(outcome.stdout)\(outcome.stderr)")
      #expect(!(outcome.stdout + outcome.stderr).contains(key))
      #expect(outcome.stderr.contains("minio-") && outcome.stderr.contains("kms-1"))
      try lab.expectUntouched(since: before)
    }

    @Test("a mistyped variable: exit 5, with the line and what to write instead")
    func mistyped() throws {
      let before = try lab.footprint()
      let file = try lab.file("typo.env", "# a comment\nMINIO_KMS_ENCLAV=store\n")
      let outcome = try lab.keyturn("apply", "--yes", "--settings", file)
      #expect(outcome.status == 5, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("MINIO_KMS_ENCLAV, line 2"))
      #expect(outcome.stderr.contains("did you mean MINIO_KMS_ENCLAVE?"))
      try lab.expectUntouched(since: before)
    }

    @Test("an environment file that is a symbolic link: exit 5, and it says so")
    func symbolicLink() throws {
      let file = "/etc/default/minio"
      try lab.exec("minio-2", "mv \(file) /etc/minio.real && ln -s /etc/minio.real \(file)")
      defer { _ = try? lab.exec("minio-2", "rm \(file) && mv /etc/minio.real \(file)") }
      let before = try lab.footprint()
      let other = try lab.file("other.env", "MINIO_BROWSER=off\n")
      let outcome = try lab.keyturn("apply", "--yes", "--settings", other)
      #expect(outcome.status == 5, "\(outcome.stdout)\(outcome.stderr)")
      #expect(outcome.stderr.contains("minio-2"))
      #expect(outcome.stderr.contains(file) && outcome.stderr.contains("symbolic link"))
      try lab.expectUntouched(since: before)
    }

    // MARK: the file

    @Test("everything but the changed lines stays: comments, order, unknown variables, owner, mode")
    func fileKept() throws {
      let file = "/etc/default/minio"
      let odd = #"""

        ; a comment of the other kind	with a tab and trailing blanks   
        export_path='/srv/x'
          HTTP_PROXY = http://proxy.example.net:3128
        MINIO_SITE_NAME=lab # no comment for systemd

        # MINIO_BROWSER=on
        MINIO_BROWSER="on"
        TZ=UTC
        """#
      try lab.onEachNode(
        """
        cat >>\(file) <<'ODD'
        \(odd)
        ODD
        chown minio-user:daemon \(file) && chmod 604 \(file) && cp -p \(file) /root/before
        """)
      defer {
        _ = try? lab.onEachNode(
          """
          sed -i '/^MINIO_/!d; /^MINIO_BROWSER/d; /^MINIO_SITE_NAME/d; /^MINIO_UPDATE/d' \(file)
          chown root:minio-user \(file) && chmod 640 \(file)
          """)
        _ = try? lab.keyturn("restart", "--yes")
      }
      let other = try lab.file("other.env", "MINIO_BROWSER=off\nMINIO_UPDATE=off\n")
      let outcome = try lab.keyturn("apply", "--yes", "--settings", other)
      #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
      for node in lab.nodes {
        let text = try lab.exec(node, "cat /root/before")
        let expected =
          text.split(separator: "\n", omittingEmptySubsequences: false)
          .map { $0.hasPrefix("MINIO_BROWSER=") ? "MINIO_BROWSER=\"off\"" : String($0) }
        let after = try lab.exec(node, "cat \(file)").split(
          separator: "\n", omittingEmptySubsequences: false
        ).map(String.init)
        let changes = after.difference(from: expected).map { "\($0)" }
        #expect(
          changes.count == 1 && after.contains { $0.hasPrefix("MINIO_UPDATE=") }, "\(changes)")
        let facts = try lab.exec(node, "stat -c '%a %U:%G' \(file) /root/before")
        #expect(facts == "604 minio-user:daemon\n604 minio-user:daemon\n")
      }
    }

    // MARK: looking

    @Test("status has a row for every node, and exit 3 when one cannot be reached")
    func statusOfUnreachable() throws {
      #expect(try lab.keyturn("status").status == 0)
      try lab.perform("cut", "minio-3")
      defer { _ = try? lab.perform("heal", "minio-3") }
      let outcome = try lab.keyturn("status")
      #expect(outcome.status == 3)
      let rows = outcome.stdout.split(separator: "\n").map { $0.split(separator: " ")[0] }
      #expect(rows.map(String.init) == ["NODE"] + lab.nodes)
      let json = try lab.keyturn("status", "--json")
      let result = try #require(try json.events().last)
      #expect(json.status == 3 && result.exitCode == 3)
      #expect(
        result.nodes?.map(\.outcome) == ["fine", "fine", "unreachable", "fine"])
    }

    @Test("logs of all nodes are merged by time, the newest lines of all")
    func logs() throws {
      try lab.onEachNode("systemd-run -q -P --unit=x true; systemctl kill -s CONT minio")
      let outcome = try lab.keyturn("logs", "-n", "60", "--json")
      #expect(outcome.status == 0)
      let lines = try outcome.events().filter { $0.event != "result" }
      #expect(lines.count == 60)
      #expect(Set(lines.compactMap(\.node)) == Set(lab.nodes))
      let times = lines.compactMap(\.time)
      #expect(times.count == 60 && times == times.sorted())
    }

    @Test("check shows every endpoint from every node, and exit 1 when a Key Manager is stopped")
    func check() throws {
      let fine = try lab.keyturn("check")
      #expect(fine.status == 0, "\(fine.stdout)\(fine.stderr)")
      let lines = fine.stdout.split(separator: "\n").map(String.init)
      #expect(lines.first?.hasPrefix("NODE     kms-1") == true && lines[0].contains("kms-2"))
      for node in lab.nodes { #expect(lines.contains { $0.hasPrefix("\(node)  fine, ") }) }
      try lab.exec("kms-2", "systemctl stop minkms")
      defer { _ = try? lab.exec("kms-2", "systemctl start minkms") }
      let outcome = try lab.keyturn("check", "--json")
      #expect(outcome.status == 1, "\(outcome.stdout)\(outcome.stderr)")
      let result = try #require(try outcome.events().last)
      #expect(result.nodes?.map(\.name) == lab.nodes)
      #expect(
        result.nodes?.allSatisfy { $0.outcome == "failed" && $0.reason.contains("kms-2") } == true)
    }
  }

  /// Clusters that were never encrypted; each test has one of its own.
  struct FreshClusterTests {
    @Test("an SSE key that does not exist: exit 7, unless it may be created")
    func createKey() throws {
      try Lab.with(nodes: 2, keyManagers: 1) { lab in
        let settings = try lab.settings(["MINIO_KMS_SSE_KEY": "a-new-key"])
        let before = try lab.footprint()
        let refused = try lab.keyturn("apply", "--yes", "--settings", settings)
        #expect(refused.status == 7, "\(refused.stdout)\(refused.stderr)")
        #expect(refused.stderr.contains("a-new-key") && refused.stderr.contains("--create-key"))
        try lab.expectUntouched(since: before)
        let outcome = try lab.keyturn("apply", "--yes", "--create-key", "--settings", settings)
        #expect(outcome.status == 0, "\(outcome.stdout)\(outcome.stderr)")
        for node in lab.nodes {
          #expect(try lab.environment(of: node).contains("MINIO_KMS_SSE_KEY=a-new-key"))
        }
      }
    }
  }
}
