// SPDX-License-Identifier: Apache-2.0
import Model
import TestSupport
import Testing
import Threads

extension LabTests {
  /// Whether the cluster is alive and one, as each command and the metrics say it.
  @Suite(.serialized, .lab(nodes: 3, keyManagers: 1))
  struct HealthTests {
    let lab: Lab

    init() throws {
      lab = try #require(Lab.current)
      try lab.encrypt()
    }

    /// A metric of a node's, as soon as it has this value, or as it is after 10 s.
    private func metric(_ name: String, of node: String, is value: Int) throws -> Bool {
      let deadline = Instant.inMilliseconds(10_000)
      repeat {
        let text = try lab.run(
          """
          curl -fsS --cacert \(lab.credentials)/ca.pem --cert \(lab.credentials)/cert.pem \
            --key \(lab.credentials)/key.pem https://\(node):7377/metrics
          """)
        if text.contains("\n\(name) \(value)\n") { return true }
      } while Clock.now() < deadline
      return false
    }

    /// status, check, check --strict and check --nagios.
    private func exits() throws -> [Int32] {
      try [["status"], ["check"], ["check", "--strict"], ["check", "--nagios"]].map {
        try lab.keyturn($0).status
      }
    }

    @Test(
      "a server that is stopped on one node: all four say so, and the command that they name mends it"
    )
    func stopped() throws {
      #expect(try exits() == [0, 0, 0, 0])
      #expect(try metric("keyturn_server_up", of: "minio-2", is: 1))
      try lab.exec("minio-2", "systemctl stop minio")
      let said =
        "minio-2: the server does not run: minio.service is inactive (dead) — `systemctl start minio.service` there"
      let status = try lab.keyturn("status")
      #expect(status.status == 1 && status.stderr.contains(said), "\(status.stderr)")
      let check = try lab.keyturn("check")
      #expect(check.status == 1 && check.stderr.contains(said), "\(check.stderr)")
      #expect(check.stdout.contains("3 nodes: 2 fine, 1 not"))
      let nagios = try lab.keyturn("check", "--nagios")
      #expect(nagios.status == 2 && nagios.stdout.contains(said), "\(nagios.stdout)")
      #expect(nagios.stdout.hasPrefix("KEYTURN CRITICAL - 3 nodes: 2 fine, 1 not; minio-2: "))
      #expect(try exits() == [1, 1, 1, 2])
      #expect(try metric("keyturn_server_up", of: "minio-2", is: 0))
      #expect(try metric("keyturn_server_up", of: "minio-1", is: 1))

      try lab.exec("minio-2", "systemctl start minio.service")
      #expect(try metric("keyturn_server_ready", of: "minio-2", is: 1))
      #expect(try exits() == [0, 0, 0, 0])
    }

    @Test("a unit that has failed is wrong now, everywhere")
    func failed() throws {
      try lab.exec("minio-3", "systemctl kill -s KILL minio; systemctl stop minio")
      try lab.exec(
        "minio-3",
        """
        mkdir -p /run/systemd/system/minio.service.d
        printf '[Service]\\nRestart=no\\nExecStart=\\nExecStart=/bin/false\\n' \
          >/run/systemd/system/minio.service.d/false.conf
        systemctl daemon-reload
        systemctl start minio || true
        """)
      let status = try lab.keyturn("status")
      #expect(
        status.status == 1
          && status.stderr.contains("minio-3: the server does not run: minio.service is failed"),
        "\(status.stderr)")
      #expect(try exits() == [1, 1, 1, 2])
      #expect(try metric("keyturn_server_up", of: "minio-3", is: 0))
      try lab.exec(
        "minio-3",
        """
        rm /run/systemd/system/minio.service.d/false.conf && systemctl daemon-reload
        systemctl reset-failed minio.service && systemctl start minio.service
        """)
      #expect(try lab.keyturn("status").status == 0)
    }

    @Test("a node that does not answer is unknown, not wrong")
    func unanswered() throws {
      try lab.perform("cut", "minio-3")
      defer { _ = try? lab.perform("heal", "minio-3") }
      #expect(try exits() == [3, 3, 3, 3])
    }

    @Test("a file that was edited on one node differs from the others', and the variable is named")
    func differing() throws {
      try lab.exec(
        "minio-1", "cp -p /etc/default/minio /run/good; echo MINIO_SITE_NAME=x >>/etc/default/minio"
      )
      let check = try lab.keyturn("check")
      #expect(
        check.status == 1
          && check.stderr.contains(
            "minio-1: the files have other settings: MINIO_SITE_NAME is set only on minio-1"),
        "\(check.stderr)")
      #expect(try lab.keyturn("status").status == 1)
      try lab.exec("minio-1", "cat /run/good >/etc/default/minio")
      #expect(try lab.keyturn("status").status == 0)
    }
  }
}
